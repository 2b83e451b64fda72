//! A comparison as a table for people, as Markdown for a pull request, as a page, as JSON.

use crate::ground::failure::Failure;
use crate::ground::text::printable;
use crate::ground::text::{counted, list};
use crate::ground::unit::{Unit, readable};
use crate::judge::compare::{CellPair, Comparison, Figure, Verdict};
use crate::judge::statistics::Interval;
use crate::present::html::with_code;
use crate::present::markdown::{Room, plain};
use crate::present::show::{Column, drawn};
use crate::run::measure::Measure;
use crate::run::{Cell, Run};
use askama::Template;
use serde_json::{Value, json};

/// Version of what [`json()`] returns.
pub const SCHEMA: u32 = 1;

/// What stands where there is nothing to tell.
const NONE: &str = "–";

/// Text that is longer than this is cut in Markdown: names have no longest length.
const LONG: usize = 1000;

/// A figure in words.
struct Row {
    cell: String,
    measure: Measure,
    base: String,
    new: String,
    change: String,
    interval: String,
    effect: String,
    verdict: Verdict,
    aps: String,
    /// Where the change lies on the page's axis, in percent of its width: from, to, and itself.
    place: Option<(f64, f64, f64)>,
}

impl Row {
    fn of(cell: &CellPair<'_>, figure: &Figure, reach: f64) -> Row {
        let time = |cycles: f64, khz| match cell.exact {
            true => format!("{} cycles", cycles.round()),
            false => readable(Unit::Auto, cycles.round() as u64, khz),
        };
        let (base_khz, khz) = (cell.base.tsc_khz(), cell.new.tsc_khz());
        let signed = |cycles: f64| {
            let sign = if cycles < 0.0 { "−" } else { "+" };
            let size = cycles.abs();
            match cell.exact {
                true if size.fract() == 0.0 => format!("{sign}{size} cycles"),
                true => format!("{sign}{size:.3} cycles in the mean"),
                false => format!("{sign}{}", readable(Unit::Auto, size.round() as u64, khz)),
            }
        };
        let place = |share: f64| ((share / reach).clamp(-1.0, 1.0) + 1.0) * 50.0;
        let ends = figure.interval.map_or((figure.difference, figure.difference), |interval| {
            (interval.low, interval.high)
        });
        Row {
            cell: cell.label.clone(),
            measure: figure.measure,
            base: time(figure.base, base_khz),
            new: time(figure.new, khz),
            change: match (figure.difference, figure.share()) {
                (0.0, _) => NONE.to_owned(),
                (difference, Some(share)) => format!("{} ({})", signed(difference), percent(share)),
                (difference, None) => signed(difference),
            },
            interval: figure.interval.map_or(NONE.to_owned(), |Interval { low, high }| {
                format!("{} to {}", signed(low), signed(high))
            }),
            effect: figure.effect.map_or(NONE.to_owned(), |effect| format!("{effect:+.2}")),
            verdict: figure.verdict,
            aps: moved(figure),
            place: (figure.base > 0.0).then(|| {
                let at = |cycles: f64| place(cycles / figure.base);
                (at(ends.0), at(ends.1), at(figure.difference))
            }),
        }
    }

    fn class(&self) -> &'static str {
        self.verdict.name()
    }

    fn figure(&self) -> &'static str {
        self.measure.name()
    }

    fn verdict(&self) -> String {
        self.verdict.text()
    }
}

/// A share in percent, with a sign and as many digits as it needs to be seen.
fn percent(share: f64) -> String {
    let sign = if share < 0.0 { "−" } else { "+" };
    match share.abs() * 100.0 {
        percent @ 10.0.. => format!("{sign}{percent:.1} %"),
        percent @ 0.01.. => format!("{sign}{percent:.2} %"),
        percent => format!("{sign}{percent:.5} %"),
    }
}

/// The APs that moved most: `CPU 3 +8000, CPU 7 +12`, in cycles.
fn moved(figure: &Figure) -> String {
    let aps = figure.moved.iter().map(|ap| format!("{} {:+.0}", ap.cpu, ap.new - ap.base));
    match figure.moved.is_empty() {
        true => NONE.to_owned(),
        false => aps.collect::<Vec<_>>().join(", "),
    }
}

/// What the comparison comes to, in a sentence or two.
fn headline(comparison: &Comparison<'_>) -> String {
    let all = comparison.figures().count();
    let [slower, faster, same] = [Verdict::Slower, Verdict::Faster, Verdict::Same]
        .map(|wanted| comparison.count(|verdict| verdict == wanted));
    let unknown = all - slower - faster - same;
    let mut text = match (slower, faster) {
        (0, 0) if unknown == 0 => format!("Nothing moved: all {all} figures are the same."),
        (0, 0) => format!("No change found in {all} figures."),
        (slower, 0) => format!("{slower} of {all} figures {} slower.", are(slower)),
        (0, faster) => format!("{faster} of {all} figures {} faster.", are(faster)),
        (slower, faster) => {
            format!("{slower} of {all} figures {} slower, {faster} faster.", are(slower))
        }
    };
    if let Some((cell, figure)) = comparison.greatest() {
        let row = Row::of(cell, figure, 1.0);
        text += &format!(
            " Most of all {} of {}: {} → {}, {}.",
            row.figure(),
            row.cell,
            row.base,
            row.new,
            row.change
        );
    }
    if unknown > 0 {
        text += &format!(" {unknown} can't be told");
        let needs: Option<Vec<u32>> = comparison
            .figures()
            .filter_map(|(_, figure)| match figure.verdict {
                Verdict::CantTell { more_boots } => Some(more_boots),
                _ => None,
            })
            .collect();
        text += &match needs.and_then(|needs| needs.into_iter().max()) {
            Some(more) => format!(": {more} more boots of each run would tell."),
            None => ", some not with 200 boots either.".to_owned(),
        };
    }
    text
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// How it was compared, in a sentence.
fn method(comparison: &Comparison<'_>) -> String {
    let mut text = Vec::new();
    if comparison.cells.iter().any(|cell| cell.exact) {
        text.push("Exact engines: medians over the trials, a cycle is a difference.".to_owned());
    }
    if comparison.cells.iter().any(|cell| !cell.exact) {
        text.push(format!(
            "Noisy engines: the medians of the boots are ranked (Mann-Whitney, two-sided); the {} figures are one \
             family (Holm, 5 %); intervals resample boots, 95 % each; less than {} % of the base does not matter; \
             effect is Cliff's delta.",
            comparison.family,
            comparison.settings.margin * 100.0,
        ));
    }
    text.join(" ")
}

fn rows(comparison: &Comparison<'_>) -> Vec<Row> {
    let shares = comparison.figures().filter_map(|(_, figure)| {
        let ends =
            figure.interval.map_or(0.0, |interval| interval.low.abs().max(interval.high.abs()));
        (figure.base > 0.0).then(|| figure.difference.abs().max(ends) / figure.base)
    });
    // A figure of a few cycles can double; the axis is for the others.
    let reach = shares.fold(0.01, f64::max).min(1.0);
    comparison.figures().map(|(cell, figure)| Row::of(cell, figure, reach)).collect()
}

/// Where a run is from, in a few words.
fn origin(run: &Run) -> String {
    let path = run.path.display();
    let text = match &run.manifest {
        None => format!("{path} (a capture)"),
        Some(manifest) => {
            let revision =
                manifest.kernel.as_ref().and_then(|kernel| kernel.git_revision.as_deref());
            let revision =
                revision.map_or(String::new(), |revision| format!(", {}", short(revision)));
            format!("{path} ({}, {}{revision})", manifest.scenario, manifest.started)
        }
    };
    printable(&text)
}

/// A revision as git shortens it, with its `-dirty`.
fn short(revision: &str) -> String {
    let (hash, rest) = revision.split_once('-').unwrap_or((revision, ""));
    let hash: String = hash.chars().take(12).collect();
    if rest.is_empty() { hash } else { format!("{hash}-{rest}") }
}

/// The cells that only one of the runs has, a sentence for each run.
fn alone(comparison: &Comparison<'_>) -> Vec<String> {
    let sides = [
        ("the base", comparison.base, &comparison.base_alone),
        ("the new run", comparison.new, &comparison.new_alone),
    ];
    let sentence = |(which, run, cells): &(&str, &Run, &Vec<&Cell>)| {
        let varying = run.varying_options();
        let labels: Vec<String> = cells.iter().map(|cell| cell.label(&varying)).collect();
        (!labels.is_empty()).then(|| format!("only {which} has {}", labels.join("; ")))
    };
    sides.iter().filter_map(sentence).collect()
}

/// What the reader must know: which run is not whole, the notes, and the cells without a partner.
fn remarks(comparison: &Comparison<'_>) -> Vec<String> {
    let notes = comparison.notes.iter().cloned();
    not_whole(comparison).into_iter().chain(notes).chain(alone(comparison)).collect()
}

/// A sentence for each run that lacks something.
fn not_whole(comparison: &Comparison<'_>) -> Vec<String> {
    let sides = [("the base", comparison.base), ("the new run", comparison.new)];
    let sentence = |(which, run): (&str, &Run)| {
        let varying = run.varying_options();
        let gaps = run.gaps.iter().map(|gap| run.sentence(gap.part, &varying, &gap.what));
        (!run.gaps.is_empty()).then(|| format!("{which} is not whole: {}", list(gaps)))
    };
    sides.into_iter().filter_map(sentence).collect()
}

/// The runs' own warnings, each with whose it is.
fn warnings(comparison: &Comparison<'_>) -> Vec<String> {
    let runs = [("base", comparison.base), ("new", comparison.new)].into_iter();
    let of = |(which, run): (&str, &Run)| {
        let told = run.warnings.iter().map(|warning| format!("{which}: {warning}"));
        told.collect::<Vec<_>>()
    };
    runs.flat_map(of).collect()
}

/// A comparison as a table for people: the headline, the figures that are not the same (or all),
/// the remarks. Ends with a newline.
pub fn table(comparison: &Comparison<'_>, all: bool) -> String {
    let rows = rows(comparison);
    let shown: Vec<&Row> = rows.iter().filter(|row| all || row.verdict != Verdict::Same).collect();
    let column = |header: &str, number: bool, text: &dyn Fn(&Row) -> String| Column {
        header: header.to_owned(),
        texts: shown.iter().map(|row| text(row)).collect(),
        number,
    };
    let mut columns = vec![
        column("cell", false, &|row| row.cell.clone()),
        column("figure", false, &|row| row.figure().to_owned()),
        column("base", true, &|row| row.base.clone()),
        column("new", true, &|row| row.new.clone()),
        column("change", true, &|row| row.change.clone()),
    ];
    if comparison.family > 0 {
        columns.push(column("95 % interval", true, &|row| row.interval.clone()));
        columns.push(column("effect", true, &|row| row.effect.clone()));
    }
    columns.push(column("verdict", false, &|row| row.verdict()));
    if shown.iter().any(|row| row.aps != NONE) {
        columns.push(column("APs that moved most, in cycles", false, &|row| row.aps.clone()));
    }
    let mut text = format!(
        "{}\n\nbase: {}\nnew:  {}\n",
        headline(comparison),
        origin(comparison.base),
        origin(comparison.new)
    );
    if !shown.is_empty() {
        text += &format!("\n{}", drawn(&columns, shown.len()));
    }
    let left_out = rows.len() - shown.len();
    if left_out > 0 && !shown.is_empty() {
        text += &format!("{left_out} more {} the same; `--all` shows them\n", are(left_out));
    }
    text += &format!("\n{}\n", method(comparison));
    for remark in remarks(comparison) {
        text += &format!("note: {remark}\n");
    }
    for (which, run) in [("base", comparison.base), ("new run", comparison.new)] {
        if !run.warnings.is_empty() {
            let count = counted(run.warnings.len() as u64, "warning");
            let path = run.path.display();
            text += &format!("note: the {which} has {count}: `cargo analyze show {path}`\n");
        }
    }
    text
}

/// A comparison as Markdown that fits a pull-request comment: the headline, what changed, and all
/// else folded. Where it would be too long, it says what is left out. Ends with a newline.
pub fn markdown(comparison: &Comparison<'_>) -> String {
    let rows = rows(comparison);
    let head = format!("**{}**\n", plain(&headline(comparison), LONG));
    let end = "\n</details>\n";
    let method = format!(
        "\n<details><summary>How it was compared</summary>\n\nBase: {}\nNew: {}\n\n{}\n\n",
        plain(&origin(comparison.base), LONG) + "  ",
        plain(&origin(comparison.new), LONG),
        method(comparison)
    );
    let (changed, others): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.verdict.is_change());
    let folded = format!(
        "\n<details><summary>{} without a change</summary>\n\n{MARKDOWN_HEADER}",
        counted(others.len() as u64, "figure")
    );
    let around = [&head, &method, end, &folded, end, MARKDOWN_HEADER, "\n\n"];
    let mut room = Room::beside(around.iter().map(|part| part.len()).sum());
    let list = |lines: Vec<String>| -> Vec<String> {
        lines.iter().map(|line| format!("- {}", plain(line, LONG))).collect()
    };
    let table = |rows: &[&Row]| rows.iter().map(|row| markdown_row(row)).collect::<Vec<String>>();
    let figures = |count| {
        let count = counted(count as u64, "more figure");
        format!("\n… and {count}: `cargo analyze compare BASE NEW --all` shows them")
    };
    // Each part leaves room for those behind it.
    let mut text = head;
    let remarks = list(remarks(comparison));
    if !remarks.is_empty() {
        let notes = |count| format!("- … and {}", counted(count as u64, "more note"));
        text += &format!("\n{}", room.fill(&remarks, 0.25, notes));
    }
    if !changed.is_empty() {
        text += &format!("\n{MARKDOWN_HEADER}{}", room.fill(&table(&changed), 0.75, figures));
    }
    let others_text = room.fill(&table(&others), 0.75, figures);
    if !others.is_empty() {
        text += &format!("{folded}{others_text}{end}");
    }
    let warnings = room.fill(&list(warnings(comparison)), 1.0, |count| {
        let count = counted(count as u64, "more warning");
        format!("- … and {count}: `cargo analyze show RUN` shows them")
    });
    text + &method + &warnings + end
}

const MARKDOWN_HEADER: &str = "| cell | figure | base | new | change | 95 % interval | effect | verdict | APs that moved most |\n\
                               |---|---|--:|--:|--:|--:|--:|---|---|\n";

fn markdown_row(row: &Row) -> String {
    let Row { base, new, change, interval, effect, .. } = row;
    format!(
        "| {} | {} | {base} | {new} | {change} | {interval} | {effect} | {} | {} |",
        plain(&row.cell, LONG),
        row.figure(),
        row.verdict(),
        row.aps
    )
}

/// The page; everything in it is escaped, by the template or by [`with_code`].
#[derive(Template)]
#[template(path = "compare.html")]
struct Page {
    headline: String,
    base: String,
    new: String,
    changed: Vec<Row>,
    others: Vec<Row>,
    /// As HTML, as the warnings are.
    remarks: Vec<String>,
    warnings: Vec<String>,
    /// How many figures did not change, and how many warnings there are.
    unchanged: String,
    warned: String,
    method: String,
    /// True where a noisy engine gives intervals and effects to show.
    noisy: bool,
}

/// A comparison as one HTML file that needs no other.
///
/// Fails with [`Failure::Internal`] where the template does.
pub fn html(comparison: &Comparison<'_>) -> Result<String, Failure> {
    let (changed, others): (Vec<Row>, Vec<Row>) =
        rows(comparison).into_iter().partition(|row| row.verdict.is_change());
    let with_code = |texts: Vec<String>| texts.iter().map(|text| with_code(text)).collect();
    let warnings = warnings(comparison);
    let page = Page {
        headline: headline(comparison),
        base: origin(comparison.base),
        new: origin(comparison.new),
        unchanged: counted(others.len() as u64, "figure"),
        warned: counted(warnings.len() as u64, "warning"),
        changed,
        others,
        remarks: with_code(remarks(comparison)),
        warnings: with_code(warnings),
        method: method(comparison),
        noisy: comparison.family > 0,
    };
    page.render()
        .map_err(|error| Failure::internal(&format!("the comparison can't be written: {error}")))
}

/// A comparison as JSON, times in cycles.
pub fn json(comparison: &Comparison<'_>) -> Value {
    let count = |wanted: &str| comparison.count(|verdict| verdict.name() == wanted);
    let labels = |run: &Run, cells: &[&Cell]| {
        let varying = run.varying_options();
        cells.iter().map(|cell| cell.label(&varying)).collect::<Vec<_>>()
    };
    json!({
        "schema": SCHEMA,
        "headline": headline(comparison),
        "base": comparison.base.path.display().to_string(),
        "new": comparison.new.path.display().to_string(),
        "margin": comparison.settings.margin,
        "family": comparison.family,
        "slower": count("slower"),
        "faster": count("faster"),
        "same": count("same"),
        "cant_tell": count("cant-tell"),
        "cells": comparison.cells.iter().map(cell_json).collect::<Vec<_>>(),
        "base_alone": labels(comparison.base, &comparison.base_alone),
        "new_alone": labels(comparison.new, &comparison.new_alone),
        "notes": comparison.notes,
        "warnings": warnings(comparison),
    })
}

fn cell_json(cell: &CellPair<'_>) -> Value {
    let options = cell
        .options
        .iter()
        .map(|(key, base, new)| json!({"option": key, "base": base, "new": new}));
    json!({
        "cell": cell.label,
        "engine": cell.new.engine,
        "smp": cell.new.smp,
        "profile": cell.new.profile,
        "strategy": cell.new.options.strategy.name(),
        "exact": cell.exact,
        "tsc_khz": cell.new.tsc_khz(),
        "boots": [cell.base.sample(Measure::Total).boots(), cell.new.sample(Measure::Total).boots()],
        "options": options.collect::<Vec<_>>(),
        "figures": cell.figures.iter().map(figure_json).collect::<Vec<_>>(),
    })
}

fn figure_json(figure: &Figure) -> Value {
    let moved =
        figure.moved.iter().map(|ap| json!({"cpu": ap.cpu.0, "base": ap.base, "new": ap.new}));
    json!({
        "figure": figure.measure.name(),
        "base": figure.base,
        "new": figure.new,
        "difference": figure.difference,
        "share": figure.share(),
        "interval": figure.interval.map(|Interval { low, high }| [low, high]),
        "effect": figure.effect,
        "p": figure.p,
        "verdict": figure.verdict.name(),
        "more_boots": match figure.verdict {
            Verdict::CantTell { more_boots } => more_boots,
            _ => None,
        },
        "moved": moved.collect::<Vec<_>>(),
    })
}
