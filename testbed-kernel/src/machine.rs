//! The machine as its ACPI tables describe it: its CPUs and its PM timer.

use crate::cpu;
use crate::failure::fail_for_machine;
use crate::stream::log;
use crate::topology::Topology;
use acpi::address::AddressSpace;
use acpi::fadt::Fadt;
use acpi::madt::{Madt, MadtEntry};
use acpi::{AcpiHandler, AcpiTables, PhysicalMapping};
use bringup::class::Class;
use bringup::contract::MAX_CPUS;
use bringup::{ApicId, CpuIndex};
use core::pin::Pin;
use core::ptr::NonNull;
use raw_cpuid::CpuIdReaderNative;

/// The CPUs that take part: the BSP, then the others in the MADT's order.
pub type Cpus = heapless::Vec<ApicId, MAX_CPUS>;

/// What the tables describe.
pub struct Machine {
    /// The CPUs, and how many do not take part.
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

/// The CPUs that a MADT lists, in its order, by both forms of CPU entries; other entries are skipped.
fn listed(madt: Pin<&Madt>) -> impl Iterator<Item = Listed> + '_ {
    madt.entries().filter_map(|entry| match entry {
        MadtEntry::LocalApic(cpu) => {
            Some(Listed { apic_id: ApicId(cpu.apic_id.into()), flags: cpu.flags })
        }
        MadtEntry::LocalX2Apic(cpu) => {
            Some(Listed { apic_id: ApicId(cpu.x2apic_id), flags: cpu.flags })
        }
        _ => None,
    })
}

/// The CPUs of a MADT: which take part, and how many do not, by reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Those that take part.
    pub cpus: Cpus,
    /// Entries that are not enabled: the CPU is absent, or only online-capable (may be added at run time). Their IDs
    /// mean nothing: firmware fills in 0, or the IDs of other CPUs.
    pub disabled: usize,
    /// Further enabled entries of a CPU, as from firmware that writes both forms for each CPU.
    pub repeated: usize,
    /// Enabled CPUs that xAPIC mode can't address (APIC ID 255 is the broadcast) or that this kernel's tables can't hold.
    pub unreachable: usize,
}

impl Census {
    /// Counts the CPUs of a list, the BSP first even where it is listed later, or not at all.
    pub fn take(bsp: ApicId, listed: impl Iterator<Item = Listed>) -> Census {
        let mut census = Census::default();
        let _ = census.cpus.push(bsp);
        let mut bsp_listed = false;
        for cpu in listed {
            if cpu.flags & ENABLED == 0 {
                census.disabled += 1;
            } else if cpu.apic_id == bsp && !bsp_listed {
                bsp_listed = true;
            } else if census.cpus.contains(&cpu.apic_id) {
                census.repeated += 1;
            } else if cpu.apic_id.0 >= 0xff || census.cpus.push(cpu.apic_id).is_err() {
                census.unreachable += 1;
            }
        }
        census
    }

    /// Reports how many entries are left out, a line for each reason.
    pub fn report(&self) {
        for (count, why) in [
            (self.unreachable, "xAPIC mode or this kernel's tables can't hold them"),
            (self.disabled, "not enabled"),
            (self.repeated, "listed a second time"),
        ] {
            if count > 0 {
                log(
                    CpuIndex::BSP,
                    format_args!("{count} of the MADT's CPU entries are left out: {why}"),
                );
            }
        }
    }

    /// Reports, before a broadcast, how many CPUs it wakes although they take no part.
    pub fn report_broadcast(&self) {
        let others = self.disabled + self.unreachable;
        if others > 0 {
            log(
                CpuIndex::BSP,
                format_args!(
                    "kick=broadcast also sends INIT and SIPI to {others} CPUs of the MADT that take no part here, if \
                     the machine has them: use it only if no firmware or other program runs on them"
                ),
            );
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
        // SAFETY: the region is mapped, and the caller guarantees that a `T` is there.
        unsafe { PhysicalMapping::new(address, start, size, size, OneToOne) }
    }

    fn unmap_physical_region<T>(_region: &PhysicalMapping<Self, T>) {}
}

/// Finds the machine, starting from the RSDP or, without one, from the BIOS area.
pub fn find(rsdp: Option<usize>) -> Machine {
    // SAFETY: the PVH boot ABI guarantees the address; the BIOS area is mapped and readable on a PC.
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
    cpu::find_id_leaf();
    let census = Census::take(cpu::apic_id(), listed(madt.get()));
    let pm_timer = tables.find_table::<Fadt>().ok().and_then(|fadt| PmTimer::of(&fadt));
    cpu::list(&census.cpus);
    let topology = Topology::read(&CpuIdReaderNative);
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
    fn a_disabled_entry_is_no_second_one_whatever_id_it_repeats() {
        let mut entries = vec![(0, 1), (4, 1)];
        entries.extend([(0, 0), (4, 0), (4, 2)].repeat(10));
        let repeating = census(0, &entries);
        assert_eq!(ids(&repeating), [0, 4]);
        assert_eq!((repeating.disabled, repeating.repeated), (30, 0));
        // Before the enabled one of the same CPU, the BSP's included.
        entries.rotate_left(2);
        let before = census(4, &entries);
        assert_eq!(ids(&before), [4, 0]);
        assert_eq!((before.disabled, before.repeated), (30, 0));
    }

    #[test]
    fn an_absent_cpu_is_disabled_even_where_its_id_is_beyond_reach() {
        let census = census(0x10, &[(0x10, 1), (0x11, 1), (u32::MAX, 0), (0xff, 0)]);
        assert_eq!(ids(&census), [0x10, 0x11]);
        assert_eq!((census.disabled, census.unreachable), (2, 0));
    }

    #[test]
    fn an_id_beyond_xapic_mode_is_unreachable() {
        let census = census(0, &[(0, 1), (254, 1), (255, 1), (256, 1)]);
        assert_eq!(ids(&census), [0, 254]);
        assert_eq!(census.unreachable, 2);
    }

    /// Bytes of a MADT with these entries.
    fn table(entries: &[&[u8]]) -> Vec<u8> {
        let header = [0; size_of::<Madt>()];
        let mut table = [&header, entries.concat().as_slice()].concat();
        let length = table.len() as u32;
        table[4..8].copy_from_slice(&length.to_le_bytes());
        table
    }

    #[test]
    fn both_forms_of_entries_are_read_and_what_lies_between_is_passed_over() {
        let local = |id: u8, flags: u8| [0, 8, id, id, flags, 0, 0, 0];
        let x2apic = |id: u32| {
            let [a, b, c, d] = id.to_le_bytes();
            [9, 16, 0, 0, a, b, c, d, 1, 0, 0, 0, 0, 0, 0, 0]
        };
        let reserved = [0x7f, 6, 1, 2, 3, 4];
        let oem = [0xff, 3, 0];
        let bytes = table(&[
            &local(2, 1),
            &reserved,
            &local(0xff, 0),
            &oem,
            &x2apic(0x1_0002),
            &[1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &local(4, 3),
        ]);
        // SAFETY: the bytes are a MADT that says its length, stay where they are, and any address
        // is aligned for a packed struct.
        let madt = unsafe { Pin::new_unchecked(&*bytes.as_ptr().cast::<Madt>()) };
        let listed: Vec<(u32, u32)> = listed(madt).map(|cpu| (cpu.apic_id.0, cpu.flags)).collect();
        assert_eq!(listed, [(2, 1), (0xff, 0), (0x1_0002, 1), (4, 3)]);
    }
}
