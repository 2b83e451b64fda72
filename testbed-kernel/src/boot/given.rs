//! What every protocol gives, and how it is read from the loader's memory.

use crate::failure::fail_for_machine;
use crate::memory::Memory;
use bringup::contract::MAX_COMMAND_LINE;
use core::slice;

/// Where the ACPI tables begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// Physical address of the RSDP.
    Rsdp(usize),
    /// Physical address of the RSDT or, from revision 2 of ACPI on, the XSDT: the loader gave a copy of the RSDP.
    Table {
        /// Of the RSDP.
        revision: u8,
        /// Of the table.
        address: usize,
    },
}

/// What a protocol's file reads.
pub(super) struct Given<'a> {
    pub(super) command_line: &'a [u8],
    pub(super) root: Option<Root>,
    pub(super) memory: Memory,
}

/// The pointer to what the loader put at a physical address; `None` where it gave none.
pub(super) fn mapped<T>(what: &str, address: u64, count: usize) -> Option<*const T> {
    let bytes = (count as u64).saturating_mul(size_of::<T>() as u64);
    if address.saturating_add(bytes) > 1 << 32 {
        fail_for_machine(format_args!(
            "the loader put the {what} at {address:#x}, but this kernel maps only the first 4 GiB"
        ));
    }
    (address != 0 && count > 0).then_some(address as usize as *const T)
}

/// The bytes of a text that ends with a zero, no more than are worth reading.
///
/// # Safety
///
/// The text is there, or as many bytes are.
pub(super) unsafe fn text<'a>(address: u64) -> &'a [u8] {
    let Some(first) = mapped::<u8>("command line", address, 1) else { return &[] };
    // One more than fits, so that a line that is too long is reported.
    let longest = MAX_COMMAND_LINE + 1;
    // SAFETY: the caller says that a zero or so many bytes follow.
    let length = (0..longest).find(|at| unsafe { first.add(*at).read() } == 0).unwrap_or(longest);
    // SAFETY: as above.
    unsafe { slice::from_raw_parts(first, length) }
}
