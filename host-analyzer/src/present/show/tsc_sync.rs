//! What the TSC sync has found out: a table for people, JSON for programs.

use super::warned::warnings;
use crate::ground::text::list;
use crate::ground::unit::{Scale, Unit};
use crate::present::schema;
use crate::present::table::{NONE, Table};
use crate::run::{Cell, Off, Run, Spread};
use bringup::CpuIndex;
use bringup::exchange::SyncVerdict;
use serde_json::{Map, Value, json};

/// A row for each cell whose clocks were compared. Ends with a newline.
pub fn tsc_sync_table(run: &Run, unit: Unit) -> String {
    let Found { caption, mut table, cells } = found(run, unit);
    if cells.is_empty() {
        let none =
            "no clock of an online AP was compared: with tsc-sync=trusted and in `sim` none is";
        let lines = [none.to_owned()].into_iter().chain(warnings(run));
        return lines.map(|line| line + "\n").collect();
    }
    table.notes.extend(warnings(run));
    format!("{caption}\n\n{}", table.terminal())
}

/// What the sync has found, in the terminal as in the report.
pub(crate) struct Found {
    /// What the numbers are.
    pub caption: String,
    /// The table, the cells' labels first.
    pub table: Table,
    /// The cell of each row: an index of [`Run::cells`].
    pub cells: Vec<usize>,
}

/// What the sync has found in the cells whose clocks were compared.
pub(crate) fn found(run: &Run, unit: Unit) -> Found {
    let (places, cells): (Vec<usize>, Vec<&Cell>) = compared(run).unzip();
    let times = cells.iter().filter_map(|cell| Some((cell.clocks.longest_time?, cell.tsc_khz())));
    let scale = Scale::of(unit, times);
    let caption = format!(
        "Widths of the clean clocks' intervals are in cycles; the whole sync, for how long some AP was in it, \
         in {}: the median, then the greatest. Readings are the fewest that a side saw of the other's clock, \
         windows the most that an AP took. Where skews were planted, off by is what a correction missed its skew \
         by at most; others off are clocks found to be off where none was.",
        scale.name(),
    );
    Found { caption, table: clocks(run, &cells, scale), cells: places }
}

fn clocks(run: &Run, cells: &[&Cell], scale: Scale) -> Table {
    let time = |cell: &Cell, cycles: Option<u64>| {
        cycles.map_or(NONE.to_owned(), |cycles| scale.text(cycles, cell.tsc_khz()))
    };
    let varying = run.varying_options();
    let all = || cells.iter().copied();
    let mut table = Table::of(cells.len());
    table.words("cell", all().map(|cell| cell.label(&varying)));
    table.numbers("APs compared", all().map(|cell| cell.clocks.compared().to_string()));
    for verdict in SyncVerdict::ALL {
        if verdict == SyncVerdict::Clean || all().any(|cell| cell.clocks.count(verdict) > 0) {
            table.numbers(verdict.name(), all().map(|cell| share(cell, verdict)));
        }
    }
    table.numbers("width", all().map(|cell| or_none(median(&cell.clocks.widths))));
    table.numbers("widest", all().map(|cell| or_none(cell.clocks.widest)));
    table.numbers("readings", all().map(|cell| or_none(cell.clocks.fewest_readings)));
    table.numbers("windows", all().map(|cell| cell.clocks.most_windows.to_string()));
    table.numbers("whole sync", all().map(|cell| time(cell, median(&cell.clocks.times))));
    table.numbers("longest", all().map(|cell| time(cell, cell.clocks.longest_time)));
    if all().any(|cell| cell.clocks.planted > 0) {
        let found = |cell: &Cell| match &cell.clocks {
            clocks if clocks.planted == 0 => NONE.to_owned(),
            clocks => format!("{} of {}", clocks.found, clocks.planted),
        };
        table.numbers("skews found", all().map(found));
        table.numbers("off by", all().map(|cell| or_none(cell.clocks.worst_miss)));
    }
    table.numbers("others off", all().map(|cell| cell.clocks.others_off.to_string()));
    if all().any(|cell| !cell.clocks.off.is_empty()) {
        let found = |cell: &Cell| match cell.clocks.off.is_empty() {
            true => NONE.to_owned(),
            false => list(cell.clocks.off.iter().map(|(cpu, off)| off.text(*cpu))),
        };
        table.words("clocks off, in cycles", all().map(found));
    }
    table
}

/// The same as JSON: `{"schema": 1, "cells": [...], "warnings": [...]}`, all in cycles.
pub fn tsc_sync_json(run: &Run) -> Value {
    let cells = compared(run).map(|(_, cell)| {
        let clocks = &cell.clocks;
        let verdicts: Map<String, Value> = SyncVerdict::ALL
            .map(|verdict| (verdict.name().to_owned(), clocks.count(verdict).into()))
            .into_iter()
            .collect();
        json!({
            "engine": cell.engine,
            "smp": cell.smp,
            "profile": cell.profile,
            "options": cell.options.to_string(),
            "tsc_khz": cell.tsc_khz(),
            "compared": clocks.compared(),
            "verdicts": verdicts,
            "width": { "median": median(&clocks.widths), "max": clocks.widest },
            "fewest_readings": clocks.fewest_readings,
            "most_windows": clocks.most_windows,
            "time": { "median": median(&clocks.times), "max": clocks.longest_time },
            "planted": clocks.planted,
            "found": clocks.found,
            "off_by": clocks.worst_miss,
            "others_off": clocks.others_off,
            "off": clocks.off.iter().map(off_json).collect::<Vec<_>>(),
        })
    });
    json!({ "schema": schema::TSC_SYNC, "cells": cells.collect::<Vec<_>>(), "warnings": run.warnings() })
}

fn off_json((cpu, off): (&CpuIndex, &Off)) -> Value {
    let Off { times, planted, correction, interval } = off;
    json!({
        "cpu": cpu.0,
        "times": times,
        "planted": planted,
        "correction": correction,
        "interval": interval.map(|interval| [interval.lo, interval.hi]),
    })
}

fn compared(run: &Run) -> impl Iterator<Item = (usize, &Cell)> {
    run.cells.iter().enumerate().filter(|(_, cell)| cell.clocks.compared() > 0)
}

fn median(values: &[u64]) -> Option<u64> {
    Spread::of(values.iter().copied()).map(|spread| spread.median)
}

/// A verdict's share of the comparisons: `98.2 %`. What is not all does not read like it, nor what is
/// not none.
fn share(cell: &Cell, verdict: SyncVerdict) -> String {
    let (count, all) = (cell.clocks.count(verdict), cell.clocks.compared());
    match count {
        0 => "0 %".to_owned(),
        _ if count == all => "100 %".to_owned(),
        _ => format!("{:.1} %", (100.0 * count as f64 / all as f64).clamp(0.1, 99.9)),
    }
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or(NONE.to_owned(), |value| value.to_string())
}
