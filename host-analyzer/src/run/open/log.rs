//! From a Linux' log to one boot with one cell and one trial.

use crate::ground::failure::Failure;
use crate::ground::manifest::{self, LinuxLog};
use crate::ground::text::printable;
use crate::run::lost::{LostAp, LostEnd};
use crate::run::model::{Boot, BootCell, Cell, LinuxBoot};
use crate::run::open::cells::Cells;
use crate::run::trial::Trial;
use crate::source::capture::Summary;
use crate::source::linux::{self, Bringup};
use bringup::class::Class;
use bringup::options::{Options, Order, Strategy};
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::Stamp;
use bringup::words::Word;
use bringup::{CpuIndex, Cycles};
use miette::miette;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// Reads the log of that boot, and adds its trial to its cell.
pub fn read(
    index: usize,
    path: PathBuf,
    (listed, log): (&manifest::Boot, &LinuxLog),
    cells: &mut Cells,
) -> (Boot, Result<(), Failure>) {
    let read = strategy(log).and_then(|_| linux::read(&path, |_| Ok(())));
    let (bringup, result) = match read {
        Ok(reading) => (reading.bringup, Ok(())),
        Err(failure) => (Bringup::default(), Err(failure)),
    };
    let unreadable = result.as_ref().err().map(|failure| format!("{:#}", failure.report()));
    let smp = u16::try_from(bringup.smp()).unwrap_or(u16::MAX);
    let mut seen = Vec::new();
    let mut figures = DefaultHasher::new();
    if unreadable.is_none() {
        let place = cells.reach(Some(listed), smp, 0, options(&bringup, log));
        let cell = &mut cells.all[place];
        cell.frequencies.extend(khz(&bringup, log));
        let trial = add(cell, index as u32, &bringup);
        if let Some(trial) = trial {
            Trial { boot: 0, ..trial }.hash(&mut figures);
        }
        let whole = u32::from(trial.is_some());
        seen.push(BootCell { index: 0, cell: Some(place), assumed: false, whole, misnumbered: 0 });
    }
    let classes = classes(&bringup, log);
    let (given, khz) = (log.clone(), khz(&bringup, log));
    let boot = Boot {
        capture: path,
        engine: listed.engine.clone(),
        exact: Some(false),
        command_line: None,
        smp,
        figures: figures.finish(),
        asked_smp: None,
        machine: None,
        logs: BTreeMap::new(),
        unreadable,
        summary: Summary::default(),
        cells: seen,
        has_lost: !bringup.failures.is_empty(),
        host: None,
        linux: Some(Box::new(LinuxBoot { bringup, classes, given, khz })),
    };
    (boot, result)
}

/// Frequency in kHz of the clock of its durations: the user's word comes first where they are cycles.
fn khz(bringup: &Bringup, log: &LinuxLog) -> Option<u64> {
    log.tsc_khz.filter(|_| bringup.has_cycles()).or_else(|| bringup.khz())
}

/// The strategy that the user has given, if any; fails with [`Failure::Request`] where there is none of that name.
fn strategy(log: &LinuxLog) -> Result<Option<Strategy>, Failure> {
    let Some(word) = &log.strategy else { return Ok(None) };
    match Strategy::named(word) {
        Some(strategy) => Ok(Some(strategy)),
        None => Err(Failure::Request(miette!(
            help = "import the log again, or correct `linux.strategy` of the boot in run.json",
            "there is no strategy `{}`: expected {}",
            printable(word),
            Strategy::EXPECTED
        ))),
    }
}

/// The options that stand for what the kernel did.
fn options(bringup: &Bringup, log: &LinuxLog) -> Options {
    let seen = bringup.ordered();
    let given = strategy(log).ok().flatten();
    Options {
        strategy: given.unwrap_or(seen.strategy),
        order: seen.order,
        repetitions: 1,
        ..Options::default()
    }
}

/// Siblings are those that the user named, else those that a kernel starts after the first threads.
fn classes(bringup: &Bringup, log: &LinuxLog) -> BTreeMap<u32, Class> {
    let mut siblings: Vec<u32> = log.siblings.iter().copied().map(u32::from).collect();
    if siblings.is_empty() && bringup.ordered().order == Order::PrimariesFirst {
        let sequence = bringup.sequence();
        let turn = sequence.windows(2).position(|pair| pair[1] < pair[0]);
        siblings = turn.map_or(Vec::new(), |turn| sequence[turn + 1..].to_vec());
    }
    let class = |cpu: u32| if siblings.contains(&cpu) { Class::Sibling } else { Class::Core };
    bringup.cpus().into_iter().map(|cpu| (cpu, class(cpu))).collect()
}

/// Adds the trial, if the log has its total.
fn add(cell: &mut Cell, boot: u32, bringup: &Bringup) -> Option<Trial> {
    for cpu in bringup.failures.keys() {
        let end = LostEnd::After(Some(Stamp::Sipi));
        *cell.losses.counted.entry(LostAp { cpu: CpuIndex(*cpu as u16), end }).or_default() += 1;
    }
    let mut sums = [0u64; Phase::ALL.len()];
    for (cpu, row) in &bringup.rows {
        let [sipi, callin, tsc_sync, online] = row.stages;
        let phases = [sipi, 0, callin, 0, tsc_sync, online];
        sums.iter_mut().zip(phases).for_each(|(sum, phase)| *sum = sum.saturating_add(phase));
        cell.aps.add(CpuIndex(*cpu as u16), &phases.map(Cycles), &[Cycles(0); SubPhase::ALL.len()]);
    }
    let rows = bringup.rows.len() as u64;
    let Some(total) = bringup.total() else {
        cell.incomplete += 1;
        return None;
    };
    let trial = Trial {
        boot,
        cell: 0,
        number: 1,
        total,
        kick_loop: bringup.kick_loop(),
        wait_init: bringup.wait_init,
        phases: (rows > 0).then(|| sums.map(|sum| sum.saturating_add(rows / 2) / rows)),
        sub_phases: None,
        lost: bringup.failures.len() as u16,
        overruns: 0,
    };
    cell.trials.push(trial);
    Some(trial)
}
