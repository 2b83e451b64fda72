//! Counters of a known frequency, against which the TSC is measured.

use crate::clock::wait_until;
use crate::tables::PmTimer;
use crate::tsc::tsc;
use bringup::options::Spend;
use x86_64::instructions::port::Port;

/// A counter that counts up.
pub(super) struct Counter<R> {
    read: R,
    /// The bits that count.
    mask: u32,
    /// Its frequency in kHz, as a fraction.
    khz: (u64, u64),
}

impl<R: FnMut() -> u32> Counter<R> {
    /// One measurement of the TSC's frequency, in kHz; `None` where the counter stands still.
    pub(super) fn gate(&mut self) -> Option<u64> {
        /// Cycles between two looks at the gate.
        const NAP: u64 = 500_000;

        let (over, under) = self.khz;
        // A gate lasts 5 ms at least.
        let long = (5 * over / under) as u32;
        let (begin, tsc_begin) = self.edge()?;
        loop {
            // Not a bare HLT: on `icount` its end may be a few cycles late, and so would be all that follows.
            wait_until(tsc() + NAP, Spend::Halt, |_| None);
            let (end, tsc_end) = self.edge()?;
            let ticks = end.wrapping_sub(begin) & self.mask;
            if ticks >= long {
                let cycles = u128::from(tsc_end - tsc_begin);
                let khz = cycles * u128::from(over) / (u128::from(ticks) * u128::from(under));
                return Some(khz as u64);
            }
        }
    }

    /// The counter and the TSC when the counter changes: so its coarse ticks cost no accuracy.
    fn edge(&mut self) -> Option<(u32, u64)> {
        /// Looks at the counter, each of which takes longer than one of its ticks or nearly so.
        const PATIENCE: u32 = 1_000_000;
        let before = (self.read)();
        (0..PATIENCE).find_map(|_| {
            let now = (self.read)();
            (now != before).then(|| (now, tsc()))
        })
    }
}

/// The ACPI PM timer: 3.579545 MHz (ACPI, "Power Management Timer").
pub(super) fn of_pm_timer(timer: PmTimer) -> Counter<impl FnMut() -> u32> {
    let mut port = Port::<u32>::new(timer.port);
    // SAFETY: the FADT says that the PM timer is there; reading it changes nothing.
    Counter { read: move || unsafe { port.read() }, mask: timer.mask, khz: (3_579_545, 1000) }
}

/// The HPET's main counter (IA-PC HPET specification, "Register Overview"); `None` where its period is none.
pub(super) fn of_hpet(base: u64) -> Option<Counter<impl FnMut() -> u32>> {
    /// "General Capabilities and ID", its high doubleword: femtoseconds of a tick.
    const PERIOD: u64 = 0x4;
    /// "General Configuration".
    const CONFIGURATION: u64 = 0x10;
    const ENABLE: u32 = 1 << 0;
    /// "Main Counter Value"; 32 bits of it count everywhere.
    const COUNTER: u64 = 0xf0;
    /// The longest tick that the specification allows: 100 ns.
    const LONGEST: u32 = 100_000_000;

    let register = move |offset| (base + offset) as *mut u32;
    // SAFETY: the HPET table says that the registers are there, and all below 4 GiB is mapped. The comparators stay as they were,
    // and the legacy interrupts are masked.
    let period = unsafe {
        register(CONFIGURATION).write_volatile(register(CONFIGURATION).read_volatile() | ENABLE);
        register(PERIOD).read_volatile()
    };
    // SAFETY: as above; reading the counter changes nothing.
    let read = move || unsafe { register(COUNTER).read_volatile() };
    let khz = (1_000_000_000_000, period.into());
    (1..=LONGEST).contains(&period).then_some(Counter { read, mask: u32::MAX, khz })
}

/// Channel 0 of the PIT (8254): 1.193182 MHz, counts down from 65536 again and again.
pub(super) fn of_pit() -> Counter<impl FnMut() -> u32> {
    const CHANNEL_0: u16 = 0x40;
    const COMMAND: u16 = 0x43;
    /// Channel 0, both bytes, mode 2 (rate generator), binary.
    const RATE_GENERATOR: u8 = 0x34;
    /// Counter latch command for channel 0.
    const LATCH: u8 = 0x00;

    let (mut command, mut data) = (Port::<u8>::new(COMMAND), Port::<u8>::new(CHANNEL_0));
    // SAFETY: the ports are the PIT's, or nobody's; its interrupt is masked.
    unsafe {
        command.write(RATE_GENERATOR);
        data.write(0);
        data.write(0);
    }
    let read = move || {
        // SAFETY: as above; a latched count is read whole.
        let bytes = unsafe {
            command.write(LATCH);
            [data.read(), data.read()]
        };
        u32::from(u16::from_le_bytes(bytes).wrapping_neg())
    };
    Counter { read, mask: 0xffff, khz: (1_193_182, 1000) }
}
