//! JSON lines: an object for each AP of each trial.

use super::exporter::Exporter;
use super::facts::{Column, Fact, Facts};
use crate::present::schema;
use crate::run::{Run, WholeTrial};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::io::{self, Write};

/// Writes JSON lines.
pub struct Jsonl<'a> {
    facts: Facts,
    output: &'a mut dyn Write,
}

impl<'a> Jsonl<'a> {
    /// Begins.
    pub fn begin(run: &Run, output: &'a mut dyn Write) -> Jsonl<'a> {
        Jsonl { facts: Facts::of(run), output }
    }
}

impl Exporter for Jsonl<'_> {
    fn trial(&mut self, trial: &WholeTrial<'_>) -> io::Result<()> {
        let mut row = Vec::new();
        for (ap, queue_end) in trial.timelines.iter().zip(trial.queue_ends()) {
            row.clear();
            row.extend(self.facts.row(trial, ap, queue_end));
            serde_json::to_writer(
                &mut self.output,
                &Object { columns: self.facts.columns(), row: &row },
            )?;
            self.output.write_all(b"\n")?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        self.output.flush()?;
        Ok(Vec::new())
    }
}

/// A row: facts of no group as they are, groups as objects of their own.
struct Object<'a> {
    columns: &'a [Column],
    row: &'a [Fact<'a>],
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", &schema::TRIALS)?;
        let mut row = self.row;
        for columns in self.columns.chunk_by(|one, next| one.group == next.group) {
            let (facts, rest) = row.split_at(columns.len());
            row = rest;
            let group = Group { columns, facts };
            match columns[0].group {
                Some(of) => map.serialize_entry(of.key, &group)?,
                None => group.each(|name, fact| map.serialize_entry(name, fact))?,
            }
        }
        map.end()
    }
}

/// The facts of one group.
struct Group<'a> {
    columns: &'a [Column],
    facts: &'a [Fact<'a>],
}

impl Group<'_> {
    fn each<E>(&self, mut put: impl FnMut(&str, &Fact<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut facts = self.columns.iter().zip(self.facts);
        facts.try_for_each(|(column, fact)| put(&column.name, fact))
    }
}

impl Serialize for Group<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        self.each(|name, fact| map.serialize_entry(name, fact))?;
        map.end()
    }
}
