//! CSV: a row for each AP of each trial.

use super::exporter::Exporter;
use super::facts::{Fact, Facts};
use crate::run::{Run, WholeTrial};
use serde::{Serialize, Serializer};
use std::io::{self, Write};

/// Writes CSV.
pub struct Csv<'a> {
    facts: Facts,
    output: csv::Writer<&'a mut dyn Write>,
}

impl<'a> Csv<'a> {
    /// Begins with the header.
    pub fn begin(run: &Run, output: &'a mut dyn Write) -> io::Result<Csv<'a>> {
        let facts = Facts::of(run);
        let mut output = csv::WriterBuilder::new().has_headers(false).from_writer(output);
        let names = facts.columns().iter().map(|column| column.flat_name());
        output.write_record(names).map_err(io_error)?;
        Ok(Csv { facts, output })
    }
}

impl Exporter for Csv<'_> {
    fn trial(&mut self, trial: &WholeTrial<'_>) -> io::Result<()> {
        for (ap, queue_end) in trial.timelines.iter().zip(trial.queue_ends()) {
            let row = Row(self.facts.row(trial, ap, queue_end).map(Field));
            self.output.serialize(row).map_err(io_error)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<Vec<String>> {
        self.output.flush()?;
        Ok(Vec::new())
    }
}

/// A row, field by field.
struct Row<I>(I);

impl<'a, I: Iterator<Item = Field<'a>> + Clone> Serialize for Row<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// A fact as a field. Text that a spreadsheet would take for a formula gets an apostrophe before
/// it, which makes it text there.
struct Field<'a>(Fact<'a>);

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Fact::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => {
                serializer.collect_str(&format_args!("'{text}"))
            }
            fact => fact.serialize(serializer),
        }
    }
}

/// What the output said. The library would hide which kind of error it was.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}
