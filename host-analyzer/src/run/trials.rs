//! The trials of a cell, in memory that does not grow with the capture.

use crate::run::measure::Measure;
use crate::run::reservoir::Reservoir;
use crate::run::spread::Spread;
use crate::run::trial::Trial;
use std::ops::Deref;

/// The trials of a cell. As a slice these are the trials kept; the count and the extremes are
/// those of all.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    reservoir: Reservoir<Trial>,
    /// Least and greatest of each measure, in the order of [`Measure::ALL`].
    extremes: [Option<(u64, u64)>; Measure::COUNT],
}

impl Trials {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.reservoir.count()
    }

    /// A measure over the trials; `None` where no trial has it.
    ///
    /// Its count is that of the trials that have it and are kept.
    pub fn spread(&self, measure: Measure) -> Option<Spread> {
        let spread = Spread::of(self.iter().filter_map(|trial| measure.of(trial)))?;
        let index = Measure::ALL.iter().position(|known| *known == measure)?;
        let (min, max) = self.extremes[index]?;
        Some(Spread { min, max, ..spread })
    }

    /// Takes one more.
    pub(super) fn push(&mut self, trial: Trial) {
        for (extremes, measure) in self.extremes.iter_mut().zip(Measure::ALL) {
            if let Some(value) = measure.of(&trial) {
                let (min, max) = extremes.unwrap_or((value, value));
                *extremes = Some((min.min(value), max.max(value)));
            }
        }
        self.reservoir.push(trial);
    }
}

impl Deref for Trials {
    type Target = [Trial];

    fn deref(&self) -> &[Trial] {
        &self.reservoir
    }
}

impl<'a> IntoIterator for &'a Trials {
    type Item = &'a Trial;
    type IntoIter = std::slice::Iter<'a, Trial>;

    fn into_iter(self) -> Self::IntoIter {
        self.reservoir.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::reservoir::KEPT;

    #[test]
    fn beyond_what_is_kept_the_count_and_the_extremes_are_those_of_all() {
        let mut trials = Trials::default();
        let all = 4 * KEPT as u64;
        for total in 0..all {
            let (number, kick_loop, lost, overruns) = (total as u32, 0, 0, 0);
            let (phases, sub_phases) = (None, None);
            trials.push(Trial {
                boot: 0,
                cell: 0,
                number,
                total,
                kick_loop: Some(kick_loop),
                wait_init: None,
                phases,
                sub_phases,
                lost,
                overruns,
            });
        }
        assert_eq!((trials.count(), trials.len()), (all, KEPT));
        let spread = trials.spread(Measure::Total).unwrap();
        assert_eq!((spread.min, spread.max), (0, all - 1));
        // The standard deviation of the median of so many is 0.2 % of the range.
        assert!(spread.median.abs_diff(all / 2) < all / 100, "{spread:?}");
        assert_eq!(trials.spread(Measure::Phase(bringup::phase::Phase::Sipi)), None);
    }
}
