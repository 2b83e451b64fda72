//! The page below 1 MiB on which APs begin.

use crate::apic::{self, To};
use crate::failure::fail_for_machine;
use crate::memory::Memory;
use bringup::options::IcrLevel;

/// Copies the real-mode code to a free page; gives its address.
pub fn install(code: &[u8], memory: &Memory) -> u64 {
    let page = memory.low_page().unwrap_or_else(|| {
        fail_for_machine(format_args!(
            "no page of RAM from 0x1000 to 0x9ffff, where the APs' first instructions must be"
        ))
    });
    // SAFETY: the page is RAM, mapped, no part of the kernel, and the loader's data in low memory
    // was copied out; `kernel.ld` asserts that the code is no larger than a page.
    unsafe {
        core::ptr::copy_nonoverlapping(code.as_ptr(), page as *mut u8, code.len());
    }
    page
}

/// The vector of a SIPI for that page.
pub fn vector(page: u64) -> u8 {
    (page >> 12) as u8
}

/// Sends a SIPI for the code on that page, where [`install`] has put it.
pub fn send_sipi(to: To, page: u64, level: IcrLevel) {
    // SAFETY: the page holds the code for good. A CPU that starts without a kick halts: at once if it is not
    // in the table of APIC IDs, else when `bringup::start` does not admit it.
    unsafe { apic::send_sipi(to, vector(page), level) }
}
