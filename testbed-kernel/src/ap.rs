//! An AP's path: entry → alive → gate → callin → turn → sync → online.
//!
//! Every AP walks it alike; a strategy only decides when the gates on it open.

use crate::apic::{self, To};
use crate::callin;
use crate::clock::{self, spend};
use crate::queue;
use crate::slot::{Down, Orders, Shared, Up, admit, shared, sync_epoch};
use crate::tsc::{serialise_lfence, tsc};
use crate::{cpu, exit, traps};
use bringup::CpuIndex;
use bringup::offset::Exchange;
use bringup::options::{StampSet, Step, TscSync, Wait};
use bringup::stamp::Stamp;
use bringup::sync::{Allowed, Reached, answer};
use core::sync::atomic::Ordering;

/// Called by `trampoline.s` on the AP's own stack, with the TSC that it read first.
pub extern "C" fn main(cpu: u16, entry: u64) -> ! {
    let cpu = CpuIndex(cpu);
    // SAFETY: the trampoline has found the index by this CPU's APIC ID, and the BSP has filled the IDT.
    unsafe {
        cpu::set_up(cpu);
        traps::load();
    }
    // Before its first stamp but `entry`, which no LFENCE fences.
    serialise_lfence();
    apic::set_up();
    let Shared { up, down } = shared(cpu);
    if let Some((orders, sipi)) = admit(down) {
        let ap = Ap { cpu, orders, up, down };
        if ap.starts_once() {
            ap.arrive(entry, sipi);
            ap.await_gate(Allowed::Callin);
            ap.call_in();
            ap.sync_tsc();
            ap.come_online();
        }
    } else {
        // It was started by a SIPI of a trial that is over, or in which it was given up.
        up.late_starts.store(up.late_starts.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    exit::halt_for_good()
}

struct Ap {
    cpu: CpuIndex,
    orders: Orders,
    up: &'static Up,
    down: &'static Down,
}

impl Ap {
    /// Counts the start; false for a second one in the same trial, which must not overwrite what
    /// the first has written.
    fn starts_once(&self) -> bool {
        let first = self.up.starts.of(self.orders.epoch) == 0;
        if first {
            self.up.clear();
        }
        self.up.starts.count(self.orders.epoch);
        first
    }

    /// `entry` and `alive`. With a cost of `wake`, `entry` is at its deadline after the SIPI.
    fn arrive(&self, entry_raw: u64, sipi: u64) {
        let wake = self.down.costs.get(Step::Wake as usize);
        let mut entry = entry_raw;
        if wake > 0 {
            let deadline = sipi + wake;
            self.up.log.entry_raw.store(entry_raw, Ordering::Relaxed);
            self.up.log.overruns.set(Step::Wake as usize, entry_raw.saturating_sub(deadline));
            entry = entry_raw.max(deadline);
            clock::wait_until(entry, self.orders.spend, |_| None);
        }
        if self.takes(Stamp::Entry) {
            self.up.log.stamps.set(Stamp::Entry as usize, entry);
        }
        self.pay(Step::Trampoline, self.deadline(Step::Trampoline, entry));
        self.stamp(Stamp::Alive);
        self.tell(Reached::Alive);
    }

    /// `callin_begin` and `callin_end`.
    fn call_in(&self) {
        let begin = self.stamp(Stamp::CallinBegin);
        let deadline = self.deadline(Step::Callin, begin);
        callin::set_up(self.cpu, self.down.faults.load(Ordering::Relaxed));
        self.note_tsc_adjust();
        self.pay(Step::Callin, deadline);
        self.stamp(Stamp::CallinEnd);
        self.tell(Reached::Callin);
    }

    fn note_tsc_adjust(&self) {
        if let Some(adjust) = clock::tsc_adjust() {
            self.up.log.tsc_adjust.store(adjust, Ordering::Relaxed);
            self.up.log.has_tsc_adjust.store(true, Ordering::Relaxed);
        }
    }

    /// `sync_begin` and `sync_end`.
    fn sync_tsc(&self) {
        match self.orders.tsc_sync {
            TscSync::Trusted => {
                self.stamp(Stamp::SyncBegin);
            }
            TscSync::Pairwise | TscSync::OneToMany => {
                self.await_gate(Allowed::Sync);
                self.stamp(Stamp::SyncBegin);
                self.show_clock();
            }
        }
        self.stamp(Stamp::SyncEnd);
    }

    /// Exchanges readings while the BSP does, window after window, until it may go on.
    fn show_clock(&self) {
        let Ap { orders, up, down, .. } = self;
        let (mut window, mut shift) = (0, 0);
        let mut exchange = Exchange::begin(orders.epoch);
        while down.word.allowed(orders.epoch) < Allowed::Finish {
            let visit = down.visit.load(Ordering::Acquire);
            if visit == 0 {
                self.rest();
                continue;
            }
            if visit != window {
                window = visit;
                exchange = Exchange::begin(sync_epoch(orders.epoch, window));
                up.lag.clear();
                shift = down.adjustment.load(Ordering::Relaxed);
                self.move_clock(down.move_by.load(Ordering::Relaxed));
            }
            let clock = || tsc().wrapping_sub(orders.zero) as i64 + shift;
            while down.visit.load(Ordering::Relaxed) == visit {
                let now = exchange.round(&down.clock, &up.clock, clock);
                up.lag.put(exchange.lag());
                orders.between_rounds(now);
            }
        }
    }

    /// Moves this CPU's counter, and the stamps that were read from it with it.
    fn move_clock(&self, by: i64) {
        if by != 0 {
            // SAFETY: the BSP asks for this only where the callin has found the register; the stamps are moved
            // along, and the next step's end is counted from one of them.
            unsafe { clock::move_tsc(by) };
            self.up.log.move_stamps(by);
        }
    }

    /// `online`: takes the BSP's job.
    fn come_online(&self) {
        let begin = self.up.log.stamps.get(Stamp::SyncEnd as usize);
        self.pay(Step::Online, self.deadline(Step::Online, begin));
        self.stamp(Stamp::Online);
        self.up.answer.store(answer(self.down.job.load(Ordering::Relaxed)), Ordering::Relaxed);
        self.tell(Reached::Online);
    }

    /// Takes a stamp; 0 where it is not to be taken.
    fn stamp(&self, stamp: Stamp) -> u64 {
        if !self.takes(stamp) {
            return 0;
        }
        let now = tsc();
        self.up.log.stamps.set(stamp as usize, now);
        now
    }

    fn takes(&self, stamp: Stamp) -> bool {
        self.orders.stamps == StampSet::All || stamp == Stamp::Online
    }

    /// When a step that begins at `begin` ends at the earliest; `None` where it has no cost. Where
    /// one CPU at a time may be in it, this is where it queues.
    fn deadline(&self, step: Step, begin: u64) -> Option<u64> {
        let cost = Some(self.down.costs.get(step as usize)).filter(|cost| *cost > 0)?;
        let exclusive = self.down.exclusive.load(Ordering::Relaxed) & 1 << step as u8 != 0;
        Some(if exclusive { queue::enter(step, begin, cost) } else { begin + cost })
    }

    /// Ends a step at its deadline.
    fn pay(&self, step: Step, deadline: Option<u64>) {
        if let Some(deadline) = deadline {
            let overrun = spend(deadline, self.orders.spend, |_| None);
            self.up.log.overruns.set(step as usize, overrun);
        }
    }

    /// Lets the BSP know.
    fn tell(&self, reached: Reached) {
        self.up.word.reach(self.orders.epoch, reached);
        if self.orders.wait == Wait::Halt {
            apic::send_wake(To::One(self.orders.bsp));
        }
    }

    fn await_gate(&self, gate: Allowed) {
        while self.down.word.allowed(self.orders.epoch) < gate {
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
