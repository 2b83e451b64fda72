//! A complete run that another one goes on from.

use crate::runner::folder::names_in;
use crate::runner::host::is_folder_name;
use crate::runner::run_folder::rename_in_commands;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::unwritable;
use host_analyzer::ground::manifest::{Boot, Manifest};
use host_analyzer::run::read_manifest;
use miette::miette;
use std::fs;
use std::path::{self, Path, PathBuf};

/// A run that another one goes on from.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its folder's name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// What its `run.json` says.
    pub manifest: Manifest,
    /// How often it has booted all of its scenario.
    pub boots: u32,
}

impl Past {
    /// The last complete run of a scenario under `results`, which boots all of it with so many `lines`.
    ///
    /// Fails with [`Failure::Request`] where there is none.
    pub fn last(scenario: &str, lines: usize, results: &Path) -> Result<Past, Failure> {
        let folder = results.join(scenario);
        let last = names_in(&folder).into_iter().rfind(|name| is_folder_name(name));
        let name = last.ok_or_else(|| {
            Failure::Request(miette!(
                help = "run it without `--more-boots` first",
                "there is no complete run of the scenario {scenario} in {}",
                folder.display()
            ))
        })?;
        // The commands of its boots name it as an absolute path.
        let path = path::absolute(folder.join(&name)).unwrap_or_else(|_| folder.join(&name));
        let manifest = read_manifest(&path)?;
        let boots = (manifest.boots.len() / lines.max(1)) as u32;
        Ok(Past { name, path, manifest, boots })
    }

    /// Its boots, whose captures are copied into the folder of the run that goes on from it.
    pub fn copied_to(&self, folder: &Path) -> Result<Vec<Boot>, Failure> {
        let mut manifest = self.manifest.clone();
        for boot in &manifest.boots {
            let copy = folder.join(&boot.capture);
            fs::copy(self.path.join(&boot.capture), &copy)
                .map_err(|error| unwritable(&copy, &error))?;
        }
        rename_in_commands(&mut manifest, &self.path, folder);
        Ok(manifest.boots)
    }
}
