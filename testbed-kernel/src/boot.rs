//! What the loader passes to the kernel, by whichever protocol.

mod given;
mod linux;
mod multiboot2;
mod pvh;

use crate::failure::fail_for_machine;
use crate::memory::Memory;
use bringup::contract::MAX_COMMAND_LINE;
use bringup::plan::CELL;
use spin::Once;

pub use given::Root;

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

/// The loader's information, copied out of the memory in which it lies.
pub struct Boot {
    /// The kernel's command line.
    pub command_line: &'static str,
    /// Where the ACPI tables begin, where the loader knows it.
    pub root: Option<Root>,
    /// Where RAM is.
    pub memory: Memory,
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
