//! `check`: a run against its budgets, for pipelines.

use super::{json_text, note, print};
use crate::check::baseline::{self, Place};
use crate::check::budgets::{Budgets, Limit};
use crate::check::{self, check};
use crate::failure::Failure;
use crate::file::{WholeFile, unwritable};
use crate::run::Run;
use clap::ValueEnum;
use miette::miette;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{self, Path, PathBuf};

/// Judges a run by its budgets; exits with 1 where one is broken.
///
/// Exact engines are judged to the cycle. On noisy ones a budget is broken only where the whole 95 %
/// interval lies beyond it; where it lies on both sides, the budget is in doubt, which is told and
/// fails nothing. A budget that matches no cell is a mistake of the request: 2.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo analyze check --budgets scenarios/budgets/small.toml --junit check.xml\n  \
    cargo analyze check results/latest --budgets scenarios/budgets/small.toml --accept\n  \
    git bisect run sh -c 'cargo xtask matrix S.toml || exit 125; cargo analyze check --budgets B.toml --bisect'")]
pub struct Check {
    /// A run folder
    #[arg(default_value = "results/latest")]
    run: PathBuf,
    /// The budgets
    #[arg(long, value_name = "FILE")]
    budgets: PathBuf,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Show every budget in the table, not only those that are not met
    #[arg(long)]
    all: bool,
    /// Also write the verdict as JUnit
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also print annotations for GitHub, and add to the file that GITHUB_STEP_SUMMARY names
    #[arg(long)]
    github: bool,
    /// For `git bisect run`: exit with 125, which skips a revision, instead of 2, 3 and 70
    #[arg(long)]
    pub(super) bisect: bool,
    /// Before it is judged, make the run the baseline that the budgets name
    #[arg(long)]
    accept: bool,
    /// Accept a run of a noisy engine too
    #[arg(long, requires = "accept")]
    noisy: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    #[default]
    Table,
    /// Markdown, for a comment
    Markdown,
    /// JSON for programs
    Json,
}

impl Check {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        if self.github && self.format == Format::Json {
            return Err(Failure::Request(miette!(
                help = "call it twice, once for each",
                "--github prints annotations, and --format json prints JSON alone"
            )));
        }
        let budgets = Budgets::read(&self.budgets)?;
        let run = Run::open(&self.run)?;
        // Where it can't be written, nothing else is done.
        let junit = self.junit.as_deref().map(WholeFile::create).transpose()?;
        if self.accept {
            accept(&run, &budgets, self.noisy)?;
        }
        let verdict = check(&run, &budgets)?;
        if let (Some(mut file), Some(path)) = (junit, &self.junit) {
            let text = check::junit(&verdict)?;
            file.write_all(text.as_bytes()).map_err(|error| unwritable(path, &error))?;
            file.finish()?;
        }
        print(&match self.format {
            Format::Table => check::table(&verdict, self.all),
            Format::Markdown => check::markdown(&verdict),
            Format::Json => json_text(&check::json(&verdict)),
        })?;
        if self.github {
            print(&check::annotations(&verdict))?;
            if let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY") {
                append(Path::new(&file), &check::markdown(&verdict))?;
            }
        }
        verdict.result()
    }
}

/// Makes the run every baseline that the budgets name, or none where one of them is refused.
fn accept(run: &Run, budgets: &Budgets, noisy: bool) -> Result<(), Failure> {
    let mut places: Vec<Place> = Vec::new();
    for budget in &budgets.budgets {
        if let Some(Limit::Baseline { run: named, .. }) = &budget.limit {
            let place = Place::find(named, &budgets.file)?;
            // `NAME` and `./NAME` are one.
            let absolute = |place: &Place| path::absolute(place.path()).ok();
            if places.iter().all(|known| absolute(known) != absolute(&place)) {
                places.push(place);
            }
        }
    }
    if places.is_empty() {
        return Err(Failure::Request(miette!(
            help = "a budget names one with `baseline = \"results/reference/…\"`",
            "{} names no baseline to replace",
            budgets.file.display()
        )));
    }
    let manifest = baseline::acceptable(run, &places, noisy)?;
    for place in places {
        let path = place.path().to_owned();
        baseline::accept(run, manifest, place)?;
        note(&format!("{} is now this run", path.display()));
    }
    Ok(())
}

fn append(file: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().append(true).create(true).open(file);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        Failure::Environment(miette!(
            help = "GITHUB_STEP_SUMMARY names this file",
            "can't write {}: {error}",
            file.display()
        ))
    })
}
