//! Which IPIs wake the APs of a cell, for its frame, and whether this machine has them.

use crate::apic::{self, Icr, To};
use crate::failure::fail_for_options;
use crate::trampoline::vector;
use bringup::ApicId;
use bringup::frame::{ApicMode, WakeIpis};
use bringup::options::{Kick, Options, Part, Refusal};
use bringup::plan::Plan;

/// Ends the boot where a sequence of the plan does not exist in this machine's APIC mode.
pub(super) fn check(plan: &Plan<'_>) {
    let deasserts = |options: &Options| options.wake_sequence.has_deassert();
    if let (ApicMode::X2apic, Some(options)) = (apic::mode::mode(), plan.cells().find(deasserts)) {
        fail_for_options(&Refusal::Senseless {
            what: Part::Word("wake-sequence", options.wake_sequence.name()),
            with: None,
            why: "INIT level de-assert does not exist in x2APIC mode",
        });
    }
}

/// The IPIs by which a cell's APs are woken; as they differ only in their destinations, those to CPU 0 stand for them.
pub(super) fn of(cell: u16, options: &Options, trampoline: u64) -> WakeIpis {
    let sequence = options.wake_sequence;
    let to = match options.kick {
        Kick::Unicast => To::One(ApicId(0)),
        Kick::Broadcast => To::AllButSelf,
    };
    let sipi = |to| Icr::startup(to, vector(trampoline)).with(options.icr_level).low();
    let second = match (sequence.has_second_sipi(), sequence.repeats_late()) {
        (true, _) => Some(sipi(to)),
        (_, true) => Some(sipi(To::One(ApicId(0)))),
        _ => None,
    };
    let icr = [
        sequence.has_init().then(|| Icr::init(to).with(options.icr_level).low()),
        sequence.has_deassert().then(|| Icr::init_deassert(to).low()),
        Some(sipi(to)),
        second,
    ];
    WakeIpis { cell, icr }
}
