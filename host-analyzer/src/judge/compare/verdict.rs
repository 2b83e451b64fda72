//! The result of a comparison, as data.

use crate::judge::statistics::Interval;
use crate::run::measure::Measure;
use crate::run::{Cell, Run};
use bringup::CpuIndex;

/// What is compared of each cell: all but the last measure, `work`, which is a sum of others.
pub const MEASURES: &[Measure] = Measure::ALL.split_at(Measure::COUNT - 1).0;

/// At most this many APs are named for a figure that changed.
const MOVED: usize = 3;

/// How a comparison is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// On noisy engines a difference below this share of the base's median does not matter.
    pub margin: f64,
    /// An engine of the base and one of the new run whose cells are paired.
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
    /// The older run.
    pub base: &'a Run,
    /// The newer run.
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
    /// What makes the runs unequal beyond the numbers, one sentence each.
    pub notes: Vec<String>,
}

/// A cell of both runs.
#[derive(Debug)]
pub struct CellPair<'a> {
    /// In the base.
    pub base: &'a Cell,
    /// In the new run.
    pub new: &'a Cell,
    /// Its name among the cells of the new run.
    pub label: String,
    /// True where both are of exact engines: their numbers are compared without a test.
    pub exact: bool,
    /// Options in which the two differ, each with its value in the base and in the new run.
    pub options: Vec<(&'static str, String, String)>,
    /// Its figures, in the order of [`MEASURES`]; those that neither run has are left out.
    pub figures: Vec<MetricPair>,
}

/// A figure of a cell in both runs, in cycles of each run's own clock.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricPair {
    /// Which.
    pub measure: Measure,
    /// The median over the base's trials.
    pub base: f64,
    /// The median over the new run's trials.
    pub new: f64,
    /// New less base: of the medians, or, where those are equal on an exact engine, of the means.
    pub difference: f64,
    /// The 95 % interval of the difference; `None` on exact engines and with too few boots.
    pub interval: Option<Interval>,
    /// Cliff's delta of the boots' medians, −1 to 1; `None` on exact engines.
    pub effect: Option<f64>,
    /// The p-value of the test of ranks, corrected for the family; `None` on exact engines.
    pub p: Option<f64>,
    /// The conclusion.
    pub verdict: MetricVerdict,
    /// The APs whose mean changed most; empty where the figure did not change.
    pub moved: Vec<Moved>,
}

/// The conclusion about a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricVerdict {
    /// It takes less.
    Faster,
    /// It takes more.
    Slower,
    /// Exact engines: to the cycle. Noisy ones: no difference that matters.
    Same,
    /// Too little is known.
    CantTell {
        /// So many more boots of each run would most likely suffice; `None`: more than 200 boots.
        more_boots: Option<u32>,
    },
}

impl MetricVerdict {
    /// The words for it.
    pub fn text(self) -> String {
        match self {
            MetricVerdict::Faster => "faster".to_owned(),
            MetricVerdict::Slower => "slower".to_owned(),
            MetricVerdict::Same => "same".to_owned(),
            MetricVerdict::CantTell { more_boots: Some(1) } => {
                "can't tell (needs 1 more boot)".to_owned()
            }
            MetricVerdict::CantTell { more_boots: Some(more) } => {
                format!("can't tell (needs {more} more boots)")
            }
            MetricVerdict::CantTell { more_boots: None } => {
                "can't tell (needs more than 200 boots)".to_owned()
            }
        }
    }

    /// The word for it, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            MetricVerdict::Faster => "faster",
            MetricVerdict::Slower => "slower",
            MetricVerdict::Same => "same",
            MetricVerdict::CantTell { .. } => "cant-tell",
        }
    }

    /// True for faster and slower.
    pub const fn is_change(self) -> bool {
        matches!(self, MetricVerdict::Faster | MetricVerdict::Slower)
    }

    pub(super) fn of(difference: f64) -> MetricVerdict {
        match difference {
            0.0 => MetricVerdict::Same,
            more if more > 0.0 => MetricVerdict::Slower,
            _ => MetricVerdict::Faster,
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

impl Moved {
    /// The APs whose mean changed most, if the figure did.
    pub(super) fn most(
        cell: &CellPair<'_>,
        measure: Measure,
        verdict: MetricVerdict,
    ) -> Vec<Moved> {
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
}

impl MetricPair {
    /// The difference as a share of the base; `None` where the base is 0.
    pub fn share(&self) -> Option<f64> {
        (self.base > 0.0).then(|| self.difference / self.base)
    }
}

impl<'a> Comparison<'a> {
    /// Every figure with its cell, in the order of the cells.
    pub fn figures(&self) -> impl Iterator<Item = (&CellPair<'a>, &MetricPair)> {
        self.cells.iter().flat_map(|cell| cell.figures.iter().map(move |figure| (cell, figure)))
    }

    /// How many figures have such a verdict.
    pub fn count(&self, is: impl Fn(MetricVerdict) -> bool) -> usize {
        self.figures().filter(|(_, figure)| is(figure.verdict)).count()
    }

    /// The slower figure that changed by the greatest share; if none is slower, the faster one.
    pub fn greatest(&self) -> Option<(&CellPair<'a>, &MetricPair)> {
        let share = |figure: &MetricPair| figure.share().unwrap_or(f64::INFINITY).abs();
        let of = |verdict: MetricVerdict| {
            let figures = self.figures().filter(move |(_, figure)| figure.verdict == verdict);
            figures.max_by(|(_, one), (_, other)| share(one).total_cmp(&share(other)))
        };
        of(MetricVerdict::Slower).or_else(|| of(MetricVerdict::Faster))
    }
}
