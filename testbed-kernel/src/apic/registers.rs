//! The registers, as each mode reaches them.

use x86_64::registers::model_specific::Msr;

/// Where the registers of xAPIC mode lie after reset.
pub(super) const BASE: u64 = 0xfee0_0000;

/// The MSR of a register in x2APIC mode (Intel SDM volume 3, "x2APIC Register Address Space").
pub(super) const fn msr(register: u32) -> u32 {
    0x800 + (register >> 4)
}

/// The registers of a local APIC, by their offsets in xAPIC mode. No register touches memory by itself; the IPIs that can break
/// memory are sent by `unsafe` functions alone.
pub(super) trait Registers {
    /// Reads a register.
    fn read(register: u32) -> u32;
    /// Writes a register.
    fn write(register: u32, value: u32);
}

/// In memory.
pub(super) struct Xapic;

impl Registers for Xapic {
    #[inline(always)]
    fn read(register: u32) -> u32 {
        // SAFETY: the page tables map the registers uncacheable, and reading one has no side effect on memory.
        unsafe { ((BASE + u64::from(register)) as *const u32).read_volatile() }
    }

    #[inline(always)]
    fn write(register: u32, value: u32) {
        // SAFETY: as for `read`.
        unsafe { ((BASE + u64::from(register)) as *mut u32).write_volatile(value) }
    }
}

/// MSRs; used where the mode is on.
pub(super) struct X2apic;

impl Registers for X2apic {
    #[inline(always)]
    fn read(register: u32) -> u32 {
        // SAFETY: the mode is on, so the MSR is there; reading it has no side effect on memory.
        unsafe { Msr::new(msr(register)).read() as u32 }
    }

    #[inline(always)]
    fn write(register: u32, value: u32) {
        // SAFETY: as for `read`.
        unsafe { Msr::new(msr(register)).write(value.into()) }
    }
}
