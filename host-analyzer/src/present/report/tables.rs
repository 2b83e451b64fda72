//! The numbers behind the page's charts, as tables: they are there without JavaScript and on paper.

use super::data::{CellData, Data};
use crate::ground::unit::Scale;
use crate::present::show::Found;
use crate::present::table::{NONE, Table};
use bringup::phase::Phase;

/// A table of the page. Each row is of one cell, so that the filter can hide it.
pub struct CellTable {
    /// The table.
    pub table: Table,
    /// The cell of each row: an index of [`Data::cells`]; `None` for a cell without trials.
    pub cells: Vec<Option<usize>>,
}

impl CellTable {
    /// As HTML, called by this name.
    pub fn html(&self, name: &str) -> String {
        self.table.html(name, &self.cells)
    }

    fn of(
        words: &[&str],
        numbers: impl IntoIterator<Item = String>,
        data: &Data,
        rows: impl Fn(&CellData) -> Vec<Vec<String>>,
    ) -> CellTable {
        let of = |(index, cell)| rows(cell).into_iter().map(move |row| (row, Some(index)));
        let (rows, cells) = data.cells.iter().enumerate().flat_map(of).unzip();
        CellTable { table: Table::with_rows(words, numbers, rows), cells }
    }
}

/// Mean phases of one AP.
pub fn phases(data: &Data) -> CellTable {
    let scale = data.scales.phases;
    let mut names = Phase::ALL.map(|phase| format!("{} [{}]", phase.name(), scale.name())).to_vec();
    names.insert(1, format!("queue, of sipi [{}]", scale.name()));
    CellTable::of(&["cell"], names, data, |cell| {
        let Some(phases) = cell.phases else { return vec![] };
        let [sipi, others @ ..] = phases.map(|cycles| scale.text(cycles, cell.khz));
        let first = [cell.label.clone(), sipi, scale.text(cell.queue, cell.khz)];
        vec![first.into_iter().chain(others).collect()]
    })
}

/// Totals, their intervals and lower bounds.
pub fn totals(data: &Data) -> CellTable {
    let scale = data.scales.totals;
    let unit = scale.name();
    let header = [
        format!("total [{unit}]"),
        format!("cold [{unit}]"),
        format!("95 % from [{unit}]"),
        format!("to [{unit}]"),
        format!("lower bound [{unit}]"),
        "trials".to_owned(),
    ];
    CellTable::of(&["cell"], header, data, |cell| {
        let text = |cycles: u64| scale.text(cycles, cell.khz);
        let maybe = |cycles: Option<u64>| cycles.map_or(NONE.to_owned(), text);
        vec![vec![
            cell.label.clone(),
            text(cell.total),
            maybe(cell.cold),
            maybe(cell.interval.map(|(low, _)| low as u64)),
            maybe(cell.interval.map(|(_, high)| high as u64)),
            maybe(cell.lower_bound),
            cell.trials.to_string(),
        ]]
    })
}

/// A distribution of each phase; `of` says which one.
pub fn spreads(data: &Data, of: fn(&CellData) -> &Option<[[u64; 5]; 6]>) -> CellTable {
    let most = |cell: &CellData| {
        of(cell).as_ref().and_then(|phases| phases.iter().flatten().copied().max())
    };
    let scale = data.scale(most);
    let header = data.quantiles.map(|name| format!("{name} [{}]", scale.name()));
    CellTable::of(&["cell", "phase"], header, data, |cell| {
        let phases = Phase::ALL.iter().zip(of(cell).iter().flatten());
        phases
            .map(|(phase, five)| {
                let texts = five.map(|cycles| scale.text(cycles, cell.khz));
                [cell.label.clone(), phase.name().to_owned()].into_iter().chain(texts).collect()
            })
            .collect()
    })
}

/// What the TSC sync has found; `shown` has the page's cell of each cell of the run.
pub fn tsc_sync(found: &Found, shown: &[Option<usize>]) -> CellTable {
    let rows = found.table.rows.iter().zip(&found.cells);
    let (rows, cells) =
        rows.filter_map(|(row, cell)| Some((row.clone(), Some(shown[*cell]?)))).unzip();
    let columns = found.table.columns.clone();
    CellTable { table: Table { columns, rows, ..Table::default() }, cells }
}

/// What the critical path of each median trial is made of.
pub fn paths(data: &Data) -> CellTable {
    let scale: Scale = data.scale(|cell| cell.path.is_some().then_some(cell.total));
    let header = [format!("time [{}]", scale.name()), "share".to_owned(), "APs".to_owned()];
    CellTable::of(&["cell", "part"], header, data, |cell| {
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
