//! A run's warnings as lines below a table.

use crate::run::Run;

/// A line for each.
pub fn warnings(run: &Run) -> impl Iterator<Item = String> {
    run.warnings().into_iter().map(|warning| format!("warning: {warning}"))
}
