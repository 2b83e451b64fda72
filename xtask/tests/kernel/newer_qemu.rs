//! A newer QEMU: x2APIC mode, and more CPUs than xAPIC mode has IDs for; and IDs with holes, which any QEMU has.

use crate::engines::{ran, scenario, text};
use crate::harness::{boot_kernel, kernel, skipped};
use crate::machine::assert_complete;
use bringup::frame::ApicMode;
use host_analyzer::run::Run;
use std::fs;
use xtask::newer_qemu::{lacking, newer_qemu};
use xtask::runner::scenario::Scenario;

/// The scenario `x2apic.toml` at one CPU count, with this host's newer QEMU; `None` where it has none, which a line
/// says even though the test passes.
fn x2apic(cpus: &str) -> Option<Scenario> {
    let Some(program) = newer_qemu() else {
        skipped(&lacking());
        return None;
    };
    let text = text("x2apic.toml")
        .replace("cpus = [4, 28, 288]", &format!("cpus = {cpus}"))
        .replace("../target/qemu-newer/qemu-system-x86_64", program.to_str().unwrap());
    Some(scenario(&text))
}

/// All boots had so many CPUs, in x2APIC mode; [`ran`] fails where one is lost.
#[track_caller]
fn assert_x2apic(run: &Run, cpus: u16) {
    for boot in &run.boots {
        let machine = boot.machine.as_ref().unwrap();
        assert_eq!((machine.apic_mode, machine.cpus.len()), (ApicMode::X2apic, cpus.into()));
    }
}

#[test]
fn x2apic_mode_is_exact_with_a_newer_qemu() {
    assert_exact(28);
}

fn assert_exact(smp: u16) {
    let Some(scenario) = x2apic(&format!("{smp}\nboots = 2")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = ran(&scenario, folder.path());
    assert_x2apic(&run, smp);
    let bytes = |boot: usize| fs::read(&run.boots[boot].capture).unwrap();
    assert!(bytes(0) == bytes(1), "two boots differ");
}

#[test]
#[ignore = "long: `cargo xtask test kernel-long`"]
fn more_cpus_than_xapic_mode_has_ids_for_come_online() {
    assert_exact(288);
}

/// A boot of three strategies in x2APIC mode on threads of the host: so many trials of each, all complete.
fn assert_complete_on_real_threads(smp: u16, repetitions: usize) {
    let Some(program) = newer_qemu() else {
        skipped(&lacking());
        return;
    };
    let scenario = scenario(&format!(
        "engines = \"own\"\ncpus = {smp}\n[engine.own]\nbase = \"tcg\"\nqemu = \"{}\"\nmachine = \"q35,smm=off\"\n\
         cpu = \"SandyBridge-v1,x2apic=on,tsc-deadline=off\"\nown-words = \"apic=x2apic\"\n",
        program.display()
    ));
    let words = format!(
        "tsc-sync=trusted limit=100s repetitions={repetitions} cell strategy=serial cell strategy=parallel-sipi \
         cell strategy=full-parallel"
    );
    let booted = boot_kernel(&kernel().path, &*scenario.groups[0].engine, smp, &words).well();
    assert_eq!(booted.trials().count(), 3 * repetitions + 1);
    booted.trials().for_each(|(cell, trial)| assert_complete(cell, trial, smp));
    assert_eq!(booted.broken_strategies(), Vec::<String>::new());
}

#[test]
fn a_thousand_trials_in_x2apic_mode_lose_no_ap() {
    for smp in [4, 28] {
        assert_complete_on_real_threads(smp, 334);
    }
}

#[test]
#[ignore = "long: `cargo xtask test kernel-long`"]
fn trials_of_more_cpus_than_xapic_mode_has_ids_for_lose_no_ap() {
    assert_complete_on_real_threads(288, 17);
    assert_complete_on_real_threads(512, 2);
    assert_complete_on_real_threads(1024, 1);
}

#[test]
fn apic_ids_may_have_holes() {
    let folder = tempfile::tempdir().unwrap();
    let text = "engines = \"holes\"\ncpus = 6\n[engine.holes]\nbase = \"icount\"\n\
                topology = \"sparse\"\n[options]\nstrategy = \"full-parallel\"\ntsc-window = \"500us\"\n";
    let run = ran(&scenario(text), folder.path());
    let cpus = &run.boots[0].machine.as_ref().unwrap().cpus;
    let ids: Vec<u32> = cpus.iter().map(|cpu| cpu.apic_id.0).collect();
    assert_eq!(ids, [0, 1, 2, 4, 5, 6]);
    let engine = &run.manifest.as_ref().unwrap().engines[0];
    assert_eq!(engine.topology.as_deref(), Some("cores=3"));
}
