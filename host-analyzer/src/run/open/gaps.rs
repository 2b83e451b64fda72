//! What a run should hold and does not: the only code that decides whether it is whole.

use crate::ground::manifest::Ended;
use crate::ground::text::{counted, times};
use crate::run::model::{Boot, BootCell, Cell, Gap, Part, Run};
use bringup::options::Options;
use bringup::plan::Plan;
use std::collections::{BTreeMap, HashMap};

/// Every gap: those of the run, of its boots, of its cells.
///
/// A bare capture is compared with itself alone: nothing states what it should hold.
pub(super) fn of(run: &Run) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut found = |part: Part, what: String| gaps.push(Gap { part, what });
    of_run(run, &mut |what| found(Part::Run, what));
    let mut exact = HashMap::new();
    for (index, boot) in run.boots.iter().enumerate() {
        of_boot(run, boot, &mut |what| found(Part::Boot(index), what));
        if boot.exact != Some(true) {
            continue;
        }
        let first = *exact.entry(boot.asked()).or_insert(index);
        if run.boots[first].figures != boot.figures {
            let other = run.name(Part::Boot(first), &[]);
            let engine = &boot.engine;
            found(
                Part::Boot(index),
                format!(
                    "other figures than {other} of the same command line, and {engine} is exact"
                ),
            );
        }
    }
    for (index, cell) in run.cells.iter().enumerate() {
        of_cell(cell, &mut |what| found(Part::Cell(index), what));
    }
    gaps
}

fn of_run(run: &Run, found: &mut dyn FnMut(String)) {
    let Some(manifest) = &run.manifest else { return };
    match manifest.ended {
        Ended::Complete => {
            let listed = manifest.boots.len();
            if let Some(planned) = manifest.planned_boots.filter(|planned| *planned != listed) {
                let planned = counted(planned as u64, "boot");
                found(format!("it planned {planned}, and its run.json lists {listed}"));
            }
        }
        Ended::Interrupted => found("it was interrupted, so boots are missing".to_owned()),
        Ended::Failed => found("it failed before its end, so boots may be missing".to_owned()),
    }
    if manifest.boots.is_empty() {
        found("its run.json lists no boot, so there is nothing to show".to_owned());
    }
}

fn of_boot(run: &Run, boot: &Boot, found: &mut dyn FnMut(String)) {
    if let Some(linux) = &boot.linux {
        linux.bringup.gaps().into_iter().for_each(found);
        return;
    }
    of_capture(boot, found);
    of_boot_cells(boot, found);
    // Of a capture that can't be read no cell is expected.
    let Some(line) = boot.command_line.as_ref().filter(|_| boot.unreadable.is_none()) else {
        return;
    };
    match Plan::read(line) {
        Ok(plan) => of_plan(run, boot, &plan, found),
        Err(error) => found(format!(
            "the command line in run.json can't be used, so it is unknown whether all cells that \
             it asked for are here: {error}"
        )),
    }
}

fn of_capture(boot: &Boot, found: &mut dyn FnMut(String)) {
    let summary = &boot.summary;
    if let Some(why) = &boot.unreadable {
        found(why.clone());
    } else if let Some(error) = &summary.error {
        found(format!("the boot ended with an error: {error}"));
    } else if summary.cut() {
        found("the capture is cut: the boot's last frame is missing".to_owned());
    }
    if summary.behind_end > 0 {
        let count = counted(summary.behind_end, "frame");
        found(format!("{count} after the goodbye, which is a boot's last frame"));
    }
    if boot.machine.is_none() && boot.unreadable.is_none() {
        found("the frame that describes the machine and its clock is lost".to_owned());
    }
    if summary.restarted {
        found("the machine restarted by itself; frames after that are not used".to_owned());
    }
    if let Some(asked) = boot.asked_smp.filter(|asked| *asked != boot.smp) {
        let asked = counted(asked.into(), "CPU");
        found(format!("the engine was asked for {asked}, the kernel found {}", boot.smp));
    }
}

fn of_boot_cells(boot: &Boot, found: &mut dyn FnMut(String)) {
    for cell in boot.cells.iter().filter(|cell| cell.cell.is_none()) {
        let count = counted(u64::from(cell.whole), "trial");
        found(format!("cell {}: its options are lost, {count} not used", cell.index));
    }
    for cell in &boot.cells {
        let index = cell.index;
        if cell.assumed {
            found(format!("cell {index}: its options are lost, and taken from run.json"));
        }
        if cell.misnumbered > 0 {
            found(format!(
                "cell {index}: {} with an unexpected number or cold mark: expected are numbers 1, 2, … up to \
                 its repetitions, and before them, as the boot's only cold one, 0",
                counted(cell.misnumbered.into(), "trial")
            ));
        }
    }
    if let Some(pair) = boot.cells.windows(2).find(|pair| pair[1].index <= pair[0].index) {
        let [before, cell] = [pair[0].index, pair[1].index];
        found(format!(
            "cell {cell} comes after cell {before}, and a boot runs each once, in order"
        ));
    }
}

/// Compares the cells of a boot with those that its command line asks for.
fn of_plan(run: &Run, boot: &Boot, plan: &Plan<'_>, found: &mut dyn FnMut(String)) {
    let mut came: BTreeMap<usize, Vec<&BootCell>> = BTreeMap::new();
    for cell in &boot.cells {
        came.entry(usize::from(cell.index)).or_default().push(cell);
    }
    let (mut planned, mut missing, mut other) = (0, 0, 0);
    let mut first_other = None;
    for (index, asked) in plan.cells().enumerate() {
        planned += 1;
        let Some(cells) = came.remove(&index) else {
            missing += 1;
            continue;
        };
        let had = cells.iter().filter_map(|cell| Some(&run.cells[cell.cell?].options));
        if let Some(had) = had.into_iter().find(|had| **had != asked) {
            other += 1;
            first_other.get_or_insert_with(|| (index, differences(had, &asked)));
        }
    }
    let of = counted(planned, "cell");
    if missing > 0 {
        let have = if missing == 1 { "has" } else { "have" };
        found(format!("{missing} of its {planned} planned cells {have} no trials"));
    }
    if let Some((first, what)) = first_other {
        found(format!(
            "{other} of its {of} ran with other options than the command line in run.json asks for; \
             the first is cell {first}, with {what}"
        ));
    }
    if let Some(first) = came.keys().next() {
        found(format!(
            "it has {} that the command line in run.json does not ask for; the first is cell {first}",
            counted(came.len() as u64, "cell"),
        ));
    }
}

/// As `strategy=serial instead of full-parallel, …`.
fn differences(had: &Options, asked: &Options) -> String {
    let pairs = Options::KEYS
        .iter()
        .map(|key| (key.name(), key.value(had).to_string(), key.value(asked).to_string()));
    let differing = pairs
        .filter(|(_, had, asked)| had != asked)
        .map(|(key, had, asked)| format!("{key}={had} instead of {asked}"));
    differing.collect::<Vec<_>>().join(", ")
}

fn of_cell(cell: &Cell, found: &mut dyn FnMut(String)) {
    if cell.incomplete > 0 {
        found(format!("{} incomplete and not used", counted(cell.incomplete, "trial")));
    }
    if let Some((trials, what)) = &cell.contradictions {
        let trials = counted(*trials, "trial");
        found(format!("{trials} whose end contradicts the timelines; the first has {what}"));
    }
    let without_phases: u64 = cell.disorders.values().map(|(times, _)| times).sum();
    if without_phases > 0 {
        let often = times(without_phases);
        found(format!("an AP was online without phases {often}, and the means leave it out"));
    }
    let double: u64 = cell.double_starts.values().sum();
    if double > 0 {
        let often = times(double);
        found(format!("an AP started more than once in a trial {often}, and its stamps are mixed"));
    }
    let unstarted: u64 = cell.unstarted.values().sum();
    if unstarted > 0 {
        found(format!("an AP was online without having started {}", times(unstarted)));
    }
}
