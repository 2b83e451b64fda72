//! PVH: `struct hvm_start_info` (Xen, `public/arch-x86/hvm/start_info.h`).

use super::given::{Given, Root, mapped, text};
use crate::failure::fail_for_machine;
use crate::memory::Memory;

/// `XEN_HVM_START_MAGIC_VALUE`.
const MAGIC: u32 = 0x336e_c578;

/// The structure of version 0.
#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
}

/// What version 1 adds behind version 0.
#[repr(C)]
#[derive(Clone, Copy)]
struct MapInfo {
    address: u64,
    entries: u32,
    reserved: u32,
}

/// `struct hvm_memmap_table_entry`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Region {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// `XEN_HVM_MEMMAP_TYPE_RAM`.
const RAM: u32 = 1;

/// Reads the start info.
///
/// # Safety
///
/// A PVH loader has passed that address.
pub(super) unsafe fn read(at: usize) -> Given<'static> {
    let at = at as *const StartInfo;
    // SAFETY: the protocol puts it there, and promises no alignment.
    let info = unsafe { at.read_unaligned() };
    if info.magic != MAGIC {
        fail_for_machine(format_args!(
            "no PVH start info: expected magic {MAGIC:#x}, found {:#x}; start the kernel by its \
             PVH note, as `qemu-system-x86_64 -kernel` does",
            info.magic
        ));
    }
    let mut memory = Memory::default();
    if info.version >= 1 {
        // SAFETY: version 1 of the protocol has this behind version 0.
        let map = unsafe { at.wrapping_add(1).cast::<MapInfo>().read_unaligned() };
        let entries = map.entries as usize;
        if let Some(regions) = mapped::<Region>("memory map", map.address, entries) {
            // SAFETY: the protocol puts that many entries there, and they are mapped.
            unsafe { add_ram(&mut memory, regions, entries) };
        }
    }
    let root = (info.rsdp != 0).then_some(Root::Rsdp(info.rsdp as usize));
    // SAFETY: the protocol says that a command line ends with a zero byte.
    Given { command_line: unsafe { text(info.command_line) }, root, memory }
}

/// Adds the regions of RAM of a map.
///
/// # Safety
///
/// `map` points to so many readable entries, at any alignment.
unsafe fn add_ram(memory: &mut Memory, map: *const Region, entries: usize) {
    for at in 0..entries {
        // SAFETY: the caller guarantees that the entry is there.
        let region = unsafe { map.wrapping_add(at).read_unaligned() };
        if region.kind == RAM {
            memory.add(region.address, region.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_at_an_odd_address_is_read_and_only_ram_counts() {
        let region = |address, size, kind| Region { address, size, kind, reserved: 0 };
        let regions =
            [region(0, 0x9fc00, RAM), region(0xf0000, 0x10000, 2), region(1 << 20, 7, RAM)];
        let mut bytes = [0_u8; 1 + size_of::<[Region; 3]>()];
        let map = bytes[1..].as_mut_ptr().cast::<[Region; 3]>();
        let mut memory = Memory::default();
        // SAFETY: the bytes behind the first are as many as the regions have.
        unsafe {
            map.write_unaligned(regions);
            add_ram(&mut memory, map.cast(), 3);
        }
        assert_eq!(memory.regions(), [0..0x9fc00, 1 << 20..(1 << 20) + 7]);
    }
}
