//! What the page's charts are drawn from: one block of JSON.
//!
//! Times are whole cycles; the page turns them into µs with the cell's clock. Timelines and paths
//! are arrays of numbers, since they are most of the page.

use super::headline;
use crate::judge::critical::{self, Part, Segment, Sum};
use crate::judge::statistics::Spread;
use crate::run::measure::Measure;
use crate::run::timeline::Reached;
use crate::run::{Cell, FullTrial, Run, Trial};
use bringup::Cycles;
use bringup::frame::{ApEnd, ApTimeline};
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::Stamp;
use serde::Serialize;
use std::collections::BTreeSet;

/// Timelines are left out beyond so many numbers, those of the smallest CPU counts first; it keeps
/// a page of many cells at about 4 MB.
const MOST_NUMBERS: usize = 400_000;

/// The block.
#[derive(Serialize)]
pub struct Data {
    schema: u32,
    phases: [&'static str; Phase::ALL.len()],
    /// True for the phases in which an AP waits.
    waits: [bool; Phase::ALL.len()],
    parts: [&'static str; Part::ALL.len()],
    /// What the filter offers: everything that differs between cells.
    pub axes: Vec<Axis>,
    /// The cells that have something to show, in the order of the tables.
    pub cells: Vec<CellData>,
    /// The cell that the headline speaks of: an index of `cells`.
    best: Option<usize>,
}

/// Something that differs between cells, and its values.
#[derive(Serialize)]
pub struct Axis {
    /// `engine`, `CPUs`, or an option.
    pub key: String,
    /// As they come.
    pub values: Vec<String>,
}

/// One cell.
#[derive(Serialize)]
pub struct CellData {
    /// Its name among the cells of the run.
    pub label: String,
    /// Name of the cells that differ from it in CPU count alone.
    line: String,
    smp: u16,
    /// Its value on each axis: an index of [`Axis::values`].
    values: Vec<usize>,
    /// Frequency of its clock.
    pub khz: Option<u64>,
    /// How many trials it has, without cold ones.
    pub trials: u64,
    /// Median of the totals, and the confidence interval of it where there is one.
    pub total: u64,
    /// See `total`.
    pub interval: Option<(f64, f64)>,
    /// What it could come to at least.
    pub lower_bound: Option<u64>,
    /// Median over the trials of the mean over the APs.
    pub phases: Option<[u64; Phase::ALL.len()]>,
    /// Each phase over the trials, each the mean of its APs: least, quartile, median, quartile,
    /// greatest.
    pub over_trials: Option<[[u64; 5]; Phase::ALL.len()]>,
    /// Each phase over the APs of the median trial.
    pub over_aps: Option<[[u64; 5]; Phase::ALL.len()]>,
    /// What the critical path of the median trial is made of.
    #[serde(skip)]
    pub path: Option<Vec<Sum>>,
    /// Empty where they would make the page too large.
    timelines: Vec<TimelineData>,
}

/// One trial, AP by AP.
#[derive(Serialize)]
struct TimelineData {
    /// `best`, `median` or `worst`.
    which: &'static str,
    boot: u32,
    number: u32,
    total: u64,
    /// Of each AP its index, `init`, and the lengths of `kick`, `wake`, `trampoline` and the five
    /// phases after `sipi`; nothing where a stamp is missing.
    aps: Vec<[Option<i64>; 10]>,
    /// Of each AP that is not online its index, how it ended, and the moment of its last stamp.
    lost: Vec<(u16, String, Option<u64>)>,
    /// Of each segment of the critical path its part, AP, begin and length; and where somebody had
    /// waited for it, who, in which phase (-1 for the BSP), and for how long.
    path: Vec<Vec<i64>>,
}

impl Data {
    /// Of a run, given the trials that [`shown`] has chosen, with their timelines.
    pub fn of(run: &Run, shown: &[Vec<FullTrial>]) -> Data {
        let axes = axes(run);
        let varying = run.varying_options();
        let engines: BTreeSet<&str> = run.cells.iter().map(|cell| &*cell.engine).collect();
        let best = headline::best(run);
        let mut cells = Vec::new();
        let mut index_of_best = None;
        for (index, (cell, trials)) in run.cells.iter().zip(shown).enumerate() {
            let Some(total) = cell.total().filter(|_| cell.smp > 1) else { continue };
            if best == Some(index) {
                index_of_best = Some(cells.len());
            }
            let options = cell.options_label(&varying);
            let engine =
                if engines.len() > 1 { format!("{}, ", cell.engine) } else { String::new() };
            let values = axes.iter().filter_map(|axis| {
                let value = value(cell, &axis.key);
                axis.values.iter().position(|other| *other == value)
            });
            let median = median_of(trials);
            cells.push(CellData {
                label: format!("{engine}{} CPUs, {options}", cell.smp),
                line: format!("{engine}{options}"),
                smp: cell.smp,
                values: values.collect(),
                khz: cell.tsc_khz(),
                trials: cell.trials.count(),
                total: total.median,
                interval: cell.sample(Measure::Total).interval().map(|told| (told.low, told.high)),
                lower_bound: median
                    .and_then(|trial| critical::lower_bound(&trial.timelines))
                    .map(|cycles| cycles.0),
                phases: per_phase(|phase| Some(cell.phase(phase)?.median)),
                over_trials: per_phase(|phase| Some(five(cell.phase(phase)?))),
                over_aps: per_phase(|phase| {
                    let aps = online(&median?.timelines);
                    Some(five(Spread::of(aps.filter_map(|ap| Some(phase.of(&ap.stamps)?.0)))?))
                }),
                path: median.map(|FullTrial { trial, timelines }| {
                    critical::sums(&critical::path(Cycles(trial.total), timelines))
                }),
                timelines: trials
                    .iter()
                    .zip(names(trials.len()))
                    .map(|(trial, which)| TimelineData::of(which, trial))
                    .collect(),
            });
        }
        let mut data = Data {
            schema: 1,
            phases: Phase::ALL.map(Phase::name),
            waits: Phase::ALL.map(|phase| !phase.is_work()),
            parts: Part::ALL.map(Part::name),
            axes,
            cells,
            best: index_of_best,
        };
        data.bound();
        data
    }

    /// True where an AP of a shown trial did not come online.
    pub fn lost(&self) -> bool {
        let mut timelines = self.cells.iter().flat_map(|cell| &cell.timelines);
        timelines.any(|timeline| !timeline.lost.is_empty())
    }

    /// As text for a script block: nothing in it can end the block.
    pub fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string(self)?.replace('<', "\\u003c"))
    }

    /// How many cells have no timelines, so that the page stays small.
    pub fn without_timelines(&self) -> usize {
        self.cells.iter().filter(|cell| cell.timelines.is_empty()).count()
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

/// The trials of each cell that are shown AP by AP: the fastest, the median and the slowest, fewer
/// where these are the same one.
pub fn shown(run: &Run) -> Vec<Vec<Trial>> {
    let of = |cell: &Cell| {
        let trials = cell.ranked_trials();
        match &trials[..] {
            [] => vec![],
            [one] => vec![*one],
            [best, worst] => vec![*best, *worst],
            [best, .., worst] => vec![*best, trials[(trials.len() - 1) / 2], *worst],
        }
    };
    run.cells.iter().map(of).collect()
}

/// Which of the shown trials is the median one.
pub fn median_of(shown: &[FullTrial]) -> Option<&FullTrial> {
    shown.get(shown.len().saturating_sub(1) / 2)
}

fn names(count: usize) -> &'static [&'static str] {
    match count {
        1 => &["median"],
        2 => &["best", "worst"],
        _ => &["best", "median", "worst"],
    }
}

impl TimelineData {
    fn of(which: &'static str, FullTrial { trial, timelines }: &FullTrial) -> TimelineData {
        let lost = timelines.iter().filter(|ap| ap.end != ApEnd::Online);
        let path = critical::path(Cycles(trial.total), timelines);
        TimelineData {
            which,
            boot: trial.boot + 1,
            number: trial.number,
            total: trial.total,
            aps: timelines.iter().map(lengths).collect(),
            lost: lost
                .map(|ap| {
                    let last = Reached::of(&ap.stamps).map(|reached| reached.last());
                    (ap.cpu.0, ending(ap.end), last)
                })
                .collect(),
            path: path.iter().map(numbers).collect(),
        }
    }

    fn numbers(&self) -> usize {
        self.aps.len() * 10 + self.path.iter().map(Vec::len).sum::<usize>()
    }
}

fn lengths(ap: &ApTimeline) -> [Option<i64>; 10] {
    let signed = |cycles: Cycles| i64::try_from(cycles.0).ok();
    let part = |part: SubPhase| part.of(&ap.stamps).and_then(signed);
    let phase = |phase: Phase| phase.of(&ap.stamps).and_then(signed);
    let [_, later @ ..] = Phase::ALL;
    let [hold, callin, turn, tsc_sync, online] = later.map(phase);
    let [kick, wake, trampoline] = SubPhase::ALL.map(part);
    let init = ap.stamps.get(Stamp::Init);
    let cpu = Some(i64::from(ap.cpu.0));
    [cpu, init, kick, wake, trampoline, hold, callin, turn, tsc_sync, online]
}

fn numbers(segment: &Segment) -> Vec<i64> {
    let signed = |cycles: u64| i64::try_from(cycles).unwrap_or(i64::MAX);
    let Segment { part, cpu, from, held, .. } = segment;
    let mut numbers = vec![*part as i64, i64::from(cpu.0), signed(*from), signed(segment.cycles())];
    if let Some(held) = held {
        let phase = held.phase.map_or(-1, |phase| phase as i64);
        numbers.extend([i64::from(held.cpu.0), phase, signed(held.cycles)]);
    }
    numbers
}

/// How an AP ended, in words.
pub fn ending(end: ApEnd) -> String {
    match end {
        ApEnd::Online => "online".to_owned(),
        ApEnd::Lost(Some(stamp)) => format!("lost after {}", stamp.name()),
        ApEnd::Lost(None) => "lost before it was kicked".to_owned(),
        ApEnd::WrongAnswer => "online with a wrong answer".to_owned(),
    }
}

fn online(timelines: &[ApTimeline]) -> impl Iterator<Item = &ApTimeline> {
    timelines.iter().filter(|ap| ap.end == ApEnd::Online)
}

fn five(told: Spread) -> [u64; 5] {
    [told.min, told.lower_quartile, told.median, told.upper_quartile, told.max]
}

/// All six, or none where one is missing.
fn per_phase<T>(of: impl Fn(Phase) -> Option<T>) -> Option<[T; Phase::ALL.len()]> {
    let values: Option<Vec<T>> = Phase::ALL.into_iter().map(of).collect();
    values?.try_into().ok()
}

fn axes(run: &Run) -> Vec<Axis> {
    let keys = ["engine", "CPUs"].into_iter().chain(run.varying_options());
    keys.map(|key| {
        let mut values = Vec::new();
        for cell in run.cells.iter().filter(|cell| cell.smp > 1 && !cell.trials.is_empty()) {
            let value = value(cell, key);
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Axis { key: key.to_owned(), values }
    })
    .filter(|axis| axis.values.len() > 1)
    .collect()
}

fn value(cell: &Cell, key: &str) -> String {
    match key {
        "engine" => cell.engine.clone(),
        "CPUs" => cell.smp.to_string(),
        option => cell.option(option),
    }
}
