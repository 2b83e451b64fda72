//! What many numbers come to: spreads, intervals, a test of ranks.
//!
//! On a noisy engine the trials of one boot share what that boot was dealt (where its threads ran,
//! what else the host did), so the boot is the unit: intervals resample boots, and the test ranks
//! their medians. `docs/method.md` has the reasons.

use crate::run::measure::Measure;
use crate::run::{Cell, Sample};
use fastrand::Rng;
use std::f64::consts::SQRT_2;

/// How sure an interval is.
pub const CONFIDENCE: f64 = 0.95;

/// Fewer boots than this make no interval: five boots lie all on one side of the true median once
/// in 16 times, so that even their whole range is no 95 % interval; six do once in 32 times.
pub const BOOTS_FOR_INTERVAL: usize = 6;

/// How often boots are resampled for an interval.
const RESAMPLES: usize = 1000;

/// Equal data give equal intervals.
const SEED: u64 = 28;

/// Up to this many values the test of ranks counts every arrangement; beyond, the normal
/// approximation is closer than the data are to anything.
const EXACT_RANKS: usize = 40;

/// Where a number lies with [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// From here …
    pub low: f64,
    /// … to here.
    pub high: f64,
}

impl Interval {
    /// The middle 95 % of what the resamples came to.
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

/// Where a number that is made of the medians of samples lies, by resampling the boots of each;
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

/// How likely ranks as far apart as these are where both come from one distribution: the two-sided
/// p-value of the Mann-Whitney test. 1 where one has no value.
///
/// Up to 40 values it is exact, ties included; beyond that the normal approximation with
/// corrections for ties and continuity.
pub fn rank_test(one: &[f64], other: &[f64]) -> f64 {
    if one.is_empty() || other.is_empty() {
        return 1.0;
    }
    let mut values: Vec<(f64, bool)> = one.iter().map(|value| (*value, true)).collect();
    values.extend(other.iter().map(|value| (*value, false)));
    values.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    // Twice the rank, so that the mean of tied ranks is whole.
    let (mut ranks, mut ties) = (Vec::with_capacity(values.len()), 0.0);
    for tied in values.chunk_by(|one, other| one.0 == other.0) {
        let before = ranks.len();
        ranks.extend(std::iter::repeat_n(2 * before + tied.len() + 1, tied.len()));
        ties += (tied.len() as f64).powi(3) - tied.len() as f64;
    }
    let sum: usize =
        values.iter().zip(&ranks).filter(|((_, of_one), _)| *of_one).map(|(_, rank)| rank).sum();
    RankSums::of(&ranks, one.len(), ties).p(sum)
}

/// How likely each sum of ranks is where all ways to deal the ranks out are equally likely.
#[derive(Debug)]
pub struct RankSums {
    one: f64,
    other: f64,
    ties: f64,
    /// By twice the sum; empty where there are too many ranks to count.
    likely: Vec<f64>,
}

impl RankSums {
    /// Of `count` values against as many, no two of them equal.
    pub fn of_distinct(count: usize) -> RankSums {
        let ranks: Vec<usize> = (1..=2 * count).map(|rank| 2 * rank).collect();
        RankSums::of(&ranks, count, 0.0)
    }

    /// Of `count` of these ranks, each twice as great as it is; `ties` is the sum of t³ − t over
    /// every t values that share a rank.
    fn of(ranks: &[usize], count: usize, ties: f64) -> RankSums {
        let (one, other) = (count as f64, (ranks.len() - count) as f64);
        let mut likely = Vec::new();
        if ranks.len() <= EXACT_RANKS {
            let most: usize = ranks.iter().sum();
            // ways[k][s]: how many ways there are to take k ranks that add up to s.
            let mut ways = vec![vec![0.0; most + 1]; count + 1];
            ways[0][0] = 1.0;
            for (taken, rank) in ranks.iter().enumerate() {
                for k in (1..=count.min(taken + 1)).rev() {
                    let (fewer, these) = ways.split_at_mut(k);
                    for (way, before) in these[0][*rank..].iter_mut().zip(&fewer[k - 1]) {
                        *way += before;
                    }
                }
            }
            likely = ways.swap_remove(count);
            let all: f64 = likely.iter().sum();
            likely.iter_mut().for_each(|way| *way /= all);
        }
        RankSums { one, other, ties, likely }
    }

    /// The p-value of twice a sum: twice the smaller tail, the sum itself in both.
    pub fn p(&self, twice: usize) -> f64 {
        if self.likely.is_empty() {
            return self.approximate(twice);
        }
        let below: f64 = self.likely[..=twice].iter().sum();
        let above: f64 = self.likely[twice..].iter().sum();
        (2.0 * below.min(above)).min(1.0)
    }

    /// The same by the normal approximation, with corrections for ties and continuity.
    fn approximate(&self, twice: usize) -> f64 {
        let RankSums { one, other, ties, .. } = self;
        let all = one + other;
        let variance = one * other / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
        let off = (twice as f64 / 2.0 - one * (all + 1.0) / 2.0).abs() - 0.5;
        if off <= 0.0 || variance <= 0.0 { 1.0 } else { libm::erfc(off / variance.sqrt() / SQRT_2) }
    }
}

/// The p-values of a family, made greater so that the chance of any false finding in it stays what
/// it is for one (Holm, "A simple sequentially rejective multiple test procedure").
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|one, other| p[*one].total_cmp(&p[*other]));
    let mut adjusted = vec![1.0; p.len()];
    let mut most: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        most = most.max(p[index] * (p.len() - rank) as f64).min(1.0);
        adjusted[index] = most;
    }
    adjusted
}

/// How much more often a value of `new` is greater than one of `base` than less: Cliff's delta,
/// from -1 (every one is less) to 1 (every one is greater).
pub fn dominance(base: &[f64], new: &[f64]) -> f64 {
    let pairs = base.iter().flat_map(|base| new.iter().map(move |new| new.total_cmp(base) as i64));
    pairs.sum::<i64>() as f64 / (base.len() * new.len()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;
    use proptest::prelude::{ProptestConfig, prop_assert, proptest};

    /// `scipy.stats.mannwhitneyu(…, method="exact")`, and by counting: of the 20 ways to deal six
    /// ranks out to two threes, two are as far apart as can be.
    #[test]
    fn the_test_of_ranks_has_known_answers() {
        let near = |p: f64, known: f64| assert!((p - known).abs() < 1e-9, "{p} is not {known}");
        near(rank_test(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), 2.0 / 20.0);
        near(rank_test(&[4.0, 5.0, 6.0], &[1.0, 2.0, 3.0]), 2.0 / 20.0);
        near(rank_test(&[19.0, 22.0, 16.0, 29.0, 24.0], &[20.0, 11.0, 17.0, 12.0]), 1.0 / 9.0);
        near(rank_test(&[1.0, 1.0, 1.0], &[1.0, 1.0]), 1.0);
        // With ties, by counting: of the 6 ways to take two of 1, 2, 2, 3 one is as low as {1, 2}
        // and one as that: {1, 2} twice.
        near(rank_test(&[1.0, 2.0], &[2.0, 3.0]), 2.0 * 2.0 / 6.0);
        near(rank_test(&[], &[1.0]), 1.0);
    }

    #[test]
    fn the_approximation_for_many_values_joins_the_exact_test() {
        let one: Vec<f64> = (0..20).map(|index| f64::from(index) * 1.9).collect();
        let other: Vec<f64> = (0..20).map(|index| f64::from(index) * 2.1 + 7.05).collect();
        let exact = rank_test(&one, &other);
        let less = |value: &f64| one.iter().chain(&other).filter(|other| *other < value).count();
        let twice: usize = one.iter().map(|value| 2 * (less(value) + 1)).sum();
        let approximate = RankSums::of_distinct(20).approximate(twice);
        assert!((exact - approximate).abs() < 0.1 * exact, "{exact} and {approximate}");
    }

    /// The example of Holm's method in R's `p.adjust`.
    #[test]
    fn holm_has_known_answers() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        let known = [0.03, 0.06, 0.06, 0.02];
        assert!(adjusted.iter().zip(known).all(|(one, other)| (one - other).abs() < 1e-12));
        assert_eq!(holm(&[]), Vec::<f64>::new());
    }

    #[test]
    fn dominance_is_one_where_all_are_greater_and_nothing_where_they_are_alike() {
        assert_eq!(dominance(&[1.0, 2.0], &[3.0, 4.0]), 1.0);
        assert_eq!(dominance(&[3.0, 4.0], &[1.0, 2.0]), -1.0);
        assert_eq!(dominance(&[1.0, 2.0], &[2.0, 1.0]), 0.0);
    }

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

    /// Under no difference the test says so: the share of p-values below a level is at most it.
    #[test]
    fn the_test_of_ranks_errs_no_more_often_than_it_says() {
        let mut random = Rng::with_seed(2);
        let rounds = 2000;
        let draw = |random: &mut Rng| (0..9).map(|_| random.f64()).collect::<Vec<f64>>();
        let p: Vec<f64> =
            (0..rounds).map(|_| rank_test(&draw(&mut random), &draw(&mut random))).collect();
        let below = p.iter().filter(|p| **p <= 0.05).count() as f64 / f64::from(rounds);
        // Three standard deviations above 5 %.
        assert!(below <= 0.05 + 3.0 * (0.05f64 * 0.95 / f64::from(rounds)).sqrt(), "{below}");
        assert!(below > 0.02, "{below}: the test finds nothing at all");
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

    proptest! {
        #[test]
        fn holm_is_never_less_careful_than_no_correction(p in proptest::collection::vec(0.0f64..=1.0, 1..30)) {
            let adjusted = holm(&p);
            for (p, adjusted) in p.iter().zip(&adjusted) {
                prop_assert!(p <= adjusted && *adjusted <= 1.0);
            }
            // Nor more careful than Bonferroni.
            for (one, adjusted_one) in p.iter().zip(&adjusted) {
                prop_assert!(*adjusted_one <= (one * p.len() as f64).min(1.0).max(p.iter().copied().fold(0.0, f64::max)));
            }
        }

        #[test]
        fn the_test_of_ranks_does_not_care_which_comes_first(
            one in proptest::collection::vec(0u8..9, 1..15), other in proptest::collection::vec(0u8..9, 1..15)
        ) {
            let floats = |values: &[u8]| values.iter().map(|value| f64::from(*value)).collect::<Vec<f64>>();
            let (one, other) = (floats(&one), floats(&other));
            let (p, swapped) = (rank_test(&one, &other), rank_test(&other, &one));
            prop_assert!((p - swapped).abs() < 1e-9);
            prop_assert!(p > 0.0 && p <= 1.0);
        }
    }
}
