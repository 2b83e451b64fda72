//! Which published figures a profile's costs come from.

use super::{PublishedFigure, PublishedMachine};
use std::collections::BTreeSet;
use toml::de::DeTable;

/// Whether a figure tests a profile, or the profile was made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// A cost of the profile comes from it.
    Calibrated,
    /// No cost of the profile comes from it.
    Predicted,
    /// The profile does not name what its costs come from.
    Unknown,
}

impl Fit {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Fit::Calibrated => "calibrated",
            Fit::Predicted => "predicted",
            Fit::Unknown => "unknown",
        }
    }
}

/// The figures and columns that the costs of a profile come from, each as `MACHINE.NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ancestry(BTreeSet<String>);

impl Ancestry {
    /// That of a profile's text; `None` where a cost names neither what it is `from` nor an `assumption`.
    pub fn of(profile: &str) -> Option<Ancestry> {
        let profile = DeTable::parse(profile).ok()?;
        let costs = profile.get_ref().get("costs")?.get_ref().as_table()?;
        let mut names = BTreeSet::new();
        for cost in costs.values() {
            let cost = cost.get_ref().as_table()?;
            let Some(from) = cost.get("from") else {
                cost.get("assumption")?;
                continue;
            };
            for name in from.get_ref().as_array()? {
                names.insert(name.get_ref().as_str()?.to_owned());
            }
        }
        Some(Ancestry(names))
    }

    /// True where a cost comes from the figure, from the column whose mean it is, or from all figures whose sum it is.
    pub fn holds(&self, machine: &PublishedMachine, figure: &PublishedFigure) -> bool {
        let names = |name: &String| self.0.contains(&format!("{}.{name}", machine.name));
        let is_sum = !figure.sum_of.is_empty()
            && figure.sum_of.iter().all(|part| {
                let mut figures = machine.figures.iter();
                figures.any(|known| known.name == *part && self.holds(machine, known))
            });
        names(&figure.name) || figure.column.as_ref().is_some_and(names) || is_sum
    }

    /// The first name that is none of these machines', though one of them is meant.
    pub fn unknown(&self, machines: &[PublishedMachine]) -> Option<&str> {
        let is_unknown = |name: &&String| {
            let Some((machine, name)) = name.split_once('.') else { return true };
            let machine = machines.iter().find(|known| known.name == machine);
            machine.is_some_and(|machine| !machine.has(name))
        };
        self.0.iter().find(is_unknown).map(String::as_str)
    }
}
