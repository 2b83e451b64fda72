//! What the boots of a comparison suffice for, and how long enough of them take.

use crate::judge::family::{Family, rounds};
use crate::run::{Cell, Run};
use std::collections::BTreeMap;

/// What the boots of a comparison suffice for. They count how often the whole scenario is booted, as its `boots` does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boots {
    /// How many both runs have.
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
        let Family { have, can_find, enough, .. } = family;
        Boots { have, can_find, enough, seconds: seconds(new, cells) }
    }
}

/// The sum over the machines of these cells: what their boots took, divided by how often each was booted.
fn seconds(run: &Run, cells: &[&Cell]) -> Option<f64> {
    let boots = &run.manifest.as_ref()?.boots;
    let mut machines: BTreeMap<(&str, u16), usize> = BTreeMap::new();
    for cell in cells {
        let most = machines.entry((&cell.engine, cell.smp)).or_default();
        *most = rounds(cell).max(*most);
    }
    let of_machine = |(machine, rounds): (&(&str, u16), &usize)| {
        let its = boots.iter().filter(|boot| (&*boot.engine, boot.smp) == *machine);
        its.map(|boot| boot.seconds).sum::<f64>() / (*rounds).max(1) as f64
    };
    let seconds: f64 = machines.iter().map(of_machine).sum();
    (seconds > 0.0).then_some(seconds)
}
