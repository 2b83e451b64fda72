//! Run folders: a complete run appears whole, and one that is not keeps what it has under a name
//! that says so.

use crate::runner::folder::names_in;
use crate::runner::host::{folder_name, is_folder_name};
use crate::runner::interrupt;
use crate::runner::progress::write_line;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::{NewFolder, unwritable, write_whole};
use host_analyzer::ground::manifest::{Ended, Manifest};
use host_analyzer::run::read_manifest;
use jiff::Timestamp;
use miette::miette;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::{Errno, retry_on_intr};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// What the name of a run in the making begins with.
const PARTIAL: &str = ".partial-";

/// The name of the runs of `cargo xtask run`, which have no scenario's file.
pub const RUN: &str = "run";

/// The link to the last complete run of a scenario.
pub const LATEST: &str = "latest";

/// The link to the last complete run of `cargo xtask run`: a quick try is not what budgets are checked against.
pub const LATEST_RUN: &str = "latest-run";

/// The link that a complete run of this scenario makes and replaces.
fn pointer(scenario: &str) -> &'static str {
    if scenario == RUN { LATEST_RUN } else { LATEST }
}

/// How long a run waits until another one of its scenario has begun, which takes a moment.
const PATIENCE: Duration = Duration::from_secs(30);

/// The name of the folder of a run that has ended.
fn named(began: &str, ended: Ended) -> String {
    match ended {
        Ended::Complete => began.to_owned(),
        Ended::Interrupted => format!("{began}-interrupted"),
        Ended::Failed => format!("{began}-failed"),
    }
}

/// A run in the making: a hidden folder beside the one that it becomes. Dropped before it got a
/// name, it is removed.
#[derive(Debug)]
pub struct RunFolder {
    results: PathBuf,
    scenario: String,
    name: String,
    folder: NewFolder,
    began: Timestamp,
    /// While it is held, nobody takes the folder for one that was left behind.
    _lock: Option<File>,
}

impl RunFolder {
    /// Begins a run of a scenario under `results`. Its name is the time, in UTC; where another
    /// run has taken it, the next second's.
    ///
    /// Runs of the scenario that a killed program has left behind get a name first.
    pub fn begin(results: &Path, scenario: &str) -> Result<RunFolder, Failure> {
        let scenario_folder = results.join(scenario);
        let failed = |error: io::Error| no_results(&scenario_folder, &error);
        fs::create_dir_all(&scenario_folder).map_err(failed)?;
        // A folder that is made and not yet locked looks like one that was left behind.
        let alone = alone(&scenario_folder)?;
        if alone.is_some() {
            name_those_left_behind(&scenario_folder);
        }
        loop {
            let began = Timestamp::now();
            let name = folder_name(began);
            let ends = [Ended::Complete, Ended::Interrupted, Ended::Failed];
            let taken = ends.iter().any(|end| scenario_folder.join(named(&name, *end)).exists());
            let made = match taken {
                true => Err(ErrorKind::AlreadyExists.into()),
                false => NewFolder::create(&scenario_folder.join(format!("{PARTIAL}{name}"))),
            };
            match made {
                Ok(folder) => {
                    fs::create_dir(folder.path().join("captures")).map_err(failed)?;
                    let _lock = locked(folder.path());
                    let (results, scenario) = (results.to_owned(), scenario.to_owned());
                    return Ok(RunFolder { results, scenario, name, folder, began, _lock });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    thread::sleep(Duration::from_millis(100));
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Where it is: until the run has ended, where to write.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where it will be when it has ended.
    pub fn final_path(&self, ended: Ended) -> PathBuf {
        self.results.join(&self.scenario).join(named(&self.name, ended))
    }

    /// How many captures have bytes: what engines have sent.
    pub fn captures(&self) -> usize {
        let captures = fs::read_dir(self.path().join("captures")).into_iter().flatten().flatten();
        let holds = |capture: &fs::DirEntry| capture.metadata().is_ok_and(|about| about.len() > 0);
        captures.filter(holds).count()
    }

    /// When it began.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// Writes `run.json`; where that fails, the one before stays.
    pub fn describe(&self, manifest: &Manifest) -> Result<(), Failure> {
        describe(self.path(), manifest)
    }

    /// The run has ended: gives it its name, and points `latest`, or `latest-run`, to it if it is complete.
    ///
    /// Where it can't get the name, it is kept under the one that it has.
    pub fn end(&mut self, ended: Ended) -> Result<(), Failure> {
        let path = self.final_path(ended);
        self.folder.keep();
        self.folder.move_to(&path).map_err(|error| no_results(&path, &error))?;
        match ended {
            Ended::Complete => self.point_latest(),
            Ended::Interrupted | Ended::Failed => Ok(()),
        }
    }

    fn point_latest(&self) -> Result<(), Failure> {
        let target = Path::new(&self.scenario).join(&self.name);
        let pointer = pointer(&self.scenario);
        let latest = self.results.join(pointer);
        // A link can't be changed, only replaced.
        let fresh = self.results.join(format!(".{pointer}-{}", std::process::id()));
        let point = || {
            // A file that was put there since the run began would be replaced, too.
            if is_no_link(&latest) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            symlink(target, &fresh)?;
            fs::rename(&fresh, &latest)
        };
        point().map_err(|error| {
            let _ = fs::remove_file(&fresh);
            Failure::Environment(miette!(
                help = format!("the run itself is complete: {}", self.path().display()),
                "can't point {} to the run: {error}",
                latest.display()
            ))
        })
    }
}

fn describe(folder: &Path, manifest: &Manifest) -> Result<(), Failure> {
    let path = folder.join("run.json");
    let mut json = serde_json::to_vec_pretty(manifest)
        .map_err(|error| no_results(&path, &io::Error::from(error)))?;
    json.push(b'\n');
    write_whole(&path, &json)
}

/// Puts the new name of a run's folder into the commands of its boots, which are for repeating.
pub fn rename_in_commands(manifest: &mut Manifest, old: &Path, new: &Path) {
    let (old, new) = (old.display().to_string(), new.display().to_string());
    for word in manifest.boots.iter_mut().flat_map(|boot| &mut boot.command) {
        *word = word.replace(&old, &new);
    }
}

/// Fails where `latest`, or `latest-run`, under `results` is something else than the link that a run of this scenario
/// makes and replaces.
pub fn latest_is_free(results: &Path, scenario: &str) -> Result<(), Failure> {
    let latest = results.join(pointer(scenario));
    match is_no_link(&latest) {
        true => Err(Failure::Request(miette!(
            help = "move it away, or name another folder: `--results DIR`",
            "{} is no link: a run that is complete makes a link of that name and replaces the one \
             before it",
            latest.display()
        ))),
        false => Ok(()),
    }
}

/// True where something else than a link is there.
fn is_no_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| !about.is_symlink())
}

/// A lock on a folder. It ends with this process, whichever way that ends.
///
/// `None` where somebody else has it, where it is no folder, and where the file system has no locks.
fn locked(folder: &Path) -> Option<File> {
    // To open a pipe would wait for its other end.
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(folder).ok()?;
    retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive)).ok()?;
    Some(file)
}

/// The lock of whoever begins a run of a scenario. `None` where somebody else has it for long, and where
/// the file system has no locks. Fails where the user interrupts.
fn alone(scenario_folder: &Path) -> Result<Option<File>, Failure> {
    let Ok(file) = File::open(scenario_folder) else { return Ok(None) };
    let began = Instant::now();
    loop {
        interrupt::check()?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::WOULDBLOCK | Errno::INTR) if began.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(_) => return Ok(None),
        }
    }
}

/// Gives a name to each run whose process was killed, so that it can be seen, and says so.
fn name_those_left_behind(scenario_folder: &Path) {
    for name in names_in(scenario_folder) {
        let partial = scenario_folder.join(&name);
        // Others have made what is called otherwise.
        let Some(name) = name.strip_prefix(PARTIAL).filter(|name| is_folder_name(name)) else {
            continue;
        };
        let kept = scenario_folder.join(named(name, Ended::Interrupted));
        // A folder whose process is at work is locked.
        let Some(_lock) = locked(&partial) else {
            continue;
        };
        if kept.exists() || fs::rename(&partial, &kept).is_err() {
            continue;
        }
        if let Ok(mut manifest) = read_manifest(&kept) {
            rename_in_commands(&mut manifest, &partial, &kept);
            // Without it the commands name the folder as it was called, which harms nothing.
            let _ = describe(&kept, &manifest);
        }
        write_line(&format!(
            "found a run that was killed: what it had captured is in {}",
            kept.display()
        ));
    }
}

/// A failure to write among the runs, with what to do.
fn no_results(path: &Path, error: &io::Error) -> Failure {
    let failure = unwritable(path, error);
    let help = "`--results DIR` puts runs elsewhere";
    Failure::Environment(miette!(help = help, "{}", failure.report()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_appears_whole_and_latest_points_to_the_last() {
        let results = tempfile::tempdir().unwrap();
        let mut first = RunFolder::begin(results.path(), "s").unwrap();
        let mut second = RunFolder::begin(results.path(), "s").unwrap();
        assert!(
            names_in(&results.path().join("s")).iter().all(|name| name.starts_with(".partial-"))
        );
        first.end(Ended::Complete).unwrap();
        second.end(Ended::Complete).unwrap();
        assert_ne!(first.path(), second.path());
        assert_eq!(
            results.path().join("latest").canonicalize().unwrap(),
            second.path().canonicalize().unwrap()
        );
        assert_eq!(names_in(results.path()), ["latest", "s"]);
        let mut tried = RunFolder::begin(results.path(), RUN).unwrap();
        tried.end(Ended::Complete).unwrap();
        let pointed = |link: &str| results.path().join(link).canonicalize().unwrap();
        assert_eq!(pointed("latest"), second.path().canonicalize().unwrap());
        assert_eq!(pointed("latest-run"), tried.path().canonicalize().unwrap());
    }

    #[test]
    fn an_abandoned_run_leaves_nothing_and_a_failed_one_says_so() {
        let results = tempfile::tempdir().unwrap();
        drop(RunFolder::begin(results.path(), "s").unwrap());
        assert!(names_in(&results.path().join("s")).is_empty());
        for (why, ending) in [(Ended::Failed, "Z-failed"), (Ended::Interrupted, "Z-interrupted")] {
            let mut run = RunFolder::begin(results.path(), "s").unwrap();
            run.end(why).unwrap();
            assert!(run.path().to_str().unwrap().ends_with(ending));
            assert!(run.path().join("captures").is_dir());
        }
        assert!(!results.path().join("latest").exists());
    }

    #[test]
    fn what_others_have_left_beside_the_runs_is_left_alone() {
        let results = tempfile::tempdir().unwrap();
        let place = results.path().join("s");
        fs::create_dir_all(place.join(".partial-mine")).unwrap();
        fs::create_dir(place.join(".partial-2020")).unwrap();
        fs::write(place.join(".partial-2020-01-01T00-00-00Z"), "").unwrap();
        let pipe = place.join(".partial-2020-01-01T00-00-01Z").display().to_string();
        crate::runner::process::said("mkfifo", &[&pipe]).unwrap();
        fs::create_dir(place.join("elsewhere")).unwrap();
        symlink("elsewhere", place.join(".partial-2020-01-01T00-00-02Z")).unwrap();
        let before = names_in(&place);
        fs::create_dir(place.join(".partial-2020-01-01T00-00-03Z")).unwrap();
        drop(RunFolder::begin(results.path(), "s").unwrap());
        let mut after = before;
        after.push("2020-01-01T00-00-03Z-interrupted".to_owned());
        after.sort();
        assert_eq!(names_in(&place), after);
    }

    #[test]
    fn what_cannot_get_its_name_is_not_removed() {
        let results = tempfile::tempdir().unwrap();
        let mut run = RunFolder::begin(results.path(), "s").unwrap();
        fs::create_dir(run.final_path(Ended::Complete)).unwrap();
        run.end(Ended::Complete).unwrap_err();
        let path = run.path().to_owned();
        drop(run);
        assert!(path.join("captures").is_dir());
    }
}
