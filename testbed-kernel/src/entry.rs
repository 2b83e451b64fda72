//! Where assembler, linker script and Rust meet: the symbols that each takes from the others.

use core::arch::global_asm;
use core::mem::offset_of;
use core::panic::PanicInfo;
use testbed_kernel::boot::Protocol;
use testbed_kernel::cpu::Trampoline;
use testbed_kernel::paging::Image;
use testbed_kernel::topology::IdLeaf;
use testbed_kernel::{ap, apic, cpu, failure, traps};

// Makes Cargo link again when the linker script changes.
const _: &str = include_str!("../kernel.ld");

global_asm!(
    include_str!("boot.s"),
    include_str!("trampoline.s"),
    include_str!("traps.s"),
    pvh = const Protocol::Pvh as u32,
    multiboot2 = const Protocol::Multiboot2 as u32,
    linux = const Protocol::Linux as u32,
    unknown = const Protocol::Unknown as u32,
    bsp_stacks = sym cpu::BSP_STACKS,
    bsp_stacks_size = const cpu::BSP_STACKS_SIZE,
    stacks_stride = const cpu::STACKS_STRIDE,
    trampoline = sym cpu::TRAMPOLINE,
    page_table = const offset_of!(Trampoline, page_table),
    efer = const offset_of!(Trampoline, efer),
    id_leaf = const offset_of!(Trampoline, id_leaf),
    cpus = const offset_of!(Trampoline, cpus),
    apic_ids = const offset_of!(Trampoline, apic_ids),
    stacks = const offset_of!(Trampoline, stacks),
    basic_leaf = const IdLeaf::Basic as u32,
    apic_eoi = const apic::EOI_ADDRESS,
    apic_eoi_msr = const apic::EOI_MSR,
    ap_main = sym ap::main,
    trapped = sym failure::trapped,
    options(att_syntax),
);

unsafe extern "C" {
    static image_begin: u8;
    static text_end: u8;
    static read_only_end: u8;
    static image_end: u8;
    static trampoline_begin: u8;
    static trampoline_end: u8;
    static exception_entries: [u64; traps::EXCEPTIONS];
    fn interrupt_wake();
    fn interrupt_wake_x2apic();
    fn interrupt_spurious();
}

/// The memory that the kernel occupies, with what its loader clears for it.
pub fn image() -> Image {
    let begin = (&raw const image_begin) as u64;
    let middle = (&raw const text_end) as u64;
    Image {
        text: begin..middle,
        read_only: middle..(&raw const read_only_end) as u64,
        all: begin..(&raw const image_end) as u64,
    }
}

/// The entries in `traps.s`.
pub fn trap_entries() -> traps::Entries {
    traps::Entries {
        // SAFETY: the assembler file defines the table and nothing writes it.
        exceptions: unsafe { &exception_entries },
        wake: interrupt_wake as *const () as u64,
        wake_x2apic: interrupt_wake_x2apic as *const () as u64,
        spurious: interrupt_spurious as *const () as u64,
    }
}

/// The bytes of `trampoline.s` that run in real mode.
pub fn trampoline_code() -> &'static [u8] {
    // SAFETY: both symbols are ends of one read-only run of bytes in the kernel's image.
    unsafe {
        let begin = &raw const trampoline_begin;
        let length = (&raw const trampoline_end).offset_from_unsigned(begin);
        core::slice::from_raw_parts(begin, length)
    }
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    failure::panicked(info)
}

/// Functions that the host target's precompiled `core` calls by name and expects from a C library.
#[cfg(target_os = "linux")]
mod memory {
    use core::arch::asm;

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: the caller guarantees `count` readable and writable bytes without overlap.
        unsafe {
            asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
                 options(nostack, preserves_flags));
        }
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        if (to as usize).wrapping_sub(from as usize) >= count {
            // SAFETY: as for `memcpy`; copying upwards never reads a byte that it has written.
            return unsafe { memcpy(to, from, count) };
        }
        // SAFETY: the caller guarantees `count` bytes; the direction flag is restored.
        unsafe {
            asm!("std", "rep movsb", "cld", inout("rcx") count => _,
                 inout("rdi") to.wrapping_add(count).wrapping_sub(1) => _,
                 inout("rsi") from.wrapping_add(count).wrapping_sub(1) => _, options(nostack));
        }
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
        // SAFETY: the caller guarantees `count` writable bytes.
        unsafe {
            asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") byte as u8,
                 options(nostack, preserves_flags));
        }
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn strlen(text: *const u8) -> usize {
        let mut length = 0;
        // SAFETY: the caller guarantees a zero byte at the end.
        while unsafe { text.add(length).read_volatile() } != 0 {
            length += 1;
        }
        length
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
        // SAFETY: as for `memcmp`.
        unsafe { memcmp(a, b, count) }
    }

    /// The unwind tables of `core` refer to it; this kernel has none.
    #[unsafe(no_mangle)]
    extern "C" fn rust_eh_personality() {}

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
        for index in 0..count {
            // SAFETY: the caller guarantees `count` readable bytes at both.
            let (a, b) = unsafe { (a.add(index).read_volatile(), b.add(index).read_volatile()) };
            if a != b {
                return i32::from(a) - i32::from(b);
            }
        }
        0
    }
}
