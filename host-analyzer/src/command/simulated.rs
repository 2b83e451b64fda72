//! `simulated`: a run against the simulator.

use super::{Format, print};
use crate::failure::Failure;
use crate::run::Run;
use crate::{show, simulated};
use std::path::PathBuf;

/// Compares a run with the simulator: what do the costs not explain?
///
/// Every cell is simulated with its own options, CPU count and AP classes. It states and does not
/// judge: a machine's own work, or a noisy engine's, is no mistake.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo analyze simulated\n  \
    cargo xtask matrix scenarios/agreement.toml && cargo analyze simulated")]
pub struct Simulated {
    /// A run folder or a capture
    #[arg(default_value = "results/latest")]
    run: PathBuf,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Simulated {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let run = Run::open(&self.run)?;
        let rows = simulated::rows(&run)?;
        print(&match self.format {
            Format::Table => show::simulated_table(&run, &rows),
            Format::Json => format!("{:#}\n", show::simulated_json(&run, &rows)),
        })?;
        run.verdict()
    }
}
