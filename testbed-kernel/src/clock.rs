//! Waiting for a moment of the TSC, and moving the counter.

use crate::apic;
use crate::tsc::tsc;
use bringup::options::Spend;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};
use raw_cpuid::CpuId;
use x86_64::instructions::interrupts;
use x86_64::registers::model_specific::Msr;

/// Ticks of the APIC timer per TSC cycle, in 2^-32; set once, before the first AP wakes.
static TICKS_PER_CYCLE: AtomicU64 = AtomicU64::new(0);

/// Sets the ticks of the APIC timer per TSC cycle, in 2^-32.
pub fn set_ticks_per_cycle(ticks: u64) {
    TICKS_PER_CYCLE.store(ticks, Ordering::Relaxed);
}

/// `IA32_TSC_ADJUST`: what software has added to this CPU's counter (Intel SDM volume 3, "IA32_TSC_ADJUST
/// Register and TSC Invariance").
pub const IA32_TSC_ADJUST: u32 = 0x3b;

/// True where this CPU has `IA32_TSC_ADJUST` (leaf 7, EBX bit 1).
pub fn has_tsc_adjust() -> bool {
    CpuId::new().get_extended_feature_info().is_some_and(|info| info.has_tsc_adjust_msr())
}

/// This CPU's `IA32_TSC_ADJUST`, where it has one.
pub fn tsc_adjust() -> Option<i64> {
    // SAFETY: CPUID says that the register is there.
    has_tsc_adjust().then(|| unsafe { Msr::new(IA32_TSC_ADJUST).read() } as i64)
}

/// Moves this CPU's counter by so many cycles.
///
/// # Safety
///
/// The CPU has `IA32_TSC_ADJUST`, and no moment of its TSC from before is waited for or compared with after.
pub unsafe fn move_tsc(by: i64) {
    let mut register = Msr::new(IA32_TSC_ADJUST);
    // SAFETY: the caller says that the register is there; moving the counter touches no memory.
    unsafe { register.write(register.read().wrapping_add_signed(by)) }
}

/// Writes this CPU's `IA32_TSC_ADJUST`; gives by how many cycles that moves the counter.
///
/// # Safety
///
/// As for [`move_tsc`].
pub unsafe fn set_tsc_adjust(value: i64) -> i64 {
    let mut register = Msr::new(IA32_TSC_ADJUST);
    // SAFETY: as in `move_tsc`.
    unsafe {
        let before = register.read() as i64;
        register.write(value as u64);
        value.wrapping_sub(before)
    }
}

/// Halts until an interrupt. Interrupts are off before and after, so one that comes between the
/// caller's last look and the HLT stays pending and ends it at once.
pub fn halt() {
    interrupts::enable_and_hlt();
    interrupts::disable();
}

/// Has this CPU's timer end a HLT after that many cycles, or a little before; and, with a `slice`
/// shorter than that, again and again until then, at least once in each slice.
#[inline(always)]
pub fn set_alarm(cycles: u64, slice: Option<u64>) {
    let ticks = |cycles: u64| {
        let ticks = u128::from(cycles) * u128::from(TICKS_PER_CYCLE.load(Ordering::Relaxed));
        (ticks >> 32) as u64
    };
    match slice.filter(|slice| *slice < cycles) {
        // A whole number of periods ends at the alarm.
        Some(slice) => apic::start_periodic_timer(ticks(cycles / cycles.div_ceil(slice))),
        None => apic::start_timer(ticks(cycles), cycles),
    }
}

/// How many cycles before its moment a halting wait is woken; the rest it counts out.
///
/// On `icount` this has two bounds. It must hold all that is executed from the look at the clock to the start of the
/// timer, and from its interrupt to the next look, 61 instructions at the most: a wait that they don't fit in ends late.
/// And CPUs that wait for the same moment count it out one after the other: with 96, phases of 28 CPUs are 2 % longer.
const LANDING: u64 = 64;

/// Executes about as many instructions as that.
///
/// On `icount`, where an instruction is a cycle, a wait that ends so ends at the same moment even if its
/// wake-up came a few cycles late: QEMU's two threads race for a HLT that follows the setting
/// of an alarm, and the STI and HLT may be counted after the alarm. Elsewhere it is a short spin.
#[inline(always)]
pub fn count_out(instructions: u32) {
    // SAFETY: counts a register down, nothing else. An odd cycle is a NOP that is not jumped over,
    // a pair of them a turn of the loop.
    unsafe {
        asm!(
            "test {left:e}, 1",
            "jz 2f",
            "nop",
            "2:",
            "shr {left:e}, 1",
            "jz 4f",
            "3:",
            "dec {left:e}",
            "jnz 3b",
            "4:",
            left = inout(reg) instructions => _,
            options(nomem, nostack),
        );
    }
}

/// Waits until this CPU's TSC has reached a moment; `slice` gives, for a
/// moment, what bounds the time between two interrupts, in cycles.
pub fn wait_until(moment: u64, how: Spend, slice: impl Fn(u64) -> Option<u64>) {
    loop {
        let now = tsc();
        let Some(left) = moment.checked_sub(now).filter(|left| *left > 0) else { return };
        match how {
            // Without a look at `slice`, which takes more or fewer instructions: the wait would end later or earlier.
            Spend::Halt if left <= 2 * LANDING => count_out(left as u32),
            Spend::Halt => {
                let slice = slice(now);
                // To find one takes more or fewer instructions, so the clock is read again behind it.
                let left = if slice.is_some() { moment.saturating_sub(tsc()) } else { left };
                if left > LANDING {
                    set_alarm(left - LANDING, slice);
                    halt();
                }
            }
            Spend::Spin => {
                let slice = slice(now);
                if slice.is_some() {
                    set_alarm(left, slice);
                }
                core::hint::spin_loop();
            }
        }
    }
}

/// Ends a step at its deadline: waits. Gives by how many cycles the work went beyond it.
pub fn spend(deadline: u64, how: Spend, slice: impl Fn(u64) -> Option<u64>) -> u64 {
    let overrun = tsc().saturating_sub(deadline);
    wait_until(deadline, how, slice);
    overrun
}
