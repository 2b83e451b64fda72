//! `report`: a run as one HTML page and its pictures.

mod axes;
mod data;
mod drawing;
mod groups;
mod headline;
mod page;
mod palette;
mod picture;
mod pictures;
mod tables;
mod timeline;
mod trials;

use crate::ground::failure::Failure;
use crate::ground::file::{make_folder, write_whole};
use crate::run::Run;
use crate::run::kept::Kept;
use askama::Template;
use data::Data;
use std::path::Path;

/// Writes `report.html`, `figures/*.svg` and `figures/*.png` into a folder: the page opens offline,
/// with everything that it needs inside; the pictures are for use elsewhere. Makes the folder where
/// it is missing.
///
/// Fails with [`Failure::Request`] where that is no folder, with [`Failure::Environment`] where a
/// file can't be written, or a capture no longer be read.
pub fn write(run: &Run, folder: &Path) -> Result<(), Failure> {
    write_watched(run, folder, &mut |_| Ok(()))
}

/// The same; `watch` is called before each picture with the number of those that are drawn.
///
/// Fails where `watch` does, with its failure.
pub fn write_watched(
    run: &Run,
    folder: &Path,
    watch: &mut dyn FnMut(usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let figures_folder = folder.join("figures");
    let page = folder.join("report.html");
    let kept = Kept::of(run);
    kept.spared_by(&page)?;
    make_folder(&figures_folder)?;
    let shown = run.with_timelines(&trials::shown(run))?;
    let pictures = pictures::of(run, &shown, pictures::MANY_PICTURES, watch)?;
    for picture in &pictures.pictures {
        let file = figures_folder.join(&picture.file);
        for (file, contents) in
            [(file.with_extension("png"), &picture.png[..]), (file, picture.svg.as_bytes())]
        {
            kept.spared_by(&file)?;
            write_whole(&file, contents)?;
        }
    }
    let data = Data::of(run, &shown);
    let json = data.json().map_err(|error| at_fault(run, &error))?;
    let html = page::Page::of(run, &pictures, &shown, &data, &json);
    let html = html.render().map_err(|error| at_fault(run, &error))?;
    write_whole(&page, html.as_bytes())
}

fn at_fault(run: &Run, error: &dyn std::error::Error) -> Failure {
    let path = run.path.display();
    Failure::internal(&format!("the report of {path} can't be written: {error}"))
}
