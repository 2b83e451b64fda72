//! Phases: the intervals between stamps that partition an online AP's time.

use crate::Cycles;
use crate::stamp::{Stamp, Stamps};

/// One of the six intervals that add up to an online AP's time, without gap or overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// `init` → `alive`: waking the AP.
    Sipi,
    /// `alive` → `callin_begin`: waiting for the BSP to release it.
    Hold,
    /// `callin_begin` → `callin_end`: the AP's own set-up.
    Callin,
    /// `callin_end` → `sync_begin`: waiting for its turn.
    Turn,
    /// `sync_begin` → `sync_end`: its TSC is compared with the BSP's.
    TscSync,
    /// `sync_end` → `online`: its last steps until it takes work.
    Online,
}

impl Phase {
    /// All six, in the order of time.
    pub const ALL: [Phase; 6] =
        [Phase::Sipi, Phase::Hold, Phase::Callin, Phase::Turn, Phase::TscSync, Phase::Online];

    /// The word for it, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Sipi => "sipi",
            Phase::Hold => "hold",
            Phase::Callin => "callin",
            Phase::Turn => "turn",
            Phase::TscSync => "tsc-sync",
            Phase::Online => "online",
        }
    }

    /// The stamps that it lies between.
    pub const fn ends(self) -> (Stamp, Stamp) {
        match self {
            Phase::Sipi => (Stamp::Init, Stamp::Alive),
            Phase::Hold => (Stamp::Alive, Stamp::CallinBegin),
            Phase::Callin => (Stamp::CallinBegin, Stamp::CallinEnd),
            Phase::Turn => (Stamp::CallinEnd, Stamp::SyncBegin),
            Phase::TscSync => (Stamp::SyncBegin, Stamp::SyncEnd),
            Phase::Online => (Stamp::SyncEnd, Stamp::Online),
        }
    }

    /// True where the AP works; false where it waits for the BSP.
    pub const fn is_work(self) -> bool {
        !matches!(self, Phase::Hold | Phase::Turn)
    }

    /// Its length for an AP whose stamps are all on one clock.
    pub fn of(self, stamps: &Stamps) -> Option<Cycles> {
        let (from, to) = self.ends();
        stamps.between(from, to)
    }
}

/// A part of [`Phase::Sipi`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubPhase {
    /// `init` → `sipi`: the waker gets to this AP's SIPI.
    Kick,
    /// `sipi` → `entry`: the message and the AP's way out of wait-for-SIPI.
    Wake,
    /// `entry` → `alive`: real mode to 64-bit Rust.
    Trampoline,
}

impl SubPhase {
    /// All three, in the order of time.
    pub const ALL: [SubPhase; 3] = [SubPhase::Kick, SubPhase::Wake, SubPhase::Trampoline];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            SubPhase::Kick => "kick",
            SubPhase::Wake => "wake",
            SubPhase::Trampoline => "trampoline",
        }
    }

    /// The stamps that it lies between.
    pub const fn ends(self) -> (Stamp, Stamp) {
        match self {
            SubPhase::Kick => (Stamp::Init, Stamp::Sipi),
            SubPhase::Wake => (Stamp::Sipi, Stamp::Entry),
            SubPhase::Trampoline => (Stamp::Entry, Stamp::Alive),
        }
    }

    /// Its length for an AP whose stamps are all on one clock.
    pub fn of(self, stamps: &Stamps) -> Option<Cycles> {
        let (from, to) = self.ends();
        stamps.between(from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn phases_partition_an_online_aps_time(steps in proptest::collection::vec(0i64..1 << 40, 9)) {
            let mut stamps = Stamps::default();
            let mut at = 0;
            for (stamp, step) in Stamp::PATH.into_iter().zip(steps) {
                at += step;
                stamps.set(stamp, at);
            }
            let sum: u64 = Phase::ALL.iter().map(|phase| phase.of(&stamps).unwrap().0).sum();
            prop_assert_eq!(Some(Cycles(sum)), stamps.between(Stamp::Init, Stamp::Online));
            let parts: u64 = SubPhase::ALL.iter().map(|part| part.of(&stamps).unwrap().0).sum();
            prop_assert_eq!(Some(Cycles(parts)), Phase::Sipi.of(&stamps));
        }
    }

    #[test]
    fn phases_meet_end_to_begin() {
        for pair in Phase::ALL.windows(2) {
            assert_eq!(pair[0].ends().1, pair[1].ends().0);
        }
        assert_eq!(SubPhase::ALL[0].ends().0, Phase::Sipi.ends().0);
        assert_eq!(SubPhase::ALL[2].ends().1, Phase::Sipi.ends().1);
    }
}
