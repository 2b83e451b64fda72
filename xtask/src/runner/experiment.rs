//! The A/A experiment: how often `compare` sees a change between boots of the very same thing, and
//! how often it finds one that was planted.
//!
//! Each pair boots a base, the base again and a planted slow-down, their boots in turn, and compares
//! the base with both. Where a comparison can't tell of the planted phase and asks for more boots, it
//! gets them: base and planted run anew with so many. Nothing is taken from one round to the next.

mod summary;

use crate::root;
use crate::runner::profile::Profiles;
use crate::runner::progress::Lines;
use crate::runner::run::together;
use crate::runner::scenario::Scenario;
use bringup::phase::Phase;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::text::counted;
use host_analyzer::judge::compare::{Comparison, Figure, Settings, Verdict, compare};
use host_analyzer::run::Run;
use host_analyzer::run::measure::Measure;
use miette::miette;
use std::path::Path;
use std::time::Instant;

pub use summary::Summary;

/// What is booted. `CALLIN` is the cost that the planted slow-down raises.
const SCENARIO: &str = r#"engine = "ENGINE"
cpus = 4
boots = BOOTS

[options]
strategy = ["serial", "full-parallel"]
repetitions = 10
tsc-sync = "trusted"
cost-callin = "CALLIN"
"#;

/// The cost of the base, in µs.
const BASE_US: u32 = 2000;

/// What is planted, in percent of the base's cost.
const PLANTED_PERCENT: u32 = 20;

/// The cost with it, in µs.
const PLANTED_US: u32 = BASE_US * (100 + PLANTED_PERCENT) / 100;

/// The phase that gets it.
const PLANTED: Measure = Measure::Phase(Phase::Callin);

/// After so many rounds a planted slow-down counts as not found.
const ROUNDS: usize = 4;

/// What is booted, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent<'e> {
    /// The name of a built-in engine.
    pub engine: &'e str,
    /// Pairs of the base and itself, and of the base and the planted slow-down.
    pub pairs: u32,
    /// Boots of each run of a pair, at first.
    pub boots: u32,
}

/// What came of a pair.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Changes that were told between the base and the base again: false, all of them.
    pub false_changes: Vec<Change>,
    /// How the planted slow-down was looked for, round by round.
    pub rounds: Vec<Round>,
}

/// One comparison of the base and the planted slow-down.
#[derive(Clone, Debug)]
pub struct Round {
    /// Boots of each of the two.
    pub boots: u32,
    /// The planted phase in every cell.
    pub planted: Vec<Change>,
    /// Other figures that were told to have changed; those that the phase is a part of must.
    pub others: Vec<Change>,
}

/// What a comparison says of a figure.
#[derive(Clone, Debug)]
pub struct Change {
    /// The cell.
    pub cell: String,
    /// The figure.
    pub figure: Figure,
}

impl Pair {
    /// True if the planted slow-down was found in every cell.
    pub fn found(&self) -> bool {
        self.rounds.last().is_some_and(Round::found)
    }
}

impl Round {
    fn found(&self) -> bool {
        let slower = |change: &Change| change.figure.verdict == Verdict::Slower;
        !self.planted.is_empty() && self.planted.iter().all(slower)
    }

    /// How many more boots the comparison asks for; `None` where it has told, or where no number
    /// that makes sense would do.
    fn asks_for(&self) -> Option<u32> {
        let asked = self.planted.iter().filter_map(|change| match change.figure.verdict {
            Verdict::CantTell { more_boots } => Some(more_boots),
            _ => None,
        });
        // The cell that needs most decides, and one that can't be helped ends it.
        asked.collect::<Option<Vec<u32>>>()?.into_iter().max()
    }
}

/// Boots and compares all pairs. The runs go under `results`; `tell` gets a line for each pair.
///
/// Fails where a boot goes wrong, and where there is no pair to boot.
pub fn run<'e>(
    extent: Extent<'e>,
    results: &Path,
    mut tell: impl FnMut(&str),
) -> Result<Summary<'e>, Failure> {
    let began = Instant::now();
    let (mut pairs, mut about) = (Vec::new(), None);
    for number in 1..=extent.pairs {
        let (pair, base) = pair(extent, results)?;
        let each = began.elapsed().as_secs_f64() / f64::from(number);
        let left = each * f64::from(extent.pairs - number) / 60.0;
        tell(&format!(
            "pair {number} of {}: {} false, planted {} with {}; {left:.0} min left",
            extent.pairs,
            pair.false_changes.len(),
            if pair.found() { "found" } else { "not found" },
            counted(pair.rounds.last().map_or(0, |round| round.boots).into(), "boot"),
        ));
        pairs.push(pair);
        about = about.or(base.manifest);
    }
    let about = about.ok_or_else(|| Failure::Request(miette!("there is no pair to boot")))?;
    Ok(Summary { extent, pairs, about, seconds: began.elapsed().as_secs_f64() })
}

/// Boots and compares one pair; gives the base's run with it.
fn pair(extent: Extent<'_>, results: &Path) -> Result<(Pair, Run), Failure> {
    let boots = extent.boots;
    let base = |boots| scenario("base", extent.engine, boots, BASE_US);
    let again = scenario("again", extent.engine, boots, BASE_US)?;
    let planted = |boots| scenario("planted", extent.engine, boots, PLANTED_US);
    let mut runs = booted(&[&base(boots)?, &again, &planted(boots)?], results)?;
    let comparison = compare(&runs[0], &runs[1], Settings::default())?;
    let false_changes = changes(&comparison, |figure| figure.verdict.is_change());
    let mut rounds = vec![round(boots, &runs[0], &runs[2])?];
    while let Some(boots) = next_round(&rounds) {
        let runs = booted(&[&base(boots)?, &planted(boots)?], results)?;
        rounds.push(round(boots, &runs[0], &runs[1])?);
    }
    Ok((Pair { false_changes, rounds }, runs.swap_remove(0)))
}

/// A run of each, in turn, without a report.
fn booted(scenarios: &[&Scenario], results: &Path) -> Result<Vec<Run>, Failure> {
    together(scenarios, results, Lines::None, &|_, _| Ok(()))
}

/// The boots of the round after these, if there is to be one.
fn next_round(rounds: &[Round]) -> Option<u32> {
    let last = rounds.last().filter(|_| rounds.len() < ROUNDS)?;
    Some(last.boots + last.asks_for()?)
}

fn round(boots: u32, base: &Run, planted: &Run) -> Result<Round, Failure> {
    let comparison = compare(base, planted, Settings::default())?;
    Ok(Round {
        boots,
        planted: changes(&comparison, |figure| figure.measure == PLANTED),
        others: changes(&comparison, |figure| {
            figure.measure != PLANTED && figure.verdict.is_change()
        }),
    })
}

/// Some of a comparison's figures.
fn changes(comparison: &Comparison<'_>, wanted: impl Fn(&Figure) -> bool) -> Vec<Change> {
    comparison
        .figures()
        .filter(|(_, figure)| wanted(figure))
        .map(|(cell, figure)| Change { cell: cell.label.clone(), figure: figure.clone() })
        .collect()
}

/// One of the experiment's scenarios.
fn scenario(part: &str, engine: &str, boots: u32, callin_us: u32) -> Result<Scenario, Failure> {
    let text = SCENARIO
        .replace("ENGINE", engine)
        .replace("BOOTS", &boots.to_string())
        .replace("CALLIN", &format!("{callin_us}us"));
    let folder = root().join("scenarios");
    let path = folder.join("experiment.toml");
    let profiles = Profiles::beside(&path, &folder);
    Scenario::parse(&format!("experiment-{part}"), &path, &text, &profiles)
        .map_err(Failure::Request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(verdicts: &[Verdict]) -> Round {
        let figure = |verdict: &Verdict| Figure {
            measure: PLANTED,
            base: 1.0,
            new: 1.0,
            difference: 0.0,
            interval: None,
            effect: None,
            p: None,
            verdict: *verdict,
            moved: Vec::new(),
        };
        let change = |verdict| Change { cell: String::new(), figure: figure(verdict) };
        Round { boots: 10, planted: verdicts.iter().map(change).collect(), others: Vec::new() }
    }

    const ASKS_3: Verdict = Verdict::CantTell { more_boots: Some(3) };
    const ASKS_9: Verdict = Verdict::CantTell { more_boots: Some(9) };
    const HOPELESS: Verdict = Verdict::CantTell { more_boots: None };

    #[test]
    fn a_round_that_cannot_tell_is_followed_by_one_with_the_boots_that_it_asks_for() {
        for (verdicts, next) in [
            (&[Verdict::Slower, Verdict::Slower][..], None),
            (&[Verdict::Slower, ASKS_3], Some(13)),
            (&[ASKS_3, ASKS_9], Some(19)),
            (&[ASKS_3, HOPELESS], None),
            (&[Verdict::Slower, Verdict::Same], None),
        ] {
            assert_eq!(next_round(&[round(verdicts)]), next, "{verdicts:?}");
        }
        let rounds: Vec<Round> = (0..ROUNDS).map(|_| round(&[ASKS_3])).collect();
        assert_eq!(next_round(&rounds), None);
    }

    #[test]
    fn a_planted_slow_down_is_found_in_every_cell_or_not_at_all() {
        let pair = |rounds| Pair { false_changes: Vec::new(), rounds };
        assert!(pair(vec![round(&[ASKS_3]), round(&[Verdict::Slower, Verdict::Slower])]).found());
        assert!(!pair(vec![round(&[Verdict::Slower, Verdict::Same])]).found());
        assert!(!pair(vec![round(&[Verdict::Faster])]).found());
        assert!(!pair(vec![round(&[])]).found());
    }

    #[test]
    fn what_is_planted_is_one_cost_and_nothing_else() {
        let base = scenario("base", "tcg", 10, BASE_US).unwrap();
        let planted = scenario("planted", "tcg", 10, PLANTED_US).unwrap();
        assert_eq!(base.text.replace("\"2000us\"", "\"2400us\""), planted.text);
        assert_eq!((base.boots, planted.boots), (10, 10));
    }
}
