//! The BSP's side of the exchange with one AP.

use super::{ApWords, BspWords, Exchange, OffsetInterval, Order, SyncVerdict, epoch_of};
use crate::atomic::Ordering;
use crate::handshake::Epoch;

/// The BSP during the sync with one AP in one trial.
#[derive(Clone, Copy, Debug)]
pub struct BspSide {
    trial: Epoch,
    window: u32,
    exchange: Exchange,
    /// The injected offset (`skew`) of the AP's clock, inside the exchange alone.
    skew: i64,
    /// The order of this window; before the first, that of the first.
    pub(super) order: Order,
    /// What the first window has seen, of the clock with its skew.
    first: Option<OffsetInterval>,
    /// What all windows have shown, of the AP's counter as it was when the trial began.
    known: Option<OffsetInterval>,
}

/// The result of the sync with one AP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncResult {
    /// What is known of the clock that was exchanged, with all that was taken off it.
    pub verdict: SyncVerdict,
    /// Windows that watched this AP.
    pub windows: u32,
    /// What the first of them saw: here a warp shows its size.
    pub first: Option<OffsetInterval>,
    /// The offset of the AP's counter now, which its stamps are read from; `None` where nothing was
    /// seen, or where an AP that was lost has not acknowledged that it has moved its counter.
    pub offset: Option<OffsetInterval>,
    /// What was taken off the AP's clock, in cycles.
    pub correction: i64,
    /// True where it was taken off the counter itself.
    pub in_hardware: bool,
}

impl BspSide {
    /// Before any trial; in memory it is zeros alone.
    pub const fn new() -> BspSide {
        BspSide {
            trial: Epoch(0),
            window: 0,
            exchange: Exchange::NONE,
            skew: 0,
            order: Order { moved: 0, added: 0 },
            first: None,
            known: None,
        }
    }

    /// Before the first window of a trial, with an AP whose clock gets the injected offset `skew`.
    pub const fn begin(trial: Epoch, skew: i64) -> BspSide {
        BspSide { trial, skew, order: Order { moved: 0, added: skew }, ..BspSide::new() }
    }

    /// Windows that were opened.
    pub fn windows(&self) -> u32 {
        self.window
    }

    /// Opens the next window, before its first visit. A warp that the windows so far have shown is to
    /// be taken off in it, by the middle of what all of them allow: off the counter where the AP can
    /// move it (`by_counter`), else off what it reads of it for the exchange. A skew that was planted
    /// is not in the counter.
    #[inline]
    pub fn open(&mut self, to: &BspWords, by_counter: bool) {
        if let Some(known) = self.known {
            let correction = known.shifted(self.order.total()).correction();
            let total = match by_counter && self.skew == 0 {
                true => &mut self.order.moved,
                false => &mut self.order.added,
            };
            *total = total.saturating_sub(correction);
        }
        self.window += 1;
        self.exchange = Exchange::begin(epoch_of(self.trial, self.window));
        to.order.put(self.order);
    }

    /// Begins a visit in this window.
    #[inline(always)]
    pub fn visit(&self, to: &BspWords) {
        to.visit.store(self.window, Ordering::Release);
    }

    /// Ends the visit.
    #[inline(always)]
    pub fn leave(&self, to: &BspWords) {
        to.visit.store(0, Ordering::Relaxed);
    }

    /// Goes round until that many more readings of the AP's are fresh or the clock has come to `limit`, one
    /// round at least; with a `rest` between two rounds, which is given the latest reading. Gives the last one.
    ///
    /// `now` reads the BSP's clock, in cycles after the trial's zero.
    #[inline(always)]
    pub fn rounds(
        &mut self,
        (from, to): (&ApWords, &BspWords),
        readings: u32,
        limit: i64,
        now: impl Fn() -> i64,
        rest: impl Fn(i64),
    ) -> i64 {
        // A copy, which stays in registers: nothing is to be loaded between the clock and the store.
        let mut exchange = self.exchange;
        let enough = exchange.lag().samples + readings;
        let mut reading = exchange.round(&from.clock, &to.clock, &now);
        while exchange.lag().samples < enough && reading < limit {
            rest(reading);
            reading = exchange.round(&from.clock, &to.clock, &now);
        }
        self.exchange = exchange;
        reading
    }

    /// Fresh readings of the AP's in this window.
    #[inline(always)]
    pub fn samples(&self) -> u32 {
        self.exchange.lag().samples
    }

    /// What this window has seen so far.
    #[inline]
    pub fn seen(&self, from: &ApWords) -> Option<OffsetInterval> {
        // Without a reading of this window the AP's lag may be that of an earlier one; then there is none.
        OffsetInterval::new(self.exchange.lag(), from.lag.0.get())
    }

    /// False once this window has shown the offset closely enough, be it 0 or not.
    #[inline]
    pub fn is_uncertain(&self, from: &ApWords, resolution: u64) -> bool {
        self.seen(from).is_none_or(|seen| seen.width() > resolution as i64)
    }

    /// Closes the window: what it has seen is of a clock as ordered.
    pub fn close(&mut self, from: &ApWords) {
        let seen = self.seen(from);
        if self.window == 1 {
            self.first = seen;
        }
        if let Some(seen) = seen {
            let counter = seen.shifted(self.order.total().saturating_neg());
            self.known = Some(self.known.map_or(counter, |known| counter.and(&known)));
        }
    }

    /// What all windows show of the clock as it is after those orders that the AP has acknowledged.
    pub fn verdict(&self, from: &ApWords, resolution: u64) -> SyncVerdict {
        self.verdict_after(from.done.get(), resolution)
    }

    /// The result; `None` without a window. `online` says that the AP has come online, so that it
    /// can't carry out anything more.
    pub fn result(&self, from: &ApWords, resolution: u64, online: bool) -> Option<SyncResult> {
        if self.window == 0 {
            return None;
        }
        let done = from.done.get();
        let is_sure = online || done.moved == self.order.moved;
        Some(SyncResult {
            verdict: match is_sure {
                true => self.verdict_after(done, resolution),
                false => SyncVerdict::Unresolved,
            },
            windows: self.window,
            first: self.first,
            offset: self.known.filter(|_| is_sure).map(|known| known.shifted(done.moved)),
            // An AP that has not been through a window has acknowledged nothing, its skew neither.
            correction: self.known.map_or(0, |_| self.skew.saturating_sub(done.total())),
            in_hardware: done.moved != 0,
        })
    }

    fn verdict_after(&self, done: Order, resolution: u64) -> SyncVerdict {
        let now = self.known.map(|known| known.shifted(done.total()));
        now.map_or(SyncVerdict::Unresolved, |now| now.verdict(resolution))
    }
}

impl Default for BspSide {
    fn default() -> BspSide {
        BspSide::new()
    }
}
