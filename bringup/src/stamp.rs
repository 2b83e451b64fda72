//! Stamps: named readings of the time-stamp counter.

use crate::Cycles;
use crate::words::words;
use serde::{Deserialize, Serialize};

words! {
    /// A named TSC reading of one AP's bring-up.
    ///
    /// All up to [`Stamp::Online`] but [`Stamp::KickEnd`] are the AP's own path in order; the rest is
    /// what the BSP learned of it.
    #[derive(Serialize, Deserialize)]
    Stamp {
        /// BSP: before the first INIT that reaches this AP.
        Init = "init",
        /// BSP: before its first SIPI; the same for all APs of a broadcast.
        Sipi = "sipi",
        /// BSP: the waker is free of it again. Not part of the AP's own order.
        KickEnd = "kick_end",
        /// AP: first instructions of the trampoline, in real mode.
        Entry = "entry",
        /// AP: in 64-bit Rust on its own stack.
        Alive = "alive",
        /// AP: past the gate that the BSP opens.
        CallinBegin = "callin_begin",
        /// AP: its own CPU set-up is done.
        CallinEnd = "callin_end",
        /// AP: its part of the TSC synchronisation begins.
        SyncBegin = "sync_begin",
        /// AP: its part of the TSC synchronisation is over.
        SyncEnd = "sync_end",
        /// AP: it takes work.
        Online = "online",
        /// BSP: it learned that the AP is alive.
        SeenAlive = "seen_alive",
        /// BSP: it learned that the callin is done.
        SeenCallin = "seen_callin",
        /// BSP: it checked the AP's answer to a job.
        SeenOnline = "seen_online",
    }
}

/// Whose clock a stamp was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The BSP's TSC.
    Bsp,
    /// The AP's own TSC.
    Ap,
}

impl Stamp {
    /// An AP's path: the stamps that must not decrease, first to last.
    pub const PATH: [Stamp; 9] = [
        Stamp::Init,
        Stamp::Sipi,
        Stamp::Entry,
        Stamp::Alive,
        Stamp::CallinBegin,
        Stamp::CallinEnd,
        Stamp::SyncBegin,
        Stamp::SyncEnd,
        Stamp::Online,
    ];

    /// Who reads it.
    pub const fn clock(self) -> Clock {
        match self {
            Stamp::Entry
            | Stamp::Alive
            | Stamp::CallinBegin
            | Stamp::CallinEnd
            | Stamp::SyncBegin
            | Stamp::SyncEnd
            | Stamp::Online => Clock::Ap,
            _ => Clock::Bsp,
        }
    }
}

/// The stamps that one AP has in one trial.
///
/// Each is relative to the trial's zero, a reading of the BSP's clock; the AP's stamps are raw
/// readings of *its* clock less that same zero, and so may be negative where the clocks differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps([Option<i64>; Stamp::COUNT]);

impl Stamps {
    /// Records one stamp, in cycles after the trial's zero.
    pub fn set(&mut self, stamp: Stamp, at: i64) {
        self.0[stamp as usize] = Some(at);
    }

    /// The stamp, if it was taken: cycles after the trial's zero, on the clock that it was read
    /// from.
    pub fn get(&self, stamp: Stamp) -> Option<i64> {
        self.0[stamp as usize]
    }

    /// The last stamp of the AP's path that was reached.
    pub fn last(&self) -> Option<Stamp> {
        Stamp::PATH.into_iter().rev().find(|stamp| self.get(*stamp).is_some())
    }

    /// The same stamps, all on the BSP's clock, given how far the AP's clock is ahead of it.
    pub fn on_bsp_clock(&self, offset: i64) -> Stamps {
        let mut stamps = *self;
        for stamp in Stamp::ALL.into_iter().filter(|stamp| stamp.clock() == Clock::Ap) {
            if let Some(at) = &mut stamps.0[stamp as usize] {
                *at = at.wrapping_sub(offset);
            }
        }
        stamps
    }

    /// Cycles from one stamp to another, if both were taken and in order.
    pub fn between(&self, from: Stamp, to: Stamp) -> Option<Cycles> {
        let (from, to) = (self.get(from)?, self.get(to)?);
        (from <= to).then(|| Cycles(to.abs_diff(from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_indexed_by_their_discriminant() {
        for (index, stamp) in Stamp::ALL.into_iter().enumerate() {
            assert_eq!(stamp as usize, index);
        }
    }

    #[test]
    fn stamps_at_both_ends_of_time_have_their_whole_distance() {
        let mut stamps = Stamps::default();
        stamps.set(Stamp::Init, i64::MIN);
        stamps.set(Stamp::Online, i64::MAX);
        assert_eq!(stamps.between(Stamp::Init, Stamp::Online), Some(Cycles(u64::MAX)));
        assert_eq!(stamps.between(Stamp::Online, Stamp::Init), None);
        assert_eq!(stamps.between(Stamp::Init, Stamp::Entry), None);
    }

    #[test]
    fn only_the_stamps_of_the_ap_move_with_its_clock() {
        let mut stamps = Stamps::default();
        stamps.set(Stamp::Sipi, 100);
        stamps.set(Stamp::Entry, 350);
        let moved = stamps.on_bsp_clock(200);
        assert_eq!(moved.get(Stamp::Sipi), Some(100));
        assert_eq!(moved.get(Stamp::Entry), Some(150));
        assert_eq!(moved.last(), Some(Stamp::Entry));
    }
}
