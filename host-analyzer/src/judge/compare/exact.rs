//! Figures of exact engines: a cycle more is slower, unless a margin is asked for.

use super::verdict::{CellPair, MetricPair, MetricVerdict, Moved, Settings};
use crate::run::Cell;
use crate::run::measure::Measure;

/// Every figure that both cells have.
pub(super) fn figures(cell: &CellPair<'_>, settings: &Settings) -> Vec<MetricPair> {
    let margin = settings.margin_of(true);
    settings.figures.iter().filter_map(|measure| figure(cell, *measure, margin)).collect()
}

fn figure(cell: &CellPair<'_>, measure: Measure, margin: f64) -> Option<MetricPair> {
    let base = cell.base.sample(measure).median()?;
    let new = cell.new.sample(measure).median()?;
    let mut difference = new - base;
    let trials = |cell: &Cell| cell.trials_of(measure).count();
    if difference == 0.0 && trials(cell.base) == trials(cell.new) {
        difference = mean(cell.new, measure)? - mean(cell.base, measure)?;
    }
    let verdict = match is_small(cell, measure, base, difference, margin) {
        true => MetricVerdict::Same,
        false => MetricVerdict::of(difference),
    };
    let moved = Moved::most(cell, measure, verdict);
    let (interval, effect, p) = (None, None, None);
    Some(MetricPair { measure, base, new, difference, interval, effect, p, verdict, moved })
}

/// True where a difference lies within the margin of the base, or where it could not move the total by more
/// than the margin even if it came once for each AP.
fn is_small(
    cell: &CellPair<'_>,
    measure: Measure,
    base: f64,
    difference: f64,
    margin: f64,
) -> bool {
    let times = match measure {
        Measure::Phase(_) | Measure::SubPhase(_) => f64::from(cell.new.smp - 1),
        _ => 1.0,
    };
    let total = cell.base.sample(Measure::Total).median().unwrap_or_default();
    let difference = difference.abs();
    difference <= margin * base || difference * times <= margin * total
}

/// A measure's mean over the trials; of a phase the exact one, without each trial's rounding.
fn mean(cell: &Cell, measure: Measure) -> Option<f64> {
    let aps: Vec<f64> = cell.aps.iter().filter_map(|(_, ap)| ap.mean(measure)).collect();
    if !aps.is_empty() {
        return Some(aps.iter().sum::<f64>() / aps.len() as f64);
    }
    let trials = cell.trials_of(measure).iter();
    let values: Vec<u64> = trials.filter_map(|trial| measure.of(trial)).collect();
    let sum: f64 = values.iter().map(|value| *value as f64).sum();
    (!values.is_empty()).then(|| sum / values.len() as f64)
}
