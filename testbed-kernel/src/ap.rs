//! An AP's path: entry → alive → gate → callin → turn → sync → online.
//!
//! Every AP walks it alike; a strategy only decides when the gates on it open.

use crate::apic::{self, To};
use crate::callin;
use crate::clock::{self, spend};
use crate::orders::{self, TrialOrders};
use crate::queue;
use crate::slot::{FromAp, Shared, ToAp, shared};
use crate::trial::is_switching;
use crate::tsc::{serialise_lfence, tsc};
use crate::{cpu, exit, traps};
use bringup::CpuIndex;
use bringup::exchange::{ApSide, Next};
use bringup::handshake::{Allowed, Reached, answer};
use bringup::options::{MicrocodeAt, StampSet, Step, TscSync, Wait};
use bringup::stamp::Stamp;
use core::sync::atomic::Ordering;

/// Called by `trampoline.s` on the AP's own stack, with the TSC that it read first.
pub extern "C" fn main(cpu: u16, entry: u64) -> ! {
    let cpu = CpuIndex(cpu);
    // SAFETY: the trampoline has found the index by this CPU's APIC ID, and the BSP has filled the IDT.
    unsafe {
        cpu::set_up(cpu);
        traps::load();
    }
    // Before the AP's first fenced stamp; the trampoline reads `entry` without an LFENCE.
    serialise_lfence();
    apic::set_up();
    let Shared { from_ap, to_ap } = shared(cpu);
    if let Some((orders, sipi)) = orders::admit(&to_ap.token) {
        let ap = Ap { cpu, orders, from_ap, to_ap };
        if let Some(moved) = ap.start() {
            ap.arrive(entry.wrapping_add_signed(moved), sipi);
            ap.await_gate(Allowed::Callin);
            ap.call_in();
            ap.sync_tsc();
            ap.come_online();
            ap.put_tsc_back();
        }
    } else if is_switching() {
        from_ap.switched.store(true, Ordering::Release);
    } else {
        // It was started by a SIPI of a trial that is over, or in which it was given up.
        from_ap
            .late_starts
            .store(from_ap.late_starts.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    exit::halt_for_good()
}

struct Ap {
    cpu: CpuIndex,
    orders: TrialOrders,
    from_ap: &'static FromAp,
    to_ap: &'static ToAp,
}

impl Ap {
    /// Counts the start. The first one in a trial forgets the trial before, and gives by how much the counter was
    /// moved for that, in cycles; a second one must not overwrite what the first has written.
    fn start(&self) -> Option<i64> {
        let is_first = self.from_ap.starts.of(self.orders.epoch) == 0;
        let moved = is_first.then(|| {
            // It was lost in the trial before, or sent INIT there as soon as it was online.
            let moved = self.put_tsc_back()
                + callin::plant_adjustment(self.to_ap.faults.load(Ordering::Relaxed));
            self.from_ap.clear();
            moved
        });
        self.from_ap.starts.count(self.orders.epoch);
        moved
    }

    /// `entry` and `alive`. With a cost of `wake`, `entry` is at its deadline after the SIPI.
    fn arrive(&self, entry_raw: u64, sipi: u64) {
        let wake = self.to_ap.costs.get(Step::Wake as usize);
        let mut entry = entry_raw;
        if wake > 0 {
            let deadline = sipi + wake;
            self.from_ap.record.entry_raw.store(entry_raw, Ordering::Relaxed);
            self.from_ap
                .record
                .overruns
                .set(Step::Wake as usize, entry_raw.saturating_sub(deadline));
            entry = entry_raw.max(deadline);
            clock::wait_until(entry, self.orders.spend, |_| None);
        }
        if self.is_enabled(Stamp::Entry) {
            self.from_ap.record.stamps.set(Stamp::Entry as usize, entry);
        }
        let deadline = self.deadline(Step::Trampoline, entry);
        self.pay(Step::Trampoline, deadline);
        self.load_microcode(MicrocodeAt::Alive, deadline.unwrap_or(entry));
        self.stamp(Stamp::Alive);
        self.report(Reached::Alive);
    }

    /// `callin_begin` and `callin_end`.
    fn call_in(&self) {
        let begin = self.stamp(Stamp::CallinBegin);
        let begin = self.load_microcode(MicrocodeAt::Callin, begin);
        let deadline = self.deadline(Step::Callin, begin);
        let difference = callin::set_up(self.cpu, self.to_ap.faults.load(Ordering::Relaxed));
        if let Some(difference) = difference {
            self.from_ap.record.differ(difference);
        }
        self.note_tsc_adjust();
        self.pay(Step::Callin, deadline);
        self.stamp(Stamp::CallinEnd);
        self.report(Reached::Callin);
    }

    fn note_tsc_adjust(&self) {
        if let Some(adjust) = clock::tsc_adjust() {
            self.from_ap.record.tsc_adjust.store(adjust, Ordering::Relaxed);
            self.from_ap.record.has_tsc_adjust.store(true, Ordering::Relaxed);
        }
    }

    /// `sync_begin` and `sync_end`.
    fn sync_tsc(&self) {
        match self.orders.tsc_sync {
            TscSync::Trusted => {
                let begin = self.stamp(Stamp::SyncBegin);
                self.wait_out(Step::Sync, begin);
            }
            TscSync::Pairwise | TscSync::OneToMany => {
                self.await_gate(Allowed::Sync);
                self.stamp(Stamp::SyncBegin);
                self.exchange_readings();
            }
        }
        self.stamp(Stamp::SyncEnd);
    }

    /// Exchanges readings while the BSP does, window after window, until it may go on.
    fn exchange_readings(&self) {
        let Ap { orders, from_ap, to_ap, .. } = self;
        let mut side = ApSide::begin(orders.epoch, &from_ap.exchange, &to_ap.exchange);
        while to_ap.word.allowed(orders.epoch) < Allowed::Finish {
            match side.poll() {
                Next::Rest => self.rest(),
                Next::Move(by) => {
                    self.move_tsc(by);
                    side.moved(by);
                }
                Next::Exchange => {
                    while side.is_visited() {
                        let now = side.round(|| tsc().wrapping_sub(orders.zero) as i64);
                        orders.between_rounds(now);
                    }
                }
            }
        }
    }

    /// Moves this CPU's counter, and the stamps that were read from it with it.
    #[cold]
    fn move_tsc(&self, by: i64) {
        let record = &self.from_ap.record;
        record.is_tsc_moved.store(true, Ordering::Relaxed);
        // SAFETY: the BSP asks for this only where the callin has found the register; the stamps are moved
        // along, the next step's end is counted from one of them, and the exchange takes its next reading after this.
        unsafe { clock::move_tsc(by) };
        record.move_stamps(by);
    }

    /// Puts `IA32_TSC_ADJUST` back to what the callin found, if the sync has moved the counter: INIT does not,
    /// and trials are to be alike. Gives by how much the counter is moved back, in cycles.
    fn put_tsc_back(&self) -> i64 {
        // SAFETY: the counter was moved, so the callin has found the register. This runs before the AP's first
        // step, with `entry` moved along, or after its last.
        self.from_ap.record.put_tsc_back(|found| unsafe { clock::set_tsc_adjust(found) })
    }

    /// `online`: takes the BSP's job.
    fn come_online(&self) {
        let begin = self.from_ap.record.stamps.get(Stamp::SyncEnd as usize);
        self.pay(Step::Online, self.deadline(Step::Online, begin));
        self.stamp(Stamp::Online);
        self.from_ap
            .answer
            .store(answer(self.to_ap.job.load(Ordering::Relaxed)), Ordering::Relaxed);
        self.report(Reached::Online);
    }

    /// Takes a stamp; 0 where it is not to be taken.
    fn stamp(&self, stamp: Stamp) -> u64 {
        if !self.is_enabled(stamp) {
            return 0;
        }
        let now = tsc();
        self.from_ap.record.stamps.set(stamp as usize, now);
        now
    }

    fn is_enabled(&self, stamp: Stamp) -> bool {
        self.orders.stamps == StampSet::All || stamp == Stamp::Online
    }

    /// When a step that begins at `begin` ends at the earliest; `None` where it has no cost. Where
    /// one CPU at a time may be in it, this is where it queues.
    fn deadline(&self, step: Step, begin: u64) -> Option<u64> {
        let cost = Some(self.to_ap.costs.get(step as usize)).filter(|cost| *cost > 0)?;
        let exclusive = self.to_ap.exclusive.load(Ordering::Relaxed) & 1 << step as u8 != 0;
        Some(if exclusive { queue::enter(step, begin, cost) } else { begin + cost })
    }

    /// Ends a step at its deadline.
    fn pay(&self, step: Step, deadline: Option<u64>) {
        if let Some(deadline) = deadline {
            let overrun = spend(deadline, self.orders.spend, |_| None);
            self.from_ap.record.overruns.set(step as usize, overrun);
        }
    }

    /// Loads microcode, if this is where it is loaded: waits out its cost, and returns its end.
    fn load_microcode(&self, at: MicrocodeAt, begin: u64) -> u64 {
        if self.orders.microcode_at == at { self.wait_out(Step::Microcode, begin) } else { begin }
    }

    /// A step in which the kernel does no work of its own. Returns its end.
    fn wait_out(&self, step: Step, begin: u64) -> u64 {
        let Some(deadline) = self.deadline(step, begin) else { return begin };
        clock::wait_until(deadline, self.orders.spend, |_| None);
        deadline
    }

    /// Reports a step to the BSP.
    fn report(&self, reached: Reached) {
        self.from_ap.word.reach(self.orders.epoch, reached);
        if self.orders.wait == Wait::Halt {
            apic::send_wake(To::One(self.orders.bsp));
        }
    }

    fn await_gate(&self, gate: Allowed) {
        while self.to_ap.word.allowed(self.orders.epoch) < gate {
            self.rest();
        }
    }

    /// Until the BSP may have news. It alone has limits: an AP that waits in vain is sent INIT.
    fn rest(&self) {
        match self.orders.wait {
            Wait::Halt => clock::halt(),
            Wait::Spin => core::hint::spin_loop(),
        }
    }
}
