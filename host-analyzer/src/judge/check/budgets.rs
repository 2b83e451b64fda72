//! Budgets: what a scenario's figures may be, as `scenarios/budgets/*.toml` tells it.
//!
//! A file has tables `[[budget]]`. `cells` picks cells by `engine`, `smp`, `profile` or any option,
//! each one value or a list of them; `figure` is one or a list. Of the limits a budget has exactly
//! one: two limits are two budgets, so that each has a line of its own to be told by.

use crate::ground::document::{Document, scalar, suggestion, text_of};
use crate::ground::failure::Failure;
use crate::run::measure::Measure;
use crate::run::{Cell, PROFILE};
use bringup::options::Options;
use miette::Report;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The keys of a budget.
const KEYS: [&str; 10] = [
    "cells",
    "figure",
    "max-us",
    "max-cycles",
    "max-count",
    "max-ratio-to",
    "max-growth",
    "baseline",
    "tolerance",
    "max-lost",
];

/// The keys that limit a figure.
const LIMITS: [&str; 6] =
    ["max-us", "max-cycles", "max-count", "max-ratio-to", "max-growth", "baseline"];

/// The most that a figure may be above its baseline, in percent.
const MOST_TOLERANCE: f64 = 1000.0;

/// A file of budgets.
#[derive(Clone, Debug, PartialEq)]
pub struct Budgets {
    /// The file, as it was named.
    pub file: PathBuf,
    /// In the order of the file.
    pub budgets: Vec<Budget>,
}

/// One `[[budget]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Its line in the file, from 1.
    pub line: usize,
    /// Which cells it is for.
    pub cells: Picked,
    /// What it limits; empty where it only says how many APs may be lost.
    pub figures: Vec<Figure>,
    /// By what.
    pub limit: Option<Limit>,
    /// How many APs may be lost in all trials of a cell; `None`: it does not say, so none.
    pub max_lost: Option<u64>,
}

/// Values that a cell must have, by key: one of each list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picked(pub Vec<(String, Vec<String>)>);

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// A time.
    Time(Measure),
    /// APs that did not come online.
    Lost,
    /// Steps that took longer than their cost.
    Overruns,
}

/// The most that a figure may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Limit {
    /// Microseconds, of the profile's clock where the cell has a profile.
    Us(f64),
    /// Cycles.
    Cycles(f64),
    /// So many, of lost APs and overruns.
    Count(u64),
    /// A share of the same figure of another cell.
    RatioTo {
        /// In what that differs from the cell.
        other: Picked,
        /// The share.
        ratio: f64,
    },
    /// So many times the figure of the same cell with fewer CPUs.
    Growth {
        /// That count, the BSP counted.
        from_smp: u16,
        /// How many times.
        ratio: f64,
    },
    /// The same figure of another run, and a little more.
    Baseline {
        /// The run's folder, as the file names it.
        run: String,
        /// How much more, as a share.
        tolerance: f64,
    },
}

impl Figure {
    /// Every figure that can be limited.
    fn all() -> impl Iterator<Item = Figure> {
        let times = Measure::ALL.into_iter().filter(|measure| *measure != Measure::Work);
        times.map(Figure::Time).chain([Figure::Lost, Figure::Overruns])
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Figure::Time(measure) => measure.name(),
            Figure::Lost => "lost",
            Figure::Overruns => "overruns",
        }
    }
}

impl Picked {
    /// True where a cell has one of the values of each key.
    pub fn holds(&self, cell: &Cell) -> bool {
        self.0.iter().all(|(key, values)| values.contains(&value(cell, key)))
    }

    /// True where it says something of this key.
    pub fn names(&self, key: &str) -> bool {
        self.0.iter().any(|(named, _)| named == key)
    }

    /// As the file tells it: `smp = 28, strategy = full-parallel`.
    pub fn text(&self) -> String {
        let pairs = self.0.iter().map(|(key, values)| format!("{key} = {}", values.join(" or ")));
        pairs.collect::<Vec<_>>().join(", ")
    }
}

/// What a cell has under a key of [`Picked`].
pub fn value(cell: &Cell, key: &str) -> String {
    match key {
        "engine" => cell.engine.clone(),
        "smp" => cell.smp.to_string(),
        key => cell.option(key),
    }
}

/// The keys of [`Picked`].
pub fn keys() -> impl Iterator<Item = &'static str> {
    ["engine", "smp", PROFILE].into_iter().chain(Options::KEYS)
}

impl Budgets {
    /// Reads a file of budgets.
    ///
    /// Fails with [`Failure::Request`] where there is no such file, or it has mistakes; with
    /// [`Failure::Environment`] where it can't be read.
    pub fn read(file: &Path) -> Result<Budgets, Failure> {
        let name = file.display().to_string();
        let own = || "the project's own are under scenarios/budgets/".to_owned();
        let text = text_of(file, "file of budgets", own)?;
        let budgets = parse(&name, &text).map_err(Failure::Request)?;
        Ok(Budgets { file: file.to_owned(), budgets })
    }
}

/// Checks a text of budgets; `file` is its name in messages.
pub fn parse(file: &str, text: &str) -> Result<Vec<Budget>, Report> {
    Document::read(file, text, |document, table| {
        let mut budgets = Vec::new();
        for (key, value) in table {
            match (&**key.get_ref(), value.get_ref().as_array()) {
                ("budget", Some(array)) => {
                    for value in array {
                        if let Some(table) = document.table("budget", value) {
                            let (line, _) =
                                crate::ground::document::place(text, value.span().start);
                            budgets.push(Budget { line, ..budget(document, value, table) });
                        }
                    }
                }
                ("budget", None) => document.unexpected("budget", value, "tables `[[budget]]`"),
                (unknown, _) => document.unknown_key(key.span(), "", unknown, &["budget"]),
            }
        }
        if budgets.is_empty() && !document.is_wrong() {
            let help = "each is a table `[[budget]]`";
            document.mistake(0..0, "", "there is no budget here", Some(help));
        }
        budgets
    })
}

fn budget(document: &mut Document<'_>, at: &Spanned<DeValue<'_>>, table: &DeTable<'_>) -> Budget {
    let mut budget = Budget {
        line: 0,
        cells: Picked::default(),
        figures: Vec::new(),
        limit: None,
        max_lost: None,
    };
    let mut tolerance = None;
    for (key, value) in table {
        let given: &str = key.get_ref();
        match given {
            "cells" => {
                if let Some(table) = document.table("cells", value) {
                    budget.cells = picked(document, "cells", table, &[]);
                }
            }
            "figure" => budget.figures = figures(document, value),
            "max-us" => budget.limit = positive(document, given, value).map(Limit::Us),
            "max-cycles" => budget.limit = positive(document, given, value).map(Limit::Cycles),
            "max-count" => budget.limit = Some(Limit::Count(document.number(given, value, 0))),
            "max-ratio-to" => budget.limit = ratio_to(document, value),
            "max-growth" => budget.limit = growth(document, value),
            "baseline" => {
                let run = document.text(given, value);
                budget.limit = Some(Limit::Baseline { run, tolerance: 0.0 });
            }
            "tolerance" => tolerance = Some((value, percent(document, value))),
            "max-lost" => budget.max_lost = Some(document.number(given, value, 0)),
            _ => document.unknown_key(key.span(), "", given, &KEYS),
        }
    }
    whole(document, at, table, &budget);
    match (&mut budget.limit, tolerance) {
        (Some(Limit::Baseline { tolerance, .. }), Some((_, Some(told)))) => *tolerance = told,
        (Some(Limit::Baseline { .. }), _) | (_, None) => {}
        (_, Some((value, _))) => {
            let message = "a tolerance goes with a `baseline`";
            document.mistake(value.span(), "tolerance", message, None);
        }
    }
    budget
}

/// Tells what a budget lacks, has twice, or can't have together.
fn whole(
    document: &mut Document<'_>,
    at: &Spanned<DeValue<'_>>,
    table: &DeTable<'_>,
    budget: &Budget,
) {
    let limits: Vec<(&str, &Spanned<DeValue<'_>>)> =
        LIMITS.iter().filter_map(|key| Some((*key, table.get(*key)?))).collect();
    let limited = table.contains_key("figure");
    if limits.len() > 1 {
        let spans = limits.iter().map(|(_, value)| (value.span(), "here")).collect();
        let message = "a budget has one limit; give the other one a `[[budget]]` of its own";
        document.labelled(limits[1].0, message, None, spans);
    }
    if limited && limits.is_empty() {
        let message = format!("a figure needs a limit: one of {}", LIMITS.join(" "));
        document.mistake(at.span(), "budget", &message, None);
    }
    if !limited && let Some((key, value)) = limits.first() {
        document.mistake(value.span(), key, "a limit needs a `figure`", None);
    }
    if !limited && limits.is_empty() && !table.contains_key("max-lost") {
        let message = "it limits nothing: it needs a `figure` and a limit, or `max-lost`";
        document.mistake(at.span(), "budget", message, None);
    }
    let Some((key, value)) = limits.first() else { return };
    for figure in &budget.figures {
        let is_time = matches!(figure, Figure::Time(_));
        if is_time == (*key == "max-count") {
            let name = figure.name();
            let message = match is_time {
                true => format!("`{name}` is a time: limit it by another key"),
                false => format!("`{name}` is a count: limit it by `max-count`"),
            };
            document.mistake(value.span(), key, &message, None);
        }
    }
}

fn figures(document: &mut Document<'_>, value: &Spanned<DeValue<'_>>) -> Vec<Figure> {
    let words: Vec<&str> = Figure::all().map(Figure::name).collect();
    let mut figures = Vec::new();
    for value in elements(value) {
        let word = document.word("figure", value, &words);
        figures.extend(Figure::all().find(|figure| Some(figure.name()) == word));
    }
    if figures.is_empty() && !document.is_wrong() {
        document.unexpected("figure", value, "a figure or a list of them");
    }
    figures
}

/// The values of a list, or the one value.
fn elements<'v, 'i>(value: &'v Spanned<DeValue<'i>>) -> Vec<&'v Spanned<DeValue<'i>>> {
    match value.get_ref().as_array() {
        Some(array) => array.iter().collect(),
        None => vec![value],
    }
}

/// Keys and values that pick cells; `others` are keys of the same table that do not.
fn picked(
    document: &mut Document<'_>,
    path: &str,
    table: &DeTable<'_>,
    others: &[&'static str],
) -> Picked {
    let known: Vec<&str> = keys().chain(others.iter().copied()).collect();
    let mut picked = Vec::new();
    for (key, value) in table {
        let given: &str = key.get_ref();
        if others.contains(&given) {
            continue;
        }
        if !known.contains(&given) {
            document.unknown_key(key.span(), &format!("{path}."), given, &known);
            continue;
        }
        let key_path = format!("{path}.{given}");
        let mut values = Vec::new();
        for value in elements(value) {
            values.extend(picked_value(document, &key_path, given, value));
        }
        picked.push((given.to_owned(), values));
    }
    Picked(picked)
}

/// A value as cells have it: `0.8ms` of an option is its `800us`.
fn picked_value(
    document: &mut Document<'_>,
    path: &str,
    key: &str,
    value: &Spanned<DeValue<'_>>,
) -> Option<String> {
    let Some(text) = scalar(value.get_ref()) else {
        document.unexpected(path, value, "a text or a whole number");
        return None;
    };
    match key {
        "engine" | PROFILE => Some(text),
        "smp" => match text.parse::<u16>() {
            Ok(smp) if smp > 0 => Some(smp.to_string()),
            _ => {
                document.unexpected(path, value, "a CPU count");
                None
            }
        },
        option => {
            let mut options = Options::default();
            if let Err(error) = options.set(option, &text) {
                document.mistake(value.span(), path, &error.to_string(), None);
                return None;
            }
            let mut written = String::new();
            // Writing to a String can't fail.
            let _ = options.write_value(option, &mut written);
            Some(written)
        }
    }
}

fn ratio_to(document: &mut Document<'_>, value: &Spanned<DeValue<'_>>) -> Option<Limit> {
    let table = document.table("max-ratio-to", value)?;
    document.missing_keys(value.span(), "max-ratio-to.", table, &["ratio"]);
    let other = picked(document, "max-ratio-to", table, &["ratio"]);
    if other.0.is_empty() {
        let message = "it must say in what the other cell differs, as `strategy = \"serial\"`";
        document.mistake(value.span(), "max-ratio-to", message, None);
    }
    let ratio = positive(document, "max-ratio-to.ratio", table.get("ratio")?)?;
    Some(Limit::RatioTo { other, ratio })
}

fn growth(document: &mut Document<'_>, value: &Spanned<DeValue<'_>>) -> Option<Limit> {
    const KEYS: [&str; 2] = ["from-smp", "ratio"];
    let table = document.table("max-growth", value)?;
    document.missing_keys(value.span(), "max-growth.", table, &KEYS);
    for (key, _) in table.iter().filter(|(key, _)| !KEYS.contains(&&**key.get_ref())) {
        document.unknown_key(key.span(), "max-growth.", key.get_ref(), &KEYS);
    }
    let from = table.get("from-smp")?;
    let from_smp = u16::try_from(document.number("max-growth.from-smp", from, 2)).ok()?;
    let ratio = positive(document, "max-growth.ratio", table.get("ratio")?)?;
    Some(Limit::Growth { from_smp, ratio })
}

/// A number above zero.
fn positive(document: &mut Document<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Option<f64> {
    let number = match value.get_ref() {
        DeValue::Float(float) => float.as_str().replace('_', "").parse().ok(),
        other => crate::ground::document::whole(other).map(|number| number as f64),
    };
    let number = number.filter(|number: &f64| number.is_finite() && *number > 0.0);
    if number.is_none() {
        document.unexpected(key, value, "a number above 0");
    }
    number
}

/// A share as a text, `0.5%`.
fn percent(document: &mut Document<'_>, value: &Spanned<DeValue<'_>>) -> Option<f64> {
    let text = value.get_ref().as_str().and_then(|text| text.trim().strip_suffix('%'));
    let percent = text.and_then(|text| text.trim().parse::<f64>().ok());
    let percent = percent.filter(|percent| (0.0..=MOST_TOLERANCE).contains(percent));
    if percent.is_none() {
        let expected = format!("a share from 0% to {MOST_TOLERANCE}%, as \"0.5%\"");
        document.unexpected("tolerance", value, &expected);
    }
    percent.map(|percent| percent / 100.0)
}

/// The value of a key that some cell has and a mistyped one most likely means.
pub fn meant<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    suggestion(given, known)
}
