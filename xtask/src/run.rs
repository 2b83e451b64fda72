//! Runs: every boot of a scenario, gathered in one folder.

use crate::boot::{Order, boot};
use crate::host::{self, host, rfc3339};
use crate::kernel::{self, Kernel};
use crate::profile::Profile;
use crate::progress::{self, Lines, Progress, work};
use crate::run_folder::RunFolder;
use crate::scenario::{CommandLine, Group, Scenario};
use crate::{probe, root, spinning};
use host_analyzer::counted;
use host_analyzer::failure::Failure;
use host_analyzer::manifest::{self, Manifest, SCHEMA};
use host_analyzer::run::Run;
use miette::{Report, miette};
use std::path::{self, Path};

/// Boots all of a scenario, and gives the run with its folder under `results`.
///
/// The report is in the folder before the run appears under its name. Fails
/// with [`Failure::Environment`] if anything goes wrong, and with [`Failure::Request`] if the
/// kernel refuses its options; what a failed boot has sent is kept, and the message says where.
pub fn execute(scenario: &Scenario, results: &Path, lines: Lines) -> Result<Run, Failure> {
    // There are as many runs as scenarios.
    together(&[scenario], results, lines, &progress::report).map(|mut runs| runs.swap_remove(0))
}

/// What is made of a run before it appears; it gets the run and its folder.
pub type Finish<'f> = &'f dyn Fn(&Run, &Path) -> Result<(), Failure>;

/// Boots all of several scenarios, their boots in turn, and gives a run of each, in their order.
///
/// Fails as [`execute`] does, with the first boot that goes wrong; the other runs are then given
/// up.
pub fn together(
    scenarios: &[&Scenario],
    results: &Path,
    lines: Lines,
    finish: Finish<'_>,
) -> Result<Vec<Run>, Failure> {
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
    let runs = scenarios.iter().map(|one| Unfinished::begin(one, &results, kernel.as_ref()));
    let mut runs = runs.collect::<Result<Vec<_>, _>>()?;
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
    for turn in &turns {
        let run = &mut runs[turn.run];
        if let Some(failure) = run.boot(turn, kernel.as_ref(), &mut progress)? {
            drop(progress);
            return Err(runs.swap_remove(turn.run).give_up(failure)?);
        }
    }
    drop(progress);
    runs.into_iter().map(|run| run.complete(finish)).collect()
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

/// A run that is not over.
struct Unfinished<'s> {
    scenario: &'s Scenario,
    folder: RunFolder,
    manifest: Manifest,
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
        let manifest = Manifest {
            schema: SCHEMA,
            scenario: scenario.name.clone(),
            scenario_text: scenario.text.clone(),
            started: rfc3339(folder.began()),
            kernel: kernel.map(|kernel| kernel.described.clone()),
            host: host(),
            profiles: scenario.profiles.iter().map(Profile::described).collect(),
            engines,
            boots: Vec::new(),
        };
        Ok(Unfinished { scenario, folder, manifest })
    }

    /// Boots once; what went wrong with the boot is the result.
    fn boot(
        &mut self,
        turn: &Turn<'_>,
        kernel: Option<&Kernel>,
        progress: &mut Progress,
    ) -> Result<Option<Failure>, Failure> {
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
        let boots = self.scenario.boots as usize * group.command_lines.len();
        let of = match boots {
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
        self.manifest.boots.push(outcome.record);
        Ok(outcome.failure)
    }

    /// Writes what there is to tell of it.
    fn describe(&mut self) -> Result<(), Failure> {
        if let (Some(load), Some(now)) = (&mut self.manifest.host.load, host::load()) {
            load.end = now;
        }
        self.folder.describe(&self.manifest)
    }

    fn complete(mut self, finish: Finish<'_>) -> Result<Run, Failure> {
        // Commands that name the folder are for repeating, so with the name that it gets.
        let partial = self.folder.path().display().to_string();
        let complete = self.folder.complete_path().display().to_string();
        for word in self.manifest.boots.iter_mut().flat_map(|boot| &mut boot.command) {
            *word = word.replace(&partial, &complete);
        }
        self.describe()?;
        finish(&Run::open(self.folder.path())?, self.folder.path())?;
        Run::open(&self.folder.complete()?)
    }

    /// Keeps what there is under a name that says so; the same failure, with its path.
    fn give_up(mut self, failure: Failure) -> Result<Failure, Failure> {
        self.describe()?;
        let partial = self.folder.path().to_owned();
        let kept = self.folder.keep_failed()?;
        Ok(moved(failure, &partial, &kept))
    }
}

/// The same failure, with the paths of the folder that is kept.
fn moved(failure: Failure, partial: &Path, kept: &Path) -> Failure {
    let anew = |report: Report| {
        let text = report.to_string();
        let text = text.replace(&partial.display().to_string(), &kept.display().to_string());
        miette!(help = format!("what was captured until then is in {}", kept.display()), "{text}")
    };
    match failure {
        Failure::Request(report) => Failure::Request(anew(report)),
        Failure::Verdict(report) => Failure::Verdict(anew(report)),
        Failure::Environment(report) => Failure::Environment(anew(report)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profiles;

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
