//! The machine by its ACPI tables: which CPUs there are, and where the PM timer is.

use crate::cpu::{self, MAX_CPUS};
use crate::stream::{fail_for_machine, log};
use crate::topology::Topology;
use acpi::address::AddressSpace;
use acpi::fadt::Fadt;
use acpi::madt::{Madt, MadtEntry};
use acpi::{AcpiHandler, AcpiTables, PhysicalMapping};
use bringup::class::Class;
use bringup::{ApicId, CpuIndex};
use core::ptr::NonNull;

/// The CPUs that take part, the BSP first, in the MADT's order otherwise.
pub type Cpus = heapless::Vec<ApicId, MAX_CPUS>;

/// What the tables say.
pub struct Machine {
    /// The CPUs, and who does not take part.
    pub census: Census,
    /// Where each CPU is.
    pub topology: Topology,
    /// The class of each CPU.
    pub classes: heapless::Vec<Class, MAX_CPUS>,
    /// The ACPI PM timer, where there is one.
    pub pm_timer: Option<PmTimer>,
}

/// The ACPI PM timer: a port that counts at 3.579545 MHz (ACPI, "Power Management Timer").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PmTimer {
    /// Its I/O port.
    pub port: u16,
    /// The bits that count: 32 or 24 of them.
    pub mask: u32,
}

impl PmTimer {
    fn of(fadt: &Fadt) -> Option<PmTimer> {
        let block = fadt.pm_timer_block().ok()??;
        let is_port = block.address_space == AddressSpace::SystemIo;
        // The flags are copied out of a packed table.
        let flags = fadt.flags;
        let mask = if flags.pm_timer_is_32_bit() { u32::MAX } else { 0xff_ffff };
        let port = u16::try_from(block.address).ok().filter(|_| is_port)?;
        Some(PmTimer { port, mask })
    }
}

/// MADT, "Local APIC Flags": the CPU can be used.
const ENABLED: u32 = 1 << 0;

/// A CPU as the MADT lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its APIC ID.
    pub apic_id: ApicId,
    /// Local APIC Flags (ACPI, table "Local APIC Flags").
    pub flags: u32,
}

/// What becomes of the MADT's list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Who takes part.
    pub cpus: Cpus,
    /// Listed but not enabled: absent, or only online-capable (to be added at run time).
    pub disabled: usize,
    /// Listed more than once, as firmware does that lists both kinds of entries for a CPU.
    pub repeated: usize,
    /// Enabled, but beyond what xAPIC mode can address (255 is everyone) or this kernel's table.
    pub unreachable: usize,
}

impl Census {
    /// Counts the CPUs of a list, the BSP first even where it is listed later, or not at all.
    pub fn take(bsp: ApicId, listed: impl Iterator<Item = Listed>) -> Census {
        let mut census = Census::default();
        let _ = census.cpus.push(bsp);
        let mut bsp_listed = false;
        for cpu in listed {
            if cpu.apic_id == bsp && !bsp_listed {
                bsp_listed = true;
            } else if census.cpus.contains(&cpu.apic_id) {
                census.repeated += 1;
            } else if cpu.flags & ENABLED == 0 {
                census.disabled += 1;
            } else if cpu.apic_id.0 >= 0xff || census.cpus.push(cpu.apic_id).is_err() {
                census.unreachable += 1;
            }
        }
        census
    }

    /// Sends a line for each kind of CPU that does not take part.
    pub fn report(&self) {
        for (count, why) in [
            (self.unreachable, "beyond what xAPIC mode or this kernel's table reaches"),
            (self.disabled, "not enabled"),
            (self.repeated, "listed a second time"),
        ] {
            if count > 0 {
                log(CpuIndex::BSP, format_args!("{count} of the MADT's CPUs are left out: {why}"));
            }
        }
    }
}

/// Physical memory is mapped one to one, below 4 GiB.
#[derive(Clone, Copy)]
struct OneToOne;

impl AcpiHandler for OneToOne {
    unsafe fn map_physical_region<T>(
        &self,
        address: usize,
        size: usize,
    ) -> PhysicalMapping<Self, T> {
        let end = address.checked_add(size);
        let start =
            NonNull::new(address as *mut T).filter(|_| end.is_some_and(|end| end <= 1 << 32));
        let Some(start) = start else {
            fail_for_machine(format_args!(
                "an ACPI table lies at {address:#x}, but this kernel maps only the first 4 GiB"
            ))
        };
        // SAFETY: the region is mapped, and the caller says that a `T` is there.
        unsafe { PhysicalMapping::new(address, start, size, size, OneToOne) }
    }

    fn unmap_physical_region<T>(_region: &PhysicalMapping<Self, T>) {}
}

/// Finds the machine, starting from the RSDP or, without one, from the BIOS area.
pub fn find(rsdp: Option<usize>) -> Machine {
    // SAFETY: the loader vouches for the address; the BIOS area is mapped and readable on a PC.
    let tables = unsafe {
        match rsdp {
            Some(address) => AcpiTables::from_rsdp(OneToOne, address),
            None => AcpiTables::search_for_rsdp_bios(OneToOne),
        }
    };
    let tables = tables
        .unwrap_or_else(|error| fail_for_machine(format_args!("no usable ACPI tables: {error:?}")));
    let madt = tables
        .find_table::<Madt>()
        .unwrap_or_else(|error| fail_for_machine(format_args!("no usable MADT: {error:?}")));
    let listed = madt.get().entries().filter_map(|entry| match entry {
        MadtEntry::LocalApic(cpu) => {
            Some(Listed { apic_id: ApicId(cpu.apic_id.into()), flags: cpu.flags })
        }
        MadtEntry::LocalX2Apic(cpu) => {
            Some(Listed { apic_id: ApicId(cpu.x2apic_id), flags: cpu.flags })
        }
        _ => None,
    });
    let census = Census::take(cpu::apic_id(), listed);
    let pm_timer = tables.find_table::<Fadt>().ok().and_then(|fadt| PmTimer::of(&fadt));
    cpu::list(&census.cpus);
    let topology = Topology::read();
    let place = |id: &ApicId| {
        let (package, core, _) = topology.place(*id);
        (package, core)
    };
    let cpus = &census.cpus;
    let class = |(at, id): (usize, &ApicId)| Class::of(place(id), cpus[..at].iter().map(place));
    let classes = cpus.iter().enumerate().map(class).collect();
    Machine { census, topology, classes, pm_timer }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(bsp: u32, listed: &[(u32, u32)]) -> Census {
        let listed = listed.iter().map(|&(id, flags)| Listed { apic_id: ApicId(id), flags });
        Census::take(ApicId(bsp), listed)
    }

    fn ids(census: &Census) -> Vec<u32> {
        census.cpus.iter().map(|id| id.0).collect()
    }

    #[test]
    fn the_bsp_is_first_wherever_it_is_listed() {
        assert_eq!(ids(&census(4, &[(0, 1), (2, 1), (4, 1), (6, 1)])), [4, 0, 2, 6]);
        assert_eq!(ids(&census(9, &[])), [9]);
    }

    #[test]
    fn a_cpu_that_is_listed_in_both_forms_counts_once() {
        let census = census(0, &[(0, 1), (1, 1), (0, 1), (1, 1)]);
        assert_eq!(ids(&census), [0, 1]);
        assert_eq!(census.repeated, 2);
    }

    #[test]
    fn a_cpu_that_is_absent_or_only_online_capable_takes_no_part() {
        let census = census(0, &[(0, 1), (1, 0), (2, 2), (3, 3)]);
        assert_eq!(ids(&census), [0, 3]);
        assert_eq!(census.disabled, 2);
    }

    #[test]
    fn an_id_beyond_xapic_mode_is_unreachable() {
        let census = census(0, &[(0, 1), (254, 1), (255, 1), (256, 1)]);
        assert_eq!(ids(&census), [0, 254]);
        assert_eq!(census.unreachable, 2);
    }
}
