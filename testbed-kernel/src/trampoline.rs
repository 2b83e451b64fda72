//! The page below 1 MiB on which APs begin.

use crate::boot::Boot;
use crate::failure::fail_for_machine;

/// Its physical address, for the SIPI's vector and `trampoline.s`.
pub const PAGE: u64 = 0x8000;

/// The SIPI's vector.
pub const VECTOR: u8 = (PAGE >> 12) as u8;

const PAGE_SIZE: u64 = 4096;

/// Copies the real-mode code to that page.
pub fn install(code: &[u8], boot: &Boot) {
    if !boot.is_ram(PAGE..PAGE + PAGE_SIZE) {
        fail_for_machine(format_args!(
            "no RAM at {PAGE:#x}, where the APs' first instructions must be"
        ));
    }
    // SAFETY: the page is RAM, mapped, no part of the kernel, and the loader's data in low memory
    // was copied out; `kernel.ld` asserts that the code is no larger than a page.
    unsafe {
        core::ptr::copy_nonoverlapping(code.as_ptr(), PAGE as *mut u8, code.len());
    }
}
