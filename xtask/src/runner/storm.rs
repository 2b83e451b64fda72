//! Storms: a scenario is booted very often, to count how often it loses an AP.
//!
//! A storm is made of rounds, each a run of its own. What a round shows is counted; its run is kept only where an AP was lost
//! or a boot did not end well. A boot that hangs or dies ends its round, not the storm.

use crate::runner::interrupt;
use crate::runner::kernel::Kernel;
use crate::runner::progress::{Lines, write_line};
use crate::runner::run::together;
use crate::runner::scenario::{CommandLine, Scenario};
use bringup::plan::Plan;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::remove_run;
use host_analyzer::ground::text::counted;
use host_analyzer::judge::rates::Rates;
use host_analyzer::run::{Run, read_manifest};
use miette::miette;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// An AP is lost after this in a storm, unless its scenario says otherwise.
const LIMIT: &str = "limit=200ms";

/// A round is to take about so long: a run is begun and ended with each.
const ROUND: Duration = Duration::from_secs(10);

/// How long a storm goes on.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// Until the whole scenario was booted so often.
    Boots(u32),
    /// Until so much time has passed.
    Elapsed(Duration),
}

/// What a storm is to do.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How long it goes on.
    pub until: Until,
    /// End with the first round in which an AP is lost, or a boot does not end well.
    pub stop_on_lost: bool,
    /// So many rounds at the same time, also on noisy engines.
    pub at_once: u16,
}

/// A boot that did not end well.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The boot, as `boot 3 of tcg with 8 CPUs`.
    pub boot: String,
    /// It was killed at its limit; otherwise it ended by itself.
    pub hung: bool,
    /// What is wrong, in a sentence.
    pub why: String,
    /// The run that has it.
    pub run: PathBuf,
}

impl Ended {
    /// How it ended, in a word.
    pub const fn how(&self) -> &'static str {
        if self.hung { "hung" } else { "ended" }
    }
}

/// What a storm has found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What was kicked and lost.
    pub rates: Rates,
    /// Boots that did not end well.
    pub ended: Vec<Ended>,
    /// Runs that were kept.
    pub kept: Vec<PathBuf>,
}

impl Found {
    fn is_clean(&self) -> bool {
        self.rates.lost() == 0 && self.ended.is_empty()
    }
}

/// Gives each of a scenario's command lines the limit of storms, where it has none, and so many repetitions.
///
/// Fails with [`Failure::Request`] where costs are longer than that limit.
pub fn prepare(scenario: &mut Scenario, repetitions: Option<u32>) -> Result<(), Failure> {
    for group in &mut scenario.groups {
        for line in &mut group.command_lines {
            if !line.words.split_whitespace().any(|word| word.starts_with("limit=")) {
                line.words = format!("{LIMIT} {}", line.words);
            }
            if let Some(repetitions) = repetitions {
                let words = line.words.split_whitespace();
                let words: Vec<&str> =
                    words.filter(|word| !word.starts_with("repetitions=")).collect();
                line.words = format!("repetitions={repetitions} {}", words.join(" "));
            }
            Plan::parse(&line.words, group.smp.into()).map_err(|error| {
                Failure::Request(miette!(
                    help =
                        "in a storm an AP is lost after 200 ms, unless the scenario has a `limit`",
                    "{}: {error}",
                    scenario.name
                ))
            })?;
        }
    }
    Ok(())
}

/// The fewest trials that a boot makes of a cell, the cold one not counted.
pub fn repetitions(scenario: &Scenario) -> u32 {
    let plans = scenario.groups.iter().flat_map(|group| {
        let of_line = |line: &CommandLine| {
            let plan = Plan::parse(&line.words, group.smp.into()).ok()?;
            plan.cells().map(|options| options.repetitions).min()
        };
        group.command_lines.iter().filter_map(of_line)
    });
    plans.min().unwrap_or(1)
}

/// Storms; the rounds' runs go under `results`. What it has counted until the user interrupts it is a result, too.
pub fn storm(
    scenario: &Scenario,
    extent: Extent,
    kernel: Option<&Kernel>,
    results: &Path,
) -> Result<Found, Failure> {
    let began = Instant::now();
    let state = Mutex::new((Found::default(), 0));
    let one_after_the_other = |place: u16| -> Result<(), Failure> {
        let results = results.join(format!("storm-{}", place + 1));
        let mut boots = 1;
        loop {
            {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                let (found, begun) = &mut *state;
                boots = match extent.until {
                    Until::Boots(all) => boots.min(all.saturating_sub(*begun)),
                    Until::Elapsed(time) if began.elapsed() >= time => 0,
                    Until::Elapsed(_) => boots,
                };
                let over = boots == 0 || interrupt::requested();
                if over || extent.stop_on_lost && !found.is_clean() {
                    return Ok(());
                }
                *begun += boots;
            }
            let round_began = Instant::now();
            let (made, round) = round(&Scenario { boots, ..scenario.clone() }, kernel, &results)?;
            let (found, begun) = &mut *state.lock().unwrap_or_else(PoisonError::into_inner);
            // A round that a boot has ended did not make all of them.
            *begun -= boots - made;
            let each = round_began.elapsed().as_secs_f64() / f64::from(made.max(1));
            boots = (ROUND.as_secs_f64() / each.max(1e-3)).clamp(1.0, 1000.0) as u32;
            found.rates.add(round.rates);
            found.ended.extend(round.ended);
            found.kept.extend(round.kept);
            write_line(&progress(found, began));
        }
    };
    let outcomes: Vec<Result<(), Failure>> = thread::scope(|scope| {
        let at_once: Vec<_> = (0..extent.at_once.max(1))
            .map(|place| scope.spawn(move || one_after_the_other(place)))
            .collect();
        let join = |job: thread::ScopedJoinHandle<'_, Result<(), Failure>>| {
            job.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        at_once.into_iter().map(join).collect()
    });
    outcomes.into_iter().collect::<Result<(), Failure>>()?;
    Ok(state.into_inner().unwrap_or_else(PoisonError::into_inner).0)
}

fn progress(found: &Found, began: Instant) -> String {
    let boots = found.rates.boots.values().map(|count| count.of).sum();
    format!(
        "{} s: {}, {}: {} lost, {} not ended well",
        began.elapsed().as_secs(),
        counted(boots, "boot"),
        counted(found.rates.kicks(), "kick"),
        found.rates.lost(),
        counted(found.ended.len() as u64, "boot"),
    )
}

/// One round: how often it has booted the whole, with a boot that did not end well counted, and what it has found.
fn round(
    scenario: &Scenario,
    kernel: Option<&Kernel>,
    results: &Path,
) -> Result<(u32, Found), Failure> {
    let folder = results.join(&scenario.name);
    let before: Vec<PathBuf> = runs_in(&folder).collect();
    // Of a run that is kept, `cargo analyze report` makes the report.
    let runs = together(&[scenario], kernel, results, Lines::None, 1, &|_, _| Ok(()));
    let failure = match runs.map(|mut runs| runs.swap_remove(0)) {
        Ok(run) => return Ok((scenario.boots, counted_of(run))),
        Err(failure @ (Failure::Request(_) | Failure::Internal(_))) => return Err(failure),
        Err(failure) => failure,
    };
    // What the round has made until then is in a folder that was not there before.
    let new = runs_in(&folder).find(|path| !before.contains(path));
    if interrupt::requested() {
        let run = new.map(|path| Run::open(&path)).transpose()?;
        return Ok((0, run.map_or_else(Found::default, counted_of)));
    }
    // Without one, the engine could not even be started.
    let Some(path) = new else { return Err(failure) };
    let manifest = read_manifest(&path)?;
    let Some(boot) = manifest.boots.last() else { return Err(failure) };
    let cpus = counted(boot.smp.into(), "CPU");
    let ended = Ended {
        boot: format!("boot {} of {} with {cpus}", boot.boot, boot.engine),
        hung: boot.seconds >= scenario.boot_limit.as_secs_f64(),
        why: failure.report().to_string(),
        run: path.clone(),
    };
    let made = manifest.boots.len().div_ceil(scenario.lines().max(1)) as u32;
    let rates = Rates::of(&Run::open(&path)?);
    let found = Found { rates, ended: vec![ended], kept: vec![path] };
    Ok((made.clamp(1, scenario.boots), found))
}

/// The runs of a scenario's folder.
fn runs_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.join("run.json").is_file())
}

/// What a whole run shows. Without a lost AP it is removed.
fn counted_of(run: Run) -> Found {
    let rates = Rates::of(&run);
    if rates.lost() > 0 {
        return Found { rates, ended: Vec::new(), kept: vec![run.path] };
    }
    if let Err(failure) = remove_run(&run.path) {
        write_line(&format!("warning: {}", failure.report()));
    }
    Found { rates, ..Found::default() }
}
