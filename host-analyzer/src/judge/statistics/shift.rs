//! By how much one group's values are shifted against another's.

use super::bootstrap::{BOOTS_FOR_INTERVAL, CONFIDENCE, Interval};
use super::ranks::RankSums;

/// By how much the values of a group are shifted against those of a base (Hodges and Lehmann).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The median of the differences of all pairs of a new and a base value.
    pub estimate: f64,
    /// The 95 % interval; `None` where a group has fewer than [`BOOTS_FOR_INTERVAL`] values.
    pub interval: Option<Interval>,
}

impl Shift {
    /// `None` where a group is empty.
    pub fn of(base: &[f64], new: &[f64]) -> Option<Shift> {
        let pairs = base.iter().flat_map(|base| new.iter().map(move |new| new - base));
        let mut pairs: Vec<f64> = pairs.collect();
        pairs.sort_unstable_by(f64::total_cmp);
        let estimate = median_of_sorted(&pairs)?;
        let last = pairs.len() - 1;
        let interval = (base.len().min(new.len()) >= BOOTS_FOR_INTERVAL).then(|| {
            let beyond = beyond(base.len(), new.len());
            Interval { low: pairs[beyond], high: pairs[last - beyond] }
        });
        Some(Shift { estimate, interval })
    }
}

/// The median, not rounded; `None` of no values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    median_of_sorted(&sorted)
}

fn median_of_sorted(values: &[f64]) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    Some(f64::midpoint(values[last / 2], values[last.div_ceil(2)]))
}

/// How many of the sorted differences lie below the interval, and how many above it. The test of ranks counts
/// the pairs that contradict a shift; the interval ends at the first difference with which they are too
/// many. So, where no values are tied, it lacks 0 just where the p-value is at most 5 %.
fn beyond(base: usize, new: usize) -> usize {
    let sums = RankSums::of_distinct(new, base);
    // Twice the least sum of the new ranks, and 2 more for each pair on the other side.
    let p = |pairs: &usize| sums.p(new * (new + 1) + 2 * pairs);
    let found = (0..base * new / 2).take_while(|pairs| p(pairs) <= 1.0 - CONFIDENCE).count();
    found.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::statistics::{dominance, rank_test};
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Strategy;

    /// R's `wilcox.test(new, base, conf.int = TRUE, exact = TRUE)` takes the 6th of 36 differences from each end,
    /// since `qwilcox(0.025, 6, 6)` is 6; the 18th of 81 for `qwilcox(0.025, 9, 9)`.
    #[test]
    fn a_shift_has_known_answers() {
        let base = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let new = base.map(|value| value + 10.0);
        // The differences are 10, six times, and 10 ± n, 6 − n times.
        let interval = Some(Interval { low: 7.0, high: 13.0 });
        assert_eq!(Shift::of(&base, &new), Some(Shift { estimate: 10.0, interval }));
        assert_eq!((beyond(6, 6), beyond(9, 9)), (5, 17));
        assert_eq!(Shift::of(&[], &[1.0]), None);
        assert_eq!(Shift::of(&base[..5], &new).unwrap().interval, None);
    }

    #[test]
    fn intervals_hold_the_true_shift_as_often_as_they_say() {
        let mut random = fastrand::Rng::with_seed(3);
        let rounds = 1000;
        let held = (0..rounds).filter(|_| {
            let mut draw = |shift: f64| (0..9).map(|_| random.f64() + shift).collect::<Vec<f64>>();
            let (base, new) = (draw(0.0), draw(0.3));
            Shift::of(&base, &new).unwrap().interval.unwrap().holds(0.3)
        });
        let share = held.count() as f64 / f64::from(rounds);
        // Ranks are whole, so that it is a little more than 95 %; three standard deviations about it.
        assert!((0.93..=0.985).contains(&share), "{share}");
    }

    fn boots(most: u32) -> impl Strategy<Value = Vec<f64>> {
        vec((0..most).prop_map(f64::from), 6..18)
    }

    proptest! {
        #[test]
        fn an_interval_without_0_has_the_sign_of_the_effect(
            // With 5 nearly all values are tied.
            base in prop_oneof![boots(5), boots(1 << 20)], new in prop_oneof![boots(5), boots(1 << 20)],
        ) {
            let shift = Shift::of(&base, &new).unwrap();
            let interval = shift.interval.unwrap();
            prop_assert!(interval.holds(shift.estimate));
            prop_assert!(interval.holds(0.0) || shift.estimate * dominance(&base, &new) > 0.0);
        }

        #[test]
        fn without_ties_an_interval_lacks_0_just_where_the_test_finds_a_difference(
            base in boots(1 << 20), new in boots(1 << 20), moved in 0u32..1 << 20
        ) {
            // No two values are equal: those of the one are even, of the other odd.
            let distinct = |values: &[f64], odd: f64| {
                let at = values.iter().enumerate();
                at.map(|(at, value)| (value * 64.0 + at as f64) * 2.0 + odd).collect::<Vec<f64>>()
            };
            let new: Vec<f64> = new.iter().map(|new| new + f64::from(moved)).collect();
            let (base, new) = (distinct(&base, 0.0), distinct(&new, 1.0));
            let interval = Shift::of(&base, &new).unwrap().interval.unwrap();
            prop_assert_eq!(!interval.holds(0.0), rank_test(&base, &new) <= 0.05);
        }
    }
}
