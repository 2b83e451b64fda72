//! Files that no output may replace.

use crate::ground::failure::Failure;
use crate::run::model::Run;
use miette::miette;
use std::fs;
use std::path::{Path, PathBuf};

/// Files that no output may replace, each with the reason.
#[derive(Debug)]
pub struct Kept(Vec<(PathBuf, &'static str)>);

impl Kept {
    /// The captures of a run, and its `run.json`.
    pub fn of(run: &Run) -> Kept {
        let captures = run.boots.iter().map(|boot| boot.capture.clone());
        let manifest = run.manifest.as_ref().map(|_| run.path.join("run.json"));
        let files = captures.chain(manifest).map(|file| (file, "is part of the run"));
        Kept(files.collect())
    }

    /// Another one.
    pub fn add(&mut self, file: PathBuf, what: &'static str) {
        self.0.push((file, what));
    }

    /// `Ok` where an output is none of them, else a [`Failure::Request`]. Paths are compared with links resolved.
    pub fn spared_by(&self, output: &Path) -> Result<(), Failure> {
        let place = place(output);
        match self.0.iter().find(|(file, _)| self::place(file) == place) {
            None => Ok(()),
            Some((_, what)) => Err(Failure::Request(miette!(
                help = "choose another file",
                "{} {what}, and stays as it is",
                output.display()
            ))),
        }
    }
}

/// One path for each file, links resolved; a file that is missing lies in its folder nevertheless.
fn place(path: &Path) -> PathBuf {
    let missing = || {
        let path = std::path::absolute(path).ok()?;
        Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?))
    };
    fs::canonicalize(path).ok().or_else(missing).unwrap_or_else(|| path.to_owned())
}
