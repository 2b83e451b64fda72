//! `fit`: a profile from what a run has measured.

use super::manual::runs;
use super::output::{note, print};
use super::predict::cpu_count;
use crate::ground::failure::Failure;
use crate::ground::file::write_whole;
use crate::judge::fit::{Fitted, WakeShare, classes, fit};
use crate::present::profile::profile;
use crate::run::kept::Kept;
use crate::run::{Cell, Run};
use bringup::options::Strategy;
use bringup::sim;
use bringup::words::Word;
use clap::builder::PossibleValuesParser;
use miette::miette;
use std::path::{Path, PathBuf};

/// Makes a profile of a run: what each step costs an AP, by class.
///
/// The run may be of any engine, of a Linux, or of published rows (`import`). The file says of each cost what it comes from,
/// how far the APs differ, what the run does not separate, and how far the totals are met. A scenario beside
/// `profiles/NAME.toml` uses it as `profile = \"NAME\"`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo analyze fit -o profiles/mine.toml
  cargo analyze fit results/linux/2026-11-26T18-00-00Z --wake 100 -o mine.toml")]
pub struct Fit {
    /// Run folders or captures
    #[arg(default_value = "results/latest", value_name = "RUN", add = runs())]
    runs: Vec<PathBuf>,
    /// The strategy whose cells the costs come from [default: serial where a run has it]
    #[arg(long, value_parser = PossibleValuesParser::new(Strategy::NAMES))]
    strategy: Option<String>,
    /// The CPU count of the cell that the costs come from [default: the largest]
    #[arg(long, value_name = "CPUS", value_parser = cpu_count)]
    smp: Option<u16>,
    /// How much of a Linux' `bringup` is the AP's wake, in percent: its log does not separate wake and callin
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    wake: u8,
    /// The file to write; by default, and for `-`, standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Fit {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let runs: Vec<Run> =
            self.runs.iter().map(|path| Run::open(path)).collect::<Result<_, _>>()?;
        let share = WakeShare(f64::from(self.wake) / 100.0);
        let cells = || runs.iter().flat_map(|run| run.cells.iter().map(move |cell| (run, cell)));
        let wanted = self.strategy.as_deref().and_then(Strategy::named);
        let fits = |strategy: Strategy| {
            let of = cells().filter(move |(_, cell)| cell.options.strategy == strategy);
            let of = of.filter(|(_, cell)| self.smp.is_none_or(|smp| cell.smp == smp));
            of.filter_map(|(run, cell)| fit(run, cell)).max_by_key(|fitted| fitted.cell.smp)
        };
        let fitted = match wanted {
            Some(strategy) => fits(strategy),
            None => Strategy::ALL.into_iter().find_map(fits),
        };
        let Some(fitted) = fitted else {
            return Err(Failure::Request(miette!(
                help = "`cargo analyze show` lists the cells; a cost needs one with two CPUs or more, a whole trial, and stamps or \
                        hotplug steps of its APs",
                "no cell that was asked for shows what the steps of its APs cost"
            )));
        };
        let others: Vec<(&Cell, u64)> = cells()
            .filter_map(|(_, cell)| Some((cell, simulated(&fitted, cell, share)?)))
            .collect();
        let text = profile(&fitted, share, &others);
        let Some(text) = text else {
            return Err(Failure::Request(miette!(
                help = "measure again",
                "the costs of {} are longer than the simulator's clock can count",
                fitted.source
            )));
        };
        match self.output.as_deref().filter(|path| *path != Path::new("-")) {
            None => print(&text)?,
            Some(path) => {
                for run in &runs {
                    Kept::of(run).spared_by(path)?;
                }
                write_whole(path, text.as_bytes())?;
                note(&format!("profile: {}", path.display()));
            }
        }
        Ok(())
    }
}

/// The total of a cell of the same engine with the fitted costs.
fn simulated(fitted: &Fitted<'_>, cell: &Cell, share: WakeShare) -> Option<u64> {
    let like = (&fitted.cell.engine, &fitted.cell.profile, &fitted.cell.options.tsc_sync);
    if (&cell.engine, &cell.profile, &cell.options.tsc_sync) != like || cell.smp < 2 {
        return None;
    }
    let mut options = fitted.options(&fitted.aps, share, fitted.cell.total()?.median)?;
    (options.strategy, options.order, options.kick) =
        (cell.options.strategy, cell.options.order, cell.options.kick);
    let (end, _) =
        sim::trial_on(&options, &classes(&fitted.classes, cell.smp), fitted.simulated_khz())
            .ok()?;
    Some(end.total.0)
}
