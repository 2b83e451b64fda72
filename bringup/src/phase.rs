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
    /// A part of [`Phase::Sipi`], in the order of time. The AP waits in the first, and nobody works for it.
    SubPhase {
        /// `init` → the waker's turn to this AP: it waits for the INIT delay and for the kicks of the APs before it.
        Queue = "queue",
        /// The waker's turn → `sipi`: the waker sends this AP's SIPI.
        Kick = "kick",
        /// `sipi` → `entry`: the IPI, and the AP leaving wait-for-SIPI.
        Wake = "wake",
        /// `entry` → `alive`: real mode to 64-bit Rust.
        Trampoline = "trampoline",
    }
}

impl SubPhase {
    /// The moments that it lies between, for an AP whose stamps are all on one clock and were taken in order. `queue_end`
    /// is when the waker was free to send this AP's SIPI; `None` where nothing was between.
    pub fn ends(self, stamps: &Stamps, queue_end: Option<i64>) -> Option<(i64, i64)> {
        let get = |stamp| stamps.get(stamp);
        let kick_begins = || {
            let (init, sipi) = (get(Stamp::Init)?, get(Stamp::Sipi)?);
            (init <= sipi).then(|| queue_end.unwrap_or(init).clamp(init, sipi))
        };
        let (from, to) = match self {
            SubPhase::Queue => (get(Stamp::Init)?, kick_begins()?),
            SubPhase::Kick => (kick_begins()?, get(Stamp::Sipi)?),
            SubPhase::Wake => (get(Stamp::Sipi)?, get(Stamp::Entry)?),
            SubPhase::Trampoline => (get(Stamp::Entry)?, get(Stamp::Alive)?),
        };
        (from <= to).then_some((from, to))
    }

    /// Its length.
    pub fn of(self, stamps: &Stamps, queue_end: Option<i64>) -> Option<Cycles> {
        self.ends(stamps, queue_end).map(|(from, to)| Cycles(to.abs_diff(from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn phases_partition_an_online_aps_time(
            steps in proptest::collection::vec(0i64..1 << 40, 9), queue_end in proptest::option::of(any::<i64>()),
        ) {
            let mut stamps = Stamps::default();
            let mut at = 0;
            for (stamp, step) in Stamp::PATH.into_iter().zip(steps) {
                at += step;
                stamps.set(stamp, at);
            }
            let sum: u64 = Phase::ALL.iter().map(|phase| phase.of(&stamps).unwrap().0).sum();
            prop_assert_eq!(Some(Cycles(sum)), stamps.between(Stamp::Init, Stamp::Online));
            let parts: u64 = SubPhase::ALL.iter().map(|part| part.of(&stamps, queue_end).unwrap().0).sum();
            prop_assert_eq!(Some(Cycles(parts)), Phase::Sipi.of(&stamps));
        }
    }

    #[test]
    fn phases_meet_end_to_begin() {
        for pair in Phase::ALL.windows(2) {
            assert_eq!(pair[0].ends().1, pair[1].ends().0);
        }
    }

    #[test]
    fn an_ap_is_in_the_queue_until_the_waker_is_free_and_no_longer_than_to_its_sipi() {
        let mut stamps = Stamps::default();
        stamps.set(Stamp::Init, 100);
        assert_eq!(SubPhase::Queue.of(&stamps, Some(150)), None);
        stamps.set(Stamp::Sipi, 200);
        for (queue_end, queue) in [(None, 0), (Some(50), 0), (Some(150), 50), (Some(900), 100)] {
            assert_eq!(SubPhase::Queue.of(&stamps, queue_end), Some(Cycles(queue)));
            assert_eq!(SubPhase::Kick.of(&stamps, queue_end), Some(Cycles(100 - queue)));
        }
    }
}
