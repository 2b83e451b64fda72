//! A run whose boots are under way: its folder, its `run.json`, and its end.

use crate::runner::boot::{Outcome, Place};
use crate::runner::host::{self, host, rfc3339};
use crate::runner::interrupt;
use crate::runner::kernel::Kernel;
use crate::runner::profile::Profile;
use crate::runner::run_folder::{RunFolder, rename_in_commands};
use crate::runner::scenario::Scenario;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest::{self, Ended, Manifest, SCHEMA};
use host_analyzer::ground::text::counted;
use host_analyzer::run::Run;
use miette::miette;
use std::path::{Path, PathBuf};

/// While a run has fewer boots than this, `run.json` is written after each.
const EACH: usize = 64;

/// A run that is not over. Dropped before it is, it is given up.
pub struct Unfinished {
    folder: RunFolder,
    manifest: Manifest,
    /// Boots that there are to be.
    due: usize,
    /// Boots that ended well.
    whole: usize,
    /// Gaps of a run whose boots all ended well.
    gaps: usize,
    /// The captures of the boots that ended well.
    places: Vec<Place>,
    /// The places of the boots that were taken, in order.
    order: Vec<usize>,
    /// Boots of the run that this one goes on from; they stand before the others.
    before: usize,
    /// Boots that `run.json` lists.
    listed: usize,
    /// The name of the folder in the commands of the boots.
    named: PathBuf,
    /// True where it is complete or given up.
    over: bool,
}

/// What is made of a run before it appears; it gets the run, with the path that it is going to
/// have, and the folder that it is in until then.
pub type Finish<'f> = &'f dyn Fn(&Run, &Path) -> Result<(), Failure>;

impl Unfinished {
    /// Makes the run's folder under `results`.
    pub fn begin(
        scenario: &Scenario,
        results: &Path,
        kernel: Option<&Kernel>,
    ) -> Result<Unfinished, Failure> {
        let folder = RunFolder::begin(results, &scenario.name)?;
        let mut engines: Vec<manifest::Engine> = Vec::new();
        for own in scenario.groups.iter().filter_map(|group| group.engine.definition()) {
            if !engines.contains(own) {
                engines.push(own.clone());
            }
        }
        let mut boots = Vec::new();
        if let Some(past) = &scenario.past {
            boots = past.copied_to(folder.path())?;
        }
        let before = boots.len();
        let new: usize = scenario.groups.iter().map(|group| scenario.boots_of(group)).sum();
        let due = before + new;
        let manifest = Manifest {
            schema: SCHEMA,
            scenario: scenario.name.clone(),
            scenario_text: scenario.text.clone(),
            command: scenario.command.clone(),
            started: rfc3339(folder.began()),
            // Until it has ended otherwise: so says what is left where this process is killed.
            ended: Ended::Interrupted,
            baseline: false,
            kernel: kernel.map(|kernel| kernel.described.clone()),
            host: host(),
            profiles: scenario.profiles.iter().map(Profile::described).collect(),
            engines,
            planned_boots: Some(due),
            continues: scenario.past.as_ref().map(|past| past.name.clone()),
            boots,
        };
        let named = folder.path().to_owned();
        Ok(Unfinished {
            folder,
            manifest,
            due,
            whole: before,
            gaps: 0,
            places: Vec::new(),
            order: Vec::new(),
            before,
            listed: 0,
            named,
            over: false,
        })
    }

    /// True where it is complete or given up.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Lists a boot in `run.json`, which is the one of that place among all of the run.
    ///
    /// Fails with what went wrong with the boot; what it has sent is listed then, too.
    pub fn take(&mut self, place: usize, outcome: Outcome) -> Result<(), Failure> {
        let capture = self.folder.path().join(&outcome.record.capture);
        // A boot that the user has ended before it sent anything says nothing.
        if !interrupt::requested() || capture.metadata().is_ok_and(|about| about.len() > 0) {
            // Boots side by side end in any order.
            let behind = self.order.partition_point(|before| *before < place);
            self.order.insert(behind, place);
            self.manifest.boots.insert(self.before + behind, outcome.record);
        }
        if let Some(failure) = outcome.failure {
            return Err(failure);
        }
        self.whole += 1;
        self.places.extend(outcome.place);
        // Not after each of very many boots: the file grows with them. Every end of the run, except
        // the death of this process, lists all of them.
        if self.manifest.boots.len() - self.listed > self.manifest.boots.len() / EACH {
            self.describe()?;
        }
        Ok(())
    }

    /// Writes `run.json` with what there is so far.
    pub fn describe(&mut self) -> Result<(), Failure> {
        if let (Some(load), Some(now)) = (&mut self.manifest.host.load, host::load()) {
            load.end = now;
        }
        if self.whole == self.due && self.gaps == 0 {
            self.manifest.ended = Ended::Complete;
        }
        self.folder.describe(&self.manifest).map_err(own)?;
        self.listed = self.manifest.boots.len();
        Ok(())
    }

    /// The same, by the name that the folder is going to have.
    fn describe_as(&mut self, name: PathBuf) -> Result<(), Failure> {
        rename_in_commands(&mut self.manifest, &self.named, &name);
        self.named = name;
        self.describe()
    }

    /// Ends the run whole: checks that it holds what its scenario asks for, and gives it its name.
    pub fn complete(&mut self, finish: Finish<'_>) -> Result<Run, Failure> {
        interrupt::check()?;
        let mut changed = self.places.iter().filter_map(|place| place.check().err());
        if let Some(first) = changed.next() {
            self.whole -= 1 + changed.count();
            return Err(first);
        }
        let path = self.folder.final_path(Ended::Complete);
        self.describe_as(path.clone())?;
        let mut run = Run::open(self.folder.path()).map_err(own)?;
        if let [first, more @ ..] = &run.gaps[..] {
            self.gaps = run.gaps.len();
            let more = match more.len() {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            let part = run.name(first.part, &[]);
            return Err(Failure::Environment(miette!(
                help = "the engine did not run what it was asked to, or bytes of the serial port \
                        were lost on the way",
                "the run does not hold what its scenario asks for: {part}: {}{more}",
                first.what
            )));
        }
        run.path = path;
        finish(&run, self.folder.path()).map_err(own)?;
        let completed = self.folder.end(Ended::Complete);
        self.over = self.folder.path() == run.path;
        completed?;
        Run::open(self.folder.path()).map_err(own)
    }

    /// Ends a run that is not complete. What was captured stays, under a name that says why. Returns
    /// the state of the run, for the user, and its path.
    pub fn give_up(&mut self) -> (String, PathBuf) {
        self.over = true;
        if self.manifest.boots.len() == self.before && self.folder.captures() <= self.before {
            let nothing = "nothing was captured, so nothing is kept".to_owned();
            return (nothing, self.folder.final_path(Ended::Complete));
        }
        let why = if interrupt::requested() { Ended::Interrupted } else { Ended::Failed };
        self.manifest.ended = why;
        // If there is no room for it, the last `run.json` stays.
        let described = self.describe_as(self.folder.final_path(why));
        let moved = self.folder.end(why);
        let path = self.folder.path().display();
        let whole = match (self.whole, self.due) {
            _ if self.gaps > 0 => format!("the run has {}", counted(self.gaps as u64, "gap")),
            (1, 1) => "the boot is whole".to_owned(),
            (whole, due) if whole == due => format!("all {due} boots are whole"),
            (1, due) => format!("1 of {due} boots is whole"),
            (0, 1) => "the boot is not whole".to_owned(),
            (whole, due) => format!("{whole} of {due} boots are whole"),
        };
        let listed = self.listed;
        let kept = match described {
            Err(_) => format!("all that was captured is in {path}, whose run.json lists {listed}"),
            Ok(()) if self.whole == self.due && self.gaps == 0 => {
                format!("only the report is missing: `cargo analyze report {path}` writes it")
            }
            Ok(()) => {
                format!("what was captured is in {path}: `cargo analyze show {path}` reads it")
            }
        };
        let unnamed = moved.err().map_or_else(String::new, |failure| {
            format!("; the folder can't get another name: {}", failure.report())
        });
        (format!("{whole}; {kept}{unnamed}"), self.folder.path().to_owned())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // A panic's way out: nobody reads the report, and the name says it.
        if !self.over {
            let _ = self.give_up();
        }
    }
}

/// A failure with the folder of this run, which nobody has asked for by name: it is no wrong
/// request where something takes it away, or changes it, while the run is at work.
fn own(failure: Failure) -> Failure {
    match failure {
        Failure::Request(report) => Failure::Environment(miette!(
            help = "the folder is this run's own: find what removes or changes it while the run is at \
                    work, and run again",
            "{report}"
        )),
        failure => failure,
    }
}
