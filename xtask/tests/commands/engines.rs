//! Engines of a scenario's own, without QEMU: a script that feeds what the simulator has made.

use super::{command, ends_with, names_in, program, scenario, xtask};
use bringup::frame::Body;
use bringup::options::Options;
use bringup::wire;
use host_analyzer::ground::manifest::Manifest;
use host_analyzer::judge::{check, compare};
use host_analyzer::run::Run;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the scenario of [`replaying`] asks for.
const ASKED: &str = "strategy=serial repetitions=3 cost-callin=1ms";

/// The captures that the simulator makes with so many CPUs and one cost of callin, as `4.bin`. They tell the
/// options that are asked for, as a machine does whose callin is slower than that.
pub fn recorded(folder: &Path, cpus: &[u16], callin: &str) {
    let mut asked = Options::default();
    ASKED.split(' ').for_each(|word| asked.set_word(word).unwrap());
    let asked = asked.to_string();
    for smp in cpus {
        let mut bytes = Vec::new();
        let words = format!("{ASKED} cost-callin={callin}");
        bringup::sim::boot(&words, (*smp).into(), 1_000_000, |frame| {
            let mut frame = frame.clone();
            if let Body::CellBegin(begin) = &mut frame.body {
                begin.options = &asked;
            }
            bytes.extend_from_slice(wire::encode(&frame, &mut [0; wire::MAX_FRAME]).unwrap());
        })
        .unwrap();
        fs::write(folder.join(format!("{smp}.bin")), bytes).unwrap();
    }
}

/// A scenario with an engine that feeds what [`recorded`] made; `more` are further keys of it.
fn replaying(folder: &TempDir, more: &str) {
    let text = format!(
        "engines = [\"replay\", \"sim\"]\ncpus = [4, 2]\nboots = 2\nboot-limit = \"20s\"\n\
         [engine.replay]\ncommand = [\"./replay\", \"{{smp}}.bin\", \"{{capture}}\", \"{{cmdline}}\"]\n\
         {more}\n[options]\nstrategy = \"serial\"\nrepetitions = 3\ncost-callin = \"1ms\"\n"
    );
    scenario(folder, &text);
}

pub fn manifest(run: &Path) -> Manifest {
    serde_json::from_str(&fs::read_to_string(run.join("run.json")).unwrap()).unwrap()
}

#[test]
fn a_script_is_an_engine_like_those_built_in_and_their_boots_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2, 4], "1ms");
    program(folder.path(), "replay", "echo $# words >&2; cp $1 \"$2\"; exit 7");
    program(folder.path(), "version", "echo; echo replay 3; echo more");
    let more = "exact = true\nsuccess-status = [0, 7]\nown-words = \"wait=halt\"\nversion-command = [\"./version\"]";
    replaying(&folder, more);
    let results = folder.path().join("results with blanks");
    let mut matrix = command(folder.path(), "matrix @/small.toml --results");
    let (said, _) = ends_with(&matrix.arg(&results).output().unwrap(), 0);
    assert!(said.contains("replay") && !said.contains("warning"), "{said}");
    let latest = results.join("latest").canonicalize().unwrap();
    let manifest = manifest(&latest);
    let captures: Vec<&str> = manifest.boots.iter().map(|boot| boot.capture.as_str()).collect();
    let turns = ["replay-4-1", "sim-4-1", "replay-2-1", "sim-2-1"];
    let again = ["replay-4-2", "sim-4-2", "replay-2-2", "sim-2-2"];
    let expected: Vec<String> =
        turns.iter().chain(&again).map(|name| format!("captures/{name}.bin")).collect();
    assert_eq!(captures, expected);
    let boot = &manifest.boots[0];
    assert_eq!((boot.engine_version.as_str(), boot.exact), ("replay 3", true));
    // One word each, whatever is in it, and a capture that is found again.
    assert_eq!(boot.stderr, "3 words\n");
    assert_eq!(boot.command[2], latest.join(&boot.capture).display().to_string());
    assert_eq!(boot.command[3], "wait=halt strategy=serial repetitions=3 cost-callin=1ms");
    assert_eq!(manifest.engines.len(), 1);
    assert_eq!(manifest.engines[0].success_status, [0, 7]);
    assert!(manifest.kernel.is_none(), "no word names the kernel");
    // The order of the tables is that of the engines, whatever the order of the boots.
    let run = Run::open(&latest).unwrap();
    let cells: Vec<(&str, u16)> =
        run.cells.iter().map(|cell| (cell.engine.as_str(), cell.smp)).collect();
    assert_eq!(cells, [("replay", 2), ("replay", 4), ("sim", 2), ("sim", 4)]);
    let totals: Vec<u64> = run.cells.iter().map(|cell| cell.total().unwrap().median).collect();
    assert_eq!(totals[..2], totals[2..]);
    assert_eq!(names_in(&results), ["latest", "small"]);
}

#[test]
fn runs_of_an_engine_of_ones_own_are_compared_and_checked_like_others() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2, 4], "1ms");
    program(folder.path(), "replay", "cp $1 \"$2\"");
    replaying(&folder, "exact = true");
    let ran = |results: &str| {
        let words = format!("matrix @/small.toml --results @/{results}");
        ends_with(&xtask(folder.path(), &words), 0);
        Run::open(&folder.path().join(results).join("latest")).unwrap()
    };
    let budgets = folder.path().join("budgets.toml");
    let limit = "[[budget]]\ncells = { engine = \"replay\", smp = 4 }\nfigure = \"callin\"\nmax-us = 1_000\n";
    fs::write(&budgets, limit).unwrap();
    let budgets = check::budgets::Budgets::read(&budgets).unwrap();
    let (base, same) = (ran("base"), ran("same"));
    let equal = compare::compare(&base, &same, Default::default()).unwrap();
    assert_eq!(equal.cells.len(), 4);
    assert_eq!(equal.count(|verdict| verdict != compare::MetricVerdict::Same), 0);
    assert!(equal.notes.is_empty(), "{:?}", equal.notes);
    let verdict = check::check(&base, &budgets).unwrap();
    assert_eq!(verdict.rows.len(), 1);
    verdict.result().unwrap();
    // One percent more in one step.
    recorded(folder.path(), &[4], "1010us");
    let new = ran("new");
    let found = compare::compare(&base, &new, Default::default()).unwrap();
    let callin = found.figures().filter(|(_, figure)| figure.measure.name() == "callin");
    let slower: Vec<(&str, u16, bool)> = callin
        .map(|(cell, figure)| {
            (&*cell.new.engine, cell.new.smp, figure.verdict == compare::MetricVerdict::Slower)
        })
        .collect();
    // The cell whose total changed comes first.
    let expected =
        [("replay", 4, true), ("replay", 2, false), ("sim", 2, false), ("sim", 4, false)];
    assert_eq!(slower, expected);
    assert!(check::check(&new, &budgets).unwrap().result().is_err());
}

#[test]
fn a_command_that_fails_is_told_with_its_status_and_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2, 4], "1ms");
    for (case, (script, more, told)) in [
        ("cp $1 $2; exit 33", "", "said goodbye, but its engine did not end well"),
        ("cp $1 $2; exit 33", "", "exit status 33, expected 0"),
        ("cp $1 $2", "success-status = [33, 35]", "exit status 0, expected 33 or 35"),
        ("echo no memory >&2; exit 9", "", "no memory"),
        ("exit 0", "", "ended without a goodbye"),
        ("head -c 150 $1 > $2", "", "ended without a goodbye"),
        ("kill -9 $$", "", "killed by signal 9"),
        ("sleep 60", "", "did not say goodbye within its 1 s"),
    ]
    .into_iter()
    .enumerate()
    {
        program(folder.path(), "replay", script);
        replaying(&folder, more);
        if script.starts_with("sleep") {
            let text = fs::read_to_string(folder.path().join("small.toml")).unwrap();
            scenario(&folder, &text.replace("20s", "1s"));
        }
        let matrix = format!("matrix @/small.toml --results @/results/{case}");
        let (_, all) = ends_with(&xtask(folder.path(), &matrix), 3);
        assert!(all.contains(told), "{script}: {all}");
        assert!(all.contains("replay with 4 CPUs"), "{script}: {all}");
    }
}

/// Why the scenario's engines are not ready, without building a kernel.
fn engine_failure(folder: &TempDir) -> String {
    let path = folder.path().join("small.toml");
    let scenario = xtask::runner::scenario::Scenario::read(&path, folder.path()).unwrap();
    xtask::runner::probe::engines(&scenario, None).unwrap_err().report().to_string()
}

#[test]
fn an_engine_that_is_missing_is_told_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    for (more, told) in [
        ("", "the engine replay can't start"),
        ("version-command = [\"false\"]", "the engine replay does not report its version"),
        ("version-command = [\"no-such-program\"]", "no-such-program"),
    ] {
        replaying(&folder, more);
        let (_, all) =
            ends_with(&xtask(folder.path(), "matrix @/small.toml --results @/results"), 3);
        assert!(all.contains(told), "{more}: {all}");
    }
    scenario(
        &folder,
        "engines = \"mine\"\ncpus = 2\n[engine.mine]\nbase = \"tcg\"\nqemu = \"bin/qemu\"\n",
    );
    let qemu = folder.path().join("bin/qemu").display().to_string();
    let told = engine_failure(&folder);
    assert!(told.contains(&qemu) && told.contains("engine mine"), "{told}");
    assert!(!folder.path().join("results").exists());
}

#[test]
fn a_command_that_stays_is_ended_when_the_kernel_has_said_goodbye() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2, 4], "1ms");
    program(folder.path(), "replay", "cp $1 $2; sleep 60");
    replaying(&folder, "endless = true");
    ends_with(&xtask(folder.path(), "matrix @/small.toml --results @/results"), 0);
    // Without a goodbye there is nothing to end it for.
    program(folder.path(), "replay", "head -c 150 $1 > $2; exit 0");
    let (_, all) = ends_with(&xtask(folder.path(), "matrix @/small.toml --results @/results"), 3);
    assert!(all.contains("ended without a goodbye"), "{all}");
}

#[test]
fn what_a_command_leaves_running_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2, 4], "1ms");
    program(folder.path(), "replay", "sleep 60 & echo $! >> left; cp $1 $2");
    replaying(&folder, "");
    ends_with(&xtask(folder.path(), "matrix @/small.toml --results @/results"), 0);
    let left = fs::read_to_string(folder.path().join("left")).unwrap();
    assert_eq!(left.lines().count(), 4);
    for process in left.lines() {
        let runs = || {
            let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            !(status.is_empty() || status.contains(") Z "))
        };
        // It was killed; going takes it a moment.
        let began = Instant::now();
        while runs() {
            assert!(began.elapsed() < Duration::from_secs(30), "{process} is still there");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The options of [`ASKED`], in a scenario.
const OPTIONS: &str = "[options]\nstrategy = \"serial\"\nrepetitions = 3\ncost-callin = \"1ms\"\n";

/// Runs one cell with an engine that is a script; `more` are further keys of the scenario.
fn with_script(folder: &TempDir, script: &str, more: &str) -> std::process::Output {
    program(folder.path(), "script", script);
    let text = format!(
        "engines = \"own\"\ncpus = 2\n{more}\n[engine.own]\ncommand = [\"./script\", \"{{capture}}\", \
         \"{{cmdline}}\"]\n{OPTIONS}"
    );
    scenario(folder, &text);
    xtask(folder.path(), "matrix @/small.toml --results @/results")
}

#[test]
fn an_engine_that_writes_without_end_is_stopped_before_it_fills_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    for script in ["cat /dev/zero > $1", "truncate -s 100G $1; sleep 60", "truncate -s 100G $1"] {
        let (_, all) = ends_with(&with_script(&folder, script, "boot-limit = \"100s\""), 3);
        assert!(all.contains("where its cells send less than 64 MiB"), "{script}: {all}");
        assert!(all.contains("bytes were not read"), "{script}: {all}");
    }
    assert!(began.elapsed() < Duration::from_secs(80), "{:?}", began.elapsed());
}

/// Ends what a script has left running in a session of its own; the script writes its process to
/// the file `left`.
struct Left<'f>(&'f TempDir);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        let process = fs::read_to_string(self.0.path().join("left")).unwrap_or_default();
        if let Some(process) = process.trim().parse().ok().and_then(Pid::from_raw) {
            // It may be gone by itself.
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

#[test]
fn a_capture_that_grows_after_its_engine_has_ended_is_a_failed_boot() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2], "1ms");
    // While it is read; when the boot is over.
    for writes in ["while :; do echo more; done", "sleep 0.3; echo more; exec sleep 60"] {
        let _left = Left(&folder);
        let script = format!(
            "cp 2.bin $1; setsid sh -c 'echo $$ > left; {writes}' >> $1 2> /dev/null &\n\
             while ! [ -s left ]; do sleep 0.01; done; sleep 0.1"
        );
        // The boot after it takes until something was written.
        program(folder.path(), "slow", "cp 2.bin $1; sleep 1");
        program(folder.path(), "script", &script);
        let of = |name: &str| {
            format!("[engine.{name}]\ncommand = [\"./{name}\", \"{{capture}}\", \"{{cmdline}}\"]\n")
        };
        let text = format!(
            "engines = [\"script\", \"slow\"]\ncpus = 2\n{}{}{OPTIONS}",
            of("script"),
            of("slow")
        );
        scenario(&folder, &text);
        let _ = fs::remove_file(folder.path().join("left"));
        let matrix = xtask(folder.path(), "matrix @/small.toml --results @/results");
        let (_, all) = ends_with(&matrix, 3);
        assert!(all.contains("script-2-1.bin"), "{writes}: {all}");
        assert!(all.contains("went on growing after the engine had ended"), "{writes}: {all}");
        assert!(all.contains(" of 2 boots ") && !all.contains("report"), "{writes}: {all}");
    }
}

#[test]
fn a_capture_that_is_not_the_one_that_was_read_is_a_failed_boot() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2], "1ms");
    // The pause is for the capture to be opened.
    for (script, told) in [
        ("head -c 150 $1 > other; mv other $1", "was replaced by another file"),
        ("truncate -s 8G other; mv other $1", "was replaced by another file"),
        ("rm $1", "is not there any more"),
        ("truncate -s 150 $1", "has only 150 of the"),
    ] {
        let script = format!("cp 2.bin $1; sleep 0.5; {script}");
        let (_, all) = ends_with(&with_script(&folder, &script, "boot-limit = \"50s\""), 3);
        assert!(all.contains(&format!("its capture {told}")), "{script}: {all}");
    }
}

#[test]
fn a_run_whose_folder_is_gone_is_no_wrong_request() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2], "1ms");
    let script = "cp 2.bin $1; sleep 0.5; cd $(dirname $1)/..; mv run.json ..; mv $PWD ../moved";
    let (_, all) = ends_with(&with_script(&folder, script, ""), 3);
    assert!(all.contains("is not there any more"), "{all}");
    assert!(!all.contains("make the folder"), "{all}");
}

#[test]
fn an_engine_that_hangs_after_its_goodbye_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2], "1ms");
    let hangs = with_script(&folder, "cp 2.bin $1; exec sleep 60", "boot-limit = \"1s\"");
    let (_, all) = ends_with(&hangs, 3);
    assert!(all.contains("sent its last frame, but did not end within its 1 s"), "{all}");
    assert!(all.contains("`endless = true`") && all.contains("its Goodbye"), "{all}");
}

#[test]
fn at_the_limit_little_is_read_of_what_an_engine_has_written() {
    let folder = tempfile::tempdir().unwrap();
    // Noise that looks like frames takes the decoder longest.
    let script = "yes '\u{2}\u{1}' | head -c 50000000 > $1; exec sleep 60";
    let (_, all) = ends_with(&with_script(&folder, script, "boot-limit = \"1s\""), 3);
    assert!(all.contains("did not say goodbye within its 1 s and was killed"), "{all}");
    assert!(all.contains("bytes were not read"), "{all}");
}

#[test]
fn a_capture_that_is_no_regular_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    for script in ["mkfifo $1; sleep 60", "ln -s /dev/zero $1; sleep 60"] {
        let (_, all) = ends_with(&with_script(&folder, script, "boot-limit = \"50s\""), 3);
        assert!(all.contains(".bin is no regular file"), "{script}: {all}");
    }
}

#[test]
fn what_an_engine_or_a_kernel_says_does_not_steer_the_terminal_nor_fill_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = "printf '\\033[2Jconsole\\n' > $1; printf '\\033[31mno\\000 memory\\n' >&2; \
                  yes the same again and again | head -c 3000000 >&2";
    let (_, all) = ends_with(&with_script(&folder, script, ""), 3);
    assert!(all.contains("\\u{1b}[31mno\\u{0} memory"), "{all}");
    assert!(all.contains("\\u{1b}[2Jconsole"), "{all}");
    assert!(all.contains("bytes left out"), "{all}");
    assert!(!all.contains(['\u{1b}', '\0']) && all.len() < 30_000, "{} bytes: {all}", all.len());
    let kept = names_in(&folder.path().join("results/small"));
    let json = folder.path().join("results/small").join(&kept[0]).join("run.json");
    assert!(fs::metadata(json).unwrap().len() < 30_000);
}
