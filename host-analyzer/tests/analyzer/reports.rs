//! The report is one page that opens anywhere.

use crate::simulated::{
    STRATEGIES, boot, capture, folder, frames, manifest, run_folder, write_manifest,
};
use host_analyzer::report;
use host_analyzer::run::Run;
use std::fs;

#[test]
fn a_report_has_a_finding_five_figures_and_the_way_to_get_it_again() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[2, 28]);
    let run = Run::open(&folder).unwrap();
    report::write(&run, &folder).unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    for part in [
        "<h1>28 CPUs come online in 16.30 ms with full-parallel: 4.47 times as fast as serial \
         (72.90 ms).</h1>",
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
            "phases.svg",
            "timeline-full-parallel.svg",
            "timeline-parallel-sipi.svg",
            "timeline-serial.svg",
            "totals.svg"
        ]
    );
    for outside in ["<script", "http-equiv", "@import", "src=\"http", "href=\"http", "url(http"] {
        assert!(!page.contains(outside), "{outside}");
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
    // The page, one chart of the totals; of each engine the phases and two timelines.
    assert_eq!(files.len(), 2 + 2 * 3);
    for file in files {
        assert!(!fs::read_to_string(&file).unwrap().contains("<script"), "{}", file.display());
    }
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
