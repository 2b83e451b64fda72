//! How many boots a comparison would need for a conclusion.

use crate::judge::statistics::{CONFIDENCE, Interval, RankSums, enough_boots, median};
use fastrand::Rng;
use std::collections::BTreeMap;

/// The share of simulated comparisons in which the asked boots must suffice.
const POWER: f64 = 0.95;

/// Simulated comparisons for each count of boots.
const ROUNDS: usize = 200;

/// Above this many boots it is better to measure differently.
const MOST: usize = 200;

/// Fewer boots than this say too little about how far boots scatter.
const FEW: usize = 3;

/// Equal data give equal answers.
const SEED: u64 = 29;

/// Finds counts of boots for a family of figures.
pub struct Power {
    figures: usize,
    sums: BTreeMap<usize, RankSums>,
}

/// What is known of a figure.
pub struct Known<'a> {
    /// The medians of the base's boots.
    pub base: &'a [f64],
    /// The medians of the new run's boots.
    pub new: &'a [f64],
    /// New less base.
    pub difference: f64,
    /// The 95 % interval of the difference.
    pub interval: Option<Interval>,
    /// A difference below this does not matter.
    pub margin: f64,
}

impl Power {
    /// For a family of so many figures.
    pub fn of(figures: usize) -> Power {
        Power { figures, sums: BTreeMap::new() }
    }

    /// How many boots each run would need for a conclusion, with a probability of 95 %: that the difference
    /// is as it was seen, or that it is too small to matter, whichever takes fewer boots. `None` if more
    /// than 200.
    pub fn boots(&mut self, known: &Known<'_>) -> Option<usize> {
        let boots = known.base.len().min(known.new.len());
        let least = enough_boots(self.figures);
        if boots < FEW {
            return Some(least);
        }
        let found = self.finds(known, least);
        let same = to_narrow(known, boots);
        found.into_iter().chain(same).min().filter(|boots| *boots <= MOST)
    }

    fn sums(&mut self, boots: usize) -> &RankSums {
        self.sums.entry(boots).or_insert_with(|| RankSums::of_distinct(boots, boots))
    }

    /// Boots with which the test finds the difference, if boots scatter as these do.
    fn finds(&mut self, known: &Known<'_>, least: usize) -> Option<usize> {
        let scatter: Vec<f64> = scatter(known.base).chain(scatter(known.new)).collect();
        let difference = known.difference.abs();
        let counts = std::iter::successors(Some(least), |boots| Some(boots + boots.div_ceil(8)));
        let mut counts = counts.take_while(|boots| *boots <= MOST);
        counts.find(|boots| self.power(&scatter, difference, *boots) >= POWER)
    }

    /// The share of simulated comparisons in which the test finds the difference.
    fn power(&mut self, scatter: &[f64], difference: f64, boots: usize) -> f64 {
        // The strictest level of Holm's method.
        let level = (1.0 - CONFIDENCE) / self.figures.max(1) as f64;
        let sums = self.sums(boots);
        let mut random = Rng::with_seed(SEED);
        let mut draw = |shift: f64| {
            (0..boots).map(|_| scatter[random.usize(..scatter.len())] + shift).collect::<Vec<f64>>()
        };
        let found = (0..ROUNDS).filter(|_| {
            let (mut base, new) = (draw(0.0), draw(difference));
            base.sort_unstable_by(f64::total_cmp);
            // Twice the sum of the ranks: for each value those below it, half of those like it.
            let below = |value: &f64| {
                base.partition_point(|base| base < value)
                    + base.partition_point(|base| base <= value)
            };
            let twice = boots * (boots + 1) + new.iter().map(below).sum::<usize>();
            sums.p(twice) <= level
        });
        found.count() as f64 / ROUNDS as f64
    }
}

/// The distances of boots from their median, enlarged by √(n / (n − 1)), since few boots scatter less than
/// many.
fn scatter(boots: &[f64]) -> impl Iterator<Item = f64> {
    let median = median(boots).unwrap_or_default();
    let more = (boots.len() as f64 / (boots.len() as f64 - 1.0)).sqrt();
    boots.iter().map(move |boot| (boot - median) * more)
}

/// Boots with which the interval would lie within the margin: its width is proportional to 1 / √n.
fn to_narrow(known: &Known<'_>, boots: usize) -> Option<usize> {
    let room = known.margin - known.difference.abs();
    let Interval { low, high } = known.interval.filter(|_| room > 0.0)?;
    let more = ((high - low) / 2.0 / room).powi(2);
    Some((boots as f64 * more).ceil().min(MOST as f64 + 1.0) as usize)
}
