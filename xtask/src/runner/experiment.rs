//! The A/A experiment: how often `compare` sees a change between boots of the very same thing, and
//! how often it finds one that was planted.
//!
//! Each pair boots a base, the base again and a planted slow-down, their boots in turn, and compares
//! the base with both. Where a comparison can't decide on the planted phase and asks for more boots, it
//! gets them: base and planted run again with so many. Nothing is taken from one round to the next.
//!
//! `plan` has the scenarios, [`together`] boots them, `pair` compares the runs, `summary` counts.

mod pair;
mod plan;
mod summary;

use crate::runner::kernel::Kernel;
use crate::runner::progress::Lines;
use crate::runner::run::together;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::text::counted;
use host_analyzer::run::Run;
use miette::miette;
use pair::Pair;
use plan::Part;
use std::path::Path;
use std::time::Instant;

pub use plan::Extent;
pub use summary::Summary;

/// Boots and compares all pairs; `kernel` is what the engine boots. The runs go under `results`;
/// `report` gets a line for each pair.
///
/// Fails where a boot goes wrong, and where there is no pair to boot.
pub fn run<'e>(
    extent: Extent<'e>,
    kernel: Option<&Kernel>,
    results: &Path,
    mut report: impl FnMut(&str),
) -> Result<Summary<'e>, Failure> {
    let began = Instant::now();
    let booted = |parts: &[Part], boots| booted(parts, extent.engine, boots, kernel, results);
    let (mut pairs, mut about) = (Vec::new(), None);
    for number in 1..=extent.pairs {
        let runs = booted(&[Part::Base, Part::Again, Part::Planted], extent.boots)?;
        let mut pair = Pair::compared(extent.boots, &runs[0], &runs[1], &runs[2])?;
        while let Some(boots) = pair.next_round() {
            let runs = booted(&[Part::Base, Part::Planted], boots)?;
            pair.search(boots, &runs[0], &runs[1])?;
        }
        let each = began.elapsed().as_secs_f64() / f64::from(number);
        let left = each * f64::from(extent.pairs - number) / 60.0;
        report(&format!(
            "pair {number} of {}: {} false, planted {} with {}; {left:.0} min left",
            extent.pairs,
            pair.false_changes.len(),
            if pair.found() { "found" } else { "not found" },
            counted(pair.rounds.last().map_or(0, |round| round.boots).into(), "boot"),
        ));
        pairs.push(pair);
        about = about.or_else(|| runs.into_iter().next()?.manifest);
    }
    let about = about.ok_or_else(|| Failure::Request(miette!("there is no pair to boot")))?;
    Ok(Summary { extent, pairs, about, seconds: began.elapsed().as_secs_f64() })
}

/// A run of each part, their boots in turn, without a report.
fn booted(
    parts: &[Part],
    engine: &str,
    boots: u32,
    kernel: Option<&Kernel>,
    results: &Path,
) -> Result<Vec<Run>, Failure> {
    let scenarios = parts.iter().map(|part| part.scenario(engine, boots));
    let scenarios = scenarios.collect::<Result<Vec<_>, Failure>>()?;
    let scenarios: Vec<_> = scenarios.iter().collect();
    together(&scenarios, kernel, results, Lines::None, 1, &|_, _| Ok(()))
}
