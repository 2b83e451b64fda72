//! `rates`: how often APs are lost.

use super::finding::Finding;
use crate::ground::failure::Failure;
use crate::judge::rates::Rates;
use crate::present::show;

/// Report how often APs were lost: by engine, wake sequence, CPU and step, with exact intervals
///
/// With none lost the interval is a bound. `cargo xtask storm` boots a scenario as often as that takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask run fault=drop-sipi:all:1/100:7 limit=10ms repetitions=1000 --smp 8; cargo analyze rates results/latest-run
  cargo analyze rates --format json results/latest")]
pub struct ShowRates {
    #[command(flatten)]
    finding: Finding,
}

impl ShowRates {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let run = self.finding.open()?;
        let rates = Rates::of(&run);
        self.finding.print(
            || show::rates_table(&rates, show::warnings(&run).collect()),
            || show::rates_json(&rates),
        )?;
        run.verdict()
    }
}
