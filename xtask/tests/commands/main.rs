//! The commands from outside: output, files and exit codes, with the simulator as the engine.

mod completion;
mod endings;
mod engines;
mod monitors;
mod storms;
mod trees;

use host_analyzer::run::Run;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use xtask::root;
use xtask::runner::folder::names_in;
use xtask::runner::scenario::named_in;

/// Runs `xtask`; `arguments` are split at blanks, `@` stands for the folder.
fn xtask(folder: &Path, arguments: &str) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let place = folder.to_str().unwrap();
    command.args(arguments.split_whitespace().map(|word| word.replace('@', place)));
    command.stdin(Stdio::null()).env_remove("CI").env_remove("COLUMNS");
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
        names_in(&latest.join("captures")),
        ["sim-2-1.bin", "sim-2-2.bin", "sim-4-1.bin", "sim-4-2.bin"]
    );
    assert!(latest.join("report.html").is_file());
    let manifest = fs::read_to_string(latest.join("run.json")).unwrap();
    let manifest: host_analyzer::ground::manifest::Manifest =
        serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest.scenario_text, SMALL);
    assert_eq!(manifest.boots.len(), 4);
    assert!(manifest.boots.iter().all(|boot| boot.exact && boot.engine == "sim"));
    let of_scenario = names_in(latest.parent().unwrap());
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
fn a_run_sweeps_options_and_cpu_counts() {
    let folder = tempfile::tempdir().unwrap();
    let words = "strategy=serial,full-parallel cost-callin=1ms,1:3ms --smp 2,4..=5";
    let run = format!("run --engine sim --format json --results @ {words}");
    let (said, told) = ends_with(&xtask(folder.path(), &run), 0);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    let cells: Vec<(u64, &str)> = json["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| (cell["smp"].as_u64().unwrap(), cell["strategy"].as_str().unwrap()))
        .collect();
    let both = |smp| [(smp, "serial"), (smp, "full-parallel")];
    assert_eq!(cells, [both(2), both(4), both(5)].concat());
    // Boots side by side end in any order.
    let mut told: Vec<&str> = told.lines().collect();
    told.sort_unstable();
    let boots = [2, 4, 5].map(|smp| format!("sim with {smp} CPUs: 3 trials"));
    assert!(told.iter().zip(&boots).all(|(line, boot)| line.starts_with(boot)), "{told:?}");
}

#[test]
fn a_run_moves_no_link_to_a_scenarios_run_and_warns_of_words_that_no_cell_uses() {
    let folder = tempfile::tempdir().unwrap();
    scenario(&folder, SMALL);
    ends_with(&xtask(folder.path(), "matrix @/small.toml --results @/results"), 0);
    let link = |name: &str| folder.path().join("results").join(name).canonicalize().unwrap();
    let before = link("latest");
    let words = "strategy=serial cell strategy=parallel-sipi cell strategy=full-parallel";
    let (_, told) = ends_with(
        &xtask(folder.path(), &format!("run --engine sim --results @/results {words}")),
        0,
    );
    assert!(
        told.starts_with("warning: `strategy=serial` is never used: every cell sets"),
        "{told}"
    );
    assert_eq!(link("latest"), before);
    assert_eq!(link("latest-run").parent().unwrap().file_name().unwrap(), "run");
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
fn a_run_goes_on_where_nobody_reads_what_it_tells() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = command(folder.path(), "run --engine sim --results @");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    ends_with(
        &run.stdout(Stdio::piped()).stderr(full).spawn().unwrap().wait_with_output().unwrap(),
        0,
    );
    assert!(folder.path().join("latest-run/report.html").is_file());
}

#[test]
fn one_cpu_has_no_ap() {
    let folder = tempfile::tempdir().unwrap();
    let (said, told) = ends_with(&xtask(folder.path(), "run --engine sim --smp 1 --results @"), 0);
    assert!(told.contains("serial trial 1: no AP to bring up"), "{told}");
    assert!(said.contains("nothing to bring up"), "{said}");
}

#[test]
fn the_simulator_brings_4096_cpus_up() {
    let folder = tempfile::tempdir().unwrap();
    let words = "strategy=serial tsc-sync=trusted cost-callin=1us";
    let run = format!("run --engine sim --smp 4096 --format json --results @ {words}");
    let (said, _) = ends_with(&xtask(folder.path(), &run), 0);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    let cell = &json["cells"][0];
    assert_eq!((&cell["smp"], &cell["lost"]), (&4096.into(), &0.into()));
    assert_eq!(cell["total"]["median"], 4095 * 1000, "{cell}");
}

#[test]
fn a_lost_ap_is_a_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let output = xtask(folder.path(), "run --engine sim --results @ fault=never:2 limit=50ms");
    let (said, told) = ends_with(&output, 1);
    assert!(said.contains("serial") && told.contains("1 lost"), "{said}{told}");
    assert!(folder.path().join("latest-run/run.json").is_file());
}

#[test]
fn a_wrong_request_boots_nothing() {
    let folder = tempfile::tempdir().unwrap();
    scenario(&folder, "engine = \"sim\"\ncpus = 2\n[options]\nwait = \"sleep\"\n");
    let profile = "engine = \"sim\"\ncpus = 2\nprofile = \"p\"\n";
    fs::write(folder.path().join("profile.toml"), profile).unwrap();
    fs::create_dir(folder.path().join("profiles")).unwrap();
    let free = "{ of = \"ap\", cycles = 0, assumption = \"-\" }";
    let profile = format!(
        "source = \"-\"\nmachine = \"-\"\ntsc-khz = 1\nderivation = \"-\"\n[costs]\n\
         trampoline = {free}\ncallin = {free}\nonline = {free}\nkick = {}\nwake = {}\n",
        free.replace("ap", "bsp"),
        free.replace("cycles = 0", "cycles = 1_000_000_000_000_000"),
    );
    fs::write(folder.path().join("profiles/p.toml"), profile).unwrap();
    fs::write(folder.path().join("bytes.toml"), b"engine = \"sim\"\ncpus = \xff").unwrap();
    for (arguments, told) in [
        (
            "matrix @/small.toml --results @/results",
            "small.toml:4:8: options.wait: expected one of halt spin",
        ),
        ("matrix @/none.toml --results @/results", "agreement, cloud-hypervisor, default"),
        ("matrix no-such-name --results @/results", "there is no scenario no-such-name"),
        ("matrix @ --results @/results", "is a folder"),
        ("matrix @/bytes.toml --results @/results", "bytes.toml:2:8: this byte is not UTF-8"),
        ("run --engine sim --results @/results stratgy=serial", "did you mean `strategy`?"),
        ("run --engine sim --results @/results kick=broadcast", "is refused"),
        ("run --engine sim --results @/results --smp 4097", "the engine sim takes 1 to 4096"),
        ("run --engine boxes --results @/results", "expected one of icount, tcg, kvm, bochs, sim"),
        ("run --limit-seconds 0 --results @/results", "--limit-seconds"),
        ("run --limit-seconds 86401 --results @/results", "is not in 1..=86400"),
        ("run --results @/results guard=0", "`guard=0`: the engine sets it by itself"),
        ("run --engine sim --results @/results cost-wake=3599s", "raise `limit`"),
        ("matrix @/profile.toml --results @/results", "p.toml:10:30: costs.wake.cycles: expected"),
        ("test no-such-stage", "expected fmt, clippy"),
        ("frobnicate", "frobnicate"),
    ] {
        let (_, all) = ends_with(&xtask(folder.path(), arguments), 2);
        assert!(all.contains(told), "{arguments}: {all}");
    }
    assert!(!folder.path().join("results").exists());
}

#[test]
fn a_word_that_no_cell_uses_is_told_on_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let words = "strategy=serial cell strategy=parallel-sipi cell strategy=full-parallel";
    let run = format!("run --engine sim --results @ {words}");
    let (said, told) = ends_with(&xtask(folder.path(), &run), 0);
    assert!(
        told.starts_with("warning: `strategy=serial` is never used: every cell sets"),
        "{told}"
    );
    assert!(!said.contains("never used"), "{said}");
}

#[test]
fn a_trial_that_the_simulator_cannot_count_is_a_wrong_request() {
    let folder = tempfile::tempdir().unwrap();
    let words = "clock-khz=4294967295 tsc-window=3600s cost-wake=3600s limit=3600s --smp 700";
    let run = format!("run --engine sim --results @ {words}");
    let (_, told) = ends_with(&xtask(folder.path(), &run), 2);
    assert!(told.contains("a trial would take 2^63 cycles or more"), "{told}");
}

#[test]
fn results_that_cannot_be_written_are_an_environment_failure() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let (_, told) = ends_with(&xtask(folder.path(), "run --engine sim --results @/file"), 3);
    assert!(told.contains("--results DIR"), "{told}");
}

#[test]
fn a_simulation_that_is_interrupted_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let words = "run --engine sim --smp 255 --results @ repetitions=1000000 --limit-seconds 60";
    let mut child = command(folder.path(), words).stderr(Stdio::piped()).spawn().unwrap();
    // Its first trial ends.
    let mut line = String::new();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    told.read_line(&mut line).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    io::copy(&mut told, &mut io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let runs = names_in(&folder.path().join("run"));
    assert!(runs.len() == 1 && runs[0].ends_with("Z-interrupted"), "{runs:?}");
    let run = Run::open(&folder.path().join("run").join(&runs[0])).unwrap();
    assert!(run.boots[0].cells[0].whole >= 1);
    assert!(!folder.path().join("latest-run").exists());
}

#[test]
fn an_interrupt_ends_the_drawing_of_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let windows: Vec<String> = (1..=100).map(|window| window.to_string()).collect();
    let axis = format!("tsc-window = [{}]", windows.join(", "));
    scenario(&folder, &format!("engine = \"sim\"\ncpus = 2\n[options]\n{axis}\n"));
    let mut matrix = command(folder.path(), "matrix @/small.toml --results @/results");
    let child = matrix.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    // The pictures take seconds.
    let runs = folder.path().join("results/small");
    let complete = |run: &String| {
        let about = fs::read_to_string(runs.join(run).join("run.json")).unwrap_or_default();
        about.contains("\"ended\": \"complete\"")
    };
    while !(runs.is_dir() && names_in(&runs).iter().any(complete)) {
        assert!(began.elapsed() < Duration::from_secs(60), "no measurement is complete");
        thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let (_, all) = ends_with(&child.wait_with_output().unwrap(), 3);
    assert!(all.contains("interrupted") && all.contains("only the report is missing"), "{all}");
    let kept = names_in(&runs);
    assert!(kept.len() == 1 && kept[0].ends_with("Z-interrupted"), "{kept:?}");
    assert_eq!(Run::open(&runs.join(&kept[0])).unwrap().cells.len(), 100);
}

#[test]
fn an_interrupt_ends_the_question_whether_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let side = fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut setup = command(folder.path(), "setup");
    program(&folder.path().join("made-up"), "apt-get", "exit 0");
    setup.env("PATH", path_of(folder.path())).stdin(side.try_clone().unwrap()).stderr(side);
    let mut child = setup.spawn().unwrap();
    drop(setup);
    let (mut asked, mut bytes) = (String::new(), [0; 1000]);
    while !asked.contains("now? [Y/n]") {
        let length = rustix::io::read(&terminal, &mut bytes).unwrap();
        asked += &text(&bytes[..length]);
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(30), "it asks still");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_scenario_of_the_repository_is_called_by_its_name() {
    let folder = root().join("scenarios");
    let named = |given: &str| named_in(&folder, PathBuf::from(given));
    assert_eq!(named("small"), folder.join("small.toml"));
    for path in ["no-such-name", "small.toml", "./small", "profiles/haswell-28", ".."] {
        assert_eq!(named(path), Path::new(path));
    }
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
        // Only the tests of the page want a browser.
        assert_eq!(told.contains("chromium-driver"), arguments == "setup", "{told}");
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
         noninteractive install -y --no-install-recommends qemu-system-x86\n\
         noninteractive install -y --no-install-recommends chromium chromium-driver\n\
         noninteractive install -y --no-install-recommends grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools ovmf\n\
         noninteractive install -y --no-install-recommends bochs bochsbios bochs-term vgabios\n"
    );
    program(&made_up, "apt-get", "echo E: no network; exit 100");
    let (_, told) = ends_with(&setup(), 3);
    assert!(told.contains("E: no network") && told.contains("apt-get update"), "{told}");
    program(&made_up, "qemu-system-x86_64", "exit 0");
    let (_, told) = ends_with(&setup(), 3);
    assert!(told.contains("E: no network"), "the browser is missing still: {told}");
    for name in ["chromedriver", "grub-mkrescue", "xorriso", "bochs"] {
        program(&made_up, name, "exit 0");
    }
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

#[test]
fn the_experiment_on_exact_boots_is_never_wrong_and_finds_what_is_planted() {
    let folder = tempfile::tempdir().unwrap();
    let words = "experiment --engine sim --pairs 2 --boots 1 --summary @/summary --results @/runs";
    let (said, told) = ends_with(&xtask(folder.path(), words), 0);
    assert!(said.contains("found | 2 | 2 (100.0 %)"), "{said}");
    assert_eq!(told.lines().count(), 2, "{told}");
    let json = fs::read_to_string(folder.path().join("summary/summary.json")).unwrap();
    assert!(json.starts_with("{\n  \"schema\": 1,"), "{json}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["false_comparisons"], &json["found"]), (&0.into(), &2.into()));
    let round = &json["pairs"][0]["rounds"][0];
    let cells = round["planted"].as_array().unwrap();
    assert_eq!(cells.len(), 2);
    for cell in cells {
        assert_eq!((&cell["figure"], &cell["verdict"]), (&"callin".into(), &"slower".into()));
        assert_eq!((cell["base"].as_f64(), cell["new"].as_f64()), (Some(2e6), Some(2.4e6)));
    }
    assert!(folder.path().join("summary/summary.md").is_file());
}
