//! `tsc-sync`: what the sync has found out about the clocks.

use super::{Format, json_text, print};
use crate::ground::failure::Failure;
use crate::ground::unit::Unit;
use crate::present::show;
use crate::run::Run;
use std::path::PathBuf;

/// Tells what the TSC sync has found out: how many clocks were certified, how closely, how fast.
///
/// A row for each cell whose clocks were compared. Where skews were planted: how many were found, by how
/// much a correction missed its skew at most, and whether other clocks were found to be off.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask matrix scenarios/tsc-sync-threads.toml && cargo analyze tsc-sync
  cargo analyze tsc-sync --format json results/latest")]
pub struct TscSync {
    /// A run folder or a capture
    #[arg(default_value = "results/latest")]
    run: PathBuf,
    /// The unit of times; widths are cycles
    #[arg(long, value_enum, default_value_t)]
    unit: Unit,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl TscSync {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let run = Run::open(&self.run)?;
        print(&match self.format {
            Format::Table => show::tsc_sync_table(&run, self.unit),
            Format::Json => json_text(&show::tsc_sync_json(&run)),
        })?;
        run.verdict()
    }
}
