//! The local APIC in xAPIC mode (Intel SDM volume 3, chapter "APIC"): registers by their names.

use crate::stream::fail_for_machine;
use bringup::ApicId;
use core::sync::atomic::{Ordering, fence};
use x86_64::registers::model_specific::Msr;

/// Vector of the IPI that ends a HLT.
pub const WAKE_VECTOR: u8 = 0x40;
/// Vector of the local timer.
pub const TIMER_VECTOR: u8 = 0x41;
/// Vector of spurious interrupts; its low four bits are set, as old APICs want it.
pub const SPURIOUS_VECTOR: u8 = 0xff;

/// Where the registers lie after reset.
const BASE: u64 = 0xfee0_0000;
/// Address of the EOI register, for the assembler.
pub const EOI_ADDRESS: u64 = BASE + 0xb0;

/// `IA32_APIC_BASE`.
pub const IA32_APIC_BASE: u32 = 0x1b;
/// `IA32_APIC_BASE`: this is the BSP.
pub const APIC_BASE_BSP: u64 = 1 << 8;
/// `IA32_APIC_BASE`: x2APIC mode.
const APIC_BASE_EXTD: u64 = 1 << 10;
/// `IA32_APIC_BASE`: the APIC is on.
const APIC_BASE_ENABLE: u64 = 1 << 11;

const TPR: u64 = 0x80;
const SVR: u64 = 0xf0;
const ESR: u64 = 0x280;
const ICR_LOW: u64 = 0x300;
const ICR_HIGH: u64 = 0x310;
const LVT_TIMER: u64 = 0x320;
const LVT_LINT0: u64 = 0x350;
const LVT_LINT1: u64 = 0x360;
const LVT_ERROR: u64 = 0x370;
const TIMER_INITIAL: u64 = 0x380;
const TIMER_CURRENT: u64 = 0x390;
const TIMER_DIVIDE: u64 = 0x3e0;

const SVR_ENABLE: u32 = 1 << 8;
const LVT_MASKED: u32 = 1 << 16;
const LVT_PERIODIC: u32 = 1 << 17;
const DIVIDE_BY_1: u32 = 0b1011;
const ICR_FIXED: u32 = 0b000 << 8;
const ICR_INIT: u32 = 0b101 << 8;
const ICR_STARTUP: u32 = 0b110 << 8;
const ICR_ASSERT: u32 = 1 << 14;
const ICR_PENDING: u32 = 1 << 12;
const ICR_ALL_BUT_SELF: u32 = 0b11 << 18;

/// Whom a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// One CPU.
    One(ApicId),
    /// Every CPU but the sender, listed in the MADT or not.
    AllButSelf,
}

fn read(register: u64) -> u32 {
    // SAFETY: boot.s maps the registers uncacheable, and reading one has no side effect on memory.
    unsafe { ((BASE + register) as *const u32).read_volatile() }
}

fn write(register: u64, value: u32) {
    // SAFETY: as for `read`; what the register does is the caller's business, and none of them
    // touches memory.
    unsafe { ((BASE + register) as *mut u32).write_volatile(value) }
}

fn base() -> u64 {
    // SAFETY: every CPU with a local APIC has this MSR.
    unsafe { Msr::new(IA32_APIC_BASE).read() }
}

/// Puts this CPU's APIC at its default address, in xAPIC mode, switched on, deaf to nothing; after
/// this it takes IPIs and its timer's interrupts.
///
/// INIT does not reset `IA32_APIC_BASE`, so an AP does not assume anything of it.
pub fn set_up() {
    let found = base();
    if found & APIC_BASE_EXTD != 0 {
        fail_for_machine(format_args!(
            "the local APIC is in x2APIC mode: this kernel needs xAPIC mode; switch x2APIC off in \
             the firmware's set-up"
        ));
    }
    let wanted = BASE | APIC_BASE_ENABLE | (found & APIC_BASE_BSP);
    if found != wanted {
        // SAFETY: moves and enables the APIC, which this CPU has not used yet.
        unsafe { Msr::new(IA32_APIC_BASE).write(wanted) };
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
    // The error register is latched by a write; twice clears what came before.
    write(ESR, 0);
    write(ESR, 0);
}

/// Asks a CPU to stop and wait for a SIPI.
pub fn send_init(to: To) {
    send(to, ICR_INIT | ICR_ASSERT);
}

/// Starts a CPU that waits for it, in real mode at `page << 12`.
pub fn send_sipi(to: To, page: u8) {
    send(to, ICR_STARTUP | ICR_ASSERT | u32::from(page));
}

/// Ends a CPU's HLT, or all other CPUs'.
pub fn send_wake(to: To) {
    send(to, ICR_FIXED | ICR_ASSERT | u32::from(WAKE_VECTOR));
}

fn send(to: To, message: u32) {
    // The SDM gives no bound, but a message that is not delivered in this long never will be.
    const PATIENCE: u32 = 10_000_000;
    let mut looks = (0..PATIENCE).map(|_| read(ICR_LOW) & ICR_PENDING == 0);
    if !looks.any(|idle| idle) {
        fail_for_machine(format_args!("the local APIC does not deliver a message"));
    }
    // What was stored before the message is visible to whom it wakes.
    fence(Ordering::SeqCst);
    match to {
        To::One(id) => {
            write(ICR_HIGH, id.0 << 24);
            write(ICR_LOW, message);
        }
        To::AllButSelf => write(ICR_LOW, message | ICR_ALL_BUT_SELF),
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

/// Stops the timer.
pub fn stop_timer() {
    write(TIMER_INITIAL, 0);
}

/// Ticks that the timer has left.
pub fn timer_left() -> u32 {
    read(TIMER_CURRENT)
}
