//! The IDT that all CPUs share: interrupts end a HLT, exceptions end the boot.

use crate::apic::mode::in_mode;
use crate::cpu::{self, Ist};
use crate::{apic, pic};
use core::cell::UnsafeCell;
use x86_64::VirtAddr;
use x86_64::structures::idt::{Entry, InterruptDescriptorTable};

/// Vectors that the CPU keeps for itself.
pub const EXCEPTIONS: usize = 32;

/// Addresses of the entries in `traps.s`.
pub struct Entries {
    /// By vector.
    pub exceptions: &'static [u64; EXCEPTIONS],
    /// Acknowledges in xAPIC mode and returns.
    pub wake: u64,
    /// The same in x2APIC mode.
    pub wake_x2apic: u64,
    /// Returns.
    pub spurious: u64,
}

struct Table(UnsafeCell<InterruptDescriptorTable>);

// SAFETY: written once, by the BSP before any AP runs.
unsafe impl Sync for Table {}

static IDT: Table = Table(UnsafeCell::new(InterruptDescriptorTable::new()));

/// Fills the IDT and loads it on this CPU.
///
/// # Safety
///
/// This CPU has its own GDT and TSS ([`cpu::set_up`]); no other CPU runs, and interrupts are off. May be called again when the mode
/// of the APICs has been set.
pub unsafe fn install(entries: &Entries) {
    // SAFETY: no other CPU runs, so nothing else refers to the table.
    fill(unsafe { &mut *IDT.0.get() }, entries);
    // SAFETY: the table is filled, and the caller has set this CPU up.
    unsafe { load() };
}

fn fill(idt: &mut InterruptDescriptorTable, entries: &Entries) {
    let exceptions = entries.exceptions;
    macro_rules! exception {
            ($($field:ident $vector:literal $stack:ident),+ $(,)?) => {
                $(enter(&mut idt.$field, exceptions[$vector], Ist::$stack);)+
            };
        }
    exception! {
        divide_error 0 Exception, debug 1 Exception, non_maskable_interrupt 2 Abort,
        breakpoint 3 Exception, overflow 4 Exception, bound_range_exceeded 5 Exception,
        invalid_opcode 6 Exception, device_not_available 7 Exception, double_fault 8 Abort,
        invalid_tss 10 Exception, segment_not_present 11 Exception,
        stack_segment_fault 12 Exception, general_protection_fault 13 Exception,
        page_fault 14 Exception, x87_floating_point 16 Exception,
        alignment_check 17 Exception, machine_check 18 Abort,
        simd_floating_point 19 Exception, virtualization 20 Exception,
        cp_protection_exception 21 Exception, hv_injection_exception 28 Exception,
        vmm_communication_exception 29 Exception, security_exception 30 Exception,
    }
    let wake = in_mode(entries.wake, entries.wake_x2apic);
    // Also what a kernel before this one has left pending, as its timer's interrupt.
    for vector in pic::VECTORS.end..apic::SPURIOUS_VECTOR {
        enter(&mut idt[vector], wake, Ist::Interrupt);
    }
    for vector in pic::VECTORS.chain([apic::SPURIOUS_VECTOR]) {
        enter(&mut idt[vector], entries.spurious, Ist::Interrupt);
    }
}

fn enter<F>(entry: &mut Entry<F>, address: u64, stack: Ist) {
    // SAFETY: the entries in `traps.s` follow the calling convention of their vector, and `set_up`
    // of each CPU fills that stack's place in its TSS before it loads this table.
    unsafe {
        entry
            .set_handler_addr(VirtAddr::new(address))
            .set_code_selector(cpu::CODE_SELECTOR)
            .set_stack_index(stack as u16);
    }
}

/// Loads the IDT on this CPU.
///
/// # Safety
///
/// This CPU has its own GDT and TSS ([`cpu::set_up`]), and [`install`] has returned or calls this.
pub unsafe fn load() {
    // SAFETY: the table is static, and from `install` on nobody writes it.
    unsafe { (*IDT.0.get()).load_unsafe() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_that_the_machine_can_raise_has_a_handler_of_its_kind() {
        static EXCEPTIONS_AT: [u64; EXCEPTIONS] = [0x1000; EXCEPTIONS];
        let entries = Entries {
            exceptions: &EXCEPTIONS_AT,
            wake: 0x2000,
            wake_x2apic: 0x2100,
            spurious: 0x3000,
        };
        let mut idt = InterruptDescriptorTable::new();
        fill(&mut idt, &entries);
        let handled = |vector: u8| idt[vector].handler_addr().as_u64();
        assert_eq!(idt.general_protection_fault.handler_addr().as_u64(), 0x1000);
        // The first legacy interrupt, the spurious ones of both controllers, the local APIC's.
        assert_eq!([0x20, 0x27, 0x2f, apic::SPURIOUS_VECTOR].map(handled), [0x3000; 4]);
        let linux_timer = 0xec;
        assert_eq!([apic::WAKE_VECTOR, apic::TIMER_VECTOR, linux_timer].map(handled), [0x2000; 3]);
    }
}
