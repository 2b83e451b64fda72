//! What makes up the difference of a total: the parts of the critical paths.

use super::verdict::{Cause, CellPair};
use crate::ground::failure::Failure;
use crate::judge::critical::{Part, path, sums};
use crate::run::{Cell, FullTrial, Run, Trial};
use bringup::Cycles;
use std::collections::BTreeMap;

/// Finds the causes of every total that changed. Reads captures again, if there is one.
pub(super) fn find(base: &Run, new: &Run, cells: &mut [CellPair<'_>]) -> Result<(), Failure> {
    let changed =
        |cell: &&mut CellPair<'_>| cell.total().is_some_and(|total| total.verdict.is_change());
    let mut changed: Vec<&mut CellPair<'_>> = cells.iter_mut().filter(changed).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let bases = parts(base, &changed.iter().map(|cell| cell.base).collect::<Vec<_>>())?;
    let news = parts(new, &changed.iter().map(|cell| cell.new).collect::<Vec<_>>())?;
    for ((cell, base), new) in changed.iter_mut().zip(bases).zip(news) {
        if let (Some(base), Some(new)) = (base, new) {
            let ratio = cell.clock_ratio();
            let new = new.into_iter().map(|(part, cycles)| (part, cycles * ratio)).collect();
            cell.causes = causes(&base, &new);
        }
    }
    Ok(())
}

fn causes(base: &BTreeMap<Part, f64>, new: &BTreeMap<Part, f64>) -> Vec<Cause> {
    let of = |parts: &BTreeMap<Part, f64>, part| parts.get(&part).copied().unwrap_or_default();
    let cause = |part| Cause { part, base: of(base, part), new: of(new, part) };
    let mut causes: Vec<Cause> = Part::ALL.map(cause).into();
    causes.retain(|cause| cause.difference() != 0.0);
    causes.sort_by(|one, other| other.difference().abs().total_cmp(&one.difference().abs()));
    causes
}

/// The length of each part in these cells of a run, the mean over their typical trials; `None` of a cell
/// whose trials have no timelines.
fn parts(run: &Run, cells: &[&Cell]) -> Result<Vec<Option<BTreeMap<Part, f64>>>, Failure> {
    let place = |wanted: &Cell| cells.iter().position(|cell| std::ptr::eq(*cell, wanted));
    let wanted: Vec<Vec<Trial>> = run
        .cells
        .iter()
        .map(|cell| if place(cell).is_some() { typical(cell) } else { Vec::new() })
        .collect();
    let mut found = vec![None; cells.len()];
    for (cell, trials) in run.cells.iter().zip(run.with_timelines(&wanted)?) {
        if let Some(place) = place(cell).filter(|_| !trials.is_empty()) {
            found[place] = Some(mean(cell, &trials));
        }
    }
    Ok(found)
}

/// The median trial of an exact engine, that of each boot of a noisy one; of an even count the lower of the
/// two in the middle.
fn typical(cell: &Cell) -> Vec<Trial> {
    if cell.exact == Some(true) {
        return cell.median_trial().into_iter().collect();
    }
    let mut boots: BTreeMap<u32, Vec<Trial>> = BTreeMap::new();
    for trial in cell.ranked_trials() {
        boots.entry(trial.boot).or_default().push(trial);
    }
    boots.into_values().map(|trials| trials[(trials.len() - 1) / 2]).collect()
}

fn mean(cell: &Cell, trials: &[FullTrial]) -> BTreeMap<Part, f64> {
    let mut parts = BTreeMap::new();
    for FullTrial { trial, timelines } in trials {
        for sum in sums(&path(&cell.options, Cycles(trial.total), timelines)) {
            *parts.entry(sum.part).or_default() += sum.cycles as f64 / trials.len() as f64;
        }
    }
    parts
}
