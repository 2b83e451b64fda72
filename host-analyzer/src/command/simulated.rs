//! `simulated`: a run against the simulator.

use super::finding::Finding;
use crate::ground::failure::Failure;
use crate::judge::simulated;
use crate::present::show;

/// Compares a run with the simulator: what do the costs not explain?
///
/// Every cell is simulated with its own options, CPU count and AP classes. It states and does not
/// judge: a machine's own work, or a noisy engine's, is no mistake.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo analyze simulated\n  \
    cargo analyze simulated --format json results/latest")]
pub struct Simulated {
    #[command(flatten)]
    finding: Finding,
}

impl Simulated {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let run = self.finding.open()?;
        let rows = simulated::rows(&run)?;
        self.finding
            .print(|| show::simulated_table(&run, &rows), || show::simulated_json(&run, &rows))?;
        run.verdict()
    }
}
