//! The result of a comparison, as data.

use super::boots::Boots;
use crate::judge::critical::Part;
use crate::judge::statistics::Interval;
use crate::run::measure::Measure;
use crate::run::{Cell, HostBoots, HostMeasure, Run};
use bringup::CpuIndex;
use std::cmp::Ordering;

/// At most this many APs are named for a figure that changed.
const MOVED: usize = 3;

/// On noisy engines a difference below this share of the base does not matter, unless another margin is
/// asked for.
pub const MARGIN: f64 = 0.05;

/// How a comparison is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// A difference below this share of the base does not matter. `None`: [`MARGIN`] on noisy engines, none
    /// on exact ones.
    pub margin: Option<f64>,
    /// An engine of the base and one of the new run whose cells are paired.
    pub engines: Option<(String, String)>,
    /// What is compared of each cell, some of [`Measure::COMPARED`].
    pub figures: Vec<Measure>,
    /// What is compared of the boots of each noisy engine and CPU count, on the host's clock.
    pub host_figures: Vec<HostMeasure>,
}

impl Default for Settings {
    fn default() -> Settings {
        let (figures, host_figures) = (Measure::COMPARED.to_vec(), HostMeasure::OF_ENGINE.to_vec());
        Settings { margin: None, engines: None, figures, host_figures }
    }
}

impl Settings {
    /// The margin on exact or on noisy engines, as a share of the base.
    pub fn margin_of(&self, exact: bool) -> f64 {
        self.margin.unwrap_or(if exact { 0.0 } else { MARGIN })
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
    /// In what the programs of the two runs differ, as `kernels and compilers`; `None` where in nothing.
    pub programs: Option<String>,
    /// Every cell that both have: those whose total changed first, then by the size of its difference.
    pub cells: Vec<CellPair<'a>>,
    /// The boots of every noisy engine and CPU count of these cells, where both runs have their times.
    pub hosts: Vec<HostPair<'a>>,
    /// Cells that only the base has.
    pub base_alone: Vec<&'a Cell>,
    /// Cells that only the new run has.
    pub new_alone: Vec<&'a Cell>,
    /// How many figures were tested together; 0 where all engines are exact.
    pub family: usize,
    /// What the boots suffice for; `None` where there is no family.
    pub boots: Option<Boots>,
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
    /// Its name among the cells of the new run, with both engines where two are compared.
    pub label: String,
    /// True where both are of exact engines: their numbers are compared without a test.
    pub exact: bool,
    /// Options in which the two differ, each with its value in the base and in the new run.
    pub options: Vec<(&'static str, String, String)>,
    /// Its figures: the total, then those that changed, then by the size of their difference. Those that
    /// neither run has are left out.
    pub figures: Vec<MetricPair>,
    /// What makes up the difference of its total, the greatest difference first; empty where the
    /// total did not change, or a run has no timelines.
    pub causes: Vec<Cause>,
}

/// The boots of an engine and CPU count in both runs, on the host's clock.
#[derive(Debug)]
pub struct HostPair<'a> {
    /// In the base.
    pub base: HostBoots<'a>,
    /// In the new run.
    pub new: HostBoots<'a>,
    /// Its name, with both engines where two are compared.
    pub label: String,
    /// Its figures, in µs.
    pub figures: Vec<MetricPair<HostMeasure>>,
}

/// A figure in both runs: of a cell in cycles of the base's clock, on exact engines of each run's own; of boots in µs of
/// the host's.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricPair<M = Measure> {
    /// Which.
    pub measure: M,
    /// The base's: on an exact engine the median of its trials, on a noisy one of the medians of its boots.
    pub base: f64,
    /// The new run's, likewise.
    pub new: f64,
    /// On an exact engine new less base, or, where those are equal, that of the means. On a noisy one the
    /// median of the differences of all pairs of a new and a base boot.
    pub difference: f64,
    /// The 95 % interval of the difference; `None` on exact engines and with too few boots.
    pub interval: Option<Interval>,
    /// Cliff's delta of the boots' medians, −1 to 1; `None` on exact engines.
    pub effect: Option<f64>,
    /// The p-value of the test of ranks, corrected for the family; `None` on exact engines, and where the
    /// figure is of too few boots to take part.
    pub p: Option<f64>,
    /// The conclusion.
    pub verdict: MetricVerdict,
    /// The APs whose mean changed most; empty where the figure did not change.
    pub moved: Vec<Moved>,
}

/// A part of the critical path in both runs, in cycles as the figures. The differences of all parts add
/// up to that of the totals of the trials that they are taken from: of an exact engine the median
/// trial, of a noisy one the mean over the median trial of each boot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cause {
    /// What it is spent on.
    pub part: Part,
    /// In the base.
    pub base: f64,
    /// In the new run.
    pub new: f64,
}

impl Cause {
    /// New less base.
    pub fn difference(&self) -> f64 {
        self.new - self.base
    }
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
                "can't tell (1 more boot per run)".to_owned()
            }
            MetricVerdict::CantTell { more_boots: Some(more) } => {
                format!("can't tell ({more} more boots per run)")
            }
            MetricVerdict::CantTell { more_boots: None } => {
                "can't tell (over 200 boots per run)".to_owned()
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
            Some(Moved { cpu, base, new: new.mean(measure)? * cell.clock_ratio() })
        });
        let by = |moved: &Moved| (moved.new - moved.base).abs();
        let mut moved: Vec<Moved> = both.filter(|moved| by(moved) > 0.0).collect();
        moved.sort_by(|one, other| by(other).total_cmp(&by(one)));
        moved.truncate(MOVED);
        moved
    }
}

impl CellPair<'_> {
    /// The total, if it is compared.
    pub fn total(&self) -> Option<&MetricPair> {
        self.figures.iter().find(|figure| figure.measure == Measure::Total)
    }
}

impl CellPair<'_> {
    /// By what cycles of the new run's clock become cycles of the base's: on noisy engines times are compared, and
    /// two hosts, or two engines, have clocks of different rates. 1 where a rate is unknown, and on exact engines.
    pub fn clock_ratio(&self) -> f64 {
        match (self.base.tsc_khz(), self.new.tsc_khz()) {
            (Some(base), Some(new)) if !self.exact => base as f64 / new as f64,
            _ => 1.0,
        }
    }
}

impl<M> MetricPair<M> {
    /// A change before all else, a greater difference before a smaller one.
    pub(super) fn before(&self, other: &MetricPair<M>) -> Ordering {
        let change = |figure: &MetricPair<M>| figure.verdict.is_change();
        let size = |figure: &MetricPair<M>| figure.difference.abs();
        change(other).cmp(&change(self)).then(size(other).total_cmp(&size(self)))
    }

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

    /// Every figure on the host's clock, with the boots that it is of.
    pub fn host_figures(&self) -> impl Iterator<Item = (&HostPair<'a>, &MetricPair<HostMeasure>)> {
        self.hosts.iter().flat_map(|host| host.figures.iter().map(move |figure| (host, figure)))
    }

    /// How many figures of cells have such a verdict.
    pub fn count(&self, is: impl Fn(MetricVerdict) -> bool) -> usize {
        self.figures().filter(|(_, figure)| is(figure.verdict)).count()
    }
}
