//! What the page's charts are drawn from: one block of JSON.
//!
//! Times are whole cycles; each cell says by what they become its chart's unit. Whatever can be
//! decided before a reader chooses is decided here, as for the tables and the still pictures:
//! units and decimals, colours, groups, names. Timelines and paths are arrays of numbers, since
//! they are most of the page.

use super::axes::{Axis, axes, value};
use super::groups::groups;
use super::headline;
use super::palette::{LineStyle, PIECES, line_style, pieces, strategy_colour};
use super::timeline::TimelineData;
use super::trials::{median_of, names};
use crate::ground::unit::{Scale, Unit};
use crate::judge::critical::{self, Part, Sum};
use crate::present::schema;
use crate::run::measure::Measure;
use crate::run::{Cell, FullTrial, Run, Spread};
use bringup::Cycles;
use bringup::frame::ApEnd;
use bringup::phase::{Phase, SubPhase};
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// Timelines are left out beyond so many numbers, those of the smallest CPU counts first; it keeps
/// a page of many cells at about 4 MB.
const MOST_NUMBERS: usize = 400_000;

/// The block.
#[derive(Serialize)]
pub struct Data {
    schema: u32,
    phases: [&'static str; Phase::ALL.len()],
    /// The pieces of an AP's time, the first of which is a part of the first phase.
    pieces: [&'static str; PIECES],
    sub_phases: [&'static str; SubPhase::ALL.len()],
    parts: [&'static str; Part::ALL.len()],
    /// What the five numbers of a distribution are.
    pub quantiles: [&'static str; 5],
    /// What the filter offers: everything that differs between cells.
    pub axes: Vec<Axis>,
    /// The lines of the chart of totals.
    lines: Vec<LineData>,
    /// Cells that differ in strategy and CPU count alone share a lower bound.
    groups: Vec<GroupData>,
    /// The cells that have something to show, in the order of the tables.
    pub cells: Vec<CellData>,
    /// Whether there are several CPU counts.
    pub curve: bool,
    /// How the charts write their times.
    pub scales: Scales,
    /// The cell that the headline speaks of: an index of `cells`.
    best: Option<usize>,
}

/// How the charts write their times.
#[derive(Serialize)]
pub struct Scales {
    /// Mean phases.
    #[serde(serialize_with = "scale")]
    pub phases: Scale,
    /// Totals.
    #[serde(serialize_with = "scale")]
    pub totals: Scale,
    /// Each phase over the APs, and over the trials.
    over_aps: [ScaleData; Phase::ALL.len()],
    over_trials: [ScaleData; Phase::ALL.len()],
}

#[derive(Serialize)]
struct ScaleData(#[serde(serialize_with = "scale")] Scale);

/// A line of the chart of totals: the cells that differ in CPU count alone.
#[derive(Serialize)]
struct LineData {
    label: String,
    colour: &'static str,
    mark: &'static str,
    /// Lengths of its dashes and gaps in px; empty where it is solid.
    dashes: &'static [u32],
    #[serde(skip)]
    second: String,
}

/// A lower bound.
#[derive(Serialize)]
struct GroupData {
    label: String,
    /// Of each CPU count the cell with the least bound, in the order of the counts: what any of the
    /// strategies shows to be possible. Indices of [`Data::cells`].
    bounds: Vec<usize>,
}

/// One cell.
#[derive(Serialize)]
pub struct CellData {
    /// Its name among the cells of the run.
    pub label: String,
    /// An index of [`Data::lines`].
    line: usize,
    /// An index of [`Data::groups`].
    group: usize,
    smp: u16,
    /// Its value on each axis: an index of [`Axis::values`].
    values: Vec<usize>,
    /// By what its cycles become each unit.
    per: BTreeMap<&'static str, f64>,
    /// Frequency of its clock.
    #[serde(skip)]
    pub khz: Option<u64>,
    /// How many trials it has, without cold ones.
    #[serde(skip)]
    pub trials: u64,
    /// Median of the totals, and the confidence interval of it where there is one.
    pub total: u64,
    /// See `total`.
    pub interval: Option<(f64, f64)>,
    /// What it could come to at least.
    pub lower_bound: Option<u64>,
    /// Median of the cold trials' totals; `None` where the cell has none.
    pub cold: Option<u64>,
    /// Median over the trials of the mean over the APs: what of `sipi` is `queue`.
    pub queue: u64,
    /// The same of the phases.
    pub phases: Option<[u64; Phase::ALL.len()]>,
    /// Each phase over the trials, each the mean of its APs: the five [`Data::quantiles`].
    pub over_trials: Option<[[u64; 5]; Phase::ALL.len()]>,
    /// Each phase over the APs of the median trial.
    pub over_aps: Option<[[u64; 5]; Phase::ALL.len()]>,
    /// What the critical path of the median trial is made of.
    #[serde(skip)]
    pub path: Option<Vec<Sum>>,
    /// Empty where they would make the page too large.
    timelines: Vec<TimelineData>,
}

impl Data {
    /// Of a run, given the trials that [`shown`](super::trials::shown) has chosen, with their
    /// timelines.
    pub fn of(run: &Run, shown: &[Vec<FullTrial>]) -> Data {
        let axes = axes(run);
        let (cells, lines, places) = cells(run, shown, &axes);
        let counts: BTreeSet<u16> = cells.iter().map(|cell| cell.smp).collect();
        let mut data = Data {
            schema: schema::PAGE,
            phases: Phase::ALL.map(Phase::name),
            pieces: pieces().map(|(name, ..)| name),
            sub_phases: SubPhase::ALL.map(SubPhase::name),
            parts: Part::ALL.map(Part::name),
            quantiles: ["least", "quartile", "median", "quartile", "greatest"],
            axes,
            lines,
            groups: Vec::new(),
            curve: counts.len() > 1,
            scales: Scales::of(&cells),
            cells,
            best: headline::best(run).and_then(|best| places[best]),
        };
        data.group(run, &places);
        data.bound();
        data
    }

    /// True where an AP of a shown trial did not come online.
    pub fn lost(&self) -> bool {
        self.cells.iter().flat_map(|cell| &cell.timelines).any(TimelineData::has_lost)
    }

    /// As text for a script block: nothing in it can end the block.
    pub fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string(self)?.replace('<', "\\u003c"))
    }

    /// How many cells have no timelines, so that the page stays small.
    pub fn without_timelines(&self) -> usize {
        self.cells.iter().filter(|cell| cell.timelines.is_empty()).count()
    }

    /// One scale for a value of each cell.
    pub fn scale(&self, of: impl Fn(&CellData) -> Option<u64>) -> Scale {
        common(&self.cells, of)
    }

    /// Puts the cells into groups; `places` has the place in [`Data::cells`] of each cell of the run.
    fn group(&mut self, run: &Run, places: &[Option<usize>]) {
        for group in groups(run) {
            let mut bounds: BTreeMap<u16, (u64, usize)> = BTreeMap::new();
            for place in group.cells.iter().filter_map(|cell| places[*cell]) {
                let cell = &mut self.cells[place];
                cell.group = self.groups.len();
                if let Some(bound) = cell.lower_bound {
                    let least = bounds.entry(cell.smp).or_insert((bound, place));
                    *least = (*least).min((bound, place));
                }
            }
            let label = format!("lower bound{}", group.behind());
            let bounds = bounds.into_values().map(|(_, place)| place).collect();
            self.groups.push(GroupData { label, bounds });
        }
    }

    /// Leaves timelines out beyond [`MOST_NUMBERS`].
    fn bound(&mut self) {
        let mut order: Vec<&mut CellData> = self.cells.iter_mut().collect();
        order.sort_by_key(|cell| std::cmp::Reverse(cell.smp));
        let mut numbers = 0;
        for cell in order {
            numbers += cell.timelines.iter().map(TimelineData::numbers).sum::<usize>();
            if numbers > MOST_NUMBERS {
                cell.timelines.clear();
            }
        }
    }
}

/// The cells that have something to show, their lines, and the place of each cell of the run.
fn cells(
    run: &Run,
    shown: &[Vec<FullTrial>],
    axes: &[Axis],
) -> (Vec<CellData>, Vec<LineData>, Vec<Option<usize>>) {
    let varying = run.varying_options();
    let engines: BTreeSet<&str> = run.cells.iter().map(|cell| &*cell.engine).collect();
    let (mut cells, mut lines, mut places) = (Vec::new(), Vec::<LineData>::new(), Vec::new());
    for (cell, trials) in run.cells.iter().zip(shown) {
        let Some(total) = cell.total().filter(|_| cell.smp > 1) else {
            places.push(None);
            continue;
        };
        places.push(Some(cells.len()));
        let options = cell.options_label(&varying);
        let engine = if engines.len() > 1 { format!("{}, ", cell.engine) } else { String::new() };
        let name = format!("{engine}{options}");
        let line = lines.iter().position(|line| line.label == name).unwrap_or_else(|| {
            // What the lines of one strategy differ in.
            let second = name.replacen(cell.options.strategy.name(), "", 1);
            let mut known: Vec<&str> = Vec::new();
            lines.iter().for_each(|line| {
                if !known.contains(&&*line.second) {
                    known.push(&line.second);
                }
            });
            let place = known.iter().position(|other| *other == second).unwrap_or(known.len());
            let LineStyle { dashes, mark } = line_style(place);
            let (label, colour) = (name.clone(), strategy_colour(cell.options.strategy));
            lines.push(LineData { label, colour, mark, dashes, second });
            lines.len() - 1
        });
        let label = format!("{engine}{} CPUs, {options}", cell.smp);
        let values = axes.iter().filter_map(|axis| axis.place(&value(cell, &axis.key)));
        cells.push(CellData {
            line,
            values: values.collect(),
            timelines: trials
                .iter()
                .zip(names(trials.len()))
                .map(|(trial, which)| TimelineData::of(which, cell, trial))
                .collect(),
            ..CellData::of(label, cell, total.median, median_of(trials))
        });
    }
    (cells, lines, places)
}

impl CellData {
    /// The cell alone: without its line, group, values and timelines.
    fn of(label: String, cell: &Cell, total: u64, median: Option<&FullTrial>) -> CellData {
        let khz = cell.tsc_khz();
        let units = [Unit::Cycles, Unit::Us, Unit::Ms].map(|unit| Scale::of(unit, []));
        let over_aps = |phase: Phase| {
            let online = median?.timelines.iter().filter(|ap| ap.end == ApEnd::Online);
            Some(five(Spread::of(online.filter_map(|ap| Some(phase.of(&ap.stamps)?.0)))?))
        };
        CellData {
            label,
            line: 0,
            group: 0,
            smp: cell.smp,
            values: Vec::new(),
            per: units.iter().filter_map(|unit| Some((unit.name(), unit.value(1, khz)?))).collect(),
            khz,
            trials: cell.trials.count(),
            total,
            interval: cell.sample(Measure::Total).interval().map(|ends| (ends.low, ends.high)),
            lower_bound: median
                .and_then(|trial| critical::lower_bound(&trial.timelines))
                .map(|cycles| cycles.0),
            cold: cell.spread(Measure::Cold).map(|spread| spread.median),
            queue: cell
                .spread(Measure::SubPhase(SubPhase::Queue))
                .map_or(0, |spread| spread.median),
            phases: per_phase(|phase| Some(cell.phase(phase)?.median)),
            over_trials: per_phase(|phase| Some(five(cell.phase(phase)?))),
            over_aps: per_phase(over_aps),
            path: median.map(|FullTrial { trial, timelines }| {
                critical::sums(&critical::path(&cell.options, Cycles(trial.total), timelines))
            }),
            timelines: Vec::new(),
        }
    }
}

impl Scales {
    fn of(cells: &[CellData]) -> Scales {
        let sum = |cell: &CellData| Some(cell.phases?.into_iter().fold(0, u64::saturating_add));
        let each = |of: fn(&CellData) -> Option<[[u64; 5]; Phase::ALL.len()]>| {
            let greatest = |phase| move |cell: &CellData| Some(of(cell)?[phase as usize][4]);
            Phase::ALL.map(|phase| ScaleData(common(cells, greatest(phase))))
        };
        Scales {
            phases: common(cells, sum),
            totals: common(cells, |cell| Some(cell.total)),
            over_aps: each(|cell| cell.over_aps),
            over_trials: each(|cell| cell.over_trials),
        }
    }
}

/// One scale for a value of each cell: cycles where a clock's frequency is unknown.
fn common(cells: &[CellData], of: impl Fn(&CellData) -> Option<u64>) -> Scale {
    let known = cells.iter().all(|cell| cell.khz.is_some_and(|khz| khz > 0));
    let unit = if known { Unit::Auto } else { Unit::Cycles };
    Scale::of(unit, cells.iter().filter_map(|cell| Some((of(cell)?, cell.khz))))
}

/// `["ms", 2]`: the unit, and its decimals.
pub fn scale<S: Serializer>(scale: &Scale, serializer: S) -> Result<S::Ok, S::Error> {
    (scale.name(), scale.decimals()).serialize(serializer)
}

fn five(spread: Spread) -> [u64; 5] {
    [spread.min, spread.lower_quartile, spread.median, spread.upper_quartile, spread.max]
}

/// All six, or none where one is missing.
fn per_phase<T>(of: impl Fn(Phase) -> Option<T>) -> Option<[T; Phase::ALL.len()]> {
    let values: Option<Vec<T>> = Phase::ALL.into_iter().map(of).collect();
    values?.try_into().ok()
}
