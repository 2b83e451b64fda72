//! What the reader of a comparison must know of the two runs.

use super::verdict::CellPair;
use crate::judge::origins;
use crate::judge::pairing::differences_text;
use crate::run::{Cell, Run};

/// How far the clocks of two runs may differ, in parts, and still be the same.
const SAME_CLOCK: f64 = 0.01;

/// One sentence each: what makes the runs unequal beyond the numbers.
pub(super) fn of(base: &Run, new: &Run, cells: &[CellPair<'_>]) -> Vec<String> {
    let exact = cells.iter().filter(|cell| cell.exact);
    let exact: Vec<(&Cell, &Cell)> = exact.map(|cell| (cell.base, cell.new)).collect();
    let mut notes = Vec::new();
    if let Some(what) = origins::unequal(base, new, &exact) {
        notes.push(format!(
            "the {what} differ: the numbers are exact, but of different programs, so a small \
             difference need not come from what you changed; `--margin` sets what counts"
        ));
    }
    let name = base.path.canonicalize().ok();
    let name = name.as_ref().and_then(|path| path.file_name()).and_then(|name| name.to_str());
    let continued = new.manifest.as_ref().and_then(|manifest| manifest.continues.as_deref());
    if continued.is_some() && continued == name {
        notes.push("the new run holds all boots of the base: compare with another run, or with fewer boots in common".to_owned());
    }
    notes.extend(noise_notes(base, new, cells));
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

/// What numbers with noise depend on.
fn noise_notes(base: &Run, new: &Run, cells: &[CellPair<'_>]) -> Vec<String> {
    let mut noisy = cells.iter().filter(|cell| !cell.exact).peekable();
    let mut notes = Vec::new();
    if noisy.peek().is_none() {
        return notes;
    }
    if let (Some(one), Some(other)) = (&base.manifest, &new.manifest)
        && (&one.host.cpu, one.host.cpus) != (&other.host.cpu, other.host.cpus)
    {
        notes.push("the hosts differ, which may be the reason for a difference".to_owned());
    }
    if noisy.any(|cell| cell.base.exact.is_none() || cell.new.exact.is_none()) {
        notes.push(
            "a bare capture does not name its engine: it is treated as one boot of a noisy engine"
                .to_owned(),
        );
    }
    notes
}

/// The options in which cells differ from their base, once for all cells that differ alike.
fn option_notes(cells: &[CellPair<'_>]) -> Vec<String> {
    let mut alike: Vec<(String, Vec<&str>)> = Vec::new();
    for cell in cells {
        let Some(options) = differences_text(&cell.options) else { continue };
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

/// Cycles of clocks that run at different rates are not equal times.
fn clock_note(cell: &CellPair<'_>) -> Option<String> {
    if !cell.exact {
        // Their times are compared.
        return None;
    }
    let (base, new) = (cell.base.tsc_khz()?, cell.new.tsc_khz()?);
    let apart = base.abs_diff(new) as f64 > base as f64 * SAME_CLOCK;
    apart.then(|| {
        format!(
            "{}: the clocks run at {base} and {new} kHz: cycles are compared, not time",
            cell.label
        )
    })
}
