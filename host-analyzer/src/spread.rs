//! What many numbers come to: their middle and their ends.

/// Median, least and greatest of some cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The middle; of an even count the mean of the two in the middle, rounded down.
    pub median: u64,
    /// The least.
    pub min: u64,
    /// The greatest.
    pub max: u64,
}

impl Spread {
    /// Of these values; `None` of none.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Option<Spread> {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        let (min, max) = (*values.first()?, *values.last()?);
        let low = values[(values.len() - 1) / 2];
        let high = values[values.len() / 2];
        Some(Spread { median: u64::midpoint(low, high), min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([7]), Some(Spread { median: 7, min: 7, max: 7 }));
        assert_eq!(Spread::of([9, 1, 2]), Some(Spread { median: 2, min: 1, max: 9 }));
        assert_eq!(Spread::of([8, 1, 2, 4]), Some(Spread { median: 3, min: 1, max: 8 }));
        assert_eq!(Spread::of([u64::MAX, u64::MAX]).unwrap().median, u64::MAX);
    }
}
