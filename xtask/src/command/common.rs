//! What several commands have in common.

use crate::kernel;
use crate::runner::engine::{self, Engine};
use crate::runner::kernel::Kernel;
use crate::runner::scenario::{Scenario, named_in};
use crate::setup::{Needs, ensure};
use crate::workspace::root;
use host_analyzer::ground::failure::Failure;
use miette::miette;
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// The built-in engine of that name.
pub fn named(engine: &str) -> Result<Arc<dyn Engine>, Failure> {
    engine::named(engine).ok_or_else(|| {
        Failure::Request(miette!(
            help = "engines of your own are defined in a scenario, which `cargo xtask matrix` runs",
            "there is no engine `{engine}`: expected one of {}",
            engine::BUILT_IN.join(", ")
        ))
    })
}

/// The scenario of that name or file; the default one without.
pub fn scenario(file: Option<PathBuf>) -> Result<Scenario, Failure> {
    let folder = root().join("scenarios");
    let file = file.unwrap_or_else(|| PathBuf::from("default"));
    Scenario::read(&named_in(&folder, file), &folder)
}

/// Sets the machine up for these engines, and builds the kernel if one of them boots it.
pub fn prepared(engines: &[Arc<dyn Engine>]) -> Result<Option<Kernel>, Failure> {
    let kernel = engines.iter().any(|engine| engine.boots_kernel());
    let qemu = engines.iter().any(|engine| engine.needs_qemu());
    let bochs = engines.iter().any(|engine| engine.needs_bochs());
    ensure(Needs { kernel, qemu, bochs, image: bochs, ..Needs::NONE }, false)?;
    kernel.then(built).transpose()
}

/// The same for the engines of a scenario.
pub fn prepared_for(scenario: &Scenario) -> Result<Option<Kernel>, Failure> {
    let engines = scenario.groups.iter().map(|group| Arc::clone(&group.engine));
    prepared(&engines.collect::<Vec<_>>())
}

/// The kernel of this checkout, built.
pub fn built() -> Result<Kernel, Failure> {
    kernel::build(root(), &kernel::target_folder(root()))
}
