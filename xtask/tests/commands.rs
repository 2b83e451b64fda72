//! The commands from outside: output, files and exit codes, with the simulator as the engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Runs `xtask`; `arguments` are split at blanks, `@` stands for the folder.
fn xtask(folder: &Path, arguments: &str) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let place = folder.to_str().unwrap();
    command.args(arguments.split_whitespace().map(|word| word.replace('@', place)));
    command.stdin(Stdio::null()).env_remove("CI");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

/// Checks the exit code and gives what was said.
#[track_caller]
fn ends_with(output: &Output, code: i32) -> (String, String) {
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}\n--\n{told}");
    (said, told)
}

fn scenario(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("small.toml");
    fs::write(&path, text).unwrap();
    path
}

const SMALL: &str = "engine = \"sim\"\ncpus = [2, 4]\nboots = 2\n[options]\n\
                     strategy = [\"serial\", \"full-parallel\"]\nrepetitions = 3\n";

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_matrix_leaves_captures_a_manifest_a_report_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    scenario(&folder, SMALL);
    let (said, told) =
        ends_with(&xtask(folder.path(), "matrix @/small.toml --results @/results"), 0);
    for part in ["serial", "full-parallel", "report.html", "figures"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(told.contains("sim with 4 CPUs, boot 2 of 2: 7 trials"), "{told}");
    let latest = folder.path().join("results/latest").canonicalize().unwrap();
    assert_eq!(latest.parent().unwrap().file_name().unwrap(), "small");
    assert_eq!(
        entries(&latest.join("captures")),
        ["sim-2-1.bin", "sim-2-2.bin", "sim-4-1.bin", "sim-4-2.bin"]
    );
    assert!(latest.join("report.html").is_file());
    let manifest = fs::read_to_string(latest.join("run.json")).unwrap();
    let manifest: host_analyzer::manifest::Manifest = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest.scenario_text, SMALL);
    assert_eq!(manifest.boots.len(), 4);
    assert!(manifest.boots.iter().all(|boot| boot.exact && boot.engine == "sim"));
    let of_scenario = entries(latest.parent().unwrap());
    assert_eq!(of_scenario.len(), 1, "{of_scenario:?}");
}

#[test]
fn a_single_boot_tells_each_trial_as_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let words = "strategy=serial cost-callin=1ms tsc-window=1ms repetitions=2";
    let (said, told) =
        ends_with(&xtask(folder.path(), &format!("run --engine sim --results @ {words}")), 0);
    assert!(said.contains("serial"), "{said}");
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "serial trial 0 (cold): 6.000 ms, 0 lost",
            "serial trial 1: 6.000 ms, 0 lost",
            "serial trial 2: 6.000 ms, 0 lost",
        ]
    );
}

#[test]
fn json_stands_alone_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let output = xtask(folder.path(), "run --engine sim --smp 28 --format json --results @");
    let (said, _) = ends_with(&output, 0);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["schema"], 1);
}

#[test]
fn one_cpu_has_no_ap() {
    let folder = tempfile::tempdir().unwrap();
    let (said, told) = ends_with(&xtask(folder.path(), "run --engine sim --smp 1 --results @"), 0);
    assert!(told.contains("serial trial 1: no AP to bring up"), "{told}");
    assert!(said.contains("nothing to bring up"), "{said}");
}

#[test]
fn a_lost_ap_is_a_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let output = xtask(folder.path(), "run --engine sim --results @ fault=never:2 limit=50ms");
    let (said, told) = ends_with(&output, 1);
    assert!(said.contains("serial") && told.contains("1 lost"), "{said}{told}");
    assert!(folder.path().join("latest/run.json").is_file());
}

#[test]
fn a_wrong_request_boots_nothing() {
    let folder = tempfile::tempdir().unwrap();
    scenario(&folder, "engine = \"sim\"\ncpus = 2\n[options]\nwait = \"sleep\"\n");
    fs::write(folder.path().join("bytes.toml"), b"engine = \"sim\"\ncpus = \xff").unwrap();
    for (arguments, told) in [
        ("matrix @/small.toml --results @/results", "small.toml:4:8: options.wait: `sleep`"),
        ("matrix @/none.toml --results @/results", "default.toml"),
        ("matrix @ --results @/results", "is a folder"),
        ("matrix @/bytes.toml --results @/results", "bytes.toml:2:8: this byte is not UTF-8"),
        ("run --engine sim --results @/results stratgy=serial", "did you mean `strategy`?"),
        ("run --engine sim --results @/results kick=broadcast", "is refused"),
        ("run --engine sim --results @/results --smp 4097", "the engine sim takes 1 to 4096"),
        ("run --engine bochs --results @/results", "expected one of icount, tcg, kvm, sim"),
        ("run --limit-seconds 0 --results @/results", "--limit-seconds"),
        ("test no-such-stage", "expected fmt, clippy"),
        ("frobnicate", "frobnicate"),
    ] {
        let (_, all) = ends_with(&xtask(folder.path(), arguments), 2);
        assert!(all.contains(told), "{arguments}: {all}");
    }
    assert!(!folder.path().join("results").exists());
}

#[test]
fn results_that_cannot_be_written_are_an_environment_failure() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let (_, told) = ends_with(&xtask(folder.path(), "run --engine sim --results @/file"), 3);
    assert!(told.contains("--results DIR"), "{told}");
}

/// A boot that takes many seconds; its results folder.
fn long_boot(folder: &TempDir) -> Child {
    let words = "run --engine sim --smp 255 --results @ repetitions=1000000 --limit-seconds 60";
    let child = command(folder.path(), words).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !folder.path().join("run").is_dir() || entries(&folder.path().join("run")).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "no run begins");
        thread::sleep(Duration::from_millis(20));
    }
    child
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = long_boot(&folder);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(entries(&folder.path().join("run")).is_empty());
    assert!(!folder.path().join("latest").exists());
}

#[test]
fn a_boot_beyond_its_limit_ends_and_is_an_environment_failure() {
    let folder = tempfile::tempdir().unwrap();
    let words = "run --engine sim --smp 255 --results @ repetitions=1000000 --limit-seconds 1";
    let output = command(folder.path(), words).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("limit"));
}

/// Folders that stand in for the PATH: programs that the tests make up.
fn program(folder: &Path, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A PATH with the toolchain and nothing else but what the test makes up.
fn path_of(folder: &Path) -> String {
    let tools = folder.join("tools");
    for tool in ["rustc", "cargo", "rustup", "sh", "mkdir", "cp", "chmod"] {
        if let Ok(place) = which::which(tool) {
            program(&tools, tool, &format!("exec {} \"$@\"", place.display()));
        }
    }
    format!("{}:{}", folder.join("made-up").display(), tools.display())
}

#[test]
fn without_qemu_and_a_terminal_setup_tells_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_of(folder.path());
    program(&folder.path().join("made-up"), "apt-get", "echo called >> $0.log");
    program(&folder.path().join("made-up"), "sudo", "shift; exec \"$@\"");
    for arguments in ["setup", "run --results @/results", "matrix --results @/results"] {
        let output = command(folder.path(), arguments).env("PATH", &path).output().unwrap();
        let (_, told) = ends_with(&output, 3);
        assert!(
            told.contains("apt-get install -y --no-install-recommends qemu-system-x86"),
            "{told}"
        );
        assert!(told.contains("apt-get update"), "{told}");
    }
    assert!(!folder.path().join("made-up/apt-get.log").exists());
    assert!(!folder.path().join("results").exists());
}

#[test]
fn with_yes_setup_installs_and_looks_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_of(folder.path());
    let made_up = folder.path().join("made-up");
    program(&made_up, "sudo", "shift; exec \"$@\"");
    program(&made_up, "apt-get", "echo $DEBIAN_FRONTEND $* >> $0.log");
    let setup = || command(folder.path(), "setup --yes").env("PATH", &path).output().unwrap();
    let (_, told) = ends_with(&setup(), 3);
    assert!(told.contains("even though its package was installed"), "{told}");
    let log = fs::read_to_string(made_up.join("apt-get.log")).unwrap();
    assert_eq!(
        log,
        "noninteractive update\n\
         noninteractive install -y --no-install-recommends qemu-system-x86\n"
    );
    program(&made_up, "apt-get", "echo E: no network; exit 100");
    let (_, told) = ends_with(&setup(), 3);
    assert!(told.contains("E: no network") && told.contains("apt-get update"), "{told}");
    program(&made_up, "qemu-system-x86_64", "exit 0");
    let (said, _) = ends_with(&setup(), 0);
    assert!(said.contains("everything"), "{said}");
}

#[test]
fn the_simulator_needs_no_setup() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        command(folder.path(), "run --engine sim --results @").env("PATH", "").output().unwrap();
    ends_with(&output, 0);
}

/// The capture that the simulator makes of `SMALL`'s cells with so many CPUs, as `4.bin`.
fn recorded(folder: &Path, cpus: &[u16]) {
    for smp in cpus {
        let words = "strategy=serial repetitions=3 cost-callin=1ms";
        let place = format!("run --engine sim --smp {smp} --results @/recorded {words}");
        ends_with(&xtask(folder, &place), 0);
        let captures = folder.join("recorded/latest/captures");
        fs::copy(captures.join(format!("sim-{smp}-1.bin")), folder.join(format!("{smp}.bin")))
            .unwrap();
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

fn manifest(run: &Path) -> host_analyzer::manifest::Manifest {
    serde_json::from_str(&fs::read_to_string(run.join("run.json")).unwrap()).unwrap()
}

#[test]
fn a_script_is_an_engine_like_those_built_in_and_their_boots_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2, 4]);
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
    let run = host_analyzer::run::Run::open(&latest).unwrap();
    let cells: Vec<(&str, u16)> =
        run.cells.iter().map(|cell| (cell.engine.as_str(), cell.smp)).collect();
    assert_eq!(cells, [("replay", 2), ("replay", 4), ("sim", 2), ("sim", 4)]);
    let totals: Vec<u64> = run.cells.iter().map(|cell| cell.total().unwrap().median).collect();
    assert_eq!(totals[..2], totals[2..]);
    assert_eq!(entries(&results), ["latest", "small"]);
}

#[test]
fn a_command_that_fails_is_told_with_its_status_and_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[2, 4]);
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
    let scenario = xtask::scenario::Scenario::read(&path, folder.path()).unwrap();
    xtask::probe::engines(&scenario, None).unwrap_err().report().to_string()
}

#[test]
fn an_engine_that_is_missing_is_told_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    for (more, told) in [
        ("", "the engine replay can't start"),
        ("version-command = [\"false\"]", "the engine replay does not tell its version"),
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
    recorded(folder.path(), &[2, 4]);
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
    recorded(folder.path(), &[2, 4]);
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
