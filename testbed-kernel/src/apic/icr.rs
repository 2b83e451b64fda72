//! The interrupt command register (Intel SDM volume 3, "Interrupt Command Register (ICR)").

use bringup::ApicId;
use bringup::options::IcrLevel;
use core::fmt;

/// Destination of an IPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// One CPU, by physical destination.
    One(ApicId),
    /// Every CPU but the sender, listed in the MADT or not: the shorthand "all excluding self".
    AllButSelf,
}

/// "Delivery Mode", bits 10:8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeliveryMode {
    Fixed = 0b000,
    Init = 0b101,
    StartUp = 0b110,
}

/// "Delivery Status", bit 12: send pending. Only xAPIC mode has it.
pub(super) const SEND_PENDING: u32 = 1 << 12;
/// "Level", bit 14: assert.
const ASSERT: u32 = 1 << 14;
/// "Trigger Mode", bit 15: level.
const LEVEL_TRIGGERED: u32 = 1 << 15;
/// "Destination Shorthand", bits 19:18: all excluding self.
const ALL_EXCLUDING_SELF: u32 = 0b11 << 18;

/// An interrupt command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icr {
    mode: DeliveryMode,
    vector: u8,
    to: To,
    /// Trigger mode and level.
    level: u32,
}

impl Icr {
    /// INIT.
    pub const fn init(to: To) -> Icr {
        Icr { mode: DeliveryMode::Init, vector: 0, to, level: ASSERT }
    }

    /// INIT level de-assert. P6 processors and later ignore it; it does not exist in x2APIC mode.
    pub const fn init_deassert(to: To) -> Icr {
        Icr { level: LEVEL_TRIGGERED, ..Icr::init(to) }
    }

    /// A start-up IPI (SIPI), for the code at `page << 12`.
    pub const fn startup(to: To, page: u8) -> Icr {
        Icr { mode: DeliveryMode::StartUp, vector: page, to, level: ASSERT }
    }

    /// An interrupt.
    pub const fn fixed(to: To, vector: u8) -> Icr {
        Icr { mode: DeliveryMode::Fixed, vector, to, level: ASSERT }
    }

    /// The same with the level bit as the option says.
    pub const fn with(self, level: IcrLevel) -> Icr {
        match level {
            IcrLevel::Assert => self,
            IcrLevel::None => Icr { level: self.level & !ASSERT, ..self },
        }
    }

    /// The low doubleword, alike in both modes.
    #[inline(always)]
    pub fn low(self) -> u32 {
        let shorthand = if self.to == To::AllButSelf { ALL_EXCLUDING_SELF } else { 0 };
        (self.mode as u32) << 8 | u32::from(self.vector) | self.level | shorthand
    }

    /// The destination; none with a shorthand, which ignores it.
    #[inline(always)]
    const fn destination(self) -> Option<u32> {
        match self.to {
            To::One(ApicId(id)) => Some(id),
            To::AllButSelf => None,
        }
    }

    /// High and low doubleword in xAPIC mode: the destination is in the highest eight bits.
    #[inline(always)]
    pub(super) fn xapic(self) -> (Option<u32>, u32) {
        (self.destination().map(|id| id << 24), self.low())
    }

    /// The register in x2APIC mode: the destination is the high doubleword.
    #[inline(always)]
    pub(super) fn x2apic(self) -> u64 {
        u64::from(self.destination().unwrap_or(0)) << 32 | u64::from(self.low())
    }
}

impl fmt::Display for Icr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mode {
            DeliveryMode::Init if self.level == LEVEL_TRIGGERED => f.write_str("INIT de-assert")?,
            DeliveryMode::Init => f.write_str("INIT")?,
            DeliveryMode::StartUp => f.write_str("start-up IPI")?,
            DeliveryMode::Fixed => write!(f, "IPI with vector {:#x}", self.vector)?,
        }
        match self.to {
            To::One(id) => write!(f, " to APIC ID {}", id.0),
            To::AllButSelf => f.write_str(" to all CPUs but the sender"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_where_the_manual_has_them() {
        let to = To::One(ApicId(3));
        assert_eq!(Icr::init(to).xapic(), (Some(0x0300_0000), 0x4500));
        assert_eq!(Icr::startup(to, 8).xapic(), (Some(0x0300_0000), 0x4608));
        assert_eq!(Icr::startup(To::AllButSelf, 8).xapic(), (None, 0xc_4608));
        assert_eq!(Icr::startup(to, 8).x2apic(), 0x0000_0003_0000_4608);
        assert_eq!(Icr::fixed(To::One(ApicId(0x1_0002)), 0x40).x2apic(), 0x0001_0002_0000_4040);
        assert_eq!(Icr::init(To::AllButSelf).x2apic(), 0xc_4500);
        assert_eq!(Icr::init_deassert(to).xapic(), (Some(0x0300_0000), 0x8500));
        assert_eq!(Icr::startup(to, 8).with(IcrLevel::None).low(), 0x0608);
        assert_eq!(Icr::init(to).with(IcrLevel::None).low(), 0x0500);
    }

    #[test]
    fn an_ipi_is_called_by_its_kind_and_destination() {
        let to = |id| To::One(ApicId(id));
        assert_eq!(Icr::startup(to(3), 8).to_string(), "start-up IPI to APIC ID 3");
        assert_eq!(Icr::init(To::AllButSelf).to_string(), "INIT to all CPUs but the sender");
        assert_eq!(Icr::init_deassert(to(3)).to_string(), "INIT de-assert to APIC ID 3");
        assert_eq!(Icr::fixed(to(300), 0x40).to_string(), "IPI with vector 0x40 to APIC ID 300");
    }
}
