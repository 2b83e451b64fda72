//! A trial's orders: what holds for every CPU in it.

use crate::clock;
use bringup::ApicId;
use bringup::handshake::Epoch;
use bringup::options::{MicrocodeAt, Options, Spend, StampSet, TscPoll, TscSync, Wait};
use bringup::start::{Admission, ORDER_WORDS, PostedOrders, Token};

/// What holds for every CPU during one trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialOrders {
    /// Which trial.
    pub epoch: Epoch,
    /// The BSP's TSC at the trial's zero.
    pub zero: u64,
    /// The CPU that an AP wakes when it has news.
    pub bsp: ApicId,
    /// How clocks are compared.
    pub tsc_sync: TscSync,
    /// How a CPU waits for another.
    pub wait: Wait,
    /// How a CPU waits for the end of a cost.
    pub spend: Spend,
    /// How a CPU looks for the other's clock reading.
    pub tsc_poll: TscPoll,
    /// Which stamps are taken.
    pub stamps: StampSet,
    /// When an AP loads its microcode.
    pub microcode_at: MicrocodeAt,
}

impl TrialOrders {
    /// The orders that these options give.
    pub fn new(epoch: Epoch, bsp: ApicId, options: &Options) -> TrialOrders {
        let Options { tsc_sync, wait, spend, tsc_poll, stamps, microcode_at, .. } = *options;
        TrialOrders { epoch, zero: 0, bsp, tsc_sync, wait, spend, tsc_poll, stamps, microcode_at }
    }

    /// What [`TrialOrders::of`] reads: the zero, and the rest in one word.
    fn words(&self) -> [u64; ORDER_WORDS] {
        let ways = [
            self.microcode_at as u8,
            self.tsc_sync as u8,
            self.wait as u8,
            self.spend as u8,
            self.tsc_poll as u8,
            self.stamps as u8,
        ];
        let ways = ways.iter().fold(0, |word, way| word << 4 | u64::from(*way));
        [self.zero, ways << 32 | u64::from(self.bsp.0)]
    }

    /// The orders of the trial that an AP was admitted to; `None` where the words are no orders.
    fn of(admission: &Admission) -> Option<TrialOrders> {
        let [zero, rest] = admission.words;
        fn nth<T: Copy>(all: &[T], ways: u64, place: u32) -> Option<T> {
            all.get((ways >> (4 * place) & 15) as usize).copied()
        }
        let ways = rest >> 32;
        Some(TrialOrders {
            epoch: admission.epoch,
            zero,
            bsp: ApicId(rest as u32),
            tsc_sync: nth(&TscSync::ALL, ways, 4)?,
            wait: nth(&Wait::ALL, ways, 3)?,
            spend: nth(&Spend::ALL, ways, 2)?,
            tsc_poll: nth(&TscPoll::ALL, ways, 1)?,
            stamps: nth(&StampSet::ALL, ways, 0)?,
            microcode_at: nth(&MicrocodeAt::ALL, ways, 5)?,
        })
    }

    /// Between two rounds of the exchange of clock readings; `now` is this CPU's latest.
    ///
    /// Busy, it stays away from the other's cache lines, for a varying time: so the other's next reading goes
    /// into a line that it still owns, and the two don't fall into a step in which they meet at a bad moment.
    #[inline(always)]
    pub fn between_rounds(&self, now: i64) {
        match self.tsc_poll {
            TscPoll::Pause => core::hint::spin_loop(),
            TscPoll::Busy => clock::count_out(now as u32 >> 3 & 127),
        }
    }
}

static POSTED: PostedOrders = PostedOrders::new();

/// Posts the trial's orders.
pub fn post(orders: &TrialOrders) {
    POSTED.post(orders.epoch, orders.words());
}

/// The trial is over for every AP: one that starts from now on starts late.
pub fn withdraw() {
    POSTED.withdraw();
}

/// The orders of the trial that this AP was started in, and the BSP's TSC before its SIPI; none if it starts late.
pub fn admit(token: &Token) -> Option<(TrialOrders, u64)> {
    let admission = POSTED.admit(token)?;
    Some((TrialOrders::of(&admission)?, admission.sipi))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ap_reads_the_orders_that_were_posted() {
        let mut options = Options::default();
        for word in "tsc-sync=trusted wait=spin spend=halt tsc-poll=pause stamp-set=ends".split(' ')
        {
            options.set_word(word).unwrap();
        }
        for options in [options, Options::default()] {
            let mut orders = TrialOrders::new(Epoch(7), ApicId(254), &options);
            orders.zero = u64::MAX - 5;
            let admission = Admission { epoch: orders.epoch, words: orders.words(), sipi: 1 };
            assert_eq!(TrialOrders::of(&admission), Some(orders));
        }
    }
}
