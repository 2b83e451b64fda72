//! What makes a run's results doubtful, one sentence each.

use crate::run::Run;

/// Every warning: first those of the captures, then those of the cells.
pub fn of(_run: &Run) -> Vec<String> {
    Vec::new()
}
