//! The kernel against the simulator on `icount`: totals within 1 %, the mean of each phase within 2 %.

use crate::engines::{failed, ran, scenario, text};
use crate::harness::LIMIT;
use bringup::class::Class;
use host_analyzer::judge::predict::{Wanted, predictions};
use host_analyzer::judge::simulated::{self, SimulatedCell};
use host_analyzer::present::show;
use host_analyzer::run::Run;
use std::sync::Arc;
use xtask::root;
use xtask::runner::engine::Qemu;
use xtask::runner::profile::Profiles;
use xtask::runner::scenario::Scenario;

/// A scenario of the repository at other CPU counts.
fn at(cpus: &str, name: &str) -> Run {
    let text = text(name);
    let line = text.lines().find(|line| line.starts_with("cpus = ")).unwrap();
    measured(&scenario(&text.replace(line, &format!("cpus = {cpus}"))))
}

pub fn measured(scenario: &Scenario) -> Run {
    let results = tempfile::tempdir().unwrap();
    ran(scenario, results.path())
}

/// The cells of a run, every one of which agrees.
#[track_caller]
pub fn agreeing(run: &Run) -> Vec<SimulatedCell<'_>> {
    let rows = simulated::rows(run).map_err(failed).unwrap();
    let table = show::simulated_table(run, &rows);
    assert!(rows.iter().all(SimulatedCell::agrees), "{table}");
    assert_eq!(rows.len(), run.cells.len());
    rows
}

#[test]
fn every_profile_strategy_and_sync_takes_what_the_simulator_says() {
    let run = at("[2, 8, 28]", "agreement.toml");
    // Of haswell-28, whose clocks are trusted, a third.
    assert_eq!(agreeing(&run).len(), 3 * 4 * (3 * 3 + 1));
}

#[test]
#[ignore = "long: `cargo xtask test kernel-long`"]
fn the_largest_machine_takes_what_the_simulator_says() {
    let scenarios = root().join("scenarios");
    let profiles = Profiles::beside(&scenarios.join("s.toml"), &scenarios);
    // This takes the host a while; the scenario has all profiles, strategies and syncs.
    let costs = profiles.read("kvm-guest").unwrap().words();
    let words = format!("strategy=full-parallel tsc-sync=one-to-many {costs}");
    let engine = Arc::new(Qemu::Icount.engine());
    let run =
        measured(&Scenario::single(&[engine], &[255], &words, LIMIT).map_err(failed).unwrap());
    assert_eq!(agreeing(&run)[0].cell.smp, 255);
}

#[test]
fn costs_by_class_and_exclusive_costs_take_what_the_simulator_says() {
    let run = measured(&scenario(
        r#"
        engines = "two-packages"
        cpus = 8
        [engine.two-packages]
        base = "icount"
        topology = "sockets=2,cores=2,threads=2"
        [options]
        strategy = ["serial", "parallel-sipi", "full-parallel"]
        tsc-sync = ["trusted", "one-to-many"]
        tsc-window = "1ms"
        cost-kick = "100us"
        cost-wake = "1ms,3:4ms"
        cost-trampoline = "50us"
        cost-callin = ["200us,package:2ms,sibling:150us", "200us,package:2ms,sibling:150us,exclusive"]
        cost-online = "80us,exclusive"
        "#,
    ));
    use Class::{Core, Package, Sibling};
    let machine = run.boots[0].machine.as_ref().unwrap();
    let expected = [Package, Sibling, Core, Sibling, Package, Sibling, Core, Sibling];
    assert_eq!(machine.classes(), expected);
    assert_eq!(agreeing(&run).len(), 3 * 2 * 2);
}

#[test]
fn orders_and_what_a_kernel_does_besides_take_what_the_simulator_says() {
    let run = measured(&scenario(
        r#"
        engines = "two-packages"
        cpus = 12
        skip-refused = true
        [engine.two-packages]
        base = "icount"
        topology = "sockets=2,cores=3,threads=2"
        [options]
        strategy = ["serial", "parallel-sipi", "parallel-callin", "full-parallel"]
        order = ["listed", "primaries-first"]
        tsc-sync = ["trusted", "pairwise"]
        tsc-window = "500us,package:2ms"
        microcode-at = ["callin", "alive"]
        cost-prepare = "70us,package:300us"
        cost-kick = "100us"
        cost-wake = "1ms"
        cost-microcode = "2ms,sibling:0"
        cost-callin = "200us"
        cost-sync = ["0", "150us"]
        cost-online = "80us"
        "#,
    ));
    // A rendezvous is of trusted clocks.
    assert_eq!(agreeing(&run).len(), 4 * 2 * 2 * 3);
    assert_eq!(run.warnings(), Vec::<String>::new());
    // The guest's own order of CPUs has each sibling behind its first thread, so the order matters.
    let total = |words: &str| {
        let cell = run.cells.iter().find(|cell| cell.options.to_string().contains(words)).unwrap();
        cell.total().unwrap().median
    };
    let [listed, primaries_first] = ["listed", "primaries-first"]
        .map(|order| total(&format!("strategy=full-parallel order={order}")));
    assert!(listed < primaries_first, "{listed} {primaries_first}");
}

/// Predicts 16 and 28 CPUs from 2, 4 and 8; no total is off by more than that share.
#[track_caller]
fn assert_predicted(scenario: &str, cells: usize, most: f64) {
    let run = at("[2, 4, 8, 16, 28]", scenario);
    let wanted = Wanted { from: vec![2, 4, 8], smp: vec![16, 28], ..Wanted::default() };
    let made = predictions(&run, &wanted);
    assert_eq!(made.len(), cells);
    for one in &made {
        assert_eq!(one.fitted.cell.smp, 8);
        assert!(one.error().unwrap().abs() <= most, "{}", show::predicted_table(&run, &made));
    }
}

#[test]
fn costs_fitted_to_2_4_and_8_cpus_predict_16_and_28_within_one_percent() {
    assert_predicted("default.toml", 3 * 2, 0.01);
}

#[test]
fn the_kernel_alone_at_2_4_and_8_cpus_predicts_16_and_28_within_five_percent() {
    assert_predicted("kernel-alone.toml", 3 * 3 * 2, 0.05);
}

#[test]
fn the_stamps_of_28_cpus_weigh_one_percent_of_a_bare_bring_up() {
    let run = measured(&scenario(
        "engine = \"icount\"\ncpus = 28\n[options]\nstamp-set = [\"all\", \"ends\"]\ntsc-sync = \"trusted\"\n\
         strategy = [\"serial\", \"parallel-sipi\", \"full-parallel\"]\n",
    ));
    let totals: Vec<u64> = run.cells.iter().map(|cell| cell.total().unwrap().median).collect();
    let (all, ends) = totals.split_at(3);
    for (all, ends) in all.iter().zip(ends) {
        let weight = *all as f64 / *ends as f64 - 1.0;
        assert!(weight > 0.0 && weight < 0.01, "{all} cycles with all stamps, {ends} with two");
    }
}
