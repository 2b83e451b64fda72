//! Runs: every boot of a scenario, gathered in one folder.

mod turns;
mod unfinished;

use crate::runner::kernel::Kernel;
use crate::runner::progress::{self, Lines, Progress, work};
use crate::runner::run_folder::latest_is_free;
use crate::runner::scenario::Scenario;
use crate::runner::{probe, spinning};
use host_analyzer::ground::failure::Failure;
use host_analyzer::run::Run;
use miette::miette;
use std::path::{self, Path};
use turns::turns;
use unfinished::{Finish, Unfinished};

/// Boots all of a scenario, and gives the run with its folder under `results`; `kernel` is what its
/// engines boot, none where they need none.
///
/// The report is in the folder before the run appears under its name. Fails
/// with [`Failure::Environment`] if anything goes wrong, and with [`Failure::Request`] if the
/// kernel refuses its options; what was measured until then is kept, and the message says where.
pub fn execute(
    scenario: &Scenario,
    kernel: Option<&Kernel>,
    results: &Path,
    lines: Lines,
) -> Result<Run, Failure> {
    let runs = together(&[scenario], kernel, results, lines, &progress::report);
    // Each scenario has a run.
    runs.map(|mut runs| runs.swap_remove(0))
}

/// Boots all of several scenarios, their boots in turn, and gives a run of each, in their order.
///
/// Fails as [`execute`] does, with the first that goes wrong; what was measured of the other runs
/// is then kept as well.
pub fn together(
    scenarios: &[&Scenario],
    kernel: Option<&Kernel>,
    results: &Path,
    lines: Lines,
    finish: Finish<'_>,
) -> Result<Vec<Run>, Failure> {
    latest_is_free(results)?;
    for scenario in scenarios {
        probe::engines(scenario, kernel)?;
    }
    // A shell's working directory means nothing to an engine.
    let results = path::absolute(results).unwrap_or_else(|_| results.to_owned());
    let mut runs = Vec::new();
    for scenario in scenarios {
        runs.push(Unfinished::begin(scenario, &results, kernel)?);
    }
    let begun = runs.iter_mut().try_for_each(Unfinished::describe);
    let booted = begun.and_then(|()| boots(scenarios, &mut runs, kernel, lines));
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

/// Ends the runs that are not complete; returns the failure, with the state of these runs.
fn given_up(failure: Failure, runs: &mut [Unfinished<'_>]) -> Failure {
    let report = failure.report();
    let mut text = report.to_string();
    let mut help: Vec<String> = report.help().iter().map(|help| help.to_string()).collect();
    for run in runs.iter_mut().filter(|run| !run.is_over()) {
        let partial = run.path().display().to_string();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::profile::Profiles;
    use std::{fs, thread};

    fn scenario(text: &str) -> Scenario {
        Scenario::parse("s", Path::new("s.toml"), text, &Profiles::default()).unwrap()
    }

    #[test]
    fn a_panic_takes_no_boot_along() {
        let results = tempfile::tempdir().unwrap();
        let once = scenario("engine = \"sim\"\ncpus = 2\n");
        let panics = || {
            together(&[&once], None, results.path(), Lines::None, &|_, _| panic!("at the report"))
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
            let runs = together(&[&once], None, results.path(), Lines::None, &taken);
            let failure = runs.unwrap_err();
            let report = failure.report();
            assert!(matches!(failure, Failure::Environment(_)), "{name}: {report:?}");
        }
    }
}
