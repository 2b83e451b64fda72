//! Handshakes between the BSP and an AP.
//!
//! All of them are made of one thing: a word that one CPU alone writes and others read. It says
//! how far its writer has come in a given trial, the *epoch*. A word of another epoch counts as
//! "nowhere yet", so an AP that was lost in one trial can't be mistaken in the next.
//!
//! The atomics are swapped for `loom`'s under `cfg(loom)`, where the models at the end of this
//! file explore every interleaving.

use crate::atomic::{AtomicU64, Ordering, made_of_atomics};

/// Which trial of the boot a handshake belongs to: 1, 2, 3, …
///
/// Zeroed memory is of epoch 0, which no trial has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(pub u32);

/// What an AP has reached; its own word says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reached {
    /// Nothing in this epoch.
    Nothing = 0,
    /// It runs 64-bit code and waits at the gate.
    Alive = 1,
    /// Its own set-up is done.
    Callin = 2,
    /// It has answered the job.
    Online = 3,
}

/// What the BSP has allowed an AP; the BSP's word for that AP says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Allowed {
    /// Nothing in this epoch.
    Nothing = 0,
    /// The gate to the callin is open.
    Callin = 1,
    /// It is the AP's turn to exchange clock readings.
    Sync = 2,
    /// The window is over.
    Finish = 3,
}

/// A word that one CPU alone writes: how far it has come in an epoch.
#[derive(Debug)]
pub struct Word(AtomicU64);

made_of_atomics!(Word, "A word of no epoch.", Word(AtomicU64::new(0)));

macro_rules! word_of {
    ($level:ident, $write:ident, $read:ident, $($value:ident)+) => {
        #[doc = concat!("Says, after all that was written before, that this epoch has come to `", stringify!($level), "`.")]
        #[inline]
        pub fn $write(&self, epoch: Epoch, level: $level) {
            self.store(epoch, level as u8);
        }

        #[doc = concat!("How far the writer is in this epoch, as `", stringify!($level), "`; what it wrote before is visible from here on.")]
        #[inline]
        pub fn $read(&self, epoch: Epoch) -> $level {
            let level = self.load(epoch);
            [$($level::$value),+].into_iter().rfind(|value| *value as u8 <= level).unwrap_or($level::Nothing)
        }
    };
}

impl Word {
    word_of!(Reached, reach, reached, Nothing Alive Callin Online);
    word_of!(Allowed, allow, allowed, Nothing Callin Sync Finish);

    fn store(&self, epoch: Epoch, level: u8) {
        self.0.store(u64::from(epoch.0) << 8 | u64::from(level), Ordering::Release);
    }

    fn load(&self, epoch: Epoch) -> u8 {
        let word = self.0.load(Ordering::Acquire);
        if word >> 8 == u64::from(epoch.0) { word as u8 } else { 0 }
    }
}

/// The answer that an AP owes for a job of the BSP's: proof that it takes work.
pub fn answer(job: u64) -> u64 {
    job.rotate_left(23).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ job
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_another_epoch_says_nothing() {
        let word = Word::new();
        assert_eq!(word.reached(Epoch(1)), Reached::Nothing);
        word.reach(Epoch(1), Reached::Online);
        assert_eq!(word.reached(Epoch(1)), Reached::Online);
        assert_eq!(word.reached(Epoch(2)), Reached::Nothing);
        word.allow(Epoch(2), Allowed::Sync);
        assert_eq!(word.allowed(Epoch(2)), Allowed::Sync);
        assert_eq!(word.allowed(Epoch(1)), Allowed::Nothing);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::atomic::AtomicU64;
    use loom::sync::{Arc, Notify};
    use loom::thread;

    fn spin_until(mut done: impl FnMut() -> bool) {
        while !done() {
            thread::yield_now();
        }
    }

    #[test]
    fn what_an_ap_wrote_before_it_reached_a_step_is_visible_to_the_bsp() {
        loom::model(|| {
            let shared = Arc::new((Word::new(), AtomicU64::new(0)));
            let ap = Arc::clone(&shared);
            let ap = thread::spawn(move || {
                ap.1.store(42, Ordering::Relaxed);
                ap.0.reach(Epoch(1), Reached::Alive);
            });
            let (word, stamp) = &*shared;
            spin_until(|| word.reached(Epoch(1)) >= Reached::Alive);
            assert_eq!(stamp.load(Ordering::Relaxed), 42);
            ap.join().unwrap();
        });
    }

    #[test]
    fn a_straggler_of_an_earlier_trial_is_never_taken_for_one_of_this() {
        loom::model(|| {
            let up = Arc::new(Word::new());
            let straggler = Arc::clone(&up);
            let straggler = thread::spawn(move || {
                straggler.reach(Epoch(1), Reached::Alive);
                straggler.reach(Epoch(1), Reached::Online);
            });
            for _ in 0..2 {
                assert_eq!(up.reached(Epoch(2)), Reached::Nothing);
            }
            straggler.join().unwrap();
        });
    }

    #[test]
    fn gate_turn_and_job_lead_from_alive_to_online_in_order() {
        loom::model(|| {
            let shared = Arc::new((Word::new(), Word::new(), AtomicU64::new(0), AtomicU64::new(0)));
            let ap = Arc::clone(&shared);
            let ap = thread::spawn(move || {
                let (up, down, job, reply) = &*ap;
                up.reach(Epoch(3), Reached::Alive);
                spin_until(|| down.allowed(Epoch(3)) >= Allowed::Callin);
                reply.store(answer(job.load(Ordering::Relaxed)), Ordering::Relaxed);
                up.reach(Epoch(3), Reached::Online);
            });
            let (up, down, job, reply) = &*shared;
            job.store(99, Ordering::Relaxed);
            down.allow(Epoch(3), Allowed::Callin);
            spin_until(|| up.reached(Epoch(3)) >= Reached::Online);
            assert_eq!(reply.load(Ordering::Relaxed), answer(99));
            ap.join().unwrap();
        });
    }

    /// The halting wait: interrupts are off between the look and the HLT, so an IPI that comes
    /// between stays pending and ends the HLT at once.
    #[test]
    fn a_halting_wait_loses_no_wake_up() {
        loom::model(|| {
            let shared = Arc::new((Word::new(), Notify::new()));
            let ap = Arc::clone(&shared);
            let ap = thread::spawn(move || {
                ap.0.reach(Epoch(1), Reached::Alive);
                ap.1.notify();
            });
            let (word, interrupt) = &*shared;
            while word.reached(Epoch(1)) < Reached::Alive {
                interrupt.wait();
            }
            ap.join().unwrap();
        });
    }
}
