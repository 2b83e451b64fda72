//! What differs between the cells of a run.

use crate::run::{Cell, Run};
use serde::Serialize;

/// Something that differs between cells, and its values.
#[derive(Serialize)]
pub struct Axis {
    /// `engine`, `CPUs`, or an option.
    pub key: String,
    /// As they come.
    pub values: Vec<String>,
}

impl Axis {
    /// Where this value is among the others.
    pub fn place(&self, value: &str) -> Option<usize> {
        self.values.iter().position(|other| other == value)
    }
}

/// Everything that differs between the cells that have something to show.
pub fn axes(run: &Run) -> Vec<Axis> {
    let keys = ["engine", "CPUs"].into_iter().chain(run.varying_options());
    keys.map(|key| {
        let mut values = Vec::new();
        for cell in run.cells.iter().filter(|cell| cell.smp > 1 && !cell.trials.is_empty()) {
            let value = value(cell, key);
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Axis { key: key.to_owned(), values }
    })
    .filter(|axis| axis.values.len() > 1)
    .collect()
}

/// What a cell has on an axis.
pub fn value(cell: &Cell, key: &str) -> String {
    match key {
        "engine" => cell.engine.clone(),
        "CPUs" => cell.smp.to_string(),
        option => cell.option(option),
    }
}
