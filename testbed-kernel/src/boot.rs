//! What the PVH loader passes to the kernel.

use crate::failure::fail_for_machine;
use crate::stream::log;
use bringup::CpuIndex;
use bringup::contract::MAX_COMMAND_LINE;
use core::ffi::{CStr, c_char};
use core::fmt;
use core::ops::Range;

/// `XEN_HVM_START_MAGIC_VALUE`.
const MAGIC: u32 = 0x336e_c578;

/// `struct hvm_start_info` of version 0 (Xen, `public/arch-x86/hvm/start_info.h`).
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

impl Region {
    fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }
}

/// `XEN_HVM_MEMMAP_TYPE_RAM`.
const RAM: u32 = 1;

/// The most regions of RAM that are kept; the firmware of a PC lists a few.
const MAX_REGIONS: usize = 128;

const MIB: u64 = 1 << 20;

/// The loader's information, copied out of the low memory in which it lies.
pub struct Boot {
    /// The kernel's command line.
    pub command_line: &'static str,
    /// Physical address of the RSDP, where the loader knows it.
    pub rsdp: Option<usize>,
    /// Where RAM is, where the loader knows it.
    pub memory: Option<Memory>,
}

impl Boot {
    /// True if all these bytes are RAM; also where the loader gave no memory map.
    pub fn is_ram(&self, bytes: Range<u64>) -> bool {
        self.memory.as_ref().is_none_or(|memory| memory.holds(bytes))
    }

    /// Ends the boot if the kernel's `image` is not all RAM.
    ///
    /// Call this before anything behind the BSP's stack is touched: a write to missing memory is lost, and noticed only
    /// much later.
    pub fn require(&self, image: Range<u64>) {
        if let Some(why) = self.memory.as_ref().and_then(|memory| memory.lacks(image)) {
            fail_for_machine(format_args!("{why}"));
        }
    }

    /// Reports how many regions of RAM did not fit this kernel's table.
    pub fn report(&self) {
        let left_out = self.memory.as_ref().map_or(0, |memory| memory.left_out);
        if left_out > 0 {
            log(
                CpuIndex::BSP,
                format_args!(
                    "{left_out} regions of RAM are left out: the loader's memory map has more than \
                     {MAX_REGIONS}, which is all that this kernel keeps"
                ),
            );
        }
    }
}

/// The regions of RAM in the loader's memory map.
pub struct Memory {
    ram: heapless::Vec<Region, MAX_REGIONS>,
    /// How many regions did not fit.
    left_out: usize,
}

impl Memory {
    /// Reads a memory map.
    ///
    /// # Safety
    ///
    /// `map` points to so many readable entries, at any alignment.
    unsafe fn read(map: *const Region, entries: usize) -> Memory {
        let mut memory = Memory { ram: heapless::Vec::new(), left_out: 0 };
        for at in 0..entries {
            // SAFETY: the caller guarantees that the entry is there.
            let region = unsafe { map.wrapping_add(at).read_unaligned() };
            if region.kind == RAM && memory.ram.push(region).is_err() {
                memory.left_out += 1;
            }
        }
        memory
    }

    /// The end of the RAM that begins at `from`; `from` itself if there is none.
    fn end_of_ram(&self, from: u64) -> u64 {
        let mut end = from;
        while let Some(region) = self.ram.iter().find(|ram| ram.address <= end && end < ram.end()) {
            end = region.end();
        }
        end
    }

    fn holds(&self, bytes: Range<u64>) -> bool {
        bytes.end <= self.end_of_ram(bytes.start)
    }

    /// The report, if the kernel does not fit.
    fn lacks(&self, image: Range<u64>) -> Option<TooLittle> {
        let end = self.end_of_ram(image.start);
        let usable = self.ram.iter().fold(0_u64, |sum, region| sum.saturating_add(region.size));
        (end < image.end).then_some(TooLittle { usable, image, end })
    }
}

/// The machine lacks memory that the kernel needs.
#[derive(Debug, PartialEq, Eq)]
struct TooLittle {
    /// All that the map calls RAM, in bytes.
    usable: u64,
    /// The memory that the kernel occupies.
    image: Range<u64>,
    /// The end of the RAM for it.
    end: u64,
}

impl fmt::Display for TooLittle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooLittle { usable, image, end } = self;
        let needed = image.end.div_ceil(MIB);
        write!(
            f,
            "the machine has {} MiB of usable memory, this kernel needs {needed} MiB: its memory is \
             {:#x} to {:#x}, and the loader's memory map has RAM for it up to {end:#x}; give the \
             machine more memory, with QEMU by `-m {}`",
            usable / MIB,
            image.start,
            image.end,
            // The firmware keeps some for itself.
            needed + 1,
        )
    }
}

static COMMAND_LINE: spin::Once<heapless::String<MAX_COMMAND_LINE>> = spin::Once::new();

/// Reads the start info at that physical address.
pub fn read(start_info: u32) -> Boot {
    let at = start_info as usize as *const StartInfo;
    // SAFETY: the PVH boot ABI puts it there, below 4 GiB and so mapped, and promises no alignment.
    let info = unsafe { at.read_unaligned() };
    if info.magic != MAGIC {
        fail_for_machine(format_args!(
            "no PVH start info: expected magic {MAGIC:#x}, found {:#x}; start the kernel by its \
             PVH note, as `qemu-system-x86_64 -kernel` does",
            info.magic
        ));
    }
    let command_line = match mapped::<c_char>("command line", info.command_line, 1) {
        None => c"",
        // SAFETY: the ABI says that a command line ends with a zero byte.
        Some(text) => unsafe { CStr::from_ptr(text) },
    };
    let text = command_line.to_str().unwrap_or_else(|error| {
        fail_for_machine(format_args!("the command line is not UTF-8: {error}"))
    });
    let command_line = COMMAND_LINE.call_once(|| {
        heapless::String::try_from(text).unwrap_or_else(|_| {
            fail_for_machine(format_args!(
                "the command line has {} bytes: expected {MAX_COMMAND_LINE} at most",
                text.len()
            ))
        })
    });
    let memory = (info.version >= 1).then(|| {
        // SAFETY: version 1 of the ABI has this behind version 0.
        let map = unsafe { at.wrapping_add(1).cast::<MapInfo>().read_unaligned() };
        let entries = map.entries as usize;
        let regions = mapped::<Region>("memory map", map.address, entries)?;
        // SAFETY: the ABI puts that many entries there, and they are mapped.
        Some(unsafe { Memory::read(regions, entries) })
    });
    let rsdp = (info.rsdp != 0).then_some(info.rsdp as usize);
    Boot { command_line, rsdp, memory: memory.flatten() }
}

/// The pointer to what the loader put at a physical address; `None` where the loader gave none.
fn mapped<T>(what: &str, address: u64, count: usize) -> Option<*const T> {
    let end = address.saturating_add((count * size_of::<T>()) as u64);
    if end > 1 << 32 {
        fail_for_machine(format_args!(
            "the loader put the {what} at {address:#x}, but this kernel maps only the first 4 GiB"
        ));
    }
    (address != 0 && count > 0).then_some(address as usize as *const T)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: Range<u64> = 2 * MIB..17 * MIB + 1;

    fn region(address: u64, size: u64, kind: u32) -> Region {
        Region { address, size, kind, reserved: 0 }
    }

    fn ram(regions: &[(u64, u64)]) -> Memory {
        let regions: Vec<Region> =
            regions.iter().map(|&(at, size)| region(at, size, RAM)).collect();
        // SAFETY: the vector holds them.
        unsafe { Memory::read(regions.as_ptr(), regions.len()) }
    }

    #[test]
    fn a_map_at_an_odd_address_is_read() {
        let regions = [region(0, 0x9fc00, RAM), region(MIB, 32 * MIB, RAM)];
        let mut bytes = [0_u8; 1 + size_of::<[Region; 2]>()];
        for at in 0..2 {
            let map = bytes[1..].as_mut_ptr().cast::<[Region; 2]>();
            // SAFETY: the bytes behind the first are as many as the regions have.
            let memory = unsafe {
                map.write_unaligned(regions);
                Memory::read(map.cast(), 1 + at)
            };
            assert_eq!(memory.holds(KERNEL), at == 1);
        }
    }

    #[test]
    fn a_machine_with_too_little_memory_says_what_it_has_and_what_is_needed() {
        let memory = ram(&[(0, 0x9fc00), (MIB, 15 * MIB - 0x20000)]);
        let text = memory.lacks(KERNEL).unwrap().to_string();
        assert_eq!(
            text,
            "the machine has 15 MiB of usable memory, this kernel needs 18 MiB: its memory is \
             0x200000 to 0x1100001, and the loader's memory map has RAM for it up to 0xfe0000; \
             give the machine more memory, with QEMU by `-m 19`"
        );
        assert_eq!(ram(&[(MIB, 16 * MIB + 1)]).lacks(KERNEL), None);
    }

    #[test]
    fn only_ram_counts_and_a_hole_in_it_is_none() {
        let whole = [region(0, MIB, RAM), region(MIB, 64 * MIB, 2)];
        // SAFETY: the array holds them.
        let memory = unsafe { Memory::read(whole.as_ptr(), whole.len()) };
        assert!(memory.holds(0x8000..0x9000) && !memory.holds(KERNEL));
        let memory = ram(&[(8 * MIB, 64 * MIB), (0, 8 * MIB - 1)]);
        assert_eq!(memory.lacks(KERNEL).unwrap().end, 8 * MIB - 1);
    }

    #[test]
    fn regions_that_touch_hold_what_spans_them_in_whatever_order_they_are_listed() {
        assert!(ram(&[(8 * MIB, 64 * MIB), (0, 8 * MIB)]).holds(KERNEL));
    }

    #[test]
    fn a_region_up_to_the_end_of_all_addresses_is_no_overflow() {
        assert!(ram(&[(MIB, u64::MAX)]).holds(KERNEL));
        assert!(!ram(&[(u64::MAX - 1, u64::MAX)]).holds(KERNEL));
    }

    #[test]
    fn regions_beyond_the_table_are_counted() {
        let many: Vec<(u64, u64)> = (0..200).map(|at| (at * MIB, MIB / 2)).collect();
        let memory = ram(&many);
        assert_eq!((memory.ram.len(), memory.left_out), (MAX_REGIONS, 200 - MAX_REGIONS));
    }
}
