//! Predicted totals beside measured ones: a table for people, JSON for programs.

use super::warned::warnings;
use crate::ground::text::{counted, printable};
use crate::ground::unit::{Scale, Unit};
use crate::judge::predict::{self, Prediction};
use crate::present::schema;
use crate::present::table::{NONE, Table};
use crate::run::Run;
use serde_json::{Value, json};

/// What the numbers are.
pub const PREDICTED: &str = "Predicted totals: costs fitted to one cell, spent by the simulator. 95 % of the resamples of its APs and trials lie \
                             from low to high.";

/// A row for each prediction. Ends with a newline.
pub fn predicted_table(run: &Run, predictions: &[Prediction<'_>]) -> String {
    let mut table = predicted(run, predictions);
    table.notes.insert(0, String::new());
    table.notes.extend(warnings(run));
    format!("{PREDICTED}\n\n{}", table.terminal())
}

/// What is predicted of the cells of a run that come from logs, for a terminal; empty where there is nothing.
pub fn predicted_of_logs(run: &Run) -> String {
    match &predict::of_logs(run)[..] {
        [] => String::new(),
        made => format!("{PREDICTED}\n\n{}", predicted(run, made).terminal()),
    }
}

/// The table, with its notes.
pub(crate) fn predicted(run: &Run, predictions: &[Prediction<'_>]) -> Table {
    let totals = predictions.iter().flat_map(|one| {
        [Some(one.high), one.measured_total()]
            .into_iter()
            .flatten()
            .map(|total| (total, one.fitted.khz))
    });
    let scale = Scale::of(Unit::Auto, totals);
    let mut table = Table::of(predictions.len());
    let numbers = |table: &mut Table, name: &str, of: &dyn Fn(&Prediction<'_>) -> Option<u64>| {
        let text = |one: &Prediction<'_>| {
            of(one).map_or(NONE.to_owned(), |total| scale.text(total, one.fitted.khz))
        };
        table.numbers(&format!("{name}, {}", scale.name()), predictions.iter().map(text));
    };
    table.words("engine", predictions.iter().map(|one| printable(&one.fitted.cell.engine)));
    table.numbers("CPUs", predictions.iter().map(|one| one.smp.to_string()));
    table.words("strategy", predictions.iter().map(|one| one.options.strategy.to_string()));
    let mut varying = run.varying_options();
    if predictions.iter().any(|one| one.options.order != one.fitted.cell.options.order) {
        varying.push("order");
    }
    varying.sort_unstable();
    varying.dedup();
    for key in varying.into_iter().filter(|key| *key != "strategy" && *key != crate::run::PROFILE) {
        table.words(key, predictions.iter().map(|one| one.options.value(key).to_string()));
    }
    table.words("fitted to", predictions.iter().map(from));
    numbers(&mut table, "predicted", &|one| Some(one.median));
    numbers(&mut table, "low", &|one| Some(one.low));
    numbers(&mut table, "high", &|one| Some(one.high));
    numbers(&mut table, "measured", &|one| one.measured_total());
    let error = |one: &Prediction<'_>| {
        one.error().map_or(NONE.to_owned(), |error| format!("{:+.1} %", 100.0 * error))
    };
    table.numbers("error", predictions.iter().map(error));
    let inside = |one: &Prediction<'_>| match one.holds() {
        None => NONE,
        Some(true) => "yes",
        Some(false) => "no",
    };
    table.words("measured in it", predictions.iter().map(|one| inside(one).to_owned()));
    table.notes = notes(predictions);
    table
}

/// The cell that the costs come from.
fn from(one: &Prediction<'_>) -> String {
    let cell = one.fitted.cell;
    format!("{} at {}", cell.options.strategy, counted(cell.smp.into(), "CPU"))
}

/// What the predictions take for granted, each once.
fn notes(predictions: &[Prediction<'_>]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let mut note = |text: String| {
        if !notes.contains(&text) {
            notes.push(text);
        }
    };
    for one in predictions {
        one.fitted.notes.iter().for_each(|text| note(text.clone()));
        if one.fitted.is_inseparable() {
            note(
                "low: all of `bringup` is wake, which parallel SIPIs overlap; high: none of it is; predicted: half of it"
                    .to_owned(),
            );
        }
        if let Some(cpus) = one.beyond_host {
            note(format!(
                "warning: {} CPUs are more than the host's {cpus}: CPUs that wait hold up those that work, which no cost \
                 foretells",
                one.smp
            ));
        }
        if one.fitted.is_inseparable() && one.measured_total().is_some_and(|total| total > one.high)
        {
            note(
                "measured beyond high: APs that spin while they wait for the BSP hold it up where CPUs share cores or a host; no \
                 log shows how much"
                    .to_owned(),
            );
        }
    }
    notes
}

/// The same as JSON: `{"schema": 1, "cells": [...], "warnings": [...]}`, in cycles.
pub fn predicted_json(run: &Run, predictions: &[Prediction<'_>]) -> Value {
    let cells = predictions.iter().map(|one| {
        let cell = one.fitted.cell;
        json!({
            "engine": cell.engine,
            "smp": one.smp,
            "profile": cell.profile,
            "strategy": one.options.strategy.name(),
            "order": one.options.order.name(),
            "options": one.options.to_string(),
            "costs": one.costs.to_string(),
            "tsc_khz": one.fitted.khz,
            "fitted": { "smp": cell.smp, "strategy": cell.options.strategy.name(), "source": one.fitted.source },
            "predicted": { "total": { "median": one.median, "low": one.low, "high": one.high } },
            "measured": one.measured_total(),
            "error_percent": one.error().map(|error| 100.0 * error),
            "in_interval": one.holds(),
            "beyond_host": one.beyond_host.is_some(),
            "notes": one.fitted.notes,
        })
    });
    json!({
        "schema": schema::PREDICT,
        "cells": cells.collect::<Vec<_>>(),
        "warnings": run.warnings(),
    })
}
