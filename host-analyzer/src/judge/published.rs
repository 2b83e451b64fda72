//! Published figures: what others have measured, to compare a run with.
//!
//! `host-analyzer/published.toml` holds them with their sources; this reads it. [`verdict`] compares.

pub mod ancestry;
pub mod verdict;

use crate::ground::document::{self, Keys, Value, text_of};
use crate::ground::failure::Failure;
use crate::ground::options::option_words;
use crate::run::measure::Measure;
use bringup::options::{Options, Strategy};
use bringup::phase::Phase;
use miette::Report;
use std::path::Path;

/// The project's own figures.
const OWN: &str = include_str!("../../published.toml");

/// A machine with published figures.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedMachine {
    /// Its name. The costs of a profile name its figures and columns as `MACHINE.NAME`.
    pub name: String,
    /// The names of the profiles that stand for it.
    pub profiles: Vec<String>,
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
    /// What its figures do and don't say.
    pub note: Option<String>,
    /// Its figures, in the order of the file.
    pub figures: Vec<PublishedFigure>,
    /// Its rows, a line for each AP.
    pub rows: Option<PublishedRows>,
}

/// Published rows: the stages of some APs of one boot.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedRows {
    /// The strategy of the boot.
    pub strategy: Strategy,
    /// The names of their columns.
    pub columns: Vec<String>,
    /// The numbers under them.
    pub lines: Vec<Vec<u64>>,
    /// CPUs that are no first thread of a core.
    pub siblings: Vec<u16>,
    /// Frequency of the machine's TSC in kHz, where it is known.
    pub tsc_khz: Option<u64>,
}

impl PublishedRows {
    /// The rows in the form in which the debug patch of 2021 printed them:
    /// `[    0.311581] CPU#1 up in 4057008, 8820492, 1828, 808 ( 12880136)`.
    pub fn log(&self) -> String {
        let mut log = String::new();
        for line in &self.lines {
            let of = |name: &str| {
                let at = self.columns.iter().position(|column| column == name)?;
                line.get(at).copied()
            };
            if let Some(us) = of(PRINTED) {
                log += &format!("[{:5}.{:06}] ", us / 1_000_000, us % 1_000_000);
            }
            let number = |name: &str| of(name).unwrap_or(0);
            let stages =
                ["sipi", "callin", "tsc-sync", "online"].map(|name| number(name).to_string());
            log += &format!(
                "CPU#{} up in {} ( {})\n",
                number("cpu"),
                stages.join(", "),
                number("work")
            );
        }
        log
    }

    /// Each column with its mean.
    fn means(&self) -> impl Iterator<Item = (&str, f64)> {
        self.columns.iter().enumerate().map(|(at, name)| {
            let sum: f64 = self
                .lines
                .iter()
                .filter_map(|line| line.get(at))
                .map(|number| *number as f64)
                .sum();
            (name.as_str(), sum / self.lines.len().max(1) as f64)
        })
    }
}

/// The column that says when a line was printed, in microseconds.
const PRINTED: &str = "printed-us";

/// The CPUs of a list as `1,3,14-27`.
///
/// Fails, with what is expected, where the text is none.
pub fn cpus(text: &str) -> Result<Vec<u16>, String> {
    let number = |text: &str| {
        text.trim().parse::<u16>().map_err(|_| "expected CPUs, as `14-27` or `1,3,5`".to_owned())
    };
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        cpus.extend(number(from)?..=number(to)?);
    }
    Ok(cpus)
}

impl PublishedMachine {
    /// True where a figure or a column has this name.
    fn has(&self, name: &str) -> bool {
        let mut figures = self.figures.iter();
        figures.any(|figure| figure.name == name)
            || self.rows.iter().flat_map(|rows| &rows.columns).any(|column| column == name)
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
const MEASURES: [Measure; 9] = [
    Measure::Total,
    Measure::KickLoop,
    Measure::WaitInit,
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
    let note = keys.may("note", Value::text);
    let profiles = keys.may("profiles", |names| names.array("names of profiles"));
    let profiles = profiles.map(|names| names.iter().filter_map(Value::text).collect());
    let tolerance_percent = keys.may("tolerance-percent", |value| whole(value, 0));
    let tolerance_cycles = keys.may("tolerance-cycles", |value| whole(value, 0));
    let rows = rows(keys);
    let figures = keys.may("figures", |figures| figures.array("tables of figures"));
    let figures = figures.iter().flatten().filter_map(|value| figure(value, rows.as_ref()));
    let figures: Vec<PublishedFigure> = figures.collect();
    Some(PublishedMachine {
        name: name.to_owned(),
        profiles: profiles.unwrap_or_else(|| vec![name.to_owned()]),
        source: source?,
        machine: machine?,
        aps: aps?,
        tolerance_percent: tolerance_percent.unwrap_or(0),
        tolerance_cycles: tolerance_cycles.unwrap_or(0),
        note,
        figures,
        rows,
    })
}

fn whole(value: &Value<'_>, least: u64) -> Option<u64> {
    value.number(least..=u64::MAX, "a whole number")
}

/// The rows of a machine's lines, if it has some.
fn rows(keys: &mut Keys<'_>) -> Option<PublishedRows> {
    let columns = keys.may("columns", |columns| columns.array("names of columns"))?;
    let columns: Vec<String> = columns.iter().filter_map(Value::text).collect();
    let rows = keys.may("lines", |lines| lines.array("lines of numbers under their columns"));
    let expected = format!("{} whole numbers", columns.len());
    let mut lines = Vec::new();
    for row in rows.iter().flatten() {
        let Some(numbers) = row.array(&expected) else { continue };
        if numbers.len() != columns.len() {
            row.unexpected(&expected);
            continue;
        }
        lines.push(numbers.iter().map(|number| whole(number, 0).unwrap_or(0)).collect());
    }
    let strategy =
        keys.need("strategy", |word| word.choice(Strategy::ALL, |strategy| strategy.name()));
    let siblings = keys.may("siblings", |text| {
        let read = cpus(&text.text()?);
        read.map_err(|why| text.wrong(&why, None)).ok()
    });
    let tsc_khz = keys.may("tsc-khz", |value| whole(value, 1));
    Some(PublishedRows {
        tsc_khz,
        strategy: strategy?,
        columns,
        lines,
        siblings: siblings.unwrap_or_default(),
    })
}

fn figure(value: &Value<'_>, rows: Option<&PublishedRows>) -> Option<PublishedFigure> {
    let columns: Vec<(&str, f64)> = rows.iter().flat_map(|rows| rows.means()).collect();
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
        let column =
            keys.may("column", |value| value.choice(columns.iter().copied(), |(name, _)| name));
        let value = (cycles.map(|cycles| PublishedValue::Cycles(cycles as f64)))
            .or(ms.map(PublishedValue::Ms))
            .or(column.map(|(_, mean)| PublishedValue::Cycles(mean)));
        let column = column.map(|(name, _)| name.to_owned());
        let (name, options, measure, value) = (name?, options?.1, measure?, value?);
        Some(PublishedFigure { name, column, sum_of, options, measure, value })
    })?
}
