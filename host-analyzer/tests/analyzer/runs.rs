//! A run folder or a capture becomes cells.

use crate::noisy::noisy_run;
use crate::simulated::{
    KHZ, STRATEGIES, boot, capture, encoded, folder, frames, manifest, run_folder, write_manifest,
};
use bringup::exchange::{OffsetInterval, SyncVerdict};
use bringup::frame::{ApEnd, Body, CellBegin, Frame, Sync};
use bringup::options::Strategy;
use bringup::phase::Phase;
use bringup::stamp::Stamp;
use bringup::{CpuIndex, Cycles};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest::{Load, Manifest};
use host_analyzer::ground::unit::Unit;
use host_analyzer::present::show;
use host_analyzer::run::timeline::phases;
use host_analyzer::run::{Cell, Run, UNKNOWN_ENGINE};
use std::fs;
use std::path::Path;

fn cell(run: &Run, smp: u16, strategy: Strategy) -> &Cell {
    let wanted = |cell: &&Cell| cell.smp == smp && cell.options.strategy == strategy;
    run.cells.iter().find(wanted).unwrap()
}

fn opened(path: &Path) -> Run {
    Run::open(path).unwrap_or_else(|failure| panic!("{:?}", failure.report()))
}

/// The message and the help of a request that is refused.
fn refused(path: &Path) -> String {
    match Run::open(path) {
        Err(Failure::Request(report)) => {
            format!("{report:#} {} {report:?}", report.help().unwrap())
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// A boot whose frames were changed before they were sent.
pub fn changed(line: &str, cpus: usize, mut change: impl FnMut(&mut Body<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    bringup::sim::boot(line, cpus, KHZ, |frame| {
        let mut frame = frame.clone();
        change(&mut frame.body);
        bytes.extend(encoded(&frame));
    })
    .unwrap();
    bytes
}

#[test]
fn a_run_has_a_cell_for_each_engine_cpu_count_and_set_of_options() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[4, 28]);
    let run = opened(&folder);
    let names: Vec<_> = run.cells.iter().map(|cell| cell.label(&[])).collect();
    assert_eq!(names[0], "icount, 4 CPUs, serial");
    assert_eq!(names[5], "icount, 28 CPUs, full-parallel");
    assert_eq!(names.len(), 6);
    assert_eq!(run.warnings(), [""; 0]);

    // The closed forms of the simulator's own tests.
    let serial = cell(&run, 28, Strategy::Serial);
    assert_eq!(serial.total().unwrap().median, 27 * 2_700_000);
    assert_eq!((serial.trials.len(), serial.cold.len()), (5, 1));
    assert_eq!(serial.tsc_khz(), Some(KHZ));
    let full = cell(&run, 28, Strategy::FullParallel);
    assert_eq!(full.total().unwrap().median, 2_700_000 + 27 * 500_000 + 100_000);
    assert_eq!(full.kick_loop().unwrap().median, 2_700_000);
    assert_eq!(full.phase(Phase::Callin).unwrap().median, 800_000);
    assert_eq!(full.cold.len(), 0);
    assert!((run.speed_up(full).unwrap() - 72.9 / 16.3).abs() < 1e-9);
}

#[test]
fn equal_cells_of_several_boots_are_one() {
    let (_keep, folder) = folder();
    let mut told = run_folder(&folder, STRATEGIES, &[4]);
    told.boots.push(boot("captures/icount-4-2.bin", STRATEGIES, 4));
    fs::write(folder.join("captures/icount-4-2.bin"), capture(STRATEGIES, 4)).unwrap();
    write_manifest(&folder, &told);
    let run = opened(&folder);
    assert_eq!(run.cells.len(), 3);
    assert_eq!((run.cells[0].trials.len(), run.cells[0].cold.len()), (10, 2));
}

#[test]
fn a_bare_capture_is_a_run_of_an_unknown_engine() {
    let (_keep, folder) = folder();
    let path = folder.join("serial.bin");
    fs::write(&path, capture(STRATEGIES, 4)).unwrap();
    let run = opened(&path);
    assert!(run.cells.iter().all(|cell| cell.engine == UNKNOWN_ENGINE && cell.smp == 4));
    assert_eq!(run.cells.len(), 3);
}

#[test]
fn the_median_trial_is_kept_with_all_its_timelines() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[1, 8]);
    let run = opened(&folder);
    let trials = run.median_trials().unwrap();
    for (cell, trial) in run.cells.iter().zip(trials) {
        let trial = trial.unwrap();
        assert_eq!(trial.timelines.len(), usize::from(cell.smp) - 1);
        assert_eq!(trial.trial.total, cell.total().unwrap().median);
        for ap in &trial.timelines {
            let phases = phases(&ap.stamps).unwrap().map(|cycles| cycles.0);
            assert_eq!(
                Some(Cycles(phases.iter().sum())),
                ap.stamps.between(Stamp::Init, Stamp::Online)
            );
            assert_eq!(ap.starts, 1);
        }
    }
}

#[test]
fn a_damaged_trial_is_counted_and_not_used() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[4]);
    let frames = frames(STRATEGIES, 4);
    // Hello, 4 Cpu, CellBegin, the cold trial's 5 frames, then the first trial: lose an AP of it,
    // and with the next trial's begin the end of this one.
    for (lost, incomplete) in [(12..13, 1), (12..15, 1), (13..18, 2)] {
        let mut frames = frames.clone();
        frames.drain(lost.clone());
        fs::write(folder.join("captures/icount-4-1.bin"), frames.concat()).unwrap();
        let run = opened(&folder);
        let serial = cell(&run, 4, Strategy::Serial);
        assert_eq!(serial.incomplete, incomplete, "{lost:?}");
        assert_eq!(serial.trials.len() as u64, 5 - incomplete);
        assert_eq!(serial.total().unwrap().median, 8_100_000);
        assert!(run.warnings()[0].contains(&format!("{} of ", lost.len())), "{:?}", run.warnings());
    }
}

#[test]
fn the_command_line_tells_the_options_of_a_cell_whose_frame_was_lost() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[4]);
    let mut frames = frames(STRATEGIES, 4);
    frames.remove(5);
    fs::write(folder.join("captures/icount-4-1.bin"), frames.concat()).unwrap();
    let run = opened(&folder);
    assert_eq!(cell(&run, 4, Strategy::Serial).trials.len(), 5);

    let bare = folder.join("bare.bin");
    fs::write(&bare, frames.concat()).unwrap();
    let run = opened(&bare);
    assert_eq!(run.cells.len(), 2);
    let lost = "cell 0: its options are lost, 6 trials not used";
    assert!(run.warnings().iter().any(|warning| warning.contains(lost)), "{:?}", run.warnings());
}

#[test]
fn a_capture_without_its_hello_still_tells_cycles() {
    let (_keep, folder) = folder();
    let bare = folder.join("bare.bin");
    fs::write(&bare, frames(STRATEGIES, 4)[1..].concat()).unwrap();
    let run = opened(&bare);
    assert_eq!(cell(&run, 4, Strategy::Serial).tsc_khz(), None);
    assert!(show::table(&run, Unit::Auto).starts_with("Times in cycles"));
    assert!(show::table(&run, Unit::Ms).contains("?"));
}

#[test]
fn a_cut_capture_says_so_and_what_never_came() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[4]);
    let path = folder.join("captures/icount-4-1.bin");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let run = opened(&folder);
    let all = run.warnings().join("\n");
    for part in
        ["captures/icount-4-1.bin: the capture is cut", "1 of its 3 planned cells has no trials"]
    {
        assert!(all.contains(part), "{part}: {all}");
    }
}

#[test]
fn lost_aps_are_named_with_their_last_stamp() {
    let (_keep, folder) = folder();
    run_folder(&folder, "repetitions=2 limit=50ms fault=never:3", &[4]);
    let run = opened(&folder);
    assert_eq!(run.lost_aps(), 3);
    assert_eq!(run.cells[0].trials[0].lost, 1);
    assert!(run.cells[0].trials[0].phases.is_some());
    for warning in [
        "icount, 4 CPUs, serial: lost CPU 3 after `sipi` (2 times)",
        "icount, 4 CPUs, serial: in cold trials: lost CPU 3 after `sipi`",
    ] {
        assert!(run.warnings().iter().any(|told| told == warning), "{:?}", run.warnings());
    }
    let Err(Failure::Verdict(report)) = run.verdict() else { panic!("it went well") };
    let told = "an AP did not come online 2 times in the trials, once in cold trials in ";
    assert!(report.to_string().starts_with(told), "{report}");
}

/// Loses an AP in the trials that `in_trial` says: their number, and whether they are cold.
fn lost_in(line: &str, in_trial: impl Fn(u32, bool) -> bool) -> Vec<u8> {
    let mut lose = false;
    changed(line, 4, |body| match body {
        Body::TrialBegin(begin) => lose = in_trial(begin.trial, begin.cold),
        Body::ApTimeline(timeline) if lose && timeline.cpu == CpuIndex(2) => {
            timeline.end = ApEnd::Lost(Some(Stamp::CallinBegin));
        }
        Body::TrialEnd(end) if lose => end.lost = 1,
        _ => {}
    })
}

#[test]
fn lost_counts_the_trials_that_are_counted_and_names_the_others_apart() {
    let (_keep, folder) = folder();
    let path = folder.join("capture.bin");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        opened(&path)
    };
    let cell = |run: &Run| {
        let json = show::json(run);
        let cell = &json["cells"][0];
        ["trials", "lost", "lost_in_incomplete"].map(|key| cell[key].as_u64().unwrap())
    };
    let all = read(&lost_in("repetitions=3", |_, _| true));
    assert_eq!(cell(&all), [3, 3, 0]);
    assert_eq!(show::json(&all)["cells"][0]["cold"]["lost"], 1);
    let warm = read(&lost_in("repetitions=3", |_, cold| !cold));
    assert_eq!(cell(&warm), [3, 3, 0]);
    assert_eq!(show::json(&warm)["cells"][0]["cold"]["lost"], 0);
    let cold = read(&lost_in("repetitions=3", |_, cold| cold));
    assert_eq!(cell(&cold), [3, 0, 0]);
    assert_eq!(show::json(&cold)["cells"][0]["cold"]["lost"], 1);
    let told = "in cold trials: lost CPU 2 after `callin_begin`";
    assert!(cold.warnings().iter().any(|warning| warning.ends_with(told)), "{:?}", cold.warnings());
    let Err(Failure::Verdict(report)) = cold.verdict() else { panic!("it went well") };
    assert!(report.to_string().contains("once in cold trials"), "{report}");
    // The trial's last frame is missing: what it lost is in no number, and is still told.
    let bytes = lost_in("repetitions=3", |number, _| number == 2);
    let mut frames: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == 0).collect();
    let per_trial = 5;
    // Hello, four CPUs, the cell, the cold trial, trial 1, and trial 2 without its end.
    frames.remove(6 + 3 * per_trial - 1);
    let incomplete = read(&frames.concat());
    assert_eq!(cell(&incomplete), [2, 0, 1]);
    let told = "in incomplete trials: lost CPU 2 after `callin_begin`";
    let warnings = &incomplete.warnings();
    assert!(warnings.iter().any(|warning| warning.ends_with(told)), "{warnings:?}");
    assert!(incomplete.verdict().is_err());
}

/// A trial that lost an AP did not do what the other did.
#[test]
fn no_speed_up_is_told_of_a_cell_or_against_a_serial_cell_that_lost_an_ap() {
    let (_keep, folder) = folder();
    let cells = ["serial", "parallel-sipi", "full-parallel"];
    let path = folder.join("capture.bin");
    // The first cell has the cold trial; one AP lost in that alone is enough.
    for (lossy, cold_alone) in [(0, true), (0, false), (1, false), (2, false)] {
        let mut lose = false;
        let bytes = changed(STRATEGIES, 4, |body| match body {
            Body::TrialBegin(begin) => {
                lose = usize::from(begin.cell) == lossy && begin.cold >= cold_alone;
            }
            Body::ApTimeline(timeline) if lose && timeline.cpu == CpuIndex(1) => {
                timeline.end = ApEnd::Lost(Some(Stamp::Alive));
            }
            _ => {}
        });
        fs::write(&path, bytes).unwrap();
        let run = opened(&path);
        for (cell, name) in run.cells.iter().zip(cells) {
            let told = run.speed_up(cell).is_some();
            let lost = cell.lost_in_all_trials() > 0 || run.cells[0].lost_in_all_trials() > 0;
            assert_eq!(told, !lost, "{name} where {} lost an AP", cells[lossy]);
        }
        let table = show::table(&run, Unit::Auto);
        let factors = table.matches('×').count();
        assert_eq!(factors, if lossy == 0 { 0 } else { 2 }, "{table}");
    }
}

#[test]
fn the_aps_stamps_are_put_on_the_bsps_clock() {
    let (_keep, folder) = folder();
    let shift = 5_000_000;
    let bytes = changed("cost-wake=1ms repetitions=1", 3, |body| {
        if let Body::ApTimeline(timeline) = body {
            timeline.stamps = timeline.stamps.on_bsp_clock(shift);
            let (lo, hi) = (-shift - 10, -shift + 10);
            timeline.offset = Some(OffsetInterval { lo, hi, lo_samples: 9, hi_samples: 9 });
        }
    });
    let path = folder.join("shifted.bin");
    fs::write(&path, bytes).unwrap();
    let run = opened(&path);
    assert_eq!(run.cells[0].phase(Phase::Sipi).unwrap().median, 1_000_000);
    assert!(run.cells[0].disorders.is_empty());
}

#[test]
fn online_aps_without_phases_are_told_and_not_counted_in() {
    let (_keep, folder) = folder();
    let bytes = changed("cost-wake=1ms repetitions=2", 3, |body| {
        if let Body::ApTimeline(timeline) = body
            && timeline.cpu == CpuIndex(2)
        {
            timeline.stamps.set(Stamp::Alive, -7);
        }
    });
    let path = folder.join("bad.bin");
    fs::write(&path, bytes).unwrap();
    let run = opened(&path);
    assert_eq!(run.cells[0].disorders[&CpuIndex(2)].0, 3);
    assert_eq!(run.cells[0].phase(Phase::Sipi).unwrap().median, 1_000_000);
    let all = run.warnings().join("\n");
    assert!(all.contains("CPU 2 has `alive` at -7, before `entry` at"), "{all}");
}

#[test]
fn overruns_are_counted_by_step_without_the_cold_trial() {
    let (_keep, folder) = folder();
    let bytes = changed("cost-wake=1ms repetitions=2", 3, |body| {
        if let Body::ApTimeline(timeline) = body {
            timeline.overruns[3] = 1500 * u64::from(timeline.cpu.0);
        }
    });
    let path = folder.join("over.bin");
    fs::write(&path, bytes).unwrap();
    let run = opened(&path);
    assert_eq!(run.cells[0].overrun_count(), 4);
    let all = run.warnings().join("\n");
    assert!(
        all.contains("`callin` took longer than its cost 4 times, at most by 3.000 µs (CPU 2)")
    );
}

/// A share would be rounded to nothing.
#[test]
fn overruns_of_a_noisy_engine_are_counted_and_few_trials_are_told_in_words_that_fit() {
    let (_keep, folder) = folder();
    let warnings = |repetitions: u32| {
        let line = format!("cost-wake=1ms repetitions={repetitions}");
        let mut number = 0;
        let bytes = changed(&line, 4, |body| match body {
            Body::TrialBegin(begin) => number = begin.trial,
            Body::ApTimeline(timeline) if number == 1 => timeline.overruns[3] = 1500,
            _ => {}
        });
        fs::write(folder.join("capture.bin"), bytes).unwrap();
        let mut told = boot("capture.bin", &line, 4);
        (told.engine, told.exact) = ("tcg".to_owned(), false);
        write_manifest(&folder, &manifest(vec![told]));
        opened(&folder).warnings().join("\n")
    };
    let few = warnings(1);
    assert!(
        few.contains("serial: 1 trial is too few for a noisy engine: it needs 5 or more"),
        "{few}"
    );
    assert!(few.contains("longer than its cost in 3 of 3 bring-ups, at most by"), "{few}");
    let many = warnings(300);
    assert!(many.contains("longer than its cost in 3 of 900 bring-ups, at most by"), "{many}");
    assert!(!many.contains("300 trials"), "{many}");
}

#[test]
fn a_cell_whose_aps_were_all_lost_still_appears() {
    let (_keep, folder) = folder();
    let path = folder.join("lost.bin");
    let bytes = changed("repetitions=1", 3, |body| {
        if let Body::ApTimeline(timeline) = body {
            timeline.end = ApEnd::Lost(Some(Stamp::Sipi));
        }
    });
    fs::write(&path, bytes).unwrap();
    let run = opened(&path);
    let json = show::json(&run);
    assert_eq!(json["cells"][0]["phases"], serde_json::Value::Null);
    assert_eq!(json["cells"][0]["lost"], 2);
    assert_eq!(json["cells"][0]["cold"]["lost"], 2);
}

#[test]
fn options_of_another_version_are_refused_by_name() {
    let (_keep, folder) = folder();
    let path = folder.join("newer.bin");
    let begin = CellBegin { cell: 0, options: "strategy=serial kick=telepathy" };
    let mut bytes = frames("", 2)[..3].concat();
    bytes.extend(encoded(&Frame { number: 3, body: Body::CellBegin(begin) }));
    fs::write(&path, bytes).unwrap();
    let text = refused(&path);
    for part in ["newer.bin", "cell 0", "`kick=telepathy` has a bad value", "measure again"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_is_no_run_is_refused_with_what_to_do() {
    let (_keep, folder) = folder();
    let text = refused(&folder.join("nowhere"));
    assert!(text.contains("nowhere") && text.contains("cargo xtask matrix"), "{text}");

    let text = refused(&folder);
    assert!(text.contains("no run.json"), "{text}");

    fs::write(folder.join("text.bin"), "SeaBIOS\r\nNo bootable device.\r\n").unwrap();
    let text = refused(&folder.join("text.bin"));
    assert!(text.contains("is no capture") && text.contains("No bootable device."), "{text}");

    fs::write(folder.join("empty.bin"), "").unwrap();
    assert!(refused(&folder.join("empty.bin")).contains("it is empty"));

    write_manifest(&folder, &manifest(vec![boot("captures/gone.bin", "", 2)]));
    let text = refused(&folder);
    assert!(text.contains("captures/gone.bin"), "{text}");

    fs::write(folder.join("run.json"), "{\"schema\": 2}").unwrap();
    assert!(refused(&folder).contains("schema 2"));
    fs::write(folder.join("run.json"), "{\"schema\": 1").unwrap();
    assert!(refused(&folder).contains("no JSON"));
}

/// What a run of a noisy engine warns of, with the manifest changed before it is read.
fn noisy_warnings(boots: u32, change: impl FnOnce(&mut Manifest)) -> String {
    let (_keep, folder) = folder();
    let mut told = noisy_run(&folder, boots, 1, 1.0).manifest.unwrap();
    change(&mut told);
    write_manifest(&folder, &told);
    opened(&folder).warnings().join("\n")
}

#[test]
fn a_noisy_run_of_enough_boots_on_an_idle_host_warns_of_nothing() {
    let idle = Some(Load { begin: 0.2, end: 4.1 });
    assert_eq!(noisy_warnings(6, |told| told.host.load = idle), "");
}

#[test]
fn few_boots_and_a_busy_host_are_warned_of() {
    let all = noisy_warnings(5, |_| ());
    assert!(all.contains("5 boots are too few for an interval"), "{all}");
    for load in [Load { begin: 8.5, end: 1.0 }, Load { begin: 0.0, end: 12.5 }] {
        let all = noisy_warnings(6, |told| told.host.load = Some(load));
        assert!(all.contains("the host was busy with other work"), "{load:?}: {all}");
    }
}

#[test]
fn a_host_that_slows_down_in_the_course_of_a_run_is_warned_of() {
    let (_keep, folder) = folder();
    let mut told = noisy_run(&folder.join("fast"), 14, 1, 1.0).manifest.unwrap();
    noisy_run(&folder.join("slow"), 14, 2, 1.5);
    for boot in &mut told.boots {
        let half = if boot.boot <= 7 { "fast" } else { "slow" };
        boot.capture = format!("{half}/{}", boot.capture);
    }
    write_manifest(&folder, &told);
    let all = opened(&folder).warnings().join("\n");
    assert!(all.contains("the second half of its boots took +"), "{all}");
}

/// Boots differ, and their trials with them: of three boots the first is the fastest and the last
/// the slowest once in six times, however many trials they have.
#[test]
fn many_trials_of_few_boots_are_no_evidence_that_the_host_changed() {
    let (_keep, folder) = folder();
    let line = "repetitions=20";
    let boots = [1, 2, 3].map(|number: u64| {
        let name = format!("{number}.bin");
        let mut trial = 0;
        let bytes = changed(line, 4, |body| {
            if let Body::TrialEnd(end) = body {
                trial = (trial + 7) % 20;
                end.total.0 = end.total.0 * (100 + 8 * number) / 100 + trial;
            }
        });
        fs::write(folder.join(&name), bytes).unwrap();
        let mut told = boot(&name, line, 4);
        (told.engine, told.exact) = ("tcg".to_owned(), false);
        told
    });
    write_manifest(&folder, &manifest(boots.to_vec()));
    let all = opened(&folder).warnings().join("\n");
    assert!(all.contains("3 boots are too few for an interval"), "{all}");
    assert!(!all.contains("changed during the run"), "{all}");
}

#[test]
fn clocks_that_the_sync_could_not_resolve_are_warned_of() {
    let (_keep, folder) = folder();
    let bytes = changed("repetitions=2", 3, |body| {
        if let Body::ApTimeline(timeline) = body
            && timeline.cpu == CpuIndex(2)
        {
            let verdict = SyncVerdict::Unresolved;
            timeline.sync =
                Some(Sync { verdict, windows: 1, first: None, correction: 0, in_hardware: false });
        }
    });
    let path = folder.join("unresolved.bin");
    fs::write(&path, bytes).unwrap();
    let all = opened(&path).warnings().join("\n");
    assert!(all.contains("how far the clock is off in 2 of 2 comparisons"), "{all}");
}

#[test]
fn a_capture_outside_of_the_runs_folder_is_refused() {
    let (_keep, folder) = folder();
    let mut told = run_folder(&folder.join("run"), "", &[2]);
    for capture in ["../elsewhere.bin", "/etc/passwd", "captures/../../x.bin"] {
        told.boots[0].capture = capture.to_owned();
        write_manifest(&folder.join("run"), &told);
        assert!(refused(&folder.join("run")).contains("is outside the run's folder"), "{capture}");
    }
}
