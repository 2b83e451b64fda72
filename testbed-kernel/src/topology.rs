//! Where a CPU is in the machine, by its APIC ID; and which CPUID leaf gives the APIC ID.

use bringup::ApicId;
use raw_cpuid::{CpuIdReader, CpuIdResult};

/// The CPUID leaf from which all CPUs of a machine read their APIC IDs.
///
/// The BSP selects it once for all, so that no two parts of the kernel read different IDs of one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum IdLeaf {
    /// Leaf 1: eight bits in EBX.
    Basic = 1,
    /// Leaf 0x0B: EDX.
    Topology = 0x0b,
    /// Leaf 0x1F: EDX.
    TopologyV2 = 0x1f,
}

impl IdLeaf {
    /// Leaf 0x1F, else 0x0B, where they have levels; else leaf 1, which every CPU has (Intel SDM
    /// volume 3, "Hierarchical Mapping of Shared Resources").
    pub fn find(cpuid: &impl CpuIdReader) -> IdLeaf {
        let highest = cpuid.cpuid1(0).eax;
        let has_levels = |leaf: &IdLeaf| *leaf as u32 <= highest && leaf.levels(cpuid).count() > 0;
        [IdLeaf::TopologyV2, IdLeaf::Topology].into_iter().find(has_levels).unwrap_or(IdLeaf::Basic)
    }

    /// The APIC ID of the CPU that runs this.
    pub fn apic_id(self, cpuid: &impl CpuIdReader) -> ApicId {
        let CpuIdResult { ebx, edx, .. } = cpuid.cpuid1(self as u32);
        match self {
            IdLeaf::Basic => ApicId(ebx >> 24),
            IdLeaf::Topology | IdLeaf::TopologyV2 => ApicId(edx),
        }
    }

    /// The levels of the machine, from the thread outwards.
    fn levels(self, cpuid: &impl CpuIdReader) -> impl Iterator<Item = Level> {
        // Their number has eight bits.
        let sub_leaves = match self {
            IdLeaf::Basic => 0..0,
            IdLeaf::Topology | IdLeaf::TopologyV2 => 0..0x100,
        };
        sub_leaves.map_while(move |level| Level::of(cpuid.cpuid2(self as u32, level)))
    }
}

/// A level of leaf 0x0B or 0x1F.
struct Level {
    /// ECX: what it is.
    kind: u32,
    /// EAX: bits of an APIC ID below the next level.
    shift: u32,
}

/// "Logical processor", as a kind of level.
const THREAD: u32 = 1;

impl Level {
    /// `None` if the sub-leaf describes no level: it has no kind, or no CPUs.
    fn of(CpuIdResult { eax, ebx, ecx, .. }: CpuIdResult) -> Option<Level> {
        let level = Level { kind: ecx >> 8 & 0xff, shift: eax & 0x1f };
        (level.kind != 0 && ebx & 0xffff != 0).then_some(level)
    }
}

/// How an APIC ID is cut into thread, core and package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Bits below the core.
    pub thread_bits: u32,
    /// Bits below the package.
    pub package_shift: u32,
}

impl Topology {
    /// As the BSP's leaf describes it; without levels, each ID is a core of one package.
    pub fn read(cpuid: &impl CpuIdReader) -> Topology {
        let mut topology = Topology { thread_bits: 0, package_shift: u32::BITS };
        for Level { kind, shift } in IdLeaf::find(cpuid).levels(cpuid) {
            if kind == THREAD {
                topology.thread_bits = shift;
            }
            // The widest level, whichever it is, ends at the package.
            topology.package_shift = shift;
        }
        topology
    }

    /// Package, core and thread of an APIC ID.
    pub fn place(self, id: ApicId) -> (u32, u32, u32) {
        let below = |bits: u32| 1_u32.checked_shl(bits).map_or(u32::MAX, |bit| bit - 1);
        (
            id.0.checked_shr(self.package_shift).unwrap_or(0),
            (id.0 & below(self.package_shift)) >> self.thread_bits,
            id.0 & below(self.thread_bits),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CPUID with these answers by leaf and sub-leaf; APIC ID 7 in leaf 1, and no levels elsewhere.
    fn cpuid<const N: usize>(
        highest: u32,
        answers: [((u32, u32), [u32; 4]); N],
    ) -> impl CpuIdReader {
        move |leaf, sub_leaf| {
            let given = answers.iter().find(|(of, _)| *of == (leaf, sub_leaf));
            let [eax, ebx, ecx, edx] = match (leaf, given) {
                (_, Some((_, answer))) => *answer,
                (0, _) => [highest, 0, 0, 0],
                (1, _) => [0, 7 << 24, 0, 0],
                _ => [0, 0, sub_leaf, 0x27],
            };
            CpuIdResult { eax, ebx, ecx, edx }
        }
    }

    fn found(cpuid: &impl CpuIdReader) -> (IdLeaf, ApicId) {
        let leaf = IdLeaf::find(cpuid);
        (leaf, leaf.apic_id(cpuid))
    }

    const NO_LEVELS: Topology = Topology { thread_bits: 0, package_shift: u32::BITS };

    #[test]
    fn an_apic_id_is_cut_where_the_leaf_says() {
        let haswell = cpuid(0xd, [((0xb, 0), [1, 2, 0x100, 45]), ((0xb, 1), [5, 28, 0x201, 45])]);
        assert_eq!(found(&haswell), (IdLeaf::Topology, ApicId(45)));
        let topology = Topology::read(&haswell);
        assert_eq!(topology, Topology { thread_bits: 1, package_shift: 5 });
        assert_eq!(topology.place(ApicId(45)), (1, 6, 1));
        assert_eq!(NO_LEVELS.place(ApicId(37)), (0, 37, 0));
    }

    #[test]
    fn the_newer_leaf_counts_with_levels_of_whatever_kind() {
        let group_of_dies = 0x602;
        let both = cpuid(
            0x1f,
            [
                ((0x1f, 0), [1, 2, 0x100, 300]),
                ((0x1f, 1), [6, 64, 0x201, 300]),
                ((0x1f, 2), [8, 256, group_of_dies, 300]),
                ((0xb, 0), [1, 2, 0x100, 44]),
            ],
        );
        assert_eq!(found(&both), (IdLeaf::TopologyV2, ApicId(300)));
        assert_eq!(Topology::read(&both), Topology { thread_bits: 1, package_shift: 8 });
    }

    #[test]
    fn a_leaf_without_levels_is_none_whichever_register_says_so() {
        let no_kind = [0, 1, 0, 0x27];
        let no_cpu = [1, 0, 0x100, 0x27];
        for (newer, older, found_in) in [
            (no_kind, no_kind, IdLeaf::Basic),
            (no_cpu, no_cpu, IdLeaf::Basic),
            (no_kind, [0, 1, 0x100, 7], IdLeaf::Topology),
            (no_cpu, [0, 1, 0x100, 7], IdLeaf::Topology),
        ] {
            let cpu = [((0x1f, 0), newer), ((0xb, 0), older)];
            assert_eq!(found(&cpuid(0x1f, cpu)), (found_in, ApicId(7)), "{newer:?} {older:?}");
        }
    }

    #[test]
    fn a_leaf_beyond_the_highest_is_not_asked() {
        let stale = [((0x1f, 0), [1, 2, 0x100, 9]), ((0xb, 0), [1, 2, 0x100, 9])];
        assert_eq!(found(&cpuid(4, stale)), (IdLeaf::Basic, ApicId(7)));
        assert_eq!(Topology::read(&cpuid(4, stale)), NO_LEVELS);
    }

    #[test]
    fn a_cpu_that_has_levels_without_end_is_no_endless_loop() {
        let endless = |leaf, _| match leaf {
            0 => CpuIdResult { eax: 0xb, ebx: 0, ecx: 0, edx: 0 },
            _ => CpuIdResult { eax: 3, ebx: 1, ecx: 0x100, edx: 0 },
        };
        assert_eq!(Topology::read(&endless), Topology { thread_bits: 3, package_shift: 3 });
    }
}
