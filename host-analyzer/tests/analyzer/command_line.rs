//! The program as a user runs it.

use crate::simulated::{STRATEGIES, capture, folder, run_folder};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Output, Stdio};

pub fn analyzer(arguments: &[&dyn AsRef<OsStr>]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    command.output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// The words of a table's row that begins with these, without its borders.
pub fn row<'a>(table: &'a str, begin: &[&str]) -> Vec<&'a str> {
    table
        .lines()
        .map(|line| line.split_whitespace().filter(|word| !"│┆".contains(word)).collect::<Vec<_>>())
        .find(|words| words.starts_with(begin))
        .unwrap()
}

#[test]
fn show_prints_a_row_for_each_cell() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[1, 28]);
    let output = analyzer(&[&"show", &folder]);
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
    let text = stdout(&output);
    assert!(text.starts_with("Times in ms: medians"), "{text}");
    let row = |begin: &[&str]| row(&text, begin).join(" ");
    assert_eq!(
        row(&["engine"]),
        "engine CPUs strategy trials total cold kick-loop sipi hold callin turn tsc-sync online vs serial"
    );
    assert_eq!(
        row(&["icount", "28", "serial"]),
        "icount 28 serial 5 72.90 72.90 70.30 1.300 0 0.800 0 0.500 0.100 1.00×"
    );
    assert_eq!(
        row(&["icount", "28", "full-parallel"]),
        "icount 28 full-parallel 5 16.30 – 2.70 2.600 0 0.800 5.800 0.500 0.100 4.47×"
    );
    assert_eq!(
        row(&["icount", "1", "serial"]),
        "icount 1 serial 5 – – – – – – – – – nothing to bring up"
    );
}

#[test]
fn only_options_that_vary_are_columns() {
    let (_keep, folder) = folder();
    let line = "repetitions=1 cell wait=halt cell wait=spin";
    run_folder(&folder, line, &[2]);
    let text = stdout(&analyzer(&[&"show", &"--unit", &"cycles", &folder]));
    let header = row(&text, &["engine"]).join(" ");
    assert!(header.starts_with("engine CPUs strategy wait trials total"), "{header}");
    assert!(row(&text, &["icount", "2", "serial", "spin"]).contains(&"20000000"));
}

#[test]
fn cpu_lines_are_the_e_mails() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[4]);
    let text = stdout(&analyzer(&[&"show", &"--cpu-lines", &folder]));
    assert_eq!(
        text,
        "# icount, 4 CPUs, serial: trial 3 of boot 1\n\
         CPU#1 up in 1300000, 800000, 500000, 100000 ( 2700000)\n\
         CPU#2 up in 1300000, 800000, 500000, 100000 ( 2700000)\n\
         CPU#3 up in 1300000, 800000, 500000, 100000 ( 2700000)\n\
         Brought CPUs online in 8100000 cycles\n\
         \n\
         # icount, 4 CPUs, parallel-sipi: trial 3 of boot 1\n\
         CPU#1 up in 1300000, 800000, 500000, 100000 ( 2700000)\n\
         CPU#2 up in 1400000, 800000, 500000, 100000 ( 2800000)\n\
         CPU#3 up in 1500000, 800000, 500000, 100000 ( 2900000)\n\
         Brought 4 CPUs to x86/cpu:kick in 300000 cycles\n\
         Brought CPUs online in 5200000 cycles\n\
         \n\
         # icount, 4 CPUs, full-parallel: trial 3 of boot 1\n\
         CPU#1 up in 1300000, 800000, 500000, 100000 ( 2700000)\n\
         CPU#2 up in 1400000, 800000, 500000, 100000 ( 2800000)\n\
         CPU#3 up in 1500000, 800000, 500000, 100000 ( 2900000)\n\
         Brought 4 CPUs to x86/cpu:kick in 300000 cycles\n\
         Brought CPUs online in 3400000 cycles\n"
    );
}

#[test]
fn json_holds_the_cells_in_cycles_and_schema_first() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[28]);
    let output = analyzer(&[&"show", &"--format", &"json", &folder]);
    let text = stdout(&output);
    assert!(text.trim_start_matches('{').trim_start().starts_with("\"schema\": 1"));
    let json: Value = serde_json::from_str(&text).unwrap();
    let cell = &json["cells"][1];
    for (key, value) in [
        ("engine", "icount"),
        ("strategy", "parallel-sipi"),
        ("tsc_sync", "pairwise"),
        ("wake_sequence", "init-sipi"),
        ("init_delay", "0"),
        ("cost_callin", "800us"),
        ("fault", "none"),
    ] {
        assert_eq!(cell[key], value, "{key}");
    }
    for (key, value) in [("smp", 28), ("repetitions", 5), ("trials", 5), ("lost", 0)] {
        assert_eq!(cell[key], value, "{key}");
    }
    assert_eq!((&cell["tsc_khz"], &cell["overruns"]), (&1_000_000.into(), &0.into()));
    let same = |cycles: u64| {
        serde_json::json!({
            "median": cycles, "min": cycles, "max": cycles, "lower_quartile": cycles,
            "upper_quartile": cycles, "mad": 0, "outliers": 0, "interval": null,
        })
    };
    assert_eq!(cell["total"], same(40_500_000));
    assert_eq!(cell["kick_loop"], same(2_700_000));
    assert_eq!(cell["phases"]["tsc_sync"], same(500_000));
    assert_eq!(cell["sub_phases"]["queue"], same(1_300_000));
    assert_eq!(cell["sub_phases"]["kick"], same(100_000));
    assert_eq!(cell.get("cold"), None);
    assert_eq!(json["cells"][0]["cold"]["total"], 72_900_000);
    assert_eq!(json["warnings"], serde_json::json!([]));
}

#[test]
fn an_ap_lost_ends_with_1_after_everything_is_shown() {
    let (_keep, folder) = folder();
    run_folder(&folder, "repetitions=1 limit=50ms fault=never:2", &[4]);
    let output = analyzer(&[&"show", &folder]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("warning: icount, 4 CPUs, serial: lost CPU 2 after `sipi`"));
    assert!(stderr(&output).contains("did not come online"), "{}", stderr(&output));
    assert_eq!(code(&analyzer(&[&"report", &folder])), 1);
    assert!(folder.join("report.html").exists());
}

#[test]
fn wrong_requests_end_with_2() {
    let (_keep, folder) = folder();
    let text = folder.join("text");
    fs::write(&text, "no capture\n").unwrap();
    for arguments in [
        &[&"show" as &dyn AsRef<OsStr>, &folder.join("nowhere")][..],
        &[&"show", &text],
        &[&"decode", &text],
        &[&"decode", &folder.join("nowhere")],
        &[&"show", &"--unit", &"parsec"],
        &[&"show", &"--cpu-lines", &"--format", &"json"],
        &[&"export", &"--format", &"csv", &folder.join("nowhere")],
        &[&"export", &folder],
        &[&"export", &"--format", &"csv", &"--all-trials", &folder],
        &[&"completions", &"bash", &"--name", &"a;b"],
        &[],
    ] {
        let output = analyzer(arguments);
        assert_eq!((code(&output), stdout(&output)), (2, String::new()));
        assert!(!stderr(&output).is_empty());
    }
}

#[test]
fn without_a_run_show_says_which_command_makes_one() {
    let (_keep, folder) = folder();
    let output = Command::new(env!("CARGO_BIN_EXE_host-analyzer"))
        .arg("show")
        .current_dir(&folder)
        .output()
        .unwrap();
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("cargo xtask matrix"), "{}", stderr(&output));
}

#[test]
fn what_can_not_be_read_ends_with_3() {
    let (_keep, folder) = folder();
    // A folder opens like a file, but can't be read like one.
    let output = analyzer(&[&"decode", &folder]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
}

#[test]
fn decode_writes_a_json_object_a_line() {
    let (_keep, folder) = folder();
    let path = folder.join("capture.bin");
    fs::write(&path, capture("repetitions=1 limit=1ms fault=never:1", 2)).unwrap();
    let output = analyzer(&[&"decode", &path]);
    assert_eq!(code(&output), 0);
    let lines: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["number"], 0);
    assert_eq!(lines[0]["hello"]["tsc_source"], "cpuid");
    assert_eq!(lines[2]["cpu"]["apic_id"], 1);
    let timeline = &lines[5]["ap_timeline"];
    assert_eq!((&timeline["end"], &timeline["last"]), (&"lost".into(), &"sipi".into()));
    assert_eq!(timeline["stamps"], serde_json::json!({"init": 0, "sipi": 0, "kick_end": 0}));
    assert!(stderr(&output).contains("frames recovered, 0 lost"), "{}", stderr(&output));
}

#[test]
fn decode_of_a_damaged_capture_warns_and_ends_with_0() {
    let (_keep, folder) = folder();
    let path = folder.join("capture.bin");
    let bytes = capture("repetitions=1", 4);
    fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    let output = analyzer(&[&"decode", &path]);
    assert_eq!(code(&output), 0);
    assert!(stderr(&output).contains("warning: the capture is cut"), "{}", stderr(&output));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (_keep, folder) = folder();
    let path = folder.join("capture.bin");
    fs::write(&path, capture("repetitions=500", 28)).unwrap();
    for command in [
        "decode",
        "show",
        "export --format=csv",
        "export --format=jsonl",
        "export --format=perfetto",
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_host-analyzer"))
            .args(command.split(' '))
            .arg(&path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), stderr(&output)), (0, String::new()), "{command}");
    }
}

#[test]
fn an_export_to_a_file_is_the_one_to_standard_output() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[4]);
    fs::create_dir(folder.join("out")).unwrap();
    for format in ["csv", "jsonl", "perfetto"] {
        let file = folder.join(format!("out/{format}"));
        let output = analyzer(&[&"export", &"--format", &format, &folder, &"-o", &file]);
        assert_eq!(
            (code(&output), stdout(&output), stderr(&output)),
            (0, String::new(), String::new())
        );
        let output = analyzer(&[&"export", &"--format", &format, &folder, &"-o", &"-"]);
        assert_eq!(fs::read(&file).unwrap(), output.stdout);
        assert!(!output.stdout.is_empty());
    }
    assert_eq!(fs::read_dir(folder.join("out")).unwrap().count(), 3);
}

#[test]
fn an_export_never_takes_the_place_of_a_capture_or_the_manifest() {
    let (_keep, folder) = folder();
    run_folder(&folder, "repetitions=1", &[2]);
    for kept in ["captures/icount-2-1.bin", "captures/../run.json"] {
        let before = fs::read(folder.join(kept)).unwrap();
        let output =
            analyzer(&[&"export", &"--format", &"csv", &folder, &"-o", &folder.join(kept)]);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        assert!(stderr(&output).contains("is part of the run"));
        assert_eq!(fs::read(folder.join(kept)).unwrap(), before);
    }
}

#[test]
fn an_export_that_fails_leaves_what_was_there() {
    let (_keep, folder) = folder();
    let path = folder.join("capture.bin");
    let mut frames = crate::simulated::frames("repetitions=1", 2);
    // Without its Hello, nobody knows the clock.
    frames.remove(0);
    fs::write(&path, frames.concat()).unwrap();
    let trace = folder.join("trace");
    fs::write(&trace, "before").unwrap();
    let output = analyzer(&[&"export", &"--format", &"perfetto", &path, &"-o", &trace]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("can't become a trace"), "{}", stderr(&output));
    assert_eq!(fs::read(&trace).unwrap(), b"before");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
}

/// Only folders that a command fills are made: a path of one file is easily mistyped.
#[test]
fn a_file_in_a_folder_that_is_not_there_is_a_mistake_and_makes_none() {
    let (_keep, folder) = folder();
    let (run, budgets) = (folder.join("run"), folder.join("budgets.toml"));
    run_folder(&run, "repetitions=1", &[2]);
    let baseline = "[[budget]]\nfigure = \"total\"\nbaseline = \"new\"\n";
    fs::write(&budgets, baseline).unwrap();
    let kept = || {
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = kept();
    for wrong in ["nowhere/x", "budgets.toml/x", "nowhere/", "run"] {
        let file = folder.join(wrong);
        let export: &[&dyn AsRef<OsStr>] = &[&"export", &"--format", &"csv", &run, &"-o", &file];
        // A baseline is not replaced where the file beside it can't be written.
        let check: &[&dyn AsRef<OsStr>] =
            &[&"check", &run, &"--budgets", &budgets, &"--accept", &"--junit", &file];
        for arguments in [export, check] {
            let output = analyzer(arguments);
            let told = stderr(&output);
            assert_eq!(code(&output), 2, "{wrong}: {told}");
            let what = if wrong == "run" { "it is a folder" } else { "there is no folder" };
            assert!(told.contains("can't write") && told.contains(what), "{wrong}: {told}");
            assert_eq!(kept(), before, "{wrong}");
        }
    }
    let report = |to: &str| analyzer(&[&"report", &run, &"-o", &folder.join(to)]);
    for (wrong, what) in [("x.html", "is the name of a page"), ("budgets.toml", "is not a folder")]
    {
        let output = report(wrong);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        assert!(stderr(&output).contains(what), "{}", stderr(&output));
        assert_eq!(kept(), before, "{wrong}");
    }
    let output = report("made/for/it");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(folder.join("made/for/it/report.html").is_file());
}

#[test]
fn an_ap_lost_ends_an_export_with_1_after_everything_is_written() {
    let (_keep, folder) = folder();
    run_folder(&folder, "repetitions=1 limit=50ms fault=never:2", &[4]);
    let output = analyzer(&[&"export", &"--format", &"csv", &folder]);
    assert_eq!((code(&output), stdout(&output).lines().count()), (1, 7));
    assert!(stderr(&output).contains("warning: icount, 4 CPUs, serial: lost CPU 2"));
}

#[test]
fn every_command_has_a_manual_page_and_every_shell_its_completions() {
    let (_keep, folder) = folder();
    let help = stdout(&analyzer(&[&"--help"]));
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let commands: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once(' '))
        .map(|(command, _)| command)
        .filter(|command| !command.is_empty() && *command != "help")
        .collect();
    assert!(commands.contains(&"export") && commands.contains(&"man"), "{commands:?}");
    let output = analyzer(&[&"man", &folder.join("man1")]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    for command in &commands {
        let page = fs::read_to_string(folder.join(format!("man1/cargo-analyze-{command}.1")));
        let page = page.unwrap().replace("\\-", "-");
        assert!(page.contains(&format!(".SH SYNOPSIS\ncargo analyze {command}")), "{page}");
        assert!(!page.contains(".SH EXTRA"), "{page}");
    }
    let check = fs::read_to_string(folder.join("man1/cargo-analyze-check.1")).unwrap();
    let check = check.replace("\\-", "-");
    for part in ["--budgets <FILE>", ".SH EXAMPLES\n", ".SH OPTIONS\n"] {
        assert!(check.contains(part), "{part}: {check}");
    }
    // One of all commands, and one for each kind of import.
    assert!(folder.join("man1/cargo-analyze-import-linux.1").is_file());
    assert_eq!(fs::read_dir(folder.join("man1")).unwrap().count(), commands.len() + 3);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stdout(&analyzer(&[&"completions", &shell, &"--name", &"analyze"]));
        assert!(script.contains(env!("CARGO_BIN_EXE_host-analyzer")), "{shell}: {script}");
        // The script starts the program with the shell's name in a variable.
        let mut asked = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
        asked.env("ROLLCALL_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "1");
        let offered = stdout(&asked.args(["--", "analyze", ""]).output().unwrap());
        for word in &commands {
            assert!(offered.contains(word), "{shell} is not offered {word}: {offered}");
        }
    }
}
