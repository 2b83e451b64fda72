//! Runs that do not become complete: what was measured is kept, under a name that says so.

use super::engines::{manifest, recorded};
use super::{command, ends_with, names_in, program, scenario, text, xtask};
use bringup::frame::{Body, Error, Frame};
use bringup::wire::{MAX_FRAME, encode};
use host_analyzer::ground::manifest::Ended;
use host_analyzer::present::report;
use host_analyzer::run::Run;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How many boots [`prepared`] asks for.
const BOOTS: usize = 4;

/// A scenario of [`BOOTS`] boots by an engine that feeds what the simulator has made. From boot
/// `at` on its script does something else instead.
fn prepared(at: usize, instead: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2], "1ms");
    scenario(
        &folder,
        "engines = \"replay\"\ncpus = 2\nboots = 4\n[engine.replay]\n\
         command = [\"./replay\", \"{smp}.bin\", \"{capture}\", \"{cmdline}\"]\n\
         [options]\nstrategy = \"serial\"\nrepetitions = 3\ncost-callin = \"1ms\"\n",
    );
    breaks(&folder, at, instead);
    folder
}

/// From boot `at` on the script of [`prepared`] does something else.
fn breaks(folder: &TempDir, at: usize, instead: &str) {
    let _ = fs::remove_file(folder.path().join("begun"));
    let script = format!(
        "echo >> begun\nif [ $(wc -l < begun) -lt {at} ]; then exec cp $1 $2; fi\n{instead}"
    );
    program(folder.path(), "replay", &script);
}

const MATRIX: &str = "matrix @/small.toml --results @/results";

/// What hangs, with a capture that is cut off, and says so by a file.
const HANGS: &str = "head -c 150 $1 > $2; touch hangs; exec sleep 600";

/// Starts the matrix and waits until a boot hangs.
fn hanging(folder: &TempDir) -> Child {
    let child = command(folder.path(), MATRIX).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while !folder.path().join("hangs").exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no boot hangs");
        thread::sleep(Duration::from_millis(5));
    }
    fs::remove_file(folder.path().join("hangs")).unwrap();
    child
}

fn signalled(child: Child, signal: Signal) -> Output {
    kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait_with_output().unwrap()
}

/// The one run folder under the results, by the end of its name.
#[track_caller]
fn kept(folder: &TempDir, ending: &str) -> PathBuf {
    let runs = folder.path().join("results/small");
    let names = names_in(&runs);
    assert!(names.len() == 1 && names[0].ends_with(ending), "{names:?}");
    runs.join(&names[0])
}

/// The first boots are as they were sent, and `run.json` lists so many in all.
#[track_caller]
fn holds(run: &Path, whole: usize, listed: usize) {
    let manifest = manifest(run);
    let ended = match whole {
        BOOTS => Ended::Complete,
        _ if run.to_str().unwrap().ends_with("-failed") => Ended::Failed,
        _ => Ended::Interrupted,
    };
    assert_eq!(manifest.ended, ended);
    assert_eq!(manifest.boots.len(), listed);
    let sent = fs::read(run.join("../../../2.bin")).unwrap();
    for boot in &manifest.boots[..whole] {
        assert!(fs::read(run.join(&boot.capture)).unwrap() == sent, "{}", boot.capture);
    }
    for word in manifest.boots.iter().flat_map(|boot| &boot.command) {
        assert!(!word.contains(".partial"), "{word}");
    }
    let run = Run::open(run).unwrap();
    let trials: usize = run.cells.iter().map(|cell| cell.trials.len()).sum();
    assert!(trials >= whole * 3, "{trials} trials of {whole} boots");
}

/// Every path below the folder that a message names is there.
#[track_caller]
fn names_what_is_there(folder: &TempDir, told: &str) {
    let place = folder.path().to_str().unwrap();
    let ends = |c: char| c.is_whitespace() || "`:;,".contains(c);
    for (at, _) in told.match_indices(place) {
        let path = told[at..].split(ends).next().unwrap();
        assert!(Path::new(path).exists(), "{path}: {told}");
    }
}

#[test]
fn whoever_interrupts_a_run_keeps_every_boot_of_it() {
    for (signal, at) in [(Signal::INT, 1), (Signal::TERM, 2), (Signal::HUP, 4)] {
        let folder = prepared(at, HANGS);
        let output = signalled(hanging(&folder), signal);
        let (_, told) = ends_with(&output, 3);
        let run = kept(&folder, "Z-interrupted");
        holds(&run, at - 1, at);
        let (verb, path) = (if at == 2 { "is" } else { "are" }, run.display());
        for part in [
            format!("interrupted in boot {at} of replay with 2 CPUs"),
            format!("{} of {BOOTS} boots {verb} whole", at - 1),
            format!("`cargo analyze show {path}`"),
        ] {
            assert!(told.contains(&part), "{part}: {told}");
        }
        names_what_is_there(&folder, &told);
        assert_eq!(names_in(&folder.path().join("results")), ["small"]);
    }
}

#[test]
fn a_run_that_is_interrupted_before_anything_was_captured_leaves_nothing() {
    let folder = prepared(1, "touch hangs; exec sleep 600");
    let (_, told) = ends_with(&signalled(hanging(&folder), Signal::INT), 3);
    assert!(told.contains("interrupted in boot 1") && told.contains("nothing is kept"), "{told}");
    assert!(names_in(&folder.path().join("results/small")).is_empty());
}

#[test]
fn an_engine_that_dies_takes_no_other_boot_along_and_moves_no_link() {
    let folder = prepared(9, "");
    ends_with(&xtask(folder.path(), MATRIX), 0);
    let latest = folder.path().join("results/latest");
    let good = latest.canonicalize().unwrap();
    for at in [1, 3, 4] {
        breaks(&folder, at, "head -c 150 $1 > $2; kill -9 $$");
        let (_, told) = ends_with(&xtask(folder.path(), MATRIX), 3);
        assert!(told.contains(&format!("{} of 4 boots", at - 1)), "{told}");
        names_what_is_there(&folder, &told);
        assert_eq!(latest.canonicalize().unwrap(), good);
        let failed = names_in(good.parent().unwrap()).pop().unwrap();
        assert!(failed.ends_with("Z-failed"), "{failed}");
        holds(&good.with_file_name(failed), at - 1, at);
    }
}

#[test]
fn options_that_the_kernel_refuses_are_a_wrong_request_and_the_boots_before_are_kept() {
    let folder = prepared(3, "cp refused.bin $2");
    let body = Body::Error(Error::Options { message: "no such word" });
    let frame = Frame { number: 0, body };
    let mut buffer = [0; MAX_FRAME];
    fs::write(folder.path().join("refused.bin"), encode(&frame, &mut buffer).unwrap()).unwrap();
    let (_, told) = ends_with(&xtask(folder.path(), MATRIX), 2);
    assert!(told.contains("no such word") && told.contains("2 of 4 boots are whole"), "{told}");
    holds(&kept(&folder, "Z-failed"), 2, 3);
}

#[test]
fn an_engine_that_is_gone_takes_no_boot_along() {
    let folder = prepared(1, "mv replay gone; exec cp $1 $2");
    let (_, told) = ends_with(&xtask(folder.path(), MATRIX), 3);
    assert!(told.contains("can't start") && told.contains("1 of 4 boots is whole"), "{told}");
    holds(&kept(&folder, "Z-failed"), 1, 1);
}

#[test]
fn a_simulation_beyond_its_limit_takes_no_other_boot_along() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "engine = \"sim\"\ncpus = [2, 4096]\nboot-limit = \"5s\"\n[options]\nrepetitions = 3000\n";
    scenario(&folder, text);
    let (_, told) = ends_with(&xtask(folder.path(), MATRIX), 3);
    assert!(told.contains("within its 5 s") && told.contains("1 of 2 boots is whole"), "{told}");
    names_what_is_there(&folder, &told);
    let run = Run::open(&kept(&folder, "Z-failed")).unwrap();
    assert_eq!((run.cells[0].smp, run.cells[0].trials.len()), (2, 3000));
}

#[test]
fn a_run_that_does_not_hold_what_was_asked_for_is_not_complete() {
    let folder = prepared(9, "");
    ends_with(&xtask(folder.path(), MATRIX), 0);
    let latest = folder.path().join("results/latest");
    let good = latest.canonicalize().unwrap();
    // It does not heed the command line, which asks for one repetition more than it has recorded.
    let path = folder.path().join("small.toml");
    let text = fs::read_to_string(&path).unwrap().replace("repetitions = 3", "repetitions = 4");
    fs::write(&path, text).unwrap();
    let (said, told) = ends_with(&xtask(folder.path(), MATRIX), 3);
    assert!(told.contains("ran with other options") && told.contains("and 3 more"), "{told}");
    assert!(told.contains("has 4 gaps") && !told.contains("only the report"), "{told}");
    assert!(said.is_empty(), "{said}");
    names_what_is_there(&folder, &told);
    assert_eq!(latest.canonicalize().unwrap(), good);
    let failed = good.with_file_name(names_in(good.parent().unwrap()).pop().unwrap());
    assert!(failed.to_str().unwrap().ends_with("Z-failed"), "{}", failed.display());
    assert_eq!(manifest(&failed).ended, Ended::Failed);
    assert_eq!(manifest(&failed).boots.len(), BOOTS);
}

#[test]
fn what_is_no_link_is_not_replaced_by_latest_and_no_boot_is_spent() {
    let folder = prepared(9, "");
    let latest = folder.path().join("results/latest");
    fs::create_dir_all(latest.join("mine")).unwrap();
    let (_, told) = ends_with(&xtask(folder.path(), MATRIX), 2);
    assert!(told.contains("results/latest is no link") && told.contains("move it away"), "{told}");
    fs::remove_dir(latest.join("mine")).unwrap();
    fs::remove_dir(&latest).unwrap();
    fs::write(&latest, "mine").unwrap();
    let (_, told) = ends_with(&xtask(folder.path(), MATRIX), 2);
    assert!(told.contains("results/latest is no link"), "{told}");
    assert_eq!(fs::read_to_string(&latest).unwrap(), "mine");
    assert_eq!(names_in(&folder.path().join("results")), ["latest"]);
    // One that comes while the boots run stays as well.
    fs::remove_file(&latest).unwrap();
    breaks(&folder, 2, "echo mine > results/latest; exec cp $1 $2");
    let (_, told) = ends_with(&xtask(folder.path(), MATRIX), 3);
    assert!(told.contains("the run itself is complete"), "{told}");
    assert_eq!(fs::read_to_string(&latest).unwrap(), "mine\n");
}

#[test]
fn who_interrupts_an_engine_that_stays_after_its_goodbye_is_told_of_the_interrupt() {
    let folder = prepared(2, "cp $1 $2; sleep 0.5; touch hangs; exec sleep 600");
    let (_, told) = ends_with(&signalled(hanging(&folder), Signal::INT), 3);
    assert!(told.contains("interrupted in boot 2 of replay"), "{told}");
    assert!(!told.contains("did not end well"), "{told}");
    kept(&folder, "Z-interrupted");
}

/// Runs the matrix where no file can have more than so many blocks of 512 bytes: like a full disk,
/// writing is an error.
fn with_room(folder: &TempDir, blocks: u32) -> Output {
    let mut shell = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let matrix = command(folder.path(), MATRIX);
    shell.args(["-c", &script, "sh"]).arg(matrix.get_program()).args(matrix.get_args());
    shell.output().unwrap()
}

#[test]
fn a_report_that_finds_no_room_loses_no_boot() {
    // Too little for the page; for the figures.
    for blocks in [1200, 32] {
        let folder = prepared(9, "");
        let (_, told) = ends_with(&with_room(&folder, blocks), 3);
        let run = kept(&folder, "Z-failed");
        holds(&run, BOOTS, BOOTS);
        let missing =
            format!("only the report is missing: `cargo analyze report {}`", run.display());
        assert!(told.contains("all 4 boots are whole") && told.contains(&missing), "{told}");
        assert!(!told.contains(".partial"), "{told}");
        assert_eq!(names_in(&folder.path().join("results")), ["small"]);
        report::write(&Run::open(&run).unwrap(), &run).unwrap();
        assert!(run.join("report.html").is_file());
    }
}

#[test]
fn a_run_that_finds_no_room_for_run_json_keeps_the_last_one_that_there_was_room_for() {
    let folder = prepared(9, "");
    // What is said of a run without a boot, and of three.
    ends_with(&xtask(folder.path(), MATRIX), 0);
    let good = folder.path().join("results/latest").canonicalize().unwrap();
    let mut about = manifest(&good);
    let length = |about: &_| serde_json::to_vec_pretty(about).unwrap().len() as u32;
    let four = length(&about);
    about.boots.pop();
    let room = (length(&about) + four) / 2 / 512;
    let folder = prepared(9, "");
    let (_, told) = ends_with(&with_room(&folder, room), 3);
    let run = kept(&folder, "Z-failed");
    let listed = manifest(&run).boots.len();
    assert!((1..BOOTS).contains(&listed), "{listed}: {told}");
    assert_eq!(names_in(&run.join("captures")).len(), listed + 1);
    assert!(told.contains(&format!("run.json lists {listed}")), "{told}");
    assert!(!told.contains(".partial"), "{told}");
    Run::open(&run).unwrap();
}

#[test]
fn a_run_that_was_killed_is_found_by_the_next_and_readable() {
    let folder = prepared(3, HANGS);
    let mut child = hanging(&folder);
    // In use, so another run leaves it alone.
    breaks(&folder, 9, "");
    let (_, told) = ends_with(&xtask(folder.path(), MATRIX), 0);
    assert!(!told.contains("killed"), "{told}");
    let runs = folder.path().join("results/small");
    let partial = names_in(&runs).remove(0);
    assert!(partial.starts_with(".partial-"), "{partial}");
    child.kill().unwrap();
    child.wait().unwrap();
    breaks(&folder, 9, "");
    let (_, told) = ends_with(&xtask(folder.path(), MATRIX), 0);
    let found = runs.join(partial.replace(".partial-", "") + "-interrupted");
    assert_eq!(told.matches("killed").count(), 1, "{told}");
    assert!(told.contains(&found.display().to_string()), "{told}");
    holds(&found, 2, 2);
    assert_eq!(names_in(&runs).len(), 3, "{:?}", names_in(&runs));
}

#[test]
fn runs_whose_boots_take_turns_are_all_kept() {
    for results in ["--results @/results", ""] {
        let folder = tempfile::tempdir().unwrap();
        let words = "experiment --engine sim --pairs 1 --boots 16 --summary @/summary";
        let experiment = command(folder.path(), &format!("{words} {results}"));
        // Room for every capture, but not for a run.json that lists 16 boots.
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 12; exec \"$@\"", "sh"]);
        shell.arg(experiment.get_program()).args(experiment.get_args());
        let output = shell.env("TMPDIR", folder.path()).output().unwrap();
        let (_, told) = ends_with(&output, 3);
        names_what_is_there(&folder, &told);
        let place = folder.path().join(&names_in(folder.path())[0]);
        let runs = ["experiment-again", "experiment-base", "experiment-planted"];
        assert_eq!(names_in(&place), runs, "{told}");
        for run in runs.map(|run| place.join(run)) {
            let names = names_in(&run);
            assert!(names.len() == 1 && names[0].ends_with("-failed"), "{names:?}: {told}");
            assert!(told.contains(&names[0]), "{told}");
            assert!(Run::open(&run.join(&names[0])).unwrap().boots.len() > 1, "{told}");
        }
    }
}

/// The page of the one run that a link points to, as text.
fn page(link: &Path) -> String {
    let html = text(&fs::read(link.join("report.html")).unwrap());
    html.replace("&#39;", "'").replace("&#38;", "&")
}

#[test]
fn a_page_tells_the_command_that_was_given_and_where_the_run_is() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("re'sults");
    let mut run = command(folder.path(), "run --engine sim --smp 3 cost-callin=1ms --results");
    ends_with(&run.arg(&results).output().unwrap(), 0);
    let told = page(&results.join("latest-run"));
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let command = format!(
        "cargo xtask run --engine sim --smp 3 cost-callin=1ms --results {}",
        quoted(&results)
    );
    assert!(told.contains(&command), "{command}");
    let latest = results.join("latest-run").canonicalize().unwrap();
    assert!(told.contains(&format!("cargo analyze report {}", quoted(&latest))));
    assert!(!told.contains(".partial"));
    scenario(&folder, super::SMALL);
    ends_with(&xtask(folder.path(), MATRIX), 0);
    let told = page(&folder.path().join("results/latest"));
    let place = folder.path().display();
    assert!(
        told.contains(&format!("cargo xtask matrix {place}/small.toml --results {place}/results"))
    );
    assert!(!told.contains(".partial"));
}
