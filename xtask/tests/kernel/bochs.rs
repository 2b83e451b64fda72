//! The kernel on Bochs, from a disk image: a second exact engine, with what QEMU's TCG lacks.

use crate::engines::{ran, scenario};
use crate::harness::{COSTS, Trial, boot_kernel, kernel};
use bringup::CpuIndex;
use bringup::exchange::SyncVerdict;
use bringup::frame::ApEnd;
use host_analyzer::run::Run;
use xtask::runner::engine::named;

/// The cells of the default scenario, on both exact engines.
fn on_both(smp: u16) -> Run {
    let text = std::fs::read_to_string(xtask::root().join("scenarios/default.toml")).unwrap();
    let text = text
        .replace("engine = \"icount\"", "engines = [\"icount\", \"bochs\"]")
        .replace("cpus = [2, 4, 8, 16, 28]", &format!("cpus = {smp}"))
        .replace("repetitions = 5", "repetitions = 1");
    let results = tempfile::tempdir().unwrap();
    ran(&scenario(&text), results.path())
}

fn assert_alike(smp: u16) {
    let run = on_both(smp);
    let total = |engine: &str, strategy: &str| {
        let found = run
            .cells
            .iter()
            .find(|cell| cell.engine == engine && cell.options.strategy.name() == strategy);
        found.unwrap().trials[0].total as f64
    };
    assert_eq!(run.cells.len(), 6);
    for strategy in ["serial", "parallel-sipi", "full-parallel"] {
        let (icount, bochs) = (total("icount", strategy), total("bochs", strategy));
        let off = (bochs - icount).abs() / icount;
        assert!(off < 0.02, "{strategy}, {smp} CPUs: {icount} and {bochs}");
    }
}

#[test]
fn four_cpus_take_what_they_take_on_icount() {
    assert_alike(4);
}

#[test]
#[ignore = "long: `cargo xtask test kernel-long`"]
fn eight_cpus_take_what_they_take_on_icount() {
    assert_alike(8);
}

#[test]
fn equal_boots_in_x2apic_mode_give_equal_bytes() {
    let engine = named("bochs").unwrap();
    let words = format!("apic=x2apic strategy=full-parallel {COSTS} cell strategy=serial");
    let boot = || boot_kernel(&kernel().path, &*engine, 2, &words).well().bytes;
    assert_eq!(boot(), boot());
}

/// A clock that is ahead on purpose, by the register: the sync finds it, moves it by the register, and the AP puts it back to
/// what its callin has found, so that every trial begins alike.
#[test]
fn a_clock_that_was_moved_is_found_moved_in_hardware_and_put_back() {
    let engine = named("bochs").unwrap();
    let words = "strategy=serial tsc-window=500us fault=adjust:1 repetitions=2";
    let booted = boot_kernel(&kernel().path, &*engine, 3, words).well();
    let trials: Vec<&Trial> = booted.trials().map(|(_, trial)| trial).collect();
    assert_eq!(trials.len(), 3);
    for trial in trials {
        let sync = |cpu: usize| trial.aps[cpu - 1].sync.unwrap();
        assert_eq!(trial.aps[0].end, ApEnd::Online);
        assert_eq!(trial.aps[0].tsc_adjust, Some(10_000), "put back");
        assert!(sync(1).in_hardware);
        let correction = sync(1).correction;
        assert!((9_800..=10_200).contains(&correction), "{correction}");
        assert_eq!((sync(2).verdict, sync(2).correction), (SyncVerdict::Clean, 0));
    }
    let differs = |(cpu, text): &(CpuIndex, String)| {
        *cpu == CpuIndex(1) && text.contains("IA32_TSC_ADJUST is 0x2710, on the BSP 0x0")
    };
    assert!(booted.logs.iter().any(differs), "{:?}", booted.logs);
}
