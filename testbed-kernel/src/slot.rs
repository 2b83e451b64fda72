//! What the BSP and one AP share: a slot per CPU, in cache lines that have one writer each.

use crate::cpu::MAX_CPUS;
use bringup::options::{Options, Spend, Step, TscSync, Wait};
use bringup::stamp::Stamp;
use bringup::sync::{ClockWord, Epoch, Word};
use bringup::{ApicId, CpuIndex};
use core::cell::UnsafeCell;
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

/// What the AP writes. Two lines, because some CPUs fetch them in pairs.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Up {
    /// How far it has come.
    pub word: Word,
    /// Its clock, during the sync.
    pub clock: ClockWord,
    /// Its answer to the job.
    pub answer: AtomicU64,
    /// How often it came through the trampoline in this trial.
    pub starts: AtomicU32,
    /// What it saw in the sync: readings of the BSP's.
    pub lag_samples: AtomicU32,
    /// What it saw in the sync: the least that one of them was behind its own clock.
    pub lag_least: AtomicI64,
    /// Its stamps.
    pub stamps: Readings,
    /// The raw entry, where a cost has moved the stamp.
    pub entry_raw: AtomicU64,
    /// By how much its steps went beyond their costs.
    pub overruns: Steps,
}

/// What the BSP writes for the AP to read.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Down {
    /// Which gates are open.
    pub word: Word,
    /// The BSP's clock, during the sync.
    pub clock: ClockWord,
    /// True while the BSP looks for the AP's clock; else the AP may rest.
    pub visiting: AtomicBool,
    /// The faults planted on it, a bit per [`bringup::options::Fault`].
    pub faults: AtomicU8,
    /// The job that proves it takes work.
    pub job: AtomicU64,
    /// The BSP's TSC before its SIPI, which the cost of `wake` is anchored at.
    pub sipi: AtomicU64,
    /// Its costs.
    pub costs: Steps,
}

/// What the BSP notes of the AP, for itself.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Book {
    /// The BSP's stamps.
    pub stamps: Readings,
    /// When the BSP gives it up, on the BSP's TSC.
    pub deadline: AtomicU64,
    /// It was given up.
    pub lost: AtomicBool,
    /// It has had its turn in the sync.
    pub synced: AtomicBool,
    /// What the BSP saw in the sync.
    pub lag_samples: AtomicU32,
    /// What the BSP saw in the sync.
    pub lag_least: AtomicI64,
    /// By how much its kick went beyond its cost.
    pub kick_overrun: AtomicU64,
}

/// One CPU's slot.
#[derive(Debug)]
pub struct Slot {
    /// Written by the AP.
    pub up: Up,
    /// Written by the BSP, read by the AP.
    pub down: Down,
    /// The BSP's alone.
    pub book: Book,
}

impl Slot {
    const fn new() -> Slot {
        Slot {
            up: Up {
                word: Word::new(),
                clock: ClockWord::new(),
                answer: AtomicU64::new(0),
                starts: AtomicU32::new(0),
                lag_samples: AtomicU32::new(0),
                lag_least: AtomicI64::new(0),
                stamps: Readings::new(),
                entry_raw: AtomicU64::new(0),
                overruns: Steps::new(),
            },
            down: Down {
                word: Word::new(),
                clock: ClockWord::new(),
                visiting: AtomicBool::new(false),
                faults: AtomicU8::new(0),
                job: AtomicU64::new(0),
                sipi: AtomicU64::new(0),
                costs: Steps::new(),
            },
            book: Book {
                stamps: Readings::new(),
                deadline: AtomicU64::new(0),
                lost: AtomicBool::new(false),
                synced: AtomicBool::new(false),
                lag_samples: AtomicU32::new(0),
                lag_least: AtomicI64::new(0),
                kick_overrun: AtomicU64::new(0),
            },
        }
    }

    /// Forgets the last trial, while the AP waits for its SIPI. The words stay: their epoch is
    /// over.
    pub fn clear(&self) {
        let Slot { up, down, book } = self;
        up.stamps.clear();
        up.overruns.clear();
        up.entry_raw.store(0, Ordering::Relaxed);
        up.answer.store(0, Ordering::Relaxed);
        up.starts.store(0, Ordering::Relaxed);
        up.lag_samples.store(0, Ordering::Relaxed);
        down.visiting.store(false, Ordering::Relaxed);
        book.stamps.clear();
        book.deadline.store(0, Ordering::Relaxed);
        book.lost.store(false, Ordering::Relaxed);
        book.synced.store(false, Ordering::Relaxed);
        book.lag_samples.store(0, Ordering::Relaxed);
        book.kick_overrun.store(0, Ordering::Relaxed);
    }
}

static SLOTS: [Slot; MAX_CPUS] = [const { Slot::new() }; MAX_CPUS];

/// The slot of a CPU.
pub fn slot(cpu: CpuIndex) -> &'static Slot {
    &SLOTS[cpu.at()]
}

/// What holds for every CPU during one trial.
#[derive(Clone, Copy, Debug)]
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
}

impl Orders {
    /// The orders that these options give.
    pub fn new(epoch: Epoch, bsp: ApicId, options: &Options) -> Orders {
        let Options { tsc_sync, wait, spend, .. } = *options;
        Orders { epoch, zero: 0, bsp, tsc_sync, wait, spend }
    }
}

struct Board(UnsafeCell<Option<Orders>>);

// SAFETY: see `post_orders`.
unsafe impl Sync for Board {}

static BOARD: Board = Board(UnsafeCell::new(None));

/// Posts the trial's orders.
///
/// # Safety
///
/// Every AP waits for its SIPI, so nobody reads; a SIPI orders the write before the AP's reads.
pub unsafe fn post_orders(orders: Orders) {
    // SAFETY: the caller says that nobody reads.
    unsafe { *BOARD.0.get() = Some(orders) };
}

/// The orders of the trial that this AP was woken for.
pub fn orders() -> Option<Orders> {
    // SAFETY: the BSP writes only while every AP waits for its SIPI.
    unsafe { *BOARD.0.get() }
}
