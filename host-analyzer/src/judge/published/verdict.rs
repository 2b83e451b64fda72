//! A run against the published figures: which ones it covers, how close it comes, and what the same
//! profiles predict beyond them.

use super::ancestry::{Ancestry, Fit};
use super::{PublishedFigure, PublishedMachine, PublishedValue};
use crate::ground::failure::Failure;
use crate::ground::text::counted;
use crate::ground::text::printable;
use crate::run::{Cell, Run};
use bringup::class::Class;
use bringup::frame::WINDOW;
use bringup::options::{Kick, Kind, Options, Step, TscSync};
use miette::miette;
use std::collections::HashMap;

/// The result of comparing a run with published figures.
#[derive(Debug)]
pub struct PublishedVerdict<'a> {
    /// Every figure that a cell of the run covers, by machine, then in the order of its figures.
    pub rows: Vec<PublishedRow<'a>>,
    /// Cells of the same profiles and CPU counts that no figure covers.
    pub beyond: Vec<Beyond<'a>>,
}

/// A published figure and the cell that measures the same.
#[derive(Debug)]
pub struct PublishedRow<'a> {
    /// Where it was published.
    pub machine: &'a PublishedMachine,
    /// What was published.
    pub figure: &'a PublishedFigure,
    /// The cell.
    pub cell: &'a Cell,
    /// The published value in cycles of the profile; `None` where the source states ms and the frequency is
    /// unknown.
    pub published: Option<f64>,
    /// The median over the trials, in cycles; `None` where there is no whole trial.
    pub measured: Option<u64>,
    /// Whether the cell's profile was made of the figure.
    pub fit: Fit,
}

/// By how much a prediction may be off before the figure contradicts it, as a part of the published value. It is
/// coarser than the rounding of every published figure.
const CONTRADICTED: f64 = 0.1;

/// What a row says of its profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// A calibrated figure within its tolerance.
    Met,
    /// A calibrated figure beyond its tolerance, or one that was not measured.
    Off,
    /// A figure that was not used: how far it is off, as a part of it.
    Error(f64),
    /// The same, by more than 10 %.
    Contradicted(f64),
}

impl Verdict {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Off => "off",
            Verdict::Error(_) => "error",
            Verdict::Contradicted(_) => "contradicted",
        }
    }
}

/// What a profile predicts for a cell without a published figure.
#[derive(Debug)]
pub struct Beyond<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// The median of its totals, in cycles of the profile.
    pub total: Option<u64>,
    /// The costs that the strategy lets the APs spend at the same time, each with its cycles.
    pub parallel: Vec<(&'static str, u64)>,
}

impl PublishedRow<'_> {
    /// Measured over published.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.measured? as f64 / self.published.filter(|published| *published > 0.0)?)
    }

    /// Whether a calibrated figure is met; of another, the error.
    pub fn verdict(&self) -> Verdict {
        match (self.fit, self.ratio()) {
            (Fit::Calibrated, _) if self.is_met() => Verdict::Met,
            (Fit::Calibrated, _) | (_, None) => Verdict::Off,
            (Fit::Predicted | Fit::Unknown, Some(ratio)) => match ratio - 1.0 {
                error if error.abs() > CONTRADICTED => Verdict::Contradicted(error),
                error => Verdict::Error(error),
            },
        }
    }

    /// True where the measured value is within the tolerance.
    pub fn is_met(&self) -> bool {
        let (Some(measured), Some(published)) = (self.measured, self.published) else {
            return false;
        };
        let percent = published * self.machine.tolerance_percent as f64 / 100.0;
        let tolerance = percent.max(self.machine.tolerance_cycles as f64);
        (measured as f64 - published).abs() <= tolerance
    }

    /// The tolerance in words: `1 % or 50 cycles`.
    pub fn tolerance(&self) -> String {
        match (self.machine.tolerance_percent, self.machine.tolerance_cycles) {
            (percent, 0) => format!("{percent} %"),
            (0, cycles) => format!("{cycles} cycles"),
            (percent, cycles) => format!("{percent} % or {cycles} cycles"),
        }
    }
}

impl<'a> PublishedVerdict<'a> {
    /// Compares a run with figures.
    ///
    /// Fails with [`Failure::Request`] where no cell covers one, or where a cost of a profile is from a figure that
    /// is not there.
    pub fn of(
        run: &'a Run,
        machines: &'a [PublishedMachine],
    ) -> Result<PublishedVerdict<'a>, Failure> {
        let ancestries = ancestries(run, machines)?;
        let mut rows = Vec::new();
        let mut beyond = Vec::new();
        let mut known: Vec<&Cell> = Vec::new();
        for machine in machines {
            let cells = run.cells.iter().filter(|cell| {
                cell.profile.as_ref().is_some_and(|profile| machine.profiles.contains(profile))
                    && cell.smp == machine.aps.saturating_add(1)
            });
            let cells: Vec<&Cell> = cells.collect();
            for figure in &machine.figures {
                for cell in cells.iter().filter(|cell| covers(&cell.options, &figure.options)) {
                    let published = match figure.value {
                        PublishedValue::Cycles(cycles) => Some(cycles),
                        PublishedValue::Ms(ms) => cell.tsc_khz().map(|khz| ms as f64 * khz as f64),
                    };
                    let measured = cell.spread(figure.measure).map(|spread| spread.median);
                    let ancestry = cell
                        .profile
                        .as_ref()
                        .and_then(|profile| ancestries.get(profile))
                        .and_then(Option::as_ref);
                    let fit = match ancestry.map(|ancestry| ancestry.holds(machine, figure)) {
                        Some(true) => Fit::Calibrated,
                        Some(false) => Fit::Predicted,
                        None => Fit::Unknown,
                    };
                    rows.push(PublishedRow { machine, figure, cell, published, measured, fit });
                }
            }
            for cell in cells {
                if !known.iter().any(|other| std::ptr::eq(*other, cell)) {
                    known.push(cell);
                }
            }
        }
        for cell in known {
            if !rows.iter().any(|row| std::ptr::eq(row.cell, cell)) {
                let total = cell.total().map(|total| total.median);
                let parallel = parallel(&cell.options, cell.tsc_khz().unwrap_or(1));
                beyond.push(Beyond { cell, total, parallel });
            }
        }
        if rows.is_empty() {
            Err(none_covered(run, machines))
        } else {
            Ok(PublishedVerdict { rows, beyond })
        }
    }

    /// `Ok` if every calibrated figure is met, else the [`Failure::Verdict`] that a command ends with.
    pub fn result(&self) -> Result<(), Failure> {
        let count = |verdict| self.rows.iter().filter(|row| row.verdict() == verdict).count();
        let (met, off) = (count(Verdict::Met), count(Verdict::Off));
        if off == 0 {
            return Ok(());
        }
        Err(Failure::Verdict(miette!(
            help = "the table shows which, and by how much",
            "{off} of {} calibrated figures {} not met",
            met + off,
            if off == 1 { "is" } else { "are" }
        )))
    }
}

/// What the costs of each profile of a run come from, as far as its text says so.
fn ancestries(
    run: &Run,
    machines: &[PublishedMachine],
) -> Result<HashMap<String, Option<Ancestry>>, Failure> {
    let profiles = run.manifest.iter().flat_map(|manifest| &manifest.profiles);
    let mut ancestries = HashMap::new();
    for profile in profiles {
        let ancestry = Ancestry::of(&profile.text);
        if let Some(unknown) = ancestry.as_ref().and_then(|ancestry| ancestry.unknown(machines)) {
            return Err(Failure::Request(miette!(
                help = "a cost names figures and columns as `from = [\"haswell-28.serial-total\"]`",
                "a cost of the profile `{}` is from `{}`, which is no published figure",
                printable(&profile.name),
                printable(unknown)
            )));
        }
        ancestries.insert(profile.name.clone(), ancestry);
    }
    Ok(ancestries)
}

/// True where a cell measures what a figure was measured with: the same bring-up. Costs come from the
/// profile; how a CPU waits for their end, or how often a trial is repeated, is no part of a figure.
fn covers(cell: &Options, figure: &Options) -> bool {
    let is_stated = |kind: Kind| match kind {
        Kind::Strategy | Kind::Protocol | Kind::Planted | Kind::Instrument => true,
        Kind::Precision | Kind::Wait | Kind::Cost(_) | Kind::Machine => false,
        Kind::Engine | Kind::EngineOnly | Kind::Limit | Kind::Repetition => false,
    };
    Options::KEYS
        .iter()
        .filter(|key| is_stated(key.kind()))
        .all(|key| key.value(cell).to_string() == key.value(figure).to_string())
}

/// The costs that a cell's options let the APs spend at the same time, in cycles.
fn parallel(options: &Options, khz: u64) -> Vec<(&'static str, u64)> {
    let gates_first = options.strategy.opens_gates_first();
    let side_by_side = options.strategy.calls_in_side_by_side();
    let parallel = [
        (Step::Kick, options.kick == Kick::Broadcast),
        (Step::Wake, options.strategy.kicks_all_at_once()),
        (Step::Trampoline, options.strategy.kicks_all_at_once()),
        (Step::Microcode, side_by_side),
        (Step::Callin, side_by_side),
        (Step::Online, gates_first),
    ];
    let mut parallel: Vec<(&'static str, u64)> = parallel
        .into_iter()
        .filter_map(|(step, at_once)| at_once.then_some(step))
        .filter(|step| !options.cost(*step).is_exclusive())
        .filter_map(|step| Some((step.name(), options.cost(step).usual()?.cycles(khz).0)))
        .collect();
    // Where APs are synchronised one by one, a window for all of them is a window for each.
    if gates_first && options.tsc_sync == TscSync::OneToMany {
        parallel.push((WINDOW, options.tsc_window.of(Class::Core).cycles(khz).0));
    }
    parallel
}

fn none_covered(run: &Run, machines: &[PublishedMachine]) -> Failure {
    let mut has: Vec<String> = Vec::new();
    for cell in &run.cells {
        let profile = cell.profile.as_deref().map_or("no profile".to_owned(), |profile| {
            format!("the profile `{}`", printable(profile))
        });
        let cells = format!("{profile} with {}", counted(cell.smp.into(), "CPU"));
        if !has.contains(&cells) {
            has.push(cells);
        }
    }
    let figures = machines.iter().filter(|machine| !machine.figures.is_empty());
    let figures =
        figures.map(|machine| format!("{} ({} CPUs)", machine.name, machine.aps.saturating_add(1)));
    Failure::Request(miette!(
        help = "measure one: `cargo xtask matrix scenarios/haswell-28.toml`",
        "{} covers no published figure: its cells have {}; there are figures of {}",
        run.path.display(),
        has.join(", "),
        figures.collect::<Vec<_>>().join(", ")
    ))
}
