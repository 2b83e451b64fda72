//! Kicks: INIT and SIPI to one AP, to one after the other, or to all with one IPI.

use super::Trial;
use crate::apic::{self, To};
use crate::clock::{self, spend};
use crate::failure::{await_failing, end_if_failing};
use crate::stream;
use crate::trampoline::{self, send_sipi};
use crate::tsc::{cycles, tsc};
use bringup::options::{Fault, IcrLevel, InitOrder, Spend, Step};
use bringup::stamp::Stamp;
use bringup::strategy::Aps;
use bringup::{CpuIndex, Duration};

/// From the INIT that ends a trial until all APs are assumed to have processed it, per CPU.
const PARKING: Duration = Duration::Nanos(20_000);

impl Trial<'_> {
    /// Waits out what a kernel allocates and registers for each AP before its INIT.
    pub(super) fn prepare_each(&self, set: Aps<'_>) {
        let mut end = tsc();
        for ap in set {
            end += self.slot(ap).to_ap.costs.get(Step::Prepare as usize);
            self.wait_until(end);
        }
    }

    /// One INIT for all, the delay, one SIPI for all.
    pub(super) fn kick_all_at_once(&self, set: Aps<'_>) {
        let init = tsc();
        set.into_iter().for_each(|ap| self.stamp(ap, Stamp::Init, init));
        self.mark_sent(init, self.cpus.len());
        let begin = self.send_init(To::AllButSelf, init);
        self.wait_until(begin);
        self.end_init(To::AllButSelf);
        // A broadcast has one cost for all APs: other options are refused.
        let overrun = set.into_iter().next().map_or(0, |ap| self.pay_kick(begin, ap));
        let sipi = tsc();
        for ap in set {
            self.stamp(ap, Stamp::Sipi, sipi);
            self.slot(ap).to_ap.token.give(sipi);
            self.slot(ap).notes.kick_overrun.set(overrun);
        }
        self.mark_sent(sipi, self.cpus.len());
        // No fault withholds a broadcast.
        self.send_sipis(CpuIndex::BSP, To::AllButSelf);
        let end = tsc();
        for ap in set {
            self.stamp(ap, Stamp::KickEnd, end);
            self.restart_limit(ap, end);
        }
        if let Some(first) = set.into_iter().next() {
            self.note_delivery(first, To::AllButSelf);
        }
    }

    /// All INITs, the delay once, then the SIPIs; or each AP's INIT, delay and SIPI before the next one's.
    pub(super) fn kick_one_by_one(&self, set: Aps<'_>) {
        match self.options.init_order {
            InitOrder::First => self.kick_together(set),
            InitOrder::Each => set.into_iter().for_each(|ap| self.kick_together(Aps::only(ap))),
        }
    }

    /// All INITs, the delay once, then the SIPIs, each at the end of its cost.
    fn kick_together(&self, set: Aps<'_>) {
        let mut begin = 0;
        for ap in set {
            let init = tsc();
            self.stamp(ap, Stamp::Init, init);
            self.mark_sent(init, 1);
            begin = self.send_init(To::One(self.apic_id(ap)), init);
        }
        self.wait_until(begin);
        for ap in set {
            let to = To::One(self.apic_id(ap));
            self.end_init(to);
            let overrun = self.pay_kick(begin, ap);
            self.slot(ap).notes.kick_overrun.set(overrun);
            let sipi = tsc();
            self.stamp(ap, Stamp::Sipi, sipi);
            self.mark_sent(sipi, 1);
            if !self.options.faults.hit(Fault::Never, ap) {
                self.slot(ap).to_ap.token.give(sipi);
                self.send_sipis(ap, to);
            }
            let end = tsc();
            self.stamp(ap, Stamp::KickEnd, end);
            self.restart_limit(ap, end);
            self.note_delivery(ap, to);
            // The next kick's cost holds what it takes to send this one's IPIs and to look whether they were delivered.
            begin = sipi + self.gap();
        }
    }

    /// Notes whether the IPIs of a kick were delivered. Between `init` and `sipi` nobody looks.
    fn note_delivery(&self, ap: CpuIndex, to: To) {
        let delivered = apic::kicks_delivered(to, trampoline::vector(self.trampoline));
        if let (Err(why), None) = (delivered, self.not_delivered.get()) {
            self.not_delivered.set(Some((ap, why)));
        }
    }

    /// Reports the first kick whose IPIs were not delivered.
    pub(super) fn report_not_delivered(&self) {
        if let Some((ap, why)) = self.not_delivered.get() {
            stream::log(ap, format_args!("{why}: an AP that is lost may not have received it"));
        }
    }

    /// Waits until a kick's cost has passed since `from`; returns the overrun.
    fn pay_kick(&self, from: u64, ap: CpuIndex) -> u64 {
        match self.slot(ap).to_ap.costs.get(Step::Kick as usize) {
            0 => 0,
            cost => spend(from + cost, self.options.spend, |now| self.slice(now)),
        }
    }

    /// Sends the SIPIs of the planted fault `stray`: they belong to no kick.
    pub(super) fn send_strays(&self) {
        for ap in self.options.faults.of(Fault::Stray) {
            send_sipi(To::One(self.apic_id(ap)), self.trampoline, IcrLevel::Assert);
        }
    }

    /// Sends INIT to every AP, one by one, so that CPUs that take no part are left alone: the APs wait for a SIPI again.
    ///
    /// The BSP can't observe that an AP has processed its INIT, and in QEMU a pending SIPI survives INIT. So an AP that
    /// the host does not run for a long time may continue its last trial, or start late: see `bringup::start`.
    pub(super) fn park(&self) {
        if self.aps().is_empty() {
            return;
        }
        await_failing();
        let now = tsc();
        self.mark_sent(now, self.cpus.len());
        for ap in self.aps() {
            // SAFETY: the trial is over, so no CPU waits for the AP; the only lock that it may hold for good is the
            // serial port's, which `end_if_failing` does not take.
            unsafe { apic::send_init(To::One(self.apic_id(ap)), IcrLevel::Assert) };
        }
        apic::await_delivery();
        let parked = now + cycles(PARKING) * self.cpus.len() as u64;
        clock::wait_until(parked, Spend::Halt, |now| self.guarded(now));
        apic::stop_timer();
        end_if_failing();
    }

    /// The longest that the BSP may sleep now, if there is a bound.
    #[inline(always)]
    pub(super) fn slice(&self, now: u64) -> Option<u64> {
        self.guarded(now).filter(|_| self.in_flight())
    }

    /// The bound while INIT or SIPI is in flight: `icount` charges a CPU that processes one with the rest of the time
    /// slice.
    ///
    /// One IPI is processed in each slice. Once all should have been, the bound grows with time, so that an AP that
    /// is slow, or never starts, does not cost an interrupt every few µs.
    fn guarded(&self, now: u64) -> Option<u64> {
        Some(self.times.guard?.max(4 * now.saturating_sub(self.taken_at.get())))
    }

    /// True while an AP that was sent INIT may not have processed its SIPI yet.
    #[inline(always)]
    fn in_flight(&self) -> bool {
        while self.first_not_started.get() < self.kicked {
            let ap = CpuIndex(self.first_not_started.get());
            let is_kicked = self.stamp_of(ap, Stamp::Init) != 0;
            let has_started = self.slot(ap).from_ap.starts.of(self.orders.epoch) > 0;
            if is_kicked && !has_started && !self.is_lost(ap) {
                return true;
            }
            self.first_not_started.set(ap.0 + 1);
        }
        false
    }

    /// Called before INIT or SIPI is sent to so many APs.
    pub(super) fn mark_sent(&self, now: u64, aps: usize) {
        if let Some(guard) = self.times.guard {
            self.taken_at.set(self.taken_at.get().max(now) + guard * aps as u64);
            clock::set_alarm(u64::MAX, Some(guard));
        }
    }
}
