//! Runs: every boot of a scenario, gathered in one folder.

mod more;
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
pub use more::go_on;
use std::cmp::Reverse;
use std::path::{self, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
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
    jobs: usize,
) -> Result<Run, Failure> {
    let runs = together(&[scenario], kernel, results, lines, jobs, &progress::report);
    // Each scenario has a run.
    runs.map(|mut runs| runs.swap_remove(0))
}

/// Boots all of several scenarios, their boots in turn, and gives a run of each, in their order.
///
/// So many `jobs` boot exact engines side by side; a boot of a noisy one has the host to itself.
///
/// Fails as [`execute`] does, with the first that goes wrong; what was measured of the other runs
/// is then kept as well.
pub fn together(
    scenarios: &[&Scenario],
    kernel: Option<&Kernel>,
    results: &Path,
    lines: Lines,
    jobs: usize,
    finish: Finish<'_>,
) -> Result<Vec<Run>, Failure> {
    for scenario in scenarios {
        latest_is_free(results, &scenario.name)?;
        probe::engines(scenario, kernel)?;
    }
    // A shell's working directory means nothing to an engine.
    let results = path::absolute(results).unwrap_or_else(|_| results.to_owned());
    let mut runs = Vec::new();
    for scenario in scenarios {
        runs.push(Unfinished::begin(scenario, &results, kernel)?);
    }
    let begun = runs.iter_mut().try_for_each(Unfinished::describe);
    let booted = begun.and_then(|()| boots(scenarios, &mut runs, kernel, lines, jobs));
    let complete = booted.and_then(|()| runs.iter_mut().map(|run| run.complete(finish)).collect());
    complete.map_err(|failure| given_up(failure, &mut runs))
}

/// Boots everything; stops at the first that goes wrong.
fn boots(
    scenarios: &[&Scenario],
    runs: &mut [Unfinished],
    kernel: Option<&Kernel>,
    lines: Lines,
    jobs: usize,
) -> Result<(), Failure> {
    let turns = turns(scenarios);
    let works: Vec<u64> = turns.iter().map(|turn| work(&turn.line.words, turn.group.smp)).collect();
    let progress = Progress::begin(lines, works.iter().sum());
    for skipped in scenarios.iter().flat_map(|scenario| &scenario.skipped) {
        progress.note(&format!("skipped: {}: {}", skipped.cell, skipped.refusal));
    }
    for unused in scenarios.iter().flat_map(|scenario| &scenario.unused) {
        progress.note(&format!("warning: {unused}"));
    }
    for slow in scenarios.iter().flat_map(|scenario| spinning::warnings(scenario)) {
        progress.note(&format!("warning: {slow}"));
    }
    let folders: Vec<PathBuf> = runs.iter().map(|run| run.path().to_owned()).collect();
    let runs = Mutex::new(runs);
    let boot = |place: usize| {
        let turn = &turns[place];
        let outcome = turn.boot(&folders[turn.run], kernel, &progress)?;
        runs.lock().unwrap_or_else(PoisonError::into_inner)[turn.run].take(place, outcome)
    };
    let noisy = turns.partition_point(|turn| turn.group.engine.exact());
    let mut exact: Vec<usize> = (0..noisy).collect();
    // The longest first, or it would be alone at the end.
    exact.sort_by_key(|place| Reverse(works[*place]));
    side_by_side(&exact, jobs, &boot)?;
    (noisy..turns.len()).try_for_each(boot)
}

/// Makes these boots in their order, `jobs` of them at a time. After the first that fails, or panics, none is begun;
/// its failure is the result.
fn side_by_side(
    places: &[usize],
    jobs: usize,
    boot: &(impl Fn(usize) -> Result<(), Failure> + Sync),
) -> Result<(), Failure> {
    let (next, first_failure) = (AtomicUsize::new(0), Mutex::new(None));
    let job = || {
        loop {
            let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let last = LastUnlessWell { next: &next, places: places.len() };
            match boot(*place) {
                Ok(()) => std::mem::forget(last),
                Err(failure) => {
                    let mut first = first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert(failure);
                }
            }
        }
    };
    thread::scope(|scope| {
        (1..jobs.min(places.len())).for_each(|_| drop(scope.spawn(job)));
        job();
    });
    match first_failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// Dropped, on a panic's way out too, it leaves no place for another boot.
struct LastUnlessWell<'n> {
    next: &'n AtomicUsize,
    places: usize,
}

impl Drop for LastUnlessWell<'_> {
    fn drop(&mut self) {
        self.next.store(self.places, Ordering::Relaxed);
    }
}

/// Ends the runs that are not complete; returns the failure, with the state of these runs.
fn given_up(failure: Failure, runs: &mut [Unfinished]) -> Failure {
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
    use std::fs;
    use std::time::Duration;

    fn scenario(text: &str) -> Scenario {
        Scenario::parse("s", Path::new("s.toml"), text, &Profiles::default()).unwrap()
    }

    #[test]
    fn a_panic_takes_no_boot_along() {
        let results = tempfile::tempdir().unwrap();
        let once = scenario("engine = \"sim\"\ncpus = 2\n");
        let panics = || {
            together(&[&once], None, results.path(), Lines::None, 1, &|_, _| {
                panic!("at the report")
            })
            .map(drop)
        };
        assert!(thread::scope(|scope| scope.spawn(panics).join()).is_err());
        let kept = fs::read_dir(results.path().join("s")).unwrap().next().unwrap().unwrap().path();
        assert!(kept.to_str().unwrap().ends_with("Z-failed"), "{}", kept.display());
        assert_eq!(Run::open(&kept).unwrap().boots.len(), 1);
    }

    #[test]
    fn boots_side_by_side_are_listed_in_the_order_of_the_scenario_and_are_the_same() {
        let text =
            "engine = \"sim\"\ncpus = [200, 2, 100, 3]\nboots = 3\n[options]\nrepetitions = 9\n";
        let scenario = scenario(text);
        let boots = |jobs| {
            let results = tempfile::tempdir().unwrap();
            let finish: Finish<'_> = &|_, _| Ok(());
            let runs = together(&[&scenario], None, results.path(), Lines::None, jobs, finish);
            let run = runs.unwrap().swap_remove(0);
            let read = |boot: &host_analyzer::run::Boot| fs::read(&boot.capture).unwrap();
            let captures: Vec<Vec<u8>> = run.boots.iter().map(read).collect();
            let listed = run.manifest.unwrap().boots.into_iter();
            (listed.map(|boot| boot.capture).collect::<Vec<_>>(), captures)
        };
        let alone = boots(1);
        assert_eq!(
            alone.0[..3],
            ["captures/sim-200-1.bin", "captures/sim-2-1.bin", "captures/sim-100-1.bin"]
        );
        for jobs in [2, 5] {
            assert!(boots(jobs) == alone, "{jobs} jobs");
        }
    }

    #[test]
    fn after_the_first_failure_nothing_is_begun() {
        let places: Vec<usize> = (0..100).collect();
        let boot = |fails: usize, begun: &AtomicUsize, place: usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if place == fails { Err(Failure::Environment(miette!("boot {place}"))) } else { Ok(()) }
        };
        for jobs in [1, 3] {
            let begun = AtomicUsize::new(0);
            let failure = side_by_side(&places, jobs, &|place| boot(7, &begun, place));
            assert_eq!(failure.unwrap_err().report().to_string(), "boot 7");
            assert!(jobs > 1 || begun.into_inner() == 8);
        }
        assert!(side_by_side(&[], 3, &|_| Ok(())).is_ok());
        let begun = AtomicUsize::new(0);
        let panics = |place| {
            begun.fetch_add(1, Ordering::Relaxed);
            assert_ne!(place, 7);
            thread::sleep(Duration::from_millis(10));
            Ok(())
        };
        let panicked = || drop(side_by_side(&places, 3, &panics));
        assert!(thread::scope(|scope| scope.spawn(panicked).join()).is_err());
        assert!(begun.into_inner() < 20);
    }

    #[test]
    fn a_run_goes_on_with_all_of_its_boots_and_more() {
        let results = tempfile::tempdir().unwrap();
        let text = "engine = \"sim\"\ncpus = [2, 4]\nboots = 2\n[options]\nstrategy = [\"serial\", \"full-parallel\"]\n";
        let booted = |scenario: &Scenario| {
            let finish: Finish<'_> = &|_, _| Ok(());
            together(&[scenario], None, results.path(), Lines::None, 2, finish)
                .unwrap()
                .swap_remove(0)
        };
        let mut more = scenario(text);
        let missing = go_on(&mut more, 3, results.path(), None).unwrap_err();
        assert!(
            missing
                .report()
                .to_string()
                .starts_with("there is no complete run of the scenario s in ")
        );
        let first = booted(&more);
        go_on(&mut more, 3, results.path(), None).unwrap();
        // Bytes of a boot that `run.json` does not list are kept all the same.
        let mut lost = Unfinished::begin(&more, results.path(), None).unwrap();
        fs::write(lost.path().join("captures/sim-2-3.bin"), "bytes").unwrap();
        let (_, kept) = lost.give_up();
        assert_eq!(fs::read(kept.join("captures/sim-2-3.bin")).unwrap(), b"bytes");
        let run = booted(&more);
        assert!(run.gaps.is_empty(), "{:?}", run.gaps);
        let manifest = run.manifest.as_ref().unwrap();
        assert_eq!((manifest.planned_boots, run.boots.len()), (Some(10), 10));
        let number = |boot: &host_analyzer::ground::manifest::Boot| (boot.smp, boot.boot);
        let numbers: Vec<(u16, u32)> = manifest.boots.iter().map(number).collect();
        let all = (1..=5).flat_map(|boot| [(2, boot), (4, boot)]);
        assert_eq!(numbers, all.collect::<Vec<_>>());
        assert!(first.path.join("run.json").is_file(), "the run before stays");
        let name = first.path.file_name().unwrap().to_str();
        assert_eq!(manifest.continues.as_deref(), name);
        // Another scenario's boots are not of this run.
        let mut other = scenario(&text.replace("\n[options]", "\ndescription = \"x\"\n[options]"));
        let refused = go_on(&mut other, 1, results.path(), None).unwrap_err();
        assert!(
            refused.report().to_string().ends_with("can't go on: the scenario was changed since")
        );
    }

    #[test]
    fn a_run_does_not_go_on_with_other_costs() {
        let folder = tempfile::tempdir().unwrap();
        let [results, file] = ["results", "s.toml"].map(|name| folder.path().join(name));
        let profile = folder.path().join("profiles/mine.toml");
        let known = crate::root().join("scenarios/profiles/kvm-guest.toml");
        let text = fs::read_to_string(known).unwrap();
        fs::create_dir(folder.path().join("profiles")).unwrap();
        let read = |costs: &str| {
            fs::write(&profile, costs).unwrap();
            let profiles = Profiles::beside(&file, folder.path());
            let text = "engine = \"sim\"\ncpus = 2\nprofile = \"mine\"\n";
            Scenario::parse("s", &file, text, &profiles).unwrap()
        };
        let first = read(&text);
        together(&[&first], None, &results, Lines::None, 1, &|_, _| Ok(())).unwrap();
        let mut other = read(&format!("# {text}"));
        let refused = go_on(&mut other, 1, &results, None).unwrap_err();
        assert!(refused.report().to_string().ends_with("can't go on: a profile was changed since"));
        assert!(go_on(&mut read(&text), 1, &results, None).is_ok());
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
            let runs = together(&[&once], None, results.path(), Lines::None, 1, &taken);
            let failure = runs.unwrap_err();
            let report = failure.report();
            assert!(matches!(failure, Failure::Environment(_)), "{name}: {report:?}");
        }
    }
}
