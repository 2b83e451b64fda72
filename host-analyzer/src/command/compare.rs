//! `compare`: what changed from one run to another.

use super::manual::runs;
use super::output::{json_text, print};
use crate::ground::failure::Failure;
use crate::ground::width::wrapped;
use crate::judge::compare::{Settings, compare};
use crate::present;
use crate::present::format::Format;
use crate::run::measure::Measure;
use crate::run::{HostMeasure, Run};
use std::path::PathBuf;

/// Reports what changed from one run to another, cell by cell and phase by phase.
///
/// The cell whose total changed most comes first, with the parts of the critical path that changed it. Exact
/// engines are compared to the cycle, in virtual time: icount never shows the speed of QEMU. Of noisy ones
/// it says faster, slower, same, or that it can't tell, and how many boots that would need; boots are
/// the unit, so give scenarios that are to be compared `boots = 9`, which suffice for 5 cells. It
/// only reports: it ends with 0 whatever it finds (`check` decides), and with 2 where the runs have nothing in
/// common.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo analyze compare results/old results/latest\n  \
    cargo analyze compare --format markdown BASE NEW > comment.md\n  \
    cargo analyze compare --figures total,callin BASE NEW\n  \
    cargo analyze compare --engines stock:patched results/latest results/latest")]
pub struct Compare {
    /// What there was: a run folder or a capture
    #[arg(add = runs())]
    base: PathBuf,
    /// What there is now: a run folder or a capture
    #[arg(default_value = "results/latest", add = runs())]
    new: PathBuf,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// A difference below this many percent of the base does not matter; by default 5 on noisy engines, 0 on
    /// exact ones
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    margin: Option<f64>,
    /// Compare these figures alone: on noisy engines fewer figures need fewer boots
    #[arg(long, value_name = "FIGURE,…", value_delimiter = ',', value_parser = figure)]
    figures: Vec<Figure>,
    /// Takes two engines for the same: one of the base, one of the new run
    #[arg(long, value_name = "BASE:NEW", value_parser = engines)]
    engines: Option<(String, String)>,
    /// Show every figure in the table, not only those that are not the same
    #[arg(long)]
    all: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let share = text.trim_end_matches(['%', ' ']).parse().ok().map(|percent: f64| percent / 100.0);
    share.filter(|share| (0.0..=1.0).contains(share)).ok_or("expected 0 to 100".to_owned())
}

/// A figure of cells, or of boots on the host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Cell(Measure),
    Host(HostMeasure),
}

impl Figure {
    fn all() -> impl Iterator<Item = Figure> {
        let of_cells = Measure::COMPARED.iter().copied().map(Figure::Cell);
        of_cells.chain(HostMeasure::OF_ENGINE.map(Figure::Host))
    }

    fn name(self) -> &'static str {
        match self {
            Figure::Cell(measure) => measure.name(),
            Figure::Host(measure) => measure.name(),
        }
    }
}

fn figure(text: &str) -> Result<Figure, String> {
    Figure::all().find(|figure| figure.name() == text).ok_or_else(|| {
        let names: Vec<&str> = Figure::all().map(Figure::name).collect();
        format!("expected {}", names.join(", "))
    })
}

fn engines(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((base, new)) if !base.is_empty() && !new.is_empty() => {
            Ok((base.to_owned(), new.to_owned()))
        }
        _ => Err("expected the names of two engines, as stock:patched".to_owned()),
    }
}

impl Compare {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let (base, new) = (Run::open(&self.base)?, Run::open(&self.new)?);
        let asked = |figure: Figure| self.figures.is_empty() || self.figures.contains(&figure);
        let figures =
            Measure::COMPARED.iter().copied().filter(|measure| asked(Figure::Cell(*measure)));
        let host_figures = HostMeasure::OF_ENGINE.into_iter();
        let settings = Settings {
            margin: self.margin,
            engines: self.engines,
            figures: figures.collect(),
            host_figures: host_figures.filter(|measure| asked(Figure::Host(*measure))).collect(),
        };
        let comparison = compare(&base, &new, settings)?;
        print(&match self.format {
            Format::Table => wrapped(&present::compare::table(&comparison, self.all)),
            Format::Markdown => present::compare::markdown(&comparison),
            Format::Json => json_text(&present::compare::json(&comparison)),
            Format::Html => present::compare::html(&comparison)?,
        })
    }
}
