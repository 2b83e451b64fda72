//! Which boots of two runs are compared on the host's clock.

use super::verdict::{CellPair, HostPair};
use crate::ground::text::printable;
use crate::run::{HostBoots, Run};

/// The boots of each noisy engine and CPU count of these cells, where both runs have their times. Two engines that are
/// taken for the same have both names.
pub(super) fn pairs<'a>(
    base: &'a Run,
    new: &'a Run,
    cells: &[CellPair<'a>],
    engines: Option<(&str, &str)>,
) -> Vec<HostPair<'a>> {
    let mut bases = base.host_boots();
    let pair = |new: HostBoots<'a>| {
        let of = cells.iter().find(|cell| new.has(cell.new))?;
        let base = bases.remove(bases.iter().position(|base| base.has(of.base))?);
        let label = match engines {
            Some((of_base, _)) => format!("{} → {}", printable(of_base), new.label()),
            None => new.label(),
        };
        Some(HostPair { base, new, label, figures: Vec::new() })
    };
    new.host_boots().into_iter().filter_map(pair).collect()
}
