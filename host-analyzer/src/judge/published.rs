//! Published figures: what others have measured and told, to compare a run with.
//!
//! `host-analyzer/published.toml` holds them with their sources; this reads it. [`verdict`] compares.

pub mod verdict;

use crate::ground::document::{Document, text_of, whole};
use crate::ground::failure::Failure;
use crate::run::measure::Measure;
use bringup::options::Options;
use bringup::phase::Phase;
use miette::Report;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The project's own figures.
const OWN: &str = include_str!("../../published.toml");

/// The keys of a machine.
const MACHINE_KEYS: [&str; 9] = [
    "source",
    "machine",
    "aps",
    "note",
    "tolerance-percent",
    "tolerance-cycles",
    "columns",
    "lines",
    "figures",
];

/// The keys of a figure.
const FIGURE_KEYS: [&str; 6] = ["options", "figure", "cycles", "ms", "column", "fit"];

/// A machine of which figures were published.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The name of the profile that stands for it.
    pub profile: String,
    /// Who published them, when and where.
    pub source: String,
    /// The machine, in words.
    pub machine: String,
    /// APs that were brought up.
    pub aps: u16,
    /// A figure is met within this many percent of its value …
    pub tolerance_percent: u64,
    /// … or within this many cycles of it.
    pub tolerance_cycles: u64,
    /// Its figures, in the order of the file.
    pub figures: Vec<Figure>,
}

/// One published figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The options that it was measured with; what it does not tell is the default.
    pub options: Options,
    /// What was measured.
    pub measure: Measure,
    /// The value.
    pub value: Published,
    /// Whether the profile was derived from it.
    pub fit: Fit,
}

/// A value in the unit of its source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Published {
    /// Cycles; a mean need not be whole.
    Cycles(f64),
    /// Milliseconds; with the profile's TSC these are cycles.
    Ms(u64),
}

/// Whether a figure tests the profile, or the profile was made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The profile was derived from it.
    Calibrated,
    /// The profile does not know it.
    Predicted,
}

impl Fit {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Fit::Calibrated => "calibrated",
            Fit::Predicted => "predicted",
        }
    }
}

/// What figures are published of.
const MEASURES: [Measure; 8] = [
    Measure::Total,
    Measure::KickLoop,
    Measure::OnlineLoop,
    Measure::Phase(Phase::Sipi),
    Measure::Phase(Phase::Callin),
    Measure::Phase(Phase::TscSync),
    Measure::Phase(Phase::Online),
    Measure::Work,
];

/// The figures of a file; the project's own without one.
///
/// Fails with [`Failure::Request`] where there is no such file, or it has mistakes; with
/// [`Failure::Environment`] where it can't be read.
pub fn read(file: Option<&Path>) -> Result<Vec<Machine>, Failure> {
    let Some(file) = file else {
        return parse("host-analyzer/published.toml", OWN).map_err(Failure::Request);
    };
    let name = file.display().to_string();
    let own = || "without `--figures` the project's own figures are compared".to_owned();
    let text = text_of(file, "file of published figures", own)?;
    parse(&name, &text).map_err(Failure::Request)
}

/// Checks a text of published figures; `file` is its name in messages.
pub fn parse(file: &str, text: &str) -> Result<Vec<Machine>, Report> {
    Document::read(file, text, |document, table| {
        let mut machines: Vec<(usize, Machine)> = Vec::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            if let Some(table) = document.table(name, value) {
                machines.push((key.span().start, machine(document, name, key.span(), table)));
            }
        }
        machines.sort_by_key(|(start, _)| *start);
        machines.into_iter().map(|(_, machine)| machine).collect()
    })
}

fn machine(
    document: &mut Document<'_>,
    name: &str,
    at: Range<usize>,
    table: &DeTable<'_>,
) -> Machine {
    let mut machine = Machine {
        profile: name.to_owned(),
        source: String::new(),
        machine: String::new(),
        aps: 0,
        tolerance_percent: 0,
        tolerance_cycles: 0,
        figures: Vec::new(),
    };
    let path = format!("{name}.");
    let columns = columns(document, &path, table);
    for (key, value) in table {
        let given: &str = key.get_ref();
        let key_path = format!("{path}{given}");
        match given {
            "source" => machine.source = document.text(&key_path, value),
            "machine" => machine.machine = document.text(&key_path, value),
            "note" => drop(document.text(&key_path, value)),
            "aps" => {
                let aps = document.number(&key_path, value, 1);
                machine.aps = u16::try_from(aps).unwrap_or_else(|_| {
                    document.unexpected(&key_path, value, "a count of APs");
                    0
                });
            }
            "tolerance-percent" => {
                machine.tolerance_percent = document.number(&key_path, value, 0);
            }
            "tolerance-cycles" => machine.tolerance_cycles = document.number(&key_path, value, 0),
            "columns" | "lines" => {}
            "figures" => match value.get_ref().as_array() {
                Some(array) => {
                    let figures =
                        array.iter().filter_map(|value| figure(document, &path, value, &columns));
                    machine.figures = figures.collect();
                }
                None => document.unexpected(&key_path, value, "tables of figures"),
            },
            _ => document.unknown_key(key.span(), &path, given, &MACHINE_KEYS),
        }
    }
    document.missing_keys(at, &path, table, &["source", "machine", "aps"]);
    machine
}

/// The columns of a machine's lines, each with its mean.
fn columns(document: &mut Document<'_>, path: &str, table: &DeTable<'_>) -> Vec<(String, f64)> {
    let (Some(names), Some(lines)) = (table.get("columns"), table.get("lines")) else {
        return Vec::new();
    };
    let (Some(names), Some(rows)) = (names.get_ref().as_array(), lines.get_ref().as_array()) else {
        document.unexpected(&format!("{path}lines"), lines, "lines of numbers under their columns");
        return Vec::new();
    };
    let mut sums = vec![0.0; names.len()];
    for row in rows {
        let numbers: Option<Vec<i64>> = row
            .get_ref()
            .as_array()
            .filter(|row| row.len() == names.len())
            .and_then(|row| row.iter().map(|number| whole(number.get_ref())).collect());
        match numbers {
            Some(numbers) => {
                sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number as f64);
            }
            None => {
                let expected = format!("{} whole numbers", names.len());
                document.unexpected(&format!("{path}lines"), row, &expected);
            }
        }
    }
    let names = names.iter().map(|name| name.get_ref().as_str().unwrap_or_default().to_owned());
    names.zip(sums).map(|(name, sum)| (name, sum / rows.len().max(1) as f64)).collect()
}

fn figure(
    document: &mut Document<'_>,
    path: &str,
    value: &Spanned<DeValue<'_>>,
    columns: &[(String, f64)],
) -> Option<Figure> {
    let path = format!("{path}figures.");
    let table = document.table(path.trim_end_matches('.'), value)?;
    let (mut options, mut measure, mut fit) = (None, None, None);
    let mut values: Vec<Published> = Vec::new();
    for (key, value) in table {
        let given: &str = key.get_ref();
        let key_path = format!("{path}{given}");
        match given {
            "options" => options = words(document, &key_path, value),
            "figure" => {
                let word = document.word(&key_path, value, &MEASURES.map(Measure::name));
                measure = word.and_then(Measure::named);
            }
            "cycles" => {
                values.push(Published::Cycles(document.number(&key_path, value, 1) as f64));
            }
            "ms" => values.push(Published::Ms(document.number(&key_path, value, 1))),
            "column" => {
                let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
                let name = document.word(&key_path, value, &names);
                let column = columns.iter().find(|(column, _)| Some(column.as_str()) == name);
                values.extend(column.map(|(_, mean)| Published::Cycles(*mean)));
            }
            "fit" => {
                let fits = [Fit::Calibrated, Fit::Predicted];
                let word = document.word(&key_path, value, &fits.map(Fit::name));
                fit = word.and_then(|word| fits.into_iter().find(|fit| fit.name() == word));
            }
            _ => document.unknown_key(key.span(), &path, given, &FIGURE_KEYS),
        }
    }
    document.missing_keys(value.span(), &path, table, &["options", "figure", "fit"]);
    let given = ["cycles", "ms", "column"].iter().filter(|key| table.contains_key(**key)).count();
    if given != 1 {
        let message = "a figure has one of `cycles`, `ms` and `column`";
        document.mistake(value.span(), path.trim_end_matches('.'), message, None);
    }
    Some(Figure { options: options?, measure: measure?, value: values.pop()?, fit: fit? })
}

/// Options as the words of a command line.
fn words(document: &mut Document<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Options> {
    let text = document.text(path, value);
    let mut options = Options::default();
    for word in text.split_whitespace() {
        if let Err(error) = options.set_word(word) {
            document.mistake(value.span(), path, &error.to_string(), None);
            return None;
        }
    }
    Some(options)
}
