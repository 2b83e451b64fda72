//! The options of cells: in which of them they differ, and what cells are called for it.

use crate::ground::text::printable;
use crate::run::model::{Boot, Cell, Kind, Part, Run};
use bringup::options::{self, Options, kind_of};
use std::collections::BTreeMap;
use std::hash::Hash;

/// The name under which a cell's profile stands among its options.
pub const PROFILE: &str = "profile";

/// True for the option that names the strategy.
fn is_strategy(key: &str) -> bool {
    kind_of(key) == Some(options::Kind::Strategy)
}

impl Run {
    /// What a part of the run is called; the options are those that vary ([`Run::varying_options`]).
    pub fn name(&self, part: Part, varying: &[&str]) -> String {
        match part {
            Part::Run => printable(&self.path.display().to_string()),
            Part::Boot(index) => {
                let capture = &self.boots[index].capture;
                let inside = capture.strip_prefix(&self.path).unwrap_or(capture);
                let name = if self.manifest.is_none() { capture } else { inside };
                printable(&name.display().to_string())
            }
            Part::Cell(index) => self.cells[index].label(varying),
        }
    }

    /// What there is to say of a part of the run.
    pub(crate) fn sentence(&self, part: Part, varying: &[&str], what: &str) -> String {
        format!("{}: {}", self.name(part, varying), printable(what))
    }

    /// What differs between cells, by name: [`PROFILE`], and options; `strategy` always. Options
    /// that differ because the profiles or the engines do are left out: those names say it all.
    pub fn varying_options(&self) -> Vec<&'static str> {
        let profiles = self.differs(PROFILE);
        let of_machine = |key: &str| kind_of(key).is_some_and(options::Kind::is_of_machine);
        let profile = |cell: &Cell| cell.option(PROFILE);
        let engine = |cell: &Cell| cell.engine.clone();
        [PROFILE]
            .into_iter()
            .chain(Options::names())
            .filter(|key| is_strategy(key) || self.differs(key))
            .filter(|key| !(profiles && of_machine(key) && self.follows(key, profile)))
            .filter(|key| is_strategy(key) || !self.follows(key, engine))
            .collect()
    }

    /// True where an option has one value for each of something else.
    fn follows(&self, key: &str, what: impl Fn(&Cell) -> String) -> bool {
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        self.cells.iter().all(|cell| {
            let value = cell.option(key);
            *values.entry(what(cell)).or_insert_with(|| value.clone()) == value
        })
    }

    /// What all cells have in common, by name and value: their profile if they have one, and
    /// options.
    pub fn common_options(&self) -> Vec<(&'static str, String)> {
        let Some(first) = self.cells.first() else { return Vec::new() };
        let profile = first.profile.is_some().then_some(PROFILE);
        profile
            .into_iter()
            .chain(Options::names())
            .filter(|key| !is_strategy(key) && !self.differs(key))
            .map(|key| (key, first.option(key)))
            .collect()
    }

    fn differs(&self, key: &str) -> bool {
        let mut values = self.cells.iter().map(|cell| cell.option(key));
        let first = values.next();
        values.any(|value| Some(value) != first)
    }
}

impl Boot {
    /// What two boots must share for their figures to be comparable: engine, CPU count, command line, and
    /// of each cell where its numbers went and how many trials are whole.
    pub(crate) fn asked(&self) -> impl Hash + Eq + use<'_> {
        let cells = self.cells.iter().map(|cell| (cell.index, cell.cell, cell.whole));
        (&self.engine, self.smp, &self.command_line, cells.collect::<Vec<_>>())
    }
}

impl Cell {
    /// The kind of a cell with these options instead, whatever their repetitions are.
    pub(super) fn kind(&self, options: Options) -> Kind {
        let options = Options { repetitions: 1, ..options };
        (self.engine.clone(), self.smp, self.profile.clone(), options.to_string())
    }

    /// What distinguishes the cell in a run, given the options that vary in it
    /// ([`Run::varying_options`]): `icount, 28 CPUs, serial, wait=spin`. It is [`printable`].
    pub fn label(&self, varying: &[&str]) -> String {
        let cpus = if self.smp == 1 { "CPU" } else { "CPUs" };
        let engine = printable(&self.engine);
        format!("{engine}, {} {cpus}, {}", self.smp, self.options_label(varying))
    }

    /// The options that vary in a run, the strategy by its value alone: `serial, wait=spin`.
    pub fn options_label(&self, varying: &[&str]) -> String {
        let mut label = self.options.strategy.to_string();
        for key in varying.iter().filter(|key| !is_strategy(key)) {
            label += &format!(", {key}={}", printable(&self.option(key)));
        }
        label
    }

    /// An option's value as its word, or the name of the [`PROFILE`].
    pub fn option(&self, key: &str) -> String {
        if key == PROFILE {
            return self.profile.as_deref().unwrap_or("none").to_owned();
        }
        self.options.value(key).to_string()
    }
}
