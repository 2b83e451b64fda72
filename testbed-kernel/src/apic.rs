//! The local APIC in both modes (Intel SDM volume 3, chapter "APIC"): registers by their names.
//!
//! In xAPIC mode the registers are in memory, in x2APIC mode they are MSRs; what differs is in this folder alone.

mod errors;
mod icr;
pub mod mode;
mod registers;

use crate::failure::fail_for_machine;
use crate::tsc::tsc;
use bringup::frame::ApicMode;
use bringup::options::IcrLevel;
use core::arch::x86_64::{_mm_lfence, _mm_mfence};
use core::sync::atomic::{Ordering, fence};
use errors::Errors;
use icr::SEND_PENDING;
use mode::{BSP, ENABLE, EXTD, has_deadlines, is_plain, mode};
use registers::{Registers, X2apic, Xapic};
use x86_64::registers::model_specific::Msr;

pub use errors::NotDelivered;
pub use icr::{Icr, To};
pub use mode::use_deadlines;

/// Vector of the IPI that ends a HLT.
pub const WAKE_VECTOR: u8 = 0x40;
/// Vector of the local timer.
pub const TIMER_VECTOR: u8 = 0x41;
/// Vector of spurious interrupts; its low four bits are set, as required by the P6 and earlier.
pub const SPURIOUS_VECTOR: u8 = 0xff;

/// Address of the EOI register in xAPIC mode, for the assembler.
pub const EOI_ADDRESS: u64 = registers::BASE + EOI as u64;
/// The EOI register in x2APIC mode, for the assembler.
pub const EOI_MSR: u32 = registers::msr(EOI);

/// `IA32_APIC_BASE`.
pub const IA32_APIC_BASE: u32 = 0x1b;

/// `IA32_TSC_DEADLINE`.
const IA32_TSC_DEADLINE: u32 = 0x6e0;

const TPR: u32 = 0x80;
const EOI: u32 = 0xb0;
const SVR: u32 = 0xf0;
const ISR: u32 = 0x100;
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

/// Calls a function with the registers of this boot's mode.
macro_rules! in_mode {
    ($function:ident($($argument:expr),*)) => {
        match mode() {
            ApicMode::Xapic => $function::<Xapic>($($argument),*),
            ApicMode::X2apic => $function::<X2apic>($($argument),*),
        }
    };
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
    let off = registers::BASE | found & BSP;
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
    in_mode!(enable());
}

fn enable<R: Registers>() {
    R::write(TPR, 0);
    R::write(SVR, SVR_ENABLE | u32::from(SPURIOUS_VECTOR));
    R::write(TIMER_DIVIDE, DIVIDE_BY_1);
    R::write(LVT_TIMER, u32::from(TIMER_VECTOR));
}

/// Ends interrupts that a kernel before this one had begun to serve: they would hold up those of lower priority. On the BSP alone,
/// for INIT clears an AP's.
pub fn end_interrupts_in_service() {
    in_mode!(end_in_service());
}

fn end_in_service<R: Registers>() {
    /// Vectors, each of which has a bit in the in-service registers (ISR).
    const VECTORS: usize = 256;
    let in_service = || (0..8).any(|word| R::read(ISR + 0x10 * word) != 0);
    for _ in (0..VECTORS).take_while(|_| in_service()) {
        R::write(EOI, 0);
    }
}

/// The rest of a CPU's APIC set-up: local interrupt pins, errors.
pub fn set_up_local_interrupts() {
    in_mode!(mask_local_interrupts());
}

fn mask_local_interrupts<R: Registers>() {
    for lvt in [LVT_LINT0, LVT_LINT1, LVT_ERROR] {
        R::write(lvt, LVT_MASKED);
    }
    // Each write replaces the register's contents by the errors since the write before: two leave it empty.
    R::write(ESR, 0);
    R::write(ESR, 0);
}

/// Sends INIT: the CPU stops, and waits for a SIPI.
///
/// # Safety
///
/// A CPU that the IPI reaches stops in the middle of whatever it does: no CPU may wait for it, or use memory that it may
/// have been writing. [`To::AllButSelf`] also reaches CPUs that the MADT does not list, or lists as not enabled.
pub unsafe fn send_init(to: To, level: IcrLevel) {
    send(Icr::init(to).with(level));
}

/// Sends INIT level de-assert, which has an effect on processors before the P6 alone: it sets their arbitration IDs. Not
/// in x2APIC mode.
pub fn send_init_deassert(to: To) {
    send(Icr::init_deassert(to));
}

/// Sends a start-up IPI (SIPI): a CPU that waits for one starts in real mode at `page << 12`.
///
/// # Safety
///
/// Any CPU that the IPI reaches may run the code there, now or much later. So the page holds real-mode code for good,
/// and that code checks which CPU runs it. [`To::AllButSelf`] also reaches CPUs that the MADT does not list.
pub unsafe fn send_sipi(to: To, page: u8, level: IcrLevel) {
    send(Icr::startup(to, page).with(level));
}

/// Sends the IPI that ends a HLT.
#[inline(always)]
pub fn send_wake(to: To) {
    send(Icr::fixed(to, WAKE_VECTOR));
}

#[inline(always)]
fn send(ipi: Icr) {
    match mode() {
        ApicMode::Xapic => {
            // The ICR must not be written while it is busy.
            if is_pending() {
                await_idle();
            }
            // Whatever this CPU has stored so far is visible to the CPU that the IPI wakes.
            fence(Ordering::SeqCst);
            let (high, low) = ipi.xapic();
            if let Some(high) = high {
                Xapic::write(ICR_HIGH, high);
            }
            Xapic::write(ICR, low);
        }
        ApicMode::X2apic => send_in_x2apic_mode(ipi.x2apic()),
    }
}

#[cold]
#[inline(never)]
fn send_in_x2apic_mode(ipi: u64) {
    // A WRMSR to the ICR is ordered behind nothing (Intel SDM volume 3, "MSR Access in x2APIC Mode").
    // SAFETY: SSE2's fences are there on every 64-bit CPU; the MSR is there in this mode; `send_init` and
    // `send_sipi` say what an IPI may break.
    unsafe {
        _mm_mfence();
        _mm_lfence();
        Msr::new(registers::msr(ICR)).write(ipi);
    }
}

/// True while the ICR of xAPIC mode is busy.
#[inline(always)]
fn is_pending() -> bool {
    Xapic::read(ICR) & SEND_PENDING != 0
}

/// Waits, in xAPIC mode, until the ICR is idle.
#[cold]
fn await_idle() {
    // The SDM gives no bound. An IPI that is not delivered after so many reads never will be.
    const PATIENCE: u32 = 10_000_000;
    if (0..PATIENCE).all(|_| is_pending()) {
        let (low, high) = (Xapic::read(ICR), Xapic::read(ICR_HIGH));
        fail_for_machine(format_args!(
            "the local APIC's ICR still says `send pending` after {PATIENCE} reads: the last IPI (ICR {low:#x}, destination \
             {:#x}) was not delivered; {}",
            high >> 24,
            errors()
        ));
    }
}

/// The errors of xAPIC mode since the last look, or since the set-up. The write latches them; QEMU ignores it, and never clears
/// the register.
fn errors() -> Errors {
    Xapic::write(ESR, 0);
    Errors(Xapic::read(ESR))
}

/// Looks, in xAPIC mode, whether the INITs and SIPIs that this CPU has sent since the last look were delivered, the last of
/// them to `to`. x2APIC mode does not report it.
pub fn kicks_delivered(to: To, page: u8) -> Result<(), NotDelivered> {
    if mode() == ApicMode::X2apic {
        return Ok(());
    }
    if is_pending() {
        await_idle();
    }
    match errors() {
        Errors(0) => Ok(()),
        errors => Err(NotDelivered { ipi: Icr::startup(to, page), errors }),
    }
}

/// Waits until the last IPI that this CPU sent is delivered, where the mode reports that.
pub fn await_delivery() {
    if mode() == ApicMode::Xapic && is_pending() {
        await_idle();
    }
}

/// Starts the timer: one interrupt after that many of its ticks, at least one, which are so many cycles of the TSC.
#[inline(always)]
pub fn start_timer(ticks: u64, cycles: u64) {
    match is_plain() {
        true => start::<Xapic>(u32::from(TIMER_VECTOR), ticks),
        false => start_timer_otherwise(ticks, cycles),
    }
}

// What is not of xAPIC mode stays out of the caller, so that what is weighs no more.
#[cold]
#[inline(never)]
fn start_timer_otherwise(ticks: u64, cycles: u64) {
    match has_deadlines() {
        true => set_deadline(tsc().wrapping_add(cycles)),
        false => start::<X2apic>(u32::from(TIMER_VECTOR), ticks),
    }
}

/// Starts the timer: an interrupt each time that many of its ticks have passed, at least one.
#[inline(always)]
pub fn start_periodic_timer(ticks: u64) {
    match mode() {
        ApicMode::Xapic => start::<Xapic>(u32::from(TIMER_VECTOR) | LVT_PERIODIC, ticks),
        ApicMode::X2apic => start_periodic_x2apic_timer(ticks),
    }
}

#[cold]
#[inline(never)]
fn start_periodic_x2apic_timer(ticks: u64) {
    start::<X2apic>(u32::from(TIMER_VECTOR) | LVT_PERIODIC, ticks);
}

#[inline(always)]
fn start<R: Registers>(lvt: u32, ticks: u64) {
    R::write(LVT_TIMER, lvt);
    R::write(TIMER_INITIAL, u32::try_from(ticks).unwrap_or(u32::MAX).max(1));
}

/// Has the timer interrupt at that moment of the TSC, or at once if it is over.
fn set_deadline(moment: u64) {
    in_mode!(select_deadlines());
    // In xAPIC mode the write above is to memory, and must come before the one below (Intel SDM volume 3, "TSC-Deadline Mode").
    fence(Ordering::SeqCst);
    // SAFETY: CPUID reports the mode, so the MSR is there.
    unsafe { Msr::new(IA32_TSC_DEADLINE).write(moment) };
}

fn select_deadlines<R: Registers>() {
    R::write(LVT_TIMER, u32::from(TIMER_VECTOR) | LVT_TSC_DEADLINE);
}

/// Stops the timer. (A change of its mode disarms a deadline.)
pub fn stop_timer() {
    in_mode!(stop());
}

fn stop<R: Registers>() {
    if has_deadlines() {
        R::write(LVT_TIMER, u32::from(TIMER_VECTOR));
    }
    R::write(TIMER_INITIAL, 0);
}

/// Ticks that the timer has left.
pub fn timer_left() -> u32 {
    in_mode!(left())
}

fn left<R: Registers>() -> u32 {
    R::read(TIMER_CURRENT)
}
