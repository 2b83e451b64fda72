//! The same cells for programs: JSON, in cycles.

use super::{host, linux};
use crate::judge::statistics::Interval;
use crate::present::schema;
use crate::run::measure::Measure;
use crate::run::{Cell, Part, Run, Spread};
use bringup::options::Options;
use bringup::phase::{Phase, SubPhase};
use serde_json::{Map, Value, json};

/// A run as JSON: `{"schema": 1, "cells": [...], "warnings": [...]}`.
///
/// Every time is in cycles, as `{"median", "min", "max", …}` over the trials; each phase is the
/// mean over the APs of a trial. `interval` is where the median lies with 95 %, by resampling
/// boots; `null` on an exact engine and of fewer than six boots. `lost` is of the trials that are
/// counted, in `cold` of the cold ones. `null` also stands where there is
/// no trial, or no online AP, to take a number of, and where the clock's frequency is unknown.
pub fn json(run: &Run) -> Value {
    let cells = run.cells.iter().enumerate().map(|(index, each)| cell(run, index, each));
    let mut object = json!({
        "schema": schema::SHOW,
        "cells": cells.collect::<Vec<_>>(),
        "warnings": run.warnings(),
    });
    let boots = host::json(run);
    if !boots.is_empty() {
        object["host_boots"] = Value::Array(boots);
    }
    let logs = linux::json(run);
    if !logs.is_empty() {
        object["linux"] = Value::Array(logs);
    }
    object
}

fn cell(run: &Run, index: usize, cell: &Cell) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("engine", json!(cell.engine));
    put("smp", json!(cell.smp));
    put("profile", json!(cell.profile));
    for key in Options::KEYS {
        let value = match key.count(&cell.options) {
            Some(count) => json!(count),
            None => json!(cell.option(key.name())),
        };
        put(&key.name().replace('-', "_"), value);
    }
    put("trials", json!(cell.trials.count()));
    put("incomplete", json!(cell.incomplete));
    put("lost", json!(cell.lost()));
    put("lost_in_incomplete", json!(cell.losses.incomplete.values().sum::<u64>()));
    put("overruns", json!(cell.overrun_count()));
    put("tsc_khz", json!(cell.tsc_khz()));
    put("total", figure(cell, Measure::Total));
    put("kick_loop", figure(cell, Measure::KickLoop));
    if cell.spread(Measure::WaitInit).is_some() {
        put("wait_init", figure(cell, Measure::WaitInit));
    }
    put("online_loop", figure(cell, Measure::OnlineLoop));
    let online = cell.phase(Phase::Sipi).is_some();
    put("phases", json!(online.then(|| figures(cell, &Phase::ALL.map(Measure::Phase)))));
    put("sub_phases", json!(online.then(|| figures(cell, &SubPhase::ALL.map(Measure::SubPhase)))));
    if let Some(Spread { median, min, max, .. }) = cell.spread(Measure::Cold) {
        put(
            "cold",
            json!({
                "trials": cell.cold.count(),
                "total": median,
                "min": min,
                "max": max,
                "interval": interval(cell, Measure::Cold),
                "kick_loop": cell.cold.spread(Measure::KickLoop).map(|spread| spread.median),
                "lost": cell.losses.cold.values().sum::<u64>(),
            }),
        );
    }
    put("gaps", json!(gaps(run, index)));
    Value::Object(object)
}

/// What a cell, or a boot that it was measured in, lacks.
fn gaps(run: &Run, index: usize) -> Vec<&str> {
    let concerns = |part: Part| match part {
        Part::Run => true,
        Part::Boot(boot) => run.boots[boot].cells.iter().any(|cell| cell.cell == Some(index)),
        Part::Cell(cell) => cell == index,
    };
    run.gaps.iter().filter(|gap| concerns(gap.part)).map(|gap| gap.what.as_str()).collect()
}

fn figures(cell: &Cell, measures: &[Measure]) -> Map<String, Value> {
    let named = |measure: &Measure| (measure.name().replace('-', "_"), figure(cell, *measure));
    measures.iter().map(named).collect()
}

fn figure(cell: &Cell, measure: Measure) -> Value {
    let Some(spread) = cell.spread(measure) else { return Value::Null };
    let Spread { count: _, min, lower_quartile, median, upper_quartile, max, mad, outliers } =
        spread;
    json!({
        "median": median,
        "min": min,
        "max": max,
        "lower_quartile": lower_quartile,
        "upper_quartile": upper_quartile,
        "mad": mad,
        "outliers": outliers,
        "interval": interval(cell, measure),
    })
}

fn interval(cell: &Cell, measure: Measure) -> Option<[f64; 2]> {
    cell.interval(measure).map(|Interval { low, high }| [low, high])
}
