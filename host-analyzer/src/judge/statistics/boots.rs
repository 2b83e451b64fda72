//! How many boots a comparison takes to find anything at all.

use super::bootstrap::{BOOTS_FOR_INTERVAL, CONFIDENCE};

/// Boots of each run beside the fewest: one of each run may be an outlier.
const SPARE: usize = 2;

/// The fewest boots of each run with which a comparison of so many figures can find a difference. With
/// fewer it finds none, however great it is: boots that all lie on one side do so by chance
/// more often than Holm's correction allows.
pub fn fewest_boots(figures: usize) -> usize {
    let level = (1.0 - CONFIDENCE) / figures.max(1) as f64;
    (BOOTS_FOR_INTERVAL..).find(|boots| least_p(*boots) <= level).unwrap_or(BOOTS_FOR_INTERVAL)
}

/// The boots of each run that this project recommends for a comparison of so many figures, wherever it
/// recommends any: [`fewest_boots`] and two.
pub fn enough_boots(figures: usize) -> usize {
    fewest_boots(figures) + SPARE
}

/// The least p-value of the test of ranks with so many boots of each run: of all ways to deal the
/// ranks out, two have all of one run's below the other's.
fn least_p(boots: usize) -> f64 {
    (1..=boots).fold(2.0, |p, boot| p * boot as f64 / (boots + boot) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::statistics::rank_test;

    #[test]
    fn six_boots_find_nothing_in_24_figures_and_nine_are_recommended() {
        assert!(least_p(6) * 24.0 > 0.05 && least_p(7) * 24.0 <= 0.05);
        assert_eq!((fewest_boots(24), enough_boots(24)), (7, 9));
        assert_eq!((fewest_boots(1), fewest_boots(0)), (6, 6));
    }

    #[test]
    fn the_least_p_value_is_that_of_boots_that_all_lie_on_one_side() {
        for boots in 1..15 {
            let base: Vec<f64> = (0..boots).map(f64::from).collect();
            let new: Vec<f64> = base.iter().map(|boot| boot + 100.0).collect();
            let p = rank_test(&base, &new);
            assert!((p / least_p(boots as usize) - 1.0).abs() < 1e-9, "{boots}: {p}");
        }
    }
}
