//! Published figures: what others have measured, to compare a run with.
//!
//! `host-analyzer/published.toml` holds them with their sources; this reads it. [`verdict`] compares.

pub mod ancestry;
pub mod verdict;

use crate::ground::document::{self, Keys, Value, text_of};
use crate::ground::failure::Failure;
use crate::ground::options::option_words;
use crate::run::measure::Measure;
use bringup::options::Options;
use bringup::phase::Phase;
use miette::Report;
use std::path::Path;

/// The project's own figures.
const OWN: &str = include_str!("../../published.toml");

/// A machine with published figures.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedMachine {
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
    pub figures: Vec<PublishedFigure>,
    /// The names of the columns of its lines.
    columns: Vec<String>,
}

impl PublishedMachine {
    /// True where a figure or a column has this name.
    fn has(&self, name: &str) -> bool {
        let mut figures = self.figures.iter();
        figures.any(|figure| figure.name == name)
            || self.columns.iter().any(|column| column == name)
    }
}

/// One published figure.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedFigure {
    /// Its name among those of the machine. A profile's cost names it as `MACHINE.NAME`.
    pub name: String,
    /// The column of the machine's lines whose mean it is.
    column: Option<String>,
    /// The figures of the machine whose sum it is.
    sum_of: Vec<String>,
    /// The options that it was measured with; what the source does not state is the default.
    pub options: Options,
    /// What was measured.
    pub measure: Measure,
    /// The value.
    pub value: PublishedValue,
}

/// A value in the unit of its source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PublishedValue {
    /// Cycles; a mean need not be whole.
    Cycles(f64),
    /// Milliseconds; with the profile's TSC these are cycles.
    Ms(u64),
}

/// The measures of which figures are published.
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
pub fn read(file: Option<&Path>) -> Result<Vec<PublishedMachine>, Failure> {
    let Some(file) = file else {
        return parse("host-analyzer/published.toml", OWN).map_err(Failure::Request);
    };
    let name = file.display().to_string();
    let own = || "without `--figures` the project's own figures are compared".to_owned();
    let text = text_of(file, "file of published figures", own)?;
    parse(&name, &text).map_err(Failure::Request)
}

/// Checks a text of published figures; `file` is its name in messages.
pub fn parse(file: &str, text: &str) -> Result<Vec<PublishedMachine>, Report> {
    document::read(file, text, |keys| {
        let machines = keys.all().into_iter();
        machines
            .filter_map(|(name, value)| value.table(|keys| machine(name, keys)).flatten())
            .collect()
    })
}

fn machine(name: &str, keys: &mut Keys<'_>) -> Option<PublishedMachine> {
    let source = keys.need("source", Value::text);
    let machine = keys.need("machine", Value::text);
    let aps = keys.need("aps", |aps| aps.number(1..=u16::MAX, "a count of APs"));
    keys.may("note", Value::text);
    let tolerance_percent = keys.may("tolerance-percent", |value| whole(value, 0));
    let tolerance_cycles = keys.may("tolerance-cycles", |value| whole(value, 0));
    let columns = columns(keys);
    let figures = keys.may("figures", |figures| figures.array("tables of figures"));
    let figures = figures.iter().flatten().filter_map(|value| figure(value, &columns));
    let figures: Vec<PublishedFigure> = figures.collect();
    Some(PublishedMachine {
        profile: name.to_owned(),
        source: source?,
        machine: machine?,
        aps: aps?,
        tolerance_percent: tolerance_percent.unwrap_or(0),
        tolerance_cycles: tolerance_cycles.unwrap_or(0),
        figures,
        columns: columns.into_iter().map(|(name, _)| name).collect(),
    })
}

fn whole(value: &Value<'_>, least: u64) -> Option<u64> {
    value.number(least..=u64::MAX, "a whole number")
}

/// The columns of a machine's lines, each with its mean.
fn columns(keys: &mut Keys<'_>) -> Vec<(String, f64)> {
    let names = keys.may("columns", |columns| columns.array("names of columns"));
    let names: Vec<String> = names.iter().flatten().filter_map(Value::text).collect();
    let rows = keys.may("lines", |lines| lines.array("lines of numbers under their columns"));
    let rows = rows.unwrap_or_default();
    let mut sums = vec![0.0; names.len()];
    for row in &rows {
        let expected = format!("{} whole numbers", names.len());
        let Some(numbers) = row.array(&expected) else { continue };
        if numbers.len() != names.len() {
            row.unexpected(&expected);
            continue;
        }
        for (sum, number) in sums.iter_mut().zip(&numbers) {
            *sum += whole(number, 0).unwrap_or(0) as f64;
        }
    }
    names.into_iter().zip(sums).map(|(name, sum)| (name, sum / rows.len().max(1) as f64)).collect()
}

fn figure(value: &Value<'_>, columns: &[(String, f64)]) -> Option<PublishedFigure> {
    value.table(|keys| {
        let name = keys.need("name", Value::text);
        let options = keys.need("options", option_words);
        let measure = keys.need("figure", |word| word.choice(MEASURES, |measure| measure.name()));
        let sum_of = keys.may("sum-of", |names| names.array("names of figures"));
        let sum_of = sum_of.iter().flatten().filter_map(Value::text).collect();
        let units = ["cycles", "ms", "column"];
        if units.into_iter().filter(|unit| keys.has(unit)).count() != 1 {
            value.wrong("a figure has one of `cycles`, `ms` and `column`", None);
        }
        let cycles = keys.may("cycles", |value| whole(value, 1));
        let ms = keys.may("ms", |value| whole(value, 1));
        let column = keys.may("column", |value| value.choice(columns, |(name, _)| name));
        let value = (cycles.map(|cycles| PublishedValue::Cycles(cycles as f64)))
            .or(ms.map(PublishedValue::Ms))
            .or(column.map(|(_, mean)| PublishedValue::Cycles(*mean)));
        let column = column.map(|(name, _)| name.clone());
        let (name, options, measure, value) = (name?, options?.1, measure?, value?);
        Some(PublishedFigure { name, column, sum_of, options, measure, value })
    })?
}
