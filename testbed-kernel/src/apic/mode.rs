//! The mode of the local APICs: one for all CPUs of a boot (Intel SDM volume 3, "x2APIC State Transitions").

use bringup::ApicId;
use bringup::boot_options::Apic;
use bringup::contract::XAPIC_LAST;
use bringup::frame::ApicMode;
use bringup::options::{Part, Refusal};
use core::sync::atomic::{AtomicU8, Ordering};
use raw_cpuid::CpuId;

/// `IA32_APIC_BASE`: this is the BSP.
pub const BSP: u64 = 1 << 8;
/// `IA32_APIC_BASE`: x2APIC mode.
pub(super) const EXTD: u64 = 1 << 10;
/// `IA32_APIC_BASE`: the APIC is on.
pub(super) const ENABLE: u64 = 1 << 11;

/// How the local APICs are used on this machine: 0 is xAPIC mode with a timer that counts down.
static WAYS: AtomicU8 = AtomicU8::new(0);

/// [`WAYS`]: x2APIC mode.
const X2APIC: u8 = 1 << 0;
/// [`WAYS`]: the timer interrupts at a moment of the TSC.
const DEADLINES: u8 = 1 << 1;

/// True for xAPIC mode with a timer that counts down.
#[inline(always)]
pub(super) fn is_plain() -> bool {
    WAYS.load(Ordering::Relaxed) == 0
}

/// The mode of this boot; xAPIC until it is [`set`].
#[inline(always)]
pub fn mode() -> ApicMode {
    match WAYS.load(Ordering::Relaxed) & X2APIC {
        0 => ApicMode::Xapic,
        _ => ApicMode::X2apic,
    }
}

/// The one of two that is for this boot's mode.
pub fn in_mode<T>(xapic: T, x2apic: T) -> T {
    match mode() {
        ApicMode::Xapic => xapic,
        ApicMode::X2apic => x2apic,
    }
}

/// Sets the mode of this boot, before any APIC is used.
pub fn set(mode: ApicMode) {
    WAYS.store(if mode == ApicMode::X2apic { X2APIC } else { 0 }, Ordering::Relaxed);
}

/// True where [`use_deadlines`] has found the timer's TSC-deadline mode.
pub(super) fn has_deadlines() -> bool {
    WAYS.load(Ordering::Relaxed) & DEADLINES != 0
}

/// Uses the timer's TSC-deadline mode from now on, where CPUID reports it.
pub fn use_deadlines() {
    if CpuId::new().get_feature_info().is_some_and(|info| info.has_tsc_deadline()) {
        WAYS.fetch_or(DEADLINES, Ordering::Relaxed);
    }
}

/// Selects the mode: `base` is the BSP's `IA32_APIC_BASE`, `has_x2apic` what CPUID says, `highest` the highest APIC ID of a
/// CPU.
pub fn select(
    wish: Apic,
    base: u64,
    has_x2apic: bool,
    highest: ApicId,
) -> Result<ApicMode, Refusal> {
    let is_x2apic = base & ENABLE != 0 && base & EXTD != 0;
    let refused =
        |why| Err(Refusal::Senseless { what: Part::Word("apic", wish.name()), with: None, why });
    match wish {
        Apic::Xapic if is_x2apic => {
            refused("firmware has switched x2APIC mode on; switch it off in the firmware's set-up")
        }
        Apic::X2apic if !has_x2apic => refused("CPUID leaf 1 reports no x2APIC mode"),
        Apic::X2apic => Ok(ApicMode::X2apic),
        Apic::Auto if is_x2apic || has_x2apic && highest.0 > XAPIC_LAST => Ok(ApicMode::X2apic),
        Apic::Xapic | Apic::Auto => Ok(ApicMode::Xapic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ApicMode::{X2apic, Xapic};

    #[test]
    fn x2apic_mode_is_kept_or_needed_or_asked_for() {
        let mode = |wish, base, has, id| select(wish, base, has, ApicId(id)).ok();
        let (off, on) = (ENABLE, ENABLE | EXTD);
        assert_eq!(mode(Apic::Auto, off, true, 254), Some(Xapic));
        assert_eq!(mode(Apic::Auto, off, true, 255), Some(X2apic));
        assert_eq!(mode(Apic::Auto, off, false, 300), Some(Xapic), "some CPUs are left out");
        assert_eq!(mode(Apic::Auto, on, true, 3), Some(X2apic));
        assert_eq!(mode(Apic::Xapic, off, true, 300), Some(Xapic));
        assert_eq!(mode(Apic::Xapic, on, true, 3), None);
        assert_eq!(mode(Apic::X2apic, off, true, 3), Some(X2apic));
        assert_eq!(mode(Apic::X2apic, off, false, 3), None);
        assert_eq!(
            mode(Apic::Xapic, 0, false, 3),
            Some(Xapic),
            "an APIC that is off is switched on"
        );
    }
}
