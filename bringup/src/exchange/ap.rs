//! The AP's side of the exchange.

use super::{ApWords, BspWords, Exchange, Order, epoch_of};
use crate::atomic::Ordering;
use crate::handshake::Epoch;

/// What an AP does next; see [`ApSide::poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Rest: the BSP exchanges no readings with it now.
    Rest,
    /// Move the counter by so many cycles, with the stamps that were read from it, then acknowledge it
    /// ([`ApSide::moved`]).
    Move(i64),
    /// Exchange readings ([`ApSide::round`]) while [`ApSide::is_visited`].
    Exchange,
}

/// An AP during the sync of one trial.
#[derive(Debug)]
pub struct ApSide<'a> {
    trial: Epoch,
    mine: &'a ApWords,
    theirs: &'a BspWords,
    window: u32,
    exchange: Exchange,
    /// What it has carried out.
    pub(super) done: Order,
}

impl<'a> ApSide<'a> {
    /// Before the first window.
    #[inline(always)]
    pub fn begin(trial: Epoch, mine: &'a ApWords, theirs: &'a BspWords) -> ApSide<'a> {
        ApSide { trial, mine, theirs, window: 0, exchange: Exchange::NONE, done: Order::default() }
    }

    /// Looks what is to be done.
    #[inline(always)]
    pub fn poll(&mut self) -> Next {
        let visit = self.theirs.visit.load(Ordering::Acquire);
        if visit == 0 {
            return Next::Rest;
        }
        if visit != self.window {
            let order = self.theirs.order.get();
            if order.moved != self.done.moved {
                return Next::Move(order.moved.wrapping_sub(self.done.moved));
            }
            self.done.added = order.added;
            // Both before the window's first reading: whoever sees that sees neither the lag of an
            // earlier window nor the acknowledgement of an earlier order.
            self.mine.lag.0.clear();
            self.mine.done.put(self.done);
            self.window = visit;
            self.exchange = Exchange::begin(epoch_of(self.trial, visit));
        }
        Next::Exchange
    }

    /// Acknowledges that the counter has been moved by so many cycles, and the stamps with it.
    #[inline(always)]
    pub fn moved(&mut self, by: i64) {
        self.done.moved = self.done.moved.wrapping_add(by);
        self.mine.done.put(self.done);
    }

    /// True while the BSP exchanges readings with it in this window.
    #[inline(always)]
    pub fn is_visited(&self) -> bool {
        self.theirs.visit.load(Ordering::Relaxed) == self.window
    }

    /// One round; `now` reads the counter, in cycles after the trial's zero. Gives the reading.
    #[inline(always)]
    pub fn round(&mut self, now: impl FnOnce() -> i64) -> i64 {
        let added = self.done.added;
        let reading = self.exchange.round(&self.theirs.clock, &self.mine.clock, || now() + added);
        self.mine.lag.0.put(self.exchange.lag());
        reading
    }
}
