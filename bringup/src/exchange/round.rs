//! One round of the exchange: the words that the two CPUs share, and what each side keeps of them.

use crate::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering, made_of_atomics};
use crate::handshake::Epoch;

/// What one side of an exchange has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// The least that a fresh reading of the other's was behind one's own clock, in cycles;
    /// negative where the other's clock is ahead.
    pub least: i64,
    /// How many fresh readings were seen; without any, `least` says nothing.
    pub samples: u32,
}

/// One side of the exchange of clock readings between an AP and the BSP.
///
/// Both go round after round, and stay away from the other's cache lines in between.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    epoch: Epoch,
    last: Published,
    lag: Lag,
}

impl Exchange {
    /// An exchange of no epoch; in memory it is zeros alone.
    pub const NONE: Exchange =
        Exchange { epoch: Epoch(0), last: Published::NOTHING, lag: Lag { least: 0, samples: 0 } };

    /// Begins an exchange. A reading of this epoch that is there already counts as fresh.
    pub const fn begin(epoch: Epoch) -> Exchange {
        Exchange { epoch, last: Published::NOTHING, lag: Lag { least: i64::MAX, samples: 0 } }
    }

    /// A round: looks at the other's latest reading, reads one's own clock, and publishes that. Gives it.
    ///
    /// `now` reads the clock in cycles after the trial's zero, ordered against all memory accesses around it. It
    /// is read even where there is nothing fresh, so nothing has to be decided between the look and the reading.
    #[inline(always)]
    pub fn round(
        &mut self,
        theirs: &ClockWord,
        mine: &ClockWord,
        now: impl FnOnce() -> i64,
    ) -> i64 {
        let theirs = theirs.get();
        let now = now();
        mine.put(self.epoch, now);
        if theirs != self.last
            && let Some(reading) = theirs.of(self.epoch)
        {
            self.last = theirs;
            self.lag.least = self.lag.least.min(now - reading);
            self.lag.samples = self.lag.samples.saturating_add(1);
        }
        now
    }

    /// What was seen so far.
    pub const fn lag(&self) -> Lag {
        self.lag
    }
}

/// A clock reading that one CPU alone writes and one reads, again and again.
///
/// The value is the reading relative to the trial's zero, in 48 bits (13 hours at 3 GHz, either way), under the
/// low 16 bits of the window's epoch. Those come again after 13 107 trials, so they tell apart the windows of
/// one trial and its neighbours; readings of earlier trials are gone, since [`ClockWord::clear`] empties the
/// words between two trials.
///
/// A reading ages while it travels and is decoded. So it becomes a word by one addition, both ends are inlined,
/// and a word is decoded after the clock has been read that it is compared with.
#[derive(Debug)]
pub struct ClockWord(AtomicU64);

const CLOCK_BITS: u32 = 48;

made_of_atomics!(ClockWord, "A word without a reading.", ClockWord(AtomicU64::new(0)));

impl ClockWord {
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

/// What an AP has seen of the BSP's clock; it alone writes it.
///
/// It is cleared before the first reading of a window is published, so whoever has seen one finds no lag of
/// an earlier window here.
#[derive(Debug)]
pub struct LagWords {
    least: AtomicI64,
    samples: AtomicU32,
}

made_of_atomics!(
    LagWords,
    "Nothing seen.",
    LagWords { least: AtomicI64::new(0), samples: AtomicU32::new(0) }
);

impl LagWords {
    /// Publishes what was seen.
    #[inline(always)]
    pub fn put(&self, lag: Lag) {
        self.least.store(lag.least, Ordering::Relaxed);
        self.samples.store(lag.samples, Ordering::Release);
    }

    /// Forgets it.
    #[inline(always)]
    pub fn clear(&self) {
        self.samples.store(0, Ordering::Relaxed);
    }

    /// What was published last. The count may be behind, so that it counts nothing that `least` has not seen.
    #[inline(always)]
    pub fn get(&self) -> Lag {
        let samples = self.samples.load(Ordering::Acquire);
        Lag { least: self.least.load(Ordering::Relaxed), samples }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::exchange::OffsetInterval;
    use core::cell::Cell;
    use proptest::prelude::*;

    proptest! {
        /// Time passes by arbitrary amounts around every access, in an arbitrary interleaving.
        #[test]
        fn the_interval_holds_the_true_offset_under_arbitrary_delays(
            offset in -1_000_000i64..1_000_000,
            steps in proptest::collection::vec((any::<bool>(), 0i64..100_000, 0i64..100_000), 2..200),
        ) {
            let (up, down) = (ClockWord::new(), ClockWord::new());
            let mut bsp = Exchange::begin(Epoch(9));
            let mut ap = Exchange::begin(Epoch(9));
            let time = Cell::new(0);
            for (bsp_steps, before, between) in steps {
                time.set(time.get() + before);
                let read = || {
                    let now = time.get();
                    time.set(now + between);
                    now
                };
                if bsp_steps {
                    bsp.round(&up, &down, read);
                } else {
                    ap.round(&down, &up, || read() + offset);
                }
            }
            if let Some(interval) = OffsetInterval::new(bsp.lag(), ap.lag()) {
                prop_assert!(interval.lo <= offset && offset <= interval.hi, "{interval:?}");
                prop_assert!(interval.width() >= 0);
            }
        }
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
