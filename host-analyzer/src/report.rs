//! `report`: a run as one HTML page and its figures.

mod figure;
mod page;
mod pictures;

use crate::failure::Failure;
use crate::file::write_whole;
use crate::run::Run;
use askama::Template;
use miette::miette;
use std::path::Path;

/// Writes `report.html` and `figures/*.svg` into a folder: the page opens offline, with the
/// figures in it; the files are for use elsewhere.
///
/// Fails with [`Failure::Environment`] where a file can't be written, or a capture no longer be
/// read.
pub fn write(run: &Run, folder: &Path) -> Result<(), Failure> {
    let figures = pictures::of(run)?;
    for figure in &figures {
        write_whole(&folder.join("figures").join(&figure.file), figure.svg.as_bytes())?;
    }
    let page = page::Page::of(run, &figures);
    let html = page.render().map_err(|error| {
        Failure::Environment(miette!(
            help = "this is a fault of the analyzer; please tell its authors",
            "the report of {} can't be written: {error}",
            run.path.display()
        ))
    })?;
    write_whole(&folder.join("report.html"), html.as_bytes())
}
