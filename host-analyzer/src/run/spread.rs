//! Some values in a few numbers: quartiles, extremes, outliers.

/// Some cycles in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// How many values.
    pub count: u64,
    /// The least.
    pub min: u64,
    /// A quarter of the values lies below; between two values in proportion, rounded down.
    pub lower_quartile: u64,
    /// The middle; of an even count the mean of the two in the middle, rounded down.
    pub median: u64,
    /// A quarter of the values lies above.
    pub upper_quartile: u64,
    /// The greatest.
    pub max: u64,
    /// Median absolute deviation: the median distance from the median.
    pub mad: u64,
    /// Values beyond the [`Spread::fences`]. They are counted, not dropped.
    pub outliers: u64,
}

impl Spread {
    /// Of these values; `None` of none.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Option<Spread> {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        let (min, max) = (*values.first()?, *values.last()?);
        let median = quantile(&values, 2);
        let mut spread = Spread {
            count: values.len() as u64,
            min,
            lower_quartile: quantile(&values, 1),
            median,
            upper_quartile: quantile(&values, 3),
            max,
            mad: 0,
            outliers: 0,
        };
        spread.outliers = values.iter().filter(|value| spread.is_outlier(**value)).count() as u64;
        values.iter_mut().for_each(|value| *value = value.abs_diff(median));
        values.sort_unstable();
        spread.mad = quantile(&values, 2);
        Some(spread)
    }

    /// The least and the greatest value that is no outlier: one and a half times the distance of
    /// the quartiles beyond them (Tukey, "Exploratory Data Analysis").
    pub fn fences(&self) -> (u64, u64) {
        let reach = (self.upper_quartile - self.lower_quartile).saturating_mul(3) / 2;
        (self.lower_quartile.saturating_sub(reach), self.upper_quartile.saturating_add(reach))
    }

    /// True for a value beyond the [`Spread::fences`].
    pub fn is_outlier(&self, value: u64) -> bool {
        let (low, high) = self.fences();
        !(low..=high).contains(&value)
    }
}

/// So many quarters of sorted values lie below this.
fn quantile(sorted: &[u64], quarters: usize) -> u64 {
    let last = sorted.len() - 1;
    let (index, rest) = (last * quarters / 4, (last * quarters % 4) as u128);
    let (low, high) = (sorted[index], sorted[(index + 1).min(last)]);
    low + (u128::from(high - low) * rest / 4) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, proptest};

    fn of(values: &[u64]) -> Spread {
        Spread::of(values.iter().copied()).unwrap()
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(of(&[7]).median, 7);
        assert_eq!((of(&[9, 1, 2]).median, of(&[9, 1, 2]).min, of(&[9, 1, 2]).max), (2, 1, 9));
        assert_eq!(of(&[8, 1, 2, 4]).median, 3);
        assert_eq!(of(&[u64::MAX, u64::MAX]).median, u64::MAX);
    }

    /// The numbers of R's `quantile` (its default), `mad(constant = 1)` and Tukey's fences.
    #[test]
    fn a_spread_has_known_answers() {
        let spread = of(&[2, 4, 4, 5, 6, 7, 8, 9, 10, 40]);
        let Spread { count, lower_quartile, median, upper_quartile, mad, outliers, .. } = spread;
        assert_eq!((count, lower_quartile, median, upper_quartile), (10, 4, 6, 8));
        assert_eq!((mad, outliers), (2, 1));
        assert_eq!(spread.fences(), (0, 14));
        assert!(spread.is_outlier(40) && !spread.is_outlier(10));
    }

    proptest! {
        #[test]
        fn the_parts_of_a_spread_are_in_order(values in proptest::collection::vec(any::<u64>(), 1..50)) {
            let spread = Spread::of(values).unwrap();
            let Spread { min, lower_quartile, median, upper_quartile, max, .. } = spread;
            prop_assert!([min, lower_quartile, median, upper_quartile, max].is_sorted());
            prop_assert!(!spread.is_outlier(median));
        }
    }
}
