//! What the boots of a comparison suffice for, and how long enough of them take.

use crate::judge::statistics::{enough_boots, median};
use crate::run::{Cell, Run};
use std::collections::{BTreeMap, BTreeSet};

/// How many figures were tested together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Family {
    /// All.
    pub figures: usize,
    /// The most boots that both runs have of one of them.
    pub boots: usize,
    /// True where the boots can find a difference in one of them.
    pub can_find: bool,
}

/// What the boots of a comparison suffice for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boots {
    /// The most boots that both runs have of any figure.
    pub have: usize,
    /// True where they can find a difference, if it is great enough.
    pub can_find: bool,
    /// The boots of each run that are recommended for so many figures.
    pub enough: usize,
    /// Seconds that it takes to boot once everything of the new run that is compared; `None` where that is
    /// unknown.
    pub seconds: Option<f64>,
}

impl Boots {
    /// Of a family of figures; `cells` are those of the new run.
    pub(super) fn of(family: Family, new: &Run, cells: &[&Cell]) -> Boots {
        let Family { figures, boots, can_find } = family;
        Boots { have: boots, can_find, enough: enough_boots(figures), seconds: seconds(new, cells) }
    }
}

/// The sum over the command lines of these cells' machines: of each the median of its boots.
fn seconds(run: &Run, cells: &[&Cell]) -> Option<f64> {
    let machines: BTreeSet<(&str, u16)> =
        cells.iter().map(|cell| (cell.engine.as_str(), cell.smp)).collect();
    let mut alike: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for boot in &run.manifest.as_ref()?.boots {
        if machines.contains(&(boot.engine.as_str(), boot.smp)) {
            let which = (&boot.engine, boot.smp, &boot.command_line);
            alike.entry(which).or_default().push(boot.seconds);
        }
    }
    let seconds: f64 = alike.values().filter_map(|seconds| median(seconds)).sum();
    (seconds > 0.0).then_some(seconds)
}
