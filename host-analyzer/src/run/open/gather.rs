//! From captures to boots and cells.

use crate::ground::failure::Failure;
use crate::ground::manifest;
use crate::ground::text::printable;
use crate::run::model::{Boot, Cell};
use crate::run::open::boot::Reader;
use crate::run::open::cells::Cells;
use crate::run::open::log;
use crate::source::capture::{self, Summary};
use miette::Report;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Gathers boot after boot.
#[derive(Default)]
pub struct Gatherer {
    boots: Vec<Boot>,
    cells: Cells,
}

impl Gatherer {
    /// Reads a capture; `listed` is the manifest's entry for it.
    ///
    /// Where it can't be read to its end, what came before is kept.
    pub fn read(&mut self, path: PathBuf, listed: Option<&manifest::Boot>) -> Result<(), Failure> {
        if let Some((boot, log)) = listed.and_then(|boot| Some((boot, boot.linux.as_ref()?))) {
            let (read, result) = log::read(self.boots.len(), path, (boot, log), &mut self.cells);
            self.boots.push(read);
            return result;
        }
        let mut reader = Reader::new(self.boots.len(), listed, &mut self.cells);
        let mut refused = None;
        let read = capture::read(&path, |frame| match reader.take(frame) {
            Ok(()) => ControlFlow::Continue(()),
            Err(report) => {
                refused = Some(report);
                ControlFlow::Break(())
            }
        });
        let refused = refused.or_else(|| reader.smp().err());
        let (summary, result) = match (read, refused) {
            (Ok(summary), None) => (summary, Ok(())),
            (Ok(summary), Some(report)) => (summary, Err(unusable(&path, report))),
            (Err(failure), _) => (Summary::default(), Err(failure)),
        };
        let unreadable = result.as_ref().err().map(|failure| format!("{:#}", failure.report()));
        self.boots.push(reader.finish(path, summary, unreadable));
        result
    }

    /// True where no cell was begun, and no boot can be read.
    pub fn has_nothing(&self) -> bool {
        self.cells.all.is_empty() && self.boots.iter().all(|boot| boot.unreadable.is_some())
    }

    /// The boots as read; the cells by engine, then by CPU count, then as they came.
    pub fn finish(mut self) -> (Vec<Boot>, Vec<Cell>) {
        let mut engines: HashMap<String, usize> = HashMap::new();
        for boot in &self.boots {
            let next = engines.len();
            engines.entry(boot.engine.clone()).or_insert(next);
        }
        let place = |cell: &Cell| (engines.get(&cell.engine).copied(), cell.smp);
        let mut cells: Vec<(usize, Cell)> = self.cells.all.into_iter().enumerate().collect();
        cells.sort_by_key(|(_, cell)| place(cell));
        let mut now = vec![0; cells.len()];
        for (new, (old, _)) in cells.iter().enumerate() {
            now[*old] = new;
        }
        for cell in self.boots.iter_mut().flat_map(|boot| &mut boot.cells) {
            cell.cell = cell.cell.map(|old| now[old]);
        }
        (self.boots, cells.into_iter().map(|(_, cell)| cell).collect())
    }
}

fn unusable(path: &Path, report: Report) -> Failure {
    let path = printable(&path.display().to_string());
    Failure::Request(report.wrap_err(format!("the capture {path} can't be used")))
}
