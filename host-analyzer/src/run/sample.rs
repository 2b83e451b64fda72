//! The values of a measure, boot by boot.
//!
//! Medians are read off sorted values and counts per boot, so that a thousand resamples of a large run stay
//! cheap; what the resamples are for is `judge`'s.

/// The values of some trials, each with its boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Sorted by value; a boot is an index of `sizes`.
    values: Vec<(u64, u32)>,
    /// How many values each boot has.
    sizes: Vec<u64>,
    /// How many values a block has; the last may have fewer.
    block: usize,
    /// Of each block in order, how many values of each boot lie before it: a resample need not
    /// look at every value.
    before: Vec<u64>,
}

impl Sample {
    /// Of values, each with the boot that it is of.
    pub fn of(values: impl IntoIterator<Item = (u32, u64)>) -> Sample {
        let mut known: Vec<u32> = Vec::new();
        let mut sizes: Vec<u64> = Vec::new();
        let mut last = 0;
        let mut values: Vec<(u64, u32)> = values
            .into_iter()
            .map(|(boot, value)| {
                // Trials come boot after boot.
                if known.get(last) != Some(&boot) {
                    last = known.iter().position(|other| *other == boot).unwrap_or_else(|| {
                        known.push(boot);
                        sizes.push(0);
                        known.len() - 1
                    });
                }
                sizes[last] += 1;
                (value, last as u32)
            })
            .collect();
        values.sort_unstable();
        // As many entries as values at most.
        let block = sizes.len().max(64);
        let (mut before, mut seen) = (Vec::new(), vec![0; sizes.len()]);
        for values in values.chunks(block) {
            before.extend_from_slice(&seen);
            values.iter().for_each(|(_, boot)| seen[*boot as usize] += 1);
        }
        Sample { values, sizes, block, before }
    }

    /// How many boots have a value.
    pub fn boots(&self) -> usize {
        self.sizes.len()
    }

    /// The median of all values, not rounded; `None` of none.
    pub fn median(&self) -> Option<f64> {
        (!self.values.is_empty()).then(|| self.weighted_median(&vec![1; self.boots()]))
    }

    /// The median of each boot's values, in the order in which the boots came.
    pub fn boot_medians(&self) -> Vec<f64> {
        let mut weights = vec![0; self.boots()];
        (0..self.boots())
            .map(|boot| {
                weights[boot] = 1;
                let median = self.weighted_median(&weights);
                weights[boot] = 0;
                median
            })
            .collect()
    }

    /// The median of all values, each counted as often as its boot says.
    pub fn weighted_median(&self, weights: &[u64]) -> f64 {
        let total = weighted_sum(&self.sizes, weights);
        let (low, high) = ((total - 1) / 2, total / 2);
        let lower = self.at(low, weights);
        if low == high { lower } else { lower + (self.at(high, weights) - lower) / 2.0 }
    }

    /// The value that so many come before, each counted as often as its boot says.
    fn at(&self, place: u64, weights: &[u64]) -> f64 {
        let boots = self.boots();
        let before =
            |block: usize| weighted_sum(&self.before[block * boots..(block + 1) * boots], weights);
        // The last block that begins at or before the place.
        let (mut from, mut to) = (0, self.values.len().div_ceil(self.block));
        while to - from > 1 {
            let middle = usize::midpoint(from, to);
            if before(middle) <= place { from = middle } else { to = middle }
        }
        let mut seen = before(from);
        let reached = self.values[from * self.block..].iter().find(|(_, boot)| {
            seen += weights[*boot as usize];
            seen > place
        });
        reached.map_or(f64::NAN, |(value, _)| *value as f64)
    }
}

fn weighted_sum(counts: &[u64], weights: &[u64]) -> u64 {
    counts.iter().zip(weights).map(|(count, weight)| count * weight).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::spread::Spread;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn the_weighted_median_is_the_median(values in proptest::collection::vec((0u32..5, 0u64..1000), 1..300)) {
            let median = Spread::of(values.iter().map(|(_, value)| *value)).unwrap().median;
            prop_assert_eq!(Sample::of(values).median().unwrap().floor(), median as f64);
        }
    }
}
