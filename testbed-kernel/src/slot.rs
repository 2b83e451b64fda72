//! What the BSP and one AP share: a slot per CPU, in cache lines that have one writer each.

use crate::callin::Difference;
use crate::pool::Pool;
use bringup::CpuIndex;
use bringup::exchange::{ApWords, BspSide, BspWords};
use bringup::handshake::{Epoch, Word};
use bringup::options::Step;
use bringup::stamp::Stamp;
use bringup::start::{Starts, Token};
use core::cell::{Cell, RefCell};
use core::marker::PhantomData;
use core::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering,
};
use spin::Once;

/// A table of values, written by one CPU, read by another after a handshake; 0 means no value.
#[derive(Debug)]
pub struct Table<const N: usize>([AtomicU64; N]);

impl<const N: usize> Table<N> {
    const fn new() -> Table<N> {
        Table([const { AtomicU64::new(0) }; N])
    }

    /// Stores a value.
    #[inline(always)]
    pub fn set(&self, at: usize, value: u64) {
        self.0[at].store(value, Ordering::Relaxed);
    }

    /// Reads a value; 0 where none was stored.
    pub fn get(&self, at: usize) -> u64 {
        self.0[at].load(Ordering::Relaxed)
    }

    fn clear(&self) {
        (0..N).for_each(|at| self.set(at, 0));
    }
}

/// TSC readings, raw, by [`Stamp`].
pub type Readings = Table<{ Stamp::COUNT }>;

/// Cycles by [`Step`].
pub type Steps = Table<{ Step::COUNT }>;

/// What the AP writes for the BSP to poll. 128 bytes are two lines, for some CPUs fetch them in
/// pairs.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct FromAp {
    /// How far it has come.
    pub word: Word,
    /// Its answer to the job.
    pub answer: AtomicU64,
    /// How often it has started.
    pub starts: Starts,
    /// How often in this boot it has started late: not in the trial that its SIPI was sent in, or when it had been
    /// given up there.
    pub late_starts: AtomicU32,
    /// It has started to be switched to x2APIC mode, and was.
    pub switched: AtomicBool,
    /// Its side of the exchange of clock readings.
    pub exchange: ApWords,
    /// What nobody looks at before the trial is over.
    pub record: Record,
}

impl FromAp {
    const fn new() -> FromAp {
        FromAp {
            word: Word::new(),
            answer: AtomicU64::new(0),
            starts: Starts::new(),
            late_starts: AtomicU32::new(0),
            switched: AtomicBool::new(false),
            exchange: ApWords::new(),
            record: Record::new(),
        }
    }

    /// Forgets the last trial. The AP does this when it starts in the next. No other CPU can know that the AP's last
    /// trial has ended for it; because the AP clears this itself, it never writes into another trial.
    ///
    /// The words stay: their epoch is over.
    pub fn clear(&self) {
        self.exchange.clear();
        self.record.clear();
    }
}

/// What the AP writes for the frames.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Record {
    /// Its stamps.
    pub stamps: Readings,
    /// The raw entry, where a cost has moved the stamp.
    pub entry_raw: AtomicU64,
    /// By how much its steps went beyond their costs.
    pub overruns: Steps,
    /// `IA32_TSC_ADJUST` as the callin has found it, where [`Record::has_tsc_adjust`].
    pub tsc_adjust: AtomicI64,
    /// True on a CPU with `IA32_TSC_ADJUST`.
    pub has_tsc_adjust: AtomicBool,
    /// How its registers differ from the BSP's; see [`Record::difference`].
    differing: [AtomicU16; 2],
    differing_value: AtomicU64,
    /// True from the moment that the counter is moved until `IA32_TSC_ADJUST` has been put back, be it in
    /// the next trial.
    pub is_tsc_moved: AtomicBool,
}

impl Record {
    const fn new() -> Record {
        Record {
            stamps: Readings::new(),
            entry_raw: AtomicU64::new(0),
            overruns: Steps::new(),
            tsc_adjust: AtomicI64::new(0),
            has_tsc_adjust: AtomicBool::new(false),
            differing: [const { AtomicU16::new(0) }; 2],
            differing_value: AtomicU64::new(0),
            is_tsc_moved: AtomicBool::new(false),
        }
    }

    fn clear(&self) {
        self.stamps.clear();
        self.overruns.clear();
        self.entry_raw.store(0, Ordering::Relaxed);
        self.has_tsc_adjust.store(false, Ordering::Relaxed);
        self.differing[0].store(0, Ordering::Relaxed);
    }

    /// Notes that registers differ.
    pub fn differ(&self, Difference { count, first, value }: Difference) {
        self.differing_value.store(value, Ordering::Relaxed);
        self.differing[1].store(first, Ordering::Relaxed);
        self.differing[0].store(count, Ordering::Relaxed);
    }

    /// How its registers differ, if they do.
    pub fn difference(&self) -> Option<Difference> {
        let [count, first] = [0, 1].map(|at: usize| self.differing[at].load(Ordering::Relaxed));
        let value = self.differing_value.load(Ordering::Relaxed);
        (count > 0).then_some(Difference { count, first, value })
    }

    /// Shifts all readings taken so far, after the counter was moved by `by` cycles.
    pub fn move_stamps(&self, by: i64) {
        let moved = |taken: u64| if taken == 0 { 0 } else { taken.wrapping_add_signed(by) };
        for at in 0..Stamp::COUNT {
            self.stamps.set(at, moved(self.stamps.get(at)));
        }
        self.entry_raw.store(moved(self.entry_raw.load(Ordering::Relaxed)), Ordering::Relaxed);
    }

    /// Puts the counter back to what the callin found, if it was moved since; gives by how much it was moved
    /// back, in cycles.
    ///
    /// `set` writes `IA32_TSC_ADJUST` and gives what that adds to it. It may be interrupted by INIT at any
    /// moment: what was not put back is put back the next time, to the same value.
    pub fn put_tsc_back(&self, set: impl FnOnce(i64) -> i64) -> i64 {
        if !self.is_tsc_moved.load(Ordering::Relaxed) {
            return 0;
        }
        let by = set(self.tsc_adjust.load(Ordering::Relaxed));
        self.is_tsc_moved.store(false, Ordering::Relaxed);
        by
    }
}

/// What the BSP writes for the AP to read.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct ToAp {
    /// Which gates are open.
    pub word: Word,
    /// The BSP's side of the exchange of clock readings.
    pub exchange: BspWords,
    /// The faults planted on it, a bit per [`bringup::options::Fault`].
    pub faults: AtomicU8,
    /// The job that proves it takes work.
    pub job: AtomicU64,
    /// Announces its SIPI; the cost of `wake` is anchored at it.
    pub token: Token,
    /// Its costs.
    pub costs: Steps,
    /// The costs that are one CPU's at a time, a bit each.
    pub exclusive: AtomicU8,
}

impl ToAp {
    const fn new() -> ToAp {
        ToAp {
            word: Word::new(),
            exchange: BspWords::new(),
            faults: AtomicU8::new(0),
            job: AtomicU64::new(0),
            token: Token::new(),
            costs: Steps::new(),
            exclusive: AtomicU8::new(0),
        }
    }
}

/// What the BSP notes of the AP, for itself.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct BspNotes {
    /// The BSP's stamps.
    pub stamps: Readings,
    /// When the BSP gives it up, on the BSP's TSC.
    pub deadline: Cell<u64>,
    /// It was given up.
    pub lost: Cell<bool>,
    /// Which stamps it had taken when it was given up, a bit each.
    pub taken: Cell<u16>,
    /// Late starts that were reported, of all trials.
    pub late_starts: Cell<u32>,
    /// SIPIs that it was to be sent, of all trials.
    pub sipis: Cell<u32>,
    /// How many of its registers were reported to differ, of all trials.
    pub differing: Cell<u16>,
    /// It has had its turn in the sync.
    pub synced: Cell<bool>,
    /// It has been through the sync and may go on.
    pub settled: Cell<bool>,
    /// The exchange of clock readings with it.
    pub exchange: RefCell<BspSide>,
    /// How many readings it is to have by the end of this part of the window.
    pub due: Cell<u32>,
    /// It answered the job wrongly.
    pub wrong: Cell<bool>,
    /// By how much its kick went beyond its cost.
    pub kick_overrun: Cell<u64>,
    /// By how much the last window that watched it went on too long.
    pub window_overrun: Cell<u64>,
}

impl BspNotes {
    const fn new() -> BspNotes {
        BspNotes {
            stamps: Readings::new(),
            deadline: Cell::new(0),
            lost: Cell::new(false),
            taken: Cell::new(0),
            late_starts: Cell::new(0),
            sipis: Cell::new(0),
            differing: Cell::new(0),
            synced: Cell::new(false),
            settled: Cell::new(false),
            exchange: RefCell::new(BspSide::new()),
            due: Cell::new(0),
            wrong: Cell::new(false),
            kick_overrun: Cell::new(0),
            window_overrun: Cell::new(0),
        }
    }

    fn clear(&self) {
        self.stamps.clear();
        self.deadline.set(0);
        self.lost.set(false);
        self.taken.set(0);
        self.synced.set(false);
        self.settled.set(false);
        self.wrong.set(false);
        self.kick_overrun.set(0);
        self.window_overrun.set(0);
    }
}

/// What one CPU shares with the BSP.
#[derive(Debug)]
pub struct Shared {
    /// Written by the AP.
    pub from_ap: FromAp,
    /// Written by the BSP, read by the AP.
    pub to_ap: ToAp,
}

impl Shared {
    const fn new() -> Shared {
        Shared { from_ap: FromAp::new(), to_ap: ToAp::new() }
    }
}

/// Private to this file, and reached through [`Slots`] alone.
#[derive(Debug)]
struct BspsOwn(BspNotes);

// SAFETY: there is one `Slots` in a boot, and no other CPU gets it or what it gives out: neither is
// `Send`.
unsafe impl Sync for BspsOwn {}

static SLOTS: Once<&[(Shared, BspsOwn)]> = Once::new();

/// Bytes that [`make_room`] takes for each CPU.
pub const ROOM_EACH: usize = size_of::<(Shared, BspsOwn)>();

/// Takes memory for so many CPUs' slots, before any AP runs.
pub fn make_room(cpus: usize, pool: &mut Pool) {
    SLOTS.call_once(|| pool.slice(cpus, |_| (Shared::new(), BspsOwn(BspNotes::new()))));
}

fn all() -> &'static [(Shared, BspsOwn)] {
    SLOTS.get().copied().unwrap_or_default()
}

/// What a CPU shares with the BSP, after [`make_room`].
pub fn shared(cpu: CpuIndex) -> &'static Shared {
    &all()[cpu.at()].0
}

/// All slots, with the BSP's notes in them: the token for what the BSP alone may touch.
///
/// Notes, kicks and the verbs of a trial are reached through it alone. It can be taken once, and no safe code can get it
/// to another CPU:
///
/// ```compile_fail,E0277
/// fn to_another_cpu(_: impl Send) {}
/// to_another_cpu(testbed_kernel::slot::Slots::take());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Slots(&'static [(Shared, BspsOwn)], PhantomData<*const BspNotes>);

impl Slots {
    /// The slots; `None` if they were taken before.
    pub fn take() -> Option<Slots> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        (!TAKEN.swap(true, Ordering::Relaxed)).then(|| Slots(all(), PhantomData))
    }

    /// The slot of a CPU.
    #[inline(always)]
    pub fn of(self, cpu: CpuIndex) -> Slot {
        let (Shared { from_ap, to_ap }, BspsOwn(notes)) = &self.0[cpu.at()];
        Slot { from_ap, to_ap, notes }
    }
}

/// One CPU's slot, as the BSP sees it.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Written by the AP.
    pub from_ap: &'static FromAp,
    /// Written by the BSP, read by the AP.
    pub to_ap: &'static ToAp,
    /// The BSP's alone.
    pub notes: &'static BspNotes,
}

impl Slot {
    /// Gets ready for a trial with an AP whose clock gets the injected offset `skew`: the BSP forgets the last trial,
    /// between trials. The words stay: their epoch is over. What the AP has written is the AP's to forget
    /// ([`FromAp::clear`]).
    pub fn begin(&self, trial: Epoch, skew: i64) {
        self.to_ap.token.withdraw();
        self.to_ap.exchange.clear();
        self.notes.clear();
        self.notes.exchange.replace(BspSide::begin(trial, skew));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_are_given_out_once() {
        SLOTS.call_once(|| {
            vec![
                (Shared::new(), BspsOwn(BspNotes::new())),
                (Shared::new(), BspsOwn(BspNotes::new())),
            ]
            .leak()
        });
        let slots = Slots::take().unwrap();
        slots.of(CpuIndex(1)).notes.lost.set(true);
        assert!(Slots::take().is_none());
    }

    #[test]
    fn every_reading_of_a_counter_moves_with_it() {
        let record = Record::new();
        record.stamps.set(Stamp::Entry as usize, 900);
        record.entry_raw.store(850, Ordering::Relaxed);
        record.move_stamps(-300);
        assert_eq!(record.stamps.get(Stamp::Entry as usize), 600);
        assert_eq!(record.entry_raw.load(Ordering::Relaxed), 550);
        assert_eq!(record.stamps.get(Stamp::Alive as usize), 0, "not taken yet");
    }

    #[test]
    fn a_counter_that_was_moved_is_put_back_once_and_before_the_next_trial_is_recorded() {
        let record = Record::new();
        let register = Cell::new(-40);
        let set = |value: i64| value - register.replace(value);
        record.tsc_adjust.store(register.get(), Ordering::Relaxed);
        assert_eq!(record.put_tsc_back(set), 0, "it was not moved");
        record.is_tsc_moved.store(true, Ordering::Relaxed);
        register.set(-340);
        // The AP was lost, and starts in the next trial.
        assert_eq!(record.put_tsc_back(set), 300);
        record.clear();
        assert_eq!(register.get(), -40);
        assert_eq!(record.put_tsc_back(|_| panic!("it was put back twice")), 0);
    }
}
