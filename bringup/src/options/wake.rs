//! Words about the IPIs of a kick.

use crate::words::words;

words! {
    /// The IPIs that wake an AP.
    WakeSequence {
        /// INIT, `init-delay`, one SIPI.
        InitSipi = "init-sipi",
        /// The same and `sipi-gap` later a second SIPI (Intel SDM volume 3, "Typical BSP Initialization Sequence").
        InitSipiSipi = "init-sipi-sipi",
        /// A SIPI alone: the AP waits for one already.
        Sipi = "sipi",
        /// INIT, `init-delay`, INIT level de-assert, one SIPI (MultiProcessor Specification 1.4, "Application Processor
        /// Startup"; Linux on xAPICs).
        InitDeassertSipi = "init-deassert-sipi",
        /// As `init-sipi`; when all are kicked, a second SIPI to each AP that is not alive `sipi-gap` after its first.
        SipiLate = "sipi-late",
    }
}

impl WakeSequence {
    /// It begins with INIT.
    pub const fn has_init(self) -> bool {
        !matches!(self, WakeSequence::Sipi)
    }

    /// An INIT level de-assert stands before the SIPI.
    pub const fn has_deassert(self) -> bool {
        matches!(self, WakeSequence::InitDeassertSipi)
    }

    /// Every AP is sent a second SIPI, `sipi-gap` after the first.
    pub const fn has_second_sipi(self) -> bool {
        matches!(self, WakeSequence::InitSipiSipi)
    }

    /// APs that are not alive `sipi-gap` after their SIPI are sent a second one.
    pub const fn repeats_late(self) -> bool {
        matches!(self, WakeSequence::SipiLate)
    }
}

words! {
    /// Which INITs of a kick come before its delay.
    InitOrder {
        /// All INITs, one delay, all SIPIs.
        First = "first",
        /// INIT, delay and SIPI of one AP, then of the next, as Linux does.
        Each = "each",
    }
}

words! {
    /// What puts the APs into wait-for-SIPI before a boot's first trial.
    ParkedBy {
        /// An INIT of the BSP, before the trial.
        Init = "init",
        /// The firmware, or nobody.
        Firmware = "firmware",
    }
}

words! {
    /// The level bit of INIT and SIPI (Intel SDM volume 3, "Interrupt Command Register (ICR)").
    IcrLevel {
        /// 1, as the manual demands.
        Assert = "assert",
        /// 0.
        None = "none",
    }
}
