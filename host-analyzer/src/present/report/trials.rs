//! Which trials a report shows AP by AP.

use crate::run::{Cell, FullTrial, Run, Trial};
use bringup::frame::ApEnd;

/// The trials of each cell that are shown AP by AP: the fastest, the median and the slowest, fewer
/// where these are the same one.
pub fn shown(run: &Run) -> Vec<Vec<Trial>> {
    let of = |cell: &Cell| {
        let trials = cell.ranked_trials();
        match &trials[..] {
            [] => vec![],
            [one] => vec![*one],
            [best, worst] => vec![*best, *worst],
            [best, .., worst] => vec![*best, trials[(trials.len() - 1) / 2], *worst],
        }
    };
    run.cells.iter().map(of).collect()
}

/// Which of the shown trials is the median one.
pub fn median_of(shown: &[FullTrial]) -> Option<&FullTrial> {
    shown.get(shown.len().saturating_sub(1) / 2)
}

/// What so many shown trials are called.
pub fn names(count: usize) -> &'static [&'static str] {
    match count {
        1 => &["median"],
        2 => &["best", "worst"],
        _ => &["best", "median", "worst"],
    }
}

/// How an AP ended, in words.
pub fn ending(end: ApEnd) -> String {
    match end {
        ApEnd::Online => "online".to_owned(),
        ApEnd::Lost(Some(stamp)) => format!("lost after {}", stamp.name()),
        ApEnd::Lost(None) => "lost before it was kicked".to_owned(),
        ApEnd::WrongAnswer => "online with a wrong answer".to_owned(),
    }
}
