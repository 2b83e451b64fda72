//! Where a number lies: intervals by resampling boots.
//!
//! The percentile bootstrap, with boots as its clusters: a resample draws whole boots with repetition, since
//! the trials of one boot are not independent (Davison and Hinkley, "Bootstrap Methods and their
//! Application", 3.8).

use crate::run::measure::Measure;
use crate::run::{Cell, Sample};
use fastrand::Rng;

/// The confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// Fewer boots than this make no interval: five boots lie all on one side of the true median once
/// in 16 times, so that even their whole range is no 95 % interval; six do once in 32 times.
pub const BOOTS_FOR_INTERVAL: usize = 6;

/// How often boots are resampled for an interval.
const RESAMPLES: usize = 1000;

/// Equal data give equal intervals.
const SEED: u64 = 28;

/// Contains a number with [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// The middle 95 % of the resampled numbers.
    fn of(mut resampled: Vec<f64>) -> Interval {
        resampled.sort_unstable_by(f64::total_cmp);
        let beyond = (resampled.len() as f64 * (1.0 - CONFIDENCE) / 2.0) as usize;
        Interval { low: resampled[beyond], high: resampled[resampled.len() - 1 - beyond] }
    }

    /// True where this number lies in it.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// True where all of it lies from `low` to `high`.
    pub fn within(&self, low: f64, high: f64) -> bool {
        low <= self.low && self.high <= high
    }
}

impl Sample {
    /// Where the median of all values lies, by resampling boots; `None` of fewer than
    /// [`BOOTS_FOR_INTERVAL`].
    pub fn interval(&self) -> Option<Interval> {
        resampled([self], |[median]| median)
    }
}

impl Cell {
    /// Where the median of a measure lies, in cycles, by resampling boots. `None` on an exact
    /// engine, which needs none, and of fewer than [`BOOTS_FOR_INTERVAL`] boots.
    pub fn interval(&self, measure: Measure) -> Option<Interval> {
        if self.exact == Some(true) { None } else { self.sample(measure).interval() }
    }
}

/// The median of one resample: as many boots as there are, drawn with repetition.
fn resample(sample: &Sample, random: &mut Rng, weights: &mut Vec<u64>) -> f64 {
    weights.clear();
    weights.resize(sample.boots(), 0);
    for _ in 0..sample.boots() {
        weights[random.usize(..sample.boots())] += 1;
    }
    sample.weighted_median(weights)
}

/// The interval of a number that is computed from the medians of samples, by resampling the boots of each;
/// `None` where one has fewer than [`BOOTS_FOR_INTERVAL`].
pub fn resampled<const N: usize>(
    samples: [&Sample; N],
    number: impl Fn([f64; N]) -> f64,
) -> Option<Interval> {
    if samples.iter().any(|sample| sample.boots() < BOOTS_FOR_INTERVAL) {
        return None;
    }
    let (mut random, mut weights) = (Rng::with_seed(SEED), Vec::new());
    let numbers = (0..RESAMPLES)
        .map(|_| number(samples.map(|sample| resample(sample, &mut random, &mut weights))));
    Some(Interval::of(numbers.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{ProptestConfig, prop_assert, proptest};

    #[test]
    fn fewer_than_six_boots_make_no_interval() {
        let sample = |boots: u32| Sample::of((0..boots * 3).map(|at| (at / 3, u64::from(at % 7))));
        assert_eq!(sample(5).interval(), None);
        assert!(sample(6).interval().is_some());
    }

    #[test]
    fn many_trials_of_few_boots_make_no_narrow_interval() {
        // Within a boot nothing varies: a thousand trials know no more than ten.
        let sample = |trials: u64| {
            let boots = (0..8u32).map(|boot| (boot, 1000 + u64::from(boot) * 100));
            Sample::of(boots.flat_map(move |pair| (0..trials).map(move |_| pair)))
        };
        assert_eq!(sample(10).interval(), sample(1000).interval());
    }

    /// Of many samples from one distribution, about 95 % of the intervals hold its median.
    #[test]
    fn intervals_hold_the_true_median_as_often_as_they_say() {
        let mut random = Rng::with_seed(1);
        let rounds = 200;
        let held = (0..rounds).filter(|_| {
            let sample = Sample::of((0..15).map(|boot| (boot, random.u64(0..2_000_000))));
            sample.interval().unwrap().holds(1_000_000.0)
        });
        let share = held.count() as f64 / f64::from(rounds);
        assert!((0.90..=0.99).contains(&share), "{share}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn an_interval_holds_the_median(
            values in proptest::collection::vec((0u32..12, 0u64..1 << 40), 60..200)
        ) {
            let sample = Sample::of(values);
            if let Some(interval) = sample.interval() {
                prop_assert!(interval.low <= interval.high);
                prop_assert!(interval.holds(sample.median().unwrap()));
            }
        }
    }
}
