//! What `show`, `published`, `simulated` and `tsc-sync` share: a run, and the form of what is found.

use super::manual::runs;
use super::output::{json_text, print};
use crate::ground::failure::Failure;
use crate::ground::width::wrapped;
use crate::present::format::Format;
use crate::run::Run;
use serde_json::Value;
use std::path::PathBuf;

/// A run, and what to print of it.
#[derive(Debug, clap::Args)]
pub struct Finding {
    /// A run folder or a capture
    #[arg(default_value = "results/latest", add = runs())]
    run: PathBuf,
    /// What to print
    #[arg(long, default_value = "table", value_parser = Format::one_of(&[Format::Table, Format::Json]))]
    format: Format,
}

impl Finding {
    /// Opens the run.
    pub fn open(&self) -> Result<Run, Failure> {
        Run::open(&self.run)
    }

    /// Prints the one that was asked for.
    pub fn print(
        &self,
        table: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Result<(), Failure> {
        print(&match self.format {
            Format::Json => json_text(&json()),
            _ => wrapped(&table()),
        })
    }
}
