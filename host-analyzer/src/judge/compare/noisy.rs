//! Figures of noisy engines: the boots are ranked, and all figures are one family.

use super::power::{Known, Power};
use super::verdict::{CellPair, MEASURES, MetricPair, MetricVerdict, Moved};
use crate::judge::statistics::{CONFIDENCE, Interval, dominance, holm, rank_test, resampled};
use crate::run::measure::Measure;

/// A figure before its verdict.
struct Tested {
    /// An index of the cells.
    cell: usize,
    measure: Measure,
    base: f64,
    new: f64,
    /// The medians of the boots, of the base and of the new run.
    boots: (Vec<f64>, Vec<f64>),
    interval: Option<Interval>,
    p: f64,
}

/// Tests all figures of all noisy cells as one family. Returns how many figures it has.
pub(super) fn test(cells: &mut [CellPair<'_>], margin: f64) -> usize {
    let mut all: Vec<Tested> = Vec::new();
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.exact) {
        all.extend(MEASURES.iter().filter_map(|measure| Tested::of(index, cell, *measure)));
    }
    // A number that is the same in every boot can't be found different, so it takes no part.
    let family: Vec<&mut Tested> = all.iter_mut().filter(|tested| tested.varies()).collect();
    let size = family.len();
    let corrected = holm(&family.iter().map(|tested| tested.p).collect::<Vec<f64>>());
    family.into_iter().zip(corrected).for_each(|(tested, p)| tested.p = p);
    let level = 1.0 - CONFIDENCE;
    let mut power = Power::at(level / size.max(1) as f64);
    for tested in all {
        let cell = &mut cells[tested.cell];
        let figure = tested.judged(cell, margin, level, &mut power);
        cell.figures.push(figure);
    }
    size
}

impl Tested {
    fn of(index: usize, cell: &CellPair<'_>, measure: Measure) -> Option<Tested> {
        let (base, new) = (cell.base.sample(measure), cell.new.sample(measure));
        let boots = (base.boot_medians(), new.boot_medians());
        Some(Tested {
            cell: index,
            measure,
            base: base.median()?,
            new: new.median()?,
            interval: resampled([&base, &new], |[base, new]| new - base),
            p: rank_test(&boots.0, &boots.1),
            boots,
        })
    }

    /// True where two boots differ.
    fn varies(&self) -> bool {
        let mut boots = self.boots.0.iter().chain(&self.boots.1);
        let first = boots.next();
        boots.any(|boot| Some(boot) != first)
    }

    /// With its verdict. `margin` is a share of the base; a finding has a p-value of at most `level`.
    fn judged(self, cell: &CellPair<'_>, margin: f64, level: f64, power: &mut Power) -> MetricPair {
        let Tested { measure, base, new, interval, p, .. } = self;
        let margin = margin * base;
        let difference = new - base;
        let small = interval.is_some_and(|interval| interval.within(-margin, margin));
        let (base_boots, new_boots) = (&self.boots.0, &self.boots.1);
        let effect = dominance(base_boots, new_boots);
        // The test is of boots, the medians of trials: where boots have unequally many, the two can
        // point to opposite sides, and then neither is a finding.
        let agree = difference * effect > 0.0;
        let verdict = match p <= level {
            true if !small && agree => MetricVerdict::of(difference),
            _ if small => MetricVerdict::Same,
            _ => {
                let known =
                    Known { base: base_boots, new: new_boots, difference, interval, margin };
                let have = base_boots.len().min(new_boots.len());
                let more = |boots: usize| boots.saturating_sub(have).max(1) as u32;
                MetricVerdict::CantTell { more_boots: power.boots(&known).map(more) }
            }
        };
        let moved = Moved::most(cell, measure, verdict);
        let (effect, p) = (Some(effect), Some(p));
        MetricPair { measure, base, new, difference, interval, effect, p, verdict, moved }
    }
}
