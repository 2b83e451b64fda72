//! Costs fitted to what a run has measured: of any engine, of a Linux, of published rows.
//!
//! Each AP of a cell gives what every step cost it; [`Fitted::options`] takes means over the APs of a class. What a run does
//! not separate is kept apart: [`ApCosts::bringup`].

mod costs;
mod frames;
mod log;

use crate::run::{Cell, Run};

pub use costs::{ApCosts, Fitted, WakeShare, classes};

/// Fits costs to a cell; `None` where it has no AP, no whole trial, or nothing that shows its steps.
pub fn fit<'a>(run: &'a Run, cell: &'a Cell) -> Option<Fitted<'a>> {
    let trial = cell.trials.iter().next()?;
    let boot = run.boots.get(trial.boot as usize)?;
    if boot.linux.is_none() {
        return frames::fit(cell, boot);
    }
    let boots = cell.trials.iter().filter_map(|trial| run.boots.get(trial.boot as usize));
    let logs: Vec<_> = boots.filter_map(|boot| Some((boot, boot.linux.as_deref()?))).collect();
    log::fit(cell, &logs)
}
