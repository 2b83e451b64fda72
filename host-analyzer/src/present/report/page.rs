//! The page: what `templates/report/` is filled with.
//!
//! All of it is in one file. Its Content-Security-Policy forbids every connection, and every script
//! but the two that are named by their hashes; so even a flaw in the escaping runs nothing.

use super::data::Data;
use super::headline;
use super::palette::{FAINT, GRID, INK, PAPER, PIECES, QUEUE, phase_colour, pieces};
use super::picture::{Kind, Picture};
use super::pictures::Pictures;
use super::tables::{self, CellTable};
use crate::ground::manifest::Manifest;
use crate::ground::unit::Unit;
use crate::judge::predict;
use crate::present::html::{in_whole_words, with_code};
use crate::present::show::{PREDICTED, caption, cells, found, host_boots, linux_tables, predicted};
use crate::present::table::Table;
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
/// One script, whose parts share their names.
const SCRIPT: &str = concat!(
    include_str!("../../../templates/report/base.js"),
    include_str!("../../../templates/report/overview.js"),
    include_str!("../../../templates/report/timeline.js"),
    include_str!("../../../templates/report/controls.js"),
);
const STYLE: &str = include_str!("../../../templates/report/style.css");

/// Still pictures beyond so many bytes are linked and not shown.
const MOST_DRAWN: usize = 1_200_000;

/// More warnings than these are folded.
const WARNINGS_SHOWN: usize = 6;

/// The report. Everything that comes from a capture or a manifest is escaped, by the template or by
/// [`with_code`].
#[derive(Template)]
#[template(path = "report/page.html")]
pub struct Page<'a> {
    /// The finding, in one sentence, as HTML.
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
    /// Cells that have no picture, since there are very many.
    without_pictures: usize,
    phases: Section<'a>,
    totals: Section<'a>,
    /// Tables as HTML.
    over_aps: String,
    over_trials: String,
    timelines: Section<'a>,
    /// Whether an AP of the timelines was lost.
    lost: bool,
    /// What the TSC sync has found, as HTML: a row for each cell whose clocks were compared.
    tsc_sync: Option<String>,
    tsc_sync_caption: String,
    /// Each boot of a Linux: what its numbers are, and its tables as HTML.
    linux: Vec<(String, Vec<String>)>,
    /// What predicted totals are, their table as HTML, and what they take for granted; `None` where nothing was imported.
    predicted: Option<(&'static str, String, Vec<String>)>,
    /// What boots took on the host's clock: what the numbers are, and their table, both as HTML.
    host: Option<(String, String)>,
    caption: String,
    /// How many cells the run has.
    cell_count: usize,
    /// The table of all cells, as HTML.
    cells: String,
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
    faint: &'static str,
    /// Each piece of an AP's time, its colour, and what the AP waits for in it.
    legend: [(&'static str, &'static str, Option<&'static str>); PIECES],
    /// The colours of waiting, which are too bright on a dark screen.
    queue: &'static str,
    hold: &'static str,
    turn: &'static str,
    style: &'static str,
    echarts: &'static str,
    script: &'static str,
    /// Hashes of the two scripts, as the policy wants them.
    hashes: [String; 2],
}

/// A table as HTML, and the still pictures that show the same.
struct Section<'a> {
    table: String,
    pictures: Vec<Shown<'a>>,
}

/// The sections one by one, and how many bytes their pictures have so far.
struct Sections<'a> {
    pictures: &'a [Picture],
    bytes: usize,
}

impl<'a> Sections<'a> {
    /// The section of a table, called by this name, with the pictures of that kind.
    fn next(&mut self, kind: Kind, table: CellTable, name: &str) -> Section<'a> {
        let pictures = self.pictures.iter().filter(|picture| picture.kind == kind);
        let pictures = pictures.map(|picture| {
            self.bytes += picture.svg.len();
            Shown::of(picture, self.bytes <= MOST_DRAWN)
        });
        Section { pictures: pictures.collect(), table: table.html(name) }
    }
}

/// A still picture, whether the page has room for it, and its table as HTML.
struct Shown<'a> {
    picture: &'a Picture,
    drawn: bool,
    table: Option<String>,
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
        let mut sections = Sections { pictures: &pictures.pictures, bytes: 0 };
        let mut section = |kind, table, name: &str| sections.next(kind, table, name);
        let places = places(run);
        let found = found(run, Unit::Auto);
        let clocks = tables::tsc_sync(&found, &places);
        Page {
            headline: in_whole_words(&headline::sentence(run)),
            limit: headline::limit(run, shown),
            name: name(run),
            manifest: run.manifest.as_ref(),
            warnings: run.warnings().iter().map(|warning| with_code(warning)).collect(),
            data,
            json,
            without_timelines: data.without_timelines(),
            without_pictures: pictures.cells_left_out,
            phases: section(Kind::Phases, tables::phases(data), "Phases of one AP"),
            totals: section(Kind::Totals, tables::totals(data), "Totals"),
            over_aps: tables::spreads(data, |cell| &cell.over_aps)
                .html("Distribution over the APs of the median trial"),
            over_trials: tables::spreads(data, |cell| &cell.over_trials)
                .html("Distribution over the trials"),
            timelines: section(Kind::Timeline, tables::paths(data), "Critical paths"),
            lost: data.lost(),
            tsc_sync: (!clocks.cells.is_empty()).then(|| clocks.html("TSC sync")),
            tsc_sync_caption: found.caption,
            linux: linux(run),
            predicted: predicted_of(run),
            host: host_boots(run).map(|(caption, table)| {
                (with_code(&caption), table.html("Boots on the host's clock", &[]))
            }),
            caption: caption(run, Unit::Auto),
            cell_count: run.cells.len(),
            cells: cells(run, Unit::Auto).html("Table of all cells", &places),
            common: run.common_options(),
            varying: run.varying_options().join(", "),
            machines: machines(run),
            engines: engines(run),
            place: followed(&run.path).display().to_string(),
            paper: PAPER,
            ink: INK,
            grid: GRID,
            faint: FAINT,
            legend: pieces(),
            queue: QUEUE,
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

impl Shown<'_> {
    fn of(picture: &Picture, drawn: bool) -> Shown<'_> {
        let name = format!("The numbers of {}", picture.file);
        let table = picture.table.as_ref().map(|table| table.html(&name, &[]));
        Shown { picture, drawn, table }
    }
}

/// The tables of each boot of a Linux.
fn linux(run: &Run) -> Vec<(String, Vec<String>)> {
    let boots = linux_tables(run).into_iter();
    let html = |tables: &[Table], headline: &str| {
        tables.iter().map(|table| table.html(headline, &[])).collect()
    };
    boots.map(|boot| (with_code(&boot.headline), html(&boot.tables, &boot.headline))).collect()
}

/// What is predicted of a run that has logs, beside what they say.
fn predicted_of(run: &Run) -> Option<(&'static str, String, Vec<String>)> {
    let made = predict::of_logs(run);
    let table = predicted(run, &made);
    let notes = table.notes.iter().map(|note| with_code(note)).collect();
    (!made.is_empty()).then(|| (PREDICTED, table.html("Predicted totals", &[]), notes))
}

/// The scenario's name, or the capture's.
fn name(run: &Run) -> String {
    match &run.manifest {
        Some(manifest) => manifest.scenario.clone(),
        None => run.path.display().to_string(),
    }
}

/// Of each cell of the run its place in [`Data::cells`].
fn places(run: &Run) -> Vec<Option<usize>> {
    let mut shown = 0..;
    let place = |cell: &Cell| match cell.total() {
        Some(_) if cell.smp > 1 => shown.next(),
        _ => None,
    };
    run.cells.iter().map(place).collect()
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
