//! `show`: a run as a table, as JSON, or as a line for each AP.

use super::finding::Finding;
use super::output::{note, print};
use crate::ground::failure::Failure;
use crate::ground::unit::Unit;
use crate::present::show;

/// Shows a run as a table: a row for each cell, medians over its trials.
///
/// The six phases are the means over the APs of a trial, then the medians over the trials.
/// `vs serial` is how many times as fast a cell is as `strategy=serial` on the same engine and
/// CPU count with otherwise equal options; nothing stands there where one of the two lost an AP.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo analyze show                                     # the last run
  cargo analyze show results/default/2026-11-23T06-12-00Z --unit ms
  cargo analyze show --cpu-lines                         # a line for each AP
  cargo analyze show --format json | jq '.cells[].total.median'")]
pub struct Show {
    #[command(flatten)]
    finding: Finding,
    /// The unit of times; `auto` is ms or µs, whichever suits the longest
    #[arg(long, value_enum, default_value_t)]
    unit: Unit,
    /// Show the median trial of each cell AP by AP, in cycles
    ///
    /// `CPU#10 up in 192950, 952898, 60014786, 28 ( 61160662)` has the work phases sipi,
    /// callin, tsc-sync and online, and in brackets their sum. `Brought CPUs online in N
    /// cycles` is a serial trial's total. A parallel trial has two such lines, one for the
    /// loop that kicks all CPUs and one for the time after it; its total is their sum.
    #[arg(long, conflicts_with_all = ["format", "unit"])]
    cpu_lines: bool,
}

impl Show {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let run = self.finding.open()?;
        if self.cpu_lines {
            print(&show::cpu_lines(&run)?)?;
            run.warnings().iter().for_each(|warning| note(&format!("warning: {warning}")));
        } else {
            self.finding.print(|| show::table(&run, self.unit), || show::json(&run))?;
        }
        run.verdict()
    }
}
