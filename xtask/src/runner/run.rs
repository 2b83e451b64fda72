//! Runs: every boot of a scenario, gathered in one folder.

use crate::kernel::{self, Kernel};
use crate::root;
use crate::runner::boot::{Order, Place, boot};
use crate::runner::host::{self, host, rfc3339};
use crate::runner::profile::Profile;
use crate::runner::progress::{self, Lines, Progress, work};
use crate::runner::run_folder::{RunFolder, latest_is_free, rename_in_commands};
use crate::runner::scenario::{CommandLine, Group, Scenario};
use crate::runner::{interrupt, probe, spinning};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest::{self, Ended, Manifest, SCHEMA};
use host_analyzer::ground::text::counted;
use host_analyzer::run::Run;
use miette::miette;
use std::path::{self, Path, PathBuf};

/// While a run has fewer boots than this, `run.json` is written after each.
const EACH: usize = 64;

/// Boots all of a scenario, and gives the run with its folder under `results`.
///
/// The report is in the folder before the run appears under its name. Fails
/// with [`Failure::Environment`] if anything goes wrong, and with [`Failure::Request`] if the
/// kernel refuses its options; what was measured until then is kept, and the message says where.
pub fn execute(scenario: &Scenario, results: &Path, lines: Lines) -> Result<Run, Failure> {
    // There are as many runs as scenarios.
    together(&[scenario], results, lines, &progress::report).map(|mut runs| runs.swap_remove(0))
}

/// What is made of a run before it appears; it gets the run, with the path that it is going to
/// have, and the folder that it is in until then.
pub type Finish<'f> = &'f dyn Fn(&Run, &Path) -> Result<(), Failure>;

/// Boots all of several scenarios, their boots in turn, and gives a run of each, in their order.
///
/// Fails as [`execute`] does, with the first that goes wrong; what was measured of the other runs
/// is then kept as well.
pub fn together(
    scenarios: &[&Scenario],
    results: &Path,
    lines: Lines,
    finish: Finish<'_>,
) -> Result<Vec<Run>, Failure> {
    latest_is_free(results)?;
    let mut groups = scenarios.iter().flat_map(|scenario| &scenario.groups);
    let kernel = match groups.any(|group| group.engine.boots_kernel()) {
        true => Some(kernel::build(root(), &kernel::target_folder(root()))?),
        false => None,
    };
    for scenario in scenarios {
        probe::engines(scenario, kernel.as_ref())?;
    }
    // A shell's working directory means nothing to an engine.
    let results = path::absolute(results).unwrap_or_else(|_| results.to_owned());
    let mut runs = Vec::new();
    for scenario in scenarios {
        runs.push(Unfinished::begin(scenario, &results, kernel.as_ref())?);
    }
    let begun = runs.iter_mut().try_for_each(Unfinished::describe);
    let booted = begun.and_then(|()| boots(scenarios, &mut runs, kernel.as_ref(), lines));
    let complete = booted.and_then(|()| runs.iter_mut().map(|run| run.complete(finish)).collect());
    complete.map_err(|failure| given_up(failure, &mut runs))
}

/// Boots everything; stops at the first that goes wrong.
fn boots(
    scenarios: &[&Scenario],
    runs: &mut [Unfinished<'_>],
    kernel: Option<&Kernel>,
    lines: Lines,
) -> Result<(), Failure> {
    let turns = turns(scenarios);
    let work = turns.iter().map(|turn| work(&turn.line.words, turn.group.smp)).sum();
    let mut progress = Progress::begin(lines, work);
    for skipped in scenarios.iter().flat_map(|scenario| &scenario.skipped) {
        progress.note(&format!("skipped: {}: {}", skipped.cell, skipped.refusal));
    }
    for unused in scenarios.iter().flat_map(|scenario| &scenario.unused) {
        progress.note(&format!("warning: {unused}"));
    }
    for slow in scenarios.iter().flat_map(|scenario| spinning::warnings(scenario)) {
        progress.note(&format!("warning: {slow}"));
    }
    turns.iter().try_for_each(|turn| runs[turn.run].boot(turn, kernel, &mut progress))
}

/// Ends the runs that are not complete; the same failure, with what became of them.
fn given_up(failure: Failure, runs: &mut [Unfinished<'_>]) -> Failure {
    let report = failure.report();
    let mut text = report.to_string();
    let mut help: Vec<String> = report.help().iter().map(|help| help.to_string()).collect();
    for run in runs.iter_mut().filter(|run| !run.over) {
        let partial = run.folder.path().display().to_string();
        let (what, now) = run.give_up();
        help.push(what);
        text = text.replace(&partial, &now.display().to_string());
    }
    let report = miette!(help = help.join("\n"), "{text}");
    match failure {
        Failure::Request(_) => Failure::Request(report),
        Failure::Verdict(_) => Failure::Verdict(report),
        Failure::Environment(_) => Failure::Environment(report),
        Failure::Internal(_) => Failure::Internal(report),
    }
}

/// One boot among those of all scenarios.
struct Turn<'s> {
    /// Whose it is: an index of the scenarios.
    run: usize,
    group: &'s Group,
    /// Which boot of its group: 1, 2, …
    number: u32,
    line: &'s CommandLine,
}

/// Every boot, in the order in which they run: all of a repetition before the next one, and in it
/// one CPU count after the other, whose engines take turns. So what the host does in the meantime
/// hits all engines alike.
fn turns<'s>(scenarios: &[&'s Scenario]) -> Vec<Turn<'s>> {
    let groups = || {
        let of = |(run, scenario): (usize, &&'s Scenario)| {
            let scenario: &'s Scenario = scenario;
            scenario.groups.iter().map(move |group| (run, scenario, group))
        };
        scenarios.iter().enumerate().flat_map(of)
    };
    let mut counts: Vec<u16> = Vec::new();
    for (.., group) in groups() {
        if !counts.contains(&group.smp) {
            counts.push(group.smp);
        }
    }
    let most = scenarios.iter().map(|scenario| scenario.boots).max().unwrap_or(0);
    let lines = groups().map(|(.., group)| group.command_lines.len()).max().unwrap_or(0);
    let mut turns = Vec::new();
    for repetition in 0..most {
        for smp in &counts {
            for line in 0..lines {
                let due = groups().filter(|(_, scenario, group)| {
                    group.smp == *smp && repetition < scenario.boots
                });
                turns.extend(due.filter_map(|(run, _, group)| {
                    let number = repetition * group.command_lines.len() as u32 + line as u32 + 1;
                    let line = group.command_lines.get(line)?;
                    Some(Turn { run, group, number, line })
                }));
            }
        }
    }
    turns
}

/// A run that is not over. Dropped before it is, it is given up.
struct Unfinished<'s> {
    scenario: &'s Scenario,
    folder: RunFolder,
    manifest: Manifest,
    /// Boots that there are to be.
    due: usize,
    /// Boots that ended well.
    whole: usize,
    /// What the run lacks where all of its boots ended well.
    gaps: usize,
    /// The captures of the boots that ended well.
    places: Vec<Place>,
    /// Boots that `run.json` lists.
    listed: usize,
    /// The name of the folder in the commands of the boots.
    named: PathBuf,
    /// True where it is complete or given up.
    over: bool,
}

impl<'s> Unfinished<'s> {
    fn begin(
        scenario: &'s Scenario,
        results: &Path,
        kernel: Option<&Kernel>,
    ) -> Result<Unfinished<'s>, Failure> {
        let folder = RunFolder::begin(results, &scenario.name)?;
        let mut engines: Vec<manifest::Engine> = Vec::new();
        for own in scenario.groups.iter().filter_map(|group| group.engine.definition()) {
            if !engines.contains(own) {
                engines.push(own.clone());
            }
        }
        let due = scenario.groups.iter().map(|group| boots_of(scenario, group)).sum();
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
            boots: Vec::new(),
        };
        let named = folder.path().to_owned();
        Ok(Unfinished {
            scenario,
            folder,
            manifest,
            due,
            whole: 0,
            gaps: 0,
            places: Vec::new(),
            listed: 0,
            named,
            over: false,
        })
    }

    /// Boots once, and lists the boot in `run.json`.
    ///
    /// Fails with what went wrong with the boot; what it has sent is listed then, too.
    fn boot(
        &mut self,
        turn: &Turn<'_>,
        kernel: Option<&Kernel>,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        interrupt::check()?;
        let Turn { group, number, line, .. } = turn;
        let order = Order {
            engine: &*group.engine,
            kernel: kernel.map(|kernel| kernel.path.as_path()),
            smp: group.smp,
            number: *number,
            command_line: &line.words,
            profiles: &line.profiles,
            folder: self.folder.path(),
            limit: self.scenario.boot_limit,
        };
        let of = match boots_of(self.scenario, group) {
            1 => String::new(),
            boots => format!(", boot {number} of {boots}"),
        };
        progress.boot(format!(
            "{} with {}{of}",
            group.engine.name(),
            counted(group.smp.into(), "CPU")
        ));
        let outcome = boot(&order, |frame| progress.frame(frame))?;
        progress.boot_over(outcome.record.seconds);
        let capture = self.folder.path().join(&outcome.record.capture);
        // A boot that the user has ended before it sent anything says nothing.
        if !interrupt::requested() || capture.metadata().is_ok_and(|about| about.len() > 0) {
            self.manifest.boots.push(outcome.record);
        }
        if let Some(failure) = outcome.failure {
            return Err(failure);
        }
        self.whole += 1;
        self.places.extend(outcome.place);
        // Of very many boots not after each: that would be more and more work. Whatever ends the
        // run but the death of this process itself lists all.
        if self.manifest.boots.len() - self.listed > self.manifest.boots.len() / EACH {
            self.describe()?;
        }
        Ok(())
    }

    /// Writes what there is to tell of it.
    fn describe(&mut self) -> Result<(), Failure> {
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

    fn complete(&mut self, finish: Finish<'_>) -> Result<Run, Failure> {
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

    /// Ends a run that is not complete. What was captured stays, under a name that says why. Gives
    /// what became of it, for the user, and the path for messages about it.
    fn give_up(&mut self) -> (String, PathBuf) {
        self.over = true;
        if self.manifest.boots.is_empty() && !self.folder.holds_captures() {
            let nothing = "nothing was captured, so nothing is kept".to_owned();
            return (nothing, self.folder.final_path(Ended::Complete));
        }
        let why = if interrupt::requested() { Ended::Interrupted } else { Ended::Failed };
        self.manifest.ended = why;
        // Where there is no room for it, the last one that there was room for stays.
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

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // A panic's way out: there is nobody to tell, and the name says it.
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

/// Boots that a group is to have.
fn boots_of(scenario: &Scenario, group: &Group) -> usize {
    scenario.boots as usize * group.command_lines.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::profile::Profiles;
    use std::{fs, thread};

    fn scenario(text: &str) -> Scenario {
        let path = root().join("scenarios/s.toml");
        let profiles = Profiles::beside(&path, &root().join("scenarios"));
        Scenario::parse("s", &path, text, &profiles).unwrap()
    }

    /// Each boot as scenario, engine, CPU count and number.
    fn told(scenarios: &[&Scenario]) -> Vec<String> {
        let told = |turn: Turn<'_>| {
            let Turn { run, group, number, .. } = turn;
            format!("{run} {}-{}-{number}", group.engine.name(), group.smp)
        };
        turns(scenarios).into_iter().map(told).collect()
    }

    #[test]
    fn engines_take_turns_within_a_cpu_count_and_that_within_a_repetition() {
        let two = scenario("engine = [\"tcg\", \"sim\"]\ncpus = [4, 2]\nboots = 2\n");
        let once = ["0 tcg-4-1", "0 sim-4-1", "0 tcg-2-1", "0 sim-2-1"];
        let again = ["0 tcg-4-2", "0 sim-4-2", "0 tcg-2-2", "0 sim-2-2"];
        assert_eq!(told(&[&two]), [once, again].concat());
    }

    #[test]
    fn scenarios_take_turns_until_each_has_its_boots() {
        let (more, fewer) = ("engine = \"sim\"\ncpus = 2\nboots = 3", "engine = \"sim\"\ncpus = 2");
        assert_eq!(
            told(&[&scenario(more), &scenario(fewer)]),
            ["0 sim-2-1", "1 sim-2-1", "0 sim-2-2", "0 sim-2-3"]
        );
    }

    #[test]
    fn a_panic_takes_no_boot_along() {
        let results = tempfile::tempdir().unwrap();
        let once = scenario("engine = \"sim\"\ncpus = 2\n");
        let panics = || {
            together(&[&once], results.path(), Lines::None, &|_, _| panic!("at the report"))
                .map(drop)
        };
        assert!(thread::scope(|scope| scope.spawn(panics).join()).is_err());
        let kept = fs::read_dir(results.path().join("s")).unwrap().next().unwrap().unwrap().path();
        assert!(kept.to_str().unwrap().ends_with("Z-failed"), "{}", kept.display());
        assert_eq!(Run::open(&kept).unwrap().boots.len(), 1);
    }

    #[test]
    fn a_folder_that_is_taken_away_is_no_wrong_request() {
        let once = scenario("engine = \"sim\"\ncpus = 2\n");
        for name in ["run.json", "captures"] {
            let results = tempfile::tempdir().unwrap();
            let taken = |_: &Run, folder: &Path| {
                fs::rename(folder.join(name), results.path().join("taken")).unwrap();
                Ok(())
            };
            let runs = together(&[&once], results.path(), Lines::None, &taken);
            let failure = runs.unwrap_err();
            let report = failure.report();
            assert!(matches!(failure, Failure::Environment(_)), "{name}: {report:?}");
        }
    }

    #[test]
    fn a_matrix_of_several_command_lines_is_booted_whole_before_it_is_repeated() {
        let windows: Vec<String> = (1..=300).map(|n| format!("\"{n}us\"")).collect();
        let text = format!(
            "engine = [\"icount\", \"sim\"]\ncpus = 2\nboots = 2\n[options]\ntsc-window = [{}]\n",
            windows.join(", ")
        );
        let scenario = scenario(&text);
        let lines: Vec<usize> =
            scenario.groups.iter().map(|group| group.command_lines.len()).collect();
        assert!(lines[0] > 1 && lines[1] == 1, "{lines:?}");
        let mut expected = Vec::new();
        for repetition in 0..2 {
            for line in 1..=lines[0] {
                expected.push(format!("0 icount-2-{}", repetition * lines[0] + line));
                if line == 1 {
                    expected.push(format!("0 sim-2-{}", repetition + 1));
                }
            }
        }
        assert_eq!(told(&[&scenario]), expected);
    }
}
