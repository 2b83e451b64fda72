//! The table: a row for each cell, the warnings below.

use crate::ground::text::printable;
use crate::ground::unit::{Scale, Unit};
use crate::run::{Cell, Run};
use bringup::phase::Phase;
use comfy_table::{Cell as Field, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// What stands where there is nothing to tell.
const NONE: &str = "–";

/// One column: its header, and its text for each cell in the order of [`Run::cells`].
pub(crate) struct Column {
    /// The header.
    pub header: String,
    /// One text for each cell.
    pub texts: Vec<String>,
    /// True for numbers, which stand to the right.
    pub number: bool,
}

/// A run as a table for people: a row for each cell, medians over its trials, and below them the
/// warnings. Ends with a newline.
///
/// All times have one unit, which is said first. The six phases are means over the APs of a trial,
/// then medians over the trials.
pub fn table(run: &Run, unit: Unit) -> String {
    let table = drawn(&columns(run, unit), run.cells.len());
    let mut text = format!("{}\n\n{table}", caption(run, unit));
    if run.cells.is_empty() {
        text += "no cell was begun\n";
    }
    for warning in &run.warnings {
        text += &format!("warning: {warning}\n");
    }
    text
}

/// Columns as a table of so many rows. Ends with a newline. Texts of others are made [`printable`].
pub(crate) fn drawn(columns: &[Column], rows: usize) -> String {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(rule));
    // A terminal that is too narrow folds lines, which reads better than folded words.
    table.set_content_arrangement(ContentArrangement::Disabled);
    let align = |text: &String, number| {
        let side = if number { CellAlignment::Right } else { CellAlignment::Left };
        Field::new(printable(text)).set_alignment(side)
    };
    table.set_header(columns.iter().map(|column| align(&column.header, column.number)));
    for row in 0..rows {
        table.add_row(columns.iter().map(|column| align(&column.texts[row], column.number)));
    }
    format!("{}\n", table.trim_fmt())
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

/// The columns of the table, in the terminal as in the report.
pub(crate) fn columns(run: &Run, unit: Unit) -> Vec<Column> {
    let cells = &run.cells;
    let words = |header: &str, text: &dyn Fn(&Cell) -> String| Column {
        header: header.to_owned(),
        texts: cells.iter().map(text).collect(),
        number: false,
    };
    let numbers = |header: &str, text: &dyn Fn(&Cell) -> String| Column {
        number: true,
        ..words(header, text)
    };
    let unit = scale(run, unit).unit();
    let times = |name: &str, median: &dyn Fn(&Cell) -> Option<u64>| {
        // A machine of one CPU has no bring-up, so no time of one.
        let median = |cell: &Cell| median(cell).filter(|_| cell.smp > 1);
        let scale =
            Scale::of(unit, cells.iter().filter_map(|cell| Some((median(cell)?, cell.tsc_khz()))));
        numbers(name, &|cell| {
            median(cell).map_or(NONE.to_owned(), |cycles| scale.text(cycles, cell.tsc_khz()))
        })
    };
    let mut columns = vec![
        words("engine", &|cell| cell.engine.clone()),
        numbers("CPUs", &|cell| cell.smp.to_string()),
    ];
    for key in run.varying_options() {
        columns.push(words(key, &|cell| cell.option(key)));
    }
    columns.push(numbers("trials", &|cell| cell.trials.count().to_string()));
    if run.lost_aps() > 0 {
        columns.push(numbers("lost", &|cell| cell.lost().to_string()));
    }
    columns.push(times("total", &|cell| Some(cell.total()?.median)));
    columns.push(times("kick-loop", &|cell| Some(cell.kick_loop()?.median)));
    for phase in Phase::ALL {
        columns.push(times(phase.name(), &|cell| Some(cell.phase(phase)?.median)));
    }
    columns.push(numbers("vs serial", &|cell| match run.speed_up(cell) {
        _ if cell.smp == 1 => "nothing to bring up".to_owned(),
        Some(factor) => format!("{factor:.2}×"),
        None => NONE.to_owned(),
    }));
    columns
}
