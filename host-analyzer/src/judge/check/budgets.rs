//! Budgets: the limits of a scenario's figures, as `scenarios/budgets/*.toml` states them.
//!
//! A file has tables `[[budget]]`. `cells` picks cells by `engine`, `smp`, `profile` or any option,
//! each one value or a list of them; `figure` is one or a list. A budget has exactly one of the
//! limits: two limits are two budgets, so that each has a line of its own in every report.

use crate::ground::document::{self, Keys, Value, suggestion, text_of};
use crate::ground::failure::Failure;
use crate::ground::options::option_value;
use crate::run::measure::Measure;
use crate::run::{Cell, HostBoots, HostMeasure, PROFILE};
use bringup::options::Options;
use miette::Report;
use std::path::{Path, PathBuf};

/// How a limit is read.
type ReadLimit = fn(&Value<'_>) -> Option<Limit>;

/// The keys that limit a figure.
const LIMITS: [(&str, ReadLimit); 6] = [
    (MAX_US, |value| value.positive().map(Limit::Us)),
    ("max-cycles", |value| value.positive().map(Limit::Cycles)),
    (MAX_COUNT, |value| count(value).map(Limit::Count)),
    ("max-ratio-to", ratio_to),
    ("max-growth", growth),
    ("baseline", |value| Some(Limit::Baseline { run: value.text()?, tolerance: 0.0 })),
];

/// A limit in microseconds, the only one of figures on the host's clock.
const MAX_US: &str = "max-us";

/// The limit of figures that are no times.
const MAX_COUNT: &str = "max-count";

/// The most that a figure may be above its baseline, in percent.
const MOST_TOLERANCE: f64 = 1000.0;

/// A file of budgets.
#[derive(Clone, Debug, PartialEq)]
pub struct Budgets {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Its budgets, in the order of the file.
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
    /// A time of trials.
    Time(Measure),
    /// A time of boots on the host's clock.
    Host(HostMeasure),
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
    /// A number of lost APs or overruns.
    Count(u64),
    /// A share of the same figure of another cell.
    RatioTo {
        /// In what that differs from the cell.
        other: Picked,
        /// The share.
        ratio: f64,
    },
    /// A multiple of the figure of the same cell with fewer CPUs.
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
        let of_boots = HostMeasure::OF_ENGINE.map(Figure::Host);
        times.map(Figure::Time).chain([Figure::Lost, Figure::Overruns]).chain(of_boots)
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Figure::Time(measure) => measure.name(),
            Figure::Host(measure) => measure.name(),
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

    /// True where boots of this engine and CPU count have one of the values of each key.
    pub fn holds_boots(&self, boots: &HostBoots<'_>) -> bool {
        let smp = boots.smp.to_string();
        self.0.iter().all(|(key, values)| {
            let value = if key == "engine" { boots.engine } else { &smp };
            values.iter().any(|wanted| wanted == value)
        })
    }

    /// True where it names this key.
    pub fn names(&self, key: &str) -> bool {
        self.0.iter().any(|(named, _)| named == key)
    }

    /// As the file states it: `smp = 28, strategy = full-parallel`.
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
    ["engine", "smp", PROFILE].into_iter().chain(Options::names())
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
    document::read(file, text, |keys| {
        let budgets = keys.may("budget", |value| value.array("tables `[[budget]]`"));
        let budgets = budgets.unwrap_or_default();
        if budgets.is_empty() && keys.mistakes().is_empty() {
            let help = "each budget is a table `[[budget]]`";
            keys.mistakes().add(0..0, "", "there is no budget here", Some(help));
        }
        budgets.iter().filter_map(|value| value.table(|keys| budget(value, keys))).collect()
    })
}

fn budget(whole: &Value<'_>, keys: &mut Keys<'_>) -> Budget {
    let cells = keys.may("cells", |cells| cells.table(|keys| picked(keys)));
    let figure = keys.get("figure");
    let figures: Vec<Value<'_>> = figure.iter().flat_map(Value::list).collect();
    let figures = figures
        .iter()
        .filter_map(|value| value.choice(Figure::all(), |figure| figure.name()))
        .collect();
    let limits: Vec<(&str, Value<'_>, ReadLimit)> = LIMITS
        .iter()
        .filter_map(|(key, read)| keys.get(key).map(|value| (*key, value, *read)))
        .collect();
    let mut limit = None;
    for (_, value, read) in &limits {
        limit = read(value);
    }
    if let Some(value) = keys.get("tolerance") {
        match &mut limit {
            Some(Limit::Baseline { tolerance, .. }) => *tolerance = share(&value).unwrap_or(0.0),
            _ if limits.iter().any(|(key, ..)| *key == "baseline") => {}
            _ => value.wrong("a tolerance goes with a `baseline`", None),
        }
    }
    let max_lost = keys.may("max-lost", count);
    let budget =
        Budget { line: whole.line(), cells: cells.unwrap_or_default(), figures, limit, max_lost };
    check_together(whole, figure.is_some(), &limits, keys.has("max-lost"), &budget);
    budget
}

/// Reports what a budget lacks, has twice, or can't have together.
fn check_together(
    whole: &Value<'_>,
    has_figure: bool,
    limits: &[(&str, Value<'_>, ReadLimit)],
    limits_losses: bool,
    Budget { cells, figures, .. }: &Budget,
) {
    if let [_, (key, ..), ..] = limits {
        let spans = limits.iter().map(|(_, value, _)| (value.at(), "here")).collect();
        let message = "a budget has one limit; give the other one a `[[budget]]` of its own";
        whole.mistakes().add_at(spans, &format!("budget.{key}"), message, None);
    }
    match (has_figure, limits.first()) {
        (true, None) => {
            let limits = LIMITS.map(|(key, _)| key).join(" ");
            whole.wrong(&format!("a figure needs a limit: one of {limits}"), None);
        }
        (false, Some((_, value, _))) => value.wrong("a limit needs a `figure`", None),
        (false, None) if !limits_losses => {
            let message = "it limits nothing: it needs a `figure` and a limit, or `max-lost`";
            whole.wrong(message, None);
        }
        _ => {}
    }
    let Some((key, value, _)) = limits.first() else { return };
    for figure in figures {
        let name = figure.name();
        if let Figure::Host(_) = figure {
            if *key != MAX_US {
                value.wrong(
                    &format!("`{name}` is a time of the host's clock: limit it by `{MAX_US}`"),
                    None,
                );
            }
            let of_cells = cells.0.iter().find(|(key, _)| !["engine", "smp"].contains(&&**key));
            if let Some((key, _)) = of_cells {
                let message = format!(
                    "`{name}` is of whole boots: `cells` can name `engine` and `smp`, but not `{key}`"
                );
                whole.wrong(&message, None);
            }
            continue;
        }
        match (figure, *key == MAX_COUNT) {
            (Figure::Time(_), true) => {
                value.wrong(&format!("`{name}` is a time: limit it by another key"), None);
            }
            (Figure::Lost | Figure::Overruns, false) => {
                value.wrong(&format!("`{name}` is a count: limit it by `{MAX_COUNT}`"), None);
            }
            _ => {}
        }
    }
}

fn count(value: &Value<'_>) -> Option<u64> {
    value.number(0..=u64::MAX, "a whole number")
}

/// Keys and values that pick cells.
fn picked(keys: &mut Keys<'_>) -> Picked {
    let picked = keys.some_of(self::keys()).into_iter().map(|(key, value)| {
        let values = value.list();
        let values = values.iter().filter_map(|value| match key {
            "engine" | PROFILE => value.scalar(),
            "smp" => value.number(1..=u16::MAX, "a CPU count").map(|smp| smp.to_string()),
            option => option_value(option, value),
        });
        (key.to_owned(), values.collect())
    });
    Picked(picked.collect())
}

fn ratio_to(value: &Value<'_>) -> Option<Limit> {
    value.table(|keys| {
        let ratio = keys.need("ratio", Value::positive);
        let other = picked(keys);
        if other.0.is_empty() {
            let message = "it must say in what the other cell differs, as `strategy = \"serial\"`";
            value.wrong(message, None);
        }
        Some(Limit::RatioTo { other, ratio: ratio? })
    })?
}

fn growth(value: &Value<'_>) -> Option<Limit> {
    value.table(|keys| {
        let from_smp = keys.need("from-smp", |smp| smp.number(2..=u16::MAX, "a CPU count"));
        let ratio = keys.need("ratio", Value::positive);
        Some(Limit::Growth { from_smp: from_smp?, ratio: ratio? })
    })?
}

/// A share as a text, `0.5%`.
fn share(value: &Value<'_>) -> Option<f64> {
    let percent = |text: &str| {
        let percent = text.trim().strip_suffix('%')?.trim().parse::<f64>().ok()?;
        (0.0..=MOST_TOLERANCE).contains(&percent).then_some(percent / 100.0)
    };
    value.parsed(percent, &format!("a share from 0% to {MOST_TOLERANCE}%, as \"0.5%\""))
}

/// The value of a key that some cell has and a mistyped one most likely means.
pub fn meant<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    suggestion(given, known)
}
