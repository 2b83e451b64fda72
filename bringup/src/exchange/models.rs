//! Models of the exchange: `loom` explores how the two CPUs' accesses interleave.
//!
//! Time is a counter that both read. What the AP has really done to its clock is known to the model
//! alone; the BSP has to find out.

use super::*;
use crate::handshake::{Allowed, Word};
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

const TRIAL: Epoch = Epoch(3);

struct Machine {
    to: BspWords,
    from: ApWords,
    gate: Word,
    time: AtomicI64,
    /// The offset of the AP's counter. Relaxed: it is what it is, whoever has seen it.
    offset: AtomicI64,
}

impl Machine {
    fn now(&self) -> i64 {
        self.time.fetch_add(1, Ordering::Relaxed)
    }

    fn offset(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// The AP, until the BSP lets it go. Gives what it has carried out.
    fn ap(&self) -> Order {
        let mut side = ApSide::begin(TRIAL, &self.from, &self.to);
        while self.gate.allowed(TRIAL) < Allowed::Finish {
            match side.poll() {
                Next::Rest => thread::yield_now(),
                Next::Move(by) => {
                    self.offset.store(self.offset() + by, Ordering::Relaxed);
                    side.moved(by);
                }
                Next::Exchange => {
                    while side.is_visited() {
                        side.round(|| self.now() + self.offset());
                        thread::yield_now();
                    }
                }
            }
        }
        side.done
    }

    /// The first window, with nothing left to explore: both sides see each other.
    fn first_window(&self, bsp: &mut BspSide) {
        let mut ap = ApSide::begin(TRIAL, &self.from, &self.to);
        bsp.open(&self.to, true);
        bsp.visit(&self.to);
        for _ in 0..2 {
            assert_eq!(ap.poll(), Next::Exchange);
            ap.round(|| self.now() + self.offset());
            bsp.rounds((&self.from, &self.to), 0, 0, || self.now(), |_| ());
        }
        bsp.leave(&self.to);
        bsp.close(&self.from);
    }

    /// A window of one visit of so many rounds; gives what it has seen.
    fn window(&self, bsp: &mut BspSide, by_counter: bool, rounds: usize) -> Option<OffsetInterval> {
        bsp.open(&self.to, by_counter);
        bsp.visit(&self.to);
        for nth in 0..rounds {
            // Not behind the last one: the AP may be in the middle of a round when the BSP leaves.
            if nth > 0 {
                thread::yield_now();
            }
            bsp.rounds((&self.from, &self.to), 0, 0, || self.now(), |_| ());
        }
        let seen = bsp.seen(&self.from);
        bsp.leave(&self.to);
        bsp.close(&self.from);
        seen
    }
}

fn holds(interval: OffsetInterval, truth: i64) -> bool {
    interval.lo <= truth && truth <= interval.hi
}

/// Explores what the BSP and an AP do behind the first window, until the AP comes online: the result is
/// what really happened.
fn model(offset: i64, sync: impl Fn(&Machine, &mut BspSide) + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(move || {
        let machine = Arc::new(Machine {
            to: BspWords::new(),
            from: ApWords::new(),
            gate: Word::new(),
            time: AtomicI64::new(0),
            offset: AtomicI64::new(offset),
        });
        let mut bsp = BspSide::begin(TRIAL, 0);
        machine.first_window(&mut bsp);
        let ap = Arc::clone(&machine);
        let ap = thread::spawn(move || ap.ap());
        sync(&machine, &mut bsp);
        machine.gate.allow(TRIAL, Allowed::Finish);
        let done = ap.join().unwrap();
        let result = bsp.result(&machine.from, 1_000, true).unwrap();
        assert_eq!(result.in_hardware, machine.offset() != offset);
        assert_eq!(result.correction, -done.total());
        let interval = result.offset.unwrap();
        assert!(holds(interval, machine.offset()), "{result:?}, {done:?}");
    });
}

/// The offsets that are explored: a reading of an earlier window is too large for the first, a lag of one
/// too small for the second.
const OFFSETS: [i64; 2] = [100, -100];

/// The AP may miss the second window, or move its counter when the BSP has closed it.
#[test]
fn a_correction_of_the_counter_counts_when_the_ap_has_acknowledged_it() {
    for offset in OFFSETS {
        model(offset, |machine, bsp| _ = machine.window(bsp, true, 1));
    }
}

#[test]
fn a_correction_of_the_readings_counts_when_the_ap_has_acknowledged_it() {
    for offset in OFFSETS {
        model(offset, |machine, bsp| _ = machine.window(bsp, false, 1));
    }
}

/// The BSP gives the AP up behind the second window. It knows the offset if the AP has done what it was
/// ordered to, and then all of it.
#[test]
fn the_offset_of_a_lost_ap_is_known_if_it_has_acknowledged_all_orders() {
    model(100, |machine, bsp| {
        machine.window(bsp, true, 1);
        let result = bsp.result(&machine.from, 1_000, false).unwrap();
        let truth = machine.offset();
        if let Some(interval) = result.offset {
            assert!(holds(interval, truth), "{result:?}, {truth}");
        }
    });
}

#[test]
fn what_is_seen_in_a_window_is_of_a_clock_as_ordered_in_it() {
    for offset in OFFSETS {
        model(offset, move |machine, bsp| {
            if let Some(seen) = machine.window(bsp, false, 2) {
                assert!(holds(seen, offset + bsp.order.total()), "{seen:?}, {bsp:?}");
            }
        });
    }
}

#[test]
fn a_reading_is_of_the_window_that_it_carries() {
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
