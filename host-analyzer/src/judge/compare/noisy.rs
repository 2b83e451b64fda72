//! Figures of noisy engines: the boots are ranked, and all figures are one family.
//!
//! Difference, interval, test and effect are all of the same numbers, the medians of the boots, so they
//! can't contradict each other.

use super::boots::Family;
use super::power::{Known, Power};
use super::verdict::{CellPair, MetricPair, MetricVerdict, Moved, Settings};
use crate::judge::statistics::{CONFIDENCE, Shift, can_find, dominance, holm, median, rank_test};
use crate::run::measure::Measure;

/// A figure before its verdict.
struct Tested {
    /// An index of the cells.
    cell: usize,
    measure: Measure,
    /// The medians of the boots, of the base and of the new run.
    boots: (Vec<f64>, Vec<f64>),
    shift: Shift,
    p: f64,
}

/// Tests all figures of all noisy cells as one family.
pub(super) fn test(cells: &mut [CellPair<'_>], settings: &Settings) -> Family {
    let mut all: Vec<Tested> = Vec::new();
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.exact) {
        all.extend(settings.figures.iter().filter_map(|measure| Tested::of(index, cell, *measure)));
    }
    // A number that is the same in every boot can't be found different, so it takes no part.
    let tested: Vec<&mut Tested> = all.iter_mut().filter(|tested| tested.varies()).collect();
    let figures = tested.len();
    let boots = || tested.iter().map(|tested| [tested.boots.0.len(), tested.boots.1.len()]);
    let family = Family {
        figures,
        boots: boots().filter_map(|boots| boots.into_iter().min()).max().unwrap_or_default(),
        can_find: boots().any(|boots| can_find(boots, figures)),
    };
    let corrected = holm(&tested.iter().map(|tested| tested.p).collect::<Vec<f64>>());
    tested.into_iter().zip(corrected).for_each(|(tested, p)| tested.p = p);
    let mut power = Power::of(family.figures);
    for tested in all {
        let cell = &mut cells[tested.cell];
        let figure = tested.judged(cell, settings.margin_of(false), &mut power);
        cell.figures.extend(figure);
    }
    family
}

impl Tested {
    fn of(index: usize, cell: &CellPair<'_>, measure: Measure) -> Option<Tested> {
        let boots = [cell.base, cell.new].map(|cell| cell.sample(measure).boot_medians());
        let [base, new] = boots;
        let (shift, p) = (Shift::of(&base, &new)?, rank_test(&base, &new));
        Some(Tested { cell: index, measure, boots: (base, new), shift, p })
    }

    /// True where two boots differ.
    fn varies(&self) -> bool {
        let mut boots = self.boots.0.iter().chain(&self.boots.1);
        let first = boots.next();
        boots.any(|boot| Some(boot) != first)
    }

    /// With its verdict; `margin` is a share of the base.
    fn judged(self, cell: &CellPair<'_>, margin: f64, power: &mut Power) -> Option<MetricPair> {
        let Tested { measure, boots: (base_boots, new_boots), shift, p, .. } = self;
        let (base, new) = (median(&base_boots)?, median(&new_boots)?);
        let (difference, interval) = (shift.estimate, shift.interval);
        let margin = margin * base;
        let verdict = match interval {
            Some(interval) if interval.within(-margin, margin) => MetricVerdict::Same,
            // Where many boots are tied, the test can find what the interval does not.
            Some(interval) if p <= 1.0 - CONFIDENCE && !interval.holds(0.0) => {
                MetricVerdict::of(difference)
            }
            _ => {
                let known =
                    Known { base: &base_boots, new: &new_boots, difference, interval, margin };
                let have = base_boots.len().min(new_boots.len());
                let more = |boots: usize| boots.saturating_sub(have).max(1) as u32;
                MetricVerdict::CantTell { more_boots: power.boots(&known).map(more) }
            }
        };
        let effect = Some(dominance(&base_boots, &new_boots));
        let (moved, p) = (Moved::most(cell, measure, verdict), Some(p));
        Some(MetricPair { measure, base, new, difference, interval, effect, p, verdict, moved })
    }
}
