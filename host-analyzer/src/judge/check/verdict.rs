//! The result of checking a run against its budgets, as data.

use crate::ground::failure::Failure;
use crate::ground::text::counted;
use crate::judge::statistics::Interval;
use miette::miette;
use std::path::PathBuf;

/// The result of checking a run against its budgets.
#[derive(Debug)]
pub struct BudgetVerdict {
    /// The budgets' file.
    pub file: PathBuf,
    /// The run.
    pub run: PathBuf,
    /// When the run began, as its manifest states it; empty for a bare capture.
    pub started: String,
    /// Every figure of every cell that a budget is for, in the order of the file; then lost APs and gaps that
    /// no budget allows.
    pub rows: Vec<BudgetRow>,
    /// True where a cell of the run is of an exact engine.
    pub exact: bool,
    /// What makes the run unequal to its baselines, one sentence each.
    pub notes: Vec<String>,
    /// The run's own warnings.
    pub warnings: Vec<String>,
    /// The options that make the run the baseline, where a budget that has one is broken.
    pub(super) accept: Option<&'static str>,
}

/// A figure of a cell and its budget.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetRow {
    /// The budget's line; `None` where no budget was needed.
    pub line: Option<usize>,
    /// The cell, or the boot.
    pub cell: String,
    /// The figure.
    pub figure: &'static str,
    /// What was measured, in words.
    pub measured: String,
    /// What is allowed, in words.
    pub allowed: String,
    /// Measured over allowed; `None` where there is no such number.
    pub used: Option<f64>,
    /// The numbers: measured, its interval, and the most that is allowed. Cycles, a count, or a
    /// ratio, as the budget is.
    pub numbers: Option<(f64, Option<Interval>, f64)>,
    /// The conclusion.
    pub outcome: Outcome,
    /// Why, where it is not met.
    pub why: String,
}

/// The conclusion about a figure and its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is kept.
    Met,
    /// On a noisy engine: the interval does not decide.
    InDoubt,
    /// It is broken.
    Broken,
}

impl Outcome {
    /// The word for it, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Met => "met",
            Outcome::InDoubt => "in-doubt",
            Outcome::Broken => "broken",
        }
    }
}

impl BudgetVerdict {
    /// How many rows have this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.rows.iter().filter(|row| row.outcome == outcome).count()
    }

    /// `Ok` if no budget is broken, else the [`Failure::Verdict`] that a command ends with.
    pub fn result(&self) -> Result<(), Failure> {
        match self.count(Outcome::Broken) {
            0 => Ok(()),
            broken => {
                let what = format!(
                    "{broken} of {} {} broken",
                    counted(self.rows.len() as u64, "budget"),
                    if broken == 1 { "is" } else { "are" }
                );
                Err(Failure::Verdict(match self.accept {
                    None => miette!("{what}"),
                    Some(options) => miette!(
                        help = format!(
                            "where the change is meant, `{options}` makes the run the new baseline"
                        ),
                        "{what}"
                    ),
                }))
            }
        }
    }
}
