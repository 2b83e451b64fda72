//! Two runs compared: what moved, by how much, and whether that can be told at all.
//!
//! On exact engines a cycle more is slower. On noisy ones the boots are ranked (Mann-Whitney), all
//! figures of a comparison are one family (Holm), and what can't be told is said with the number
//! of boots that it would take. `docs/method.md` has the reasons. It states; `check` judges.

pub(crate) mod identity;
mod power;

use crate::ground::failure::Failure;
use crate::judge::pairing::{Pairing, differences};
use crate::judge::statistics::{CONFIDENCE, Interval, dominance, holm, rank_test, resampled};
use crate::run::measure::Measure;
use crate::run::{Cell, Run};
use bringup::CpuIndex;
use miette::miette;
use power::{Known, Power};

/// What is compared of each cell: all but the last measure, `work`, which is a sum of others.
pub const MEASURES: &[Measure] = Measure::ALL.split_at(Measure::COUNT - 1).0;

/// How many APs are named that moved most.
const MOVED: usize = 3;

/// How a comparison is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// On noisy engines a difference below this share of the base's median does not matter.
    pub margin: f64,
    /// An engine of the base and one of the new run that are taken for the same.
    pub engines: Option<(String, String)>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { margin: 0.05, engines: None }
    }
}

/// Two runs compared.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// What there was.
    pub base: &'a Run,
    /// What there is now.
    pub new: &'a Run,
    /// How they were compared.
    pub settings: Settings,
    /// Every cell that both have, in the order of the new run.
    pub cells: Vec<CellPair<'a>>,
    /// Cells that only the base has.
    pub base_alone: Vec<&'a Cell>,
    /// Cells that only the new run has.
    pub new_alone: Vec<&'a Cell>,
    /// How many figures were tested together; 0 where all engines are exact.
    pub family: usize,
    /// What the reader must know of the runs, one sentence each.
    pub notes: Vec<String>,
}

/// A cell of both runs.
#[derive(Debug)]
pub struct CellPair<'a> {
    /// In the base.
    pub base: &'a Cell,
    /// In the new run.
    pub new: &'a Cell,
    /// What tells it from the others.
    pub label: String,
    /// True where both are of exact engines: the numbers are compared, not tested.
    pub exact: bool,
    /// Options in which the two differ, each with both values.
    pub options: Vec<(&'static str, String, String)>,
    /// Its figures, in the order of [`MEASURES`]; those that neither run has are left out.
    pub figures: Vec<Figure>,
}

/// A figure of a cell in both runs. Cycles, of each run's own clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Which.
    pub measure: Measure,
    /// The median over the base's trials.
    pub base: f64,
    /// The median over the new run's trials.
    pub new: f64,
    /// New less base: of the medians; where those are equal on an exact engine, of the means.
    pub difference: f64,
    /// Where the difference of the medians lies; `None` on exact engines and of too few boots.
    pub interval: Option<Interval>,
    /// Cliff's delta of the boots' medians, −1 to 1; `None` on exact engines.
    pub effect: Option<f64>,
    /// The p-value of the test of ranks, corrected for the family; `None` on exact engines.
    pub p: Option<f64>,
    /// What it comes to.
    pub verdict: Verdict,
    /// The APs whose mean moved most, where the figure did.
    pub moved: Vec<Moved>,
}

/// What a comparison of a figure comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It takes less.
    Faster,
    /// It takes more.
    Slower,
    /// Exact engines: to the cycle. Noisy ones: no difference that matters.
    Same,
    /// Too little is known.
    CantTell {
        /// So many more boots of each run would most likely tell; `None`: more than 200.
        more_boots: Option<u32>,
    },
}

impl Verdict {
    /// The words for it.
    pub fn text(self) -> String {
        match self {
            Verdict::Faster => "faster".to_owned(),
            Verdict::Slower => "slower".to_owned(),
            Verdict::Same => "same".to_owned(),
            Verdict::CantTell { more_boots: Some(1) } => {
                "can't tell (needs 1 more boot)".to_owned()
            }
            Verdict::CantTell { more_boots: Some(more) } => {
                format!("can't tell (needs {more} more boots)")
            }
            Verdict::CantTell { more_boots: None } => {
                "can't tell (needs more than 200 boots)".to_owned()
            }
        }
    }

    /// The word for it, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Same => "same",
            Verdict::CantTell { .. } => "cant-tell",
        }
    }

    /// True for faster and slower.
    pub const fn is_change(self) -> bool {
        matches!(self, Verdict::Faster | Verdict::Slower)
    }

    fn of(difference: f64) -> Verdict {
        match difference {
            0.0 => Verdict::Same,
            more if more > 0.0 => Verdict::Slower,
            _ => Verdict::Faster,
        }
    }
}

/// An AP's mean of a figure in both runs, in cycles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    /// Which.
    pub cpu: CpuIndex,
    /// In the base.
    pub base: f64,
    /// In the new run.
    pub new: f64,
}

impl Figure {
    /// The difference as a share of the base; `None` where that is nothing.
    pub fn share(&self) -> Option<f64> {
        (self.base > 0.0).then(|| self.difference / self.base)
    }
}

/// Compares two runs.
///
/// Fails with [`Failure::Request`] where they have no cell in common.
pub fn compare<'a>(
    base: &'a Run,
    new: &'a Run,
    settings: Settings,
) -> Result<Comparison<'a>, Failure> {
    let engines = settings.engines.as_ref().map(|(base, new)| (base.as_str(), new.as_str()));
    let Pairing { mut pairs, base_alone, new_alone } = Pairing::of(base, new, engines);
    // A machine of one CPU has no bring-up.
    pairs.retain(|(_, new)| new.smp > 1);
    if pairs.is_empty() {
        return Err(nothing_in_common(base, new));
    }
    let varying = new.varying_options();
    let pair = |(base, new): &(&'a Cell, &'a Cell)| CellPair {
        base,
        new,
        label: new.label(&varying),
        exact: base.exact == Some(true) && new.exact == Some(true),
        options: differences(base, new),
        figures: Vec::new(),
    };
    let mut cells: Vec<CellPair<'a>> = pairs.iter().map(pair).collect();
    for cell in cells.iter_mut().filter(|cell| cell.exact) {
        cell.figures = MEASURES.iter().filter_map(|measure| exact(cell, *measure)).collect();
    }
    let family = test(&mut cells, settings.margin);
    let mut comparison =
        Comparison { base, new, settings, cells, base_alone, new_alone, family, notes: Vec::new() };
    comparison.notes = identity::notes(&comparison);
    Ok(comparison)
}

/// An exact figure: a cycle more is slower.
fn exact(cell: &CellPair<'_>, measure: Measure) -> Option<Figure> {
    let base = cell.base.sample(measure).median()?;
    let new = cell.new.sample(measure).median()?;
    let mut difference = new - base;
    if difference == 0.0 && cell.base.trials.count() == cell.new.trials.count() {
        difference = mean(cell.new, measure)? - mean(cell.base, measure)?;
    }
    let verdict = Verdict::of(difference);
    let moved = moved(cell, measure, verdict);
    let (interval, effect, p) = (None, None, None);
    Some(Figure { measure, base, new, difference, interval, effect, p, verdict, moved })
}

/// A measure's mean over the trials; of a phase the exact one, without each trial's rounding.
fn mean(cell: &Cell, measure: Measure) -> Option<f64> {
    let aps: Vec<f64> = cell.aps.iter().filter_map(|(_, ap)| ap.mean(measure)).collect();
    if !aps.is_empty() {
        return Some(aps.iter().sum::<f64>() / aps.len() as f64);
    }
    let values: Vec<u64> = cell.trials.iter().filter_map(|trial| measure.of(trial)).collect();
    let sum: f64 = values.iter().map(|value| *value as f64).sum();
    (!values.is_empty()).then(|| sum / values.len() as f64)
}

/// The APs whose mean moved most, if the figure did.
fn moved(cell: &CellPair<'_>, measure: Measure, verdict: Verdict) -> Vec<Moved> {
    if !verdict.is_change() {
        return Vec::new();
    }
    let both = cell.new.aps.iter().filter_map(|(cpu, new)| {
        let base = cell.base.aps.get(cpu)?.mean(measure)?;
        Some(Moved { cpu, base, new: new.mean(measure)? })
    });
    let by = |moved: &Moved| (moved.new - moved.base).abs();
    let mut moved: Vec<Moved> = both.filter(|moved| by(moved) > 0.0).collect();
    moved.sort_by(|one, other| by(other).total_cmp(&by(one)));
    moved.truncate(MOVED);
    moved
}

/// A noisy figure before its verdict.
struct Tested {
    cell: usize,
    measure: Measure,
    base: f64,
    new: f64,
    boots: (Vec<f64>, Vec<f64>),
    interval: Option<Interval>,
    p: f64,
}

/// Tests all figures of all noisy cells as one family, and tells its size.
fn test(cells: &mut [CellPair<'_>], margin: f64) -> usize {
    let mut all: Vec<Tested> = Vec::new();
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.exact) {
        all.extend(MEASURES.iter().filter_map(|measure| tested(index, cell, *measure)));
    }
    // What is one number in every boot can't be found different, so it takes no part.
    let takes_part = |tested: &Tested| {
        let mut boots = tested.boots.0.iter().chain(&tested.boots.1);
        let first = boots.next();
        boots.any(|boot| Some(boot) != first)
    };
    let parts: Vec<bool> = all.iter().map(takes_part).collect();
    let p: Vec<f64> =
        all.iter().zip(&parts).filter(|(_, part)| **part).map(|(one, _)| one.p).collect();
    let mut adjusted = holm(&p).into_iter();
    let family = p.len();
    let level = 1.0 - CONFIDENCE;
    let mut power = Power::at(level / family.max(1) as f64);
    for (tested, part) in all.into_iter().zip(parts) {
        let p = if part { adjusted.next().unwrap_or(1.0) } else { 1.0 };
        let margin = margin * tested.base;
        let difference = tested.new - tested.base;
        let small = tested.interval.is_some_and(|interval| interval.within(-margin, margin));
        let (base, new) = (&tested.boots.0, &tested.boots.1);
        let effect = dominance(base, new);
        // The test is of boots, the medians of trials: where boots have unequally many, the two can
        // point to opposite sides, and then neither is a finding.
        let agree = difference * effect > 0.0;
        let verdict = match p <= level {
            true if !small && agree => Verdict::of(difference),
            _ if small => Verdict::Same,
            _ => {
                let Tested { interval, .. } = tested;
                let boots = power.boots(&Known { base, new, difference, interval, margin });
                let more = |boots: usize| boots.saturating_sub(base.len().min(new.len())).max(1);
                Verdict::CantTell { more_boots: boots.map(|boots| more(boots) as u32) }
            }
        };
        let cell = &mut cells[tested.cell];
        let figure = Figure {
            measure: tested.measure,
            base: tested.base,
            new: tested.new,
            difference,
            interval: tested.interval,
            effect: Some(effect),
            p: Some(p),
            verdict,
            moved: moved(cell, tested.measure, verdict),
        };
        cell.figures.push(figure);
    }
    family
}

fn tested(index: usize, cell: &CellPair<'_>, measure: Measure) -> Option<Tested> {
    let (base, new) = (cell.base.sample(measure), cell.new.sample(measure));
    let boots = (base.boot_medians(), new.boot_medians());
    Some(Tested {
        cell: index,
        measure,
        base: base.median()?,
        new: new.median()?,
        interval: resampled([&base, &new], |[base, new]| new - base),
        p: rank_test(&boots.0, &boots.1),
        boots,
    })
}

impl<'a> Comparison<'a> {
    /// Every figure with its cell, in the order of the cells.
    pub fn figures(&self) -> impl Iterator<Item = (&CellPair<'a>, &Figure)> {
        self.cells.iter().flat_map(|cell| cell.figures.iter().map(move |figure| (cell, figure)))
    }

    /// How many figures have a verdict like this.
    pub fn count(&self, is: impl Fn(Verdict) -> bool) -> usize {
        self.figures().filter(|(_, figure)| is(figure.verdict)).count()
    }

    /// The figure that moved by the greatest share, slower ones before faster ones.
    pub fn greatest(&self) -> Option<(&CellPair<'a>, &Figure)> {
        let share = |figure: &Figure| figure.share().unwrap_or(f64::INFINITY).abs();
        let of = |verdict: Verdict| {
            let figures = self.figures().filter(move |(_, figure)| figure.verdict == verdict);
            figures.max_by(|(_, one), (_, other)| share(one).total_cmp(&share(other)))
        };
        of(Verdict::Slower).or_else(|| of(Verdict::Faster))
    }
}

fn nothing_in_common(base: &Run, new: &Run) -> Failure {
    let cells = |run: &Run| {
        let varying = run.varying_options();
        let labels: Vec<String> =
            run.cells.iter().take(4).map(|cell| cell.label(&varying)).collect();
        let more = run.cells.len().saturating_sub(labels.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", labels.join("; "))
    };
    Failure::Request(miette!(
        help = "cells are the same in engine, CPU count, profile and options but for repetitions and costs; \
                `--engines BASE:NEW` takes two engines for the same",
        "{} and {} have no cell with APs in common: the one has {}; the other {}",
        base.path.display(),
        new.path.display(),
        cells(base),
        cells(new)
    ))
}
