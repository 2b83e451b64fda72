//! What the PVH loader hands over.

use crate::stream::fail_for_machine;
use core::ffi::{CStr, c_char};

/// `XEN_HVM_START_MAGIC_VALUE`.
const MAGIC: u32 = 0x336e_c578;

/// `struct hvm_start_info`, version 1 (Xen, `public/arch-x86/hvm/start_info.h`).
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
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

/// The longest command line that is taken, in bytes; QEMU's loader carries 4095.
pub const MAX_COMMAND_LINE: usize = 4096;

/// What the loader said, copied out of the low memory that it lies in.
pub struct Boot {
    /// The kernel's command line.
    pub command_line: &'static str,
    /// Physical address of the RSDP, where the loader knows it.
    pub rsdp: Option<usize>,
    memory: heapless::Vec<Region, 64>,
}

impl Boot {
    /// True if all these bytes are RAM; also where the loader gave no memory map.
    pub fn is_ram(&self, address: u64, size: u64) -> bool {
        let holds = |region: &Region| {
            region.kind == RAM
                && region.address <= address
                && address + size <= region.address + region.size
        };
        self.memory.is_empty() || self.memory.iter().any(holds)
    }
}

static COMMAND_LINE: spin::Once<heapless::String<MAX_COMMAND_LINE>> = spin::Once::new();

/// Reads the start info at that physical address.
pub fn read(start_info: u32) -> Boot {
    // SAFETY: the PVH boot ABI puts a `hvm_start_info` there, below 4 GiB and so mapped.
    let info = unsafe { &*(start_info as usize as *const StartInfo) };
    if info.magic != MAGIC {
        fail_for_machine(format_args!(
            "no PVH start info: expected magic {MAGIC:#x}, found {:#x}; start the kernel by its \
             PVH note, as `qemu-system-x86_64 -kernel` does",
            info.magic
        ));
    }
    let command_line = match info.command_line {
        0 => c"",
        // SAFETY: the ABI says that a command line ends with a zero byte.
        address => unsafe { CStr::from_ptr(address as *const c_char) },
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
    let memory = if info.version >= 1 && info.memory_map != 0 {
        // SAFETY: version 1 of the ABI puts that many entries there.
        let regions = unsafe {
            core::slice::from_raw_parts(
                info.memory_map as *const Region,
                info.memory_map_entries as usize,
            )
        };
        regions.iter().copied().take(64).collect()
    } else {
        heapless::Vec::new()
    };
    Boot { command_line, rsdp: (info.rsdp != 0).then_some(info.rsdp as usize), memory }
}
