//! Figures of noisy engines: the boots are ranked, and all figures are one family.
//!
//! Difference, interval, test and effect are all of the same numbers, the medians of the boots, so they
//! can't contradict each other.

use super::power::{Known, Power};
use super::verdict::{CellPair, HostPair, MetricPair, MetricVerdict, Moved, Settings};
use crate::judge::family::{Candidate, Family, rounds, rounds_of};
use crate::judge::statistics::{CONFIDENCE, Shift, dominance, holm, median, rank_test};
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
    candidate: Candidate,
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
        let rounds = rounds(cell.base);
        all.extend(settings.figures.iter().filter_map(|measure| {
            let samples = [cell.base, cell.new].map(|cell| cell.sample(*measure));
            Tested::of(Place::Cell(index, *measure), &samples, cell.clock_ratio(), rounds)
        }));
    }
    for (index, host) in hosts.iter().enumerate() {
        let rounds = rounds_of(&host.base, cells.iter().map(|cell| cell.base));
        all.extend(settings.host_figures.iter().filter_map(|measure| {
            let samples = [&host.base, &host.new].map(|boots| boots.sample(*measure));
            Tested::of(Place::Host(index, *measure), &samples, 1.0, rounds)
        }));
    }
    let candidates: Vec<Candidate> = all.iter().map(|tested| tested.candidate).collect();
    let (family, take_part) = Family::of(&candidates);
    let mut take_part = take_part.into_iter();
    let (mut tested, mut others): (Vec<Tested>, Vec<Tested>) =
        all.into_iter().partition(|_| take_part.next() == Some(true));
    let corrected = holm(&tested.iter().map(|tested| tested.p).collect::<Vec<f64>>());
    tested.iter_mut().zip(corrected).for_each(|(tested, p)| tested.p = p);
    let mut power = Power::of(family.figures);
    let margin = settings.margin_of(false);
    others.iter_mut().for_each(|other| other.p = 1.0);
    let others = others.into_iter().map(|other| (other, false));
    for (tested, takes_part) in tested.into_iter().map(|tested| (tested, true)).chain(others) {
        match tested.place {
            Place::Cell(index, measure) => {
                let judged = tested.judged(measure, takes_part, margin, 0.0, &mut power);
                let cell = &mut cells[index];
                let moved =
                    judged.as_ref().map(|figure| Moved::most(cell, measure, figure.verdict));
                let figure =
                    judged.zip(moved).map(|(figure, moved)| MetricPair { moved, ..figure });
                cell.figures.extend(figure);
            }
            Place::Host(index, measure) => {
                let least = measure.resolution();
                let judged = tested.judged(measure, takes_part, margin, least, &mut power);
                hosts[index].figures.extend(judged);
            }
        }
    }
    family
}

impl Tested {
    /// Of the samples of both runs, where the base has booted its scenario so many times; the new run's values are
    /// multiplied by `ratio`.
    fn of(place: Place, samples: &[Sample; 2], ratio: f64, rounds: usize) -> Option<Tested> {
        let candidate = Candidate::of(samples.each_ref(), rounds);
        let [base, mut new] = samples.each_ref().map(Sample::boot_medians);
        new.iter_mut().for_each(|boot| *boot *= ratio);
        let (shift, p) = (Shift::of(&base, &new)?, rank_test(&base, &new));
        Some(Tested { place, boots: (base, new), candidate, shift, p })
    }

    /// With its verdict, but the APs that moved most. `margin` is a share of the base; a difference of less than
    /// `least` does not matter either.
    fn judged<M>(
        &self,
        measure: M,
        takes_part: bool,
        margin: f64,
        least: f64,
        power: &mut Power,
    ) -> Option<MetricPair<M>> {
        let Tested { boots: (base_boots, new_boots), candidate, shift, p, .. } = self;
        let (base, new) = (median(base_boots)?, median(new_boots)?);
        let (difference, interval) = (shift.estimate, shift.interval);
        let margin = (margin * base).max(least);
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
                let more =
                    |boots: usize| candidate.rounds(boots.saturating_sub(have).max(1)) as u32;
                MetricVerdict::CantTell { more_boots: power.boots(&known).map(more) }
            }
        };
        let effect = Some(dominance(base_boots, new_boots));
        let (moved, p) = (Vec::new(), takes_part.then_some(*p));
        Some(MetricPair { measure, base, new, difference, interval, effect, p, verdict, moved })
    }
}
