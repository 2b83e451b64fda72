//! A run against the simulator: a table for people, JSON for programs.

use super::table::{Column, drawn};
use crate::judge::simulated::{
    FITTED_TOLERANCE, Figure, OWN_WORK, PHASE_TOLERANCE, Row, TOTAL_TOLERANCE,
};
use crate::run::Run;
use bringup::phase::Phase;
use serde_json::{Map, Value, json};

/// Version of what [`simulated_json()`] returns.
pub const SCHEMA: u32 = 1;

/// What stands where there is nothing to tell.
const NONE: &str = "–";

/// A row for each cell: its total, and the phase that is furthest off. Ends with a newline.
pub fn simulated_table(run: &Run, rows: &[Row<'_>]) -> String {
    let worst = |row: &Row<'_>, text: &dyn Fn(Phase, Figure) -> String| {
        row.worst().map_or(NONE.to_owned(), |(phase, figure)| text(phase, figure))
    };
    let mut columns = totals(run, rows);
    columns.extend([
        column(rows, "phase most off", false, &|row| worst(row, &|phase, _| phase.name().into())),
        column(rows, "by cycles", true, &|row| {
            worst(row, &|_, figure| format!("{:+}", figure.off()))
        }),
        column(rows, "", true, &|row| worst(row, &|_, figure| percent(figure))),
        column(rows, "overruns", true, &|row| row.cell.overrun_count().to_string()),
        column(rows, "verdict", false, &|row| verdict(row).to_owned()),
    ]);
    let agree = rows.iter().filter(|row| row.agrees()).count();
    format!(
        "In cycles: medians over the trials; each phase is the mean over the APs.\n\n{}\n{agree} of {} cells \
         agree: the total within {} %, each phase within {} %, or\n{OWN_WORK} cycles where it is simulated to take less: the kernel's own work\n",
        drawn(&columns, rows.len()),
        rows.len(),
        100.0 * TOTAL_TOLERANCE,
        100.0 * PHASE_TOLERANCE,
    )
}

/// A row for each cell that was simulated with fitted costs. Ends with a newline.
pub fn fitted_table(run: &Run, rows: &[Row<'_>]) -> String {
    let within = rows.iter().filter(|row| row.fits()).count();
    format!(
        "In cycles: medians over the trials, and what the simulator says with costs fitted at another \
         CPU count.\n\n{}\n{within} of {} totals are within {} %\n",
        drawn(&totals(run, rows), rows.len()),
        rows.len(),
        100.0 * FITTED_TOLERANCE,
    )
}

fn totals(run: &Run, rows: &[Row<'_>]) -> Vec<Column> {
    let varying = run.varying_options();
    vec![
        column(rows, "cell", false, &|row| row.cell.label(&varying)),
        column(rows, "total", true, &|row| row.total.measured.to_string()),
        column(rows, "simulated", true, &|row| row.total.simulated.to_string()),
        column(rows, "off", true, &|row| percent(row.total)),
    ]
}

fn column(
    rows: &[Row<'_>],
    header: &str,
    number: bool,
    text: &dyn Fn(&Row<'_>) -> String,
) -> Column {
    Column { header: header.to_owned(), texts: rows.iter().map(text).collect(), number }
}

fn percent(figure: Figure) -> String {
    match figure.simulated {
        0 => NONE.to_owned(),
        simulated => format!("{:+.2} %", 100.0 * figure.off() as f64 / simulated as f64),
    }
}

fn verdict(row: &Row<'_>) -> &'static str {
    if row.agrees() { "agrees" } else { "off" }
}

/// The same as JSON: `{"schema": 1, "cells": [...], "warnings": [...]}`, in cycles.
pub fn simulated_json(run: &Run, rows: &[Row<'_>]) -> Value {
    let cells = rows.iter().map(|row| {
        let phases: Option<Map<String, Value>> = row.phases.map(|phases| {
            let named = Phase::ALL.iter().zip(phases);
            named.map(|(phase, each)| (phase.name().replace('-', "_"), figure(each))).collect()
        });
        json!({
            "engine": row.cell.engine,
            "smp": row.cell.smp,
            "profile": row.cell.profile,
            "options": row.cell.options.to_string(),
            "total": figure(row.total),
            "phases": phases,
            "overruns": row.cell.overrun_count(),
            "verdict": verdict(row),
        })
    });
    json!({ "schema": SCHEMA, "cells": cells.collect::<Vec<_>>(), "warnings": run.warnings })
}

fn figure(figure: Figure) -> Value {
    json!({ "measured": figure.measured, "simulated": figure.simulated })
}
