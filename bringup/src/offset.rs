//! How far an AP's clock can be from the BSP's: an interval that delays widen but never falsify.
//!
//! Both sides do the same: publish a reading of their own clock, and when the other's is new, look
//! how far behind one's own clock it is. A published reading was taken before the look at it, so
//! with `o = clock of the AP − clock of the BSP`
//!
//! - the BSP sees `o ≥ up − now`, whatever happened in between;
//! - the AP sees `o ≤ now − down`.
//!
//! A warp between the two is 0 outside `[lo, hi]`.

use crate::sync::{ClockWord, Epoch};
use serde::{Deserialize, Serialize};

/// What one side of an exchange has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// The least that a fresh reading of the other's was behind one's own clock, in cycles;
    /// negative where the other's clock is ahead.
    pub least: i64,
    /// How many fresh readings were seen; without any, `least` says nothing.
    pub samples: u32,
}

impl Lag {
    fn see(&mut self, lag: i64) {
        self.least = if self.samples == 0 { lag } else { self.least.min(lag) };
        self.samples += 1;
    }
}

/// One side of the exchange of clock readings between an AP and the BSP.
#[derive(Debug)]
pub struct Exchange<'a> {
    epoch: Epoch,
    mine: &'a ClockWord,
    theirs: &'a ClockWord,
    last: Option<i64>,
    lag: Lag,
}

impl<'a> Exchange<'a> {
    /// Begins an exchange in which the caller alone writes `mine`.
    ///
    /// A reading that already lies in `theirs` counts as fresh: it is of this epoch.
    pub fn begin(epoch: Epoch, mine: &'a ClockWord, theirs: &'a ClockWord) -> Exchange<'a> {
        Exchange { epoch, mine, theirs, last: None, lag: Lag::default() }
    }

    /// Looks for a fresh reading and publishes one. `now` reads the caller's clock, in cycles
    /// after the trial's zero, ordered against all memory accesses around it.
    pub fn step(&mut self, now: impl Fn() -> i64) {
        let theirs = self.theirs.get(self.epoch);
        if let Some(reading) = theirs.filter(|_| theirs != self.last) {
            self.lag.see(now() - reading);
            self.last = theirs;
        }
        self.mine.put(self.epoch, now());
    }

    /// What was seen so far.
    pub fn lag(&self) -> Lag {
        self.lag
    }
}

/// Bounds of `clock of the AP − clock of the BSP`, in cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetInterval {
    /// The offset is not below this.
    pub lo: i64,
    /// The offset is not above this.
    pub hi: i64,
    /// Readings of the AP's that the BSP saw fresh.
    pub lo_samples: u32,
    /// Readings of the BSP's that the AP saw fresh.
    pub hi_samples: u32,
}

impl OffsetInterval {
    /// From what both sides saw; `None` where one of them saw nothing.
    pub fn new(bsp: Lag, ap: Lag) -> Option<OffsetInterval> {
        (bsp.samples > 0 && ap.samples > 0).then_some(OffsetInterval {
            lo: -bsp.least,
            hi: ap.least,
            lo_samples: bsp.samples,
            hi_samples: ap.samples,
        })
    }

    /// True where the clocks can be equal.
    pub fn contains_zero(&self) -> bool {
        self.lo <= 0 && 0 <= self.hi
    }

    /// Cycles between the bounds; negative where a clock drifts or jumped.
    pub fn width(&self) -> i64 {
        self.hi - self.lo
    }

    /// What to take off a reading of the AP's to put it on the BSP's clock: 0 where the clocks
    /// can be equal, else the middle of the interval.
    pub fn correction(&self) -> i64 {
        if self.contains_zero() { 0 } else { self.lo + self.width() / 2 }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::cell::Cell;
    use proptest::prelude::*;

    proptest! {
        /// Time passes by arbitrary amounts around every access, in an arbitrary interleaving.
        #[test]
        fn the_interval_holds_the_true_offset_under_arbitrary_delays(
            offset in -1_000_000i64..1_000_000,
            steps in proptest::collection::vec((any::<bool>(), 0i64..100_000, 0i64..100_000), 2..200),
        ) {
            let (up, down) = (ClockWord::new(), ClockWord::new());
            let mut bsp = Exchange::begin(Epoch(9), &down, &up);
            let mut ap = Exchange::begin(Epoch(9), &up, &down);
            let time = Cell::new(0);
            for (bsp_steps, before, between) in steps {
                time.set(time.get() + before);
                let read = || {
                    let now = time.get();
                    time.set(now + between);
                    now
                };
                if bsp_steps {
                    bsp.step(read);
                } else {
                    ap.step(|| read() + offset);
                }
            }
            if let Some(interval) = OffsetInterval::new(bsp.lag(), ap.lag()) {
                prop_assert!(interval.lo <= offset && offset <= interval.hi, "{interval:?}");
                prop_assert!(interval.width() >= 0);
            }
        }
    }

    #[test]
    fn one_sided_sight_is_no_interval() {
        let seen = Lag { least: 5, samples: 3 };
        assert_eq!(OffsetInterval::new(seen, Lag::default()), None);
        assert_eq!(OffsetInterval::new(Lag::default(), seen), None);
    }

    #[test]
    fn equal_clocks_are_not_corrected_and_a_warp_is_by_the_middle() {
        let at = |lo, hi| OffsetInterval { lo, hi, lo_samples: 1, hi_samples: 1 }.correction();
        assert_eq!(at(-40, 60), 0);
        assert_eq!(at(180, 220), 200);
        assert_eq!(at(-220, -180), -200);
    }
}
