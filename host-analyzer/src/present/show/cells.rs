//! The table of all cells, a row for each, in the terminal as in the report.

use super::warned::warnings;
use super::{host, linux};
use crate::ground::unit::{Scale, Unit};
use crate::present::table::{NONE, Table};
use crate::run::measure::Measure;
use crate::run::{Cell, Run};
use bringup::options::{Strategy, TscSync};
use bringup::phase::Phase;

/// A run as a table for people: a row for each cell, medians over its trials, and below them the
/// warnings. Ends with a newline.
///
/// All times have one unit, which is said first. The six phases are means over the APs of a trial,
/// then medians over the trials.
pub fn table(run: &Run, unit: Unit) -> String {
    let mut table = cells(run, unit);
    if run.cells.is_empty() {
        table.notes.push("no cell was begun".to_owned());
    }
    table.notes.extend(equal_syncs(run));
    let (caption, cells) = (caption(run, unit), table.terminal());
    let (host, logs) = (host::text(run), linux::tables(run));
    let warnings: String = warnings(run).map(|warning| warning + "\n").collect();
    let gap = if warnings.is_empty() { "" } else { "\n" };
    format!("{caption}\n\n{cells}{host}{logs}{gap}{warnings}")
}

/// Why a strategy's rows with `one-to-many` are equal to those with `pairwise`, where a run has both.
fn equal_syncs(run: &Run) -> Option<String> {
    let has = |strategy: Strategy, sync: TscSync| {
        let options = run.cells.iter().map(|cell| &cell.options);
        options.into_iter().any(|cell| (cell.strategy, cell.tsc_sync) == (strategy, sync))
    };
    let one_by_one = Strategy::ALL.iter().copied().filter(|strategy| !strategy.syncs_all_at_once());
    let equal = one_by_one
        .filter(|strategy| has(*strategy, TscSync::Pairwise) && has(*strategy, TscSync::OneToMany));
    let equal: Vec<&str> = equal.map(Strategy::name).collect();
    (!equal.is_empty()).then(|| {
        format!(
            "{}: clocks are compared with one AP at a time, so tsc-sync=one-to-many takes as long as pairwise",
            equal.join(", ")
        )
    })
}

/// What the numbers are, unit first.
pub(crate) fn caption(run: &Run, unit: Unit) -> String {
    let unit = scale(run, unit).name();
    format!("Times in {unit}: medians over the trials; each phase is the mean over the APs.")
}

/// One unit for all times, so that they can be compared along a row and added up.
fn scale(run: &Run, unit: Unit) -> Scale {
    let totals = run.cells.iter().filter_map(|cell| Some((cell.total()?.median, cell.tsc_khz())));
    Scale::of(unit, totals)
}

/// The table, a row for each of [`Run::cells`].
pub(crate) fn cells(run: &Run, unit: Unit) -> Table {
    let cells = &run.cells;
    let unit = scale(run, unit).unit();
    let mut table = Table::of(cells.len());
    table.words("engine", cells.iter().map(|cell| cell.engine.clone()));
    table.numbers("CPUs", cells.iter().map(|cell| cell.smp.to_string()));
    for key in run.varying_options() {
        table.words(key, cells.iter().map(|cell| cell.option(key)));
    }
    table.columns_name_rows();
    table.numbers("trials", cells.iter().map(|cell| cell.trials.count().to_string()));
    if run.lost_aps() > 0 {
        table.numbers("lost", cells.iter().map(|cell| cell.lost().to_string()));
    }
    times(&mut table, cells, unit, "total", &|cell| Some(cell.total()?.median));
    // Only a boot's first cell has a cold trial.
    let cold = |cell: &Cell| Some(cell.spread(Measure::Cold)?.median);
    if cells.iter().any(|cell| cell.smp > 1 && cold(cell).is_some()) {
        times(&mut table, cells, unit, Measure::Cold.name(), &cold);
    }
    times(&mut table, cells, unit, "kick-loop", &|cell| Some(cell.kick_loop()?.median));
    let wait_init = |cell: &Cell| Some(cell.spread(Measure::WaitInit)?.median);
    if cells.iter().any(|cell| wait_init(cell).is_some()) {
        times(&mut table, cells, unit, "wait-init", &wait_init);
    }
    // A log has no phases.
    let has_stamps = run.boots.iter().any(|boot| boot.linux.is_none());
    let has_rows = cells.iter().any(|cell| cell.phase(Phase::Sipi).is_some());
    for phase in Phase::ALL.into_iter().filter(|_| has_stamps || has_rows) {
        times(&mut table, cells, unit, phase.name(), &|cell| Some(cell.phase(phase)?.median));
    }
    let against_serial = |cell: &Cell| match run.speed_up(cell) {
        _ if cell.smp == 1 => "nothing to bring up".to_owned(),
        Some(factor) => format!("{factor:.2}×"),
        None => NONE.to_owned(),
    };
    table.numbers("vs serial", cells.iter().map(against_serial));
    table
}

/// Adds a column of times, with as many decimals as its greatest needs.
fn times(
    table: &mut Table,
    cells: &[Cell],
    unit: Unit,
    name: &str,
    median: &dyn Fn(&Cell) -> Option<u64>,
) {
    // A machine of one CPU has no bring-up, so no time of one.
    let median = |cell: &Cell| median(cell).filter(|_| cell.smp > 1);
    let scale =
        Scale::of(unit, cells.iter().filter_map(|cell| Some((median(cell)?, cell.tsc_khz()))));
    table.numbers(
        name,
        cells.iter().map(|cell| {
            median(cell).map_or(NONE.to_owned(), |cycles| scale.text(cycles, cell.tsc_khz()))
        }),
    );
}
