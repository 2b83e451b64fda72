//! What the reader of a comparison must know of the two runs.

use super::{CellPair, Comparison};
use crate::ground::manifest::{self, Kernel, Manifest};
use crate::run::{Cell, Run};
use std::collections::BTreeSet;

/// How far the clocks of two runs may differ, in parts, and still be the same.
const SAME_CLOCK: f64 = 0.01;

/// One sentence each: what makes the runs unequal beyond the numbers.
pub fn notes(comparison: &Comparison<'_>) -> Vec<String> {
    let Comparison { base, new, cells, .. } = comparison;
    let mut notes = Vec::new();
    if cells.iter().any(|cell| cell.exact) {
        let what = unequal(base, new, cells);
        if !what.is_empty() {
            notes.push(format!(
                "the {} differ: the numbers are exact, but of different programs, so a small \
                 difference need not come from what you changed",
                list(&what)
            ));
        }
    }
    let noisy = || cells.iter().filter(|cell| !cell.exact);
    if noisy().next().is_some() {
        if let (Some(one), Some(other)) = (&base.manifest, &new.manifest)
            && (&one.host.cpu, one.host.cpus) != (&other.host.cpu, other.host.cpus)
        {
            notes.push("the hosts differ: the difference may be theirs".to_owned());
        }
        if noisy().any(|cell| cell.base.exact.is_none() || cell.new.exact.is_none()) {
            notes.push(
                "a bare capture does not tell its engine: it is taken for one boot of a noisy one"
                    .to_owned(),
            );
        }
    }
    notes.extend(option_notes(cells));
    for cell in cells {
        notes.extend(clock_note(cell));
        let lost = (cell.base.lost_in_all_trials(), cell.new.lost_in_all_trials());
        if lost != (0, 0) {
            notes.push(format!("{}: APs lost in all trials {} → {}", cell.label, lost.0, lost.1));
        }
        let overruns = (cell.base.overrun_count(), cell.new.overrun_count());
        if cell.exact && overruns.0 != overruns.1 {
            notes.push(format!("{}: overruns {} → {}", cell.label, overruns.0, overruns.1));
        }
    }
    notes
}

/// The options in which cells differ from their base, once for all cells that differ alike.
fn option_notes(cells: &[CellPair<'_>]) -> Vec<String> {
    let mut alike: Vec<(String, Vec<&str>)> = Vec::new();
    for cell in cells.iter().filter(|cell| !cell.options.is_empty()) {
        let options = cell.options.iter().map(|(key, base, new)| format!("{key} {base} → {new}"));
        let options = options.collect::<Vec<_>>().join(", ");
        match alike.iter_mut().find(|(known, _)| *known == options) {
            Some((_, labels)) => labels.push(&cell.label),
            None => alike.push((options, vec![&cell.label])),
        }
    }
    let note = |(options, labels): (String, Vec<&str>)| match labels.len() {
        all if all == cells.len() && all > 1 => format!("every cell: {options}"),
        _ => format!("{}: {options}", labels.join("; ")),
    };
    alike.into_iter().map(note).collect()
}

/// What is unequal of what a number of an exact engine depends on.
pub(crate) fn unequal(base: &Run, new: &Run, cells: &[CellPair<'_>]) -> Vec<&'static str> {
    let exact = cells.iter().filter(|cell| cell.exact);
    let pairs: Vec<(&Cell, &Cell)> = exact.map(|cell| (cell.base, cell.new)).collect();
    unequal_of(base, new, &pairs)
}

/// The same of pairs of cells.
pub(crate) fn unequal_of(base: &Run, new: &Run, pairs: &[(&Cell, &Cell)]) -> Vec<&'static str> {
    let (Some(one), Some(other)) = (&base.manifest, &new.manifest) else { return vec!["origins"] };
    let differs = |of: &dyn Fn(&manifest::Boot) -> &str| {
        let told = |manifest: &'_ Manifest, engine: &str| {
            let boots = manifest.boots.iter().filter(|boot| boot.engine == engine);
            boots.map(|boot| of(boot).to_owned()).collect::<BTreeSet<String>>()
        };
        pairs.iter().any(|(base, new)| told(one, &base.engine) != told(other, &new.engine))
    };
    let kernels_differ =
        |of: &dyn Fn(&Kernel) -> &str| one.kernel.as_ref().map(of) != other.kernel.as_ref().map(of);
    let mut what = Vec::new();
    if kernels_differ(&|kernel| &kernel.sha256) {
        what.push("kernels");
    }
    if kernels_differ(&|kernel| &kernel.target) {
        what.push("targets");
    }
    if differs(&|boot| &boot.engine_version) {
        what.push("engine versions");
    }
    if differs(&|boot| &boot.cpu_model) {
        what.push("CPU models");
    }
    let defined = |manifest: &Manifest, engine: &str| {
        let of_that_name = manifest.engines.iter().find(|own| own.name == engine);
        // An engine that is called otherwise can be the same one.
        of_that_name.map(|own| manifest::Engine { name: String::new(), ..own.clone() })
    };
    if pairs.iter().any(|(base, new)| defined(one, &base.engine) != defined(other, &new.engine)) {
        what.push("engines' definitions");
    }
    what
}

/// Cycles of clocks that run at different rates are no equal times.
fn clock_note(cell: &CellPair<'_>) -> Option<String> {
    let (base, new) = (cell.base.tsc_khz()?, cell.new.tsc_khz()?);
    let apart = base.abs_diff(new) as f64 > base as f64 * SAME_CLOCK;
    apart.then(|| {
        format!(
            "{}: the clocks run at {base} and {new} kHz: cycles are compared, not time",
            cell.label
        )
    })
}

/// `kernels`, `kernels and targets`, …
pub(crate) fn list(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
