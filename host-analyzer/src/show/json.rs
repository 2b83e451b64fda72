//! The same cells for programs: JSON, in cycles.

use crate::run::{Cell, Run, Trial};
use crate::spread::Spread;
use bringup::options::Options;
use bringup::phase::Phase;
use serde_json::{Map, Value, json};

/// Version of what [`json()`] returns.
pub const SCHEMA: u32 = 1;

/// A run as JSON: `{"schema": 1, "cells": [...], "warnings": [...]}`.
///
/// Every time is in cycles, as `{"median", "min", "max"}` over the trials; each phase is the mean
/// over the APs of a trial. `null` stands where there is no trial, or no online AP, to take a
/// number of, and where the clock's frequency is unknown.
pub fn json(run: &Run) -> Value {
    json!({
        "schema": SCHEMA,
        "cells": run.cells.iter().map(cell).collect::<Vec<_>>(),
        "warnings": run.warnings,
    })
}

fn cell(cell: &Cell) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("engine", json!(cell.engine));
    put("smp", json!(cell.smp));
    put("profile", json!(cell.profile));
    for key in Options::KEYS {
        let value = match key {
            "sipi-count" => json!(cell.options.sipi_count),
            "repetitions" => json!(cell.options.repetitions),
            _ => json!(cell.option(key)),
        };
        put(&key.replace('-', "_"), value);
    }
    put("trials", json!(cell.trials.len()));
    put("incomplete", json!(cell.incomplete));
    put("lost", json!(cell.lost()));
    put("overruns", json!(cell.overrun_count()));
    put("tsc_khz", json!(cell.tsc_khz()));
    put("total", spread(cell.total()));
    put("kick_loop", spread(cell.kick_loop()));
    let phases: Option<Map<String, Value>> = Phase::ALL
        .iter()
        .map(|phase| Some((phase.name().replace('-', "_"), spread(Some(cell.phase(*phase)?)))))
        .collect();
    put("phases", json!(phases));
    if !cell.cold.is_empty() {
        let median = |of: fn(&Trial) -> u64| Spread::of(cell.cold.iter().map(of)).map(|s| s.median);
        put(
            "cold",
            json!({
                "total": median(|trial| trial.total),
                "kick_loop": median(|trial| trial.kick_loop),
            }),
        );
    }
    Value::Object(object)
}

fn spread(spread: Option<Spread>) -> Value {
    json!(spread.map(|Spread { median, min, max }| json!({
        "median": median, "min": min, "max": max,
    })))
}
