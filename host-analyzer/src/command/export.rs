//! `export`: every trial of a run for other programs.

use super::manual::runs;
use super::output::{note, written};
use crate::ground::failure::Failure;
use crate::ground::file::{WholeFile, unwritable};
use crate::present::export::{self, Format, Shown, Stop};
use crate::run::Run;
use crate::run::kept::Kept;
use miette::miette;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Writes every trial of a run, AP by AP, as CSV, JSON lines or a Perfetto trace.
///
/// Trials with a missing frame are left out, as everywhere. docs/exports.md says what the
/// columns and the tracks are.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo analyze export --format csv -o trials.csv
  cargo analyze export --format jsonl | jq 'select(.end == \"lost\") | .cpu'
  cargo analyze export --format perfetto -o trace.pftrace    # open it in ui.perfetto.dev
  cargo analyze export results/latest/captures/icount-28-1.bin --format perfetto --all-trials -o all.pftrace")]
pub struct Export {
    /// A run folder or a capture
    #[arg(default_value = "results/latest", add = runs())]
    run: PathBuf,
    /// What to write
    #[arg(long, value_enum)]
    format: Format,
    /// The file to write; by default, and for `-`, standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Put all trials of a cell into the trace, one after the other, instead of the median one
    ///
    /// CSV and JSON lines hold all of them anyway.
    #[arg(long)]
    all_trials: bool,
}

impl Export {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        if self.all_trials && self.format != Format::Perfetto {
            return Err(Failure::Request(miette!(
                help = "leave it out",
                "`--all-trials` is for `--format perfetto`; the other formats hold all trials anyway"
            )));
        }
        let file = self.output.as_deref().filter(|path| *path != Path::new("-"));
        if file.is_none() && self.format == Format::Perfetto && io::stdout().is_terminal() {
            return Err(Failure::Request(miette!(
                help = "say where it goes: `-o trace.pftrace`",
                "a Perfetto trace is binary, and standard output is a terminal"
            )));
        }
        let run = Run::open(&self.run)?;
        let shown = if self.all_trials { Shown::All } else { Shown::Median };
        let notes = match file {
            Some(path) => {
                Kept::of(&run).spared_by(path)?;
                let mut file = WholeFile::create(path)?;
                let notes = self.write(&run, shown, &mut file).map_err(|stop| match stop {
                    Stop::Run(failure) => failure,
                    Stop::Output(error) => unwritable(path, &error),
                })?;
                file.finish()?;
                notes
            }
            None => match self.write(&run, shown, &mut BufWriter::new(io::stdout().lock())) {
                Ok(notes) => notes,
                Err(Stop::Run(failure)) => return Err(failure),
                Err(Stop::Output(error)) => return written(Err(error)),
            },
        };
        for warning in run.warnings().iter().chain(&notes) {
            note(&format!("warning: {warning}"));
        }
        run.verdict()
    }

    fn write(&self, run: &Run, shown: Shown, output: &mut dyn Write) -> Result<Vec<String>, Stop> {
        export::write(run, self.format, shown, output)
    }
}
