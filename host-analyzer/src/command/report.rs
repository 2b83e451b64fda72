//! `report`: a run as a page and figures.

use super::manual::runs;
use super::output::print;
use crate::ground::failure::Failure;
use crate::present::report;
use crate::run::Run;
use miette::miette;
use std::path::PathBuf;

/// Writes a run's report.html, and figures/*.svg and *.png beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo analyze report                                        # report.html in the last run's folder
  cargo analyze report results/latest/captures/icount-28-1.bin -o out")]
pub struct Report {
    /// A run folder or a capture
    #[arg(default_value = "results/latest", add = runs())]
    run: PathBuf,
    /// The folder to write to, made where it is missing; by default the run's own, and needed for a
    /// capture
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Report {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let is_page = |folder: &PathBuf| folder.extension().is_some_and(|kind| kind == "html");
        if let Some(page) =
            self.output.as_ref().filter(|folder| is_page(folder) && !folder.is_dir())
        {
            return Err(Failure::Request(miette!(
                help = "name the folder that report.html and figures/ go to: `-o DIR`",
                "{} is the name of a page; expected a folder",
                page.display()
            )));
        }
        let run = Run::open(&self.run)?;
        let folder = match (self.output, &run.manifest) {
            (Some(folder), _) => folder,
            (None, Some(_)) => self.run,
            (None, None) => {
                return Err(Failure::Request(miette!(
                    help = "say where the report of a bare capture goes: `-o DIR`",
                    "{} is a capture, not a run folder",
                    self.run.display()
                )));
            }
        };
        report::write(&run, &folder)?;
        print(&format!("{}\n", folder.join("report.html").display()))?;
        run.verdict()
    }
}
