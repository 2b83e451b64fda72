//! Which figures a run gets, and with what in them.
//!
//! Cells that differ in strategy and CPU count alone are one group; each group gets a bar chart of
//! the phases and a timeline for each strategy at its largest CPU count. The totals of all groups
//! are lines of one chart, or of one for each group where they are many. A run of very many groups
//! gets the pictures of the first ones alone.

use super::data::{ending, median_of};
use super::figure::{self, Bar, Figure, Kind, Line, Numbers, Row};
use super::tables::NONE;
use crate::ground::failure::Failure;
use crate::ground::unit::{Scale, Unit};
use crate::judge::critical::lower_bound;
use crate::run::measure::Measure;
use crate::run::timeline::{self, Reached};
use crate::run::{Cell, FullTrial, Run};
use bringup::frame::ApEnd;
use bringup::options::{self, kind_of};
use bringup::phase::Phase;
use bringup::stamp::Stamp;
use std::collections::BTreeSet;
use std::slice;

/// More lines than this are not put in one chart.
const MANY_LINES: usize = 8;

/// Once there are so many figures, no further group gets any: nobody looks at them one by one, and
/// drawing takes some 20 ms each.
pub const MANY_FIGURES: usize = 150;

/// A timeline has no more rows than this, as many as the largest machine of an engine has CPUs: of more APs some
/// are left out, evenly. A picture's memory is that of its rows, each hundreds of times an AP's in a capture.
const MOST_ROWS: usize = 4096;

/// A file's name has no more than so many characters of its group's name.
const LONGEST_NAME: usize = 100;

/// What was drawn of a run.
pub struct Pictures {
    /// The figures, in the order of the page.
    pub figures: Vec<Figure>,
    /// How many cells there was nothing drawn of, since there are very many.
    pub cells_left_out: usize,
}

/// The figures of a run, where groups get some until there are `many`; `watch` is called before each
/// with the number of those before it.
///
/// Fails where `watch` does.
pub fn of(
    run: &Run,
    shown: &[Vec<FullTrial>],
    many: usize,
    watch: &mut dyn FnMut(usize) -> Result<(), Failure>,
) -> Result<Pictures, Failure> {
    let trials: Vec<Option<&FullTrial>> = shown.iter().map(|shown| median_of(shown)).collect();
    let groups = groups(run);
    let mut figures = Vec::new();
    let mut cells_left_out = 0;
    // Where they are few enough to be told apart, all lines are in one chart.
    let together = groups.len() > 1 && count_lines(run, &groups) <= MANY_LINES;
    if together {
        watch(figures.len())?;
        figures.extend(totals(run, &trials, "", "", &groups));
    }
    for group in &groups {
        if figures.len() >= many {
            cells_left_out += group.cells.len();
            continue;
        }
        watch(figures.len())?;
        figures.extend(phases(run, group));
        if !together {
            watch(figures.len())?;
            let alone = slice::from_ref(group);
            figures.extend(totals(run, &trials, &group.behind(), &group.file, alone));
        }
        let most = group.cells.iter().map(|cell| run.cells[*cell].smp).max();
        for cell in group.cells.iter().filter(|cell| Some(run.cells[**cell].smp) == most) {
            if let Some(trial) = trials[*cell] {
                watch(figures.len())?;
                figures.extend(trial_timeline(group, &run.cells[*cell], trial));
            }
        }
    }
    Ok(Pictures { figures, cells_left_out })
}

/// Cells that differ in strategy and CPU count alone.
struct Group {
    /// What they have in common and other groups have not; empty where all cells are one group.
    name: String,
    /// The same, as a part of a file's name.
    file: String,
    /// Indices of [`Run::cells`].
    cells: Vec<usize>,
}

impl Group {
    /// The group's name behind a title.
    fn behind(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" ({})", self.name) }
    }

    fn file(&self, kind: &str) -> String {
        format!("{kind}{}.svg", self.file)
    }
}

/// The groups of the cells that have something to show.
fn groups(run: &Run) -> Vec<Group> {
    let varying = run.varying_options();
    let engines: BTreeSet<&str> = run.cells.iter().map(|cell| cell.engine.as_str()).collect();
    let mut groups: Vec<Group> = Vec::new();
    for (index, cell) in run.cells.iter().enumerate() {
        if cell.smp == 1 || cell.trials.is_empty() {
            continue;
        }
        let engine = (engines.len() > 1).then(|| cell.engine.clone());
        let others = varying.iter().filter(|key| kind_of(key) != Some(options::Kind::Strategy));
        let words = others.map(|key| format!("{key}={}", cell.option(key)));
        let name = engine.into_iter().chain(words).collect::<Vec<_>>().join(", ");
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.cells.push(index),
            None => {
                let file = plain(&name, &groups);
                groups.push(Group { name, file, cells: vec![index] });
            }
        }
    }
    groups
}

fn phases(run: &Run, group: &Group) -> Option<Figure> {
    let medians = |cell: &Cell| {
        let medians: Option<Vec<u64>> =
            Phase::ALL.iter().map(|phase| Some(cell.phase(*phase)?.median)).collect();
        medians
    };
    let shown: Vec<(&Cell, Vec<u64>)> = group
        .cells
        .iter()
        .filter_map(|cell| Some((&run.cells[*cell], medians(&run.cells[*cell])?)))
        .collect();
    let scale = Scale::of(
        Unit::Auto,
        shown.iter().map(|(cell, medians)| {
            (medians.iter().fold(0, |sum: u64, median| sum.saturating_add(*median)), cell.tsc_khz())
        }),
    );
    let bars: Vec<Bar> = shown
        .iter()
        .map(|(cell, medians)| {
            let mut phases = [0.0; 6];
            for (phase, median) in phases.iter_mut().zip(medians) {
                *phase = scale.value(*median, cell.tsc_khz())?;
            }
            Some(Bar { label: cell_name(cell), phases })
        })
        .collect::<Option<_>>()?;
    if bars.is_empty() {
        return None;
    }
    let (unit, behind) = (scale.name(), group.behind());
    let title = format!("Where one AP's time goes{behind}");
    let description = format!(
        "Stacked bars of the six phases in {unit}: a bar for each strategy and CPU count, the mean \
         over the APs of a trial, the median over the trials."
    );
    let drawing = figure::phase_bars(&bars, unit);
    Some(Figure::new(Kind::Phases, group.file("phases"), title, description, drawing))
}

fn count_lines(run: &Run, groups: &[Group]) -> usize {
    let strategies = |group: &Group| {
        let names = group.cells.iter().map(|cell| run.cells[*cell].options.strategy.name());
        names.collect::<BTreeSet<_>>().len()
    };
    groups.iter().map(strategies).sum()
}

/// The totals of some groups: a line for each strategy of each, and the lower bound of each.
fn totals(
    run: &Run,
    trials: &[Option<&FullTrial>],
    behind: &str,
    file: &str,
    groups: &[Group],
) -> Option<Figure> {
    let mut shown: Vec<(String, &Cell, u64)> = Vec::new();
    let mut bounds: Vec<(String, &Cell, u64)> = Vec::new();
    for group in groups {
        let called = |name: &str| match groups.len() {
            1 => name.to_owned(),
            _ => format!("{name}{}", group.behind()),
        };
        for index in &group.cells {
            let cell = &run.cells[*index];
            shown.push((called(cell.options.strategy.name()), cell, cell.total()?.median));
            if let Some(bound) = trials[*index].and_then(|trial| lower_bound(&trial.timelines)) {
                bounds.push((called("lower bound"), cell, bound.0));
            }
        }
    }
    let spans = shown.iter().map(|(_, cell, total)| (*total, cell.tsc_khz()));
    let scale = Scale::of(Unit::Auto, spans);
    let mut lines: Vec<Line> = Vec::new();
    for (label, cell, total) in &shown {
        let line = line_called(&mut lines, label);
        let khz = cell.tsc_khz();
        line.points.push((f64::from(cell.smp), scale.value(*total, khz)?));
        let ends = |cycles: f64| scale.value(cycles as u64, khz);
        let interval = cell.sample(Measure::Total).interval();
        line.band.extend(interval.and_then(|told| Some((ends(told.low)?, ends(told.high)?))));
    }
    // What any of the strategies shows to be possible.
    let mut floors: Vec<Line> = Vec::new();
    for (label, cell, bound) in &bounds {
        let line = line_called(&mut floors, label);
        let (cpus, bound) = (f64::from(cell.smp), scale.value(*bound, cell.tsc_khz())?);
        match line.points.iter_mut().find(|(at, _)| *at == cpus) {
            Some((_, least)) => *least = least.min(bound),
            None => line.points.push((cpus, bound)),
        }
    }
    if lines.is_empty() {
        return None;
    }
    let unit = scale.name();
    let title = format!("Total against CPU count{behind}");
    let description = format!(
        "A line for each strategy: the median time in {unit} from the trial's zero until the last \
         AP is known online, for each CPU count. The dotted lower bound is what it would take had \
         nobody waited for anybody."
    );
    let drawing = figure::totals(&lines, &floors, unit);
    Some(Figure::new(Kind::Totals, format!("totals{file}.svg"), title, description, drawing))
}

/// The line of that name, new where there was none.
fn line_called<'a>(lines: &'a mut Vec<Line>, label: &str) -> &'a mut Line {
    let at = lines.iter().position(|line| line.label == *label).unwrap_or_else(|| {
        lines.push(Line { label: label.to_owned(), points: Vec::new(), band: Vec::new() });
        lines.len() - 1
    });
    &mut lines[at]
}

fn trial_timeline(
    group: &Group,
    cell: &Cell,
    FullTrial { trial, timelines }: &FullTrial,
) -> Option<Figure> {
    let khz = cell.tsc_khz();
    let scale = Scale::of(Unit::Auto, [(trial.total, khz)]);
    let value = |cycles| scale.value(cycles, khz).unwrap_or_default();
    let rows: Vec<Row> = timelines
        .iter()
        .map(|ap| {
            let reached = Reached::of(&ap.stamps);
            let span = reached.map(|Reached { init, phases }| (value(init), phases.map(value)));
            let (note, end) = if ap.end != ApEnd::Online {
                let last = reached.map_or(0.0, |reached| value(reached.last()));
                (" (lost)", Some((last, ending(ap.end))))
            } else if timeline::phases(&ap.stamps).is_err() {
                (" (no phases)", None)
            } else {
                ("", None)
            };
            Row { label: format!("{}{note}", ap.cpu), span, end }
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let (unit, behind) = (scale.name(), group.behind());
    let strategy = cell.options.strategy.name();
    let title = format!("{strategy} with {} CPUs, AP by AP{behind}", cell.smp);
    let every = rows.len().div_ceil(MOST_ROWS);
    let which = if every == 1 { "each AP".to_owned() } else { format!("one of {every} APs each") };
    let description = format!(
        "A row for {which} of the median trial, which took {} {unit}: its six phases as coloured \
         pieces from left to right, waiting in grey.{}",
        scale.text(trial.total, khz),
        match rows.iter().any(|row| row.end.is_some()) {
            true => " A cross is the last stamp of an AP that was lost.",
            false => "",
        }
    );
    let decimals = scale.decimals();
    let numbers = Numbers {
        header: header("AP", ["init"].into_iter().chain(Phase::ALL.map(Phase::name)), unit),
        rows: rows
            .iter()
            .zip(timelines)
            .map(|(Row { label, end, .. }, ap)| {
                let name =
                    end.as_ref().map_or(label.clone(), |(_, text)| format!("{label}: {text}"));
                let init = ap.stamps.get(Stamp::Init).and_then(|init| u64::try_from(init).ok());
                // What an AP did not get through has no length.
                let phases = Phase::ALL.map(|phase| phase.of(&ap.stamps).map(|cycles| cycles.0));
                let value = |cycles: u64| format!("{:.decimals$}", value(cycles));
                let text = |cycles: Option<u64>| cycles.map_or(NONE.to_owned(), value);
                [name].into_iter().chain([init].into_iter().chain(phases).map(text)).collect()
            })
            .collect(),
    };
    let drawn: Vec<&Row> = rows.iter().step_by(every).collect();
    let drawing = figure::timeline(&drawn, unit);
    let file = group.file(&format!("timeline-{strategy}"));
    let figure = Figure::new(Kind::Timeline, file, title, description, drawing);
    Some(Figure { numbers: Some(numbers), ..figure })
}

/// What tells a cell from the others of its group.
fn cell_name(cell: &Cell) -> String {
    format!("{} CPUs, {}", cell.smp, cell.options.strategy)
}

/// The header of a figure's numbers: a name, then columns with their unit.
fn header<'a>(first: &str, names: impl IntoIterator<Item = &'a str>, unit: &str) -> Vec<String> {
    let names = names.into_iter().map(|name| format!("{name} [{unit}]"));
    [first.to_owned()].into_iter().chain(names).collect()
}

/// A name of letters, digits and dashes that is in use by no group before.
fn plain(name: &str, taken: &[Group]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let dashed: String = name.chars().take(LONGEST_NAME).map(plain).collect();
    let stem: String =
        dashed.split('-').filter(|part| !part.is_empty()).map(|part| format!("-{part}")).collect();
    let free = |name: &String| taken.iter().all(|group| group.file != *name);
    (1..)
        .map(|number| if number == 1 { stem.clone() } else { format!("{stem}-{number}") })
        .find(free)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bringup::frame::Frame;
    use bringup::wire::{MAX_FRAME, encode};
    use miette::miette;
    use std::fs;

    /// A run of three cells with two CPUs that differ in an option.
    fn run_of_three() -> (tempfile::TempDir, Run) {
        let (mut bytes, mut buffer) = (Vec::new(), [0; MAX_FRAME]);
        let cells = "cell tsc-window=1us cell tsc-window=2us cell tsc-window=3us";
        bringup::sim::boot(cells, 2, 1_000_000, &mut |frame: &Frame<'_>| {
            bytes.extend_from_slice(encode(frame, &mut buffer).unwrap());
        })
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("capture.bin");
        fs::write(&path, bytes).unwrap();
        let run = Run::open(&path).unwrap();
        (folder, run)
    }

    fn drawn(many: usize, watch: &mut dyn FnMut(usize) -> Result<(), Failure>) -> Option<Pictures> {
        let (_keep, run) = run_of_three();
        let shown = run.with_timelines(&crate::present::report::data::shown(&run)).unwrap();
        of(&run, &shown, many, watch).ok()
    }

    #[test]
    fn when_there_are_many_figures_the_cells_without_any_are_counted() {
        // One chart of the totals, then the phases and a timeline of each cell.
        let few = drawn(2, &mut |_| Ok(())).unwrap();
        assert_eq!((few.figures.len(), few.cells_left_out), (3, 2));
        let all = drawn(MANY_FIGURES, &mut |_| Ok(())).unwrap();
        assert_eq!((all.figures.len(), all.cells_left_out), (7, 0));
    }

    #[test]
    fn drawing_ends_when_the_watcher_says_so() {
        let mut calls = Vec::new();
        let drawn = drawn(MANY_FIGURES, &mut |done| {
            calls.push(done);
            if done < 2 { Ok(()) } else { Err(Failure::Environment(miette!("interrupted"))) }
        });
        assert!(drawn.is_none());
        assert_eq!(calls, [0, 1, 2]);
    }
}
