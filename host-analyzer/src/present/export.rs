//! Exports: every trial of a run for other programs.
//!
//! An exporter takes the trials as they come by in another pass over the captures, and writes them
//! at once; a file for each format. `docs/exports.md` says what the fields are.

mod csv;
mod exporter;
mod facts;
mod jsonl;
mod perfetto;

use crate::ground::failure::Failure;
use crate::ground::text::counted;
use crate::run::Run;
use std::io::{self, Write};
use std::ops::ControlFlow;

use exporter::Exporter;
pub use exporter::Shown;

/// What a run is exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A row for each AP of each trial, comma-separated; times in cycles
    Csv,
    /// The same, a JSON object a line
    Jsonl,
    /// A trace for Perfetto, in its protobuf form: a track for each CPU; times in ns
    Perfetto,
}

/// Why an export stopped.
#[derive(Debug)]
pub enum Stop {
    /// The run can't be exported, or not be read.
    Run(Failure),
    /// The output does not take it.
    Output(io::Error),
}

/// Writes the trials of a run that arrived whole. Returns what the format can't hold, a
/// sentence each.
///
/// Memory does not grow with the number of trials.
pub fn write(
    run: &Run,
    format: Format,
    shown: Shown,
    output: &mut dyn Write,
) -> Result<Vec<String>, Stop> {
    let mut exporter: Box<dyn Exporter + '_> = match format {
        Format::Csv => Box::new(csv::Csv::begin(run, output).map_err(Stop::Output)?),
        Format::Jsonl => Box::new(jsonl::Jsonl::begin(run, output)),
        Format::Perfetto => {
            Box::new(perfetto::Perfetto::begin(run, shown, output).map_err(Stop::Run)?)
        }
    };
    let mut result = Ok(());
    run.each_trial(|trial| {
        result = exporter.trial(trial);
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .map_err(Stop::Run)?;
    let mut notes = result.and_then(|()| exporter.finish()).map_err(Stop::Output)?;
    let logs = run.boots.iter().filter(|boot| boot.linux.is_some()).count();
    if logs > 0 {
        let logs = counted(logs as u64, "boot");
        notes.push(format!(
            "{logs} of a Linux left out: a log has no stamps; `show --format json` has its phases"
        ));
    }
    Ok(notes)
}
