//! Where a CPU is in the machine, from its APIC ID.

use bringup::ApicId;
use raw_cpuid::{CpuId, ExtendedTopologyLevel, TopologyType};

/// The levels of CPUID leaf 0x1F or, where it is missing or empty, of leaf 0x0B; else none.
pub fn levels() -> impl Iterator<Item = ExtendedTopologyLevel> {
    let cpuid = CpuId::new();
    let mut newer = cpuid.get_extended_topology_info_v2().into_iter().flatten().peekable();
    let older = newer.peek().is_none().then(|| cpuid.get_extended_topology_info()).flatten();
    newer.chain(older.into_iter().flatten())
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
    /// From CPUID leaf 0x1F or 0x0B of the BSP; without them, each ID is a core of one package.
    pub fn read() -> Topology {
        let mut topology = Topology { thread_bits: 0, package_shift: u32::BITS };
        for level in levels() {
            let shift = level.shift_right_for_next_apic_id();
            if level.level_type() == TopologyType::SMT {
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

    #[test]
    fn an_apic_id_is_cut_where_the_leaf_says() {
        let haswell = Topology { thread_bits: 1, package_shift: 5 };
        assert_eq!(haswell.place(ApicId(32 + 2 * 6 + 1)), (1, 6, 1));
        let none = Topology { thread_bits: 0, package_shift: u32::BITS };
        assert_eq!(none.place(ApicId(37)), (0, 37, 0));
    }
}
