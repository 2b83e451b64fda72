//! Run folders: they appear whole or not at all.

use crate::host::folder_name;
use host_analyzer::failure::Failure;
use host_analyzer::file::{NewFolder, write_whole};
use host_analyzer::manifest::Manifest;
use jiff::Timestamp;
use miette::miette;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// A run in the making: a hidden folder beside the one that it becomes. Dropping it removes it.
#[derive(Debug)]
pub struct RunFolder {
    results: PathBuf,
    scenario: String,
    name: String,
    partial: NewFolder,
    began: Timestamp,
}

impl RunFolder {
    /// Begins a run of a scenario under `results`. Its name is the time, in UTC; where another
    /// run has taken it, the next second's.
    pub fn begin(results: &Path, scenario: &str) -> Result<RunFolder, Failure> {
        let scenario_folder = results.join(scenario);
        let failed = |error: io::Error| unwritable(&scenario_folder, &error);
        fs::create_dir_all(&scenario_folder).map_err(failed)?;
        loop {
            let began = Timestamp::now();
            let name = folder_name(began);
            let partial = scenario_folder.join(format!(".partial-{name}"));
            let taken = [name.clone(), failed_name(&name)]
                .iter()
                .any(|name| scenario_folder.join(name).exists());
            let made = match taken {
                true => Err(ErrorKind::AlreadyExists.into()),
                false => NewFolder::create(&partial),
            };
            match made {
                Ok(partial) => {
                    let results = results.to_owned();
                    let scenario = scenario.to_owned();
                    let run = RunFolder { results, scenario, name, partial, began };
                    fs::create_dir(run.path().join("captures")).map_err(failed)?;
                    return Ok(run);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    thread::sleep(Duration::from_millis(100));
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Where to write until the run is complete and gets its name.
    pub fn path(&self) -> &Path {
        self.partial.path()
    }

    /// Where it will be when it is complete.
    pub fn complete_path(&self) -> PathBuf {
        self.results.join(&self.scenario).join(&self.name)
    }

    /// When it began.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// Writes `run.json`.
    pub fn describe(&self, manifest: &Manifest) -> Result<(), Failure> {
        let path = self.path().join("run.json");
        let mut json = serde_json::to_vec_pretty(manifest)
            .map_err(|error| unwritable(&path, &io::Error::from(error)))?;
        json.push(b'\n');
        write_whole(&path, &json)
    }

    /// The run is complete: gives it its name, points `latest` to it, returns its path.
    pub fn complete(self) -> Result<PathBuf, Failure> {
        let target = Path::new(&self.scenario).join(&self.name);
        let latest = self.results.join("latest");
        // A link can't be changed, only replaced.
        let fresh = self.results.join(format!(".latest-{}", std::process::id()));
        let path = self.complete_path();
        let path = self.move_to(path)?;
        std::os::unix::fs::symlink(target, &fresh)
            .and_then(|()| fs::rename(&fresh, &latest))
            .map_err(|error| {
                let _ = fs::remove_file(&fresh);
                Failure::Environment(miette!(
                    help = format!("the run itself is complete: {}", path.display()),
                    "can't point {} to the run: {error}",
                    latest.display()
                ))
            })?;
        Ok(path)
    }

    /// The run failed: keeps what there is under a name that says so, returns its path.
    pub fn keep_failed(self) -> Result<PathBuf, Failure> {
        let path = self.results.join(&self.scenario).join(failed_name(&self.name));
        self.move_to(path)
    }

    fn move_to(self, path: PathBuf) -> Result<PathBuf, Failure> {
        self.partial.move_to(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(path)
    }
}

fn failed_name(name: &str) -> String {
    format!("{name}-failed")
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::Environment(miette!(
        help = "`--results DIR` puts runs elsewhere",
        "can't write {}: {error}",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_run_appears_whole_and_latest_points_to_the_last() {
        let results = tempfile::tempdir().unwrap();
        let first = RunFolder::begin(results.path(), "s").unwrap();
        let second = RunFolder::begin(results.path(), "s").unwrap();
        assert!(
            entries(&results.path().join("s")).iter().all(|name| name.starts_with(".partial-"))
        );
        let first = first.complete().unwrap();
        let second = second.complete().unwrap();
        assert_ne!(first, second);
        assert_eq!(
            results.path().join("latest").canonicalize().unwrap(),
            second.canonicalize().unwrap()
        );
        assert_eq!(entries(results.path()), ["latest", "s"]);
    }

    #[test]
    fn an_abandoned_run_leaves_nothing_and_a_failed_one_says_so() {
        let results = tempfile::tempdir().unwrap();
        drop(RunFolder::begin(results.path(), "s").unwrap());
        assert!(entries(&results.path().join("s")).is_empty());
        let failed = RunFolder::begin(results.path(), "s").unwrap().keep_failed().unwrap();
        assert!(failed.to_str().unwrap().ends_with("Z-failed"));
        assert!(failed.join("captures").is_dir());
        assert!(!results.path().join("latest").exists());
    }
}
