//! The Mann-Whitney test: whether one group's values rank above another's.
//!
//! Exact with ties, by counting every way to deal the ranks out.

use std::f64::consts::SQRT_2;

/// Up to this many values every way to deal the ranks out is counted. Above, the error of the normal
/// approximation is negligible.
const EXACT_RANKS: usize = 40;

/// The two-sided p-value of the Mann-Whitney test: the probability of ranks at least as far apart as these if
/// both groups come from one distribution. 1 where a group has no value.
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

/// The probability of each sum of ranks if all ways to deal the ranks out are equally likely.
#[derive(Debug)]
pub struct RankSums {
    one: f64,
    other: f64,
    ties: f64,
    /// By twice the sum; empty where there are too many ranks to count.
    likely: Vec<f64>,
}

impl RankSums {
    /// Of `one` values against `other` values, no two of them equal.
    pub fn of_distinct(one: usize, other: usize) -> RankSums {
        let ranks: Vec<usize> = (1..=one + other).map(|rank| 2 * rank).collect();
        RankSums::of(&ranks, one, 0.0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;
    use proptest::prelude::{prop_assert, proptest};

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
        let approximate = RankSums::of_distinct(20, 20).approximate(twice);
        assert!((exact - approximate).abs() < 0.1 * exact, "{exact} and {approximate}");
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
