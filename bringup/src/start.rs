//! Starts: how an AP knows the trial that it was started in, or that it comes too late.
//!
//! A SIPI can be delayed beyond its trial: QEMU, for one, keeps it over the INIT that ends the trial. So the AP that
//! it starts trusts nothing but what was written for it: the trial's orders lie in [`PostedOrders`] while
//! the trial runs, and the SIPI is announced by a [`Token`]. An AP that does not find both starts late; it
//! must touch nothing of the trial.

use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence, made_of_atomics};
use crate::handshake::Epoch;

/// The BSP's word for one AP: it sends the AP a SIPI in this trial.
#[derive(Debug)]
pub struct Token(AtomicU64);

made_of_atomics!(Token, "No SIPI.", Token(AtomicU64::new(0)));

impl Token {
    /// A SIPI follows; `sipi` is the BSP's TSC before it, and not 0.
    pub fn give(&self, sipi: u64) {
        self.0.store(sipi, Ordering::Relaxed);
    }

    /// An AP that has not started yet does not start in this trial.
    pub fn withdraw(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// How many words the orders of a trial take.
pub const ORDER_WORDS: usize = 2;

/// What every CPU must know of the trial that runs, as words. The BSP writes it.
#[derive(Debug)]
pub struct PostedOrders {
    /// The trial that runs; 0 between trials.
    epoch: AtomicU32,
    words: [AtomicU64; ORDER_WORDS],
}

made_of_atomics!(
    PostedOrders,
    "No trial runs.",
    PostedOrders { epoch: AtomicU32::new(0), words: [AtomicU64::new(0), AtomicU64::new(0)] }
);

/// What an AP finds that was started in the trial that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The trial.
    pub epoch: Epoch,
    /// Its words.
    pub words: [u64; ORDER_WORDS],
    /// The BSP's TSC before the SIPI.
    pub sipi: u64,
}

impl PostedOrders {
    /// Posts the orders of a trial. None are posted, and every token was withdrawn since.
    pub fn post(&self, epoch: Epoch, words: [u64; ORDER_WORDS]) {
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        self.epoch.store(epoch.0, Ordering::Release);
    }

    /// Withdraws the orders: whoever starts from now on is late.
    pub fn withdraw(&self) {
        self.epoch.store(0, Ordering::Relaxed);
        // Whoever sees a word or a token that is written from now on sees that the orders were withdrawn.
        fence(Ordering::Release);
    }

    /// The trial that an AP was started in; none for one that starts late.
    ///
    /// Orders and token are of one and the same trial, however long the AP takes in between.
    pub fn admit(&self, token: &Token) -> Option<Admission> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let words = core::array::from_fn(|at| self.words[at].load(Ordering::Relaxed));
        let sipi = token.0.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let still = self.epoch.load(Ordering::Relaxed) == epoch;
        (epoch != 0 && still && sipi != 0).then_some(Admission { epoch: Epoch(epoch), words, sipi })
    }
}

/// How often an AP has started in a trial; the AP alone writes it.
#[derive(Debug)]
pub struct Starts(AtomicU64);

made_of_atomics!(Starts, "None.", Starts(AtomicU64::new(0)));

impl Starts {
    /// Counts a start; what the AP wrote before is visible to whoever sees it.
    pub fn count(&self, epoch: Epoch) {
        let starts = self.of(epoch) + 1;
        self.0.store(u64::from(epoch.0) << 32 | u64::from(starts), Ordering::Release);
    }

    /// How often the AP has started in this trial.
    pub fn of(&self, epoch: Epoch) -> u32 {
        let word = self.0.load(Ordering::Acquire);
        if word >> 32 == u64::from(epoch.0) { word as u32 } else { 0 }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_ap_is_admitted_while_orders_are_posted_and_its_sipi_was_sent() {
        let (orders, token) = (PostedOrders::new(), Token::new());
        assert_eq!(orders.admit(&token), None);
        orders.post(Epoch(1), [5, 6]);
        assert_eq!(orders.admit(&token), None);
        token.give(77);
        let admission = Admission { epoch: Epoch(1), words: [5, 6], sipi: 77 };
        assert_eq!(orders.admit(&token), Some(admission));
        token.withdraw();
        assert_eq!(orders.admit(&token), None);
        token.give(77);
        orders.withdraw();
        assert_eq!(orders.admit(&token), None);
    }

    #[test]
    fn a_start_counts_in_its_own_trial_alone() {
        let starts = Starts::new();
        starts.count(Epoch(1));
        starts.count(Epoch(1));
        assert_eq!((starts.of(Epoch(1)), starts.of(Epoch(2))), (2, 0));
        starts.count(Epoch(2));
        assert_eq!((starts.of(Epoch(1)), starts.of(Epoch(2))), (0, 1));
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// The orders and the token of an AP that was sent a SIPI in trial 1. In these models each word and the SIPI's
    /// moment are the number of their trial.
    fn first_trial() -> Arc<(PostedOrders, Token)> {
        let shared = Arc::new((PostedOrders::new(), Token::new()));
        shared.0.post(Epoch(1), [1, 1]);
        shared.1.give(1);
        shared
    }

    #[test]
    fn an_ap_that_was_started_is_admitted_with_all_words() {
        loom::model(|| {
            let shared = Arc::new((PostedOrders::new(), Token::new()));
            shared.0.post(Epoch(1), [1, 1]);
            shared.1.give(1);
            let ap = Arc::clone(&shared);
            // As a SIPI does, a spawn puts what was written before it before what the AP reads.
            let ap = thread::spawn(move || ap.0.admit(&ap.1));
            let admission = Admission { epoch: Epoch(1), words: [1, 1], sipi: 1 };
            assert_eq!(ap.join().unwrap(), Some(admission));
        });
    }

    #[test]
    fn an_ap_that_starts_at_any_time_finds_words_and_token_of_one_trial() {
        loom::model(|| {
            let shared = first_trial();
            let ap = Arc::clone(&shared);
            let ap = thread::spawn(move || {
                if let Some(Admission { epoch, words, sipi }) = ap.0.admit(&ap.1) {
                    let of = u64::from(epoch.0);
                    assert_eq!((words, sipi), ([of; 2], of));
                }
            });
            let (orders, token) = &*shared;
            orders.withdraw();
            token.withdraw();
            orders.post(Epoch(2), [2, 2]);
            token.give(2);
            ap.join().unwrap();
        });
    }

    #[test]
    fn an_ap_that_starts_late_is_never_admitted_to_a_trial_that_has_not_kicked_it() {
        loom::model(|| {
            let shared = first_trial();
            let ap = Arc::clone(&shared);
            let ap = thread::spawn(move || {
                let admission = ap.0.admit(&ap.1);
                assert!(admission.is_none_or(|admission| admission.epoch == Epoch(1)));
            });
            let (orders, token) = &*shared;
            orders.withdraw();
            token.withdraw();
            orders.post(Epoch(2), [2, 2]);
            ap.join().unwrap();
        });
    }
}
