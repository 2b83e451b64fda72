//! Compares two runs: what changed, by how much, and whether the boots suffice to say so.
//!
//! On exact engines a cycle more is slower. On noisy ones the boots are ranked (Mann-Whitney), all
//! figures of a comparison are one family (Holm). Where the boots don't suffice, the comparison says how
//! many more it would take. `docs/method.md` has the reasons. `compare` only reports; `check` decides.

mod exact;
mod noisy;
mod notes;
mod power;
pub mod verdict;

use crate::ground::failure::Failure;
use crate::judge::pairing::{Pairing, differences};
use crate::run::{Cell, Run};
use miette::miette;

pub use verdict::{CellPair, Comparison, MEASURES, MetricPair, MetricVerdict, Moved, Settings};

/// Compares two runs.
///
/// Fails with [`Failure::Request`] where they have no cell in common.
pub fn compare<'a>(
    base: &'a Run,
    new: &'a Run,
    settings: Settings,
) -> Result<Comparison<'a>, Failure> {
    let engines = settings.engines.as_ref().map(|(base, new)| (base.as_str(), new.as_str()));
    let Pairing { mut pairs, base_alone, new_alone } = Pairing::of(base, new, engines);
    // A machine of one CPU has no bring-up.
    pairs.retain(|(_, new)| new.smp > 1);
    if pairs.is_empty() {
        return Err(nothing_in_common(base, new));
    }
    let varying = new.varying_options();
    let pair = |(base, new): &(&'a Cell, &'a Cell)| CellPair {
        base,
        new,
        label: new.label(&varying),
        exact: base.exact == Some(true) && new.exact == Some(true),
        options: differences(base, new),
        figures: Vec::new(),
    };
    let mut cells: Vec<CellPair<'a>> = pairs.iter().map(pair).collect();
    for cell in cells.iter_mut().filter(|cell| cell.exact) {
        cell.figures = exact::figures(cell);
    }
    let family = noisy::test(&mut cells, settings.margin);
    let notes = notes::of(base, new, &cells);
    Ok(Comparison { base, new, settings, cells, base_alone, new_alone, family, notes })
}

fn nothing_in_common(base: &Run, new: &Run) -> Failure {
    let cells = |run: &Run| {
        let varying = run.varying_options();
        let labels: Vec<String> =
            run.cells.iter().take(4).map(|cell| cell.label(&varying)).collect();
        let more = run.cells.len().saturating_sub(labels.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", labels.join("; "))
    };
    Failure::Request(miette!(
        help = "cells are paired by engine, CPU count, profile and options; repetitions and costs may differ; \
                `--engines BASE:NEW` pairs the cells of two engines",
        "{} and {} have no cell with APs in common: the first has {}; the second has {}",
        base.path.display(),
        new.path.display(),
        cells(base),
        cells(new)
    ))
}
