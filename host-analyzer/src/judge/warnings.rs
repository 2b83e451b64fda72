//! What makes a run's results doubtful, one sentence each.

use crate::ground::manifest::{Host, Load};
use crate::ground::text::{counted, list, printable, repeated, times};
use crate::ground::unit::{Unit, readable};
use crate::judge::family::{Family, rounds};
use crate::judge::oddities;
use crate::judge::statistics::{BOOTS_FOR_INTERVAL, fewest_boots, rank_test};
use crate::run::{Boot, Breach, Cell, Losses, Part, Run, Sample, Spread};
use bringup::class::Class;
use bringup::frame::{OVERRUNS, WINDOW};
use std::collections::{BTreeMap, HashMap};

/// Fewer trials than this on a noisy engine give no reliable median.
const FEW_TRIALS: u64 = 5;

/// The TSC window of a noisy engine ends a few cycles late nearly always: the BSP sees its end only
/// when it reads its clock. Below this share of the window that moves its numbers by less than two
/// boots differ.
const LATE_WINDOW: f64 = 0.01;

/// Boots move in the course of a run when the medians of the second half differ from the first
/// half's by more than this share …
const DRIFT: f64 = 0.05;
/// … and by chance would do so less often than this; fewer than 14 boots can't.
const DRIFT_CHANCE: f64 = 0.001;

/// How far the frequencies that boots found may differ, in parts of the median.
const FREQUENCY_TOLERANCE: f64 = 0.01;

impl Run {
    /// What makes a result doubtful, one sentence each; the gaps are among them.
    ///
    /// First those of the run, then of its boots, its engines, its cells; of each first what it lacks.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings_of(&|_| true)
    }

    /// The same for a part of the run: without those of boots, engines and cells that take no part.
    pub fn warnings_of(&self, takes_part: &dyn Fn(&Cell) -> bool) -> Vec<String> {
        let cells: Vec<usize> =
            (0..self.cells.len()).filter(|index| takes_part(&self.cells[*index])).collect();
        let boots = (0..self.boots.len()).filter(|index| {
            let mut its = self.boots[*index].cells.iter().filter_map(|cell| cell.cell).peekable();
            its.peek().is_none() || its.any(|cell| cells.contains(&cell))
        });
        let boots: Vec<usize> = boots.collect();
        let mut warnings = Vec::new();
        let varying = self.varying_options();
        let mut gaps: HashMap<Part, Vec<&str>> = HashMap::new();
        for gap in &self.gaps {
            gaps.entry(gap.part).or_default().push(&gap.what);
        }
        let mut of_part = |part: Part, warnings: &mut Vec<String>| {
            let mut warn = |what: String| warnings.push(self.sentence(part, &varying, &what));
            gaps.remove(&part).into_iter().flatten().for_each(|gap| warn(gap.to_owned()));
            match part {
                Part::Run => of_folder(self, &mut warn),
                Part::Boot(index) => of_boot(&self.boots[index], &mut warn),
                Part::Cell(index) => of_cell(self, &self.cells[index], &mut warn),
            }
        };
        of_part(Part::Run, &mut warnings);
        boots.iter().for_each(|index| of_part(Part::Boot(*index), &mut warnings));
        oddities::logs(self, &boots, &mut |what| warnings.push(what));
        let booted = boots.iter().map(|index| &self.boots[*index]);
        of_engines(self, &booted.collect::<Vec<_>>(), &mut |what| warnings.push(printable(&what)));
        let measured = cells.iter().map(|index| &self.cells[*index]);
        let mut warn = |what: String| warnings.push(printable(&what));
        of_boot_counts(self, &measured.collect::<Vec<_>>(), &mut warn);
        cells.iter().for_each(|index| of_part(Part::Cell(*index), &mut warnings));
        warnings
    }
}

fn of_folder(run: &Run, warn: &mut dyn FnMut(String)) {
    if !run.unlisted.is_empty() {
        warn(format!("captures that its run.json does not list: {}", list(run.unlisted.iter())));
    }
    let mut first_of = HashMap::new();
    for (index, boot) in run.boots.iter().enumerate() {
        if boot.exact != Some(false)
            || boot.smp < 2
            || boot.cells.iter().all(|cell| cell.whole == 0)
        {
            continue;
        }
        let first = *first_of.entry((boot.asked(), boot.figures)).or_insert(index);
        if first != index {
            let [first, this] = [first, index].map(|boot| run.name(Part::Boot(boot), &[]));
            warn(format!(
                "{this} has exactly the figures of {first}: on a noisy engine one is likely a copy of the other"
            ));
        }
    }
}

/// Damage that need not have cost a trial.
fn of_boot(boot: &Boot, warn: &mut dyn FnMut(String)) {
    if let Some(linux) = &boot.linux {
        linux.bringup.warnings(&linux.given).into_iter().for_each(&mut *warn);
    }
    let summary = &boot.summary;
    if summary.lost > 0 {
        let of = summary.lost + summary.recovered;
        warn(format!("{} of {} lost", summary.lost, counted(of, "frame")));
    }
    if summary.broken > 0 {
        warn(format!("{} between frames can't be read", counted(summary.broken, "piece")));
    }
    if summary.repeated > 0 {
        warn(format!("{} arrived again and counted once", counted(summary.repeated, "frame")));
    }
    if summary.unknown > 0 {
        warn(format!(
            "{} of a kind that this version does not know",
            counted(summary.unknown, "frame")
        ));
    }
    if summary.stamps_dropped > 0 {
        let count = counted(u64::from(summary.stamps_dropped), "stamp");
        warn(format!("the kernel dropped {count}, those of APs that started twice"));
    }
}

/// What is doubtful of noisy engines; what is so of several is said once.
fn of_engines(run: &Run, boots: &[&Boot], warn: &mut dyn FnMut(String)) {
    let Some(host) = run.manifest.as_ref().map(|manifest| &manifest.host) else { return };
    let mut seen: Vec<&str> = Vec::new();
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for boot in boots.iter().filter(|boot| boot.exact == Some(false)) {
        let engine = boot.engine.as_str();
        if seen.contains(&engine) {
            continue;
        }
        seen.push(engine);
        let its: Vec<&Boot> = boots.iter().copied().filter(|boot| boot.engine == engine).collect();
        of_engine(
            host,
            &its,
            &mut |what| match told.iter_mut().find(|(known, _)| *known == what) {
                Some((_, engines)) => engines.push(engine),
                None => told.push((what, vec![engine])),
            },
        );
    }
    told.iter().for_each(|(what, engines)| warn(format!("{}: {what}", list(engines.iter()))));
}

fn of_engine(host: &Host, boots: &[&Boot], warn: &mut dyn FnMut(String)) {
    let most = boots.iter().map(|boot| usize::from(boot.smp)).max().unwrap_or_default();
    let cores = host.cpus;
    if most > cores {
        warn(format!(
            "{most} vCPUs share {}, so times include the host's scheduling",
            counted(cores as u64, "host CPU")
        ));
    }
    // At the end the engine's own threads are part of the load.
    if let Some(Load { begin, end }) = host.load
        && (begin > cores as f64 || end > (cores + most) as f64)
    {
        warn(format!(
            "the host was busy with other work: its load average was {begin} before the first boot and {end} \
             after the last, on {}",
            counted(cores as u64, "host CPU")
        ));
    }
    let varies = |boot: &&Boot| boot.machine.as_ref().is_some_and(|machine| !machine.tsc_invariant);
    if boots.iter().any(varies) {
        warn(
            "CPUID does not report an invariant TSC, so cycles need not be proportional to time"
                .to_owned(),
        );
    }
}

/// Too few boots of noisy engines for an interval, or for a comparison with as many others of all their figures.
fn of_boot_counts(run: &Run, cells: &[&Cell], warn: &mut dyn FnMut(String)) {
    let noisy: Vec<&Cell> =
        cells.iter().copied().filter(|cell| is_noisy(cell) && !cell.trials.is_empty()).collect();
    let Family { figures, enough, .. } = Family::of_run(run, &noisy);
    let mut fewest: BTreeMap<&str, usize> = BTreeMap::new();
    for cell in noisy {
        let boots = rounds(cell);
        let least = fewest.entry(&cell.engine).or_insert(boots);
        *least = boots.min(*least);
    }
    for (engine, boots) in fewest.into_iter().filter(|(_, boots)| *boots < fewest_boots(figures)) {
        warn(format!(
            "{engine}: {} {} too few {}to compare {}: a noisy engine needs {enough} (`boots = {enough}`)",
            counted(boots as u64, "boot"),
            if boots == 1 { "is" } else { "are" },
            if boots < BOOTS_FOR_INTERVAL { "for an interval and " } else { "" },
            counted(figures as u64, "figure"),
        ));
    }
}

fn of_cell(run: &Run, cell: &Cell, warn: &mut dyn FnMut(String)) {
    of_aps(cell, warn);
    if let Some((trials, first)) = &cell.breaches {
        let Breach { boot, cell, trial, what } = first;
        let capture = run.name(Part::Boot(*boot as usize), &[]);
        let breaks = if *trials == 1 { "breaks" } else { "break" };
        warn(format!(
            "{} {breaks} the strategy; the first is trial {trial} of cell {cell} in {capture}: {what}",
            counted(*trials, "trial")
        ));
    }
    if cell.trials.is_empty() {
        warn("no trial arrived whole".to_owned());
    }
    let kept = cell.trials.len() as u64;
    if kept < cell.trials.count() {
        warn(format!(
            "{} are more than are kept: medians and intervals are of {kept} drawn from all",
            counted(cell.trials.count(), "trial")
        ));
    }
    let uncertain = cell.clocks.uncertain();
    if uncertain > 0 {
        let of = counted(cell.clocks.compared(), "comparison");
        warn(format!(
            "the TSC sync could not determine how far the clock is off in {uncertain} of {of}: \
             phases that mix AP and BSP stamps may be off by that much"
        ));
    }
    oddities::clocks(cell, warn);
    oddities::window(cell, warn);
    of_overruns(cell, warn);
    let (least, most) = (cell.frequencies.iter().min(), cell.frequencies.iter().max());
    if let (Some(least), Some(most)) = (least, most)
        && (most - least) as f64 > *least as f64 * FREQUENCY_TOLERANCE
    {
        warn(format!("its boots found clocks from {least} to {most} kHz"));
    }
    if is_noisy(cell) {
        of_noise(cell, warn);
    }
}

fn is_noisy(cell: &Cell) -> bool {
    cell.exact == Some(false) && cell.smp > 1
}

/// APs that did not come online, or came otherwise than an AP should.
fn of_aps(cell: &Cell, warn: &mut dyn FnMut(String)) {
    let Losses { counted: lost, cold, incomplete } = &cell.losses;
    for (which, lost) in
        [("", lost), ("in cold trials: ", cold), ("in incomplete trials: ", incomplete)]
    {
        if !lost.is_empty() {
            let aps = lost.iter().map(|(ap, times)| format!("{}{}", ap.text(), repeated(*times)));
            warn(format!("{which}lost {}", list(aps)));
        }
    }
    if !cell.disorders.is_empty() {
        let aps = cell
            .disorders
            .iter()
            .map(|(cpu, (times, disorder))| format!("{cpu} {disorder}{}", repeated(*times)));
        warn(format!(
            "online, but its stamps are missing or out of order, so it has no phases: {}",
            list(aps)
        ));
    }
    if !cell.double_starts.is_empty() {
        let aps =
            cell.double_starts.iter().map(|(cpu, times)| format!("{cpu}{}", repeated(*times)));
        warn(format!("started more than once: {}", list(aps)));
    }
}

/// Steps that took longer than their cost.
fn of_overruns(cell: &Cell, warn: &mut dyn FnMut(String)) {
    let (noisy, khz) = (is_noisy(cell), cell.tsc_khz());
    let windows = Class::ALL.map(|class| cell.options.tsc_window.of(class));
    let windows = windows.map(|window| window.cycles(khz.unwrap_or_default()).0);
    let window = windows.into_iter().max().unwrap_or(0);
    let overruns = OVERRUNS.iter().zip(cell.overruns);
    for (step, overrun) in overruns.filter(|(_, overrun)| overrun.count > 0) {
        if noisy && *step == WINDOW && (overrun.worst as f64) < window as f64 * LATE_WINDOW {
            continue;
        }
        let online = cell.aps.online().max(overrun.count);
        let often = match overrun.count {
            1 => times(1),
            count if noisy => format!("in {count} of {online} bring-ups"),
            count => times(count),
        };
        warn(format!(
            "`{step}` took longer than its cost {often}, at most by {} ({}): its times include the engine's own",
            readable(Unit::Auto, overrun.worst, khz),
            overrun.cpu,
        ));
    }
}

/// Too few trials of a noisy engine, and boots that changed in the course of the run.
fn of_noise(cell: &Cell, warn: &mut dyn FnMut(String)) {
    let trials = cell.trials.count();
    if (1..FEW_TRIALS).contains(&trials) {
        warn(format!(
            "{} {} too few for a noisy engine: it needs {FEW_TRIALS} or more",
            counted(trials, "trial"),
            if trials == 1 { "is" } else { "are" }
        ));
    }
    if let Some(drift) = drift(cell) {
        warn(format!(
            "the second half of its boots took {:+.0} % against the first: the host or the \
             engine changed during the run",
            drift * 100.0
        ));
    }
}

/// By what share the totals of the second half of the boots differ from the first half's, where they
/// do so clearly. The middle one of an odd count is in neither.
fn drift(cell: &Cell) -> Option<f64> {
    let mut totals: Vec<(u32, u64)> =
        cell.trials.iter().map(|trial| (trial.boot, trial.total)).collect();
    totals.sort_unstable();
    let boots = Sample::of(totals).boot_medians();
    let half = boots.len() / 2;
    let (first, last) = (&boots[..half], &boots[boots.len() - half..]);
    let median = |boots: &[f64]| {
        Some(Spread::of(boots.iter().map(|median| median.round() as u64))?.median as f64)
    };
    let drift = median(last)? / median(first)?.max(1.0) - 1.0;
    (drift.abs() > DRIFT && rank_test(first, last) < DRIFT_CHANCE).then_some(drift)
}
