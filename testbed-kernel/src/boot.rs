//! What the loader passes to the kernel, by whichever protocol.

mod linux;
mod multiboot2;
mod pvh;

use crate::failure::fail_for_machine;
use crate::memory::Memory;
use bringup::contract::MAX_COMMAND_LINE;
use bringup::plan::CELL;
use core::slice;
use spin::Once;

/// The boot protocol, as `boot.s` passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Protocol {
    /// PVH (Xen, `docs/misc/pvh.pandoc`).
    Pvh = 1,
    /// Multiboot2.
    Multiboot2 = 2,
    /// Linux's 64-bit boot protocol.
    Linux = 3,
    /// The ELF file's entry, without the magic value of a Multiboot2 loader.
    Unknown = 4,
}

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

/// The loader's information, copied out of the memory in which it lies.
pub struct Boot {
    /// The kernel's command line.
    pub command_line: &'static str,
    /// Where the ACPI tables begin, where the loader knows it.
    pub root: Option<Root>,
    /// Where RAM is.
    pub memory: Memory,
}

/// What a protocol's file reads.
struct Given<'a> {
    command_line: &'a [u8],
    root: Option<Root>,
    memory: Memory,
}

static COMMAND_LINE: Once<heapless::String<MAX_COMMAND_LINE>> = Once::new();

/// Reads what the loader has put at that physical address.
pub fn read(protocol: u32, info: u32) -> Boot {
    let info = info as usize;
    // SAFETY: `boot.s` passes the address that the protocol defines; it is below 4 GiB and so mapped.
    let given = unsafe {
        match protocol {
            it if it == Protocol::Pvh as u32 => pvh::read(info),
            it if it == Protocol::Multiboot2 as u32 => multiboot2::read(info),
            it if it == Protocol::Linux as u32 => linux::read(info),
            _ => fail_for_machine(format_args!(
                "started by no protocol that this kernel knows: expected PVH by the ELF file's note, Multiboot2, or \
                 Linux's 64-bit protocol; `cargo xtask image` makes an image that any PC boots"
            )),
        }
    };
    let text = core::str::from_utf8(given.command_line).unwrap_or_else(|error| {
        fail_for_machine(format_args!("the command line is not UTF-8: {error}"))
    });
    let text = if protocol == Protocol::Multiboot2 as u32 { without_path(text) } else { text };
    let command_line = COMMAND_LINE.call_once(|| {
        heapless::String::try_from(text).unwrap_or_else(|_| {
            fail_for_machine(format_args!(
                "the command line has {} bytes: expected {MAX_COMMAND_LINE} at most",
                text.len()
            ))
        })
    });
    if given.memory.regions().is_empty() {
        fail_for_machine(format_args!("the loader gave no memory map, or one without RAM"));
    }
    Boot { command_line, root: given.root, memory: given.memory }
}

/// The command line without the image's path, which kexec-tools puts first and GRUB does not.
fn without_path(text: &str) -> &str {
    let text = text.trim_ascii_start();
    let first = text.split_ascii_whitespace().next().unwrap_or_default();
    if first == CELL || first.contains('=') { text } else { &text[first.len()..] }
}

/// The pointer to what the loader put at a physical address; `None` where it gave none.
fn mapped<T>(what: &str, address: u64, count: usize) -> Option<*const T> {
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
unsafe fn text<'a>(address: u64) -> &'a [u8] {
    let Some(first) = mapped::<u8>("command line", address, 1) else { return &[] };
    // One more than fits, so that a line that is too long is reported.
    let longest = MAX_COMMAND_LINE + 1;
    // SAFETY: the caller says that a zero or so many bytes follow.
    let length = (0..longest).find(|at| unsafe { first.add(*at).read() } == 0).unwrap_or(longest);
    // SAFETY: as above.
    unsafe { slice::from_raw_parts(first, length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_image_is_no_option() {
        for (line, options) in [
            ("/boot/rollcall apic=x2apic cell", " apic=x2apic cell"),
            ("rollcall", ""),
            ("strategy=serial", "strategy=serial"),
            (" cell kick=unicast", "cell kick=unicast"),
            ("", ""),
        ] {
            assert_eq!(without_path(line), options);
        }
    }
}
