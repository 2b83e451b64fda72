//! The time-stamp counter: how it is read in program order, and how many of its cycles a span of time has.

use bringup::Duration;
use core::arch::x86_64::{_mm_lfence, _rdtsc};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use raw_cpuid::{CpuId, CpuIdReader, CpuIdReaderNative};
use x86_64::registers::model_specific::Msr;

/// Reads this CPU's TSC, after everything before it and before everything behind it.
#[inline(always)]
pub fn tsc() -> u64 {
    // SAFETY: LFENCE and RDTSC are there on every 64-bit CPU and touch nothing but registers.
    unsafe {
        _mm_lfence();
        let now = _rdtsc();
        _mm_lfence();
        now
    }
}

/// The frequency, in kHz; set once, before the first AP wakes.
static KHZ: AtomicU64 = AtomicU64::new(0);

/// Sets the frequency, in kHz.
pub fn set_khz(khz: u64) {
    KHZ.store(khz, Ordering::Relaxed);
}

/// A span of time in cycles of the TSC; 0 before its frequency is known, when no AP runs and no CPU waits for another.
pub fn cycles(span: Duration) -> u64 {
    span.cycles(KHZ.load(Ordering::Relaxed)).0
}

/// `DE_CFG`, "decode configuration", of AMD and Hygon.
const DE_CFG: u32 = 0xc001_1029;
/// `DE_CFG`: LFENCE waits for everything before it.
const LFENCE_SERIALISE: u64 = 1 << 1;

/// True where LFENCE waits for everything before it only with [`LFENCE_SERIALISE`] set. The BSP finds out for all
/// CPUs, before the first AP wakes.
static LFENCE_NEEDS_DE_CFG: AtomicBool = AtomicBool::new(false);

/// True on CPUs whose LFENCE waits for everything before it only with [`LFENCE_SERIALISE`] set, where that bit can be
/// set.
///
/// Intel's always waits. AMD's (and Hygon's, from family 18h) always waits where leaf 0x8000_0021 says so, and in
/// families 0Fh and 11h, which have no such register (AMD, "Software Techniques for Managing Speculation on AMD
/// Processors"). Under a hypervisor the register belongs to the hypervisor: guests run with the host's bit, and a
/// guest's access may raise an exception.
fn lfence_needs_de_cfg<R: CpuIdReader>(cpuid: R) -> bool {
    const LFENCE_ALWAYS: u32 = 1 << 2;
    const HYPERVISOR: u32 = 1 << 31;
    let leaf = |leaf| cpuid.cpuid2(leaf, 0);
    let vendor = CpuId::with_cpuid_reader(cpuid.clone()).get_vendor_info();
    let has_register = vendor.is_some_and(|vendor| {
        matches!(vendor.as_str(), "AuthenticAMD" | "HygonGenuine")
            && matches!(family(leaf(1).eax), 0x10 | 0x12..)
    });
    let always = leaf(0x8000_0000).eax >= 0x8000_0021 && leaf(0x8000_0021).eax & LFENCE_ALWAYS != 0;
    has_register && !always && leaf(1).ecx & HYPERVISOR == 0
}

/// The family in leaf 1's EAX; the extended one counts where the base is full.
fn family(signature: u32) -> u32 {
    match signature >> 8 & 0xf {
        0xf => 0xf + (signature >> 20 & 0xff),
        base => base,
    }
}

/// Finds out for all CPUs whether LFENCE needs [`serialise_lfence`]. The BSP calls this before the first AP wakes.
pub fn examine_lfence() {
    LFENCE_NEEDS_DE_CFG.store(lfence_needs_de_cfg(CpuIdReaderNative), Ordering::Relaxed);
}

/// Makes LFENCE wait for everything before it on this CPU, as [`tsc`] needs.
pub fn serialise_lfence() {
    if LFENCE_NEEDS_DE_CFG.load(Ordering::Relaxed) {
        let mut config = Msr::new(DE_CFG);
        // SAFETY: `lfence_needs_de_cfg` is true only of families that have this register, and on
        // the bare machine; the bit does this alone.
        unsafe { config.write(config.read() | LFENCE_SERIALISE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raw_cpuid::CpuIdResult;

    /// CPUID of a vendor's CPU with that EAX of leaf 1, that ECX of it, that EAX of leaf 0x8000_0021.
    fn needs(vendor: &[u8; 12], signature: u32, ecx: u32, lfence: u32) -> bool {
        let word = |at: usize| u32::from_le_bytes(vendor[at..at + 4].try_into().unwrap());
        let [ebx, edx, vendor_ecx] = [0, 4, 8].map(word);
        lfence_needs_de_cfg(move |leaf, _| match leaf {
            0 => CpuIdResult { eax: 0xd, ebx, ecx: vendor_ecx, edx },
            1 => CpuIdResult { eax: signature, ebx: 0, ecx, edx: 0 },
            0x8000_0000 => CpuIdResult { eax: 0x8000_0021, ebx: 0, ecx: 0, edx: 0 },
            0x8000_0021 => CpuIdResult { eax: lfence, ebx: 0, ecx: 0, edx: 0 },
            _ => CpuIdResult { eax: 0, ebx: 0, ecx: 0, edx: 0 },
        })
    }

    #[test]
    fn lfence_is_made_to_wait_where_it_does_not_by_itself_and_the_register_is_there() {
        let amd = |signature| needs(b"AuthenticAMD", signature, 0, 0);
        let [k10, zen2] = [0x0010_0f43, 0x0083_0f10];
        assert!(amd(k10) && amd(zen2));
        assert!(needs(b"HygonGenuine", 0x0090_0f02, 0, 0), "family 18h");
        let [k8, griffin] = [0x0002_0fb1, 0x0020_0f31];
        assert!(!amd(k8) && !amd(griffin), "families 0Fh and 11h have no such register");
        assert!(!needs(b"GenuineIntel", 0x000b_06f2, 0, 0));
        assert!(!needs(b"AuthenticAMD", 0x00a1_0f11, 0, 1 << 2), "it waits by itself");
        assert!(!needs(b"AuthenticAMD", zen2, 1 << 31, 0), "the hypervisor's");
    }
}
