//! Each CPU's own stack, GDT and TSS with IST stacks; and the table of APIC IDs.

use crate::topology::IdLeaf;
use bringup::contract::MAX_CPUS;
use bringup::{ApicId, CpuIndex};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering};
use raw_cpuid::CpuIdReaderNative;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;
use x86_64::{PrivilegeLevel, VirtAddr};

/// Bytes of a CPU's stack.
const STACK_SIZE: usize = 64 * 1024;

/// What the lowest word of a stack holds; a stack that grew over it has overflowed.
const STACK_GUARD: u64 = 0x5354_4143_4b45_4e44;

/// The first descriptor of each CPU's GDT: 64-bit code.
pub const CODE_SELECTOR: SegmentSelector = SegmentSelector::new(1, PrivilegeLevel::Ring0);

/// Stacks that an exception or interrupt switches to, so that it never writes into the red zone
/// of the function that it interrupts.
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
pub enum Ist {
    /// Exceptions.
    Exception = 0,
    /// Double fault, NMI, machine check: they may come inside an exception.
    Abort = 1,
    /// Timer, IPIs, spurious.
    Interrupt = 2,
}

const IST_STACKS: usize = 3;

/// Bytes of each. A panic in a trap formats a line and encodes its frame on one of them.
const IST_SIZE: usize = 16 * 1024;

/// The stacks of one CPU. They grow down, so an overflow overwrites the lowest word of its stack first.
#[repr(C, align(16))]
struct CpuStacks {
    ist: [[u8; IST_SIZE]; IST_STACKS],
    /// The last, so that its top is where the next CPU's stacks begin; the assembler relies on it.
    main: [u8; STACK_SIZE],
}

/// Bytes from the top of one CPU's main stack to the next CPU's.
pub const STACKS_STRIDE: usize = size_of::<CpuStacks>();

const _: () = assert!(offset_of!(CpuStacks, main) + STACK_SIZE == STACKS_STRIDE);

/// The report of an overflow, by the stack's place in [`CpuStacks`].
const OVERFLOWS: [&str; IST_STACKS + 1] = [
    "its stack for exceptions has overflowed",
    "its stack for aborts has overflowed",
    "its stack for interrupts has overflowed",
    "its stack has overflowed",
];

/// Memory that the assembler or the CPU itself finds by address.
pub struct Stacks(UnsafeCell<[CpuStacks; MAX_CPUS]>);

// SAFETY: each CPU uses the stacks of its own index only.
unsafe impl Sync for Stacks {}

/// The CPUs' stacks, by index; the assembler sets RSP into it.
///
/// `kernel.ld` puts this section last, and CPU 0's stacks are its first: a machine with too little memory for all
/// of it has enough for the BSP to report that.
#[unsafe(link_section = ".bss..stacks")]
pub static STACKS: Stacks = Stacks(UnsafeCell::new(
    [const { CpuStacks { ist: [[0; IST_SIZE]; IST_STACKS], main: [0; STACK_SIZE] } }; MAX_CPUS],
));

/// An APIC ID that no CPU has, for unused entries.
const NOBODY: u32 = u32::MAX;

/// APIC IDs by CPU index; the trampoline searches it.
pub static APIC_IDS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(NOBODY) }; MAX_CPUS];

/// The [`IdLeaf`], as a number; the trampoline reads it.
pub static ID_LEAF: AtomicU32 = AtomicU32::new(IdLeaf::Basic as u32);

/// What one CPU's GDTR and TR point to.
struct Segments {
    gdt: GlobalDescriptorTable,
    tss: TaskStateSegment,
}

#[repr(align(128))]
struct OwnSegments(UnsafeCell<Segments>);

// SAFETY: each CPU touches the segments of its own index only.
unsafe impl Sync for OwnSegments {}

static SEGMENTS: [OwnSegments; MAX_CPUS] = [const {
    OwnSegments(UnsafeCell::new(Segments {
        gdt: GlobalDescriptorTable::new(),
        tss: TaskStateSegment::new(),
    }))
}; MAX_CPUS];

/// Marks the low end of every stack, before any AP runs.
pub fn guard_stacks() {
    for guard in (0..MAX_CPUS).flat_map(low_ends) {
        // SAFETY: the word lies in the static, aligned, and far below where the BSP's stack is now.
        unsafe { guard.write_volatile(STACK_GUARD) }
    }
}

/// The first CPU with an overflowed stack, and the report.
pub fn overflowed_stack() -> Option<(CpuIndex, &'static str)> {
    // SAFETY: as for `guard_stacks`; only an overflow writes there.
    let is_broken = |guard: *mut u64| unsafe { guard.read_volatile() } != STACK_GUARD;
    (0..MAX_CPUS).find_map(|cpu| {
        let stack = low_ends(cpu).into_iter().position(is_broken)?;
        Some((CpuIndex(cpu as u16), OVERFLOWS[stack]))
    })
}

/// The lowest word of each of a CPU's stacks, in the order of [`CpuStacks`].
fn low_ends(cpu: usize) -> [*mut u64; IST_STACKS + 1] {
    let stacks = STACKS.0.get().cast::<u8>().wrapping_add(cpu * STACKS_STRIDE);
    [0, 1, 2, 3].map(|stack| stacks.wrapping_add(stack * IST_SIZE).cast())
}

/// Fills the table of APIC IDs.
pub fn list(cpus: &[ApicId]) {
    for (place, id) in APIC_IDS.iter().zip(cpus) {
        place.store(id.0, Ordering::Release);
    }
}

/// Finds the leaf from which every CPU reads its APIC ID. The BSP calls this before [`apic_id`].
pub fn find_id_leaf() {
    ID_LEAF.store(IdLeaf::find(&CpuIdReaderNative) as u32, Ordering::Release);
}

/// This CPU's APIC ID, from the leaf that the trampoline uses.
pub fn apic_id() -> ApicId {
    let found = ID_LEAF.load(Ordering::Acquire);
    let leaf =
        [IdLeaf::TopologyV2, IdLeaf::Topology].into_iter().find(|leaf| *leaf as u32 == found);
    leaf.unwrap_or(IdLeaf::Basic).apic_id(&CpuIdReaderNative)
}

/// This CPU's index, by its APIC ID; the BSP's while the table is empty.
pub fn index() -> CpuIndex {
    let id = apic_id();
    let place = APIC_IDS.iter().position(|place| place.load(Ordering::Acquire) == id.0);
    CpuIndex(place.unwrap_or(0) as u16)
}

/// Gives this CPU its own GDT and TSS.
///
/// An AP does this again in each trial, since LTR has left its TSS descriptor marked busy.
///
/// # Safety
///
/// `cpu` is the index of the CPU that runs this.
pub unsafe fn set_up(cpu: CpuIndex) {
    // SAFETY: only this CPU uses the segments of its index, and until the loads below its GDTR
    // and TR still point to the boot GDT and to nothing.
    let segments = unsafe { &mut *SEGMENTS[cpu.at()].0.get() };
    for (stack, low) in low_ends(cpu.at()).into_iter().enumerate().take(IST_STACKS) {
        segments.tss.interrupt_stack_table[stack] = VirtAddr::from_ptr(low) + IST_SIZE as u64;
    }
    segments.gdt = GlobalDescriptorTable::new();
    segments.gdt.append(Descriptor::kernel_code_segment());
    let data = segments.gdt.append(Descriptor::kernel_data_segment());
    // SAFETY: the TSS is static.
    let task = unsafe { Descriptor::tss_segment_unchecked(&raw const segments.tss) };
    let task = segments.gdt.append(task);
    // SAFETY: the GDT is static, holds flat segments like those in use, and the TSS is not busy.
    unsafe {
        segments.gdt.load_unsafe();
        CS::set_reg(CODE_SELECTOR);
        SS::set_reg(data);
        DS::set_reg(data);
        ES::set_reg(data);
        load_tss(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whichever_stack_overflows_is_reported_with_its_cpu() {
        guard_stacks();
        assert_eq!(overflowed_stack(), None);
        for (stack, low) in low_ends(3).into_iter().enumerate() {
            // SAFETY: no other test uses the stacks.
            unsafe { low.write_volatile(0) };
            assert_eq!(overflowed_stack(), Some((CpuIndex(3), OVERFLOWS[stack])));
            // SAFETY: as above.
            unsafe { low.write_volatile(STACK_GUARD) };
        }
    }

    #[test]
    fn every_stack_ends_where_the_next_begins() {
        let [exception, abort, interrupt, main] = low_ends(1).map(|low| low as usize);
        assert_eq!([abort - exception, interrupt - abort, main - interrupt], [IST_SIZE; 3]);
        assert_eq!(low_ends(2)[0] as usize - main, STACK_SIZE);
    }
}
