//! The finding in sentences: which cell is the fastest at the largest CPU count, by how much, and
//! what limits it.

use super::trials::median_of;
use crate::ground::unit::{Unit, readable};
use crate::judge::critical::{self, Sum};
use crate::run::measure::Measure;
use crate::run::{Cell, FullTrial, Run};
use bringup::Cycles;

/// The fastest cell at the largest CPU count: an index of [`Run::cells`]. Cells that lost an AP are
/// no winners.
pub fn best(run: &Run) -> Option<usize> {
    finishers(run).first().copied()
}

/// Which cell is the fastest at the largest CPU count, and by how much.
pub fn sentence(run: &Run) -> String {
    let most = run.cells.iter().map(|cell| cell.smp).max();
    let Some(smp) = most.filter(|smp| *smp > 1) else {
        return "There was nothing to bring up".to_owned();
    };
    let finishers = finishers(run);
    let (Some(best), Some(worst)) = (finishers.first(), finishers.last()) else {
        return format!("No cell with {smp} CPUs brought all of them online");
    };
    let (best, worst) = (&run.cells[*best], &run.cells[*worst]);
    let varying = run.varying_options();
    let one_engine = run.cells.iter().all(|cell| cell.engine == best.engine);
    let label = |cell: &Cell| {
        let engine = if one_engine { String::new() } else { format!("{}, ", cell.engine) };
        format!("{engine}{}", cell.options_label(&varying))
    };
    let total = |cell: &Cell| cell.total().map_or(0, |total| total.median);
    let time_of = |cell: &Cell| readable(Unit::Auto, total(cell), cell.tsc_khz());
    let mut text = format!("{smp} CPUs come online in {} with {}", time_of(best), label(best));
    let slower = |cell: &&Cell| {
        total(cell) > 0 && total(cell) != total(best) && cell.lost_in_all_trials() == 0
    };
    if let Some(against) = run.serial_of(best).filter(slower).or(Some(worst).filter(slower)) {
        let factor = time(against) / time(best);
        text +=
            &format!(": {factor:.2} times as fast as {} ({})", label(against), time_of(against));
        if overlap(best, against) {
            text += "; but their 95 % confidence intervals overlap";
        }
    }
    text
}

/// What limits the best cell: the largest part of its critical path, and how far it is from the
/// least that it could take. Given the trials of every cell that are shown.
pub fn limit(run: &Run, shown: &[Vec<FullTrial>]) -> Option<String> {
    let best = best(run)?;
    let khz = run.cells[best].tsc_khz();
    let FullTrial { trial, timelines } = median_of(&shown[best])?;
    let Sum { part, cycles, aps } =
        *critical::sums(&critical::path(&run.cells[best].options, Cycles(trial.total), timelines))
            .first()?;
    let time_of = |cycles| readable(Unit::Auto, cycles, khz);
    let whose = match aps {
        1 => "of one AP".to_owned(),
        aps => format!("of {aps} APs, one after the other"),
    };
    let mut text = format!(
        "What limits it now is {}: {} of the {} on its critical path ({:.0} %), {whose}.",
        part.name(),
        time_of(cycles),
        time_of(trial.total),
        100.0 * cycles as f64 / trial.total as f64
    );
    if let Some(bound) = critical::lower_bound(timelines) {
        text += &format!(" Without any waiting it would take {}.", time_of(bound.0));
    }
    Some(text)
}

/// Whether the totals of two cells of one engine can be the same as far as their boots show.
fn overlap(one: &Cell, other: &Cell) -> bool {
    let interval = |cell: &Cell| cell.sample(Measure::Total).interval();
    let (Some(faster), Some(slower)) = (interval(one), interval(other)) else { return false };
    one.engine == other.engine && faster.high >= slower.low
}

/// The cells at the largest CPU count that lost no AP, the fastest first. In a run with logs of a Linux only these count:
/// what was measured is not mixed with what was simulated.
fn finishers(run: &Run) -> Vec<usize> {
    let logs: Vec<&str> =
        run.boots.iter().filter(|boot| boot.linux.is_some()).map(|boot| &*boot.engine).collect();
    let counts = |cell: &Cell| logs.is_empty() || logs.contains(&&*cell.engine);
    let most = run.cells.iter().map(|cell| cell.smp).max().filter(|smp| *smp > 1);
    let mut finishers: Vec<usize> = (0..run.cells.len())
        .filter(|index| {
            let cell = &run.cells[*index];
            Some(cell.smp) == most
                && counts(cell)
                && cell.lost_in_all_trials() == 0
                && cell.total().is_some()
        })
        .collect();
    finishers.sort_by(|one, other| time(&run.cells[*one]).total_cmp(&time(&run.cells[*other])));
    finishers
}

/// The median total in ms. Clocks may differ between engines, so times are compared and not cycles.
fn time(cell: &Cell) -> f64 {
    let total = cell.total().map_or(0, |total| total.median);
    total as f64 / cell.tsc_khz().unwrap_or(1) as f64
}
