//! A sample of many values, in memory that does not grow with them.

use fastrand::Rng;
use std::ops::Deref;

/// So many values are kept.
pub const KEPT: usize = 65_536;

/// Equal captures keep equal values.
const SEED: u64 = 27;

/// As a slice these are the values kept: all of them, or of more than [`KEPT`] a sample in which
/// each has the same chance to be (Vitter's reservoir). The count is that of all.
#[derive(Clone, Debug)]
pub struct Reservoir<T> {
    kept: Vec<T>,
    count: u64,
    random: Rng,
}

impl<T> Default for Reservoir<T> {
    fn default() -> Reservoir<T> {
        Reservoir { kept: Vec::new(), count: 0, random: Rng::with_seed(SEED) }
    }
}

impl<T> Reservoir<T> {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes one more.
    pub fn push(&mut self, value: T) {
        self.count += 1;
        if self.kept.len() < KEPT {
            self.kept.push(value);
        } else {
            let place = self.random.u64(..self.count);
            if let Some(kept) = usize::try_from(place).ok().and_then(|at| self.kept.get_mut(at)) {
                *kept = value;
            }
        }
    }
}

impl<T> Deref for Reservoir<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_what_is_kept_every_value_has_the_same_chance() {
        let mut reservoir = Reservoir::default();
        let all = 4 * KEPT as u64;
        (0..all).for_each(|value| reservoir.push(value));
        assert_eq!((reservoir.count(), reservoir.len()), (all, KEPT));
        let mut kept = reservoir.to_vec();
        kept.sort_unstable();
        // The standard deviation of the median of so many is 0.2 % of the range.
        assert!(kept[KEPT / 2].abs_diff(all / 2) < all / 100, "{}", kept[KEPT / 2]);
    }
}
