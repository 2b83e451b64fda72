//! Compares two runs: what changed, by how much, and whether the boots suffice to say so.
//!
//! On exact engines a cycle more is slower. On noisy ones the boots are ranked (Mann-Whitney), all
//! figures of a comparison are one family (Holm). Where the boots don't suffice, the comparison says how
//! many more it would take. `docs/method.md` has the reasons. `compare` only reports; `check` decides.

mod boots;
mod causes;
mod exact;
mod hosts;
mod noisy;
mod notes;
mod power;
pub mod verdict;

use crate::ground::document::suggestion;
use crate::ground::failure::Failure;
use crate::ground::text::{list, printable};
use crate::judge::origins;
use crate::judge::pairing::{Pairing, differences, differences_text};
use crate::run::measure::Measure;
use crate::run::{Cell, Run};
use miette::miette;
use std::collections::BTreeSet;

pub use boots::Boots;
pub use verdict::{
    Cause, CellPair, Comparison, HostPair, MetricPair, MetricVerdict, Moved, Settings,
};

/// At most so many cells of a run are looked at for the most alike of another.
const NEAR: usize = 200;

/// Compares two runs. Where a total has changed, reads their captures again for the causes.
///
/// Fails with [`Failure::Request`] where they have no cell in common, or a run has no engine of the
/// name that the settings ask for.
pub fn compare<'a>(
    base: &'a Run,
    new: &'a Run,
    settings: Settings,
) -> Result<Comparison<'a>, Failure> {
    let engines = settings.engines.as_ref().map(|(base, new)| (base.as_str(), new.as_str()));
    if let Some((of_base, of_new)) = engines {
        has_engine(base, of_base)?;
        has_engine(new, of_new)?;
    }
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
        label: match engines {
            Some((of_base, _)) => format!("{} → {}", printable(of_base), new.label(&varying)),
            None => new.label(&varying),
        },
        exact: base.exact == Some(true) && new.exact == Some(true),
        options: differences(base, new),
        figures: Vec::new(),
        causes: Vec::new(),
    };
    let mut cells: Vec<CellPair<'a>> = pairs.iter().map(pair).collect();
    for cell in cells.iter_mut().filter(|cell| cell.exact) {
        cell.figures = exact::figures(cell, &settings);
    }
    let mut hosts = hosts::pairs(base, new, &cells, engines);
    let family = noisy::test(&mut cells, &mut hosts, &settings);
    if cells.iter().all(|cell| cell.figures.is_empty())
        && hosts.iter().all(|host| host.figures.is_empty())
    {
        return Err(no_such_figure());
    }
    let notes = notes::of(base, new, &cells);
    causes::find(base, new, &mut cells)?;
    sort(&mut cells);
    let programs = origins::unequal(base, new, &pairs);
    let noisy = cells.iter().filter(|cell| !cell.exact).map(|cell| cell.new);
    let boots = (family.figures > 0).then(|| Boots::of(family, new, &noisy.collect::<Vec<_>>()));
    Ok(Comparison {
        base,
        new,
        settings,
        programs,
        cells,
        hosts,
        base_alone,
        new_alone,
        family: family.figures,
        boots,
        notes,
    })
}

fn no_such_figure() -> Failure {
    Failure::Request(miette!(
        help = "`--figures` names what is compared; `wait-init` is of parallel-callin alone, `engine-start` and \
                `engine-end` of noisy engines",
        "no cell of both runs has any of these figures"
    ))
}

/// What matters comes first; see [`Comparison::cells`] and [`CellPair::figures`].
fn sort(cells: &mut [CellPair<'_>]) {
    let is_total = |figure: &MetricPair| figure.measure == Measure::Total;
    for cell in &mut *cells {
        cell.figures
            .sort_by(|one, other| is_total(other).cmp(&is_total(one)).then(one.before(other)));
    }
    cells.sort_by(|one, other| match (one.figures.first(), other.figures.first()) {
        (Some(one), Some(other)) => one.before(other),
        (one, other) => other.is_some().cmp(&one.is_some()),
    });
}

fn has_engine(run: &Run, engine: &str) -> Result<(), Failure> {
    let engines: BTreeSet<&str> = run.cells.iter().map(|cell| cell.engine.as_str()).collect();
    if engines.contains(engine) {
        return Ok(());
    }
    let near = suggestion(engine, engines.iter().copied());
    let near = near.map_or(String::new(), |near| format!("; did you mean `{}`?", printable(near)));
    Err(Failure::Request(miette!(
        help = "`--engines BASE:NEW` names an engine of the base and one of the new run, as stock:patched",
        "{} has no engine `{}`; its engines are {}{near}",
        run.path.display(),
        printable(engine),
        list(engines.iter().map(|engine| printable(engine)))
    )))
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
        "{} and {} have no cell with APs in common: the first has {}; the second has {}{}",
        base.path.display(),
        new.path.display(),
        cells(base),
        cells(new),
        nearest(base, new).map_or(String::new(), |in_what| format!(
            "; the most alike of them differ in {in_what}"
        ))
    ))
}

/// The options in which the most alike cells of two runs differ, of those that are of one engine and CPU count.
fn nearest(base: &Run, new: &Run) -> Option<String> {
    let pairs = base.cells.iter().take(NEAR).flat_map(|base| {
        let alike = move |new: &&Cell| {
            (&base.engine, base.smp, &base.profile) == (&new.engine, new.smp, &new.profile)
        };
        new.cells.iter().take(NEAR).filter(alike).map(move |new| differences(base, new))
    });
    differences_text(&pairs.min_by_key(Vec::len)?)
}
