//! The two sides together, on one thread: arbitrary delays, missed visits, moves that come late.

use super::*;
use core::cell::Cell;
use proptest::prelude::*;

const TRIAL: Epoch = Epoch(7);

/// An AP, its words, and the BSP that watches it.
struct Pair<'a> {
    to: &'a BspWords,
    from: &'a ApWords,
    bsp: BspSide,
    ap: ApSide<'a>,
    /// The offset of the AP's counter.
    offset: i64,
    time: Cell<i64>,
}

impl<'a> Pair<'a> {
    fn new(to: &'a BspWords, from: &'a ApWords, offset: i64, skew: i64) -> Pair<'a> {
        let (bsp, ap) = (BspSide::begin(TRIAL, skew), ApSide::begin(TRIAL, from, to));
        Pair { to, from, bsp, ap, offset, time: Cell::new(1) }
    }

    /// The AP does one thing, as the kernel's loop would.
    fn step(&mut self) {
        match self.ap.poll() {
            Next::Rest => {}
            Next::Move(by) => {
                self.offset += by;
                self.ap.moved(by);
            }
            Next::Exchange => {
                let (time, offset) = (&self.time, self.offset);
                self.ap.round(|| time.get() + offset);
            }
        }
    }

    /// A window of one visit: for each round of the BSP's, how many steps the AP takes before it, how
    /// long it lasts, and how many steps follow.
    fn window(&mut self, by_counter: bool, rounds: impl IntoIterator<Item = (usize, i64, usize)>) {
        self.bsp.open(self.to, by_counter);
        self.bsp.visit(self.to);
        for (before, passes, behind) in rounds {
            (0..before).for_each(|_| self.step());
            self.time.set(self.time.get() + passes);
            let time = &self.time;
            self.bsp.rounds((self.from, self.to), 0, 0, || time.get(), |_| ());
            (0..behind).for_each(|_| self.step());
        }
        self.bsp.leave(self.to);
        self.bsp.close(self.from);
    }

    /// A window in which no time passes and the AP takes that many steps.
    fn quick(&mut self, by_counter: bool, steps: usize) {
        let last = [(0, 0, 0)];
        self.window(by_counter, core::iter::repeat_n((0, 0, 1), steps).chain(last));
    }

    fn result(&self, online: bool) -> SyncResult {
        self.bsp.result(self.from, 10, online).unwrap()
    }
}

proptest! {
    /// However the two take turns, and whatever the AP misses: the result holds the truth, a clean
    /// clock is close to the BSP's, and a steady clock does not drift.
    #[test]
    fn the_result_holds_the_true_offset(
        offset in -100_000i64..100_000,
        skew in prop_oneof![Just(0i64), -5_000i64..5_000],
        by_counter: bool,
        windows in proptest::collection::vec(
            proptest::collection::vec((0usize..4, 0i64..3_000, 0usize..4), 0..12),
            1..=MAX_WINDOWS as usize,
        ),
    ) {
        const RESOLUTION: u64 = 2_000;
        let (to, from) = (BspWords::new(), ApWords::new());
        let mut pair = Pair::new(&to, &from, offset, skew);
        for rounds in windows {
            pair.window(by_counter, rounds);
        }
        // The AP comes online.
        let result = pair.bsp.result(&from, RESOLUTION, true).unwrap();
        prop_assert_ne!(result.verdict, SyncVerdict::Drift);
        prop_assert_eq!(result.in_hardware, pair.offset != offset);
        if let Some(interval) = result.offset {
            prop_assert!(interval.lo <= pair.offset && pair.offset <= interval.hi, "{:?}", result);
        }
        if result.verdict == SyncVerdict::Clean {
            let exchanged = offset + skew - result.correction;
            prop_assert!(exchanged.unsigned_abs() <= RESOLUTION, "{:?}", result);
        }
    }
}

#[test]
fn a_warp_is_moved_off_the_counter_and_seen_to_be_gone() {
    let (to, from) = (BspWords::new(), ApWords::new());
    let mut pair = Pair::new(&to, &from, 300, 0);
    pair.quick(true, 4);
    assert_eq!((pair.result(true).verdict, pair.result(true).correction), (SyncVerdict::Warp, 0));
    pair.quick(true, 4);
    let result = pair.result(true);
    assert_eq!((result.verdict, result.correction, pair.offset), (SyncVerdict::Clean, 300, 0));
    assert!(result.in_hardware && result == pair.result(false));
}

#[test]
fn a_correction_that_the_ap_has_missed_does_not_count() {
    let (to, from) = (BspWords::new(), ApWords::new());
    let mut pair = Pair::new(&to, &from, 300, 0);
    pair.quick(true, 4);
    pair.quick(true, 0);
    let result = pair.result(true);
    assert_eq!((result.verdict, result.correction, pair.offset), (SyncVerdict::Warp, 0, 300));
    assert!(!result.in_hardware && result.offset.unwrap().lo == 300, "{result:?}");
    // A lost AP may be about to move its counter, so nothing is known of it.
    let lost = pair.result(false);
    assert_eq!((lost.verdict, lost.offset), (SyncVerdict::Unresolved, None));
}

#[test]
fn a_missed_correction_is_carried_out_with_the_next_window() {
    for by_counter in [true, false] {
        let (to, from) = (BspWords::new(), ApWords::new());
        let mut pair = Pair::new(&to, &from, 300, 0);
        [4, 0, 4].into_iter().for_each(|steps| pair.quick(by_counter, steps));
        let result = pair.result(true);
        assert_eq!((result.verdict, result.correction), (SyncVerdict::Clean, 300));
        assert_eq!((result.in_hardware, pair.offset == 0), (by_counter, by_counter));
    }
}

#[test]
fn a_skew_is_taken_off_the_readings_and_the_counter_is_left_alone() {
    let (to, from) = (BspWords::new(), ApWords::new());
    let mut pair = Pair::new(&to, &from, 0, 300);
    [4, 4].into_iter().for_each(|steps| pair.quick(true, steps));
    let result = pair.result(true);
    assert_eq!((result.verdict, result.correction, pair.offset), (SyncVerdict::Clean, 300, 0));
    assert!(!result.in_hardware && result.offset.unwrap().contains_zero(), "{result:?}");
}

#[test]
fn a_clock_that_jumps_between_windows_drifts_and_is_not_corrected() {
    let (to, from) = (BspWords::new(), ApWords::new());
    let mut pair = Pair::new(&to, &from, 0, 0);
    for jump in [0, 900, 0] {
        pair.offset += jump;
        pair.quick(true, 4);
    }
    let result = pair.result(true);
    assert_eq!((result.verdict, result.correction, pair.offset), (SyncVerdict::Drift, 0, 900));
}

#[test]
fn a_clock_that_jumps_after_its_correction_drifts_and_the_correction_is_reported() {
    let (to, from) = (BspWords::new(), ApWords::new());
    let mut pair = Pair::new(&to, &from, 300, 0);
    pair.quick(true, 4);
    assert_eq!(pair.result(true).verdict, SyncVerdict::Warp);
    pair.offset += 1000;
    pair.quick(true, 4);
    let result = pair.result(true);
    assert_eq!(result.verdict, SyncVerdict::Drift);
    assert_eq!(result.offset.map(|offset| offset.correction()), Some(0));
    // The AP has moved its counter, and so its stamps, by what the first window had shown.
    assert!(result.in_hardware);
    assert!((299..=301).contains(&result.correction), "{result:?}");
    assert_eq!(pair.offset, 1300 - result.correction);
}

#[test]
fn an_acknowledgement_of_an_earlier_trial_does_not_count() {
    let (to, from) = (BspWords::new(), ApWords::new());
    let mut pair = Pair::new(&to, &from, 300, 0);
    [4, 4].into_iter().for_each(|steps| pair.quick(true, steps));
    assert_eq!(pair.result(true).correction, 300);
    to.clear();
    from.clear();
    let mut next = Pair::new(&to, &from, 300, 0);
    next.quick(true, 0);
    let result = next.result(true);
    assert_eq!((result.correction, result.in_hardware, result.offset), (0, false, None));
}

#[test]
fn the_lag_lies_in_a_line_that_the_bsp_does_not_poll() {
    let from = ApWords::new();
    let line = |address: usize| address / 128;
    let [clock, done, lag] = [
        (&raw const from.clock).addr(),
        (&raw const from.done).addr(),
        (&raw const from.lag).addr(),
    ];
    assert_eq!(line(clock), line(done));
    assert_ne!(line(clock), line(lag));
}

#[test]
fn a_second_correction_is_counted_from_the_first() {
    let (to, from) = (BspWords::new(), ApWords::new());
    let mut pair = Pair::new(&to, &from, 300, 0);
    // The AP sees the BSP's reading late, so that the middle of the first window is far off.
    pair.bsp.open(&to, true);
    pair.bsp.visit(&to);
    pair.step();
    pair.bsp.rounds((&from, &to), 0, 0, || pair.time.get(), |_| ());
    pair.time.set(pair.time.get() + 3_000);
    pair.step();
    pair.bsp.leave(&to);
    pair.bsp.close(&from);
    pair.quick(true, 4);
    assert_eq!((pair.result(true).verdict, pair.offset), (SyncVerdict::Warp, -1_500));
    pair.quick(true, 4);
    let result = pair.result(true);
    assert_eq!((result.verdict, result.correction, pair.offset), (SyncVerdict::Clean, 300, 0));
}
