//! Other machines than the engines' own: their clocks, their serial ports, their firmware.

use crate::engines::scenario;
use crate::harness::{Booted, boot_kernel, kernel};

/// Boots CPUs of an `icount` with something of its own.
fn boot(keys: &str, smp: u16, words: &str) -> Booted {
    let text =
        format!("engines = \"own\"\ncpus = {smp}\n[engine.own]\nbase = \"icount\"\n{keys}\n");
    boot_kernel(&kernel().path, &*scenario(&text).groups[0].engine, smp, words)
}

fn assert_a_ghz(booted: &Booted, what: &str) {
    assert!((990_000..=1_010_000).contains(&booted.tsc_khz), "{what}: {} kHz", booted.tsc_khz);
}

#[test]
fn every_counter_gives_the_frequency() {
    for source in ["pm-timer", "hpet", "pit"] {
        let booted = boot("", 2, &format!("tsc-sync=trusted tsc-source={source}")).well();
        assert_a_ghz(&booted, source);
        assert_eq!(booted.tsc_source, source);
    }
}

#[test]
fn a_source_that_the_machine_lacks_ends_the_boot_by_name() {
    for source in ["hypervisor", "hyperv", "kvmclock", "cpuid"] {
        let booted = boot("", 1, &format!("tsc-source={source}"));
        let text = booted.failure.expect("the source is there").report().to_string();
        assert!(text.contains(&format!("`tsc-source={source}`: no ")), "{text}");
    }
}

#[test]
fn a_machine_without_any_counter_says_what_was_looked_for() {
    let keys = "machine = \"microvm,acpi=on,pit=off,pic=on,rtc=on,isa-serial=on\"";
    let text = boot(keys, 1, "").failure.expect("there is a source").report().to_string();
    for part in [
        "nothing on this machine gives the TSC's frequency",
        "PM timer",
        "HPET",
        "PIT",
        "leaf 0x15",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn qemus_other_machines_boot() {
    for (machine, source) in
        [("pc", "pm-timer"), ("microvm,acpi=on,pit=on,pic=on,rtc=on,isa-serial=on", "pit")]
    {
        let words = "tsc-sync=trusted strategy=full-parallel";
        let booted = boot(&format!("machine = \"{machine}\""), 4, words).well();
        assert!(booted.trials().all(|(_, trial)| trial.end.lost == 0), "{machine}");
        assert_eq!(booted.tsc_source, source, "{machine}");
    }
}

#[test]
fn frames_go_to_the_port_that_is_named() {
    let keys = "extra-args = [\"-chardev\", \"null,id=other\", \"-device\", \"isa-serial,chardev=other,iobase=0x2e8\"]";
    // Nothing comes on the first port, so the boot does not end as seen from outside.
    let booted = boot(keys, 1, "serial=0x2e8,57600");
    assert!(booted.bytes.is_empty() && booted.failure.is_some());
    boot(keys, 1, "serial=0x3f8,57600").well();
}

#[test]
fn the_srat_gives_each_cpu_its_node() {
    let keys = "topology = \"sockets=2\"\nextra-args = [\"-object\", \"memory-backend-ram,id=a,size=128M\", \"-object\", \
                \"memory-backend-ram,id=b,size=128M\", \"-numa\", \"node,memdev=a,cpus=0-1\", \"-numa\", \"node,memdev=b,cpus=2-3\"]";
    let booted = boot(keys, 4, "tsc-sync=trusted").well();
    assert_eq!(booted.nodes, [Some(0), Some(0), Some(1), Some(1)]);
    assert_eq!(boot("", 2, "tsc-sync=trusted").well().nodes, [None, None]);
}

/// With less than 3 MiB QEMU has nowhere to load the kernel to, and nothing of it runs.
#[test]
fn a_machine_with_too_little_memory_ends_the_boot_with_what_it_has_and_what_is_needed() {
    let with = |mib: &str, smp| {
        boot(&format!("extra-args = [\"-m\", \"{mib}\"]"), smp, "tsc-sync=trusted")
    };
    with("3", 4).well();
    let text = with("4", 64).failure.expect("it has enough").report().to_string();
    let told = "the machine has 3 MiB of usable memory, this kernel needs ";
    assert!(text.contains(told) && text.contains("exit status 35"), "{text}");
    let (_, enough) = text.split_once("with QEMU by `-m ").unwrap();
    with(enough.split_once('`').unwrap().0, 64).well();
    let page = include_str!("../../../docs/engines.md");
    assert!(page.contains("With 4 CPUs the kernel needs 3 MiB of memory (`-m 3`)"));
}
