//! Baselines: runs that are kept to compare with, and how a run becomes one.

use crate::failure::Failure;
use crate::file::write_whole;
use crate::manifest::Manifest;
use crate::run::Run;
use miette::miette;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where a baseline is: its path in the working directory, else in the folder of the budgets' file
/// or one above it, so that `results/reference/…` is found from anywhere; where it is nowhere yet, in
/// the working directory.
pub fn place(named: &str, budgets: &Path) -> PathBuf {
    let here = PathBuf::from(named);
    if here.is_absolute() || here.exists() {
        return here;
    }
    let file = fs::canonicalize(budgets).unwrap_or_else(|_| budgets.to_owned());
    let above = file.ancestors().skip(1).map(|folder| folder.join(named));
    above.into_iter().find(|path| path.exists()).unwrap_or(here)
}

/// Opens a baseline.
pub fn open(named: &str, budgets: &Path) -> Result<Run, Failure> {
    let path = place(named, budgets);
    if !path.join("run.json").exists() {
        return Err(Failure::Request(miette!(
            help = "`cargo analyze check RUN --budgets FILE --accept` makes a run the baseline",
            "there is no baseline at {named}, neither here nor above {}",
            budgets.display()
        )));
    }
    Run::open(&path)
}

/// Makes a run the baseline: its `run.json` and its captures, in place of what was there.
///
/// Fails with [`Failure::Request`] where the run is no run folder, has noise (unless `noisy`), or
/// did not go well; with [`Failure::Environment`] where files can't be copied.
pub fn accept(run: &Run, path: &Path, noisy: bool) -> Result<(), Failure> {
    let Some(manifest) = &run.manifest else {
        return Err(refused(run, "it is a capture: a baseline needs the run's folder"));
    };
    if !noisy && let Some(boot) = manifest.boots.iter().find(|boot| !boot.exact) {
        let why = format!(
            "{} is a noisy engine, whose numbers say little on another host; `--noisy` takes it \
             nevertheless",
            boot.engine.escape_debug()
        );
        return Err(refused(run, &why));
    }
    if run.verdict().is_err() || run.cells.iter().any(|cell| cell.incomplete > 0) {
        return Err(refused(run, "not every trial of it went well"));
    }
    let same = |one: &Path, other: &Path| matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other);
    if same(&run.path, path) {
        return Err(refused(run, "it is the baseline already"));
    }
    let beside = path.with_extension(format!("{}.part", std::process::id()));
    copy(run, manifest, &beside).and_then(|()| replace(&beside, path)).inspect_err(|_| {
        // The old baseline is still there; what was copied is of no use.
        let _ = fs::remove_dir_all(&beside);
    })
}

fn refused(run: &Run, why: &str) -> Failure {
    Failure::Request(miette!("{} can't be a baseline: {why}", run.path.display()))
}

fn copy(run: &Run, manifest: &Manifest, to: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: io::Error| {
        Failure::Environment(miette!("can't copy {} to {}: {error}", path.display(), to.display()))
    };
    for boot in &manifest.boots {
        let from = run.path.join(&boot.capture);
        let bytes = fs::read(&from).map_err(|error| failed(&from, error))?;
        write_whole(&to.join(&boot.capture), &bytes)?;
    }
    let path = to.join("run.json");
    let mut json = serde_json::to_vec_pretty(&without_folders(manifest))
        .map_err(|error| failed(&path, error.into()))?;
    json.push(b'\n');
    write_whole(&path, &json)
}

/// Without the folders of whoever made the run: a baseline is for everyone.
fn without_folders(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    for argument in manifest.boots.iter_mut().flat_map(|boot| &mut boot.command) {
        let path = Path::new(&*argument);
        if let Some(name) = path.file_name().filter(|_| path.is_absolute()) {
            *argument = name.to_string_lossy().into_owned();
        }
    }
    manifest
}

/// Puts a folder in the place of another.
fn replace(fresh: &Path, path: &Path) -> Result<(), Failure> {
    let old = path.with_extension(format!("{}.old", std::process::id()));
    let swap = || -> io::Result<()> {
        if path.exists() {
            fs::rename(path, &old)?;
        }
        if let Err(error) = fs::rename(fresh, path) {
            let _ = fs::rename(&old, path);
            return Err(error);
        }
        if old.exists() { fs::remove_dir_all(&old) } else { Ok(()) }
    };
    swap().map_err(|error| {
        Failure::Environment(miette!("can't replace the baseline {}: {error}", path.display()))
    })
}
