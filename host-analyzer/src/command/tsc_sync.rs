//! `tsc-sync`: what the sync has found out about the clocks.

use super::finding::Finding;
use crate::ground::failure::Failure;
use crate::ground::unit::Unit;
use crate::present::show;

/// Reports what the TSC sync found: how many clocks were certified, how closely, how fast.
///
/// A row for each cell whose clocks were compared. Where skews were planted: how many were found, by how
/// much a correction missed its skew at most, and whether other clocks were found to be off.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask matrix scenarios/tsc-sync-threads.toml && cargo analyze tsc-sync
  cargo analyze tsc-sync --format json results/latest")]
pub struct TscSync {
    #[command(flatten)]
    finding: Finding,
    /// The unit of times; widths are cycles
    #[arg(long, value_enum, default_value_t)]
    unit: Unit,
}

impl TscSync {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let run = self.finding.open()?;
        self.finding
            .print(|| show::tsc_sync_table(&run, self.unit), || show::tsc_sync_json(&run))?;
        run.verdict()
    }
}
