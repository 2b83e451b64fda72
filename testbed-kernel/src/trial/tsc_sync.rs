//! The TSC sync: how far is an AP's clock from the BSP's?
//!
//! The question is answered with an interval, not with a count of warps: both sides publish readings of
//! their clocks and look how far behind the other's are (`bringup::offset`), and whatever delays
//! them in between widens the interval and never falsifies it. So an interval is proof, however
//! few readings it comes from.
//!
//! That makes one window enough for all APs. The BSP visits each in turn, a few readings at a
//! time, several times over the window; an AP sleeps while it is not visited, and a dead one blocks
//! nobody, for the BSP gives the turns. An AP whose interval is narrow and holds 0 is *clean*
//! and goes on. A *warp* is taken off and watched for another window, alone; so is an AP of which too
//! little is known.

use super::Trial;
use crate::apic::{self, To};
use crate::slot::{MAX_WINDOWS, Slot, sync_epoch};
use crate::tsc::tsc;
use bringup::frame::Sync;
use bringup::offset::{Exchange, OffsetInterval, Verdict};
use bringup::options::Wait;
use bringup::strategy::Aps;
use bringup::sync::Allowed;
use bringup::{CpuIndex, Duration};
use core::sync::atomic::Ordering::{Relaxed, Release};

/// Visits to an AP in one TSC window, evenly spread.
const VISITS: u64 = 3;
/// Fresh readings that the BSP wants of an AP in a visit.
const READINGS: u32 = 6;
/// How many times as many it takes of an AP that is not known closely enough.
const GOES: u32 = 16;
/// How long a visit takes at most.
pub(super) const LOOK: Duration = Duration::Nanos(200_000);
/// How long the BSP rests before it visits again.
pub(super) const REST: Duration = Duration::Nanos(100_000);

impl Trial<'_> {
    /// One AP at a time: a window, and another after each warp that was corrected.
    pub(super) fn sync_one(&self, ap: CpuIndex) {
        let Slot { down, book, .. } = self.slot(ap);
        book.synced.set(true);
        loop {
            down.move_by.store(0, Relaxed);
            if self.verdict(ap) == Verdict::Warp {
                self.correct(ap);
            }
            let begin = tsc();
            self.open_window(core::iter::once(ap));
            let end = self.watch(core::iter::once(ap), begin);
            self.wait_until(end);
            if self.verdict(ap) != Verdict::Warp || book.window.get() >= MAX_WINDOWS {
                break;
            }
        }
        self.settle(ap);
    }

    /// All in one window; those that it does not show clean stay unsettled.
    pub(super) fn sync_all(&self, set: Aps) {
        let ready = set.into_iter().filter(|ap| !self.is_lost(*ap));
        let mut first_two = ready.clone();
        match (first_two.next(), first_two.next()) {
            (None, _) => return,
            // A window for all is a window for one.
            (Some(ap), None) => return self.sync_one(ap),
            _ => {}
        }
        let begin = tsc();
        self.open_window(ready.clone());
        // One message begins every AP's part, and one ends that of all clean ones.
        self.wake_all();
        let end = self.watch(ready.clone(), begin);
        let clean = ready.filter(|ap| self.verdict(*ap) == Verdict::Clean);
        for ap in clean.clone() {
            self.slot(ap).book.settled.set(true);
            self.grant(ap, end.max(tsc()));
        }
        self.wait_until(end);
        for ap in clean {
            self.slot(ap).down.word.allow(self.orders.epoch, Allowed::Finish);
        }
        self.wake_all();
    }

    fn wake_all(&self) {
        if self.options.wait == Wait::Halt {
            apic::send_wake(To::AllButSelf);
        }
    }

    /// Lets a set into the sync, or into its next window.
    fn open_window(&self, set: impl Iterator<Item = CpuIndex>) {
        for ap in set {
            let Slot { down, book, .. } = self.slot(ap);
            let nth = book.window.get() + 1;
            book.window.set(nth);
            book.exchange.set(Exchange::begin(sync_epoch(self.orders.epoch, nth)));
            down.word.allow(self.orders.epoch, Allowed::Sync);
        }
    }

    /// Watches the clocks of a set for one window, each AP `VISITS` times, evenly spread; leaves
    /// what was seen in the book. Gives the window's end, which the caller is to await.
    fn watch(&self, set: impl Iterator<Item = CpuIndex> + Clone, begin: u64) -> u64 {
        let window = self.times.window;
        let moment = |visit: u64| begin + window / VISITS * visit;
        for visit in 0..VISITS {
            self.wait_until(moment(visit));
            for Slot { book, .. } in set.clone().map(|ap| self.slot(ap)) {
                book.due.set(book.exchange.get().lag().samples + READINGS);
            }
            let wants = |ap: &CpuIndex| {
                let book = self.slot(*ap).book;
                book.exchange.get().lag().samples < book.due.get() || self.is_vague(*ap)
            };
            // However short the window is, each is visited once.
            let end = moment(visit + 1);
            if window > 0 && (visit == 0 || tsc() < end) {
                self.visit_until(end, set.clone(), wants);
            }
        }
        let late = tsc().saturating_sub(begin + window);
        let limit = begin + self.times.longest_window;
        let vague = |ap: &CpuIndex| self.is_vague(*ap);
        let extended = tsc() < limit && set.clone().any(|ap| vague(&ap));
        if extended {
            self.visit_until(limit, set.clone(), vague);
        }
        let overrun = if window == 0 || extended { 0 } else { late };
        for ap in set {
            let book = self.slot(ap).book;
            book.window_overrun.set(overrun);
            let seen = self.seen(ap);
            book.seen.set(seen);
            if book.window.get() == 1 {
                book.first_seen.set(seen);
            }
            if let Some(seen) = seen {
                let both = book.known.get().and_then(|known| seen.within(&known));
                book.known.set(both.or(Some(seen)));
            }
        }
        begin + window
    }

    /// Visits those APs of a set that want it, again and again until none does or the time is over.
    fn visit_until(
        &self,
        end: u64,
        set: impl Iterator<Item = CpuIndex> + Clone,
        wants: impl Fn(&CpuIndex) -> bool,
    ) {
        loop {
            let mut more = false;
            for ap in set.clone().filter(&wants) {
                self.visit(ap);
                more |= wants(&ap);
            }
            if !more {
                break;
            }
            // An AP that is slow to answer may need this core of the host to run on.
            self.wait_until(end.min(tsc() + self.times.rest));
            if tsc() >= end {
                break;
            }
        }
    }

    /// What is known of an AP's clock in this window so far.
    fn seen(&self, ap: CpuIndex) -> Option<OffsetInterval> {
        let Slot { up, book, .. } = self.slot(ap);
        // The BSP's first: without a reading of the AP's in this window, the AP's lag may be of an earlier one.
        let bsp_lag = book.exchange.get().lag();
        OffsetInterval::new(bsp_lag, up.lag.get())
    }

    /// Exchanges a few readings with an AP; more, where they don't tell enough.
    fn visit(&self, ap: CpuIndex) {
        let Slot { up, down, book } = self.slot(ap);
        let clock = || tsc().wrapping_sub(self.orders.zero) as i64;
        let limit = clock() + self.times.look as i64;
        down.visit.store(book.window.get(), Release);
        self.wake(ap);
        for _ in 0..GOES {
            let mut exchange = book.exchange.get();
            let enough = exchange.lag().samples + READINGS;
            let mut now = exchange.round(&up.clock, &down.clock, clock);
            while exchange.lag().samples < enough && now < limit {
                self.orders.between_rounds(now);
                now = exchange.round(&up.clock, &down.clock, clock);
            }
            book.exchange.set(exchange);
            if now >= limit || !self.is_vague(ap) {
                break;
            }
        }
        down.visit.store(0, Release);
    }

    /// False once the AP's offset is known closely enough, be it 0 or not.
    fn is_vague(&self, ap: CpuIndex) -> bool {
        let resolution = self.times.resolution as i64;
        self.seen(ap).is_none_or(|seen| seen.width() > resolution)
    }

    fn verdict_of(&self, seen: Option<OffsetInterval>) -> Verdict {
        seen.map_or(Verdict::Unresolved, |seen| seen.verdict(self.times.resolution))
    }

    fn verdict(&self, ap: CpuIndex) -> Verdict {
        self.verdict_of(self.slot(ap).book.seen.get())
    }

    /// Takes a warp off the AP's clock, by the middle of what all windows allow: off the counter where it
    /// can be moved, else off what the sync reads of it. A skew that was planted is not in the counter.
    fn correct(&self, ap: CpuIndex) {
        let Slot { up, down, book } = self.slot(ap);
        let Some(known) = book.known.get() else { return };
        let correction = known.correction();
        book.known.set(Some(known.shifted(-correction)));
        if up.log.has_tsc_adjust.load(Relaxed) && self.options.skews.of(ap) == 0 {
            down.move_by.store(-correction, Relaxed);
            book.moved_by.set(book.moved_by.get() - correction);
        } else {
            down.adjustment.store(down.adjustment.load(Relaxed) - correction, Relaxed);
        }
    }

    /// The AP may leave the sync.
    fn settle(&self, ap: CpuIndex) {
        self.slot(ap).book.settled.set(true);
        self.grant(ap, tsc());
        self.allow(ap, Allowed::Finish);
    }

    /// What the sync has come to, for the frames.
    pub(super) fn sync_of(&self, ap: CpuIndex) -> Option<Sync> {
        let Slot { down, book, .. } = self.slot(ap);
        let windows = book.window.get();
        (windows > 0).then(|| Sync {
            verdict: self.verdict(ap),
            windows: windows as u8,
            first: book.first_seen.get(),
            correction: self.options.skews.of(ap)
                - down.adjustment.load(Relaxed)
                - book.moved_by.get(),
            in_hardware: book.moved_by.get() != 0,
        })
    }
}
