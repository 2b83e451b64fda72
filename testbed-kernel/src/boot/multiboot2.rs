//! Multiboot2: the boot information of GRUB and kexec-tools.

use super::given::{Given, Root};
use crate::failure::fail_for_machine;
use crate::memory::Memory;
use core::fmt;
use multiboot2::{BootInformation, BootInformationHeader, MemoryAreaType};

fn damaged(at: usize, why: impl fmt::Display) -> ! {
    fail_for_machine(format_args!("the Multiboot2 information at {at:#x} is damaged: {why}"))
}

/// Reads the boot information.
///
/// # Safety
///
/// A Multiboot2 loader has passed that address.
pub(super) unsafe fn read(at: usize) -> Given<'static> {
    // SAFETY: the protocol puts it there, and nothing writes it any more.
    let info = unsafe { BootInformation::load(at as *const BootInformationHeader) };
    let info = info.unwrap_or_else(|error| damaged(at, error));
    let mut memory = Memory::default();
    let areas = info.memory_map_tag().map_or(&[][..], |map| map.memory_areas());
    for area in areas.iter().filter(|area| area.typ() == MemoryAreaType::Available) {
        memory.add(area.start_address(), area.size());
    }
    // A loader that starts from EFI has the newer table.
    let newer = info.rsdp_v2_tag().filter(|rsdp| rsdp.xsdt_address() != 0);
    let root = match (newer, info.rsdp_v1_tag()) {
        (Some(rsdp), _) => {
            Some(Root::Table { revision: rsdp.revision(), address: rsdp.xsdt_address() })
        }
        (None, Some(rsdp)) => Some(Root::Table { revision: 0, address: rsdp.rsdt_address() }),
        (None, None) => None,
    };
    let line = info.command_line_tag().map_or(Ok(""), |line| line.cmdline());
    let line = line.unwrap_or_else(|error| damaged(at, format_args!("the command line: {error}")));
    // SAFETY: the information stays where the loader has put it until the pool takes its memory, after the line was copied.
    let command_line = unsafe { core::slice::from_raw_parts(line.as_ptr(), line.len()) };
    Given { command_line, root, memory }
}
