//! The machine as its ACPI tables describe it: its CPUs and its PM timer.

use crate::cpu;
use crate::failure::fail_for_machine;
use crate::stream::log;
use crate::topology::Topology;
use acpi::address::AddressSpace;
use acpi::fadt::Fadt;
use acpi::madt::Madt;
use acpi::{AcpiHandler, AcpiTables, PhysicalMapping};
use bringup::class::Class;
use bringup::contract::MAX_CPUS;
use bringup::madt::{self, LeftOut, Lint, Listed, Oddity, Roll};
use bringup::{ApicId, CpuIndex};
use core::ptr::NonNull;
use core::slice;
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

/// The CPUs of a MADT: which take part, and how many do not, by reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Those that take part.
    pub cpus: Cpus,
    /// Entries that list no CPU that takes part.
    left: LeftOut,
    /// Enabled CPUs that xAPIC mode can't address (APIC ID 255 is the broadcast) or that this kernel's tables can't hold.
    unreachable: usize,
    /// What is odd about the table.
    oddities: Oddities,
}

/// The first oddities of a table.
type Oddities = heapless::Vec<Lint, 8>;

impl Roll for Census {
    fn has(&self, apic_id: ApicId) -> bool {
        self.cpus.contains(&apic_id)
    }

    fn add(&mut self, cpu: Listed) {
        // The BSP comes first and runs, so it can be addressed.
        let is_bsp = self.cpus.is_empty();
        if !is_bsp && cpu.apic_id.0 >= 0xff || self.cpus.push(cpu.apic_id).is_err() {
            self.unreachable += 1;
        }
    }
}

impl Census {
    /// Counts the CPUs of a table's bytes, and keeps what is odd about it for the report.
    pub fn take(table: &[u8], bsp: ApicId) -> Census {
        let mut census = Census::default();
        let mut oddities = Oddities::new();
        census.left = madt::census(table, bsp, &mut census, |lint| match lint.what {
            // The report counts them.
            Oddity::Again { .. } | Oddity::Below255 { .. } | Oddity::NoId { .. } => {}
            // More of them say nothing more.
            _ => _ = oddities.push(lint),
        });
        census.oddities = oddities;
        census
    }

    /// Reports what is odd about the table and how many entries are left out, a line for each.
    pub fn report(&self) {
        for lint in &self.oddities {
            match lint.entry {
                Some(entry) => {
                    log(CpuIndex::BSP, format_args!("MADT, entry {entry}: {}", lint.what))
                }
                None => log(CpuIndex::BSP, format_args!("MADT: {}", lint.what)),
            }
        }
        for (count, why) in [
            (self.unreachable, "xAPIC mode or this kernel's tables can't hold them"),
            (self.left.without_id, "enabled, but without an ID"),
            (self.left.disabled, "not enabled"),
            (self.left.repeated, "listed a second time"),
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
        let others = self.left.disabled + self.left.without_id + self.unreachable;
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
    // SAFETY: the mapping begins with the table, whose header was checked; its length is the one that was mapped, and nothing
    // writes to ACPI's tables.
    let table = unsafe {
        slice::from_raw_parts(madt.virtual_start().as_ptr().cast::<u8>(), madt.region_length())
    };
    let census = Census::take(table, cpu::apic_id());
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
    use bringup::madt::Form;

    #[test]
    fn an_id_beyond_xapic_mode_is_unreachable_and_so_is_one_too_many() {
        let mut census = Census::default();
        let cpu =
            |id| Listed { entry: 0, form: Form::LocalX2Apic, apic_id: ApicId(id), enabled: true };
        [0, 254, 255, 256].into_iter().for_each(|id| census.add(cpu(id)));
        assert_eq!((census.cpus.len(), census.unreachable), (2, 2));
        assert!(census.has(ApicId(254)) && !census.has(ApicId(255)));
        (1..254).for_each(|id| census.add(cpu(id)));
        assert_eq!((census.cpus.len(), census.unreachable), (MAX_CPUS, 2 + 255 - MAX_CPUS));
    }
}
