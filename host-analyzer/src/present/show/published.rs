//! The verdict on published figures: a table for people, JSON for programs.

use super::table::{Column, drawn};
use crate::ground::text::printable;
use crate::ground::unit::{Unit, readable};
use crate::judge::published::verdict::{Beyond, Row, Verdict};
use crate::judge::published::{Machine, Published};
use crate::run::{Cell, PROFILE, Run};
use bringup::options::Strategy;
use serde_json::{Value, json};

/// Version of what [`published_json()`] returns.
pub const SCHEMA: u32 = 1;

/// What stands where there is nothing to tell.
const NONE: &str = "–";

/// The figures that a run covers as a table, their sources, and what the profiles say beyond them.
/// Ends with a newline.
pub fn published_table(run: &Run, verdict: &Verdict<'_>) -> String {
    let rows = &verdict.rows;
    let column = |header: &str, number: bool, text: &dyn Fn(&Row<'_>) -> String| Column {
        header: header.to_owned(),
        texts: rows.iter().map(text).collect(),
        number,
    };
    // A simulated figure must not pass for a measured one.
    let columns = vec![
        column("engine", false, &|row| row.cell.engine.clone()),
        column("profile", false, &|row| row.machine.profile.clone()),
        column("CPUs", true, &|row| row.cell.smp.to_string()),
        column("strategy", false, &|row| row.figure.options.strategy.to_string()),
        column("figure", false, &|row| row.figure.measure.name().to_owned()),
        column("published", true, &|row| told(row, row.published)),
        column("measured", true, &|row| told(row, row.measured.map(|cycles| cycles as f64))),
        column("ratio", true, &|row| {
            row.ratio().map_or(NONE.to_owned(), |ratio| format!("{ratio:.4}"))
        }),
        column("tolerance", false, &|row| row.tolerance()),
        column("fit", false, &|row| row.figure.fit.name().to_owned()),
        column("verdict", false, &|row| verdict_of(row).to_owned()),
    ];
    let mut text = drawn(&columns, rows.len());
    text.push('\n');
    let mut machines: Vec<&Machine> = Vec::new();
    for row in rows {
        if !machines.iter().any(|machine| machine.profile == row.machine.profile) {
            machines.push(row.machine);
        }
    }
    for machine in machines {
        text += &format!("{}: {}; {}\n", machine.profile, machine.machine, machine.source);
    }
    text += "calibrated: the profile was derived from this figure; predicted: it was not\n";
    if !verdict.beyond.is_empty() {
        text += "\nWhat the same profile says beyond them:\n";
        for beyond in &verdict.beyond {
            text += &format!("  {}\n", sentence(run, beyond));
        }
    }
    for warning in &run.warnings {
        text += &format!("warning: {warning}\n");
    }
    text
}

/// A value in the unit of its source.
fn told(row: &Row<'_>, cycles: Option<f64>) -> String {
    match (row.figure.value, row.cell.tsc_khz(), cycles) {
        (Published::Cycles(_), _, Some(cycles)) => format!("{cycles:.0} cycles"),
        (Published::Ms(_), Some(khz), Some(cycles)) => {
            format!("{:.1} ms", cycles / khz as f64)
        }
        (Published::Ms(ms), None, None) => format!("{ms} ms"),
        _ => NONE.to_owned(),
    }
}

fn verdict_of(row: &Row<'_>) -> &'static str {
    if row.is_met() { "met" } else { "off" }
}

/// What a profile says of a cell, and what that takes for granted.
fn sentence(run: &Run, beyond: &Beyond<'_>) -> String {
    let Beyond { cell, total, parallel } = beyond;
    let total = total.map_or(NONE.to_owned(), |total| readable(Unit::Ms, total, cell.tsc_khz()));
    let serial = match run.speed_up(cell) {
        _ if cell.options.strategy == Strategy::Serial => String::new(),
        Some(factor) => format!(", {factor:.2} times as fast as serial"),
        None => String::new(),
    };
    let cost = |(step, cycles): &(&str, u64)| match *step {
        "kick" => format!("kick {cycles} (once for all)"),
        step => format!("{step} {cycles}"),
    };
    let costs: Vec<String> = parallel.iter().map(cost).collect();
    let assumed = match costs.len() {
        0 => "no two APs spend a cost at the same time".to_owned(),
        _ => format!("if all APs spend these at the same time, in cycles: {}", costs.join(", ")),
    };
    format!("{}: {total}{serial}; {assumed}", label(run, cell))
}

/// What tells a cell from the others, its profile first.
fn label(run: &Run, cell: &Cell) -> String {
    let varying: Vec<&str> =
        run.varying_options().into_iter().filter(|key| *key != PROFILE).collect();
    format!("{}, {}", printable(&cell.option(PROFILE)), cell.label(&varying))
}

/// The same as JSON: `{"schema": 1, "met": …, "figures": [...], "beyond": [...], "warnings": [...]}`,
/// times in cycles of the profile.
pub fn published_json(run: &Run, verdict: &Verdict<'_>) -> Value {
    json!({
        "schema": SCHEMA,
        "met": verdict.result().is_ok(),
        "figures": verdict.rows.iter().map(row).collect::<Vec<_>>(),
        "beyond": verdict.beyond.iter().map(|other| beyond(run, other)).collect::<Vec<_>>(),
        "warnings": run.warnings,
    })
}

fn row(row: &Row<'_>) -> Value {
    json!({
        "profile": row.machine.profile,
        "machine": row.machine.machine,
        "source": row.machine.source,
        "engine": row.cell.engine,
        "smp": row.cell.smp,
        "options": row.figure.options.to_string(),
        "strategy": row.figure.options.strategy.name(),
        "figure": row.figure.measure.name(),
        "tsc_khz": row.cell.tsc_khz(),
        "published": row.published,
        "published_ms": match row.figure.value {
            Published::Ms(ms) => Some(ms),
            Published::Cycles(_) => None,
        },
        "measured": row.measured,
        "ratio": row.ratio(),
        "tolerance_percent": row.machine.tolerance_percent,
        "tolerance_cycles": row.machine.tolerance_cycles,
        "fit": row.figure.fit.name(),
        "verdict": verdict_of(row),
    })
}

fn beyond(run: &Run, beyond: &Beyond<'_>) -> Value {
    let Beyond { cell, total, parallel } = beyond;
    let parallel = parallel.iter().map(|(step, cycles)| json!({"cost": step, "cycles": cycles}));
    json!({
        "profile": cell.profile,
        "engine": cell.engine,
        "smp": cell.smp,
        "options": cell.options.to_string(),
        "strategy": cell.options.strategy.name(),
        "tsc_khz": cell.tsc_khz(),
        "total": total,
        "vs_serial": run.speed_up(cell),
        "parallel": parallel.collect::<Vec<_>>(),
    })
}
