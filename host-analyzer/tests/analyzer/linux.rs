//! Logs of a real Linux, and logs of the shapes that others have posted, with numbers of our own.

use crate::simulated::{STRATEGIES, folder, run_folder};
use host_analyzer::ground::failure::Failure;
use host_analyzer::judge::fit::{WakeShare, fit};
use host_analyzer::judge::predict::{Wanted, predictions};
use host_analyzer::present::show;
use host_analyzer::run::Run;
use host_analyzer::source::linux::{Bringup, read_from};
use proptest::prelude::{any, prop_assert, proptest};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output};

const FTRACE_SERIAL: &str = include_str!("logs/ftrace-smp4-serial.txt");
const FTRACE_PARALLEL: &str = include_str!("logs/ftrace-smp4-parallel.txt");
const CONSOLE_SERIAL: &str = include_str!("logs/console-smp4-serial.txt");
const CONSOLE_PARALLEL: &str = include_str!("logs/console-smp4-parallel.txt");

fn analyzer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_host-analyzer")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The import of these logs, and the exit code with what was told.
fn imported(folder: &Path, logs: &[&str], more: &[&str]) -> (i32, String) {
    let files: Vec<String> =
        (0..logs.len()).map(|at| folder.join(format!("{at}.log")).display().to_string()).collect();
    for (file, log) in files.iter().zip(logs) {
        fs::write(file, log).unwrap();
    }
    let out = folder.join("run").display().to_string();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let output = analyzer(&[&["import", "linux", "--out", &out], more, &files].concat());
    (output.status.code().unwrap(), text(&output.stderr))
}

/// The import of these logs as JSON.
fn json(logs: &[&str], more: &[&str]) -> Value {
    let (_keep, folder) = folder();
    let (code, told) = imported(&folder, logs, more);
    assert_eq!(code, 0, "{told}");
    let output = analyzer(&["show", "--format", "json", folder.join("run").to_str().unwrap()]);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn read(log: &str) -> Result<Bringup, Failure> {
    read_from("a log", log.as_bytes(), |_| Ok(())).map(|reading| reading.bringup)
}

/// The sentences in which something is told that contains these words.
fn told<'a>(sentences: &'a [String], words: &str) -> Vec<&'a String> {
    sentences.iter().filter(|sentence| sentence.contains(words)).collect()
}

#[test]
fn the_totals_of_real_logs_are_those_of_the_trace_clock() {
    for (log, strategy, total, console) in [
        (FTRACE_SERIAL, "serial", 390_728_000, 363_170_000),
        (FTRACE_PARALLEL, "parallel-sipi", 518_448_000, 407_542_000),
        (CONSOLE_SERIAL, "serial", 326_951_000, 314_009_000),
        (CONSOLE_PARALLEL, "parallel-sipi", 398_683_000, 342_358_000),
    ] {
        let json = json(&[log], &[]);
        let cell = &json["cells"][0];
        assert_eq!((cell["engine"].as_str(), cell["smp"].as_u64()), (Some("linux"), Some(4)));
        assert_eq!(
            (cell["strategy"].as_str(), cell["order"].as_str()),
            (Some(strategy), Some("listed"))
        );
        assert_eq!((&cell["tsc_khz"], &cell["phases"]), (&1_000_000.into(), &Value::Null));
        assert_eq!(
            (cell["total"]["median"].as_u64(), &cell["gaps"]),
            (Some(total), &Value::Array(vec![]))
        );
        let boot = &json["linux"][0];
        assert_eq!(
            (boot["clock"].as_str(), boot["console_total"].as_u64()),
            (Some("trace"), Some(console))
        );
        let aps = boot["aps"].as_array().unwrap();
        assert_eq!(aps.len(), 3);
        for ap in aps {
            let parts = ["prepare", "kick", "wait", "bringup", "online"]
                .map(|part| ap[part].as_u64().unwrap());
            assert_eq!(parts.iter().sum::<u64>(), ap["span"].as_u64().unwrap(), "{ap}");
        }
        // The tracing is a small part of it in the buffer, and a larger one on the console.
        let tracing = boot["tracing"].as_u64().unwrap();
        assert!(tracing > 0 && tracing < total / 10, "{tracing}");
        let warnings: Vec<String> = serde_json::from_value(json["warnings"].clone()).unwrap();
        assert_eq!(told(&warnings, "early printk loses ticks").len(), 1, "{warnings:?}");
        assert_eq!(told(&warnings, "sched_clock: Marking stable").len(), 1, "{warnings:?}");
    }
}

#[test]
fn a_log_without_its_trace_uses_printks_clock_and_says_so() {
    let (log, _) = CONSOLE_SERIAL.split_once("BEGIN_TRACE").unwrap();
    let printed = read(log).unwrap();
    assert_eq!(
        (printed.clock().map(|clock| clock.name()), printed.total()),
        (Some("printk"), Some(314_009_000))
    );
    let (log, _) = FTRACE_PARALLEL.split_once("BEGIN_TRACE").unwrap();
    let messages = read(log).unwrap();
    assert_eq!(messages.total(), Some(407_542_000));
    assert_eq!(messages.sequence(), [1, 2, 3]);
    let warnings = messages.warnings(&Default::default());
    assert_eq!(told(&warnings, "no hotplug events, so no AP has phases").len(), 1);
    // By version alone; the order of four cores shows nothing.
    assert_eq!(told(&warnings, "taken as parallel-sipi").len(), 1);
}

/// `[    0.350281] ` at that microsecond.
fn at(us: u64) -> String {
    format!("[{:5}.{:06}] ", us / 1_000_000, us % 1_000_000)
}

/// A kernel whose two passes are prepare and bring-up, as a mail quotes it, which dies in a CPU of the second.
fn two_passes(cpus: u32, dies: u32) -> String {
    let (mut log, mut now) = (String::new(), 349_968);
    let mut say = |text: String| {
        now += 1_003;
        let _ = writeln!(log, "> {}{text}", at(now));
    };
    let step = |say: &mut dyn FnMut(String), cpu: u32, target: u32, step: u32, name: &str| {
        say(format!("cpuhp_enter: cpu: {cpu:04} target: {target:3} step: {step:3} ({name})"));
        say(format!("cpuhp_exit:  cpu: {cpu:04}  state: {step:3} step: {step:3} ret: 0"));
    };
    say("smp: Bringing up secondary CPUs ...".to_owned());
    for cpu in 1..cpus {
        step(&mut say, cpu, 42, 1, "smpboot_create_threads");
        step(&mut say, cpu, 42, 42, "x2apic_prepare_cpu");
    }
    for cpu in 1..=dies {
        step(&mut say, cpu, 217, 43, "smpcfd_prepare_cpu");
        say(format!("cpuhp_enter: cpu: {cpu:04} target: 217 step:  88 (bringup_cpu)"));
        say(format!(" #{cpu}"));
        if cpu == dies {
            break;
        }
        step(&mut say, cpu, 217, 147, "smpboot_unpark_threads");
        step(&mut say, cpu, 217, 216, "sched_cpu_activate");
        say(format!("cpuhp_exit:  cpu: {cpu:04}  state: 217 step:  88 ret: 0"));
    }
    log += "> [    0.289283] BUG: kernel NULL pointer dereference, address: 0000000000000000\n";
    log += "> [    0.289283] Oops: 0002 [#1] SMP PTI\n";
    log
}

#[test]
fn a_log_that_stops_names_the_cpu_and_the_step() {
    let log = two_passes(8, 5);
    let bringup = read(&log).unwrap();
    assert_eq!((bringup.smp(), bringup.total()), (8, None));
    let gaps = bringup.gaps();
    assert_eq!(
        told(&gaps, "the log stops in step 88 of CPU 5 (`bringup_cpu`)").len(),
        1,
        "{gaps:?}"
    );
    assert_eq!(told(&gaps, "BUG: kernel NULL pointer").len(), 1, "{gaps:?}");
    let ordered = bringup.ordered();
    assert_eq!((ordered.strategy.name(), ordered.order.name()), ("serial", "listed"));
    let online: Vec<u32> =
        bringup.aps().filter(|(_, ap)| ap.is_online()).map(|(cpu, _)| cpu).collect();
    assert_eq!(online, [1, 2, 3, 4]);
    // From the end of the first pass to the begin of its second the BSP was with others.
    let first = bringup.aps().next().unwrap().1.phases().unwrap();
    assert_eq!(
        (first.kick, first.wait > 6 * 4 * 1_003_000, first.bringup),
        (None, true, 2 * 1_003_000)
    );
    let (_keep, folder) = folder();
    assert_eq!(imported(&folder, &[&log], &[]).0, 0);
    let shown = analyzer(&["show", folder.join("run").to_str().unwrap()]);
    assert_eq!(shown.status.code(), Some(1), "a run with gaps is not whole");
}

#[test]
fn first_threads_first_is_parallel_and_its_second_pass_are_siblings() {
    let log = format!(
        "{}smp: Bringing up secondary CPUs ...\n{}smpboot: x86: Booting SMP configuration:\n{}.... node  #0, CPUs:        #2  #4  #6  #7\n\
         [    0.008526] core: cpu_atom PMU driver: PEBS-via-PT \n[    0.008526] ... version:                5\n{}  #1  #3  #5\n{}smp: Brought up 1 node, 8 CPUs\n",
        at(160_322),
        at(160_423),
        at(160_425),
        at(200_520),
        at(218_568)
    );
    let json = json(&[&log], &[]);
    let cell = &json["cells"][0];
    assert_eq!((cell["smp"].as_u64(), cell["strategy"].as_str()), (Some(8), Some("parallel-sipi")));
    assert_eq!(
        (cell["order"].as_str(), cell["total"]["median"].as_u64()),
        (Some("primaries-first"), Some(58_246_000))
    );
    assert_eq!(json["linux"][0]["sequence"], serde_json::json!([2, 4, 6, 7, 1, 3, 5]));
}

#[test]
fn odd_logs_give_what_they_have() {
    // The header twice, and nothing but even CPUs.
    let twice = format!(
        "{0}smp: Bringing up secondary CPUs ...\n{0}smpboot: x86: Booting SMP configuration:\n{0}.... node  #0, CPUs:        #2\n\
         {0}smpboot: x86: Booting SMP configuration:\n{0}      #4\n",
        at(721_384)
    );
    let bringup = read(&twice).unwrap();
    assert_eq!((bringup.sequence(), bringup.total()), (vec![2, 4], None));
    assert_eq!(bringup.ordered().order.name(), "primaries-first");
    assert_eq!(told(&bringup.gaps(), "the log stops after CPU 4 was started").len(), 1);
    // A warning of a CPU amid the list.
    let splat = format!(
        "{0}.... node  #0, CPUs:          #1   #2   #3\n{0}Callback from call_rcu_tasks() invoked.\n{0}  #4   #5\n\
         {0}WARNING: CPU: 4 PID: 97 at kernel/smp.c:807 x+0x1/0x2\n{0}smp: Brought up 1 node, 6 CPUs\n",
        at(3_054_476)
    );
    assert_eq!(read(&splat).unwrap().sequence(), [1, 2, 3, 4, 5]);
    // No clock at all: CPUs and order, no durations.
    let bare = "smp: Bringing up secondary CPUs ...\n.... node  #0, CPUs:  #1 #2\nsmp: Brought up 1 node, 3 CPUs\n";
    let bringup = read(bare).unwrap();
    assert_eq!((bringup.smp(), bringup.total(), bringup.khz()), (3, None, None));
    assert_eq!(told(&bringup.gaps(), "no stamps in seconds").len(), 1);
    // A step that fails.
    let steps = format!(
        "{0}cpuhp_enter: cpu: 0001 target: 236 step:  85 (cpuhp_kick_ap_alive)\n{0}cpuhp_exit:  cpu: 0001  state:  84 step:  85 ret: -110\n",
        at(100_000)
    );
    assert_eq!(
        told(&read(&steps).unwrap().gaps(), "step 85 of CPU 1 failed: it returned -110").len(),
        1
    );
    // An AP that fails, and clocks that disagree.
    let failed = format!(
        "{0}smp: Bringing up secondary CPUs ...\n{0}CPU2 failed to report alive state\n{0}Measured 1204 cycles TSC warp between CPUs, \
         turning off TSC clock.\n{0}smp: Brought up 1 node, 3 CPUs\n",
        at(100_000)
    );
    let json = json(&[&failed], &[]);
    assert_eq!(
        (json["cells"][0]["lost"].as_u64(), json["cells"][0]["smp"].as_u64()),
        (Some(1), Some(3))
    );
    let warnings: Vec<String> = serde_json::from_value(json["warnings"].clone()).unwrap();
    assert_eq!(told(&warnings, "TSCs disagree").len(), 1, "{warnings:?}");
}

#[test]
fn a_mail_that_wraps_lines_and_a_journal_lose_nothing() {
    let whole = read(CONSOLE_SERIAL).unwrap();
    let (printed, _) = CONSOLE_SERIAL.split_once("BEGIN_TRACE").unwrap();
    let plain = read(printed).unwrap();
    let wrapped: String = printed
        .lines()
        .map(|line| match line.rfind(" (").filter(|_| line.contains("cpuhp_")) {
            Some(at) => format!("> {}\n> {}\n", &line[..at], &line[at + 1..]),
            None => format!("> {line}\n"),
        })
        .collect();
    let journal: String =
        printed.lines().map(|line| format!("Nov 26 10:00:00 host kernel: {line}\n")).collect();
    let callers: String =
        printed.lines().map(|line| line.replacen("] ", "][    T1] ", 1) + "\r\n").collect();
    for log in [&wrapped, &journal, &callers] {
        let read = read(log).unwrap();
        assert_eq!((read.total(), read.gaps()), (plain.total(), plain.gaps()));
        let phases =
            |of: &Bringup| of.aps().map(|(cpu, ap)| (cpu, ap.phases())).collect::<Vec<_>>();
        assert_eq!(phases(&read), phases(&plain));
        assert_eq!(read.steps().len(), plain.steps().len());
    }
    // `trace-cmd report` and a trace with nanoseconds.
    let (_, trace) = CONSOLE_SERIAL.split_once("BEGIN_TRACE").unwrap();
    let report: String = trace.replace(".....", "").replace(": cpuhp_", "000: cpuhp_");
    assert_eq!(read(&report).unwrap().total(), whole.total());
}

/// Woodhouse's parallel log in its form, with three APs.
const LOOPS: &str = "[    0.300000] smp: Bringing up secondary CPUs ...\n\
                     [    0.310000] Brought 4 CPUs to x86/cpu:kick in 3000 cycles\n\
                     [    0.320000] Brought 4 CPUs to x86/cpu:wait-init in 200 cycles\n\
                     [    0.330000] CPU#1 up in 10, 20, 30, 4 ( 64)\n\
                     [    0.330000] CPU#2 up in 10, 40,\n 30, 4 ( 84)\n\
                     [    0.330000] CPU#3 up in 10, 60, 30, 4 ( 104)\n\
                     [    0.360000] Brought CPUs online in 700 cycles\n\
                     [    0.370000] smp: Brought up 1 node, 4 CPUs\n\
                     [    0.370000] smpboot: Total of 4 processors activated (20751.40 BogoMIPS)\n";

#[test]
fn the_debug_lines_of_2021_are_cycles() {
    let json = json(&[LOOPS], &[]);
    let cell = &json["cells"][0];
    assert_eq!(
        (cell["strategy"].as_str(), cell["tsc_khz"].as_u64()),
        (Some("parallel-callin"), Some(2_593_925))
    );
    let loops =
        ["total", "kick_loop", "wait_init", "online_loop"].map(|key| cell[key]["median"].as_u64());
    assert_eq!(loops, [Some(3900), Some(3000), Some(200), Some(700)]);
    assert_eq!(cell["phases"]["callin"]["median"], 40);
    let rows = json["linux"][0]["rows"].as_array().unwrap();
    assert_eq!(
        (rows.len(), rows[1]["callin"].as_u64(), rows[1]["total"].as_u64()),
        (3, Some(40), Some(84))
    );
}

#[test]
fn numbers_that_no_machine_has_break_nothing() {
    let most = u64::MAX;
    let log = format!(
        "[18446744073.000000] CPU#1 up in {most}, {most}, {most}, {most} ( {most})\n\
         [    0.000001] CPU#8191 up in {most}, 0, {most}, 1 ( {most})\n\
         smpboot: Total of 0 processors activated (1e308 BogoMIPS)\n\
         [18446744073.000000] cpuhp_enter: cpu: 0001 target: 4294967295 step: 4294967295 (x)\n\
         [    0.000001] cpuhp_exit:  cpu: 0001  state: 4294967295 step: 4294967295 ret: 0\n\
         [18446744073.000000] cpuhp_enter: cpu: 8191 target: 85 step: 85 (cpuhp_kick_ap_alive)\n\
         .... node  #0, CPUs:  #8191 #9999999999 #1\n\
         smp: Brought up 1 node, 8192 CPUs\n"
    );
    let (_keep, folder) = folder();
    assert_eq!(imported(&folder, &[&log], &["--strategy", "serial"]).0, 0);
    let run = folder.join("run").display().to_string();
    for command in ["show", "report", "predict", "fit"] {
        let output = analyzer(&[command, &run]);
        assert!(
            [Some(0), Some(1), Some(2)].contains(&output.status.code()),
            "{command}: {}",
            text(&output.stderr)
        );
    }
}

/// The published rows of a machine as a run.
fn published(names: &[&str]) -> (tempfile::TempDir, Run) {
    let (keep, folder) = folder();
    let out = folder.join("run");
    let output =
        analyzer(&[&["import", "published", "--out", out.to_str().unwrap()], names].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let run = Run::open(&out).unwrap();
    (keep, run)
}

#[test]
fn published_rows_are_imported_to_the_cycle_and_fitted_by_class() {
    let (_keep, run) = published(&["haswell-28-rows"]);
    let rows = &run.boots[0].linux.as_ref().unwrap().bringup.rows;
    assert_eq!(
        (rows.len(), rows[&1].stages, rows[&27].total),
        (27, [4_057_008, 8_820_492, 1_828, 808], 4_237_548)
    );
    assert_eq!(run.cells[0].total().unwrap().median, 213_763_560);
    let fitted = fit(&run, &run.cells[0]).unwrap();
    let options = fitted.options(&fitted.aps, WakeShare::NONE, 0).unwrap();
    // The profile in scenarios/profiles has the same callin and the same time between the rows.
    assert_eq!(options.value("cost-callin").to_string(), "272098,core:8519523");
    assert_eq!(options.value("cost-prepare").to_string(), "886180");
    let wanted =
        Wanted { strategies: vec![bringup::options::Strategy::ParallelSipi], ..Wanted::default() };
    let made = predictions(&run, &wanted);
    let [prediction] = &made[..] else { panic!("{made:?}") };
    assert!(
        prediction.measured.is_none()
            && prediction.low < prediction.median
            && prediction.median < prediction.high
    );
}

#[test]
fn a_guests_serial_rows_predict_its_parallel_ones_and_the_error_is_shown() {
    let (_keep, run) = published(&["kvm-guest", "kvm-guest-parallel"]);
    let made = predictions(&run, &Wanted::default());
    let [prediction] = &made[..] else { panic!("{made:?}") };
    assert_eq!(prediction.fitted.cell.options.strategy.name(), "serial");
    assert_eq!(prediction.measured_total(), Some(363_846_452));
    let error = prediction.error().unwrap();
    assert!((0.005..0.008).contains(&error), "{error}");
    let table = show::predicted_table(&run, &made);
    assert!(table.contains("Predicted totals") && table.contains("+0.6 %"), "{table}");
    let json = show::predicted_json(&run, &made);
    let total = &json["cells"][0]["predicted"]["total"];
    assert!(
        total["low"].as_u64() < total["median"].as_u64()
            && total["median"].as_u64() < total["high"].as_u64()
    );
}

#[test]
fn a_range_stands_for_what_a_log_does_not_separate() {
    let (_keep, folder) = folder();
    assert_eq!(imported(&folder, &[FTRACE_SERIAL, FTRACE_PARALLEL], &[]).0, 0);
    let run = Run::open(&folder.join("run")).unwrap();
    let made = predictions(&run, &Wanted::default());
    let [prediction] = &made[..] else { panic!("{made:?}") };
    // None of `bringup` overlaps: as long as serial. All of it does: kicks, preparations and the APs' own steps remain.
    let serial = run.cells[0].total().unwrap().median;
    assert!(prediction.high.abs_diff(serial) < 10, "{prediction:?}");
    assert!(prediction.low < prediction.high * 3 / 5, "{} {}", prediction.low, prediction.high);
    // Four CPUs on two: the parallel boot took longer than that.
    assert_eq!((prediction.measured_total(), prediction.holds()), (Some(518_448_000), Some(false)));
    // No cost comes from what is predicted: without the parallel boot the numbers are the same.
    let (_keep, alone) = self::folder();
    assert_eq!(imported(&alone, &[FTRACE_SERIAL], &[]).0, 0);
    let run = Run::open(&alone.join("run")).unwrap();
    let wanted =
        Wanted { strategies: vec![bringup::options::Strategy::ParallelSipi], ..Wanted::default() };
    let again = &predictions(&run, &wanted)[0];
    assert_eq!(
        (again.median, again.low, again.high),
        (prediction.median, prediction.low, prediction.high)
    );
}

#[test]
fn a_cell_is_never_predicted_from_itself() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[4, 8, 16]);
    let run = Run::open(&folder).unwrap();
    for smp in [4, 8, 16] {
        let others: Vec<u16> = [4, 8, 16].into_iter().filter(|other| *other != smp).collect();
        let totals = |from: &[u16]| -> Vec<(u64, u16)> {
            let wanted = Wanted { from: from.to_vec(), smp: vec![smp], ..Wanted::default() };
            let made = predictions(&run, &wanted);
            made.iter().map(|one| (one.median, one.fitted.cell.smp)).collect()
        };
        assert_eq!(totals(&[4, 8, 16]), totals(&others), "{smp}");
        assert!(
            totals(&others).iter().all(|(_, fitted)| *fitted != smp) && totals(&others).len() == 3
        );
    }
}

#[test]
fn a_fitted_profile_says_what_its_costs_come_from() {
    let (_keep, folder) = folder();
    assert_eq!(imported(&folder, &[FTRACE_SERIAL], &[]).0, 0);
    let file = folder.join("mine.toml");
    let run = folder.join("run");
    let output =
        analyzer(&["fit", run.to_str().unwrap(), "--wake", "100", "-o", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let profile = fs::read_to_string(&file).unwrap();
    for part in [
        "[costs.callin]\nof = \"ap\"\ncycles = 0\n",
        "from = [\"linux-1.log\"]\nderived = \"100 % of `bringup`, an assumption",
        "serial at 4 CPUs +0.00 %",
    ] {
        assert!(profile.contains(part), "{part}: {profile}");
    }
    let own =
        analyzer(&["fit", run.to_str().unwrap(), "-o", run.join("run.json").to_str().unwrap()]);
    assert_eq!(own.status.code(), Some(2), "a file of the run was replaced");
}

#[test]
fn the_other_commands_take_a_run_of_logs() {
    let (_keep, folder) = folder();
    assert_eq!(imported(&folder, &[FTRACE_SERIAL, FTRACE_PARALLEL], &[]).0, 0);
    let run = folder.join("run").display().to_string();
    let said = |arguments: &[&str]| {
        let output = analyzer(&[arguments, &[&run]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout) + &text(&output.stderr)
    };
    assert!(said(&["compare", &run]).contains("No change found"));
    assert!(
        said(&["show", "--cpu-lines"])
            .contains("# linux, 4 CPUs, serial: a log with hotplug steps")
    );
    assert!(said(&["export", "--format", "csv"]).contains("2 boots of a Linux left out"));
    said(&["report"]);
    let page = fs::read_to_string(folder.join("run/report.html")).unwrap();
    for part in [
        "What is predicted",
        "Predicted totals: costs fitted",
        "Linux, AP by AP",
        "cpuhp_bringup_ap",
        "measured beyond high",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let figure = fs::read_to_string(folder.join("run/figures/totals.svg")).unwrap();
    assert!(figure.contains("parallel-sipi of linux, predicted"));
    let (_keep, published) = published(&["kvm-guest"]);
    let output = analyzer(&["show", "--cpu-lines", published.path.to_str().unwrap()]);
    assert!(text(&output.stdout).contains("CPU#10 up in 192950, 952898, 60014786, 28 ( 61160662)"));
}

#[test]
fn a_strategy_that_there_is_not_is_no_silent_default() {
    let (_keep, folder) = folder();
    assert_eq!(imported(&folder, &[FTRACE_SERIAL], &["--strategy", "serial"]).0, 0);
    let file = folder.join("run/run.json");
    let manifest = fs::read_to_string(&file).unwrap();
    fs::write(&file, manifest.replace("\"strategy\": \"serial\"", "\"strategy\": \"seriel\""))
        .unwrap();
    fs::write(folder.join("run/captures/other.log"), "").unwrap();
    let output = analyzer(&["show", folder.join("run").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("there is no strategy `seriel`"),
        "{}",
        text(&output.stderr)
    );
    fs::write(&file, manifest).unwrap();
    let output = analyzer(&["show", folder.join("run").to_str().unwrap()]);
    assert!(text(&output.stdout).contains("does not list: captures/other.log"));
}

#[test]
fn what_is_no_log_is_refused_with_what_was_expected() {
    let (_keep, folder) = folder();
    let noise: String =
        (0..5000u32).map(|at| char::from((at.wrapping_mul(2_654_435_761) >> 24) as u8)).collect();
    for (log, why) in [
        ("", "it is empty"),
        ("hello\nworld\n", "nothing in its 2 lines (12 bytes) is a message or an event of one"),
        (noise.as_str(), "is no log of a bring-up"),
        ("\u{1f}\u{8b}", "is no log of a bring-up"),
    ] {
        let (code, told) = imported(&folder, &[log], &[]);
        let told =
            told.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert_eq!(code, 2, "{told}");
        assert!(told.contains(why), "{why}: {told}");
        assert!(!folder.join("run").exists());
    }
    fs::write(folder.join("packed"), [0x1f, 0x8b, 8, 0]).unwrap();
    let output = analyzer(&["import", "linux", folder.join("packed").to_str().unwrap()]);
    assert!(text(&output.stderr).contains("is compressed"));
    for missing in ["nowhere.log", "."] {
        assert_eq!(analyzer(&["import", "linux", missing]).status.code(), Some(2), "{missing}");
    }
    assert_eq!(imported(&folder, &[FTRACE_SERIAL], &[]).0, 0);
    let (code, told) = imported(&folder, &[FTRACE_SERIAL], &[]);
    assert!(code == 2 && told.contains("exists already"), "{told}");
    let (code, told) = imported(&folder, &[FTRACE_SERIAL], &["--siblings", "1-x"]);
    assert!(code == 2 && told.contains("expected CPUs, as `14-27`"), "{told}");
}

/// So many bytes without a line end, then a bring-up.
fn endless(bytes: u64) -> impl BufRead {
    let line = io::repeat(b'x').take(bytes);
    BufReader::new(line.chain(&b"\n[    0.100000] smp: Brought up 1 node, 4 CPUs\n"[..]))
}

#[test]
fn a_line_without_end_is_passed_over() {
    let reading = read_from("endless", endless(20_000_000), |_| Ok(())).unwrap();
    assert_eq!((reading.lines, reading.bringup.smp()), (2, 4));
    assert!(reading.bytes > 20_000_000);
}

#[test]
fn an_import_keeps_the_lines_that_were_read_and_reads_them_alike() {
    let (_keep, folder) = folder();
    assert_eq!(imported(&folder, &[CONSOLE_PARALLEL], &[]).0, 0);
    let kept = fs::read_to_string(folder.join("run/captures/linux-1.log")).unwrap();
    assert!(kept.len() < CONSOLE_PARALLEL.len() && !kept.contains("Memory:"), "{}", kept.len());
    let (once, again) = (read(CONSOLE_PARALLEL).unwrap(), read(&kept).unwrap());
    assert_eq!(
        (once.total(), once.console_total(), once.gaps()),
        (again.total(), again.console_total(), again.gaps())
    );
}

proptest! {
    #[test]
    fn a_damaged_log_gives_a_part_or_a_message(
        which in 0usize..5,
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0usize..200), 0..40),
        end in any::<proptest::sample::Index>(),
    ) {
        let log = [FTRACE_SERIAL, FTRACE_PARALLEL, CONSOLE_SERIAL, CONSOLE_PARALLEL, LOOPS][which];
        let mut bytes = log.as_bytes().to_vec();
        for (at, byte, length) in cuts {
            // A short log may be gone by now.
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match length {
                0..100 => bytes[at] = byte,
                _ => drop(bytes.drain(at..(at + length).min(bytes.len()))),
            }
        }
        bytes.truncate(end.index(bytes.len() + 1));
        if let Ok(reading) = read_from("damaged", &bytes[..], |_| Ok(())) {
            let bringup = reading.bringup;
            let _ = (bringup.gaps(), bringup.warnings(&Default::default()), bringup.ordered(), bringup.tracing());
            let (total, kick_loop) = (bringup.total(), bringup.kick_loop());
            prop_assert!(bringup.smp() <= 8192);
            for (_, ap) in bringup.aps() {
                if let (Some(phases), Some((begin, end))) = (ap.phases(), ap.span()) {
                    let sum: u64 = phases.named().into_iter().filter_map(|(_, time)| time).sum();
                    prop_assert!(sum == end - begin);
                }
            }
            let _ = (total, kick_loop);
        }
    }
}
