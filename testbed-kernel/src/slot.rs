//! What the BSP and one AP share: a slot per CPU, in cache lines that have one writer each.

use crate::clock;
use bringup::contract::MAX_CPUS;
use bringup::offset::{Exchange, OffsetInterval};
use bringup::options::{Options, Spend, StampSet, Step, TscPoll, TscSync, Wait};
use bringup::stamp::Stamp;
use bringup::start::{Admission, Board, Starts, Token};
use bringup::sync::{ClockWord, Epoch, LagWords, Word};
use bringup::{ApicId, CpuIndex};
use core::cell::Cell;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A table of values that one CPU stores plainly, and another reads after a handshake; 0 is none.
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
pub struct Up {
    /// How far it has come.
    pub word: Word,
    /// Its clock, during the sync.
    pub clock: ClockWord,
    /// What it saw of the BSP's clock in this window.
    pub lag: LagWords,
    /// Its answer to the job.
    pub answer: AtomicU64,
    /// How often it has started.
    pub starts: Starts,
    /// How often in this boot it has started late: not in the trial that its SIPI was sent in, or when it had been
    /// given up there.
    pub late_starts: AtomicU32,
    /// What nobody looks at before the trial is over.
    pub log: Log,
}

impl Up {
    /// Forgets the last trial. The AP alone does this, when it starts in the next: an earlier life of it, which
    /// nobody can tell from outside to be over, so never writes into a trial that is not its own.
    ///
    /// The words stay: their epoch is over.
    pub fn clear(&self) {
        self.clock.clear();
        self.lag.clear();
        self.log.stamps.clear();
        self.log.overruns.clear();
        self.log.entry_raw.store(0, Ordering::Relaxed);
        self.log.has_tsc_adjust.store(false, Ordering::Relaxed);
    }
}

/// What the AP writes for the frames.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Log {
    /// Its stamps.
    pub stamps: Readings,
    /// The raw entry, where a cost has moved the stamp.
    pub entry_raw: AtomicU64,
    /// By how much its steps went beyond their costs.
    pub overruns: Steps,
    /// `IA32_TSC_ADJUST`, where [`Log::has_tsc_adjust`].
    pub tsc_adjust: AtomicI64,
    /// True on a CPU with `IA32_TSC_ADJUST`.
    pub has_tsc_adjust: AtomicBool,
}

impl Log {
    /// Puts the stamps taken so far to a clock that was moved by so many cycles.
    pub fn move_stamps(&self, by: i64) {
        for at in 0..Stamp::COUNT {
            if let Some(taken) = Some(self.stamps.get(at)).filter(|taken| *taken != 0) {
                self.stamps.set(at, taken.wrapping_add_signed(by));
            }
        }
    }
}

/// What the BSP writes for the AP to read.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Down {
    /// Which gates are open.
    pub word: Word,
    /// The BSP's clock, during the sync.
    pub clock: ClockWord,
    /// In which of the AP's windows the BSP exchanges readings with it right now: 1, 2, …; 0: in none, it may rest.
    pub visit: AtomicU32,
    /// What the AP's clock is ahead on purpose, less what was taken off it, inside the sync.
    pub adjustment: AtomicI64,
    /// By how much the AP moves its counter itself before this window.
    pub move_by: AtomicI64,
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

/// What the BSP notes of the AP, for itself.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Book {
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
    /// It has had its turn in the sync.
    pub synced: Cell<bool>,
    /// It has been through the sync and may go on.
    pub settled: Cell<bool>,
    /// Which window of the sync this is for the AP: 1, 2, …; 0 before the first.
    pub window: Cell<u32>,
    /// The BSP's side of the exchange in this window.
    pub exchange: Cell<Exchange>,
    /// How many readings it is to have by the end of this part of the window.
    pub due: Cell<u32>,
    /// What the last window saw.
    pub seen: Cell<Option<OffsetInterval>>,
    /// What the first window saw.
    pub first_seen: Cell<Option<OffsetInterval>>,
    /// What all windows have shown, of the clock as it has been corrected since.
    pub known: Cell<Option<OffsetInterval>>,
    /// By how much the AP's counter was moved.
    pub moved_by: Cell<i64>,
    /// It answered the job wrongly.
    pub wrong: Cell<bool>,
    /// By how much its kick went beyond its cost.
    pub kick_overrun: Cell<u64>,
    /// By how much the last window that watched it went on too long.
    pub window_overrun: Cell<u64>,
}

impl Book {
    const fn new() -> Book {
        Book {
            stamps: Readings::new(),
            deadline: Cell::new(0),
            lost: Cell::new(false),
            taken: Cell::new(0),
            late_starts: Cell::new(0),
            synced: Cell::new(false),
            settled: Cell::new(false),
            window: Cell::new(0),
            exchange: Cell::new(Exchange::begin(Epoch(0))),
            due: Cell::new(0),
            seen: Cell::new(None),
            first_seen: Cell::new(None),
            known: Cell::new(None),
            moved_by: Cell::new(0),
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
        self.window.set(0);
        self.seen.set(None);
        self.first_seen.set(None);
        self.known.set(None);
        self.moved_by.set(0);
        self.wrong.set(false);
        self.kick_overrun.set(0);
        self.window_overrun.set(0);
    }
}

/// What one CPU shares with the BSP.
#[derive(Debug)]
pub struct Shared {
    /// Written by the AP.
    pub up: Up,
    /// Written by the BSP, read by the AP.
    pub down: Down,
}

impl Shared {
    const fn new() -> Shared {
        Shared {
            up: Up {
                word: Word::new(),
                clock: ClockWord::new(),
                answer: AtomicU64::new(0),
                starts: Starts::new(),
                late_starts: AtomicU32::new(0),
                lag: LagWords::new(),
                log: Log {
                    stamps: Readings::new(),
                    entry_raw: AtomicU64::new(0),
                    overruns: Steps::new(),
                    tsc_adjust: AtomicI64::new(0),
                    has_tsc_adjust: AtomicBool::new(false),
                },
            },
            down: Down {
                word: Word::new(),
                clock: ClockWord::new(),
                visit: AtomicU32::new(0),
                adjustment: AtomicI64::new(0),
                move_by: AtomicI64::new(0),
                faults: AtomicU8::new(0),
                job: AtomicU64::new(0),
                token: Token::new(),
                costs: Steps::new(),
                exclusive: AtomicU8::new(0),
            },
        }
    }
}

/// Private to this file, and reached through [`Slots`] alone.
#[derive(Debug)]
struct BspsOwn(Book);

// SAFETY: there is one `Slots` in a boot, and no other CPU gets it or what it gives out: neither is
// `Send`.
unsafe impl Sync for BspsOwn {}

static SLOTS: [(Shared, BspsOwn); MAX_CPUS] =
    [const { (Shared::new(), BspsOwn(Book::new())) }; MAX_CPUS];

/// What a CPU shares with the BSP.
pub fn shared(cpu: CpuIndex) -> &'static Shared {
    &SLOTS[cpu.at()].0
}

/// All slots, with the books in them: the token for what the BSP alone may touch.
///
/// Books, kicks and the verbs of a trial are reached through it alone. It can be taken once, and no safe code can get it
/// to another CPU:
///
/// ```compile_fail,E0277
/// fn to_another_cpu(_: impl Send) {}
/// to_another_cpu(testbed_kernel::slot::Slots::take());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Slots(PhantomData<*const Book>);

impl Slots {
    /// The slots; `None` if they were taken before.
    pub fn take() -> Option<Slots> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        (!TAKEN.swap(true, Ordering::Relaxed)).then_some(Slots(PhantomData))
    }

    /// The slot of a CPU.
    pub fn of(self, cpu: CpuIndex) -> Slot {
        let (Shared { up, down }, BspsOwn(book)) = &SLOTS[cpu.at()];
        Slot { up, down, book }
    }
}

/// One CPU's slot, as the BSP sees it.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Written by the AP.
    pub up: &'static Up,
    /// Written by the BSP, read by the AP.
    pub down: &'static Down,
    /// The BSP's alone.
    pub book: &'static Book,
}

impl Slot {
    /// The BSP forgets the last trial, between trials. The words stay: their epoch is over. What the AP has written is
    /// the AP's to forget ([`Up::clear`]).
    pub fn clear(&self) {
        let Slot { down, book, .. } = self;
        down.token.withdraw();
        down.clock.clear();
        down.visit.store(0, Ordering::Relaxed);
        down.move_by.store(0, Ordering::Relaxed);
        book.clear();
    }
}

/// Windows that one AP may need: each is an exchange of its own.
pub const MAX_WINDOWS: u32 = 4;

/// The epoch of one window's exchange: readings of an earlier window are not fresh in it.
pub fn sync_epoch(trial: Epoch, window: u32) -> Epoch {
    Epoch(trial.0.wrapping_mul(MAX_WINDOWS + 1).wrapping_add(window))
}

/// What holds for every CPU during one trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orders {
    /// Which trial.
    pub epoch: Epoch,
    /// The BSP's TSC at the trial's zero.
    pub zero: u64,
    /// Whom an AP wakes when it has news.
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
}

impl Orders {
    /// The orders that these options give.
    pub fn new(epoch: Epoch, bsp: ApicId, options: &Options) -> Orders {
        let Options { tsc_sync, wait, spend, tsc_poll, stamps, .. } = *options;
        Orders { epoch, zero: 0, bsp, tsc_sync, wait, spend, tsc_poll, stamps }
    }

    /// What [`Orders::of`] reads: the zero, and the rest in one word.
    fn words(&self) -> [u64; 2] {
        let ways = [
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
    fn of(admission: &Admission<2>) -> Option<Orders> {
        let [zero, rest] = admission.words;
        fn nth<T: Copy>(all: &[T], ways: u64, place: u32) -> Option<T> {
            all.get((ways >> (4 * place) & 15) as usize).copied()
        }
        let ways = rest >> 32;
        Some(Orders {
            epoch: admission.epoch,
            zero,
            bsp: ApicId(rest as u32),
            tsc_sync: nth(&TscSync::ALL, ways, 4)?,
            wait: nth(&Wait::ALL, ways, 3)?,
            spend: nth(&Spend::ALL, ways, 2)?,
            tsc_poll: nth(&TscPoll::ALL, ways, 1)?,
            stamps: nth(&StampSet::ALL, ways, 0)?,
        })
    }

    /// Between two rounds of the exchange of clock readings; `now` is this CPU's latest.
    ///
    /// Busy, it stays away from the other's cache lines, and for an uneven while: so the other's next reading goes
    /// into a line that it still owns, and the two don't fall into a step in which they meet at a bad moment.
    #[inline(always)]
    pub fn between_rounds(&self, now: i64) {
        match self.tsc_poll {
            TscPoll::Pause => core::hint::spin_loop(),
            TscPoll::Busy => clock::count_out(now as u32 >> 3 & 127),
        }
    }
}

static BOARD: Board<2> = Board::new();

/// Posts the trial's orders.
pub fn post_orders(orders: &Orders) {
    BOARD.open(orders.epoch, orders.words());
}

/// The trial is over for every AP: one that starts from now on starts late.
pub fn withdraw_orders() {
    BOARD.close();
}

/// The orders of the trial that this AP was started in, and the BSP's TSC before its SIPI; none if it starts late.
pub fn admit(down: &Down) -> Option<(Orders, u64)> {
    let admission = BOARD.admit(&down.token)?;
    Some((Orders::of(&admission)?, admission.sipi))
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
            let mut orders = Orders::new(Epoch(7), ApicId(254), &options);
            orders.zero = u64::MAX - 5;
            let admission = Admission { epoch: orders.epoch, words: orders.words(), sipi: 1 };
            assert_eq!(Orders::of(&admission), Some(orders));
        }
    }

    #[test]
    fn the_books_are_given_out_once() {
        let slots = Slots::take().unwrap();
        slots.of(CpuIndex(1)).book.lost.set(true);
        assert!(Slots::take().is_none());
    }
}
