//! The local APIC in both modes (Intel SDM volume 3, chapter "APIC"): registers by their names.
//!
//! In xAPIC mode the registers are in memory, in x2APIC mode they are MSRs; what differs is in this folder alone.

mod errors;
mod icr;
pub mod mode;

use crate::failure::fail_for_machine;
use bringup::frame::ApicMode;
use core::arch::x86_64::{_mm_lfence, _mm_mfence};
use core::sync::atomic::{Ordering, fence};
use errors::Errors;
use icr::{Icr, SEND_PENDING};
use mode::{BSP, ENABLE, EXTD, mode};
use x86_64::registers::model_specific::Msr;

pub use errors::NotDelivered;
pub use icr::To;
pub use mode::{has_deadlines, use_deadlines};

/// Vector of the IPI that ends a HLT.
pub const WAKE_VECTOR: u8 = 0x40;
/// Vector of the local timer.
pub const TIMER_VECTOR: u8 = 0x41;
/// Vector of spurious interrupts; its low four bits are set, as required by the P6 and earlier.
pub const SPURIOUS_VECTOR: u8 = 0xff;

/// Where the registers of xAPIC mode lie after reset.
const BASE: u64 = 0xfee0_0000;
/// Address of the EOI register in xAPIC mode, for the assembler.
pub const EOI_ADDRESS: u64 = BASE + EOI as u64;
/// The EOI register in x2APIC mode, for the assembler.
pub const EOI_MSR: u32 = msr(EOI);

/// `IA32_APIC_BASE`.
pub const IA32_APIC_BASE: u32 = 0x1b;

/// `IA32_TSC_DEADLINE`.
const IA32_TSC_DEADLINE: u32 = 0x6e0;

const TPR: u32 = 0x80;
const EOI: u32 = 0xb0;
const SVR: u32 = 0xf0;
const ESR: u32 = 0x280;
/// The low doubleword, where the modes differ; all of it in x2APIC mode.
const ICR: u32 = 0x300;
const ICR_HIGH: u32 = 0x310;
const LVT_TIMER: u32 = 0x320;
const LVT_LINT0: u32 = 0x350;
const LVT_LINT1: u32 = 0x360;
const LVT_ERROR: u32 = 0x370;
const TIMER_INITIAL: u32 = 0x380;
const TIMER_CURRENT: u32 = 0x390;
const TIMER_DIVIDE: u32 = 0x3e0;

const SVR_ENABLE: u32 = 1 << 8;
const LVT_MASKED: u32 = 1 << 16;
const LVT_PERIODIC: u32 = 0b01 << 17;
const LVT_TSC_DEADLINE: u32 = 0b10 << 17;
const DIVIDE_BY_1: u32 = 0b1011;

/// The MSR of a register in x2APIC mode.
const fn msr(register: u32) -> u32 {
    0x800 + (register >> 4)
}

#[inline(always)]
fn read(register: u32) -> u32 {
    match mode() {
        // SAFETY: the page tables map the registers uncacheable, and reading one has no side effect on memory.
        ApicMode::Xapic => unsafe { ((BASE + u64::from(register)) as *const u32).read_volatile() },
        // SAFETY: the mode is on, so the MSR is there; reading it has no side effect on memory.
        ApicMode::X2apic => unsafe { Msr::new(msr(register)).read() as u32 },
    }
}

#[inline(always)]
fn write(register: u32, value: u32) {
    match mode() {
        ApicMode::Xapic => {
            // SAFETY: as for `read`. No register touches memory by itself, and the IPIs that can break memory are sent
            // by the `unsafe` functions below alone.
            unsafe { ((BASE + u64::from(register)) as *mut u32).write_volatile(value) }
        }
        // SAFETY: as in xAPIC mode.
        ApicMode::X2apic => unsafe { Msr::new(msr(register)).write(value.into()) },
    }
}

/// This CPU's `IA32_APIC_BASE`.
pub fn base() -> u64 {
    // SAFETY: every CPU with a local APIC has this MSR.
    unsafe { Msr::new(IA32_APIC_BASE).read() }
}

/// Puts this CPU's APIC into the mode of this boot, at its default address, software-enabled, with TPR 0: from then on it
/// accepts IPIs and its timer's interrupts.
///
/// INIT does not reset `IA32_APIC_BASE`, so an AP assumes nothing about it.
pub fn set_up() {
    let found = base();
    let off = BASE | found & BSP;
    let (is_on, is_x2apic) = (found & ENABLE != 0, found & EXTD != 0);
    // SAFETY: moves and enables the APIC, which this CPU has not used yet, by transitions that exist: to x2APIC mode from
    // xAPIC mode, from it only to "disabled".
    let write_base = |value| unsafe { Msr::new(IA32_APIC_BASE).write(value) };
    match mode() {
        ApicMode::Xapic => {
            if is_x2apic {
                write_base(off);
            }
            if found != off | ENABLE {
                write_base(off | ENABLE);
            }
        }
        ApicMode::X2apic => {
            if !is_on {
                write_base(off | ENABLE);
            }
            if !is_x2apic {
                write_base(off | ENABLE | EXTD);
            }
        }
    }
    write(TPR, 0);
    write(SVR, SVR_ENABLE | u32::from(SPURIOUS_VECTOR));
    write(TIMER_DIVIDE, DIVIDE_BY_1);
    write(LVT_TIMER, u32::from(TIMER_VECTOR));
}

/// The rest of a CPU's APIC set-up: local interrupt pins, errors.
pub fn set_up_local_interrupts() {
    for lvt in [LVT_LINT0, LVT_LINT1, LVT_ERROR] {
        write(lvt, LVT_MASKED);
    }
    // Each write replaces the register's contents by the errors since the write before: two leave it empty.
    write(ESR, 0);
    write(ESR, 0);
}

/// Sends INIT: the CPU stops, and waits for a SIPI.
///
/// # Safety
///
/// A CPU that the IPI reaches stops in the middle of whatever it does: no CPU may wait for it, or use memory that it may
/// have been writing. [`To::AllButSelf`] also reaches CPUs that the MADT does not list, or lists as not enabled.
pub unsafe fn send_init(to: To) {
    send(Icr::init(to));
}

/// Sends a start-up IPI (SIPI): a CPU that waits for one starts in real mode at `page << 12`.
///
/// # Safety
///
/// Any CPU that the IPI reaches may run the code there, now or much later. So the page holds real-mode code for good,
/// and that code checks which CPU runs it. [`To::AllButSelf`] also reaches CPUs that the MADT does not list.
pub unsafe fn send_sipi(to: To, page: u8) {
    send(Icr::startup(to, page));
}

/// Sends the IPI that ends a HLT.
pub fn send_wake(to: To) {
    send(Icr::fixed(to, WAKE_VECTOR));
}

#[inline(always)]
fn send(ipi: Icr) {
    match mode() {
        ApicMode::Xapic => {
            // The ICR must not be written while it is busy.
            await_idle();
            // Whatever this CPU has stored so far is visible to the CPU that the IPI wakes.
            fence(Ordering::SeqCst);
            let (high, low) = ipi.xapic();
            write(ICR_HIGH, high);
            write(ICR, low);
        }
        ApicMode::X2apic => {
            // A WRMSR to the ICR is ordered behind nothing (Intel SDM volume 3, "MSR Access in x2APIC Mode").
            // SAFETY: SSE2's fences are there on every 64-bit CPU; the MSR is there in this mode; `send_init` and
            // `send_sipi` say what an IPI may break.
            unsafe {
                _mm_mfence();
                _mm_lfence();
                Msr::new(msr(ICR)).write(ipi.x2apic());
            }
        }
    }
}

/// Waits, in xAPIC mode, until the ICR is idle.
fn await_idle() {
    // The SDM gives no bound. An IPI that is not delivered after so many reads never will be.
    const PATIENCE: u32 = 10_000_000;
    let mut looks = (0..PATIENCE).map(|_| read(ICR) & SEND_PENDING == 0);
    if !looks.any(|idle| idle) {
        fail_for_machine(format_args!(
            "the local APIC's ICR still says `send pending` after {PATIENCE} reads: the last IPI (ICR {:#x}, destination \
             {:#x}) was not delivered; {}",
            read(ICR),
            read(ICR_HIGH) >> 24,
            errors()
        ));
    }
}

/// The errors since the last look, or since the set-up. The write latches them; QEMU ignores it, and never clears the
/// register.
fn errors() -> Errors {
    write(ESR, 0);
    Errors(read(ESR))
}

/// Looks, in xAPIC mode, whether the INITs and SIPIs that this CPU has sent since the last look were delivered, the last of
/// them to `to`. x2APIC mode does not report it.
pub fn kicks_delivered(to: To, page: u8) -> Result<(), NotDelivered> {
    if mode() == ApicMode::X2apic {
        return Ok(());
    }
    await_idle();
    match errors() {
        Errors(0) => Ok(()),
        errors => Err(NotDelivered { ipi: Icr::startup(to, page), errors }),
    }
}

/// Waits until the last IPI that this CPU sent is delivered, where the mode reports that.
pub fn await_delivery() {
    if mode() == ApicMode::Xapic {
        await_idle();
    }
}

/// Starts the timer: one interrupt after that many of its ticks, at least one.
pub fn start_timer(ticks: u64) {
    start(u32::from(TIMER_VECTOR), ticks);
}

/// Starts the timer: an interrupt each time that many of its ticks have passed, at least one.
pub fn start_periodic_timer(ticks: u64) {
    start(u32::from(TIMER_VECTOR) | LVT_PERIODIC, ticks);
}

fn start(lvt: u32, ticks: u64) {
    write(LVT_TIMER, lvt);
    write(TIMER_INITIAL, u32::try_from(ticks).unwrap_or(u32::MAX).max(1));
}

/// Has the timer interrupt at that moment of the TSC, or at once if it is over; where [`has_deadlines`].
pub fn set_deadline(moment: u64) {
    write(LVT_TIMER, u32::from(TIMER_VECTOR) | LVT_TSC_DEADLINE);
    // In xAPIC mode the write above is to memory, and must come before the one below (Intel SDM volume 3, "TSC-Deadline Mode").
    fence(Ordering::SeqCst);
    // SAFETY: CPUID reports the mode, so the MSR is there.
    unsafe { Msr::new(IA32_TSC_DEADLINE).write(moment) };
}

/// Stops the timer.
pub fn stop_timer() {
    if has_deadlines() {
        // A change of the timer's mode disarms it.
        write(LVT_TIMER, u32::from(TIMER_VECTOR));
    }
    write(TIMER_INITIAL, 0);
}

/// Ticks that the timer has left.
pub fn timer_left() -> u32 {
    read(TIMER_CURRENT)
}
