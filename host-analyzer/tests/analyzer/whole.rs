//! A run that lacks something passes no budget, becomes no baseline, and says what it lacks.

use crate::runs::changed;
use crate::simulated::{capture, encoded, folder, frames, run_folder, write_manifest};
use bringup::CpuIndex;
use bringup::frame::{Body, Frame};
use bringup::wire;
use host_analyzer::check::baseline::acceptable;
use host_analyzer::check::budgets::Budgets;
use host_analyzer::check::{annotations, check, json, junit, markdown, table};
use host_analyzer::compare::{self, Settings, compare};
use host_analyzer::failure::Failure;
use host_analyzer::manifest::{Ended, Manifest};
use host_analyzer::run::Run;
use host_analyzer::show::{self, Unit};
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
    let warned = run.warnings.join("\n");
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
fn a_frame_lost_anywhere_passes_only_where_no_trial_needs_it_and_is_never_accepted() {
    let (_keep, folder, _) = whole_run();
    let frames = frames(LINE, 3);
    for lost in 0..frames.len() {
        let mut left = frames.clone();
        let mut scratch = [0; wire::MAX_FRAME];
        let Frame { body, .. } = wire::decode(&left[lost], &mut scratch).unwrap();
        // The command line tells a cell's options too.
        let needless = matches!(body, Body::Hello(_) | Body::Cpu(_) | Body::CellBegin(_));
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
    let told = "1 of its 2 cells ran with other options than the command line in run.json asks for: \
                cell 0 with wait=spin instead of halt";
    assert!(warned.contains(told), "{warned}");
    fs::write(folder.join(CUT), capture(&format!("{LINE} cell wait=spin"), 3)).unwrap();
    let warned = lacks(&folder);
    let told = "1 cell that the command line in run.json does not ask for: the first is cell 2";
    assert!(warned.contains(told), "{warned}");
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
        (&format!("{LINE} cell"), "nothing came of 1 of its 3 cells"),
        (&"cell ".repeat(70_000), "nothing came of 69998 of its 70000 cells"),
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
    let told = "nothing came of 1 of its 2 cells";
    let junit = junit(&verdict).unwrap();
    for text in [&markdown(&verdict), &annotations(&verdict), &json(&verdict).to_string(), &junit] {
        assert!(text.contains(told), "{text}");
    }
    assert!(table(&verdict, false).contains("broken"));
    assert!(junit.contains("<failure ") && !junit.contains("failures=\"0\""), "{junit}");
    let comparison = compare(&run, &run, Settings::default()).unwrap();
    for text in [compare::table(&comparison, false), compare::markdown(&comparison)] {
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
