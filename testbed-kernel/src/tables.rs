//! The ACPI tables that the kernel reads.

use crate::boot::Root;
use crate::failure::fail_for_machine;
use acpi::address::{AccessSize, AddressSpace, GenericAddress};
use acpi::fadt::Fadt;
use acpi::sdt::{SdtHeader, Signature};
use acpi::spcr::{Spcr, SpcrInterfaceType};
use acpi::{AcpiHandler, AcpiResult, AcpiTable, AcpiTables, PhysicalMapping};
use bringup::boot_options::{Registers, SerialPort};
use core::ptr::NonNull;
use core::slice;

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

/// A table that is read byte by byte: `find_table` checks its header alone, so one with a wrong checksum is found.
macro_rules! raw_table {
    ($name:ident, $signature:ident) => {
        #[repr(transparent)]
        struct $name(SdtHeader);

        // SAFETY: every table begins with this header.
        unsafe impl AcpiTable for $name {
            const SIGNATURE: Signature = Signature::$signature;

            fn header(&self) -> &SdtHeader {
                &self.0
            }

            fn validate(&self) -> AcpiResult<()> {
                Ok(())
            }
        }
    };
}

raw_table!(Madt, MADT);
raw_table!(Srat, SRAT);
raw_table!(Hpet, HPET);

/// The tables of a machine.
pub struct Tables(AcpiTables<OneToOne>);

impl Tables {
    /// Finds them; without a root in the BIOS area.
    pub fn find(root: Option<Root>) -> Tables {
        // SAFETY: the boot protocol or the user gives the address; the BIOS area is mapped and readable on a PC.
        let tables = unsafe {
            match root {
                Some(Root::Rsdp(address)) => AcpiTables::from_rsdp(OneToOne, address),
                Some(Root::Table { revision, address }) => {
                    AcpiTables::from_rsdt(OneToOne, revision, address)
                }
                None => AcpiTables::search_for_rsdp_bios(OneToOne),
            }
        };
        Tables(tables.unwrap_or_else(|error| match root {
            Some(_) => fail_for_machine(format_args!("no usable ACPI tables: {error:?}")),
            None => fail_for_machine(format_args!(
                "the loader gave no RSDP, and there is none in the BIOS area ({error:?}): give its address, as in \
                 `rsdp=0x7fb7e014`; a Linux on the machine prints it (`dmesg | grep RSDP`)"
            )),
        }))
    }

    fn bytes<T: AcpiTable>(&self) -> AcpiResult<&'static [u8]> {
        let table = self.0.find_table::<T>()?;
        // SAFETY: the mapping begins with the table; its length is the one that was mapped, and nothing writes to ACPI's
        // tables.
        Ok(unsafe {
            slice::from_raw_parts(
                table.virtual_start().as_ptr().cast::<u8>(),
                table.region_length(),
            )
        })
    }

    /// The bytes of the MADT. Ends the boot where there is none.
    pub fn madt(&self) -> &'static [u8] {
        self.bytes::<Madt>()
            .unwrap_or_else(|error| fail_for_machine(format_args!("no usable MADT: {error:?}")))
    }

    /// The bytes of the SRAT, where there is one.
    pub fn srat(&self) -> &'static [u8] {
        self.bytes::<Srat>().unwrap_or_default()
    }

    /// The PM timer, where there is one.
    pub fn pm_timer(&self) -> Option<PmTimer> {
        self.0.find_table::<Fadt>().ok().and_then(|fadt| PmTimer::of(&fadt))
    }

    /// The address of the HPET's registers, where there is one below 4 GiB.
    pub fn hpet(&self) -> Option<u64> {
        hpet_base(self.bytes::<Hpet>().ok()?)
    }

    /// The serial port of the SPCR table, where there is one with a UART that this kernel knows.
    pub fn serial_port(&self) -> Option<SerialPort> {
        use SpcrInterfaceType::{Full16450, Full16550, Generic16550};
        let spcr = self.0.find_table::<Spcr>().ok()?;
        let is_known = matches!(spcr.interface_type(), Full16550 | Full16450 | Generic16550);
        let registers = registers(spcr.base_address().filter(|_| is_known)?.ok()?)?;
        let baud = spcr.baud_rate().map_or(SerialPort::BAUD, |baud| baud.get());
        Some(SerialPort {
            registers,
            baud: if SerialPort::has(baud) { baud } else { SerialPort::BAUD },
        })
    }
}

/// The registers of an HPET table (IA-PC HPET specification, "The ACPI 2.0 HPET Description Table"): `BASE_ADDRESS`.
fn hpet_base(table: &[u8]) -> Option<u64> {
    const ADDRESS_SPACE: usize = 40;
    const ADDRESS: usize = 44;
    const SYSTEM_MEMORY: u8 = 0;
    let address = table.get(ADDRESS..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))?;
    let is_memory = table[ADDRESS_SPACE] == SYSTEM_MEMORY;
    (is_memory && (1..(1 << 32) - 0x1000).contains(&address)).then_some(address)
}

fn registers(address: GenericAddress) -> Option<Registers> {
    let is_wide = address.access_size == AccessSize::DWordAccess || address.bit_width == 32;
    match address.address_space {
        AddressSpace::SystemIo => {
            u16::try_from(address.address).ok().filter(|port| *port <= 0xfff8).map(Registers::Io)
        }
        AddressSpace::SystemMemory if address.address >> 32 == 0 => Some(match is_wide {
            true => Registers::Mmio32(address.address),
            false => Registers::Mmio(address.address),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hpet_is_found_in_memory_alone() {
        let mut table = [0; 56];
        table[44..52].copy_from_slice(&0xfed0_0000_u64.to_le_bytes());
        assert_eq!(hpet_base(&table), Some(0xfed0_0000));
        assert_eq!(hpet_base(&table[..50]), None);
        table[40] = 1;
        assert_eq!(hpet_base(&table), None);
    }

    #[test]
    fn a_console_in_memory_is_as_wide_as_its_table_says() {
        let address = |address_space, access_size, bit_width| GenericAddress {
            address_space,
            bit_width,
            bit_offset: 0,
            access_size,
            address: 0x3f8,
        };
        let memory = AddressSpace::SystemMemory;
        for (given, found) in [
            (
                address(AddressSpace::SystemIo, AccessSize::ByteAccess, 8),
                Some(Registers::Io(0x3f8)),
            ),
            (address(memory, AccessSize::ByteAccess, 8), Some(Registers::Mmio(0x3f8))),
            (address(memory, AccessSize::DWordAccess, 8), Some(Registers::Mmio32(0x3f8))),
            (address(AddressSpace::SMBus, AccessSize::ByteAccess, 8), None),
        ] {
            assert_eq!(registers(given), found);
        }
    }
}
