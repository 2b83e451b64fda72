//! The kernel in QEMU: its strategies, its agreement with the simulator, its failures.

use crate::harness::{Booted, COSTS, Cell, LIMIT, Trial, boot, boot_kernel, kernel};
use bringup::frame::{ApEnd, ApTimeline};
use bringup::options::Strategy;
use bringup::phase::Phase;
use bringup::stamp::Stamp;
use bringup::{CpuIndex, Cycles};
use host_analyzer::ground::failure::Failure;
use host_analyzer::judge::published;
use host_analyzer::judge::published::verdict::{PublishedVerdict, Verdict};
use host_analyzer::present::show;
use host_analyzer::run::Run;
use host_analyzer::run::timeline::phases;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use xtask::linux::{self, LinuxBoots, distribution};
use xtask::root;
use xtask::runner::boot::{Order, boot as boot_order};
use xtask::runner::engine::{Engine, Qemu};
use xtask::runner::progress::Lines;
use xtask::runner::run::execute;
use xtask::runner::scenario::Scenario;

/// Three cells, one a strategy.
const STRATEGIES: &str =
    "cell strategy=serial cell strategy=parallel-sipi cell strategy=full-parallel";

/// How far a figure's move with a dearer step may be from the simulated one, in cycles. The
/// smallest move that is none is 10 000.
const MOVE_TOLERANCE: i64 = 500;

/// The failure of a boot that must not end well, as text.
#[track_caller]
fn refusal(booted: &Booted) -> String {
    booted.failure.as_ref().expect("the boot ended well").report().to_string()
}

/// Each AP's callin overlaps another's in time, as those of four CPUs and more do at [`COSTS`] where nobody waits.
#[track_caller]
fn assert_side_by_side(aps: &[ApTimeline]) {
    let callins: Vec<(i64, i64)> = aps
        .iter()
        .map(|ap| [Stamp::CallinBegin, Stamp::CallinEnd].map(|stamp| ap.stamps.get(stamp).unwrap()))
        .map(|[begin, end]| (begin, end))
        .collect();
    for (ap, (begin, end)) in callins.iter().enumerate() {
        let meets =
            |(other, (from, to)): (usize, &(i64, i64))| other != ap && from < end && begin < to;
        assert!(callins.iter().enumerate().any(meets), "{} is alone in its callin", aps[ap].cpu);
    }
}

/// Every AP came online, once, on a path in order.
#[track_caller]
pub fn assert_complete(cell: &Cell, trial: &Trial, smp: u16) {
    let what = || format!("{} with {smp} CPUs, trial {}", cell.options.strategy, trial.begin.trial);
    assert_eq!(trial.end.lost, 0, "{}", what());
    assert_eq!(trial.aps.len(), usize::from(smp) - 1, "{}", what());
    for ap in &trial.aps {
        assert_eq!((ap.end, ap.starts), (ApEnd::Online, 1), "{}: {}", what(), ap.cpu);
        let phases = phases(&ap.stamps)
            .unwrap_or_else(|disorder| panic!("{}: {} {disorder}", what(), ap.cpu));
        let sum = Cycles(phases.iter().map(|cycles| cycles.0).sum());
        assert_eq!(ap.stamps.between(Stamp::Init, Stamp::Online), Some(sum), "{}", what());
    }
}

/// The default scenario's command line at a CPU count, without the engine's own words.
fn default_words(smp: u16) -> String {
    let folder = root().join("scenarios");
    let scenario = Scenario::read(&folder.join("default.toml"), &folder);
    let scenario = scenario.unwrap_or_else(|failure| panic!("{:?}", failure.report()));
    let group = scenario.groups.iter().find(|group| group.smp == smp).unwrap();
    group.command_lines[0].words.replace(group.engine.own_words(), "")
}

fn scenario(name: &str) -> Scenario {
    let folder = root().join("scenarios");
    let scenario = Scenario::read(&folder.join(format!("{name}.toml")), &folder);
    scenario.unwrap_or_else(|failure| panic!("{:?}", failure.report()))
}

/// Runs a scenario of the repository.
fn measured(name: &str, results: &Path) -> Run {
    let run = execute(&scenario(name), Some(kernel()), results, Lines::Boots, 1);
    run.unwrap_or_else(|failure| panic!("{:?}", failure.report()))
}

/// Every published figure that a cost comes from is met.
#[track_caller]
fn assert_published(run: &Run) {
    let machines = published::read(None).unwrap();
    let verdict = PublishedVerdict::of(run, &machines).unwrap();
    assert!(verdict.rows.iter().any(|row| row.verdict() == Verdict::Met));
    assert!(verdict.result().is_ok(), "{}", show::published_table(run, &verdict));
    assert_eq!(run.lost_aps(), 0);
}

/// Runs a scenario twice: the published figures that its costs come from are met, the captures are equal.
#[track_caller]
fn assert_reproduced(name: &str) {
    let results = tempfile::tempdir().unwrap();
    let runs = [1, 2].map(|_| measured(name, results.path()));
    assert_published(&runs[0]);
    let [one, other] = runs.map(|run| fs::read(&run.boots[0].capture).unwrap());
    assert!(one == other, "{name}: the captures differ");
}

/// The callin of each AP in the median trials of the cells.
fn callins(run: &Run) -> Vec<(u16, u64)> {
    let trials = run.median_trials().unwrap().into_iter().flatten();
    let aps = trials.flat_map(|trial| trial.timelines);
    aps.map(|ap| (ap.cpu.0, Phase::Callin.of(&ap.stamps).unwrap().0)).collect()
}

#[test]
fn haswell_28_has_its_rows_and_predicts_its_totals_and_the_same_bytes_twice() {
    let results = tempfile::tempdir().unwrap();
    let run = measured("haswell-28", results.path());
    let callins = callins(&run);
    assert_eq!(callins.len(), 4 * 27);
    for (cpu, callin) in callins {
        // CPU 1 is the BSP's sibling, CPU 2 the first thread of the next core.
        let expected = if cpu % 2 == 1 { 0..400_000 } else { 8_000_000..u64::MAX };
        assert!(expected.contains(&callin), "CPU {cpu}: {callin}");
    }
    let again = measured("haswell-28", results.path());
    let [one, other] = [&run, &again].map(|run| fs::read(&run.boots[0].capture).unwrap());
    assert!(one == other, "the captures differ");
    assert_published(&run);
    let machines = published::read(None).unwrap();
    let verdict = PublishedVerdict::of(&run, &machines).unwrap();
    for (figure, least, most) in [
        ("serial-total", 0.0, 0.01),
        ("parallel-sipi-total", -0.08, 0.0),
        ("parallel-callin-total", -0.27, -0.25),
    ] {
        let row = verdict.rows.iter().find(|row| row.figure.name == figure).unwrap();
        let (Verdict::Error(error) | Verdict::Contradicted(error)) = row.verdict() else {
            panic!("{row:?}")
        };
        assert!((least..most).contains(&error), "{figure}: {error}");
    }
}

#[test]
#[ignore = "long: `cargo xtask test kernel-long`"]
fn the_large_servers_measure_what_was_published_and_the_same_bytes_twice() {
    for name in ["skylake-96", "server-128"] {
        assert_reproduced(name);
    }
}

#[test]
fn a_guests_rows_are_what_was_published_in_the_e_mails_words() {
    let results = tempfile::tempdir().unwrap();
    let run = measured("kvm-guest", results.path());
    assert_published(&run);
    let lines = show::cpu_lines(&run).unwrap();
    let line = lines.lines().find(|line| line.starts_with("CPU#10 up in ")).unwrap();
    let numbers: Vec<f64> = line
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .skip(1)
        .collect();
    let published = [289_273.0, 965_825.0, 60_012_487.0, 28.0, 61_267_614.0];
    assert_eq!(numbers.len(), published.len(), "{line}");
    for (number, published) in numbers.iter().zip(published) {
        assert!((number - published).abs() <= (published * 0.01).max(50.0), "{line}");
    }
}

#[test]
fn the_guests_rows_give_the_same_bytes_twice() {
    let results = tempfile::tempdir().unwrap();
    let captures = [1, 2].map(|_| {
        let run = measured("kvm-guest", results.path());
        assert_eq!(run.lost_aps(), 0);
        fs::read(&run.boots[0].capture).unwrap()
    });
    assert!(captures[0] == captures[1], "the captures differ");
}

#[test]
fn times_are_of_the_clock_that_is_named() {
    let words = "tsc-sync=trusted init-delay=10ms cost-wake=1ms cost-online=700 clock-khz=2000000";
    let booted = boot(Qemu::Icount, 2, words).well();
    for (_, trial) in booted.trials() {
        let ap = &trial.aps[0].stamps;
        let between = |from, to| ap.get(to).unwrap() - ap.get(from).unwrap();
        use bringup::stamp::Stamp;
        // 10 ms and 1 ms at 2 GHz, where the engine's TSC has 1 GHz; cycles are cycles.
        let init = between(Stamp::Init, Stamp::Sipi);
        assert!((20_000_000..20_010_000).contains(&init), "{init}");
        assert_eq!(between(Stamp::Sipi, Stamp::Entry), 2_000_000);
        let online = between(Stamp::SyncEnd, Stamp::Online);
        assert!((700..1_000).contains(&online), "{online}");
    }
}

#[test]
fn a_dearer_step_moves_the_machine_as_it_moves_the_simulator() {
    let profile = &scenario("haswell-28").profiles[0];
    let strategies = ["serial", "parallel-sipi", "full-parallel"];
    let mut words = format!("repetitions=1 tsc-sync=trusted {}", profile.words());
    for strategy in strategies {
        words += &format!(" cell strategy={strategy}");
        for (option, value) in profile.options().filter(|(option, _)| *option != "clock-khz") {
            // Without the parts for other classes: every CPU is a core here.
            let cycles: u64 = value.split(',').next().unwrap().parse().unwrap();
            words += &format!(" cell strategy={strategy} {option}={}", cycles + cycles / 10);
        }
    }
    let booted = boot(Qemu::Icount, 28, &words).well();
    let per_strategy = booted.cells.len() / strategies.len();
    for cells in booted.cells.chunks(per_strategy) {
        let figures = |cell: &Cell| {
            let measured = cell.trials.last().unwrap().end;
            let (simulated, _) = bringup::sim::trial(&cell.options, 28, booted.tsc_khz).unwrap();
            [measured, simulated].map(|end| {
                let (total, kick_loop) = (end.total.0 as i64, end.kick_loop.0 as i64);
                [total, kick_loop, total - kick_loop]
            })
        };
        let [base, simulated_base] = figures(&cells[0]);
        for cell in &cells[1..] {
            let [dearer, simulated] = figures(cell);
            for (index, name) in ["total", "kick-loop", "online-loop"].iter().enumerate() {
                let moved = dearer[index] - base[index];
                let expected = simulated[index] - simulated_base[index];
                assert!(
                    (moved - expected).abs() <= MOVE_TOLERANCE,
                    "{name} moved by {moved}, simulated {expected}: {}",
                    cell.options
                );
            }
        }
    }
}

#[test]
fn strategies_are_what_they_are_called() {
    for smp in [4, 8, 16, 28] {
        let booted = boot(Qemu::Icount, smp, &default_words(smp)).well();
        assert_eq!(booted.broken_strategies(), [""; 0], "{smp} CPUs");
        let mut totals = Vec::new();
        for cell in &booted.cells {
            for trial in &cell.trials {
                assert_complete(cell, trial, smp);
                if cell.options.strategy.opens_gates_first() {
                    assert_side_by_side(&trial.aps);
                }
            }
            totals.push(cell.trials.last().unwrap().end.total);
        }
        let [serial, parallel_sipi, full_parallel] = totals[..] else { panic!("{totals:?}") };
        assert!(serial > parallel_sipi && parallel_sipi > full_parallel, "{smp} CPUs: {totals:?}");
    }
}

#[test]
fn phases_partition_the_time_of_every_ap_under_real_threads() {
    for smp in [2, 4, 8] {
        let words = format!("repetitions=20 tsc-window=200us {STRATEGIES}");
        let booted = boot(Qemu::Tcg, smp, &words).well();
        assert_eq!(booted.trials().count(), 3 * 20 + 1);
        booted.trials().for_each(|(cell, trial)| assert_complete(cell, trial, smp));
    }
}

#[test]
fn equal_boots_give_equal_bytes_on_a_busy_host_too() {
    assert_equal_on_a_busy_host();
}

#[test]
#[ignore = "long: `cargo xtask test kernel-long`"]
fn equal_boots_give_equal_bytes_on_a_busy_host_ten_times() {
    (0..10).for_each(|_| assert_equal_on_a_busy_host());
}

fn assert_equal_on_a_busy_host() {
    for smp in [2, 8, 28] {
        let words = format!("{COSTS} repetitions=2 {STRATEGIES}");
        let calm = boot(Qemu::Icount, smp, &words).well();
        let over = AtomicBool::new(false);
        let busy = thread::scope(|scope| {
            let burners = thread::available_parallelism().map_or(2, usize::from) * 2;
            for _ in 0..burners {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let _stop = Stop(&over);
            boot(Qemu::Icount, smp, &words)
        });
        let busy = busy.well();
        let differs = calm
            .trials()
            .zip(busy.trials())
            .map(|((_, calm), (_, busy))| (format!("{calm:?}"), format!("{busy:?}")))
            .find(|(calm, busy)| calm != busy);
        assert!(
            calm.bytes == busy.bytes,
            "{smp} CPUs: the captures differ, with {} and {} kHz; the first trial: {differs:#?}",
            calm.tsc_khz,
            busy.tsc_khz
        );
    }
}

/// Stops the burning threads, even if the boot panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn measured_totals_are_the_simulated_ones_within_two_percent() {
    let costs =
        [("kick", 100), ("wake", 1200), ("trampoline", 100), ("callin", 800), ("online", 100)];
    for smp in [2, 8, 28] {
        let slow = if smp == 2 { 1 } else { 3 };
        let mut words = "repetitions=1 tsc-window=500us".to_owned();
        for (step, micros) in costs {
            words += &format!(" cost-{step}={micros}us");
        }
        for strategy in Strategy::ALL {
            words += &format!(" cell strategy={strategy}");
            for (step, micros) in costs {
                words += &format!(
                    " cell strategy={strategy} cost-{step}={micros}us,{slow}:{}us",
                    10 * micros
                );
            }
            if strategy.kicks_all_at_once() {
                words += &format!(" cell strategy={strategy} kick=broadcast");
            }
        }
        let booted = boot(Qemu::Icount, smp, &words).well();
        assert_eq!(booted.cells.len(), words.split(" cell ").count() - 1);
        for cell in &booted.cells {
            let (expected, _) =
                bringup::sim::trial(&cell.options, usize::from(smp), booted.tsc_khz).unwrap();
            let expected = expected.total.0 as f64;
            for trial in &cell.trials {
                let off = trial.end.total.0 as f64 / expected - 1.0;
                assert!(
                    off.abs() <= 0.02,
                    "{smp} CPUs: {} cycles, simulated {expected} ({:+.2} %): {}",
                    trial.end.total,
                    100.0 * off,
                    cell.options
                );
                for ap in &trial.aps {
                    assert_eq!(ap.overruns, [0; 6], "{smp} CPUs, {}: {}", ap.cpu, cell.options);
                }
            }
        }
    }
}

#[test]
fn hundreds_of_trials_on_real_threads_lose_no_ap_and_start_none_twice() {
    assert_complete_on_real_threads(300);
}

#[test]
#[ignore = "long: `cargo xtask test kernel-long`"]
fn thousands_of_trials_on_real_threads_lose_no_ap_and_start_none_twice() {
    assert_complete_on_real_threads(6000);
}

fn assert_complete_on_real_threads(repetitions: usize) {
    for smp in [4, 8] {
        let words = format!("tsc-sync=trusted repetitions={repetitions} {STRATEGIES}");
        let booted = boot(Qemu::Tcg, smp, &words).well();
        assert_eq!(booted.trials().count(), 3 * repetitions + 1);
        booted.trials().for_each(|(cell, trial)| assert_complete(cell, trial, smp));
    }
}

#[test]
fn an_ap_unlike_the_bsp_is_reported_by_its_register_and_again_when_it_has_changed() {
    let booted = boot(Qemu::Icount, 4, "cell cell fault=differ:2 repetitions=2 cell").well();
    let lines = |cpu| {
        let of = booted.logs.iter().filter(move |(of, _)| *of == CpuIndex(cpu));
        of.map(|(_, text)| text.split_once(' ').unwrap().0.parse::<u32>().unwrap())
    };
    // QEMU's INIT resets the MTRRs, so every AP differs in some; CPU 2 in its PAT too, for a cell.
    let usual = lines(1).next().unwrap();
    assert_eq!(lines(1).collect::<Vec<_>>(), [usual]);
    assert_eq!(lines(2).collect::<Vec<_>>(), [usual, usual + 1, usual]);
    let text = &booted.logs.iter().filter(|(cpu, _)| *cpu == CpuIndex(2)).nth(1).unwrap().1;
    assert!(text.contains("the first: IA32_PAT is 0x"), "{text}");
}

/// Where nothing is compared, an AP takes `sync_begin` and `sync_end` one after the other: what lies
/// between them is one stamp, and a cycle of `icount` is an instruction.
#[test]
fn a_stamp_costs_at_most_twelve_instructions() {
    let booted = boot(Qemu::Icount, 4, &format!("tsc-sync=trusted {STRATEGIES}")).well();
    for (_, trial) in booted.trials() {
        for ap in &trial.aps {
            let stamp = Phase::TscSync.of(&ap.stamps).unwrap();
            assert!((1..=12).contains(&stamp.0), "{}: {stamp} instructions", ap.cpu);
        }
    }
}

#[test]
fn cpu_counts_from_1_to_64_boot() {
    for smp in [1, 2, 3, 5, 16, 64] {
        let words = format!("{COSTS} tsc-sync=trusted {STRATEGIES}");
        let booted = boot(Qemu::Icount, smp, &words).well();
        assert_eq!(booted.trials().count(), 3 + 1, "{smp} CPUs");
        booted.trials().for_each(|(cell, trial)| assert_complete(cell, trial, smp));
    }
}

#[test]
fn a_withheld_sipi_loses_that_ap_alone_and_only_while_it_is_withheld() {
    for strategy in Strategy::ALL {
        let words = format!(
            "{COSTS} limit=20ms strategy={strategy} cell repetitions=2 fault=never:2 cell repetitions=2"
        );
        let booted = boot(Qemu::Icount, 4, &words).well();
        let [faulty, sound] = &booted.cells[..] else { panic!("{} cells", booted.cells.len()) };
        assert_eq!((faulty.trials.len(), sound.trials.len()), (3, 2), "{strategy}");
        for trial in &faulty.trials {
            assert_eq!(trial.end.lost, 1, "{strategy}");
            for ap in &trial.aps {
                let end = if ap.cpu == CpuIndex(2) {
                    ApEnd::Lost(Some(Stamp::Sipi))
                } else {
                    ApEnd::Online
                };
                assert_eq!(ap.end, end, "{strategy}: {}", ap.cpu);
            }
        }
        sound.trials.iter().for_each(|trial| assert_complete(sound, trial, 4));
    }
}

#[test]
fn a_sipi_of_another_trial_starts_no_ap_and_is_reported() {
    // CPU 2 takes it while CPU 1 is brought up.
    let words = format!("{COSTS} strategy=serial fault=stray:2 repetitions=2");
    let booted = boot(Qemu::Icount, 4, &words).well();
    booted.trials().for_each(|(cell, trial)| assert_complete(cell, trial, 4));
    let late: Vec<_> = booted.logs.iter().filter(|(_, text)| text.contains("late")).collect();
    // Before the first INIT the firmware's code halts the AP, and a SIPI does nothing.
    assert_eq!(late.len(), booted.trials().count() - 1, "{late:?}");
    for (cpu, text) in late {
        assert!(*cpu == CpuIndex(2) && text.starts_with("started late 1 time,"), "{cpu}: {text}");
    }
}

/// On real threads the AP may take that SIPI at any time. Between the INIT and the SIPI of its kick it costs the AP the
/// trial, since it does not wait for a SIPI when that comes.
#[test]
fn a_sipi_of_another_trial_starts_no_ap_twice_on_real_threads() {
    for strategy in Strategy::ALL {
        let words =
            format!("tsc-sync=trusted limit=50ms repetitions=50 strategy={strategy} fault=stray:2");
        let booted = boot(Qemu::Tcg, 4, &words).well();
        assert_eq!(booted.trials().count(), 50 + 1);
        for (cell, trial) in booted.trials() {
            let lost = trial.aps.iter().filter(|ap| ap.end != ApEnd::Online);
            lost.for_each(|ap| assert_eq!(ap.cpu, CpuIndex(2), "{}", cell.options.strategy));
            assert!(trial.aps.iter().all(|ap| ap.starts <= 1), "{:?}", trial.aps);
        }
    }
}

#[test]
fn a_lost_ap_has_the_stamps_that_the_simulator_says() {
    // In cycles of the engine's clock, 10 ms: only a boot can tell that the costs are beyond it, so nothing is refused.
    let costs = "cost-kick=100us cost-wake=1ms cost-trampoline=100us cost-online=100us \
                 tsc-window=500us limit=10000000";
    let mut words = format!("repetitions=1 {costs}");
    for strategy in Strategy::ALL {
        for slow in [
            // It comes online after it was given up, while the BSP waits for another.
            "tsc-sync=trusted cost-callin=1ms,2:15ms,3:18ms",
            // It waits at a gate that is not opened any more.
            "cost-callin=1ms cost-trampoline=0,2:12ms,3:18ms",
            // It is given up later than at its deadline, and gets as far as it gets until then.
            "cost-callin=1ms,1:9ms cost-wake=1ms,1:8ms,2:15ms,3:1ms cost-trampoline=0,2:20ms",
        ] {
            words += &format!(" cell strategy={strategy} {slow}");
        }
    }
    let booted = boot(Qemu::Icount, 4, &words).well();
    let mut lost = 0;
    for (cell, trial) in booted.trials() {
        let (end, aps) = bringup::sim::trial(&cell.options, 4, booted.tsc_khz).unwrap();
        assert_eq!(trial.end.lost, end.lost, "{}", cell.options);
        lost += end.lost;
        for (measured, simulated) in trial.aps.iter().zip(&aps) {
            assert_eq!(measured.end, simulated.end, "{}: {}", measured.cpu, cell.options);
            for stamp in Stamp::ALL {
                assert_eq!(
                    measured.stamps.get(stamp).is_some(),
                    simulated.stamps.get(stamp).is_some(),
                    "`{}` of {}: {}",
                    stamp.name(),
                    measured.cpu,
                    cell.options
                );
            }
        }
    }
    assert!(lost > 10, "{lost}");
}

#[test]
fn a_kick_of_n_aps_waits_the_init_delay_once() {
    let words = "tsc-sync=trusted init-delay=10ms strategy=parallel-sipi";
    for (_, trial) in boot(Qemu::Icount, 4, words).well().trials() {
        for ap in &trial.aps {
            let at = |stamp| ap.stamps.get(stamp).unwrap();
            assert!(at(Stamp::Init) < 20_000, "{}: {}", ap.cpu, at(Stamp::Init));
            let sipi = at(Stamp::Sipi) - 10_000_000;
            assert!((0..40_000).contains(&sipi), "{}: {sipi}", ap.cpu);
        }
    }
}

#[test]
fn a_broadcast_says_which_cpus_it_reaches_that_take_no_part() {
    let words = "strategy=full-parallel tsc-sync=trusted";
    let scenario = crate::engines::scenario(
        "engines = \"more\"\ncpus = 2\n[engine.more]\nbase = \"icount\"\nmachine = \"q35,smp.maxcpus=5\"\n",
    );
    let engine = &*scenario.groups[0].engine;
    for (kick, lines) in [("unicast", 0), ("broadcast", 1)] {
        let booted = boot_kernel(&kernel().path, engine, 2, &format!("{words} kick={kick}")).well();
        let told = booted.logs.iter().filter(|(_, text)| {
            text.starts_with("kick=broadcast also sends INIT and SIPI to 3 CPUs of the MADT")
        });
        assert_eq!(told.count(), lines, "{kick}: {:?}", booted.logs);
    }
}

#[test]
fn a_trap_or_a_panic_ends_the_boot_with_an_error_that_names_the_cpu() {
    for strategy in Strategy::ALL {
        for cpu in [0, 2] {
            for (fault, told) in [
                ("trap", format!("exception 6 on CPU {cpu} ")),
                ("panic", format!("the kernel panicked on CPU {cpu}: ")),
            ] {
                let words = format!("{COSTS} strategy={strategy} fault={fault}:{cpu}");
                let booted = boot(Qemu::Icount, 4, &words);
                let text = refusal(&booted);
                assert!(text.contains(&told), "{strategy} {fault}:{cpu}: {text}");
                assert!(text.contains("exit status 35"), "{strategy} {fault}:{cpu}: {text}");
                assert!(matches!(booted.failure, Some(Failure::Environment(_))));
            }
        }
    }
}

#[test]
fn of_cpus_that_fail_together_the_first_reports_its_error() {
    let faults = "panic:1,panic:2,panic:3,panic:4";
    let words = format!("strategy=full-parallel wait=spin tsc-sync=trusted fault={faults}");
    for engine in [Qemu::Icount, Qemu::Tcg] {
        let text = refusal(&boot(engine, 5, &words));
        assert!(text.contains("the kernel panicked on CPU "), "{text}");
        assert!(text.contains("exit status 35"), "{text}");
    }
}

/// Boots 4 CPUs of an `icount` with something of its own.
fn boot_variant(keys: &str, words: &str) -> Booted {
    let text = format!("engines = \"own\"\ncpus = 4\n[engine.own]\nbase = \"icount\"\n{keys}\n");
    let scenario = crate::engines::scenario(&text);
    boot_kernel(&kernel().path, &*scenario.groups[0].engine, 4, words)
}

#[test]
fn aps_find_themselves_by_each_leaf_that_has_an_apic_id() {
    for cpu in [
        "cpu = \"qemu64,level=1\"",
        "cpu = \"qemu64,level=0xb\"",
        "cpu = \"qemu64,level=0x1f\"\ntopology = \"dies=2\"",
    ] {
        let booted = boot_variant(cpu, "tsc-sync=trusted cell strategy=full-parallel").well();
        booted.trials().for_each(|(cell, trial)| assert_complete(cell, trial, 4));
    }
}

#[test]
fn nonsense_on_the_command_line_comes_back_by_name() {
    for (words, told) in [
        ("stratgy=serial", "`stratgy`"),
        ("serial", "`serial` is not an option"),
        ("cell cell wait=sleep", "`wait=sleep` has a bad value: expected one of halt spin"),
        ("repetitions=-1", "`repetitions=-1`"),
        ("cost-callin=1ms,9-3:2ms", "`cost-callin=1ms,9-3:2ms`"),
        ("kick=broadcast", "`strategy=serial` with `kick=broadcast` is refused"),
        ("tsc-sync=trusted tsc-trust=no", "the clocks are neither compared nor trusted"),
        ("tsc-sync=trusted tsc-trust=yes", "CPUID leaf 0x8000_0007 does not call"),
        ("fault=never:4", "`fault=never:4`: there is no CPU 4 on a machine of 4 CPUs (0 to 3)"),
        ("fault=never:1,differ:1", "`fault=never:1,differ:1` names CPU 1 twice"),
        ("cost-wake=3599s", "`cost-wake` of 3599s is longer than `limit=10s`"),
        ("strategy=sériel", "`strategy=sériel`"),
    ] {
        let booted = boot(Qemu::Icount, 4, words);
        let text = refusal(&booted);
        assert!(text.contains(told), "{words}: {text}");
        assert!(text.contains("exit status 35"), "{words}: {text}");
        assert!(matches!(booted.failure, Some(Failure::Request(_))), "{words}");
        assert!(booted.cells.is_empty(), "{words}");
    }
}

#[test]
fn the_longest_command_line_arrives_whole() {
    let engine = Qemu::Icount.engine();
    // The cell at the end is what a shortened line would lose.
    let end = "cell strategy=full-parallel tsc-window=500us";
    let room = engine.longest_command_line() - engine.own_words().len() - 1 - end.len();
    let mut words = "wait=halt ".repeat(room / 10);
    words += &" ".repeat(room % 10);
    words += end;
    let booted = boot(Qemu::Icount, 2, &words).well();
    assert_eq!(booted.cells[0].options.strategy, Strategy::FullParallel);
}

#[test]
fn a_boot_beyond_its_limit_is_killed_and_says_what_it_last_saw() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("captures")).unwrap();
    let outcome = boot_order(
        &Order {
            engine: &Qemu::Tcg.engine(),
            kernel: Some(&kernel().path),
            smp: 4,
            number: 1,
            command_line: "repetitions=4000000000",
            profiles: &[],
            folder: folder.path(),
            limit: Duration::from_secs(4),
        },
        |_| (),
    );
    let outcome = outcome.unwrap_or_else(|failure| panic!("{:?}", failure.report()));
    let Some(Failure::Environment(report)) = outcome.failure else { panic!("no failure") };
    let text = report.to_string();
    assert!(text.contains("within its 4 s") && text.contains("last frame: the "), "{text}");
    assert!(outcome.record.seconds < LIMIT.as_secs_f64() / 10.0);
}

#[test]
fn what_is_no_kernel_fails_with_the_engines_own_words() {
    let booted = boot_kernel(Path::new(file!()), &Qemu::Icount.engine(), 2, "");
    let text = refusal(&booted);
    assert!(text.contains("standard error") && text.contains("ended without a goodbye"), "{text}");
}

/// How many processes work in a folder below this one.
fn engines_in(folder: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let places = processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    places.filter(|place| place.starts_with(folder)).count()
}

#[track_caller]
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// An `xtask run` that does not end by itself, once its engine is at work.
fn endless_run(results: &Path) -> Child {
    kernel();
    let child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["run", "--engine", "tcg", "repetitions=4000000000", "--results"])
        .arg(results)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the engine is at work", || engines_in(results) == 1);
    child
}

#[test]
fn no_engine_outlives_an_xtask_that_is_killed() {
    let results = tempfile::tempdir().unwrap();
    let folder = results.path().canonicalize().unwrap();
    let mut child = endless_run(&folder);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the engine is gone", || engines_in(&folder) == 0);
}

#[test]
fn an_interrupted_run_takes_its_engine_along_and_keeps_what_was_captured() {
    let results = tempfile::tempdir().unwrap();
    let folder = results.path().canonicalize().unwrap();
    let mut child = endless_run(&folder);
    let capture = "captures/tcg-4-1.bin";
    let runs = || -> Vec<PathBuf> {
        let runs = fs::read_dir(folder.join("run")).unwrap();
        runs.map(|run| run.unwrap().path()).collect()
    };
    let sent = |run: &PathBuf| fs::metadata(run.join(capture)).is_ok_and(|file| file.len() > 0);
    wait_until("the kernel has sent something", || runs().iter().any(sent));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(engines_in(&folder), 0);
    let [run] = &runs()[..] else { panic!("one run is kept: {:?}", runs()) };
    assert!(run.to_str().unwrap().ends_with("Z-interrupted"), "{}", run.display());
    assert!(run.join("run.json").is_file() && sent(run));
}

#[test]
fn a_failed_boot_is_kept_under_a_name_that_says_so() {
    let results = tempfile::tempdir().unwrap();
    kernel();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["run", "fault=panic:1", "--results"])
        .arg(results.path())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    let kept = fs::read_dir(results.path().join("run")).unwrap().next().unwrap().unwrap().path();
    assert!(kept.to_str().unwrap().ends_with("-failed"), "{}", kept.display());
    assert!(told.contains(&kept.join("captures/icount-4-1.bin").display().to_string()), "{told}");
    assert!(kept.join("run.json").is_file() && kept.join("captures/icount-4-1.bin").is_file());
    assert!(!results.path().join("latest-run").exists());
}

#[test]
#[ignore = "long: `cargo xtask test kernel-long`"]
fn a_real_linux_boots_in_both_modes_and_stands_beside_our_strategies() {
    distribution::fetch().unwrap_or_else(|failure| panic!("{:?}", failure.report()));
    let results = tempfile::tempdir().unwrap();
    let boots = LinuxBoots {
        engine: Qemu::Tcg.engine(),
        kernel: linux::kernel(None).unwrap_or_else(|failure| panic!("{:?}", failure.report())),
        initrd: None,
        smp: 4,
        append: String::new(),
        boots: 1,
        limit: Duration::from_secs(120),
    };
    let run = linux::execute(&boots, Vec::new(), results.path());
    let run = run.unwrap_or_else(|failure| panic!("{:?}", failure.report()));
    let cells: Vec<_> =
        run.cells.iter().map(|cell| (&*cell.engine, cell.options.strategy)).collect();
    let ours = Strategy::ALL.map(|strategy| ("sim-linux-serial", strategy));
    let linux = [Strategy::Serial, Strategy::ParallelSipi].map(|strategy| ("linux", strategy));
    assert_eq!(cells, [&linux[..], &ours[..]].concat());
    assert_eq!(run.gaps, Vec::new());
    for boot in run.boots.iter().filter_map(|boot| boot.linux.as_ref()) {
        assert!(boot.bringup.aps().filter_map(|(_, ap)| ap.phases()).count() == 3);
    }
    // The costs that were fitted to serial give its total again.
    let totals = [0, 2].map(|cell| run.cells[cell].total().unwrap().median);
    assert!(totals[0].abs_diff(totals[1]) < 10, "{totals:?}");
    let predicted = show::predicted_of_logs(&run);
    assert!(
        predicted.contains("parallel-sipi") && predicted.contains("serial at 4 CPUs"),
        "{predicted}"
    );
}
