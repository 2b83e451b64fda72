//! A simulated boot: the frames that a kernel would send.

use super::trial::trial;
use crate::frame::{
    ApicMode, Body, CellBegin, Cpu, Error, Frame, Goodbye, Hello, MAGIC, PROTOCOL, TrialBegin,
    TscSource,
};
use crate::options::OptionError;
use crate::plan::Plan;
use crate::{ApicId, CpuIndex};

/// Runs a whole command line and hands out the frames that a kernel would send; an error frame where a
/// trial can't be simulated.
pub fn boot<'a>(
    command_line: &'a str,
    cpus: usize,
    tsc_khz: u64,
    mut send: impl FnMut(&Frame<'_>),
) -> Result<(), OptionError<'a>> {
    let plan = Plan::parse(command_line, cpus)?;
    let mut number = 0;
    let mut send = |body: Body<'_>| {
        send(&Frame { number, body });
        number += 1;
        number
    };
    send(Body::Hello(hello(cpus as u16, tsc_khz)));
    for cpu in 0..cpus as u16 {
        send(Body::Cpu(a_core_of_one_package(cpu)));
    }
    let mut frames = 0;
    for (cell, options) in (0..).zip(plan.cells()) {
        frames = send(Body::CellBegin(CellBegin { cell, options: &options.to_string() }));
        let (end, aps) = match trial(&options, cpus, tsc_khz) {
            Ok(trial) => trial,
            Err(error) => {
                send(Body::Error(Error::Options { message: &error.to_string() }));
                return Ok(());
            }
        };
        // The boot's first trial is the cold one; a simulated trial is like any other.
        for number in u32::from(cell > 0)..=options.repetitions {
            let cold = number == 0;
            send(Body::TrialBegin(TrialBegin { cell, trial: number, cold, zero: 0 }));
            aps.iter().for_each(|ap| _ = send(Body::ApTimeline(*ap)));
            frames = send(Body::TrialEnd(end));
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

fn a_core_of_one_package(cpu: u16) -> Cpu {
    let place = u32::from(cpu);
    Cpu {
        cpu: CpuIndex(cpu),
        apic_id: ApicId(place),
        package: 0,
        core: place,
        thread: 0,
        node: None,
    }
}
