//! What several commands have in common.

use crate::workspace::root;
use host_analyzer::ground::failure::Failure;
use miette::miette;
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the runs go.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Where runs go [default: results/ of this repository]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

impl Place {
    /// The folder of all runs.
    pub fn folder(&self) -> PathBuf {
        self.results.clone().unwrap_or_else(|| root().join("results"))
    }
}

/// The command that this program was given, a word each.
pub fn given() -> Vec<String> {
    let given = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    ["cargo", "xtask"].map(str::to_owned).into_iter().chain(given).collect()
}

/// More figures than this are not listed one by one.
const FIGURES_LISTED: usize = 20;

/// Where the report and the figures of a run are.
pub fn paths(folder: &Path) -> String {
    let mut lines = vec![format!("report:  {}", folder.join("report.html").display())];
    let figures = folder.join("figures").read_dir().into_iter().flatten().flatten();
    // Beside each stands the same as PNG.
    let svg = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "svg");
    let figures = figures.map(|figure| figure.path()).filter(svg);
    let mut figures: Vec<String> =
        figures.map(|path| format!("figure:  {}", path.display())).collect();
    figures.sort();
    match figures.len() {
        0..=FIGURES_LISTED => lines.extend(figures),
        many => lines.push(format!("figures: {many} in {}", folder.join("figures").display())),
    }
    lines.push(format!("run:     {}", folder.display()));
    lines.join("\n")
}

/// Writes a text and a line's end to standard output.
pub fn print(text: &dyn std::fmt::Display) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}")
        .map_err(|error| Failure::Environment(miette!("can't write to standard output: {error}")))
}
