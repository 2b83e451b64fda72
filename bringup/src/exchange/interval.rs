//! The interval that an AP's clock offset lies in, and what it says of the two clocks.
//!
//! Bounds come from captures too, so they can be any numbers: all arithmetic saturates.

use super::Lag;
use serde::{Deserialize, Serialize};

/// What is known of an AP's clock against the BSP's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncVerdict {
    /// It can be equal, and is known closely enough.
    Clean,
    /// It is not equal.
    Warp,
    /// Too little is known. Never called clean.
    Unresolved,
    /// No constant offset explains what was seen: a clock drifts or jumped.
    Drift,
}

impl SyncVerdict {
    /// Every verdict.
    pub const ALL: [SyncVerdict; 4] =
        [SyncVerdict::Clean, SyncVerdict::Warp, SyncVerdict::Unresolved, SyncVerdict::Drift];

    /// The word for it, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            SyncVerdict::Clean => "clean",
            SyncVerdict::Warp => "warp",
            SyncVerdict::Unresolved => "unresolved",
            SyncVerdict::Drift => "drift",
        }
    }
}

/// Bounds of `clock of the AP − clock of the BSP`, in cycles. Crossed bounds are drift: no constant
/// offset lies between them.
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

    /// Cycles between the bounds; negative where a clock drifts or jumped.
    pub fn width(&self) -> i64 {
        self.hi.saturating_sub(self.lo)
    }

    /// What the interval says of the two clocks, if it has to be known to `resolution` cycles.
    pub fn verdict(&self, resolution: u64) -> SyncVerdict {
        match u64::try_from(self.width()) {
            Err(_) => SyncVerdict::Drift,
            Ok(_) if !self.contains_zero() => SyncVerdict::Warp,
            Ok(width) if width > resolution => SyncVerdict::Unresolved,
            Ok(_) => SyncVerdict::Clean,
        }
    }

    /// What this interval and an earlier one allow together, with the samples of this one. Intervals
    /// that exclude each other give crossed bounds.
    pub fn and(&self, earlier: &OffsetInterval) -> OffsetInterval {
        OffsetInterval { lo: self.lo.max(earlier.lo), hi: self.hi.min(earlier.hi), ..*self }
    }

    /// The same bounds for a clock that is that much further ahead.
    pub fn shifted(&self, by: i64) -> OffsetInterval {
        OffsetInterval { lo: self.lo.saturating_add(by), hi: self.hi.saturating_add(by), ..*self }
    }

    /// What to take off a reading of the AP's to put it on the BSP's clock: the middle of the interval,
    /// or 0 where the clocks can be equal, or where they drift, since no constant puts that right.
    pub fn correction(&self) -> i64 {
        match self.verdict(u64::MAX) {
            SyncVerdict::Warp => self.lo.saturating_add(self.width() / 2),
            SyncVerdict::Clean | SyncVerdict::Unresolved | SyncVerdict::Drift => 0,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn at(lo: i64, hi: i64) -> OffsetInterval {
        OffsetInterval { lo, hi, lo_samples: 1, hi_samples: 1 }
    }

    #[test]
    fn one_sided_sight_is_no_interval() {
        let seen = Lag { least: 5, samples: 3 };
        assert_eq!(OffsetInterval::new(seen, Lag::default()), None);
        assert_eq!(OffsetInterval::new(Lag::default(), seen), None);
    }

    #[test]
    fn clean_needs_zero_inside_and_a_narrow_interval() {
        let verdict = |lo, hi| at(lo, hi).verdict(100).name();
        assert_eq!(verdict(-40, 60), "clean");
        assert_eq!(verdict(-40, 61), "unresolved");
        assert_eq!(verdict(1, 60), "warp");
        assert_eq!(verdict(-900, -1), "warp");
        assert_eq!(verdict(3, 2), "drift");
    }

    #[test]
    fn a_second_window_narrows_what_a_first_has_shown() {
        assert_eq!(at(5, 300).and(&at(-40, 40)), at(5, 40));
        assert_eq!(at(-9, 9).and(&at(-40, 40)), at(-9, 9));
    }

    #[test]
    fn windows_that_exclude_each_other_are_drift_and_no_later_one_ends_it() {
        let both = at(41, 300).and(&at(-40, 40));
        assert_eq!((both, both.verdict(u64::MAX)), (at(41, 40), SyncVerdict::Drift));
        assert_eq!(at(-500, 500).and(&both).verdict(u64::MAX), SyncVerdict::Drift);
    }

    #[test]
    fn a_warp_is_corrected_by_the_middle_and_nothing_else_is() {
        assert_eq!(at(-40, 60).correction(), 0);
        assert_eq!(at(180, 220).correction(), 200);
        assert_eq!(at(-220, -180).correction(), -200);
        assert_eq!(at(220, 180).correction(), 0, "drift");
    }

    #[test]
    fn bounds_of_any_size_have_a_width_a_verdict_and_a_correction() {
        let ends = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
        for lo in ends {
            for hi in ends {
                let interval = at(lo, hi);
                let verdict = interval.verdict(200);
                assert_eq!(interval.width() < 0, hi < lo, "{interval:?}");
                assert_eq!(verdict == SyncVerdict::Drift, hi < lo, "{interval:?}");
                let correction = interval.correction();
                assert_eq!(correction != 0, verdict == SyncVerdict::Warp, "{interval:?}");
                assert!(correction == 0 || (lo..=hi).contains(&correction), "{interval:?}");
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
}
