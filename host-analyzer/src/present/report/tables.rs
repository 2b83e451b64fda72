//! The numbers behind the page's charts, as tables: they are there without JavaScript and on paper.

use super::data::{CellData, Data};
use super::figure::Numbers;
use crate::ground::unit::{Scale, Unit};
use crate::present::show::Found;
use bringup::phase::Phase;

/// What stands where there is nothing to tell.
pub const NONE: &str = "–";

/// A table of the page. Each row is of one cell, so that the filter can hide it.
pub struct CellTable {
    /// The table.
    pub numbers: Numbers,
    /// The cell of each row: an index of [`Data::cells`].
    pub cells: Vec<usize>,
}

/// Mean phases of one AP.
pub fn phases(data: &Data) -> CellTable {
    let cells = || data.cells.iter().filter_map(|cell| Some((cell, cell.phases?)));
    let sum = |phases: [u64; 6]| phases.into_iter().fold(0, u64::saturating_add);
    let scale = scale(cells().map(|(cell, phases)| (cell, sum(phases))));
    let unit = scale.name();
    let names = Phase::ALL.map(|phase| format!("{} [{unit}]", phase.name()));
    table(["cell".to_owned()].into_iter().chain(names), data, |cell| {
        let Some(phases) = cell.phases else { return vec![] };
        let texts = phases.map(|cycles| scale.text(cycles, cell.khz));
        vec![[cell.label.clone()].into_iter().chain(texts).collect()]
    })
}

/// Totals, their intervals and lower bounds.
pub fn totals(data: &Data) -> CellTable {
    let scale = scale(data.cells.iter().map(|cell| (cell, cell.total)));
    let unit = scale.name();
    let header = [
        "cell".to_owned(),
        format!("total [{unit}]"),
        format!("95 % from [{unit}]"),
        format!("to [{unit}]"),
        format!("lower bound [{unit}]"),
        "trials".to_owned(),
    ];
    table(header, data, |cell| {
        let text = |cycles: u64| scale.text(cycles, cell.khz);
        let maybe = |cycles: Option<u64>| cycles.map_or(NONE.to_owned(), text);
        vec![vec![
            cell.label.clone(),
            text(cell.total),
            maybe(cell.interval.map(|(low, _)| low as u64)),
            maybe(cell.interval.map(|(_, high)| high as u64)),
            maybe(cell.lower_bound),
            cell.trials.to_string(),
        ]]
    })
}

/// A distribution of each phase, which one a function says.
pub fn spreads(data: &Data, of: fn(&CellData) -> &Option<[[u64; 5]; 6]>) -> CellTable {
    let most = |cell| of(cell).as_ref().map(|phases| phases.iter().flatten().copied().max());
    let scale = scale(data.cells.iter().filter_map(|cell| Some((cell, most(cell).flatten()?))));
    let unit = scale.name();
    let header = ["cell", "phase"].map(str::to_owned).into_iter().chain(
        ["least", "quartile", "median", "quartile", "greatest"]
            .map(|name| format!("{name} [{unit}]")),
    );
    table(header, data, |cell| {
        let phases = Phase::ALL.iter().zip(of(cell).iter().flatten());
        phases
            .map(|(phase, five)| {
                let texts = five.map(|cycles| scale.text(cycles, cell.khz));
                [cell.label.clone(), phase.name().to_owned()].into_iter().chain(texts).collect()
            })
            .collect()
    })
}

fn scale<'a>(values: impl Iterator<Item = (&'a CellData, u64)>) -> Scale {
    Scale::of(Unit::Auto, values.map(|(cell, cycles)| (cycles, cell.khz)))
}

fn table(
    header: impl IntoIterator<Item = String>,
    data: &Data,
    rows: impl Fn(&CellData) -> Vec<Vec<String>>,
) -> CellTable {
    let mut table = CellTable {
        numbers: Numbers { header: header.into_iter().collect(), rows: Vec::new() },
        cells: Vec::new(),
    };
    for (index, cell) in data.cells.iter().enumerate() {
        for row in rows(cell) {
            table.numbers.rows.push(row);
            table.cells.push(index);
        }
    }
    table
}

/// What the TSC sync has found; `shown` has the page's cell of each cell of the run.
pub fn tsc_sync(found: &Found, shown: &[Option<usize>]) -> CellTable {
    let texts = |row: usize| found.columns.iter().map(|column| column.texts[row].clone()).collect();
    let rows = found.cells.iter().enumerate().filter_map(|(row, cell)| Some((row, shown[*cell]?)));
    let (rows, cells) = rows.map(|(row, cell)| (texts(row), cell)).unzip();
    let header = found.columns.iter().map(|column| column.header.clone()).collect();
    CellTable { numbers: Numbers { header, rows }, cells }
}

/// What the critical path of each median trial is made of.
pub fn paths(data: &Data) -> CellTable {
    let cells = || data.cells.iter().filter(|cell| cell.path.is_some());
    let scale = scale(cells().map(|cell| (cell, cell.total)));
    let header = [
        "cell".to_owned(),
        "part".to_owned(),
        format!("time [{}]", scale.name()),
        "share".to_owned(),
        "APs".to_owned(),
    ];
    table(header, data, |cell| {
        let sums = cell.path.iter().flatten();
        let total = sums.clone().map(|sum| sum.cycles).fold(0, u64::saturating_add);
        sums.map(|sum| {
            vec![
                cell.label.clone(),
                sum.part.name().to_owned(),
                scale.text(sum.cycles, cell.khz),
                format!("{:.1} %", 100.0 * sum.cycles as f64 / total as f64),
                sum.aps.to_string(),
            ]
        })
        .collect()
    })
}
