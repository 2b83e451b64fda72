//! What keeps an IPI from being delivered, as the sender's APIC sees it.

use super::icr::Icr;
use core::fmt;

/// The bits of the error status register (Intel SDM volume 3, "Error Status Register (ESR)").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errors(pub u32);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 8] = [
            "send checksum error",
            "receive checksum error",
            "send accept error",
            "receive accept error",
            "redirectable IPI",
            "send illegal vector",
            "receive illegal vector",
            "illegal register address",
        ];
        write!(f, "ESR {:#04x}", self.0)?;
        let set = |(bit, _): &(usize, &&str)| self.0 & 1 << bit != 0;
        for (index, (_, name)) in NAMES.iter().enumerate().filter(set).enumerate() {
            write!(f, "{}{name}", if index == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

/// An IPI that may not have reached its destination: it, or one that was sent since the last look at the errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDelivered {
    /// The last IPI that was sent.
    pub ipi: Icr,
    /// What the APIC recorded.
    pub errors: Errors,
}

impl fmt::Display for NotDelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotDelivered { ipi, errors } = self;
        write!(f, "the local APIC reported an error by the end of the {ipi} ({errors})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apic::To;
    use bringup::ApicId;

    #[test]
    fn errors_are_called_by_their_names() {
        assert_eq!(Errors(0).to_string(), "ESR 0x00");
        assert_eq!(Errors(0x04).to_string(), "ESR 0x04: send accept error");
        assert_eq!(
            Errors(0xa0).to_string(),
            "ESR 0xa0: send illegal vector, illegal register address"
        );
    }

    #[test]
    fn a_failure_names_ipi_destination_and_cause() {
        let ipi = Icr::startup(To::One(ApicId(3)), 8);
        assert_eq!(
            NotDelivered { ipi, errors: Errors(4) }.to_string(),
            "the local APIC reported an error by the end of the start-up IPI to APIC ID 3 (ESR 0x04: send accept error)"
        );
    }
}
