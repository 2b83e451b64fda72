//! How many boots a comparison takes to find anything at all.

use super::bootstrap::{BOOTS_FOR_INTERVAL, CONFIDENCE};

/// Boots of each run beside the fewest: one of each run may be an outlier.
const SPARE: usize = 2;

/// True where so many boots of each of two runs can find a difference in so many figures. Otherwise they find none,
/// however great it is: boots that all lie on one side do so by chance more often than Holm's
/// correction allows.
pub fn can_find(boots: [usize; 2], figures: usize) -> bool {
    let level = (1.0 - CONFIDENCE) / figures.max(1) as f64;
    boots.into_iter().min() >= Some(BOOTS_FOR_INTERVAL) && least_p(boots) <= level
}

/// The fewest boots of each run that [`can_find`] a difference in so many figures.
pub fn fewest_boots(figures: usize) -> usize {
    let mut counts = BOOTS_FOR_INTERVAL..;
    counts.find(|boots| can_find([*boots; 2], figures)).unwrap_or(BOOTS_FOR_INTERVAL)
}

/// The boots of each run that this project recommends for a comparison of so many figures, wherever it
/// recommends any: [`fewest_boots`] and two.
pub fn enough_boots(figures: usize) -> usize {
    fewest_boots(figures) + SPARE
}

/// The least p-value of the test of ranks with so many boots of each run: of all ways to deal the
/// ranks out, two have all of one run's below the other's.
fn least_p([one, other]: [usize; 2]) -> f64 {
    (1..=one).fold(2.0, |p, boot| p * boot as f64 / (other + boot) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::statistics::rank_test;

    #[test]
    fn six_boots_find_nothing_in_24_figures_and_nine_are_recommended() {
        assert!(!can_find([6, 6], 24) && can_find([7, 7], 24) && can_find([6, 7], 24));
        assert!(!can_find([5, 100], 1));
        assert_eq!((fewest_boots(24), enough_boots(24)), (7, 9));
        assert_eq!((fewest_boots(1), fewest_boots(0)), (6, 6));
    }

    #[test]
    fn the_least_p_value_is_that_of_boots_that_all_lie_on_one_side() {
        for boots in [[1, 1], [6, 6], [7, 7], [6, 20], [20, 6]] {
            let group = |count: usize, from: usize| {
                (from..from + count).map(|boot| boot as f64).collect::<Vec<f64>>()
            };
            let p = rank_test(&group(boots[0], 0), &group(boots[1], 100));
            assert!((p / least_p(boots) - 1.0).abs() < 1e-9, "{boots:?}: {p}");
        }
    }
}
