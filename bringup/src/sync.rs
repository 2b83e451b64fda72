//! Handshakes between the BSP and an AP.
//!
//! All of them are made of one thing: a word that one CPU alone writes and others read. It says
//! how far its writer has come in a given trial, the *epoch*. A word of another epoch counts as
//! "nowhere yet", so an AP that was lost in one trial can't be mistaken in the next.
//!
//! The atomics are swapped for `loom`'s under `cfg(loom)`, where the models at the end of this
//! file explore every interleaving.

use crate::offset::Lag;
#[cfg(not(loom))]
use core::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
#[cfg(loom)]
use loom::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

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
    /// It is the AP's turn to exchange stamps.
    Sync = 2,
    /// The window is over.
    Finish = 3,
}

/// A word that one CPU alone writes: how far it has come in an epoch.
#[derive(Debug)]
pub struct Word(AtomicU64);

macro_rules! word_of {
    ($level:ident, $write:ident, $read:ident, $($value:ident)+) => {
        #[doc = concat!("Says, after all that was written before, that this epoch has come to `", stringify!($level), "`.")]
        pub fn $write(&self, epoch: Epoch, level: $level) {
            self.store(epoch, level as u8);
        }

        #[doc = concat!("How far the writer is in this epoch, as `", stringify!($level), "`; what it wrote before is visible from here on.")]
        pub fn $read(&self, epoch: Epoch) -> $level {
            let level = self.load(epoch);
            [$($level::$value),+].into_iter().rfind(|value| *value as u8 <= level).unwrap_or($level::Nothing)
        }
    };
}

impl Word {
    /// A word of no epoch.
    #[cfg(not(loom))]
    pub const fn new() -> Word {
        Word(AtomicU64::new(0))
    }

    /// A word of no epoch.
    #[cfg(loom)]
    pub fn new() -> Word {
        Word(AtomicU64::new(0))
    }

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

impl Default for Word {
    fn default() -> Word {
        Word::new()
    }
}

/// A clock reading that one CPU alone writes and one reads, again and again.
///
/// The value is the reading relative to the trial's zero, in 48 bits (13 hours at 3 GHz, either way), under 16
/// bits of the epoch: a reading of an earlier trial is never taken for one of this.
///
/// What is published is old by what it takes to get there, and to decode. So a reading becomes a word by an
/// addition, both ends are inlined, and a word is decoded when the clock has been read that it is compared with.
#[derive(Debug)]
pub struct ClockWord(AtomicU64);

const CLOCK_BITS: u32 = 48;

impl ClockWord {
    /// A word without a reading.
    #[cfg(not(loom))]
    pub const fn new() -> ClockWord {
        ClockWord(AtomicU64::new(0))
    }

    /// A word without a reading.
    #[cfg(loom)]
    pub fn new() -> ClockWord {
        ClockWord(AtomicU64::new(0))
    }

    /// Publishes a reading: cycles after the trial's zero.
    #[inline(always)]
    pub fn put(&self, epoch: Epoch, cycles: i64) {
        self.0.store(zero_of(epoch).wrapping_add_signed(cycles), Ordering::Release);
    }

    /// Forgets the reading, while nobody else looks.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The latest reading, of whatever epoch.
    #[inline(always)]
    pub fn get(&self) -> Published {
        Published(self.0.load(Ordering::Acquire))
    }
}

/// What was found in a [`ClockWord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published(u64);

impl Published {
    /// What a word holds that nothing was published in.
    pub const NOTHING: Published = Published(0);

    /// The reading, in cycles after the trial's zero, if it is of this epoch.
    #[inline(always)]
    pub fn of(self, epoch: Epoch) -> Option<i64> {
        let of_epoch =
            self != Published::NOTHING && self.0 >> CLOCK_BITS == u64::from(epoch.0 as u16);
        of_epoch.then(|| self.0.wrapping_sub(zero_of(epoch)) as i64)
    }
}

/// The word of the reading 0: the middle of the epoch's words.
#[inline(always)]
fn zero_of(epoch: Epoch) -> u64 {
    u64::from(epoch.0) << CLOCK_BITS | 1 << (CLOCK_BITS - 1)
}

impl Default for ClockWord {
    fn default() -> ClockWord {
        ClockWord::new()
    }
}

/// What an AP has seen of the BSP's clock; it alone writes it.
///
/// It is cleared before the first reading of a window is published, so whoever has seen one finds no lag of
/// an earlier window here.
#[derive(Debug)]
pub struct LagWords {
    least: AtomicI64,
    samples: AtomicU32,
}

impl LagWords {
    /// Nothing seen.
    #[cfg(not(loom))]
    pub const fn new() -> LagWords {
        LagWords { least: AtomicI64::new(0), samples: AtomicU32::new(0) }
    }

    /// Nothing seen.
    #[cfg(loom)]
    pub fn new() -> LagWords {
        LagWords { least: AtomicI64::new(0), samples: AtomicU32::new(0) }
    }

    /// Tells what was seen.
    #[inline(always)]
    pub fn put(&self, lag: Lag) {
        self.least.store(lag.least, Ordering::Relaxed);
        self.samples.store(lag.samples, Ordering::Release);
    }

    /// Forgets it.
    pub fn clear(&self) {
        self.samples.store(0, Ordering::Release);
    }

    /// What was told last. The count may be behind, so that it counts nothing that `least` has not seen.
    pub fn get(&self) -> Lag {
        let samples = self.samples.load(Ordering::Acquire);
        Lag { least: self.least.load(Ordering::Relaxed), samples }
    }
}

impl Default for LagWords {
    fn default() -> LagWords {
        LagWords::new()
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

    #[test]
    fn a_clock_word_keeps_small_negative_readings() {
        let word = ClockWord::new();
        assert_eq!(word.get().of(Epoch(1)), None);
        for cycles in [0, 1, -1, -300, (1 << 47) - 1, -(1 << 47)] {
            word.put(Epoch(7), cycles);
            assert_eq!(word.get().of(Epoch(7)), Some(cycles));
            assert_eq!(word.get().of(Epoch(8)), None);
        }
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

    #[test]
    fn an_exchanged_reading_was_written_in_this_epoch() {
        loom::model(|| {
            let clock = Arc::new(ClockWord::new());
            let other = Arc::clone(&clock);
            let writer = thread::spawn(move || {
                other.put(Epoch(1), 5);
                other.put(Epoch(2), 6);
            });
            assert!(matches!(clock.get().of(Epoch(2)), None | Some(6)));
            writer.join().unwrap();
            assert_eq!(clock.get().of(Epoch(2)), Some(6));
        });
    }

    #[test]
    fn the_lag_of_an_earlier_window_is_never_taken_for_one_of_this() {
        loom::model(|| {
            let shared = Arc::new((ClockWord::new(), LagWords::new()));
            let (clock, lag) = &*shared;
            lag.put(Lag { least: 5, samples: 3 });
            let ap = Arc::clone(&shared);
            let ap = thread::spawn(move || {
                let (clock, lag) = &*ap;
                lag.clear();
                clock.put(Epoch(2), 6);
                lag.put(Lag { least: 7, samples: 1 });
            });
            if clock.get().of(Epoch(2)).is_some() {
                let seen = lag.get();
                assert!(seen.samples == 0 || seen == Lag { least: 7, samples: 1 }, "{seen:?}");
            }
            ap.join().unwrap();
        });
    }
}
