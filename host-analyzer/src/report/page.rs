//! The page: what `templates/report.html` is filled with.

use super::figure::{Figure, GRID, INK, PAPER, phase_colour};
use crate::manifest::Manifest;
use crate::run::{Cell, Machine, Run};
use crate::show::{Column, caption, columns};
use crate::unit::{Unit, readable};
use askama::Template;
use bringup::phase::Phase;

/// The report. Everything that comes from a capture or a manifest is escaped by the template.
#[derive(Template)]
#[template(path = "report.html")]
pub struct Page<'a> {
    /// The finding, in one sentence.
    headline: String,
    /// The scenario's name, or the capture's.
    name: String,
    manifest: Option<&'a Manifest>,
    warnings: &'a [String],
    figures: &'a [Figure],
    caption: String,
    columns: Vec<Column>,
    /// How many rows the table has.
    rows: usize,
    /// Options that are the same in every cell.
    common: Vec<(&'static str, String)>,
    /// Options that differ.
    varying: String,
    /// Every kind of machine that the engines made, and the engine that made it first.
    machines: Vec<(&'a str, &'a Machine)>,
    /// Every engine: its name, its version, its CPU model.
    engines: Vec<(&'a str, &'a str, &'a str)>,
    paper: &'static str,
    ink: &'static str,
    grid: &'static str,
    /// The colours of waiting, which are too bright on a dark screen.
    hold: &'static str,
    turn: &'static str,
}

impl<'a> Page<'a> {
    /// The page of a run.
    pub fn of(run: &'a Run, figures: &'a [Figure]) -> Page<'a> {
        let varying = run.varying_options();
        let common = run.common_options();
        let mut machines: Vec<(&str, &Machine)> = Vec::new();
        for boot in &run.boots {
            let Some(machine) = &boot.machine else { continue };
            let known = machines.iter().any(|(engine, other)| {
                *engine == boot.engine
                    && (&other.model, &other.hypervisor, &other.kernel)
                        == (&machine.model, &machine.hypervisor, &machine.kernel)
            });
            if !known {
                machines.push((&boot.engine, machine));
            }
        }
        let mut engines = Vec::new();
        for boot in run.manifest.iter().flat_map(|manifest| &manifest.boots) {
            let engine = (&*boot.engine, &*boot.engine_version, &*boot.cpu_model);
            if !engines.contains(&engine) {
                engines.push(engine);
            }
        }
        Page {
            headline: headline(run),
            name: match &run.manifest {
                Some(manifest) => manifest.scenario.clone(),
                None => run.path.display().to_string(),
            },
            manifest: run.manifest.as_ref(),
            warnings: &run.warnings,
            figures,
            caption: caption(run, Unit::Auto),
            columns: columns(run, Unit::Auto),
            rows: run.cells.len(),
            common,
            varying: varying.join(", "),
            machines,
            engines,
            paper: PAPER,
            ink: INK,
            grid: GRID,
            hold: phase_colour(Phase::Hold),
            turn: phase_colour(Phase::Turn),
        }
    }
}

/// The finding in one sentence: which cell is the fastest at the largest CPU count, and by how
/// much. Cells that lost an AP are no winners.
fn headline(run: &Run) -> String {
    let most = run.cells.iter().map(|cell| cell.smp).max();
    let Some(smp) = most.filter(|smp| *smp > 1) else {
        return "There was nothing to bring up".to_owned();
    };
    let mut finishers: Vec<(&Cell, u64)> = run
        .cells
        .iter()
        .filter(|cell| cell.smp == smp && cell.lost() == 0)
        .filter_map(|cell| Some((cell, cell.total()?.median)))
        .collect();
    // Clocks may differ between engines, so times are compared and not cycles.
    let time = |(cell, total): &(&Cell, u64)| *total as f64 / cell.tsc_khz().unwrap_or(1) as f64;
    finishers.sort_by(|one, other| time(one).total_cmp(&time(other)));
    let (Some(best), Some(worst)) = (finishers.first(), finishers.last()) else {
        return format!("No cell with {smp} CPUs brought all of them online");
    };
    let varying = run.varying_options();
    let one_engine = run.cells.iter().all(|cell| cell.engine == best.0.engine);
    let label = |cell: &Cell| {
        let engine = if one_engine { String::new() } else { format!("{}, ", cell.engine) };
        format!("{engine}{}", cell.options_label(&varying))
    };
    let told = |(cell, total): &(&Cell, u64)| readable(Unit::Auto, *total, cell.tsc_khz());
    let mut text = format!("{smp} CPUs come online in {} with {}", told(best), label(best.0));
    let against = match run.serial_of(best.0).and_then(|cell| Some((cell, cell.total()?.median))) {
        Some(serial) if serial.1 != best.1 => Some(serial),
        _ => Some(*worst).filter(|worst| worst.1 != best.1),
    };
    if let Some(against) = against {
        let factor = time(&against) / time(best);
        text +=
            &format!(": {factor:.2} times as fast as {} ({})", label(against.0), told(&against));
    }
    text
}

impl Page<'_> {
    /// A word as a shell takes it.
    fn quoted(word: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.to_owned()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    }
}
