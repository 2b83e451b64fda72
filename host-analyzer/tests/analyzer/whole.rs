//! A run that lacks something passes no budget, becomes no baseline, and says what it lacks.

use crate::runs::changed;
use crate::simulated::{
    boot, capture, encoded, folder, frames, manifest, run_folder, write_manifest,
};
use bringup::CpuIndex;
use bringup::frame::{ApEnd, ApTimeline, Body, Frame, Log, TrialBegin, TrialEnd};
use bringup::stamp::Stamp;
use bringup::wire;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest::{Ended, Manifest};
use host_analyzer::ground::unit::Unit;
use host_analyzer::judge::check::baseline::acceptable;
use host_analyzer::judge::check::budgets::Budgets;
use host_analyzer::judge::check::check;
use host_analyzer::judge::compare::{Settings, compare};
use host_analyzer::present;
use host_analyzer::present::check::{annotations, json, junit, markdown, table};
use host_analyzer::present::show;
use host_analyzer::run::Run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Two cells, quick to simulate.
const LINE: &str = "cost-wake=9us repetitions=2 cell strategy=serial cell strategy=full-parallel";

/// Budgets that every whole run of these cells keeps.
const BUDGETS: &str = "[[budget]]\nfigure = \"total\"\nmax-cycles = 1_000_000_000\n\
                       [[budget]]\ncells = { smp = 3, strategy = \"full-parallel\" }\nfigure = \"callin\"\n\
                       max-ratio-to = { strategy = \"serial\", ratio = 1000 }\n";

const CUT: &str = "captures/icount-3-1.bin";

/// A run of two boots; the first is the one that is damaged.
fn whole_run() -> (tempfile::TempDir, PathBuf, Manifest) {
    let (keep, folder) = folder();
    let manifest = run_folder(&folder, LINE, &[3, 2]);
    fs::write(folder.join("budgets.toml"), BUDGETS).unwrap();
    (keep, folder, manifest)
}

/// True where the budgets are met. Whatever is not, warns and becomes no baseline.
fn passes(folder: &Path) -> bool {
    let budgets = Budgets::read(&folder.join("budgets.toml")).unwrap();
    let Ok(run) = Run::open(folder) else { return false };
    let met = check(&run, &budgets).is_ok_and(|verdict| verdict.result().is_ok());
    if !met {
        assert!(acceptable(&run, &[], false).is_err());
        assert!(show::table(&run, Unit::Auto).contains("\nwarning: "));
    }
    met
}

/// The words of a run that is readable and lacks something: of the warnings, the verdict, the refusal.
fn lacks(folder: &Path) -> String {
    let budgets = Budgets::read(&folder.join("budgets.toml")).unwrap();
    let run = Run::open(folder).unwrap_or_else(|no| panic!("{:?}", no.report()));
    let verdict = check(&run, &budgets).unwrap_or_else(|no| panic!("{:?}", no.report()));
    let Err(Failure::Verdict(_)) = verdict.result() else { panic!("it passes: {verdict:?}") };
    let Err(Failure::Request(refusal)) = acceptable(&run, &[], false) else { panic!("accepted") };
    let warned = run.warnings().join("\n");
    for gap in &run.gaps {
        assert!(warned.contains(&gap.what), "{} is not warned of: {warned}", gap.what);
        assert!(verdict.rows.iter().any(|row| row.why.contains(&gap.what)), "{}", gap.what);
    }
    assert!(refusal.to_string().contains(&run.gaps[0].what), "{refusal}");
    warned
}

#[test]
fn a_capture_cut_at_any_byte_passes_only_where_its_last_zero_alone_is_missing() {
    let (_keep, folder, _) = whole_run();
    assert!(passes(&folder));
    let frames = frames(LINE, 3);
    let bytes = frames.concat();
    let mut ends: Vec<usize> = (0..bytes.len()).step_by(13).collect();
    let mut end = 0;
    for frame in &frames {
        end += frame.len();
        ends.extend([end - 2, end - 1, end, end + 1]);
    }
    for end in ends.into_iter().filter(|end| *end <= bytes.len()) {
        fs::write(folder.join(CUT), &bytes[..end]).unwrap();
        assert_eq!(passes(&folder), end + 1 >= bytes.len(), "{end} of {} bytes", bytes.len());
    }
}

#[test]
fn a_frame_lost_anywhere_passes_only_where_it_describes_a_cpu_and_is_never_accepted() {
    let (_keep, folder, _) = whole_run();
    let frames = frames(LINE, 3);
    for lost in 0..frames.len() {
        let mut left = frames.clone();
        let mut scratch = [0; wire::MAX_FRAME];
        let Frame { body, .. } = wire::decode(&left[lost], &mut scratch).unwrap();
        let needless = matches!(body, Body::Cpu(_));
        left.remove(lost);
        fs::write(folder.join(CUT), left.concat()).unwrap();
        assert_eq!(passes(&folder), needless, "frame {lost}");
        assert!(acceptable(&Run::open(&folder).unwrap(), &[], false).is_err(), "frame {lost}");
    }
}

#[test]
fn a_capture_that_is_empty_gone_or_none_leaves_the_rest_readable() {
    let (_keep, folder, _) = whole_run();
    let path = folder.join(CUT);
    for (contents, told) in [
        (Some(&b""[..]), "it is empty"),
        (Some(b"SeaBIOS\r\n"), "text that is no frame"),
        (Some(&[0x80; 3000]), "none of its 3000 bytes"),
        (None, "No such file"),
    ] {
        match contents {
            Some(contents) => fs::write(&path, contents).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let warned = lacks(&folder);
        assert!(warned.contains(told) && warned.contains("icount-3-1.bin"), "{warned}");
        let run = Run::open(&folder).unwrap();
        assert_eq!(run.cells.len(), 2);
        run.median_trials().unwrap();
        run.each_trial(|_| std::ops::ControlFlow::Continue(())).unwrap();
    }
    // A run of which nothing is left is none.
    fs::write(folder.join("captures/icount-2-1.bin"), "").unwrap();
    assert!(matches!(Run::open(&folder), Err(Failure::Request(_))));
}

#[test]
fn a_capture_of_another_boot_is_told_by_its_options_and_its_cpus() {
    let (_keep, folder, _) = whole_run();
    fs::copy(folder.join("captures/icount-2-1.bin"), folder.join(CUT)).unwrap();
    assert!(lacks(&folder).contains("the engine was asked for 3 CPUs, the kernel found 2"));
    let other = LINE.replace("strategy=serial", "strategy=serial wait=spin");
    fs::write(folder.join(CUT), capture(&other, 3)).unwrap();
    let warned = lacks(&folder);
    let told = "1 of its 2 cells ran with other options than the command line in run.json asks for; \
                the first is cell 0, with wait=spin instead of halt";
    assert!(warned.contains(told), "{warned}");
    fs::write(folder.join(CUT), capture(&format!("{LINE} cell wait=spin"), 3)).unwrap();
    let warned = lacks(&folder);
    let told = "1 cell that the command line in run.json does not ask for; the first is cell 2";
    assert!(warned.contains(told), "{warned}");
}

/// The boot of [`whole_run`] that is damaged, each trial and all else of it through `change`, which
/// answers how often it is sent.
fn sent(mut change: impl FnMut(&mut Body<'_>) -> usize) -> Vec<u8> {
    let (mut bytes, mut number) = (Vec::new(), 0);
    let mut trial: Vec<Vec<u8>> = Vec::new();
    let mut again = 1;
    for frame in frames(LINE, 3) {
        let mut scratch = [0; wire::MAX_FRAME];
        let Frame { mut body, .. } = wire::decode(&frame, &mut scratch).unwrap();
        let times = change(&mut body);
        if let Body::TrialBegin(_) = body {
            again = times;
        }
        let ends = !matches!(body, Body::TrialBegin(_) | Body::ApTimeline(_));
        trial.push(encoded(&Frame { number: 0, body }));
        if ends {
            for frame in (0..again).flat_map(|_| &trial) {
                let mut scratch = [0; wire::MAX_FRAME];
                let Frame { mut body, .. } = wire::decode(frame, &mut scratch).unwrap();
                if let Body::Goodbye(goodbye) = &mut body {
                    goodbye.frames = number;
                }
                bytes.extend(encoded(&Frame { number, body }));
                number += 1;
            }
            (again, trial) = (1, Vec::new());
        }
    }
    bytes
}

#[test]
fn trials_that_come_twice_or_are_numbered_otherwise_are_not_whole() {
    let (_keep, folder, _) = whole_run();
    fs::write(folder.join(CUT), sent(|_| 1)).unwrap();
    assert!(passes(&folder));
    type Change = fn(&mut TrialBegin) -> usize;
    let changes: [(Change, &str); 7] = [
        (|_| 2, "cell 0: 3 trials with an unexpected number"),
        (|begin| 1 + usize::from(begin.cold), "cell 0: 1 trial with an unexpected number"),
        (
            |begin| {
                begin.trial = 1;
                1
            },
            "cell 1: 1 trial with an unexpected number",
        ),
        (
            |begin| {
                begin.trial *= 99;
                1
            },
            "cell 1: 2 trials with an unexpected number",
        ),
        (
            |begin| {
                begin.cold = true;
                1
            },
            "cell 1: 2 trials with an unexpected number",
        ),
        (
            |begin| {
                begin.cold = false;
                1
            },
            "cell 0: 1 trial with an unexpected number",
        ),
        (
            |begin| {
                begin.trial = 3 - begin.trial;
                1
            },
            "cell 1: 1 trial with an unexpected number",
        ),
    ];
    for (change, told) in changes {
        let bytes = sent(|body| match body {
            Body::TrialBegin(begin) => change(begin),
            _ => 1,
        });
        fs::write(folder.join(CUT), bytes).unwrap();
        let warned = lacks(&folder);
        assert!(warned.contains(told), "{told}: {warned}");
    }
}

#[test]
fn a_cell_that_comes_twice_is_not_whole() {
    let (_keep, folder, _) = whole_run();
    let bytes = sent(|body| {
        if let Body::CellBegin(begin) = body {
            begin.cell = 0;
        }
        1
    });
    fs::write(folder.join(CUT), bytes).unwrap();
    assert!(lacks(&folder).contains("cell 0 comes after cell 0"));
}

#[test]
fn a_trial_whose_end_contradicts_its_timelines_is_not_whole() {
    let (_keep, folder, _) = whole_run();
    type Change = fn(&mut TrialEnd);
    let changes: [(Change, &str); 5] = [
        (|end| end.lost = 1, "the first has lost 1 by its end, and 0 by its timelines"),
        (|end| end.kick_loop.0 = end.total.0 + 1, "the first has a kick loop of"),
        (|end| end.kick_loop.0 += 1, "the first has its last `kick_end` at"),
        (|end| (end.total.0, end.kick_loop.0) = (0, 0), "after its total of 0"),
        (|end| end.total.0 -= 1, "the first has `seen_online` at"),
    ];
    for (change, told) in changes {
        let bytes = changed(LINE, 3, |body| {
            if let Body::TrialEnd(end) = body {
                change(end);
            }
        });
        fs::write(folder.join(CUT), bytes).unwrap();
        let warned = lacks(&folder);
        assert!(warned.contains(told), "{told}: {warned}");
    }
    let bytes = changed(LINE, 3, |body| {
        if let Body::ApTimeline(timeline) = body {
            timeline.end = ApEnd::WrongAnswer;
        }
    });
    fs::write(folder.join(CUT), bytes).unwrap();
    assert!(lacks(&folder).contains("lost 0 by its end, and 2 by its timelines"));
}

#[test]
fn an_ap_whose_times_are_left_out_or_mixed_makes_a_run_not_whole() {
    let (_keep, folder, _) = whole_run();
    type Change = fn(&mut ApTimeline);
    let changes: [(Change, &str); 3] = [
        (|ap| ap.stamps.set(Stamp::Alive, -7), "an AP was online without phases 6 times"),
        (|ap| ap.starts = 2, "an AP started more than once in a trial 6 times"),
        (|ap| ap.starts = 0, "an AP was online without having started 6 times"),
    ];
    for (change, told) in changes {
        let bytes = changed(LINE, 3, |body| {
            if let Body::ApTimeline(timeline) = body {
                change(timeline);
            }
        });
        fs::write(folder.join(CUT), bytes).unwrap();
        let warned = lacks(&folder);
        assert!(warned.contains(told), "{told}: {warned}");
    }
}

/// A run of two boots of 3 CPUs; the second is made by `bytes`.
fn of_two_boots(bytes: &[u8], exact: [bool; 2]) -> (tempfile::TempDir, PathBuf, Manifest) {
    let (keep, folder, _) = whole_run();
    let names = [CUT, "captures/icount-2-1.bin"];
    let mut boots = names.map(|name| boot(name, LINE, 3));
    (boots[0].exact, boots[1].exact) = (exact[0], exact[1]);
    fs::write(folder.join(names[1]), bytes).unwrap();
    let manifest = manifest(boots.to_vec());
    write_manifest(&folder, &manifest);
    (keep, folder, manifest)
}

#[test]
fn boots_of_an_exact_engine_that_differ_are_not_whole() {
    let (_keep, folder, _) = of_two_boots(&capture(LINE, 3), [true, true]);
    assert!(passes(&folder));
    let slower = changed(LINE, 3, |body| {
        if let Body::TrialEnd(end) = body {
            end.total.0 += 1;
        }
    });
    let (_keep, folder, _) = of_two_boots(&slower, [true, true]);
    let warned = lacks(&folder);
    let told =
        "icount-2-1.bin: other figures than captures/icount-3-1.bin of the same command line";
    assert!(warned.contains(told), "{warned}");
    // A noisy one may.
    let (_keep, folder, _) = of_two_boots(&slower, [false, false]);
    assert!(passes(&folder));
}

#[test]
fn a_cell_is_exact_only_where_all_of_its_boots_are() {
    for (exact, whole) in [([true, true], true), ([true, false], false), ([false, true], false)] {
        let (_keep, folder, _) = of_two_boots(&capture(LINE, 3), exact);
        assert_eq!(Run::open(&folder).unwrap().cells[0].exact, Some(whole), "{exact:?}");
    }
}

#[test]
fn equal_boots_of_a_noisy_engine_warn() {
    let (_keep, folder, _) = of_two_boots(&capture(LINE, 3), [false, false]);
    assert!(passes(&folder));
    let warned = Run::open(&folder).unwrap().warnings().join("\n");
    let told = "captures/icount-2-1.bin has exactly the figures of captures/icount-3-1.bin";
    assert!(warned.contains(told), "{warned}");
}

#[test]
fn a_run_that_lists_a_capture_twice_is_unusable() {
    let (_keep, folder, mut manifest) = whole_run();
    std::os::unix::fs::symlink("icount-3-1.bin", folder.join("captures/soft.bin")).unwrap();
    manifest.planned_boots = Some(3);
    for name in [CUT, "captures//icount-3-1.bin", "captures/soft.bin"] {
        let mut twice = manifest.clone();
        twice.boots.push(boot(name, LINE, 3));
        write_manifest(&folder, &twice);
        let Err(Failure::Request(report)) = Run::open(&folder) else { panic!("{name}") };
        let told = format!("lists the capture `{name}` twice");
        assert!(report.to_string().contains(&told), "{report}");
    }
}

#[test]
fn boots_that_vanished_from_the_list_are_missed() {
    let (_keep, folder, manifest) = whole_run();
    let mut fewer = manifest.clone();
    fewer.boots.remove(1);
    write_manifest(&folder, &fewer);
    let warned = lacks(&folder);
    assert!(warned.contains("it planned 2 boots, and its run.json lists 1"), "{warned}");
    assert!(warned.contains("captures that its run.json does not list: captures/icount-2-1.bin"));
    // Older ones do not say how many they were to be.
    fewer.planned_boots = None;
    write_manifest(&folder, &fewer);
    assert!(passes(&folder));
    assert!(Run::open(&folder).unwrap().warnings()[0].contains("does not list"));
}

#[test]
fn frames_behind_the_goodbye_are_not_whole_and_bytes_there_are() {
    let (_keep, folder, _) = whole_run();
    let frames = frames(LINE, 3);
    let goodbye = frames.len() as u32;
    let log = Body::Log(Log { cpu: CpuIndex(0), text: "more" });
    for (number, lost) in [(goodbye, false), (goodbye - 2, false), (goodbye + 7, true)] {
        let mut bytes = frames.concat();
        bytes.extend(encoded(&Frame { number, body: log.clone() }));
        fs::write(folder.join(CUT), bytes).unwrap();
        let warned = lacks(&folder);
        assert!(warned.contains("1 frame after the goodbye"), "{warned}");
        assert_eq!(warned.contains("7 of "), lost, "{warned}");
    }
    let mut bytes = frames.concat();
    bytes.extend([7, 200, 3, 0]);
    fs::write(folder.join(CUT), bytes).unwrap();
    assert!(passes(&folder));
    assert!(Run::open(&folder).unwrap().warnings()[0].contains("1 piece between frames"));
}

#[test]
fn a_machine_or_options_that_only_run_json_tells_are_missed() {
    let (_keep, folder, _) = whole_run();
    let frames = frames(LINE, 3);
    let told_by = |lost: usize| {
        let mut left = frames.clone();
        left.remove(lost);
        fs::write(folder.join(CUT), left.concat()).unwrap();
        lacks(&folder)
    };
    assert!(told_by(0).contains("the frame that describes the machine and its clock is lost"));
    assert!(told_by(4).contains("cell 0: its options are lost, and taken from run.json"));
}

/// As many timelines as there are APs are not yet one of each.
#[test]
fn a_trial_with_one_ap_twice_and_another_never_is_not_whole() {
    let (_keep, folder, _) = whole_run();
    for cpu in [1, 700, u16::MAX] {
        let bytes = changed(LINE, 3, |body| {
            if let Body::ApTimeline(timeline) = body
                && timeline.cpu == CpuIndex(2)
            {
                timeline.cpu = CpuIndex(cpu);
            }
        });
        fs::write(folder.join(CUT), bytes).unwrap();
        assert!(lacks(&folder).contains("3 CPUs, serial: 3 trials incomplete"), "{cpu}");
    }
}

#[test]
fn an_edited_command_line_does_not_fit_the_capture() {
    let (_keep, folder, manifest) = whole_run();
    for (line, told) in [
        ("", "ran with other options"),
        ("foo=bar nonsense", "can't be used"),
        (&LINE.replace("repetitions=2", "repetitions=3"), "repetitions=2 instead of 3"),
        (&LINE.replace("cost-wake=9us", "cost-wake=8us"), "cost-wake=9us instead of 8us"),
        (&format!("{LINE} cell"), "1 of its 3 planned cells has no trials"),
        (&"cell ".repeat(70_000), "69998 of its 70000 planned cells have no trials"),
    ] {
        let mut edited = manifest.clone();
        edited.boots[0].command_line = line.to_owned();
        write_manifest(&folder, &edited);
        let warned = lacks(&folder);
        assert!(warned.contains(told), "{warned}");
    }
}

/// A kernel of before the refusal took it, and measured it well.
#[test]
fn what_a_kernel_refuses_today_is_whole_where_it_was_measured() {
    let (_keep, folder) = folder();
    fs::write(folder.join("budgets.toml"), BUDGETS).unwrap();
    let line = "cost-wake=9us repetitions=2 limit=1ms cost-callin=2ms,1-2:3us,2:4us cell \
                strategy=serial cell strategy=full-parallel";
    let mut manifest = run_folder(&folder, LINE, &[3]);
    line.clone_into(&mut manifest.boots[0].command_line);
    write_manifest(&folder, &manifest);
    let mut bytes = Vec::new();
    for frame in frames(LINE, 3) {
        let mut scratch = [0; wire::MAX_FRAME];
        let Frame { number, mut body } = wire::decode(&frame, &mut scratch).unwrap();
        let options;
        if let Body::CellBegin(begin) = &mut body {
            options = begin
                .options
                .replace("limit=10s", "limit=1ms")
                .replace("cost-callin=0", "cost-callin=2ms,1-2:3us,2:4us");
            begin.options = &options;
        }
        bytes.extend(encoded(&Frame { number, body }));
    }
    fs::write(folder.join(CUT), bytes).unwrap();
    assert!(passes(&folder));
}

#[test]
fn a_run_that_was_not_completed_says_so_itself() {
    let (_keep, folder, manifest) = whole_run();
    for (ended, told) in [(Ended::Interrupted, "it was interrupted"), (Ended::Failed, "it failed")]
    {
        write_manifest(&folder, &Manifest { ended, ..manifest.clone() });
        assert!(lacks(&folder).contains(told));
    }
    // Older ones do not tell, and are complete.
    let mut older = serde_json::to_value(&manifest).unwrap();
    older.as_object_mut().unwrap().remove("ended").unwrap();
    fs::write(folder.join("run.json"), older.to_string()).unwrap();
    assert!(passes(&folder));
    write_manifest(&folder, &Manifest { boots: Vec::new(), ..manifest });
    assert!(lacks(&folder).contains("lists no boot"));
}

#[test]
fn a_cell_that_vanished_is_told_in_every_form_of_the_verdict() {
    let (_keep, folder, _) = whole_run();
    let bytes = fs::read(folder.join(CUT)).unwrap();
    fs::write(folder.join(CUT), &bytes[..bytes.len() / 2]).unwrap();
    let run = Run::open(&folder).unwrap();
    let verdict = check(&run, &Budgets::read(&folder.join("budgets.toml")).unwrap()).unwrap();
    let told = "1 of its 2 planned cells has no trials";
    let junit = junit(&verdict).unwrap();
    for text in [&markdown(&verdict), &annotations(&verdict), &json(&verdict).to_string(), &junit] {
        assert!(text.contains(told), "{text}");
    }
    assert!(table(&verdict, false).contains("broken"));
    assert!(junit.contains("<failure ") && !junit.contains("failures=\"0\""), "{junit}");
    let comparison = compare(&run, &run, Settings::default()).unwrap();
    for text in
        [present::compare::table(&comparison, false), present::compare::markdown(&comparison)]
    {
        assert!(text.contains("the new run is not whole: ") && text.contains(told), "{text}");
    }
    let analyzer = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
        command.current_dir(&folder).args(arguments).output().unwrap()
    };
    let code = |arguments: &[&str]| analyzer(arguments).status.code();
    // They show what is left, and don't say that all is well.
    for command in ["show", "report", "simulated"] {
        let output = analyzer(&[command, "."]);
        assert_eq!(output.status.code(), Some(1), "{command}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("the capture is cut"));
    }
    assert!(fs::read_to_string(folder.join("report.html")).unwrap().contains(told));
    assert_eq!(code(&["check", ".", "--budgets", "budgets.toml"]), Some(1));
    let baseline = "[[budget]]\nfigure = \"total\"\nbaseline = \"kept\"\n";
    fs::write(folder.join("budgets.toml"), baseline).unwrap();
    assert_eq!(code(&["check", ".", "--budgets", "budgets.toml", "--accept"]), Some(2));
    assert!(!folder.join("kept").exists());
}

#[test]
fn a_baseline_that_is_not_whole_judges_nothing() {
    let (_keep, folder, _) = whole_run();
    let kept = folder.join("kept");
    run_folder(&kept, LINE, &[3, 2]);
    let budgets = "[[budget]]\nfigure = \"total\"\nbaseline = \"kept\"\n";
    fs::write(folder.join("budgets.toml"), budgets).unwrap();
    let judged = |folder: &Path| {
        let mut budgets = Budgets::read(&folder.join("budgets.toml")).unwrap();
        budgets.file = folder.join("budgets.toml");
        check(&Run::open(folder).unwrap(), &budgets)
    };
    judged(&folder).unwrap().result().unwrap();
    fs::write(kept.join(CUT), "").unwrap();
    let Err(Failure::Request(report)) = judged(&folder) else { panic!("it is judged") };
    assert!(report.to_string().contains("the baseline kept is not whole"), "{report}");
}
