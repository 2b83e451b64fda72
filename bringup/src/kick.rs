//! Which CPUs a kick reaches.

use crate::options::{Kick, Options, Strategy};
use crate::strategy::Aps;
use core::fmt;

/// A strategy kicked a part of the APs, by a kick that reaches all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartKicked {
    /// The strategy.
    pub strategy: Strategy,
    /// The APs that it kicked.
    pub kicked: Aps<'static>,
    /// Every AP of the machine.
    pub all: Aps<'static>,
}

impl fmt::Display for PartKicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PartKicked { strategy, kicked, all } = self;
        write!(
            f,
            "`strategy={strategy}` with `kick={}` is refused: the strategy kicks {kicked} of {all}, \
             and a broadcast reaches every AP; say kick={}, or kick all APs at once in \
             `bringup/src/strategy.rs`",
            Kick::Broadcast,
            Kick::Unicast
        )
    }
}

impl core::error::Error for PartKicked {}

/// Refuses to kick a part of the APs where the kick is a broadcast.
///
/// Both machines ask before they kick: else the kernel would wake APs that the strategy does not wait for yet, and
/// the simulator would wake fewer than the kernel.
#[inline]
pub fn check(options: &Options, kicked: Aps<'_>, all: Aps<'_>) -> Result<(), PartKicked> {
    if options.kick == Kick::Broadcast && kicked != all {
        return Err(PartKicked {
            strategy: options.strategy,
            kicked: kicked.range(),
            all: all.range(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CpuIndex;

    #[test]
    fn a_broadcast_takes_all_aps_or_none_and_the_refusal_names_both_sets() {
        let mut options = Options { strategy: Strategy::FullParallel, ..Options::default() };
        let (all, one) = (Aps::all(5), Aps::only(CpuIndex(3)));
        assert_eq!(check(&options, one, all), Ok(()));
        options.kick = Kick::Broadcast;
        assert_eq!(check(&options, all, all), Ok(()));
        assert_eq!(
            check(&options, one, all).unwrap_err().to_string(),
            "`strategy=full-parallel` with `kick=broadcast` is refused: the strategy kicks CPU 3 of \
             CPUs 1 to 4, and a broadcast reaches every AP; say kick=unicast, or kick all APs at \
             once in `bringup/src/strategy.rs`"
        );
        // With one AP, one is all.
        assert_eq!(check(&options, Aps::only(CpuIndex(1)), Aps::all(2)), Ok(()));
    }
}
