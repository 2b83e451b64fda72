//! What the comparisons of a pair report.

use super::plan::PLANTED;
use host_analyzer::ground::failure::Failure;
use host_analyzer::judge::compare::{Comparison, MetricPair, MetricVerdict, Settings, compare};
use host_analyzer::run::Run;

/// After so many rounds a planted slow-down counts as not found.
const ROUNDS: usize = 4;

/// The comparisons of a pair.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Changes that were reported between the base and the base again: false, all of them.
    pub false_changes: Vec<Change>,
    /// The search for the planted slow-down, round by round.
    pub rounds: Vec<Round>,
}

/// One comparison of the base and the planted slow-down.
#[derive(Clone, Debug)]
pub struct Round {
    /// Boots of each of the two.
    pub boots: u32,
    /// The planted phase in every cell.
    pub planted: Vec<Change>,
    /// Other figures that were reported as changed; those that the phase is a part of must be.
    pub others: Vec<Change>,
}

/// What a comparison reports of a figure.
#[derive(Clone, Debug)]
pub struct Change {
    /// The cell.
    pub cell: String,
    /// The figure.
    pub figure: MetricPair,
}

impl Pair {
    /// Compares the runs of a pair, each of so many boots.
    pub fn compared(boots: u32, base: &Run, again: &Run, planted: &Run) -> Result<Pair, Failure> {
        let same = compare(base, again, Settings::default())?;
        let false_changes = changes(&same, |figure| figure.verdict.is_change());
        let mut pair = Pair { false_changes, rounds: Vec::new() };
        pair.search(boots, base, planted)?;
        Ok(pair)
    }

    /// Looks for the planted slow-down once more.
    pub fn search(&mut self, boots: u32, base: &Run, planted: &Run) -> Result<(), Failure> {
        let comparison = compare(base, planted, Settings::default())?;
        self.rounds.push(Round {
            boots,
            planted: changes(&comparison, |figure| figure.measure == PLANTED),
            others: changes(&comparison, |figure| {
                figure.measure != PLANTED && figure.verdict.is_change()
            }),
        });
        Ok(())
    }

    /// The boots of the next round, if there is to be one.
    pub fn next_round(&self) -> Option<u32> {
        let last = self.rounds.last().filter(|_| self.rounds.len() < ROUNDS)?;
        Some(last.boots + last.asks_for()?)
    }

    /// True if the planted slow-down was found in every cell.
    pub fn found(&self) -> bool {
        self.rounds.last().is_some_and(Round::found)
    }
}

impl Round {
    fn found(&self) -> bool {
        let slower = |change: &Change| change.figure.verdict == MetricVerdict::Slower;
        !self.planted.is_empty() && self.planted.iter().all(slower)
    }

    /// How many more boots the comparison asks for; `None` where it has decided, or where no number
    /// that makes sense would do.
    fn asks_for(&self) -> Option<u32> {
        let asked = self.planted.iter().filter_map(|change| match change.figure.verdict {
            MetricVerdict::CantTell { more_boots } => Some(more_boots),
            _ => None,
        });
        // The cell that needs most decides, and one that can't be helped ends it.
        asked.collect::<Option<Vec<u32>>>()?.into_iter().max()
    }
}

/// Some of a comparison's figures.
fn changes(comparison: &Comparison<'_>, wanted: impl Fn(&MetricPair) -> bool) -> Vec<Change> {
    comparison
        .figures()
        .filter(|(_, figure)| wanted(figure))
        .map(|(cell, figure)| Change { cell: cell.label.clone(), figure: figure.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(rounds: Vec<Round>) -> Pair {
        Pair { false_changes: Vec::new(), rounds }
    }

    fn round(verdicts: &[MetricVerdict]) -> Round {
        let figure = |verdict: &MetricVerdict| MetricPair {
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

    const ASKS_3: MetricVerdict = MetricVerdict::CantTell { more_boots: Some(3) };
    const ASKS_9: MetricVerdict = MetricVerdict::CantTell { more_boots: Some(9) };
    const HOPELESS: MetricVerdict = MetricVerdict::CantTell { more_boots: None };

    #[test]
    fn a_round_that_cannot_tell_is_followed_by_one_with_the_boots_that_it_asks_for() {
        for (verdicts, next) in [
            (&[MetricVerdict::Slower, MetricVerdict::Slower][..], None),
            (&[MetricVerdict::Slower, ASKS_3], Some(13)),
            (&[ASKS_3, ASKS_9], Some(19)),
            (&[ASKS_3, HOPELESS], None),
            (&[MetricVerdict::Slower, MetricVerdict::Same], None),
        ] {
            assert_eq!(pair(vec![round(verdicts)]).next_round(), next, "{verdicts:?}");
        }
        let rounds = (0..ROUNDS).map(|_| round(&[ASKS_3])).collect();
        assert_eq!(pair(rounds).next_round(), None);
    }

    #[test]
    fn a_planted_slow_down_is_found_in_every_cell_or_not_at_all() {
        assert!(
            pair(vec![round(&[ASKS_3]), round(&[MetricVerdict::Slower, MetricVerdict::Slower])])
                .found()
        );
        assert!(!pair(vec![round(&[MetricVerdict::Slower, MetricVerdict::Same])]).found());
        assert!(!pair(vec![round(&[MetricVerdict::Faster])]).found());
        assert!(!pair(vec![round(&[])]).found());
    }
}
