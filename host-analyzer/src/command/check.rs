//! `check`: a run against its budgets, for pipelines.

use super::manual::runs;
use super::output::{json_text, note, print};
use crate::ground::failure::Failure;
use crate::ground::file::{WholeFile, unwritable};
use crate::ground::text::counted;
use crate::ground::width::wrapped;
use crate::judge::check::baseline::{self, Place};
use crate::judge::check::budgets::{Budgets, Limit};
use crate::judge::check::{BudgetVerdict, Outcome, check, unexplained_gap};
use crate::present;
use crate::present::format::Format;
use crate::run::Run;
use crate::run::kept::Kept;
use miette::miette;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Judges a run by its budgets; exits with 1 where one is broken.
///
/// Exact engines are judged to the cycle, in virtual time: icount never shows the speed of QEMU. On noisy ones
/// a budget is broken only where the whole 95 % interval lies beyond it; where it lies on both
/// sides, the budget is in doubt, which is reported and fails nothing, but with `--bisect` ends with 125. A
/// budget that matches no cell is a mistake of the request: 2.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo analyze check --budgets scenarios/budgets/small.toml --junit check.xml\n  \
    cargo analyze check results/latest --budgets scenarios/budgets/small.toml --accept\n  \
    git bisect run sh -c 'cargo xtask matrix S.toml; [ $? -le 1 ] || exit 125; cargo analyze check --budgets B.toml --bisect'")]
pub struct Check {
    /// A run folder
    #[arg(default_value = "results/latest", add = runs())]
    run: PathBuf,
    /// The budgets
    #[arg(long, value_name = "FILE")]
    budgets: PathBuf,
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = Format::one_of(FORMATS))]
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
    /// For `git bisect run`: exit with 125, which skips a revision, instead of 2, 3 and 70, where a budget is in
    /// doubt and none broken, and where the run is not whole for another reason than an error that
    /// the kernel reports
    #[arg(long)]
    pub(super) bisect: bool,
    /// Before it is judged, make the run the baseline that the budgets name
    #[arg(long)]
    accept: bool,
    /// Accept a run of a noisy engine too
    #[arg(long, requires = "accept")]
    noisy: bool,
}

const FORMATS: &[Format] = &[Format::Table, Format::Markdown, Format::Json];

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
        let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|_| self.github);
        let summary = summary.map(PathBuf::from);
        let kept = kept(&run, &budgets);
        for output in self.junit.iter().chain(&summary) {
            kept.spared_by(output)?;
        }
        // Where it can't be written, nothing else is done.
        let junit = self.junit.as_deref().map(WholeFile::create).transpose()?;
        if self.accept {
            accept(&run, &budgets, self.noisy)?;
        }
        let verdict = check(&run, &budgets)?;
        if let (Some(mut file), Some(path)) = (junit, &self.junit) {
            let text = present::check::junit(&verdict)?;
            file.write_all(text.as_bytes()).map_err(|error| unwritable(path, &error))?;
            file.finish()?;
        }
        print(&match self.format {
            Format::Markdown => present::check::markdown(&verdict),
            Format::Json => json_text(&present::check::json(&verdict)),
            _ => wrapped(&present::check::table(&verdict, self.all)),
        })?;
        if self.github {
            print(&present::check::annotations(&verdict))?;
            if let Some(file) = &summary {
                append(file, &present::check::markdown(&verdict))?;
            }
        }
        if self.bisect {
            can_be_blamed(&run, &verdict)?;
        }
        verdict.result()
    }
}

/// Fails where a bisection must neither blame nor acquit the revision that was measured.
fn can_be_blamed(run: &Run, verdict: &BudgetVerdict) -> Result<(), Failure> {
    if let Some(gap) = unexplained_gap(run) {
        return Err(Failure::Request(miette!(
            help = "with `--bisect` such a revision is skipped; to judge it, measure it again",
            "the run is not whole, so its kernel is not blamed: {}",
            run.sentence(gap.part, &run.varying_options(), &gap.what)
        )));
    }
    let doubt = verdict.count(Outcome::InDoubt);
    if doubt > 0 && verdict.count(Outcome::Broken) == 0 {
        return Err(Failure::Request(miette!(
            help = "with `--bisect` such a revision is skipped; to judge it, measure it again with more boots",
            "{} in doubt, so the revision is neither good nor bad",
            counted(doubt as u64, "budget")
        )));
    }
    Ok(())
}

/// What no output may take the place of: the run, the budgets and their baselines.
fn kept(run: &Run, budgets: &Budgets) -> Kept {
    let mut kept = Kept::of(run);
    kept.add(budgets.file.clone(), "is the file of budgets");
    for named in baselines(budgets) {
        let path = baseline::place(named, &budgets.file);
        for part in baseline::files(&path) {
            kept.add(part, "is part of a baseline");
        }
    }
    kept
}

/// The baselines that the budgets name.
fn baselines(budgets: &Budgets) -> impl Iterator<Item = &str> {
    budgets.budgets.iter().filter_map(|budget| match &budget.limit {
        Some(Limit::Baseline { run, .. }) => Some(run.as_str()),
        _ => None,
    })
}

/// Makes the run every baseline that the budgets name, or none where one of them is refused.
fn accept(run: &Run, budgets: &Budgets, noisy: bool) -> Result<(), Failure> {
    let mut places: Vec<Place> = Vec::new();
    for named in baselines(budgets) {
        let place = Place::find(named, &budgets.file)?;
        if let Some(other) = places.iter().find(|known| known.is_entangled_with(&place)) {
            return Err(Failure::Request(miette!(
                help = "nothing was changed; name folders beside each other",
                "of the baselines {} and {} one lies in the other",
                other.path().display(),
                place.path().display()
            )));
        }
        if places.iter().all(|known| known.path() != place.path()) {
            places.push(place);
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
        let left = baseline::accept(run, manifest, place)?;
        note(&format!("{} is now this run", path.display()));
        if let Some(left) = left {
            note(&format!("warning: {left}"));
        }
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
