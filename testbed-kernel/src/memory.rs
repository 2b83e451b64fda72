//! The machine's RAM, as the loader's memory map lists it.

use crate::failure::fail_for_machine;
use crate::stream::log;
use bringup::CpuIndex;
use core::fmt;
use core::ops::Range;

/// The most regions of RAM that are kept; the firmware of a PC lists a few.
const MAX_REGIONS: usize = 128;

/// Bytes of a MiB.
pub const MIB: u64 = 1 << 20;

/// Where an AP can begin: below the video memory and the firmware's ROMs, but for the page of address 0.
const LOW: Range<u64> = 0x1000..0xa_0000;

/// Where it begins if that page is RAM.
const USUAL_PAGE: u64 = 0x8000;

const PAGE: u64 = 4096;

/// The regions of RAM.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    ram: heapless::Vec<Range<u64>, MAX_REGIONS>,
    /// How many regions did not fit.
    left_out: usize,
}

impl Memory {
    /// Adds a region of RAM.
    pub fn add(&mut self, address: u64, size: u64) {
        if self.ram.push(address..address.saturating_add(size)).is_err() {
            self.left_out += 1;
        }
    }

    /// The regions, in the order of the map.
    pub fn regions(&self) -> &[Range<u64>] {
        &self.ram
    }

    /// The end of the RAM that begins at `from`; `from` itself if there is none.
    fn end_of_ram(&self, from: u64) -> u64 {
        let mut end = from;
        while let Some(region) = self.ram.iter().find(|ram| ram.contains(&end)) {
            end = region.end;
        }
        end
    }

    fn holds(&self, bytes: Range<u64>) -> bool {
        bytes.end <= self.end_of_ram(bytes.start)
    }

    /// A page on which an AP can begin.
    pub fn low_page(&self) -> Option<u64> {
        let pages = (LOW.start..LOW.end).step_by(PAGE as usize);
        [USUAL_PAGE].into_iter().chain(pages).find(|page| self.holds(*page..page + PAGE))
    }

    /// All RAM, in bytes.
    pub fn usable(&self) -> u64 {
        self.ram.iter().fold(0_u64, |sum, region| sum.saturating_add(region.end - region.start))
    }

    /// Ends the boot if the kernel's `image` is not all RAM.
    ///
    /// Call this before anything behind the BSP's stack is touched: a write to missing memory is lost, and noticed only
    /// much later.
    pub fn require(&self, image: Range<u64>) {
        if let Some(why) = self.lacks(image) {
            fail_for_machine(format_args!("{why}"));
        }
    }

    /// The report, if the kernel does not fit.
    fn lacks(&self, image: Range<u64>) -> Option<TooLittle> {
        let end = self.end_of_ram(image.start);
        (end < image.end).then(|| TooLittle { usable: self.usable(), image, end })
    }

    /// Reports how many regions of RAM did not fit this kernel's table.
    pub fn report(&self) {
        if self.left_out > 0 {
            log(
                CpuIndex::BSP,
                format_args!(
                    "{} regions of RAM are left out: the loader's memory map has more than \
                     {MAX_REGIONS}, which is all that this kernel keeps",
                    self.left_out
                ),
            );
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: Range<u64> = 2 * MIB..17 * MIB + 1;

    fn ram(regions: &[(u64, u64)]) -> Memory {
        let mut memory = Memory::default();
        regions.iter().for_each(|&(at, size)| memory.add(at, size));
        memory
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
    fn a_hole_in_the_ram_is_none() {
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

    #[test]
    fn an_ap_begins_on_any_free_page_of_low_memory_and_never_on_the_first() {
        assert_eq!(ram(&[(0, 0x9fc00)]).low_page(), Some(0x8000));
        assert_eq!(ram(&[(0, 0x1000), (0x9000, 0x96c00)]).low_page(), Some(0x9000));
        assert_eq!(ram(&[(0x1234, 0x1e00)]).low_page(), Some(0x2000));
        assert_eq!(ram(&[(0, 0x1fff), (0xa0000, 64 * MIB)]).low_page(), None);
    }
}
