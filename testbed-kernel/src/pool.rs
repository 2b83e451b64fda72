//! Memory for what the machine determines the size of: taken once, before any AP runs, and never given back.

use crate::failure::fail_for_machine;
use crate::memory::{MIB, Memory};
use core::mem::MaybeUninit;
use core::ops::Range;
use core::slice;

/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// The end of the memory that is used: above it may be devices, mapped uncacheable.
const END: u64 = 3 << 30;

/// The RAM behind the kernel's image, in the order of the memory map.
#[derive(Debug)]
pub struct Pool {
    memory: Memory,
    image_end: u64,
    /// The region that is taken from, and what is left of it.
    at: usize,
    left: Range<u64>,
}

impl Pool {
    /// The memory of a machine with the kernel's image in it.
    pub fn new(memory: Memory, image: Range<u64>) -> Pool {
        let mut pool = Pool { memory, image_end: image.end, at: 0, left: 0..0 };
        pool.left = pool.free_in(0);
        pool
    }

    /// What can be taken of a region, in whole pages; empty where there is none.
    fn free_in(&self, at: usize) -> Range<u64> {
        let region = self.memory.regions().get(at).cloned().unwrap_or(0..0);
        let start = region.start.max(self.image_end).next_multiple_of(PAGE);
        let end = region.end.min(END) / PAGE * PAGE;
        start..end.max(start)
    }

    /// How many bytes can be taken.
    pub fn free(&self) -> u64 {
        let later = (self.at + 1..self.memory.regions().len()).map(|at| self.free_in(at));
        later.chain([self.left.clone()]).map(|free| free.end - free.start).sum()
    }

    /// All that the map calls RAM, in bytes.
    pub fn usable(&self) -> u64 {
        self.memory.usable()
    }

    /// The end of the kernel's image.
    pub const fn image_end(&self) -> u64 {
        self.image_end
    }

    fn take(&mut self, bytes: u64, align: u64) -> u64 {
        loop {
            let start = self.left.start.next_multiple_of(align);
            if start.checked_add(bytes).is_some_and(|end| end <= self.left.end) {
                self.left.start = start + bytes;
                return start;
            }
            self.at += 1;
            if self.at >= self.memory.regions().len() {
                fail_for_machine(format_args!(
                    "no {} KiB of memory in one piece are left below 3 GiB, of {} MiB that are usable; give the machine \
                     more memory",
                    bytes.div_ceil(1024),
                    self.memory.usable() / MIB
                ));
            }
            self.left = self.free_in(self.at);
        }
    }

    /// Takes pages that follow one another; gives their address. What is in them is whatever was.
    pub fn pages(&mut self, count: usize) -> u64 {
        self.take(count as u64 * PAGE, PAGE)
    }

    /// Takes room for so many values and makes each of them.
    pub fn slice<T>(&mut self, count: usize, mut make: impl FnMut(usize) -> T) -> &'static mut [T] {
        let at = self.take((count * size_of::<T>()) as u64, align_of::<T>() as u64);
        // SAFETY: the memory is RAM, mapped one to one, aligned, no part of the kernel, and taken once.
        let room = unsafe { slice::from_raw_parts_mut(at as *mut MaybeUninit<T>, count) };
        for (index, place) in room.iter_mut().enumerate() {
            place.write(make(index));
        }
        // SAFETY: every value was made.
        unsafe { slice::from_raw_parts_mut(at as *mut T, count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_taken_behind_the_image_and_below_the_devices() {
        let mut memory = Memory::default();
        for (at, size) in [(0, 0x9fc00), (MIB, 4 * MIB - 5), (8 * MIB, 4 << 30), (5 << 30, 1 << 30)]
        {
            memory.add(at, size);
        }
        let mut pool = Pool::new(memory, 2 * MIB..4 * MIB + 1);
        let first = 4 * MIB + PAGE;
        assert_eq!(pool.free(), (5 * MIB - PAGE - first) + (END - 8 * MIB));
        assert_eq!(pool.pages(2), first);
        assert_eq!(pool.take(8, 8), first + 2 * PAGE);
        assert_eq!(pool.pages(1), first + 3 * PAGE);
        // More than is left of the region.
        assert_eq!(pool.pages(256), 8 * MIB);
        assert_eq!(pool.free(), END - 9 * MIB);
    }
}
