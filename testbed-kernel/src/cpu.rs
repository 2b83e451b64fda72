//! Each CPU's own stacks, GDT and TSS; and what the trampoline reads.

use crate::topology::IdLeaf;
use bringup::{ApicId, CpuIndex};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ops::Range;
use core::slice;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use raw_cpuid::CpuIdReaderNative;
use spin::Once;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;
use x86_64::{PrivilegeLevel, VirtAddr};

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

/// Bytes of a guard: a page of memory.
const GUARD: usize = 4096;

/// Bytes of a stack for exceptions. A panic in a trap formats a line and encodes its frame on it.
const EXCEPTION_STACK: usize = 4 * GUARD;

/// Bytes of the BSP's stack, which holds the plan and its options.
const BSP_STACK: usize = 16 * GUARD;

/// Bytes of an AP's stack. A panic formats a line and encodes its frame on it.
const AP_STACK: usize = 4 * GUARD;

/// The stacks of one CPU. They grow down, and below each of them is a page that is not mapped: an overflow is a page fault.
#[repr(C, align(4096))]
pub struct Stacks<const MAIN: usize> {
    exception_guard: [u8; GUARD],
    exception: [u8; EXCEPTION_STACK],
    abort_guard: [u8; GUARD],
    abort: [u8; EXCEPTION_STACK],
    interrupt_guard: [u8; GUARD],
    interrupt: [u8; GUARD],
    main_guard: [u8; GUARD],
    /// The last, so that its top is the end; the assembler relies on it.
    main: [u8; MAIN],
}

type ApStacks = Stacks<AP_STACK>;

/// Bytes of the BSP's stacks, and of an AP's.
pub const BSP_STACKS_SIZE: usize = size_of::<Stacks<BSP_STACK>>();
/// Bytes from the top of one AP's stacks to the top of the next one's.
pub const STACKS_STRIDE: usize = size_of::<ApStacks>();

const _: () = assert!(offset_of!(ApStacks, main) + AP_STACK == STACKS_STRIDE);

/// Where the guard pages of a CPU's stacks lie, with the report of an overflow into each. The BSP's begin alike.
const GUARDS: [(usize, &str); 4] = [
    (offset_of!(ApStacks, exception_guard), "its stack for exceptions has overflowed"),
    (offset_of!(ApStacks, abort_guard), "its stack for aborts has overflowed"),
    (offset_of!(ApStacks, interrupt_guard), "its stack for interrupts has overflowed"),
    (offset_of!(ApStacks, main_guard), "its stack has overflowed"),
];

/// The tops of the stacks that an exception or interrupt switches to, by [`Ist`].
const IST_TOPS: [usize; 3] = [
    offset_of!(ApStacks, abort_guard),
    offset_of!(ApStacks, interrupt_guard),
    offset_of!(ApStacks, main_guard),
];

impl<const MAIN: usize> Stacks<MAIN> {
    const EMPTY: Stacks<MAIN> = Stacks {
        exception_guard: [0; GUARD],
        exception: [0; EXCEPTION_STACK],
        abort_guard: [0; GUARD],
        abort: [0; EXCEPTION_STACK],
        interrupt_guard: [0; GUARD],
        interrupt: [0; GUARD],
        main_guard: [0; GUARD],
        main: [0; MAIN],
    };
}

/// Memory that the CPU itself finds by address.
pub struct BspStacks(UnsafeCell<Stacks<BSP_STACK>>);

// SAFETY: the BSP alone uses its stacks.
unsafe impl Sync for BspStacks {}

/// The BSP's stacks; the assembler sets RSP to their end.
pub static BSP_STACKS: BspStacks = BspStacks(UnsafeCell::new(Stacks::EMPTY));

/// What the trampoline reads.
#[derive(Debug)]
#[repr(C)]
pub struct Trampoline {
    /// Physical address of the page tables.
    pub page_table: AtomicU32,
    /// Bits to set in `IA32_EFER`.
    pub efer: AtomicU32,
    /// The [`IdLeaf`], as a number.
    pub id_leaf: AtomicU32,
    /// How many CPUs there are.
    pub cpus: AtomicU32,
    /// Address of their APIC IDs, by CPU index.
    pub apic_ids: AtomicU64,
    /// Address of the stacks of CPU 1; those of the next ones follow.
    pub stacks: AtomicU64,
}

/// What the trampoline reads, filled before any AP runs.
pub static TRAMPOLINE: Trampoline = Trampoline {
    page_table: AtomicU32::new(0),
    efer: AtomicU32::new(0),
    id_leaf: AtomicU32::new(IdLeaf::Basic as u32),
    cpus: AtomicU32::new(0),
    apic_ids: AtomicU64::new(0),
    stacks: AtomicU64::new(0),
};

/// What one CPU's GDTR and TR point to.
struct Segments {
    gdt: GlobalDescriptorTable,
    tss: TaskStateSegment,
}

/// The segments of one CPU.
#[repr(align(128))]
pub struct OwnSegments(UnsafeCell<Segments>);

// SAFETY: each CPU touches its own segments only.
unsafe impl Sync for OwnSegments {}

impl OwnSegments {
    /// Segments that are filled when their CPU is set up.
    pub const fn empty() -> OwnSegments {
        OwnSegments(UnsafeCell::new(Segments {
            gdt: GlobalDescriptorTable::new(),
            tss: TaskStateSegment::new(),
        }))
    }
}

static BSP_SEGMENTS: OwnSegments = OwnSegments::empty();

/// Those of CPU 1 and the next ones.
static AP_SEGMENTS: Once<&[OwnSegments]> = Once::new();

/// Bytes that [`use_room`] takes for each AP.
pub const ROOM_EACH: usize = STACKS_STRIDE + size_of::<OwnSegments>();

/// Pages of an AP's stacks.
pub const STACK_PAGES: usize = STACKS_STRIDE / GUARD;

/// Uses memory for the stacks and segments of all APs, and tells the trampoline of it and of the CPUs' APIC IDs: at `stacks` are
/// [`STACK_PAGES`] for each AP.
pub fn use_room(cpus: &'static [ApicId], segments: &'static [OwnSegments], stacks: u64) {
    AP_SEGMENTS.call_once(|| segments);
    TRAMPOLINE.stacks.store(stacks, Ordering::Release);
    TRAMPOLINE.apic_ids.store(cpus.as_ptr() as u64, Ordering::Release);
    TRAMPOLINE.cpus.store(cpus.len() as u32, Ordering::Release);
}

/// The APIC IDs of the CPUs, by index; empty before [`use_room`].
fn apic_ids() -> &'static [ApicId] {
    match TRAMPOLINE.cpus.load(Ordering::Acquire) {
        0 => &[],
        cpus => {
            let first = TRAMPOLINE.apic_ids.load(Ordering::Acquire) as *const ApicId;
            // SAFETY: `use_room` has put a slice of that length there, and nothing writes it.
            unsafe { slice::from_raw_parts(first, cpus as usize) }
        }
    }
}

/// Where the stacks of a CPU begin.
fn stacks(cpu: CpuIndex) -> u64 {
    match cpu.at() {
        0 => BSP_STACKS.0.get() as u64,
        cpu => TRAMPOLINE.stacks.load(Ordering::Relaxed) + ((cpu - 1) * STACKS_STRIDE) as u64,
    }
}

/// The memory of all APs' stacks.
pub fn ap_stacks() -> Range<u64> {
    let first = TRAMPOLINE.stacks.load(Ordering::Relaxed);
    first..first + (apic_ids().len().saturating_sub(1) * STACKS_STRIDE) as u64
}

/// The CPU whose stacks have the guard page of that address, and the report of an overflow into it.
pub fn overflowed_stack(address: u64) -> Option<(CpuIndex, &'static str)> {
    let aps = ap_stacks();
    let (cpu, offset) = if aps.contains(&address) {
        let at = (address - aps.start) as usize;
        (1 + at / STACKS_STRIDE, at % STACKS_STRIDE)
    } else {
        (0, address.checked_sub(stacks(CpuIndex::BSP))? as usize)
    };
    let guard = GUARDS.iter().find(|(guard, _)| (*guard..guard + GUARD).contains(&offset));
    guard.map(|(_, report)| (CpuIndex(cpu as u16), *report))
}

/// Finds the leaf from which every CPU reads its APIC ID. The BSP calls this before [`apic_id`].
pub fn find_id_leaf() {
    TRAMPOLINE.id_leaf.store(IdLeaf::find(&CpuIdReaderNative) as u32, Ordering::Release);
}

/// This CPU's APIC ID, from the leaf that the trampoline uses.
pub fn apic_id() -> ApicId {
    let found = TRAMPOLINE.id_leaf.load(Ordering::Acquire);
    let leaf =
        [IdLeaf::TopologyV2, IdLeaf::Topology].into_iter().find(|leaf| *leaf as u32 == found);
    leaf.unwrap_or(IdLeaf::Basic).apic_id(&CpuIdReaderNative)
}

/// This CPU's index, by its APIC ID; the BSP's while the table is empty.
pub fn index() -> CpuIndex {
    let id = apic_id();
    CpuIndex(apic_ids().iter().position(|place| *place == id).unwrap_or(0) as u16)
}

/// Gives this CPU its own GDT and TSS.
///
/// An AP does this again in each trial, since LTR has left its TSS descriptor marked busy.
///
/// # Safety
///
/// `cpu` is the index of the CPU that runs this; an AP runs after [`use_room`].
pub unsafe fn set_up(cpu: CpuIndex) {
    let segments = match (cpu.at(), AP_SEGMENTS.get()) {
        (0, _) | (_, None) => &BSP_SEGMENTS,
        (cpu, Some(aps)) => &aps[cpu - 1],
    };
    // SAFETY: only this CPU uses the segments of its index, and until the loads below its GDTR
    // and TR still point to the boot GDT and to nothing.
    let segments = unsafe { &mut *segments.0.get() };
    for (stack, top) in IST_TOPS.into_iter().enumerate() {
        segments.tss.interrupt_stack_table[stack] = VirtAddr::new(stacks(cpu) + top as u64);
    }
    segments.gdt = GlobalDescriptorTable::new();
    segments.gdt.append(Descriptor::kernel_code_segment());
    let data = segments.gdt.append(Descriptor::kernel_data_segment());
    // SAFETY: the TSS is never moved or freed.
    let task = unsafe { Descriptor::tss_segment_unchecked(&raw const segments.tss) };
    let task = segments.gdt.append(task);
    // SAFETY: the GDT is never moved or freed, holds flat segments like those in use, and the TSS is not busy.
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
        static IDS: [ApicId; 4] = [ApicId(0), ApicId(2), ApicId(4), ApicId(6)];
        assert_eq!(apic_ids(), []);
        TRAMPOLINE.stacks.store(0x100_0000, Ordering::Relaxed);
        TRAMPOLINE.apic_ids.store(IDS.as_ptr() as u64, Ordering::Relaxed);
        TRAMPOLINE.cpus.store(4, Ordering::Relaxed);
        assert_eq!(apic_ids(), IDS);
        for cpu in [0, 1, 3].map(CpuIndex) {
            for (guard, report) in GUARDS {
                let guard = stacks(cpu) + guard as u64;
                assert_eq!(overflowed_stack(guard), Some((cpu, report)));
                assert_eq!(overflowed_stack(guard + GUARD as u64 - 1), Some((cpu, report)));
                assert_eq!(overflowed_stack(guard + GUARD as u64), None);
            }
        }
        assert_eq!(overflowed_stack(ap_stacks().end), None);
    }

    #[test]
    fn an_interrupts_stack_ends_where_the_next_guard_begins() {
        let tops = IST_TOPS.map(|top| top - GUARD);
        assert_eq!(tops[0], offset_of!(ApStacks, exception) + EXCEPTION_STACK - GUARD);
        assert_eq!(tops[2], offset_of!(ApStacks, interrupt));
    }
}
