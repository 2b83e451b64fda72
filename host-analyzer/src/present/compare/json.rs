//! A comparison for programs: JSON, in cycles.

use super::words::{headline, warnings};
use crate::judge::compare::{
    Boots, Cause, CellPair, Comparison, HostPair, MetricPair, MetricVerdict,
};
use crate::judge::statistics::Interval;
use crate::present::schema;
use crate::run::measure::Measure;
use crate::run::{Cell, Run};
use serde_json::{Value, json};

/// A comparison as JSON, times in cycles.
pub fn json(comparison: &Comparison<'_>) -> Value {
    let count = |wanted: &str| comparison.count(|verdict| verdict.name() == wanted);
    let labels = |run: &Run, cells: &[&Cell]| {
        let varying = run.varying_options();
        cells.iter().map(|cell| cell.label(&varying)).collect::<Vec<_>>()
    };
    json!({
        "schema": schema::COMPARE,
        "headline": headline(comparison),
        "base": comparison.base.path.display().to_string(),
        "new": comparison.new.path.display().to_string(),
        "programs_differ": comparison.programs,
        "margin": comparison.settings.margin_of(false),
        "exact_margin": comparison.settings.margin_of(true),
        "family": comparison.family,
        "boots": comparison.boots.map(boots_json),
        "slower": count("slower"),
        "faster": count("faster"),
        "same": count("same"),
        "cant_tell": count("cant-tell"),
        "cells": comparison.cells.iter().map(cell_json).collect::<Vec<_>>(),
        "host_boots": comparison.hosts.iter().map(host_json).collect::<Vec<_>>(),
        "base_alone": labels(comparison.base, &comparison.base_alone),
        "new_alone": labels(comparison.new, &comparison.new_alone),
        "notes": comparison.notes,
        "warnings": warnings(comparison),
    })
}

fn boots_json(boots: Boots) -> Value {
    let Boots { have, can_find, enough, seconds } = boots;
    json!({ "have": have, "can_find": can_find, "enough": enough, "seconds_of_one": seconds })
}

fn cell_json(cell: &CellPair<'_>) -> Value {
    let options = cell
        .options
        .iter()
        .map(|(key, base, new)| json!({"option": key, "base": base, "new": new}));
    let causes = cell.causes.iter().map(|cause| {
        let Cause { part, base, new } = cause;
        json!({"part": part.name(), "base": base, "new": new, "difference": cause.difference()})
    });
    json!({
        "cell": cell.label,
        "engine": cell.new.engine,
        "base_engine": cell.base.engine,
        "smp": cell.new.smp,
        "profile": cell.new.profile,
        "strategy": cell.new.options.strategy.name(),
        "exact": cell.exact,
        "tsc_khz": if cell.exact { cell.new.tsc_khz() } else { cell.base.tsc_khz() },
        "boots": [cell.base.sample(Measure::Total).boots(), cell.new.sample(Measure::Total).boots()],
        "options": options.collect::<Vec<_>>(),
        "figures": cell.figures.iter().map(|figure| figure_json(figure.measure.name(), figure)).collect::<Vec<_>>(),
        "causes": causes.collect::<Vec<_>>(),
    })
}

/// Boots on the host's clock, in µs.
fn host_json(host: &HostPair<'_>) -> Value {
    let figures = host.figures.iter();
    json!({
        "boots_of": host.label,
        "engine": host.new.engine,
        "base_engine": host.base.engine,
        "smp": host.new.smp,
        "boots": [host.base.count(), host.new.count()],
        "figures": figures.map(|figure| figure_json(figure.measure.name(), figure)).collect::<Vec<_>>(),
    })
}

fn figure_json<M>(name: &str, figure: &MetricPair<M>) -> Value {
    let moved =
        figure.moved.iter().map(|ap| json!({"cpu": ap.cpu.0, "base": ap.base, "new": ap.new}));
    json!({
        "figure": name,
        "base": figure.base,
        "new": figure.new,
        "difference": figure.difference,
        "share": figure.share(),
        "interval": figure.interval.map(|Interval { low, high }| [low, high]),
        "effect": figure.effect,
        "p": figure.p,
        "verdict": figure.verdict.name(),
        "more_boots": match figure.verdict {
            MetricVerdict::CantTell { more_boots } => more_boots,
            _ => None,
        },
        "moved": moved.collect::<Vec<_>>(),
    })
}
