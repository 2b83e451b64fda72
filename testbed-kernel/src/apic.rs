//! The local APIC in xAPIC mode (Intel SDM volume 3, chapter "APIC"): registers by their names.

use crate::failure::fail_for_machine;
use bringup::ApicId;
use core::fmt;
use core::sync::atomic::{Ordering, fence};
use x86_64::registers::model_specific::Msr;

/// Vector of the IPI that ends a HLT.
pub const WAKE_VECTOR: u8 = 0x40;
/// Vector of the local timer.
pub const TIMER_VECTOR: u8 = 0x41;
/// Vector of spurious interrupts; its low four bits are set, as required by the P6 and earlier.
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
const ICR_MODE: u32 = 0b111 << 8;
const ICR_ASSERT: u32 = 1 << 14;
const ICR_PENDING: u32 = 1 << 12;
const ICR_ALL_BUT_SELF: u32 = 0b11 << 18;

/// Destination of an IPI.
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
    // SAFETY: as for `read`. No register touches memory by itself, and the IPIs that can break memory are sent by the
    // `unsafe` functions below alone.
    unsafe { ((BASE + register) as *mut u32).write_volatile(value) }
}

fn base() -> u64 {
    // SAFETY: every CPU with a local APIC has this MSR.
    unsafe { Msr::new(IA32_APIC_BASE).read() }
}

/// Puts this CPU's APIC at its default address, in xAPIC mode, software-enabled, with TPR 0: from then on it accepts
/// IPIs and its timer's interrupts.
///
/// INIT does not reset `IA32_APIC_BASE`, so an AP assumes nothing about it.
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
    send(to, ICR_INIT | ICR_ASSERT);
}

/// Sends a startup IPI (SIPI): a CPU that waits for one starts in real mode at `page << 12`.
///
/// # Safety
///
/// Any CPU that the IPI reaches may run the code there, now or much later. So the page holds real-mode code for good,
/// and that code checks which CPU runs it. [`To::AllButSelf`] also reaches CPUs that the MADT does not list.
pub unsafe fn send_sipi(to: To, page: u8) {
    send(to, ICR_STARTUP | ICR_ASSERT | u32::from(page));
}

/// Sends the IPI that ends a HLT.
pub fn send_wake(to: To) {
    send(to, ICR_FIXED | ICR_ASSERT | u32::from(WAKE_VECTOR));
}

/// Waits until the last IPI that this CPU sent is delivered.
pub fn await_delivery() {
    // The SDM gives no bound. An IPI that is not delivered after so many reads never will be.
    const PATIENCE: u32 = 10_000_000;
    let mut looks = (0..PATIENCE).map(|_| read(ICR_LOW) & ICR_PENDING == 0);
    if !looks.any(|idle| idle) {
        let last = Ipi { low: read(ICR_LOW), high: read(ICR_HIGH) };
        fail_for_machine(format_args!(
            "the local APIC's ICR still says `send pending` after {PATIENCE} reads: the last IPI ({last}) was not \
             delivered; {}",
            Errors(errors())
        ));
    }
}

/// The errors that this CPU's APIC has recorded since the last call, or since its set-up. The write latches them; QEMU
/// ignores it, and never clears the register.
pub fn errors() -> u32 {
    write(ESR, 0);
    read(ESR)
}

/// An IPI, as the ICR holds it.
struct Ipi {
    low: u32,
    high: u32,
}

impl fmt::Display for Ipi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.low & ICR_MODE {
            ICR_INIT => f.write_str("INIT")?,
            ICR_STARTUP => f.write_str("startup")?,
            _ => write!(f, "vector {:#x}", self.low as u8)?,
        }
        if self.low & ICR_ALL_BUT_SELF == ICR_ALL_BUT_SELF {
            f.write_str(" to all CPUs but the sender")
        } else {
            write!(f, " to APIC ID {}", self.high >> 24)
        }
    }
}

/// The bits of an APIC's error register (Intel SDM volume 3, "Error Handling").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errors(pub u32);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 8] = [
            "send checksum error",
            "receive checksum error",
            "send accept error",
            "receive accept error",
            "redirectable IPI",
            "send illegal vector",
            "receive illegal vector",
            "illegal register address",
        ];
        write!(f, "ESR {:#04x}", self.0)?;
        let set = |(bit, _): &(usize, &&str)| self.0 & 1 << bit != 0;
        for (index, (_, name)) in NAMES.iter().enumerate().filter(set).enumerate() {
            write!(f, "{}{name}", if index == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

fn send(to: To, command: u32) {
    await_delivery();
    // Whatever this CPU has stored so far is visible to the CPU that the IPI wakes.
    fence(Ordering::SeqCst);
    match to {
        To::One(id) => {
            write(ICR_HIGH, id.0 << 24);
            write(ICR_LOW, command);
        }
        To::AllButSelf => write(ICR_LOW, command | ICR_ALL_BUT_SELF),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipi_is_called_by_its_kind_and_destination() {
        let text = |low, high| Ipi { low, high }.to_string();
        let sipi = ICR_STARTUP | ICR_ASSERT | ICR_PENDING;
        assert_eq!(text(sipi | 0x08, 3 << 24), "startup to APIC ID 3");
        assert_eq!(
            text(ICR_INIT | ICR_ASSERT | ICR_ALL_BUT_SELF, 0),
            "INIT to all CPUs but the sender"
        );
        assert_eq!(
            text(ICR_FIXED | u32::from(WAKE_VECTOR), 254 << 24),
            "vector 0x40 to APIC ID 254"
        );
    }

    #[test]
    fn errors_are_called_by_their_names() {
        assert_eq!(Errors(0).to_string(), "ESR 0x00");
        assert_eq!(Errors(0x04).to_string(), "ESR 0x04: send accept error");
        assert_eq!(
            Errors(0xa0).to_string(),
            "ESR 0xa0: send illegal vector, illegal register address"
        );
    }
}
