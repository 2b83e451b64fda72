//! The TSC sync: which AP's clock the BSP watches, when, and for how long.
//!
//! How two clocks are compared is in `bringup::exchange`: the offset of the AP's clock is bounded by an interval
//! that is proof, however few readings it comes from. That makes one window enough for all APs. The BSP visits
//! each in turn, a few readings at a time, several times over the window; an AP sleeps while it is not
//! visited, and a dead AP blocks no other: the BSP decides whom it visits. An AP whose interval is narrow and holds
//! 0 is *clean* and goes on. A *warp* is taken off and watched for another window, alone; so is an AP of which
//! too little is known.

use super::Trial;
use crate::apic::{self, To};
use crate::slot::Slot;
use crate::tsc::tsc;
use bringup::CpuIndex;
use bringup::exchange::{MAX_WINDOWS, SyncResult, SyncVerdict};
use bringup::frame::Sync;
use bringup::handshake::Allowed;
use bringup::options::Wait;
use bringup::strategy::Aps;
use core::sync::atomic::Ordering::Relaxed;

/// Visits to an AP in one TSC window, evenly spread.
const VISITS: u64 = 3;
/// Fresh readings that the BSP wants of an AP in a visit.
const READINGS: u32 = 6;
/// Batches of `READINGS` per visit for an AP that is still uncertain.
const MAX_BATCHES: u32 = 16;

impl Trial<'_> {
    /// One AP at a time: a window, and another after each warp, which is corrected in that one.
    pub(super) fn sync_one(&self, ap: CpuIndex) {
        let Slot { to_ap, notes, .. } = self.slot(ap);
        notes.synced.set(true);
        loop {
            let begin = tsc();
            to_ap.word.allow(self.orders.epoch, Allowed::Sync);
            let end = self.watch(core::iter::once(ap), begin);
            let verdict = self.verdict(ap);
            let windows = notes.exchange.borrow().windows();
            self.wait_until(end);
            if verdict != SyncVerdict::Warp || windows >= MAX_WINDOWS {
                break;
            }
        }
        self.settle(ap);
    }

    /// All in one window; those that it does not show clean stay unsettled.
    pub(super) fn sync_all(&self, set: Aps<'_>) {
        let ready = set.into_iter().filter(|ap| !self.is_lost(*ap));
        let mut others = ready.clone();
        let Some(first) = others.next() else { return };
        // A window for all is a window for one.
        if set.is_one() || others.next().is_none() {
            return self.sync_one(first);
        }
        let begin = tsc();
        // Without a wake-up.
        for ap in ready.clone() {
            self.slot(ap).to_ap.word.allow(self.orders.epoch, Allowed::Sync);
        }
        // One IPI begins every AP's part, and one ends that of all clean ones.
        self.wake_all();
        let end = self.watch(ready.clone(), begin);
        for ap in ready.clone().filter(|ap| self.verdict(*ap) == SyncVerdict::Clean) {
            self.slot(ap).notes.settled.set(true);
            self.restart_limit(ap, end.max(tsc()));
        }
        self.wait_until(end);
        for Slot { to_ap, notes, .. } in ready.map(|ap| self.slot(ap)) {
            if notes.settled.get() {
                to_ap.word.allow(self.orders.epoch, Allowed::Finish);
            }
        }
        self.wake_all();
    }

    fn wake_all(&self) {
        if self.options.wait == Wait::Halt {
            apic::send_wake(To::AllButSelf);
        }
    }

    /// Watches the clocks of a set for one window, each AP `VISITS` times, evenly spread. Gives the window's end,
    /// which the caller is to await.
    fn watch(&self, set: impl Iterator<Item = CpuIndex> + Clone, begin: u64) -> u64 {
        let window = self.times.window(set.clone().map(|ap| self.classes[ap.at()]));
        let part = window / VISITS;
        for nth in 0..VISITS {
            // The first visit is at once: the AP waits for it.
            if nth > 0 {
                self.wait_until(begin + part * nth);
            }
            let end = begin + part * (nth + 1);
            // However short the window is, each is visited once.
            if nth > 0 && tsc() >= end {
                continue;
            }
            for ap in set.clone() {
                let slot = self.slot(ap);
                if nth == 0 {
                    open_window(slot);
                }
                if window > 0 {
                    slot.notes.due.set(slot.notes.exchange.borrow().samples() + READINGS);
                    self.visit(ap, slot);
                }
            }
            self.visit_again(end, set.clone(), |ap| self.is_due(ap) || self.is_uncertain(ap));
        }
        let late = tsc().saturating_sub(begin + window);
        let limit = begin + window.max(self.times.tsc_limit);
        let is_extended = tsc() < limit && set.clone().any(|ap| self.is_uncertain(ap));
        if is_extended {
            self.visit_again(limit, set.clone(), |ap| self.is_uncertain(ap));
        }
        let overrun = if window == 0 || is_extended { 0 } else { late };
        for Slot { from_ap, notes, .. } in set.map(|ap| self.slot(ap)) {
            notes.window_overrun.set(overrun);
            notes.exchange.borrow_mut().close(&from_ap.exchange);
        }
        begin + window
    }

    /// Visits those APs of a set that want it again, until none does or the time is over.
    fn visit_again(
        &self,
        end: u64,
        set: impl Iterator<Item = CpuIndex> + Clone,
        wants: impl Fn(CpuIndex) -> bool,
    ) {
        while set.clone().any(&wants) {
            // An AP that is slow to answer may need this core of the host to run on.
            self.wait_until(end.min(tsc() + self.times.visit_pause));
            if tsc() >= end {
                break;
            }
            set.clone().filter(|ap| wants(*ap)).for_each(|ap| self.visit(ap, self.slot(ap)));
        }
    }

    /// Exchanges a few readings with an AP; more, while its offset is uncertain.
    #[inline(always)]
    fn visit(&self, ap: CpuIndex, Slot { from_ap, to_ap, notes }: Slot) {
        let (from, to) = (&from_ap.exchange, &to_ap.exchange);
        let clock = || tsc().wrapping_sub(self.orders.zero) as i64;
        let mut side = notes.exchange.borrow_mut();
        let limit = clock() + self.times.visit_limit as i64;
        side.visit(to);
        if self.options.wait == Wait::Halt {
            apic::send_wake(To::One(self.apic_id(ap)));
        }
        for _ in 0..MAX_BATCHES {
            let now = side
                .rounds((from, to), READINGS, limit, clock, |now| self.orders.between_rounds(now));
            if now >= limit || !side.is_uncertain(from, self.times.resolution) {
                break;
            }
        }
        side.leave(to);
    }

    /// True while the AP has not shown as many readings in this part of the window as the BSP wants.
    fn is_due(&self, ap: CpuIndex) -> bool {
        let notes = self.slot(ap).notes;
        notes.exchange.borrow().samples() < notes.due.get()
    }

    fn is_uncertain(&self, ap: CpuIndex) -> bool {
        let Slot { from_ap, notes, .. } = self.slot(ap);
        notes.exchange.borrow().is_uncertain(&from_ap.exchange, self.times.resolution)
    }

    fn verdict(&self, ap: CpuIndex) -> SyncVerdict {
        let Slot { from_ap, notes, .. } = self.slot(ap);
        notes.exchange.borrow().verdict(&from_ap.exchange, self.times.resolution)
    }

    /// The AP may leave the sync.
    fn settle(&self, ap: CpuIndex) {
        self.slot(ap).notes.settled.set(true);
        self.restart_limit(ap, tsc());
        self.allow(ap, Allowed::Finish);
    }

    /// The result of the sync, where there was one.
    pub(super) fn sync_result(&self, ap: CpuIndex) -> Option<SyncResult> {
        let Slot { from_ap, notes, .. } = self.slot(ap);
        let side = notes.exchange.borrow();
        side.result(&from_ap.exchange, self.times.resolution, !self.is_lost(ap))
    }
}

/// Opens an AP's next window, right before its first visit: the APs were woken, so what the BSP does for all of
/// them before its first visit keeps all of them waiting.
#[inline(always)]
fn open_window(Slot { from_ap, to_ap, notes }: Slot) {
    let by_counter = from_ap.record.has_tsc_adjust.load(Relaxed);
    notes.exchange.borrow_mut().open(&to_ap.exchange, by_counter);
}

/// The result as the frames report it.
pub(super) fn frame_of(result: &SyncResult) -> Sync {
    let SyncResult { verdict, windows, first, correction, in_hardware, .. } = *result;
    Sync { verdict, windows: windows as u8, first, correction, in_hardware }
}
