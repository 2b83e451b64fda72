//! `simulated`: a run against the simulator.

use super::{Format, json_text, print};
use crate::ground::failure::Failure;
use crate::judge::simulated;
use crate::present::show;
use crate::run::Run;
use std::path::PathBuf;

/// Compares a run with the simulator: what do the costs not explain?
///
/// Every cell is simulated with its own options, CPU count and AP classes. It states and does not
/// judge: a machine's own work, or a noisy engine's, is no mistake.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo analyze simulated\n  \
    cargo analyze simulated --format json results/latest\n  \
    cargo analyze simulated --fit 8")]
pub struct Simulated {
    /// A run folder or a capture
    #[arg(default_value = "results/latest")]
    run: PathBuf,
    /// Fit the costs to the cells at this CPU count, and simulate those at the others with them
    #[arg(long, value_name = "CPUS")]
    fit: Option<u16>,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Simulated {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let run = Run::open(&self.run)?;
        let rows = match self.fit {
            None => simulated::rows(&run)?,
            Some(smp) => simulated::fitted(&run, smp)?,
        };
        print(&match self.format {
            Format::Table if self.fit.is_some() => show::fitted_table(&run, &rows),
            Format::Table => show::simulated_table(&run, &rows),
            Format::Json => json_text(&show::simulated_json(&run, &rows)),
        })?;
        run.verdict()
    }
}
