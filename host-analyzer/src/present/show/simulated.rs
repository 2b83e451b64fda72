//! A run against the simulator: a table for people, JSON for programs.

use crate::judge::simulated::{
    OWN_WORK, PHASE_TOLERANCE, SimulatedCell, SimulatedMetric, TOTAL_TOLERANCE, WAKE_UP,
};
use crate::present::schema;
use crate::present::table::{NONE, Table};
use crate::run::Run;
use bringup::phase::Phase;
use serde_json::{Map, Value, json};

/// A row for each cell: its total, and the phase that is furthest off. Ends with a newline.
pub fn simulated_table(run: &Run, rows: &[SimulatedCell<'_>]) -> String {
    let worst = |text: fn(Phase, SimulatedMetric) -> String| {
        let of =
            move |row: &SimulatedCell<'_>| row.worst().map(|(phase, figure)| text(phase, figure));
        rows.iter().map(move |row| of(row).unwrap_or(NONE.to_owned()))
    };
    let mut table = totals(run, rows);
    table.words("phase most off", worst(|phase, _| phase.name().to_owned()));
    table.numbers("by cycles", worst(|_, figure| format!("{:+}", figure.off())));
    table.numbers("", worst(|_, figure| percent(figure)));
    table.numbers("overruns", rows.iter().map(|row| row.cell.overrun_count().to_string()));
    table.words("verdict", rows.iter().map(|row| verdict(row).to_owned()));
    let agree = rows.iter().filter(|row| row.agrees()).count();
    table.notes = vec![
        String::new(),
        format!(
            "{agree} of {} cells agree: the total within {} %, each phase within {} % or {WAKE_UP} cycles, or",
            rows.len(),
            100.0 * TOTAL_TOLERANCE,
            100.0 * PHASE_TOLERANCE,
        ),
        format!("{OWN_WORK} cycles where it is simulated to take less: the kernel's own work,"),
        "which `hold` has of all APs before it where they are let in one after the other"
            .to_owned(),
    ];
    format!(
        "In cycles: medians over the trials; each phase is the mean over the APs.\n\n{}",
        table.terminal()
    )
}

fn totals(run: &Run, rows: &[SimulatedCell<'_>]) -> Table {
    let varying = run.varying_options();
    let mut table = Table::of(rows.len());
    table.words("cell", rows.iter().map(|row| row.cell.label(&varying)));
    table.numbers("total", rows.iter().map(|row| row.total.measured.to_string()));
    table.numbers("simulated", rows.iter().map(|row| row.total.simulated.to_string()));
    table.numbers("off", rows.iter().map(|row| percent(row.total)));
    table
}

fn percent(figure: SimulatedMetric) -> String {
    match figure.simulated {
        0 => NONE.to_owned(),
        simulated => format!("{:+.2} %", 100.0 * figure.off() as f64 / simulated as f64),
    }
}

fn verdict(row: &SimulatedCell<'_>) -> &'static str {
    if row.agrees() { "agrees" } else { "off" }
}

/// The same as JSON: `{"schema": 1, "cells": [...], "warnings": [...]}`, in cycles.
pub fn simulated_json(run: &Run, rows: &[SimulatedCell<'_>]) -> Value {
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
    json!({ "schema": schema::SIMULATED, "cells": cells.collect::<Vec<_>>(), "warnings": run.warnings() })
}

fn figure(figure: SimulatedMetric) -> Value {
    json!({ "measured": figure.measured, "simulated": figure.simulated })
}
