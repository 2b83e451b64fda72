//! `published`: a run against published figures.

use super::finding::Finding;
use crate::ground::failure::Failure;
use crate::judge::published::{self, verdict::PublishedVerdict};
use crate::present::show;
use std::path::PathBuf;

/// Compares a run with published figures; exits with 1 where one is not met.
///
/// A row for each figure whose profile, CPU count and options a cell of the run has. Below:
/// what the same profile predicts for bring-ups without a published figure.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask matrix scenarios/haswell-28.toml && cargo analyze published
  cargo analyze published --figures my-machine.toml
  cargo analyze published --format json | jq .schema")]
pub struct Published {
    #[command(flatten)]
    finding: Finding,
    /// Other figures than the project's own, in the form of host-analyzer/published.toml
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
}

impl Published {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let machines = published::read(self.figures.as_deref())?;
        let run = self.finding.open()?;
        let verdict = PublishedVerdict::of(&run, &machines)?;
        self.finding.print(
            || show::published_table(&run, &verdict),
            || show::published_json(&run, &verdict),
        )?;
        verdict.result()?;
        run.verdict()
    }
}
