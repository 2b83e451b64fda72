//! The exchange of clock readings: how far is an AP's clock from the BSP's?
//!
//! Both sides do the same, round after round ([`Exchange::round`]): look at the other's published
//! reading, read their own clock, publish that, and note how far behind it the other's was. A
//! published reading was taken before the look that finds it. So with
//! `o = clock of the AP − clock of the BSP`
//!
//! - the BSP sees `o ≥ reading of the AP − now`,
//! - the AP sees `o ≤ now − reading of the BSP`,
//!
//! whatever happened in between: a delay widens the interval of `o` and never falsifies it. A warp
//! between the two clocks is 0 outside that interval.
//!
//! # Who writes what
//!
//! | word | writer | |
//! |---|---|---|
//! | `BspWords::visit` | BSP | the window in which it exchanges readings with this AP now; 0: none, the AP may rest |
//! | `BspWords::clock` | BSP | its latest reading |
//! | `BspWords::order` | BSP | what the AP's clock is to be like in this window; written before the window's first visit |
//! | `ApWords::clock` | AP | its latest reading |
//! | `ApWords::lag` | AP | what it has seen of the BSP's clock in this window |
//! | `ApWords::done` | AP | the order that it has carried out: its acknowledgement |
//!
//! # A window
//!
//! 1. The BSP writes the order, then visits ([`BspSide::open`], [`BspSide::visit`]).
//! 2. The AP finds a new window ([`ApSide::poll`]): it empties its lag, carries the order out,
//!    acknowledges it, and only then publishes a reading of this window. Orders are totals, not
//!    steps, so an AP that has missed a window carries out what was ordered in it with the next.
//! 3. Both go round after round until the BSP leaves, and the BSP closes the window
//!    ([`BspSide::close`]).
//!
//! A reading carries the epoch of its trial and window, so a reading of another window is never
//! taken for one of this, as long as no clock is more than 2^47 cycles (13 hours at 3 GHz) from the trial's
//! zero. So each reading that the BSP uses was published after the AP carried out the order: a window sees
//! the clock as ordered. At the end, only what the AP has acknowledged counts ([`BspSide::result`]).
//!
//! What all windows have shown is one interval, of the AP's counter as it was before anything was
//! taken off it. Where windows exclude each other, its bounds are crossed: that is drift
//! ([`SyncVerdict::Drift`]), which no correction puts right. A correction that an earlier window had led to
//! stays in the counter until the trial ends, and is reported ([`SyncResult::correction`]).

mod ap;
mod bsp;
mod interval;
mod round;

pub use ap::{ApSide, Next};
pub use bsp::{BspSide, SyncResult};
pub use interval::{OffsetInterval, SyncVerdict};
pub use round::{ClockWord, Exchange, Lag, LagWords, Published};

use crate::atomic::{AtomicI64, AtomicU32, Ordering, made_of_atomics};
use crate::handshake::Epoch;

/// Windows that one AP may need.
pub const MAX_WINDOWS: u32 = 4;

/// The epoch of one window: readings of an earlier window are not fresh in it.
#[inline(always)]
fn epoch_of(trial: Epoch, window: u32) -> Epoch {
    Epoch(trial.0.wrapping_mul(MAX_WINDOWS + 1).wrapping_add(window))
}

/// What an AP's clock is to be like: totals against its counter as it was when the trial began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// By how many cycles the AP has moved its counter.
    pub moved: i64,
    /// How many cycles it adds to a reading of the counter, inside the exchange alone.
    pub added: i64,
}

impl Order {
    /// By how much the exchanged readings are ahead of the counter as it was.
    fn total(self) -> i64 {
        self.moved.saturating_add(self.added)
    }
}

/// An order, or its acknowledgement, that one CPU alone writes.
#[derive(Debug)]
pub struct OrderWords {
    moved: AtomicI64,
    added: AtomicI64,
}

made_of_atomics!(
    OrderWords,
    "Nothing ordered.",
    OrderWords { moved: AtomicI64::new(0), added: AtomicI64::new(0) }
);

impl OrderWords {
    /// Writes it. Whoever sees what is published next sees this order, too.
    #[inline(always)]
    fn put(&self, order: Order) {
        self.added.store(order.added, Ordering::Relaxed);
        self.moved.store(order.moved, Ordering::Release);
    }

    /// Read this after something that the writer published later. For a lost AP there may be no such
    /// thing; the acquire load still shows its moved stamps with its moved counter.
    #[inline(always)]
    fn get(&self) -> Order {
        let moved = self.moved.load(Ordering::Acquire);
        Order { moved, added: self.added.load(Ordering::Relaxed) }
    }
}

/// What the BSP writes for one AP during the sync.
#[derive(Debug)]
#[repr(C)]
pub struct BspWords {
    clock: ClockWord,
    visit: AtomicU32,
    order: OrderWords,
}

made_of_atomics!(
    BspWords,
    "No visit, no reading.",
    BspWords { clock: ClockWord::new(), visit: AtomicU32::new(0), order: OrderWords::new() }
);

impl BspWords {
    /// Forgets the last trial, between trials; the BSP does this.
    pub fn clear(&self) {
        self.clock.clear();
        self.visit.store(0, Ordering::Relaxed);
    }
}

/// What one AP writes for the BSP during the sync. The lag has a line of its own: it changes with
/// every round, and the BSP, which polls the clock, reads it less often.
#[derive(Debug)]
#[repr(C)]
pub struct ApWords {
    clock: ClockWord,
    done: OrderWords,
    lag: OwnLine<LagWords>,
}

/// A value in cache lines of its own; 128 bytes are two lines, which some CPUs fetch in pairs.
#[derive(Debug, Default)]
#[repr(C, align(128))]
struct OwnLine<T>(T);

made_of_atomics!(
    ApWords,
    "Nothing seen, no reading.",
    ApWords { clock: ClockWord::new(), done: OrderWords::new(), lag: OwnLine(LagWords::new()) }
);

impl ApWords {
    /// Forgets the last trial; the AP does this when it starts in the next.
    pub fn clear(&self) {
        self.clock.clear();
        self.lag.0.clear();
        self.done.put(Order::default());
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
