//! The page tables that every CPU uses: the first 4 GiB, one to one; no page is both writable and executable.

use crate::cpu::{self, TRAMPOLINE};
use crate::pool::{PAGE, Pool};
use core::ops::Range;
use core::sync::atomic::Ordering;
use raw_cpuid::CpuId;
use x86_64::registers::control::{Cr3, Cr3Flags, Efer, EferFlags};
use x86_64::structures::paging::{
    FrameAllocator, Mapper, OffsetPageTable, PageSize, PageTable, PageTableFlags, PhysFrame,
    Size2MiB, Size4KiB,
};
use x86_64::{PhysAddr, VirtAddr};

/// What is mapped.
const ALL: Range<u64> = 0..4 << 30;

/// The last GiB holds devices: uncacheable.
const DEVICES: u64 = 3 << 30;

/// The memory of real mode.
const LOW: Range<u64> = 0..1 << 20;

/// The kernel's image, whose parts begin and end at pages.
#[derive(Clone, Debug)]
pub struct Image {
    /// Instructions.
    pub text: Range<u64>,
    /// What is never written.
    pub read_only: Range<u64>,
    /// All of it.
    pub all: Range<u64>,
}

/// What the kernel keeps in memory, by what may be done with it.
struct Layout {
    image: Image,
    /// The page with the trampoline.
    trampoline: u64,
    /// The APs' stacks.
    stacks: Range<u64>,
    /// True where pages can be marked as not executable.
    nx: bool,
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

impl Layout {
    /// True where the 2 MiB from there on are not all alike.
    fn is_mixed(&self, block: u64) -> bool {
        let block = block..block + Size2MiB::SIZE;
        [&LOW, &self.image.all, &self.stacks].into_iter().any(|special| overlap(&block, special))
    }

    /// What may be done with the page at that address; `None` where it is not mapped.
    fn flags(&self, page: u64) -> Option<PageTableFlags> {
        use PageTableFlags as Flags;
        let no_execute = if self.nx { Flags::NO_EXECUTE } else { Flags::empty() };
        let never = page == 0 || cpu::overflowed_stack(page).is_some();
        if never {
            return None;
        }
        Some(match page {
            _ if self.image.text.contains(&page) || page == self.trampoline => Flags::PRESENT,
            _ if self.image.read_only.contains(&page) => Flags::PRESENT | no_execute,
            DEVICES.. => {
                let uncacheable = Flags::NO_CACHE | Flags::WRITE_THROUGH;
                Flags::PRESENT | Flags::WRITABLE | no_execute | uncacheable
            }
            _ => Flags::PRESENT | Flags::WRITABLE | no_execute,
        })
    }
}

/// Page tables come from the pool.
struct Frames<'p>(&'p mut Pool);

// SAFETY: the pool gives each page once.
unsafe impl FrameAllocator<Size4KiB> for Frames<'_> {
    fn allocate_frame(&mut self) -> Option<PhysFrame> {
        Some(PhysFrame::containing_address(PhysAddr::new(self.0.pages(1))))
    }
}

fn map<S: PageSize + core::fmt::Debug>(
    tables: &mut OffsetPageTable<'_>,
    at: u64,
    flags: PageTableFlags,
    frames: &mut Frames<'_>,
) where
    for<'t> OffsetPageTable<'t>: Mapper<S>,
{
    let frame = PhysFrame::<S>::containing_address(PhysAddr::new(at));
    // SAFETY: the tables are not in use yet, and memory is mapped one to one, as by the tables in use.
    let mapped = unsafe { tables.identity_map(frame, flags, frames) };
    // No address is mapped twice, and the pool ends the boot where it is empty.
    mapped.expect("the address is mapped once").ignore();
}

/// Builds the page tables, uses them on this CPU and has the trampoline use them on the others. Call this when the trampoline is
/// filled and the stacks are taken.
pub fn set_up(image: Image, trampoline: u64, pool: &mut Pool) {
    let features = CpuId::new().get_extended_processor_and_feature_identifiers();
    let nx = features.is_some_and(|features| features.has_execute_disable());
    let layout = Layout { image, trampoline, stacks: cpu::ap_stacks(), nx };
    let top = pool.slice(1, |_| PageTable::new());
    let address = top.as_ptr() as u64;
    // SAFETY: the boot's tables map memory one to one, and the new ones are empty.
    let mut tables = unsafe { OffsetPageTable::new(&mut top[0], VirtAddr::zero()) };
    let mut frames = Frames(pool);
    for block in ALL.step_by(Size2MiB::SIZE as usize) {
        if layout.is_mixed(block) {
            for page in (block..block + Size2MiB::SIZE).step_by(PAGE as usize) {
                if let Some(flags) = layout.flags(page) {
                    map::<Size4KiB>(&mut tables, page, flags, &mut frames);
                }
            }
        } else if let Some(flags) = layout.flags(block) {
            map::<Size2MiB>(&mut tables, block, flags, &mut frames);
        }
    }
    let mut efer = EferFlags::LONG_MODE_ENABLE;
    efer.set(EferFlags::NO_EXECUTE_ENABLE, nx);
    TRAMPOLINE.efer.store(efer.bits() as u32, Ordering::Release);
    TRAMPOLINE.page_table.store(address as u32, Ordering::Release);
    // SAFETY: CPUID reports the bit where it is set; the tables map the code, the stack and all data of this CPU as they were.
    unsafe {
        // Whole: a kernel before this one may have left other bits.
        Efer::write(efer | EferFlags::LONG_MODE_ACTIVE);
        Cr3::write(PhysFrame::containing_address(PhysAddr::new(address)), Cr3Flags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PageTableFlags as Flags;

    #[test]
    fn no_page_is_both_writable_and_executable() {
        let image = Image {
            text: 0x20_0000..0x21_0000,
            read_only: 0x21_0000..0x21_4000,
            all: 0x20_0000..0x30_0000,
        };
        let layout = Layout { image, trampoline: 0x8000, stacks: 0x40_0000..0x41_0000, nx: true };
        for page in (0..0x60_0000).chain(DEVICES..DEVICES + 0x1000).step_by(PAGE as usize) {
            let Some(flags) = layout.flags(page) else { continue };
            let executable = !flags.contains(Flags::NO_EXECUTE);
            assert!(!(executable && flags.contains(Flags::WRITABLE)), "{page:#x}");
            assert_eq!(
                executable,
                page == 0x8000 || (0x20_0000..0x21_0000).contains(&page),
                "{page:#x}"
            );
        }
        assert_eq!(layout.flags(0), None);
        assert!(!layout.flags(0x21_0000).unwrap().contains(Flags::WRITABLE));
        assert!(layout.flags(DEVICES).unwrap().contains(Flags::NO_CACHE));
        assert!(layout.is_mixed(0) && layout.is_mixed(0x40_0000) && !layout.is_mixed(0x60_0000));
    }
}
