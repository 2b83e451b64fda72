//! How far an AP's clock can be from the BSP's: an interval that delays widen but never falsify.
//!
//! Both sides do the same, round after round: look at the other's published reading, read their own clock,
//! publish that, and note how far behind it the other's was. A published reading was taken before the look
//! that finds it, so with `o = clock of the AP − clock of the BSP`
//!
//! - the BSP sees `o ≥ up − now`, whatever happened in between;
//! - the AP sees `o ≤ now − down`.
//!
//! A warp between the two is 0 outside `[lo, hi]`.

use crate::sync::{ClockWord, Epoch, Published};
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

/// One side of the exchange of clock readings between an AP and the BSP.
///
/// Both go round after round, and stay away from the other's cache lines in between.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    epoch: Epoch,
    last: Published,
    lag: Lag,
}

impl Exchange {
    /// Begins an exchange. A reading of this epoch that is there already counts as fresh.
    pub const fn begin(epoch: Epoch) -> Exchange {
        Exchange { epoch, last: Published::NOTHING, lag: Lag { least: i64::MAX, samples: 0 } }
    }

    /// A round: looks at the other's latest reading, reads one's own clock, and publishes that. Gives it.
    ///
    /// `now` reads the clock in cycles after the trial's zero, ordered against all memory accesses around it. It
    /// is read even where there is nothing fresh, so nothing has to be decided between the look and the reading.
    #[inline(always)]
    pub fn round(
        &mut self,
        theirs: &ClockWord,
        mine: &ClockWord,
        now: impl FnOnce() -> i64,
    ) -> i64 {
        let theirs = theirs.get();
        let now = now();
        mine.put(self.epoch, now);
        if theirs != self.last
            && let Some(reading) = theirs.of(self.epoch)
        {
            self.last = theirs;
            self.lag.least = self.lag.least.min(now - reading);
            self.lag.samples += 1;
        }
        now
    }

    /// What was seen so far.
    pub const fn lag(&self) -> Lag {
        self.lag
    }
}

/// What is known of an AP's clock against the BSP's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It can be equal, and is known closely enough.
    Clean,
    /// It is not equal.
    Warp,
    /// Too little is known. Never called clean.
    Unresolved,
    /// No constant offset explains what was seen: a clock drifts or jumped.
    Drift,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Verdict; 4] =
        [Verdict::Clean, Verdict::Warp, Verdict::Unresolved, Verdict::Drift];

    /// The word for it, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::Warp => "warp",
            Verdict::Unresolved => "unresolved",
            Verdict::Drift => "drift",
        }
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
            lo: bsp.least.saturating_neg(),
            hi: ap.least,
            lo_samples: bsp.samples,
            hi_samples: ap.samples,
        })
    }

    /// True where the clocks can be equal.
    pub fn contains_zero(&self) -> bool {
        self.lo <= 0 && 0 <= self.hi
    }

    /// Cycles between the bounds; negative where a clock drifts or jumped. Bounds come from captures too,
    /// so they can be any numbers: what is beyond the range of `i64` becomes its end.
    pub fn width(&self) -> i64 {
        self.hi.saturating_sub(self.lo)
    }

    /// What the interval says of the two clocks, if it has to be known to `resolution` cycles.
    pub fn verdict(&self, resolution: u64) -> Verdict {
        match u64::try_from(self.width()) {
            Err(_) => Verdict::Drift,
            Ok(_) if !self.contains_zero() => Verdict::Warp,
            Ok(width) if width > resolution => Verdict::Unresolved,
            Ok(_) => Verdict::Clean,
        }
    }

    /// What both allow, with the samples of this one; `None` where they exclude each other.
    pub fn within(&self, other: &OffsetInterval) -> Option<OffsetInterval> {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        (lo <= hi).then_some(OffsetInterval { lo, hi, ..*self })
    }

    /// The same bounds for a clock that is that much further ahead.
    pub fn shifted(&self, by: i64) -> OffsetInterval {
        OffsetInterval { lo: self.lo.saturating_add(by), hi: self.hi.saturating_add(by), ..*self }
    }

    /// What to take off a reading of the AP's to put it on the BSP's clock: 0 where the clocks
    /// can be equal, else the middle of the interval.
    pub fn correction(&self) -> i64 {
        if self.contains_zero() { 0 } else { self.lo.saturating_add(self.width() / 2) }
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
            let mut bsp = Exchange::begin(Epoch(9));
            let mut ap = Exchange::begin(Epoch(9));
            let time = Cell::new(0);
            for (bsp_steps, before, between) in steps {
                time.set(time.get() + before);
                let read = || {
                    let now = time.get();
                    time.set(now + between);
                    now
                };
                if bsp_steps {
                    bsp.round(&up, &down, read);
                } else {
                    ap.round(&down, &up, || read() + offset);
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
    fn clean_needs_zero_inside_and_a_narrow_interval() {
        let verdict =
            |lo, hi| OffsetInterval { lo, hi, lo_samples: 1, hi_samples: 1 }.verdict(100).name();
        assert_eq!(verdict(-40, 60), "clean");
        assert_eq!(verdict(-40, 61), "unresolved");
        assert_eq!(verdict(1, 60), "warp");
        assert_eq!(verdict(-900, -1), "warp");
        assert_eq!(verdict(3, 2), "drift");
    }

    #[test]
    fn a_second_look_narrows_what_a_first_has_shown() {
        let at = |lo, hi| OffsetInterval { lo, hi, lo_samples: 1, hi_samples: 1 };
        assert_eq!(at(5, 300).within(&at(-40, 40)), Some(at(5, 40)));
        assert_eq!(at(-9, 9).within(&at(-40, 40)), Some(at(-9, 9)));
        assert_eq!(at(41, 300).within(&at(-40, 40)), None);
    }

    #[test]
    fn bounds_of_any_size_have_a_width_a_verdict_and_a_correction() {
        let ends = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
        for lo in ends {
            for hi in ends {
                let interval = OffsetInterval { lo, hi, lo_samples: 1, hi_samples: 1 };
                assert_eq!(interval.width() < 0, hi < lo, "{interval:?}");
                assert_eq!(interval.verdict(200) == Verdict::Drift, hi < lo, "{interval:?}");
                let correction = interval.correction();
                assert!(correction == 0 || (lo.min(hi)..=lo.max(hi)).contains(&correction));
                for by in ends {
                    let shifted = interval.shifted(by);
                    assert!(hi < lo || shifted.lo <= shifted.hi, "{interval:?} by {by}");
                }
            }
        }
        let least = |least| Lag { least, samples: 1 };
        let widest = OffsetInterval::new(least(i64::MIN), least(i64::MIN)).unwrap();
        assert_eq!((widest.lo, widest.hi), (i64::MAX, i64::MIN));
    }

    #[test]
    fn equal_clocks_are_not_corrected_and_a_warp_is_by_the_middle() {
        let at = |lo, hi| OffsetInterval { lo, hi, lo_samples: 1, hi_samples: 1 }.correction();
        assert_eq!(at(-40, 60), 0);
        assert_eq!(at(180, 220), 200);
        assert_eq!(at(-220, -180), -200);
    }
}
