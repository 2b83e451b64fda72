//! Linux's 64-bit boot protocol: `struct boot_params`, the "zero page" (Linux, `Documentation/arch/x86/zero-page.rst`).

use super::given::{Given, Root, text};
use crate::failure::fail_for_machine;
use crate::memory::Memory;

/// `acpi_rsdp_addr`.
const RSDP: usize = 0x070;
/// `ext_cmd_line_ptr`: the high half of the command line's address.
const COMMAND_LINE_HIGH: usize = 0x0c8;
/// `e820_entries`.
const ENTRIES: usize = 0x1e8;
/// `hdr.cmd_line_ptr`.
const COMMAND_LINE: usize = 0x228;
/// `e820_table`.
const TABLE: usize = 0x2d0;

/// The most entries of the table.
const MAX_ENTRIES: usize = 128;

/// `struct boot_e820_entry`.
#[repr(C, packed)]
#[derive(Clone, Copy)]
struct Entry {
    address: u64,
    size: u64,
    kind: u32,
}

/// `E820_TYPE_RAM`.
const RAM: u32 = 1;

/// Reads the parameters.
///
/// # Safety
///
/// A loader of Linux kernels has passed that address.
pub(super) unsafe fn read(at: usize) -> Given<'static> {
    if at == 0 {
        fail_for_machine(format_args!(
            "no `boot_params`: kexec passes them with `--args-linux`, and `--type=multiboot2-x86` needs none"
        ));
    }
    // SAFETY: the protocol puts the structure, of 4096 bytes, at the address.
    unsafe fn field<T: Copy>(at: usize, offset: usize) -> T {
        // SAFETY: as above; fields are not aligned.
        unsafe { ((at + offset) as *const T).read_unaligned() }
    }
    let mut memory = Memory::default();
    // SAFETY: the fields are where the protocol has them.
    let (entries, rsdp, low, high) = unsafe {
        let entries: u8 = field(at, ENTRIES);
        let rsdp: u64 = field(at, RSDP);
        let (low, high): (u32, u32) = (field(at, COMMAND_LINE), field(at, COMMAND_LINE_HIGH));
        (entries, rsdp, low, high)
    };
    for entry in 0..usize::from(entries).min(MAX_ENTRIES) {
        // SAFETY: the table has so many entries.
        let entry: Entry = unsafe { field(at, TABLE + entry * size_of::<Entry>()) };
        if entry.kind == RAM {
            memory.add(entry.address, entry.size);
        }
    }
    let root = (rsdp != 0).then_some(Root::Rsdp(rsdp as usize));
    // SAFETY: the protocol says that a command line ends with a zero byte.
    let command_line = unsafe { text(u64::from(high) << 32 | u64::from(low)) };
    Given { command_line, root, memory }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ram_and_the_rsdp_are_read_from_where_the_protocol_has_them() {
        let mut page = vec![0_u8; 4096];
        page[RSDP..RSDP + 4].copy_from_slice(&0xf_52c0_u32.to_le_bytes());
        page[ENTRIES] = 2;
        for (at, (address, size, kind)) in
            [(0, 0x9fc00, RAM), (0xf0000, 0x10000, 2)].iter().enumerate()
        {
            let entry = [u64::to_le_bytes(*address), u64::to_le_bytes(*size)].concat();
            let at = TABLE + at * 20;
            page[at..at + 16].copy_from_slice(&entry);
            page[at + 16..at + 20].copy_from_slice(&kind.to_le_bytes());
        }
        // SAFETY: the page is a structure of the protocol, without a command line.
        let given = unsafe { read(page.as_ptr() as usize) };
        assert_eq!(given.memory.regions().iter().collect::<Vec<_>>(), [&(0..0x9fc00)]);
        assert_eq!((given.root, given.command_line), (Some(Root::Rsdp(0xf_52c0)), &[][..]));
    }
}
