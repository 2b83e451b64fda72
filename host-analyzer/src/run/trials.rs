//! The trials of a cell, in memory that does not grow with the capture.

use super::Trial;
use crate::measure::Measure;
use crate::statistics::Spread;
use fastrand::Rng;
use std::ops::Deref;

/// So many trials of a cell are kept whole.
pub const TRIALS_KEPT: usize = 65_536;

/// Equal captures keep equal trials.
const SEED: u64 = 27;

/// The trials of a cell. As a slice these are the trials kept: all of them, or of more than
/// [`TRIALS_KEPT`] a sample in which each has the same chance to be (Vitter's reservoir). The
/// count and the extremes are those of all.
#[derive(Clone, Debug)]
pub struct Trials {
    kept: Vec<Trial>,
    count: u64,
    /// Least and greatest of each measure, in the order of [`Measure::ALL`].
    extremes: [Option<(u64, u64)>; Measure::COUNT],
    random: Rng,
}

impl Default for Trials {
    fn default() -> Trials {
        Trials {
            kept: Vec::new(),
            count: 0,
            extremes: [None; Measure::COUNT],
            random: Rng::with_seed(SEED),
        }
    }
}

impl Trials {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A measure over the trials; `None` where no trial has it.
    ///
    /// Its count is that of the trials that have it and are kept.
    pub fn spread(&self, measure: Measure) -> Option<Spread> {
        let spread = Spread::of(self.kept.iter().filter_map(|trial| measure.of(trial)))?;
        let index = Measure::ALL.iter().position(|known| *known == measure)?;
        let (min, max) = self.extremes[index]?;
        Some(Spread { min, max, ..spread })
    }

    /// Takes one more.
    pub(super) fn push(&mut self, trial: Trial) {
        self.count += 1;
        for (extremes, measure) in self.extremes.iter_mut().zip(Measure::ALL) {
            if let Some(value) = measure.of(&trial) {
                let (min, max) = extremes.unwrap_or((value, value));
                *extremes = Some((min.min(value), max.max(value)));
            }
        }
        if self.kept.len() < TRIALS_KEPT {
            self.kept.push(trial);
        } else {
            let place = self.random.u64(..self.count);
            if let Some(kept) = usize::try_from(place).ok().and_then(|at| self.kept.get_mut(at)) {
                *kept = trial;
            }
        }
    }
}

impl Deref for Trials {
    type Target = [Trial];

    fn deref(&self) -> &[Trial] {
        &self.kept
    }
}

impl<'a> IntoIterator for &'a Trials {
    type Item = &'a Trial;
    type IntoIter = std::slice::Iter<'a, Trial>;

    fn into_iter(self) -> Self::IntoIter {
        self.kept.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_what_is_kept_every_trial_has_the_same_chance_and_the_extremes_stay() {
        let mut trials = Trials::default();
        let all = 4 * TRIALS_KEPT as u64;
        for total in 0..all {
            let (number, kick_loop, lost, overruns) = (total as u32, 0, 0, 0);
            let (phases, sub_phases) = (None, None);
            trials.push(Trial {
                boot: 0,
                cell: 0,
                number,
                total,
                kick_loop,
                phases,
                sub_phases,
                lost,
                overruns,
            });
        }
        assert_eq!((trials.count(), trials.len()), (all, TRIALS_KEPT));
        let spread = trials.spread(Measure::Total).unwrap();
        assert_eq!((spread.min, spread.max), (0, all - 1));
        // The standard deviation of the median of so many is 0.2 % of the range.
        assert!(spread.median.abs_diff(all / 2) < all / 100, "{spread:?}");
        assert_eq!(trials.spread(Measure::Phase(bringup::phase::Phase::Sipi)), None);
    }
}
