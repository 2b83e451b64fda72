//! The verdict on published figures: a table for people, JSON for programs.

use super::warned::warnings;
use crate::ground::text::printable;
use crate::ground::unit::{Unit, readable};
use crate::judge::published::verdict::{Beyond, PublishedRow, PublishedVerdict, Verdict};
use crate::judge::published::{PublishedMachine, PublishedValue};
use crate::present::schema;
use crate::present::table::{NONE, Table};
use crate::run::{Cell, PROFILE, Run};
use bringup::options::{Step, Strategy};
use serde_json::{Value, json};

/// The figures that a run covers as a table, their sources, and what the profiles say beyond them.
/// Ends with a newline.
pub fn published_table(run: &Run, verdict: &PublishedVerdict<'_>) -> String {
    let rows = &verdict.rows;
    let mut table = figures(rows);
    let notes = &mut table.notes;
    notes.push(String::new());
    let mut machines: Vec<&PublishedMachine> = Vec::new();
    for row in rows {
        if !machines.iter().any(|machine| machine.name == row.machine.name) {
            machines.push(row.machine);
        }
    }
    for PublishedMachine { name, machine, source, note, .. } in machines {
        notes.push(format!("{name}: {machine}; {source}"));
        notes.extend(note.iter().map(|note| format!("  {note}")));
    }
    notes.push(
        "calibrated: a cost of the profile comes from this figure; predicted: none does, and the error is shown".to_owned(),
    );
    if !verdict.beyond.is_empty() {
        notes.extend(["", "What the same profile says beyond them:"].map(str::to_owned));
        notes.extend(verdict.beyond.iter().map(|beyond| format!("  {}", sentence(run, beyond))));
    }
    notes.extend(warnings(run));
    table.terminal()
}

fn figures(rows: &[PublishedRow<'_>]) -> Table {
    let mut table = Table::of(rows.len());
    // A simulated figure must not pass for a measured one.
    table.words("engine", rows.iter().map(|row| row.cell.engine.clone()));
    table.words("profile", rows.iter().map(|row| printable(&row.cell.option(PROFILE))));
    // Several tables of figures can be of one machine.
    if rows.iter().any(|row| row.cell.option(PROFILE) != row.machine.name) {
        table.words("figures of", rows.iter().map(|row| row.machine.name.clone()));
    }
    table.numbers("CPUs", rows.iter().map(|row| row.cell.smp.to_string()));
    table.words("strategy", rows.iter().map(|row| row.figure.options.strategy.to_string()));
    table.words("figure", rows.iter().map(|row| row.figure.measure.name().to_owned()));
    table.numbers("published", rows.iter().map(|row| value(row, row.published)));
    let measured = |row: &PublishedRow<'_>| value(row, row.measured.map(|cycles| cycles as f64));
    table.numbers("measured", rows.iter().map(measured));
    let ratio =
        |row: &PublishedRow<'_>| row.ratio().map_or(NONE.to_owned(), |ratio| format!("{ratio:.4}"));
    table.numbers("ratio", rows.iter().map(ratio));
    let tolerance = |row: &PublishedRow<'_>| match row.verdict() {
        Verdict::Met | Verdict::Off => row.tolerance(),
        Verdict::Error(_) | Verdict::Contradicted(_) => NONE.to_owned(),
    };
    table.words("tolerance", rows.iter().map(tolerance));
    table.words("fit", rows.iter().map(|row| row.fit.name().to_owned()));
    table.words("verdict", rows.iter().map(|row| verdict_of(row)));
    table
}

/// A value in the unit of its source.
fn value(row: &PublishedRow<'_>, cycles: Option<f64>) -> String {
    match (row.figure.value, row.cell.tsc_khz(), cycles) {
        (PublishedValue::Cycles(_), _, Some(cycles)) => format!("{cycles:.0} cycles"),
        (PublishedValue::Ms(_), Some(khz), Some(cycles)) => {
            format!("{:.1} ms", cycles / khz as f64)
        }
        (PublishedValue::Ms(ms), None, None) => format!("{ms} ms"),
        _ => NONE.to_owned(),
    }
}

fn verdict_of(row: &PublishedRow<'_>) -> String {
    let verdict = row.verdict();
    error(row).map_or(verdict.name().to_owned(), |error| {
        format!("{} {:+.1} %", verdict.name(), 100.0 * error)
    })
}

/// How far a figure that was not used is off, as a part of it.
fn error(row: &PublishedRow<'_>) -> Option<f64> {
    match row.verdict() {
        Verdict::Met | Verdict::Off => None,
        Verdict::Error(error) | Verdict::Contradicted(error) => Some(error),
    }
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
    let cost = |(step, cycles): &(&str, u64)| {
        let once = if *step == Step::Kick.name() { " (once for all)" } else { "" };
        format!("{step} {cycles}{once}")
    };
    let costs: Vec<String> = parallel.iter().map(cost).collect();
    let assumed = match costs.len() {
        0 => "no two APs spend a cost at the same time".to_owned(),
        _ => format!("if all APs spend these at the same time, in cycles: {}", costs.join(", ")),
    };
    format!("{}: {total}{serial}; {assumed}", label(run, cell))
}

/// The name of a cell among the others, its profile first.
fn label(run: &Run, cell: &Cell) -> String {
    let varying: Vec<&str> =
        run.varying_options().into_iter().filter(|key| *key != PROFILE).collect();
    format!("{}, {}", printable(&cell.option(PROFILE)), cell.label(&varying))
}

/// The same as JSON: `{"schema": 1, "met": …, "figures": [...], "beyond": [...], "warnings": [...]}`,
/// times in cycles of the profile.
pub fn published_json(run: &Run, verdict: &PublishedVerdict<'_>) -> Value {
    json!({
        "schema": schema::PUBLISHED,
        "met": verdict.result().is_ok(),
        "figures": verdict.rows.iter().map(row).collect::<Vec<_>>(),
        "beyond": verdict.beyond.iter().map(|other| beyond(run, other)).collect::<Vec<_>>(),
        "warnings": run.warnings(),
    })
}

fn row(row: &PublishedRow<'_>) -> Value {
    json!({
        "profile": row.cell.profile,
        "published_machine": row.machine.name,
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
            PublishedValue::Ms(ms) => Some(ms),
            PublishedValue::Cycles(_) => None,
        },
        "measured": row.measured,
        "ratio": row.ratio(),
        "tolerance_percent": row.machine.tolerance_percent,
        "tolerance_cycles": row.machine.tolerance_cycles,
        "fit": row.fit.name(),
        "verdict": row.verdict().name(),
        "error_percent": error(row).map(|error| 100.0 * error),
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
