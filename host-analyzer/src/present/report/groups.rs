//! Cells that are shown together.

use crate::run::Run;
use bringup::options::{Kind, kind_of};
use std::collections::BTreeSet;

/// A file's name has no more than so many characters of its group's name.
const LONGEST_NAME: usize = 100;

/// Cells that differ in strategy and CPU count alone.
pub struct Group {
    /// What they have in common and other groups have not; empty where all cells are one group.
    pub name: String,
    /// The same, as a part of a file's name.
    pub file: String,
    /// Indices of [`Run::cells`].
    pub cells: Vec<usize>,
}

impl Group {
    /// The group's name behind a title.
    pub fn behind(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" ({})", self.name) }
    }

    /// The name of its picture of a kind.
    pub fn file(&self, kind: &str) -> String {
        format!("{kind}{}.svg", self.file)
    }
}

/// The groups of the cells that have something to show.
pub fn groups(run: &Run) -> Vec<Group> {
    let varying = run.varying_options();
    let engines: BTreeSet<&str> = run.cells.iter().map(|cell| cell.engine.as_str()).collect();
    let mut groups: Vec<Group> = Vec::new();
    for (index, cell) in run.cells.iter().enumerate() {
        if cell.smp == 1 || cell.trials.is_empty() {
            continue;
        }
        let engine = (engines.len() > 1).then(|| cell.engine.clone());
        let others = varying.iter().filter(|key| kind_of(key) != Some(Kind::Strategy));
        let words = others.map(|key| format!("{key}={}", cell.option(key)));
        let name = engine.into_iter().chain(words).collect::<Vec<_>>().join(", ");
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.cells.push(index),
            None => {
                let file = plain(&name, &groups);
                groups.push(Group { name, file, cells: vec![index] });
            }
        }
    }
    groups
}

/// A name of letters, digits and dashes that is in use by no group before.
fn plain(name: &str, taken: &[Group]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let dashed: String = name.chars().take(LONGEST_NAME).map(plain).collect();
    let stem: String =
        dashed.split('-').filter(|part| !part.is_empty()).map(|part| format!("-{part}")).collect();
    let free = |name: &String| taken.iter().all(|group| group.file != *name);
    (1..)
        .map(|number| if number == 1 { stem.clone() } else { format!("{stem}-{number}") })
        .find(free)
        .unwrap_or_default()
}
