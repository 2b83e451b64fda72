//! Opens a run: reads its manifest, then its captures one by one.

mod boot;
mod cells;
mod folder;
mod gaps;
mod gather;
mod log;
mod whole_trial;

use crate::ground::failure::Failure;
use crate::run::model::Run;
pub use folder::read_manifest;
use folder::unlisted;
use gather::Gatherer;
use miette::{Report, miette};
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

impl Run {
    /// Opens a run folder (or the link `results/latest` to one), or a bare capture.
    ///
    /// A capture of a run folder that can't be read is a gap ([`Run::gaps`]), as long as another one can.
    ///
    /// Fails with [`Failure::Request`] where there is no such run, or none of its captures is there, is a
    /// capture and has options that this version can read; with [`Failure::Environment`] where a file
    /// can't be read.
    pub fn open(path: &Path) -> Result<Run, Failure> {
        let about = fs::metadata(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::Request(no_run(path)),
            _ => Failure::Environment(miette!(
                help = "look at its permissions",
                "can't read {}: {error}",
                path.display()
            )),
        })?;
        // A pipe would be waited for, a device has no end.
        if !about.is_dir() && !about.is_file() {
            return Err(Failure::Request(miette!(
                help = "name a run's folder or one of its captures",
                "{} is neither a folder nor a regular file",
                path.display()
            )));
        }
        let manifest = if about.is_dir() { Some(read_manifest(path)?) } else { None };
        let mut gatherer = Gatherer::default();
        match &manifest {
            Some(manifest) => {
                let mut first = Ok(());
                for boot in &manifest.boots {
                    first = first.and(gatherer.read(path.join(&boot.capture), Some(boot)));
                }
                if gatherer.has_nothing() {
                    first?;
                }
            }
            None => gatherer.read(path.to_owned(), None)?,
        }
        let (boots, mut cells) = gatherer.finish();
        for cell in &mut cells {
            let mut profiles = manifest.iter().flat_map(|manifest| &manifest.profiles);
            let its = profiles.find(|profile| cell.profile.as_ref() == Some(&profile.name));
            cell.profile_khz = its.map(|profile| profile.tsc_khz);
        }
        let unlisted = manifest.iter().flat_map(|manifest| unlisted(path, manifest)).collect();
        let mut kinds = HashMap::new();
        for (index, cell) in cells.iter().enumerate() {
            kinds.entry(cell.kind(cell.options.clone())).or_insert(index);
        }
        let path = path.to_owned();
        let mut run = Run { path, manifest, boots, cells, gaps: Vec::new(), unlisted, kinds };
        run.gaps = gaps::of(&run);
        Ok(run)
    }
}

fn no_run(path: &Path) -> Report {
    miette!(
        help = "`cargo xtask matrix` makes a run and points results/latest to it; or name a run \
                folder or a capture",
        "there is no run at {}",
        path.display()
    )
}
