//! The page: what `templates/report.html` is filled with.
//!
//! All of it is in one file. Its Content-Security-Policy forbids every connection, and every script
//! but the two that are named by their hashes; so even a flaw in the escaping runs nothing.

use super::data::Data;
use super::figure::{Figure, GRID, INK, Kind, PAPER, phase_colour};
use super::headline;
use super::pictures::Pictures;
use super::tables::{self, CellTable};
use crate::ground::manifest::Manifest;
use crate::ground::unit::Unit;
use crate::present::html::with_code;
use crate::present::show::{Column, caption, columns, found};
use crate::run::{Cell, FullTrial, Machine, Run};
use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bringup::phase::Phase;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Apache ECharts; `vendor/echarts/README.md` says which.
const ECHARTS: &str = include_str!("../../../vendor/echarts/echarts.min.js");
const SCRIPT: &str = include_str!("../../../templates/report.js");
const STYLE: &str = include_str!("../../../templates/report.css");

/// Static figures beyond so many bytes are linked and not shown.
const MOST_DRAWN: usize = 1_200_000;

/// More warnings than these are folded.
const WARNINGS_SHOWN: usize = 6;

/// The report. Everything that comes from a capture or a manifest is escaped, by the template or by
/// [`with_code`].
#[derive(Template)]
#[template(path = "report.html")]
pub struct Page<'a> {
    /// The finding, in one sentence.
    headline: String,
    /// What limits it, where there is something to limit.
    limit: Option<String>,
    /// The scenario's name, or the capture's.
    name: String,
    manifest: Option<&'a Manifest>,
    /// As HTML.
    warnings: Vec<String>,
    data: &'a Data,
    /// The same, for the script.
    json: &'a str,
    /// Cells whose timelines would have made the page too large.
    without_timelines: usize,
    /// Cells that have no static figure, since there are very many.
    without_figures: usize,
    phases: Section<'a>,
    /// Whether there are several CPU counts.
    curve: bool,
    totals: Section<'a>,
    over_aps: CellTable,
    over_trials: CellTable,
    timelines: Section<'a>,
    /// Whether an AP of the timelines was lost.
    lost: bool,
    /// What the TSC sync has found, a row for each cell whose clocks were compared.
    tsc_sync: CellTable,
    tsc_sync_caption: String,
    caption: String,
    columns: Vec<Column>,
    /// Of each row of the table of all cells its cell: an index of [`Data::cells`].
    rows: Vec<Option<usize>>,
    /// Options that are the same in every cell.
    common: Vec<(&'static str, String)>,
    /// Options that differ.
    varying: String,
    /// Every kind of machine that the engines made, and the engine that made it first.
    machines: Vec<(&'a str, &'a Machine)>,
    /// Every engine: its name, its version, its CPU model.
    engines: Vec<(&'a str, &'a str, &'a str)>,
    /// Where the run, or the capture, is.
    place: String,
    paper: &'static str,
    ink: &'static str,
    grid: &'static str,
    /// Each phase, its colour, and whether an AP waits in it.
    legend: [(&'static str, &'static str, bool); Phase::ALL.len()],
    /// The colours of waiting, which are too bright on a dark screen.
    hold: &'static str,
    turn: &'static str,
    style: &'static str,
    echarts: &'static str,
    script: &'static str,
    /// Hashes of the two scripts, as the policy wants them.
    hashes: [String; 2],
}

/// A table, and the static figures that show the same.
struct Section<'a> {
    table: CellTable,
    figures: Vec<Shown<'a>>,
}

/// A static figure, and whether the page has room for it.
struct Shown<'a> {
    figure: &'a Figure,
    drawn: bool,
}

impl<'a> Page<'a> {
    /// The page of a run, given the trials that are shown AP by AP.
    pub fn of(
        run: &'a Run,
        pictures: &'a Pictures,
        shown: &[Vec<FullTrial>],
        data: &'a Data,
        json: &'a str,
    ) -> Page<'a> {
        let mut bytes = 0;
        let mut section = |kind, table| {
            let figures = pictures.figures.iter().filter(|figure| figure.kind == kind);
            let figures = figures.map(|figure| {
                bytes += figure.svg.len();
                Shown { figure, drawn: bytes <= MOST_DRAWN }
            });
            Section { table, figures: figures.collect() }
        };
        let mut shown_cells = 0..;
        let place = |cell: &Cell| match cell.total() {
            Some(_) if cell.smp > 1 => shown_cells.next(),
            _ => None,
        };
        let rows: Vec<Option<usize>> = run.cells.iter().map(place).collect();
        let found = found(run, Unit::Auto);
        Page {
            headline: headline::sentence(run),
            limit: headline::limit(run, shown),
            name: match &run.manifest {
                Some(manifest) => manifest.scenario.clone(),
                None => run.path.display().to_string(),
            },
            manifest: run.manifest.as_ref(),
            warnings: run.warnings.iter().map(|warning| with_code(warning)).collect(),
            data,
            json,
            without_timelines: data.without_timelines(),
            without_figures: pictures.cells_left_out,
            phases: section(Kind::Phases, tables::phases(data)),
            curve: data.axes.iter().any(|axis| axis.key == "CPUs"),
            totals: section(Kind::Totals, tables::totals(data)),
            over_aps: tables::spreads(data, |cell| &cell.over_aps),
            over_trials: tables::spreads(data, |cell| &cell.over_trials),
            timelines: section(Kind::Timeline, tables::paths(data)),
            lost: data.lost(),
            tsc_sync: tables::tsc_sync(&found, &rows),
            tsc_sync_caption: found.caption,
            caption: caption(run, Unit::Auto),
            columns: columns(run, Unit::Auto),
            rows,
            common: run.common_options(),
            varying: run.varying_options().join(", "),
            machines: machines(run),
            engines: engines(run),
            place: followed(&run.path).display().to_string(),
            paper: PAPER,
            ink: INK,
            grid: GRID,
            legend: Phase::ALL.map(|phase| (phase.name(), phase_colour(phase), !phase.is_work())),
            hold: phase_colour(Phase::Hold),
            turn: phase_colour(Phase::Turn),
            style: STYLE,
            echarts: ECHARTS,
            script: SCRIPT,
            hashes: [ECHARTS, SCRIPT].map(|script| BASE64_STANDARD.encode(Sha256::digest(script))),
        }
    }

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

/// Where a link like `latest` points to: the page may be read when it points elsewhere.
fn followed(path: &Path) -> PathBuf {
    match (fs::read_link(path), path.parent()) {
        (Ok(target), Some(folder)) => folder.join(target),
        _ => path.to_owned(),
    }
}

/// Every kind of machine of a run, with the engine that made it first.
fn machines(run: &Run) -> Vec<(&str, &Machine)> {
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
    machines
}

/// Every engine of a run: its name, its version, its CPU model.
fn engines(run: &Run) -> Vec<(&str, &str, &str)> {
    let mut engines = Vec::new();
    for boot in run.manifest.iter().flat_map(|manifest| &manifest.boots) {
        let engine = (&*boot.engine, &*boot.engine_version, &*boot.cpu_model);
        if !engines.contains(&engine) {
            engines.push(engine);
        }
    }
    engines
}
