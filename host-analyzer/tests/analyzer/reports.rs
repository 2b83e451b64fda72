//! The report is one page that opens anywhere.

use crate::runs::changed;
use crate::simulated::{
    KHZ, STRATEGIES, boot, capture, encoded, folder, frames, manifest, run_folder, write_manifest,
};
use bringup::frame::{ApEnd, Body};
use bringup::stamp::{Stamp, Stamps};
use host_analyzer::ground::failure::Failure;
use host_analyzer::present::report;
use host_analyzer::run::Run;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

#[test]
fn a_report_has_a_finding_five_figures_and_the_way_to_get_it_again() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[2, 28]);
    let run = Run::open(&folder).unwrap();
    report::write(&run, &folder).unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    for part in [
        "<h1>28 CPUs come online in 16.30 ms with <span class=\"whole\">full-parallel:</span> 4.47 times as fast as serial \
         (72.90 ms).</h1>",
        "What limits it now is tsc-sync: 13.50 ms of the 16.30 ms on its critical path (83 %), of \
         27 APs, one after the other. Without any waiting it would take 5.300 ms.",
        "<title id=\"totals-title\">Total against CPU count</title>",
        "QEMU emulator version 10.0.2",
        "0123456789abcdef0123456789abcdef",
        "qemu-system-x86_64 -smp 28",
        "some &#60;CPU&#62; &#38; more",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let mut figures: Vec<_> = fs::read_dir(folder.join("figures"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    figures.sort();
    assert_eq!(
        figures,
        [
            "phases.png",
            "phases.svg",
            "timeline-full-parallel.png",
            "timeline-full-parallel.svg",
            "timeline-parallel-sipi.png",
            "timeline-parallel-sipi.svg",
            "timeline-serial.png",
            "timeline-serial.svg",
            "totals.png",
            "totals.svg"
        ]
    );
    // The script of the chart library is told apart by the policy, and fetches nothing.
    let (markup, _) = page.split_once("<script>").unwrap();
    for outside in ["@import", "src=", "href=\"http", "url(http"] {
        assert!(!markup.contains(outside), "{outside}");
    }
    assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none';"));
}

#[test]
fn a_page_names_the_run_itself_and_what_a_capture_needs() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("run"), "strategy=serial", &[2]);
    let link = folder.join("latest");
    std::os::unix::fs::symlink("run", &link).unwrap();
    let capture = folder.join("run").join("captures/icount-2-1.bin");
    let place = folder.display();
    for (path, told) in [
        (&link, format!("cargo analyze report {place}/run</pre>")),
        (&capture, format!("cargo analyze report {} -o DIR</pre>", capture.display())),
    ] {
        report::write(&Run::open(path).unwrap(), &folder.join("out")).unwrap();
        let page = fs::read_to_string(folder.join("out/report.html")).unwrap();
        assert!(page.contains(&told), "{told}");
    }
}

/// The page's block of JSON, as it stands there.
fn block(page: &str) -> &str {
    let (_, behind) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    behind.split_once("</script>").unwrap().0
}

#[test]
fn the_block_of_data_holds_the_trials_and_their_critical_paths() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[4]);
    let run = Run::open(&folder).unwrap();
    report::write(&run, &folder).unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let data: serde_json::Value = serde_json::from_str(block(&page)).unwrap();
    assert_eq!(data["schema"], 3);
    for (cell, told) in run.cells.iter().zip(data["cells"].as_array().unwrap()) {
        assert_eq!(told["total"], cell.total().unwrap().median);
        assert_eq!(told["timelines"].as_array().unwrap().len(), 3);
        for timeline in told["timelines"].as_array().unwrap() {
            let path = timeline["path"].as_array().unwrap();
            let length: u64 = path.iter().map(|segment| segment[3].as_u64().unwrap()).sum();
            assert_eq!(timeline["total"], length);
            assert_eq!(timeline["aps"].as_array().unwrap().len(), 3);
        }
    }
}

#[test]
fn the_best_the_median_and_the_worst_trial_are_found_in_whatever_boots_they_are() {
    let (_keep, folder) = folder();
    let line = "repetitions=1 cost-wake=1ms";
    let more = [300, 100, 200];
    let boots = more.map(|more| {
        let name = format!("{more}.bin");
        let mut bytes = Vec::new();
        bringup::sim::boot(line, 2, KHZ, |frame| {
            let mut frame = frame.clone();
            if let Body::TrialEnd(end) = &mut frame.body {
                end.total.0 += more;
            }
            bytes.extend(encoded(&frame));
        })
        .unwrap();
        fs::write(folder.join(&name), bytes).unwrap();
        boot(&name, line, 2)
    });
    write_manifest(&folder, &manifest(boots.to_vec()));
    let run = Run::open(&folder).unwrap();
    report::write(&run, &folder).unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let data: serde_json::Value = serde_json::from_str(block(&page)).unwrap();
    let least = run.cells[0].total().unwrap().min - 100;
    let timelines = data["cells"][0]["timelines"].as_array().unwrap();
    for (told, (which, boot, more)) in
        timelines.iter().zip([("best", 2, 100), ("median", 3, 200), ("worst", 1, 300)])
    {
        assert_eq!(told["which"], which);
        assert_eq!((&told["boot"], &told["total"]), (&boot.into(), &(least + more).into()));
    }
    assert_eq!(timelines.len(), 3);
}

#[test]
fn pictures_have_their_words_on_a_machine_without_fonts() {
    let (_keep, folder) = folder();
    run_folder(&folder, "repetitions=1", &[2]);
    let run = Run::open(&folder).unwrap();
    report::write(&run, &folder).unwrap();
    let png = fs::read(folder.join("figures/timeline-serial.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    // The font is the library's own: no file of the system's is looked for.
    assert!(png.len() > 10_000, "{}", png.len());
}

#[test]
fn a_page_of_255_cpus_stays_under_5_mb() {
    let (_keep, folder) = folder();
    run_folder(&folder, &STRATEGIES.replace("repetitions=5", "repetitions=3"), &[255]);
    let run = Run::open(&folder).unwrap();
    report::write(&run, &folder).unwrap();
    let size = fs::metadata(folder.join("report.html")).unwrap().len();
    assert!(size < 5_000_000, "{size}");
}

#[test]
fn a_manifest_that_names_files_outside_its_folder_is_refused() {
    let (_keep, folder) = folder();
    let line = "repetitions=1";
    let outside = folder.join("outside.bin");
    fs::write(&outside, capture(line, 2)).unwrap();
    let inside = folder.join("run");
    fs::create_dir(&inside).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("link.bin")).unwrap();
    for path in ["../outside.bin", outside.to_str().unwrap(), "a/../../outside.bin", "link.bin", ""]
    {
        write_manifest(&inside, &manifest(vec![boot(path, line, 2)]));
        let Err(Failure::Request(report)) = Run::open(&inside) else { panic!("{path}") };
        let told = report.to_string();
        assert!(told.contains("run.json can't be used") && told.contains(path), "{told}");
        assert!(told.contains("is outside the run's folder"), "{told}");
    }
}

#[test]
fn a_manifest_that_names_a_pipe_or_a_folder_is_refused_and_not_waited_for() {
    let (_keep, folder) = folder();
    let made = std::process::Command::new("mkfifo").arg(folder.join("pipe.bin")).status().unwrap();
    assert!(made.success());
    fs::create_dir(folder.join("folder.bin")).unwrap();
    for path in ["pipe.bin", "folder.bin"] {
        write_manifest(&folder, &manifest(vec![boot(path, "repetitions=1", 2)]));
        let Err(Failure::Request(report)) = Run::open(&folder) else { panic!("{path}") };
        let told = report.to_string();
        assert!(told.contains(&format!("the capture `{path}` is no regular file")), "{told}");
    }
}

#[test]
fn a_report_takes_the_place_of_no_capture() {
    let (_keep, folder) = folder();
    let line = "repetitions=1";
    let bytes = capture(line, 2);
    run_folder(&folder, line, &[2]);
    report::write(&Run::open(&folder).unwrap(), &folder).unwrap();
    let figures = fs::read_dir(folder.join("figures")).unwrap();
    let written: Vec<PathBuf> =
        figures.map(|figure| figure.unwrap().path()).chain([folder.join("report.html")]).collect();
    assert!(written.len() > 2, "{written:?}");
    for path in written {
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
        fs::write(folder.join(name), &bytes).unwrap();
        write_manifest(&folder, &manifest(vec![boot(name, line, 2)]));
        let run = Run::open(&folder).unwrap();
        let Err(Failure::Request(report)) = report::write(&run, &folder) else { panic!("{name}") };
        assert!(
            report.to_string().ends_with(" is part of the run, and stays as it is"),
            "{report}"
        );
        assert!(fs::read(folder.join(name)).unwrap() == bytes, "{name}");
        fs::remove_file(folder.join(name)).unwrap();
    }
}

#[test]
fn the_same_run_gives_the_same_report() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[2, 4]);
    let run = Run::open(&folder).unwrap();
    let page = || {
        report::write(&run, &folder).unwrap();
        fs::read_to_string(folder.join("report.html")).unwrap()
    };
    let first = page();
    assert_eq!(first, page());
    let ids: Vec<&str> =
        first.split(" id=\"").skip(1).filter_map(|id| id.split('"').next()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

#[test]
fn nothing_of_a_capture_or_a_manifest_becomes_markup() {
    let (_keep, folder) = folder();
    let evil = "<script>alert('\"&$x^{')</script>";
    let line = "repetitions=1 cell strategy=serial cell strategy=full-parallel";
    let mut boots = vec![boot("a.bin", line, 3), boot("b.bin", line, 3)];
    boots[0].engine = evil.to_owned();
    boots[1].command.push(evil.to_owned());
    let mut told = manifest(boots);
    told.scenario = evil.to_owned();
    told.host.cpu = evil.to_owned();
    write_manifest(&folder, &told);
    for name in ["a.bin", "b.bin"] {
        fs::write(folder.join(name), capture(line, 3)).unwrap();
    }
    let run = Run::open(&folder).unwrap();
    report::write(&run, &folder).unwrap();
    let mut files = vec![folder.join("report.html")];
    files.extend(fs::read_dir(folder.join("figures")).unwrap().map(|entry| entry.unwrap().path()));
    // The page, one chart of the totals; of each engine the phases and two timelines; as SVG and
    // as PNG.
    assert_eq!(files.len(), 1 + 2 * (1 + 2 * 3));
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind != "png")) {
        let text = fs::read_to_string(file).unwrap();
        let scripts = if file.extension().is_some_and(|kind| kind == "html") { 3 } else { 0 };
        assert_eq!(text.matches("<script").count(), scripts, "{}", file.display());
        assert!(!text.contains(evil), "{}", file.display());
    }
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(block(&page).contains("\\u003cscript>") && !block(&page).contains('<'));
}

#[test]
fn runs_with_little_in_them_have_reports_too() {
    let (_keep, folder) = folder();
    let one_cpu = capture("repetitions=1", 1);
    let hello_only = frames("", 2)[..1].concat();
    let all_lost = capture("repetitions=1 limit=1ms fault=never:1", 2);
    for (name, bytes, finding) in [
        ("one-cpu", one_cpu, "There was nothing to bring up."),
        ("no-time", capture("tsc-window=0 repetitions=1", 3), "3 CPUs come online in 0 µs"),
        ("hello-only", hello_only, "There was nothing to bring up."),
        ("all-lost", all_lost, "No cell with 2 CPUs brought all of them online."),
    ] {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let run = Run::open(&path).unwrap();
        let target = folder.join(format!("{name}-report"));
        report::write(&run, &target).unwrap();
        let page = fs::read_to_string(target.join("report.html")).unwrap();
        assert!(page.contains(finding), "{name}");
    }
}

/// With `stamp-set=ends` no AP has phases, and none is lost.
#[test]
fn an_online_ap_without_phases_is_not_drawn_as_lost() {
    let (_keep, folder) = folder();
    let path = folder.join("capture.bin");
    let bytes = changed("repetitions=1 stamp-set=ends", 3, |body| {
        let Body::ApTimeline(ap) = body else { return };
        let stamps = ap.stamps;
        ap.stamps = Stamps::default();
        for stamp in [Stamp::Init, Stamp::Online] {
            ap.stamps.set(stamp, stamps.get(stamp).unwrap());
        }
    });
    fs::write(&path, bytes).unwrap();
    report::write(&Run::open(&path).unwrap(), &folder).unwrap();
    let svg = fs::read_to_string(folder.join("figures/timeline-serial.svg")).unwrap();
    assert!(svg.contains("CPU 2 (no phases)") && !svg.contains("lost"), "{svg}");
}

#[test]
fn a_lost_ap_is_drawn_as_far_as_it_came_with_a_mark_at_its_last_stamp() {
    let (_keep, folder) = folder();
    // CPU 2 gets its callin done; CPU 3 gets its INIT and SIPI; CPU 4 is not even kicked.
    let bytes = changed("repetitions=1 cost-wake=1ms cost-callin=2ms", 6, |body| {
        let Body::ApTimeline(ap) = body else { return };
        let kept: &[Stamp] = match ap.cpu.0 {
            2 => &[Stamp::Init, Stamp::Sipi, Stamp::Entry, Stamp::Alive, Stamp::CallinBegin],
            3 => &[Stamp::Init, Stamp::Sipi],
            4 => &[],
            _ => return,
        };
        let stamps = ap.stamps;
        ap.stamps = Stamps::default();
        kept.iter().for_each(|stamp| ap.stamps.set(*stamp, stamps.get(*stamp).unwrap()));
        ap.end = ApEnd::Lost(kept.last().copied());
    });
    let path = folder.join("capture.bin");
    fs::write(&path, bytes).unwrap();
    let run = Run::open(&path).unwrap();
    report::write(&run, &folder).unwrap();
    let svg = fs::read_to_string(folder.join("figures/timeline-serial.svg")).unwrap();
    for tip in [
        "CPU 2 (lost): sipi from ",
        "CPU 2 (lost): lost after callin_begin, at ",
        "CPU 3 (lost): lost after sipi, at ",
        "CPU 4 (lost): lost before it was kicked, at 0",
        "A cross is the last stamp of an AP that was lost.",
        "lost, at its last stamp",
    ] {
        assert!(svg.contains(tip), "{tip}: {svg}");
    }
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let data: Value = serde_json::from_str(block(&page)).unwrap();
    let shown = &data["cells"][0]["timelines"][0];
    let median = run.median_trials().unwrap().remove(0).unwrap();
    let stamp = |cpu: usize, stamp| median.timelines[cpu - 1].stamps.get(stamp).unwrap();
    assert_eq!(
        shown["lost"],
        json!([
            [2, "lost after callin_begin", stamp(2, Stamp::CallinBegin)],
            [3, "lost after sipi", stamp(3, Stamp::Sipi)],
            [4, "lost before it was kicked", null],
        ])
    );
    assert!(page.contains("✕ lost, at its last stamp"));
    // What an AP did not get through has no number.
    let (_, row) = page.split_once("CPU 3 (lost): lost after sipi</th>").unwrap();
    let (row, _) = row.split_once("</tr>").unwrap();
    assert_eq!((row.matches("<td").count(), row.matches(">–<").count()), (7, 6), "{row}");
    // A warning's code is code, and what it names is text.
    assert!(page.contains("lost CPU 2 after <code>callin_begin</code>, CPU 3 after"), "{page}");
}
