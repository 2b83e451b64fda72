//! What `tsc-sync` tells of a capture.

use crate::runs::changed;
use crate::simulated::{folder, run_folder};
use bringup::exchange::{OffsetInterval, SyncVerdict};
use bringup::frame::{Body, Sync};
use host_analyzer::ground::unit::Unit;
use host_analyzer::present::report;
use host_analyzer::present::show::{self, tsc_sync_json, tsc_sync_table};
use host_analyzer::run::Run;
use serde_json::json;
use std::fs;
use tempfile::TempDir;

fn interval(lo: i64, hi: i64, samples: u32) -> OffsetInterval {
    OffsetInterval { lo, hi, lo_samples: samples, hi_samples: samples + 1 }
}

/// A trial of five CPUs, the skews of CPU 1 and 2 planted: 1 is found and corrected to 5 cycles, 2 is not
/// found, 3 stays unresolved, and 4 is found to be off, which nobody has planted.
fn run() -> (Run, TempDir) {
    let words = "strategy=full-parallel tsc-sync=one-to-many tsc-window=1000 skew=1:200,2:50";
    let bytes = changed(words, 5, |body| {
        let Body::ApTimeline(timeline) = body else { return };
        let clean = |windows, first, correction| {
            (
                Sync {
                    verdict: SyncVerdict::Clean,
                    windows,
                    first,
                    correction,
                    in_hardware: false,
                },
                18,
            )
        };
        let (sync, samples) = match timeline.cpu.0 {
            1 => clean(2, Some(interval(150, 240, 12)), 195),
            2 => clean(1, Some(interval(-10, 90, 18)), 0),
            3 => (Sync { verdict: SyncVerdict::Unresolved, ..clean(3, None, 0).0 }, 2),
            _ => clean(2, Some(interval(-40, -20, 18)), -30),
        };
        timeline.sync = Some(sync);
        timeline.offset = Some(interval(-30, i64::from(timeline.cpu.0) * 20, samples));
    });
    let (keep, folder) = folder();
    let path = folder.join("sync.bin");
    fs::write(&path, bytes).unwrap();
    (Run::open(&path).unwrap_or_else(|failure| panic!("{:?}", failure.report())), keep)
}

#[test]
fn verdicts_widths_windows_and_planted_skews_are_counted() {
    let told = tsc_sync_json(&run().0);
    let cell = &told["cells"][0];
    assert_eq!(cell["compared"], 4);
    assert_eq!(cell["verdicts"], json!({ "clean": 3, "warp": 0, "unresolved": 1, "drift": 0 }));
    assert_eq!(cell["width"], json!({ "median": 70, "max": 110 }));
    assert_eq!((&cell["fewest_readings"], &cell["most_windows"]), (&json!(18), &json!(3)));
    assert_eq!(cell["time"], json!({ "median": 3000, "max": 3000 }));
    assert_eq!((&cell["planted"], &cell["found"]), (&json!(2), &json!(1)));
    assert_eq!((&cell["off_by"], &cell["others_off"]), (&json!(5), &json!(1)));
    let planted =
        json!({ "cpu": 1, "times": 1, "planted": 200, "correction": 195, "interval": [150, 240] });
    assert_eq!(cell["off"][0], planted);
    let warnings = run().0.warnings().join("\n");
    for warning in [
        "clocks with a planted skew were found to be off, in cycles: CPU 1 by +195 [150, 240]",
        "clocks were found to be off, in cycles: CPU 4 by -30 [-40, -20]",
    ] {
        assert!(warnings.contains(warning), "{warnings}");
    }
}

#[test]
fn the_table_tells_shares_and_leaves_out_verdicts_that_never_came() {
    let text = tsc_sync_table(&run().0, Unit::Cycles);
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[2].contains("unresolved") && !rows[2].contains("drift"), "{text}");
    let numbers: Vec<&str> =
        rows[4].split("  ").map(str::trim).filter(|text| !text.is_empty()).collect();
    assert_eq!(
        numbers[1..],
        [
            "4",
            "75.0 %",
            "25.0 %",
            "70",
            "110",
            "18",
            "3",
            "3000",
            "3000",
            "1 of 2",
            "5",
            "1",
            "CPU 1 by +195 [150, 240], CPU 4 by -30 [-40, -20]"
        ]
    );
}

#[test]
fn the_report_has_the_same_table() {
    let (_keep, folder) = folder();
    let (run, _capture) = run();
    report::write(&run, &folder).unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let (_, section) = page.split_once("What the TSC sync found").unwrap();
    let (table, _) = section.split_once("</table>").unwrap();
    for text in ["75.0 %", "25.0 %", "1 of 2", "the whole sync"] {
        assert!(table.contains(text), "{text}: {table}");
    }
}

#[test]
fn without_a_comparison_there_is_no_table() {
    let bytes = changed("strategy=serial tsc-sync=trusted tsc-trust=yes", 3, |_| ());
    let (_keep, folder) = folder();
    let path = folder.join("trusted.bin");
    fs::write(&path, bytes).unwrap();
    let run = Run::open(&path).unwrap_or_else(|failure| panic!("{:?}", failure.report()));
    assert!(tsc_sync_table(&run, Unit::Auto).starts_with("no clock of an online AP was compared"));
    assert_eq!(tsc_sync_json(&run)["cells"], json!([]));
    report::write(&run, &folder).unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(!page.contains("What the TSC sync found"));
}

#[test]
fn a_table_says_where_one_window_for_all_saves_nothing() {
    let note = "clocks are compared with one AP at a time, so tsc-sync=one-to-many takes as long as pairwise";
    let cell = |strategy: &str, sync: &str| format!("cell strategy={strategy} tsc-sync={sync} ");
    let both = |strategy: &str| cell(strategy, "pairwise") + &cell(strategy, "one-to-many");
    let text = |words: &str| {
        let (_keep, folder) = folder();
        run_folder(&folder, words, &[4]);
        show::table(&Run::open(&folder).unwrap(), Unit::Auto)
    };
    let all = text(&["serial", "parallel-sipi", "full-parallel"].map(both).concat());
    assert!(all.contains(&format!("\nserial, parallel-sipi: {note}\n")), "{all}");
    for words in [both("full-parallel"), cell("serial", "one-to-many")] {
        let table = text(&words);
        assert!(!table.contains(note), "{table}");
    }
}
