//! Phases: the intervals between stamps that partition an online AP's time.

use crate::Cycles;
use crate::stamp::{Stamp, Stamps};
use crate::words::words;

words! {
    /// One of the six intervals that add up to an online AP's time, without gap or overlap, in the order of time.
    Phase {
        /// `init` → `alive`: waking the AP.
        Sipi = "sipi",
        /// `alive` → `callin_begin`: waiting for the BSP to release it.
        Hold = "hold",
        /// `callin_begin` → `callin_end`: the AP's own set-up.
        Callin = "callin",
        /// `callin_end` → `sync_begin`: waiting for its turn.
        Turn = "turn",
        /// `sync_begin` → `sync_end`: its TSC is compared with the BSP's.
        TscSync = "tsc-sync",
        /// `sync_end` → `online`: its last steps until it takes work.
        Online = "online",
    }
}

impl Phase {
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

words! {
    /// A part of [`Phase::Sipi`], in the order of time.
    SubPhase {
        /// `init` → `sipi`: the waker gets to this AP's SIPI.
        Kick = "kick",
        /// `sipi` → `entry`: the IPI, and the AP leaving wait-for-SIPI.
        Wake = "wake",
        /// `entry` → `alive`: real mode to 64-bit Rust.
        Trampoline = "trampoline",
    }
}

impl SubPhase {
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
