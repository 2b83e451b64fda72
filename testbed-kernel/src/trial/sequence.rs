//! Wake sequences: the IPIs of a kick, to one AP or to all by a shorthand, as `bringup::options::WakeSequence` names
//! them. When they are sent is the kick's affair.

use super::Trial;
use crate::apic::{self, To};
use crate::trampoline::send_sipi;
use crate::tsc::tsc;
use bringup::CpuIndex;
use bringup::handshake::Reached;
use bringup::options::{Fault, ParkedBy};
use bringup::stamp::Stamp;
use bringup::strategy::Aps;

impl Trial<'_> {
    /// Puts the APs into wait-for-SIPI before the boot's first trial, where its sequence does not.
    pub(super) fn park_first(&self) {
        if !self.options.wake_sequence.has_init() && self.options.parked_by == ParkedBy::Init {
            self.park();
        }
    }

    /// The first IPI; returns when the SIPI is due, which follows `init-delay` after it was begun to be sent.
    pub(super) fn send_init(&self, to: To, now: u64) -> u64 {
        if !self.options.wake_sequence.has_init() {
            return now;
        }
        // SAFETY: each AP waits for its SIPI, or ended its last trial; `kick=broadcast` states that no other CPU of the
        // machine runs.
        unsafe { apic::send_init(to, self.options.icr_level) };
        now + self.times.init_delay
    }

    /// What stands between the delay and the SIPI.
    pub(super) fn end_init(&self, to: To) {
        if self.options.wake_sequence.has_deassert() {
            apic::send_init_deassert(to);
        }
    }

    /// The SIPIs to an AP, or to all.
    pub(super) fn send_sipis(&self, ap: CpuIndex, to: To) {
        self.send_one_sipi(ap, to);
        if self.options.faults.hit(Fault::InitAfterSipi, ap) {
            // SAFETY: the AP is to stop wherever it is, on purpose; whoever waits for it has a limit.
            unsafe { apic::send_init(to, self.options.icr_level) };
        }
        if self.options.wake_sequence.has_second_sipi() {
            self.wait_until(tsc() + self.times.sipi_gap);
            self.send_one_sipi(ap, to);
        }
    }

    /// A SIPI, unless a planted fault drops it.
    fn send_one_sipi(&self, ap: CpuIndex, to: To) {
        let number = &self.slot(ap).notes.sipis;
        number.set(number.get() + 1);
        if !self.options.faults.drops(ap, number.get()) {
            send_sipi(to, self.trampoline, self.options.icr_level);
        }
    }

    /// How long the BSP was to wait between its SIPIs to one AP.
    pub(super) fn gap(&self) -> u64 {
        if self.options.wake_sequence.has_second_sipi() { self.times.sipi_gap } else { 0 }
    }

    /// A second SIPI to each AP of the set that is not alive `sipi-gap` after its first.
    pub(super) fn repeat_late(&self, set: Aps<'_>) {
        if !self.options.wake_sequence.repeats_late() {
            return;
        }
        for ap in set {
            let late = self.stamp_of(ap, Stamp::Sipi) + self.times.sipi_gap;
            while !self.has_reached(ap, Reached::Alive) {
                let now = tsc();
                if now < late {
                    self.await_news(now, late);
                    continue;
                }
                if !self.options.faults.hit(Fault::Never, ap) {
                    self.mark_sent(now, 1);
                    self.send_one_sipi(ap, To::One(self.apic_id(ap)));
                }
                break;
            }
        }
    }
}
