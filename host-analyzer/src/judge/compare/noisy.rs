//! Figures of noisy engines: the boots are ranked, and all figures are one family.
//!
//! Difference, interval, test and effect are all of the same numbers, the medians of the boots, so they
//! can't contradict each other.

use super::boots::Family;
use super::power::{Known, Power};
use super::verdict::{CellPair, HostPair, MetricPair, MetricVerdict, Moved, Settings};
use crate::judge::statistics::{CONFIDENCE, Shift, can_find, dominance, holm, median, rank_test};
use crate::run::measure::Measure;
use crate::run::{HostMeasure, Sample};

/// Whose figure it is: an index of the cells, or of the boots on the host's clock.
enum Place {
    Cell(usize, Measure),
    Host(usize, HostMeasure),
}

/// A figure before its verdict.
struct Tested {
    place: Place,
    /// The medians of the boots, of the base and of the new run.
    boots: (Vec<f64>, Vec<f64>),
    /// How many boots of a run give one of these: of the boots of several cells only each second, third … is a
    /// cold trial of a cell.
    share: usize,
    shift: Shift,
    p: f64,
}

/// Tests all figures of all noisy cells, and of their boots on the host's clock, as one family.
pub(super) fn test(
    cells: &mut [CellPair<'_>],
    hosts: &mut [HostPair<'_>],
    settings: &Settings,
) -> Family {
    let mut all: Vec<Tested> = Vec::new();
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.exact) {
        all.extend(settings.figures.iter().filter_map(|measure| {
            let samples = [cell.base, cell.new].map(|cell| cell.sample(*measure));
            let boots = cell.base.sample(Measure::Total).boots();
            Tested::of(Place::Cell(index, *measure), samples, cell.clock_ratio(), boots)
        }));
    }
    for (index, host) in hosts.iter().enumerate() {
        all.extend(settings.host_figures.iter().filter_map(|measure| {
            let samples = [&host.base, &host.new].map(|boots| boots.sample(*measure));
            Tested::of(Place::Host(index, *measure), samples, 1.0, host.base.count())
        }));
    }
    // A number that is the same in every boot can't be found different, so it takes no part. Nor do those that few
    // of the boots have, where these can't find anything among the others.
    let full = all.iter().filter(|tested| tested.varies() && tested.share == 1).count();
    let takes_part = |tested: &Tested| {
        let counts = [tested.boots.0.len(), tested.boots.1.len()];
        tested.varies() && (tested.share == 1 || can_find(counts, full + 1))
    };
    let (mut tested, mut others): (Vec<Tested>, Vec<Tested>) =
        all.into_iter().partition(takes_part);
    let figures = tested.len();
    let boots = || tested.iter().map(|tested| [tested.boots.0.len(), tested.boots.1.len()]);
    let family = Family {
        figures,
        boots: boots().filter_map(|boots| boots.into_iter().min()).max().unwrap_or_default(),
        can_find: boots().any(|boots| can_find(boots, figures)),
    };
    let corrected = holm(&tested.iter().map(|tested| tested.p).collect::<Vec<f64>>());
    tested.iter_mut().zip(corrected).for_each(|(tested, p)| tested.p = p);
    let mut power = Power::of(family.figures);
    let margin = settings.margin_of(false);
    others.iter_mut().for_each(|other| other.p = 1.0);
    let others = others.into_iter().map(|other| (other, false));
    for (tested, takes_part) in tested.into_iter().map(|tested| (tested, true)).chain(others) {
        match tested.place {
            Place::Cell(index, measure) => {
                let judged = tested.judged(measure, takes_part, margin, &mut power);
                let cell = &mut cells[index];
                let moved =
                    judged.as_ref().map(|figure| Moved::most(cell, measure, figure.verdict));
                let figure =
                    judged.zip(moved).map(|(figure, moved)| MetricPair { moved, ..figure });
                cell.figures.extend(figure);
            }
            Place::Host(index, measure) => {
                let judged = tested.judged(measure, takes_part, margin, &mut power);
                hosts[index].figures.extend(judged);
            }
        }
    }
    family
}

impl Tested {
    /// Of the samples of both runs, of which the base has so many boots; the new run's values are multiplied by `ratio`.
    fn of(place: Place, samples: [Sample; 2], ratio: f64, boots: usize) -> Option<Tested> {
        let share = boots.div_ceil(samples[0].boots().max(1)).max(1);
        let [base, mut new] = samples.map(|sample| sample.boot_medians());
        new.iter_mut().for_each(|boot| *boot *= ratio);
        let (shift, p) = (Shift::of(&base, &new)?, rank_test(&base, &new));
        Some(Tested { place, boots: (base, new), share, shift, p })
    }

    /// True where two boots differ.
    fn varies(&self) -> bool {
        let mut boots = self.boots.0.iter().chain(&self.boots.1);
        let first = boots.next();
        boots.any(|boot| Some(boot) != first)
    }

    /// With its verdict, but the APs that moved most; `margin` is a share of the base.
    fn judged<M>(
        &self,
        measure: M,
        takes_part: bool,
        margin: f64,
        power: &mut Power,
    ) -> Option<MetricPair<M>> {
        let Tested { boots: (base_boots, new_boots), share, shift, p, .. } = self;
        let (base, new) = (median(base_boots)?, median(new_boots)?);
        let (difference, interval) = (shift.estimate, shift.interval);
        let margin = margin * base;
        let verdict = match interval {
            Some(interval) if interval.within(-margin, margin) => MetricVerdict::Same,
            // Where many boots are tied, the test can find what the interval does not.
            Some(interval) if *p <= 1.0 - CONFIDENCE && !interval.holds(0.0) => {
                MetricVerdict::of(difference)
            }
            _ => {
                let known =
                    Known { base: base_boots, new: new_boots, difference, interval, margin };
                let have = base_boots.len().min(new_boots.len());
                let more = |boots: usize| (boots.saturating_sub(have).max(1) * share) as u32;
                MetricVerdict::CantTell { more_boots: power.boots(&known).map(more) }
            }
        };
        let effect = Some(dominance(base_boots, new_boots));
        let (moved, p) = (Vec::new(), takes_part.then_some(*p));
        Some(MetricPair { measure, base, new, difference, interval, effect, p, verdict, moved })
    }
}
