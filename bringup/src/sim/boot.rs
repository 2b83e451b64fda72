//! A simulated boot: the frames that a kernel would send.

use super::trial::trial_in_boot;
use crate::class::Class;
use crate::frame::{
    ApicMode, Body, CellBegin, Cpu, Error, Frame, Goodbye, Hello, MAGIC, PROTOCOL, TrialBegin,
    TscSource,
};
use crate::options::OptionError;
use crate::plan::Plan;
use crate::{ApicId, CpuIndex};
use std::vec::Vec;

/// Runs a whole command line and hands out the frames that a kernel would send; an error frame where a
/// trial can't be simulated.
///
/// Each of the `cpus` CPUs is a core of one package.
pub fn boot<'a>(
    command_line: &'a str,
    cpus: usize,
    tsc_khz: u64,
    send: impl FnMut(&Frame<'_>),
) -> Result<(), OptionError<'a>> {
    let places: Vec<(u32, u32)> = (0..cpus as u32).map(|cpu| (0, cpu)).collect();
    boot_on(command_line, &places, tsc_khz, send)
}

/// The same on a machine whose CPUs are at these places, each a package and a core in it, the BSP's first.
pub fn boot_on<'a>(
    command_line: &'a str,
    places: &[(u32, u32)],
    tsc_khz: u64,
    mut send: impl FnMut(&Frame<'_>),
) -> Result<(), OptionError<'a>> {
    let cpus = places.len();
    let before = |at: usize| places[..at].iter().copied();
    let classes: Vec<Class> = (0..cpus).map(|at| Class::of(places[at], before(at))).collect();
    let plan = Plan::parse(command_line, cpus)?;
    let mut number = 0;
    let mut send = |body: Body<'_>| {
        send(&Frame { number, body });
        number += 1;
        number
    };
    send(Body::Hello(hello(cpus as u16, tsc_khz)));
    for (at, place) in places.iter().enumerate() {
        let thread = before(at).filter(|other| other == place).count() as u32;
        send(Body::Cpu(cpu(at as u16, *place, thread)));
    }
    let mut frames = 0;
    let mut sipis = vec![0; cpus];
    // Where SIPIs are dropped, a trial depends on those before; otherwise it is like any other of its cell.
    let each_differs = plan.cells().any(|options| options.faults.drops_any());
    for (cell, options) in (0..).zip(plan.cells()) {
        frames = send(Body::CellBegin(CellBegin { cell, options: &options.to_string() }));
        let mut simulate = || trial_in_boot(&options, &classes, tsc_khz, &mut sipis);
        let mut trial = simulate();
        // The boot's first trial is the cold one.
        let first = u32::from(cell > 0);
        for number in first..=options.repetitions {
            if each_differs && number > first {
                trial = simulate();
            }
            let (end, aps) = match &trial {
                Ok(trial) => trial,
                Err(error) => {
                    send(Body::Error(Error::Options { message: &error.to_string() }));
                    return Ok(());
                }
            };
            let cold = number == 0;
            send(Body::TrialBegin(TrialBegin { cell, trial: number, cold, zero: 0 }));
            aps.iter().for_each(|ap| _ = send(Body::ApTimeline(*ap)));
            frames = send(Body::TrialEnd(*end));
        }
    }
    send(Body::Goodbye(Goodbye { frames, stamps_dropped: 0 }));
    Ok(())
}

fn hello(cpus: u16, tsc_khz: u64) -> Hello<'static> {
    Hello {
        magic: MAGIC,
        protocol: PROTOCOL,
        kernel: env!("CARGO_PKG_VERSION"),
        build: "simulator",
        tsc_khz,
        tsc_source: TscSource::Cpuid,
        tsc_spread_khz: 0,
        tsc_invariant: true,
        vendor: "Rollcall",
        model: "arithmetic clocks",
        hypervisor: "sim",
        apic_mode: ApicMode::Xapic,
        cpus,
    }
}

fn cpu(cpu: u16, (package, core): (u32, u32), thread: u32) -> Cpu {
    let apic_id = ApicId(cpu.into());
    Cpu { cpu: CpuIndex(cpu), apic_id, package, core, thread, node: None }
}
