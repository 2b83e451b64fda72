//! The first frames of a boot: the kernel, the CPUs, and the plan of the command line.

use crate::apic::mode::mode;
use crate::boot::Boot;
use crate::failure::fail_for_options;
use crate::frequency::Clock;
use crate::machine::Machine;
use crate::serial::Line;
use crate::stream::send;
use bringup::frame::{Body, Cpu, Hello, MAGIC, PROTOCOL};
use bringup::options::{Part, Refusal, TscSync, TscTrust};
use bringup::plan::Plan;
use bringup::{ApicId, CpuIndex};
use raw_cpuid::CpuId;

/// The target that this kernel was built for, as the build states it.
const BUILD: &str = match option_env!("ROLLCALL_TARGET") {
    Some(target) => target,
    None => "unknown target",
};

/// Sends `Hello` and a `Cpu` for each CPU, and reads the command line.
pub fn say(boot: &Boot, machine: &Machine, clock: &Clock) -> Plan<'static> {
    let cpuid = CpuId::new();
    let vendor = cpuid.get_vendor_info();
    let brand = cpuid.get_processor_brand_string();
    let hypervisor = hypervisor_name(&cpuid);
    let power = cpuid.get_advanced_power_mgmt_info();
    let tsc_invariant = power.is_some_and(|power| power.has_invariant_tsc());
    send(Body::Hello(Hello {
        magic: MAGIC,
        protocol: PROTOCOL,
        kernel: env!("CARGO_PKG_VERSION"),
        build: BUILD,
        tsc_khz: clock.tsc_khz,
        tsc_source: clock.source,
        tsc_spread_khz: clock.spread_khz,
        tsc_invariant,
        vendor: vendor.as_ref().map_or("", |vendor| vendor.as_str()),
        model: brand.as_ref().map_or("", |brand| brand.as_str().trim()),
        hypervisor: hypervisor.text(),
        apic_mode: mode(),
        cpus: machine.census.cpus.len() as u16,
    }));
    for (index, &apic_id) in (0..).zip(machine.census.cpus) {
        send(Body::Cpu(cpu_frame(CpuIndex(index), apic_id, machine)));
    }
    machine.census.report();
    boot.memory.report();
    let plan = Plan::parse(boot.command_line, machine.census.cpus.len())
        .unwrap_or_else(|error| fail_for_options(&error));
    let trusts_cpuid = plan
        .cells()
        .any(|cell| cell.tsc_sync == TscSync::Trusted && cell.tsc_trust == TscTrust::Yes);
    if trusts_cpuid && !tsc_invariant {
        fail_for_options(&Refusal::Senseless {
            what: Part::Word("tsc-sync", TscSync::Trusted.name()),
            with: Some(Part::Word("tsc-trust", TscTrust::Yes.name())),
            why: "CPUID leaf 0x8000_0007 does not call this machine's TSC invariant",
        });
    }
    plan
}

fn cpu_frame(cpu: CpuIndex, apic_id: ApicId, machine: &Machine) -> Cpu {
    let (package, core, thread) = machine.topology.place(apic_id);
    Cpu { cpu, apic_id, package, core, thread, node: machine.node(apic_id) }
}

/// The twelve letters of leaf 0x4000_0000, without trailing zeros; empty on bare metal.
fn hypervisor_name(cpuid: &CpuId<raw_cpuid::CpuIdReaderNative>) -> Line {
    let present = cpuid.get_feature_info().is_some_and(|features| features.has_hypervisor());
    if !present {
        return Line::default();
    }
    let leaf = raw_cpuid::native_cpuid::cpuid_count(0x4000_0000, 0);
    let words = [leaf.ebx, leaf.ecx, leaf.edx].map(u32::to_le_bytes);
    let name = core::str::from_utf8(words.as_flattened()).unwrap_or("not ASCII");
    Line::of(format_args!("{}", name.trim_end_matches('\0')))
}
