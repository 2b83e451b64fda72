//! The machine as its ACPI tables describe it: its CPUs, and where each of them is.

use crate::apic;
use crate::apic::mode;
use crate::cpu::{self, OwnSegments};
use crate::failure::{fail_for_machine, fail_for_options};
use crate::memory::MIB;
use crate::pool::Pool;
use crate::slot;
use crate::stream::log;
use crate::tables::Tables;
use crate::topology::Topology;
use bringup::boot_options::Apic;
use bringup::class::Class;
use bringup::contract::{MAX_CPUS, XAPIC_LAST};
use bringup::frame::ApicMode;
use bringup::madt::{self, LeftOut, Lint, Listed, Oddity, Roll};
use bringup::{ApicId, CpuIndex, srat};
use raw_cpuid::{CpuId, CpuIdReaderNative};

/// What the tables describe.
pub struct Machine {
    /// The CPUs, and how many do not take part.
    pub census: Census,
    /// Where each CPU is.
    pub topology: Topology,
    /// The class of each CPU.
    pub classes: &'static [Class],
    /// The bytes of the SRAT; none where there is no such table.
    srat: &'static [u8],
}

impl Machine {
    /// The node of a CPU, where the SRAT lists it.
    pub fn node(&self, apic_id: ApicId) -> Option<u32> {
        srat::node_of(self.srat, apic_id)
    }

    /// Takes memory for what each CPU needs. Ends the boot where there is too little.
    pub fn make_room(&self, pool: &mut Pool) {
        let cpus = self.census.cpus;
        // A page table holds 512 entries; those of stacks are for pages of 4 KiB.
        let needed = cpus.len() * (cpu::ROOM_EACH + slot::ROOM_EACH) * 513 / 512 + PAGE_TABLES;
        if (needed as u64) > pool.free() {
            let whole = pool.image_end() + needed as u64;
            fail_for_machine(format_args!(
                "the machine has {} MiB of usable memory, this kernel needs {} MiB for {} CPUs; give the machine more memory, \
                 with QEMU by `-m {}`",
                pool.usable() / MIB,
                whole.div_ceil(MIB),
                cpus.len(),
                // The firmware keeps some for itself.
                whole.div_ceil(MIB) + 1,
            ));
        }
        let aps = cpus.len() - 1;
        let segments = pool.slice(aps, |_| OwnSegments::empty());
        cpu::use_room(cpus, segments, pool.pages(aps * cpu::STACK_PAGES));
        slot::make_room(cpus.len(), pool);
    }
}

/// Bytes of page tables that every machine has, and some more.
const PAGE_TABLES: usize = 64 * 1024;

/// The CPUs of a MADT: which take part, and how many do not, by reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Those that take part: the CPU that runs this, then the others in the MADT's order.
    pub cpus: &'static [ApicId],
    /// The BSP, where this kernel was started on another CPU: INIT would reset the machine.
    pub real_bsp: Option<ApicId>,
    /// Entries that list no CPU that takes part.
    left: LeftOut,
    /// Enabled CPUs that xAPIC mode can't address (APIC ID 255 is the broadcast) or that are more than this kernel takes.
    unreachable: usize,
    /// What is odd about the table.
    oddities: Oddities,
}

/// The first oddities of a table.
type Oddities = heapless::Vec<Lint, 8>;

/// The CPUs of a table while it is read.
struct Listing {
    /// Room for as many as the table can list.
    room: &'static mut [ApicId],
    /// How many of them there are.
    count: usize,
    /// Which entry lists the CPU that runs this.
    first_entry: u16,
    /// True on the BSP.
    on_bsp: bool,
    real_bsp: Option<ApicId>,
    too_many: usize,
}

impl Roll for Listing {
    fn has(&self, apic_id: ApicId) -> bool {
        self.room[..self.count].contains(&apic_id) || self.real_bsp == Some(apic_id)
    }

    fn add(&mut self, cpu: Listed) {
        // The CPU that runs this comes first.
        if self.count == 0 {
            self.first_entry = cpu.entry;
        }
        // Firmware lists the BSP first; Linux finds it so after a kexec (arch/x86/kernel/cpu/topology.c).
        let before = self.count == 1 && cpu.entry < self.first_entry;
        if before && !self.on_bsp && self.real_bsp.is_none() {
            self.real_bsp = Some(cpu.apic_id);
        } else if let Some(place) = self.room.get_mut(self.count) {
            *place = cpu.apic_id;
            self.count += 1;
        } else {
            self.too_many += 1;
        }
    }
}

impl Census {
    /// The most CPUs that a table of that many bytes can list, the one that runs this counted.
    fn most(table: &[u8]) -> usize {
        (1 + table.len() / madt::SHORTEST_CPU).min(MAX_CPUS)
    }

    /// Counts the CPUs of a table's bytes, and keeps what is odd about it for the report: `running` is the CPU that runs this,
    /// and `on_bsp` is true where that is the BSP.
    fn take(table: &[u8], running: ApicId, on_bsp: bool, room: &'static mut [ApicId]) -> Census {
        let first_entry = madt::UNLISTED;
        let mut listing =
            Listing { room, count: 0, first_entry, on_bsp, real_bsp: None, too_many: 0 };
        let mut oddities = Oddities::new();
        let left = madt::census(table, running, &mut listing, |lint| match lint.what {
            // The report counts them.
            Oddity::Again { .. } | Oddity::Below255 { .. } | Oddity::NoId { .. } => {}
            // After a kexec it is no oddity of the table.
            Oddity::BspLater if !on_bsp => {}
            // More of them say nothing more.
            _ => _ = oddities.push(lint),
        });
        let Listing { room, count, real_bsp, too_many, .. } = listing;
        Census { cpus: &room[..count], real_bsp, left, unreachable: too_many, oddities }
    }

    /// Leaves out the CPUs that xAPIC mode can't address. The one that runs this can be.
    fn keep_reachable(&mut self, pool: &mut Pool) {
        let reachable = |(at, id): &(usize, &ApicId)| *at == 0 || id.0 <= XAPIC_LAST;
        let mut kept = self.cpus.iter().enumerate().filter(reachable).map(|(_, id)| *id);
        let count = kept.clone().count();
        if count < self.cpus.len() {
            self.unreachable += self.cpus.len() - count;
            self.cpus = pool.slice(count, |_| kept.next().expect("they were counted"));
        }
    }

    /// The highest APIC ID.
    fn highest(&self) -> ApicId {
        self.cpus.iter().copied().max().unwrap_or_default()
    }

    /// True where APIC IDs do not fit in xAPIC mode: the APs must be in x2APIC mode before an IPI is sent to one of them alone.
    pub fn needs_x2apic(&self) -> bool {
        self.highest().0 > XAPIC_LAST
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
        if let Some(bsp) = self.real_bsp {
            log(
                CpuIndex::BSP,
                format_args!(
                    "the CPU with APIC ID {} takes no part: it is the machine's BSP, which INIT would reset, and this kernel \
                     was started on another CPU",
                    bsp.0
                ),
            );
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

/// Finds the machine's CPUs, and selects the mode of their APICs.
pub fn find(tables: &Tables, wish: Apic, pool: &mut Pool) -> Machine {
    cpu::find_id_leaf();
    let madt = tables.madt();
    let base = apic::base();
    let room = pool.slice(Census::most(madt), |_| ApicId::default());
    let mut census = Census::take(madt, cpu::apic_id(), base & mode::BSP != 0, room);
    let has_x2apic = CpuId::new().get_feature_info().is_some_and(|info| info.has_x2apic());
    let mode = mode::select(wish, base, has_x2apic, census.highest());
    let mode = mode.unwrap_or_else(|refused| fail_for_options(&refused));
    mode::set(mode);
    if mode == ApicMode::Xapic {
        census.keep_reachable(pool);
    }
    let topology = Topology::read(&CpuIdReaderNative);
    let place = |id: &ApicId| {
        let (package, core, _) = topology.place(*id);
        (package, core)
    };
    let cpus = census.cpus;
    let classes =
        pool.slice(cpus.len(), |at| Class::of(place(&cpus[at]), cpus[..at].iter().map(place)));
    Machine { census, topology, classes, srat: tables.srat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(room: usize, on_bsp: bool) -> Listing {
        let room = vec![ApicId(0); room].leak();
        Listing { room, count: 0, first_entry: madt::UNLISTED, on_bsp, real_bsp: None, too_many: 0 }
    }

    fn add(listing: &mut Listing, entry: u16, id: u32) {
        let form = madt::Form::LocalX2Apic;
        listing.add(Listed { entry, form, apic_id: ApicId(id), enabled: true });
    }

    #[test]
    fn the_page_on_engines_states_what_a_cpu_takes() {
        let kib = (cpu::ROOM_EACH + slot::ROOM_EACH).div_ceil(1024);
        let page = include_str!("../../docs/engines.md");
        assert!(page.contains(&format!("and {kib} KiB more for each further one")), "{kib} KiB");
    }

    #[test]
    fn cpus_beyond_the_room_are_counted() {
        let mut listing = listing(2, true);
        (0..5).for_each(|at| add(&mut listing, at, 2 * u32::from(at)));
        assert_eq!((listing.count, listing.too_many), (2, 3));
        assert!(listing.has(ApicId(2)) && !listing.has(ApicId(4)));
    }

    #[test]
    fn the_bsp_is_left_alone_by_a_kernel_that_another_cpu_runs() {
        for (on_bsp, real_bsp, cpus) in [(false, Some(ApicId(0)), 3), (true, None, 4)] {
            let mut listing = listing(8, on_bsp);
            // The CPU that runs this is the third of the table.
            for (entry, id) in [(2, 4), (0, 0), (1, 2), (3, 6)] {
                add(&mut listing, entry, id);
            }
            assert_eq!((listing.real_bsp, listing.count), (real_bsp, cpus));
        }
    }
}
