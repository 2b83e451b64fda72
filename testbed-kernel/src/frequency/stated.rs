//! The TSC's frequency as CPUID or the hypervisor states it.

use bringup::frame::TscSource;
use core::sync::atomic::{AtomicU32, Ordering};
use raw_cpuid::{CpuIdReader, CpuIdResult};
use x86_64::registers::model_specific::Msr;

/// What is read beside CPUID, once CPUID has said that it is there.
pub(super) trait Beside {
    /// `HV_X64_MSR_TSC_FREQUENCY`, in Hz (Hypervisor Top-Level Functional Specification, "Timers").
    fn hyperv_hz(&self) -> u64;
    /// The multiplier and the shift by which KVM's paravirtual clock makes nanoseconds of cycles.
    fn kvmclock_scale(&self) -> (u32, i8);
}

/// The machine's own registers.
pub(super) struct Registers;

impl Beside for Registers {
    fn hyperv_hz(&self) -> u64 {
        const HV_X64_MSR_TSC_FREQUENCY: u32 = 0x4000_0022;
        // SAFETY: CPUID says that the register is there; reading it changes nothing.
        unsafe { Msr::new(HV_X64_MSR_TSC_FREQUENCY).read() }
    }

    fn kvmclock_scale(&self) -> (u32, i8) {
        /// `struct pvclock_vcpu_time_info`, as words.
        #[repr(align(64))]
        struct TimeInfo([AtomicU32; 8]);
        static TIME_INFO: TimeInfo = TimeInfo([const { AtomicU32::new(0) }; 8]);
        /// `MSR_KVM_SYSTEM_TIME_NEW`: the structure's physical address, and bit 0 to enable it.
        const MSR_KVM_SYSTEM_TIME_NEW: u32 = 0x4b56_4d01;
        let mut msr = Msr::new(MSR_KVM_SYSTEM_TIME_NEW);
        // SAFETY: CPUID says that the register is there; between the two writes KVM writes the structure, which is made of
        // atomics and mapped one to one.
        unsafe {
            msr.write((&raw const TIME_INFO) as u64 | 1);
            msr.write(0);
        }
        let word = |at: usize| TIME_INFO.0[at].load(Ordering::Relaxed);
        (word(6), word(7) as i8)
    }
}

/// The frequency from one of the sources that state it, in kHz; `None` where there is none.
pub(super) fn khz(source: TscSource, cpuid: impl CpuIdReader, beside: &impl Beside) -> Option<u64> {
    match source {
        TscSource::Hypervisor => hypervisor(&cpuid),
        TscSource::Hyperv => has_hyperv(&cpuid).then(|| beside.hyperv_hz() / 1000),
        TscSource::Kvmclock => has_kvmclock(&cpuid).then(|| kvmclock(beside.kvmclock_scale()))?,
        TscSource::Cpuid => crystal(&cpuid),
        TscSource::PmTimer | TscSource::Hpet | TscSource::Pit => None,
    }
    .filter(|khz| *khz > 0)
}

/// The first leaf of a hypervisor.
const HYPERVISOR: u32 = 0x4000_0000;

/// A leaf of the hypervisor, where there is one and it has the leaf.
fn leaf(cpuid: &impl CpuIdReader, leaf: u32) -> Option<CpuIdResult> {
    /// Leaf 1, ECX: a hypervisor is present.
    const PRESENT: u32 = 1 << 31;
    let has = cpuid.cpuid1(1).ecx & PRESENT != 0 && cpuid.cpuid1(HYPERVISOR).eax >= leaf;
    has.then(|| cpuid.cpuid1(leaf))
}

/// Leaf 0x4000_0010, "Timing Information", of VMware, and of KVM where QEMU shows it: EAX is kHz.
fn hypervisor(cpuid: &impl CpuIdReader) -> Option<u64> {
    leaf(cpuid, 0x4000_0010).map(|timing| timing.eax.into())
}

/// Hyper-V's interface with its frequency registers (Hypervisor Top-Level Functional Specification, "Feature and Interface
/// Discovery").
fn has_hyperv(cpuid: &impl CpuIdReader) -> bool {
    const INTERFACE: u32 = u32::from_le_bytes(*b"Hv#1");
    /// EAX: the partition may read them. EDX: they are there.
    const MAY_READ: u32 = 1 << 11;
    const AVAILABLE: u32 = 1 << 8;
    leaf(cpuid, 0x4000_0001).is_some_and(|interface| interface.eax == INTERFACE)
        && leaf(cpuid, 0x4000_0003)
            .is_some_and(|features| features.eax & MAY_READ != 0 && features.edx & AVAILABLE != 0)
}

/// KVM with `KVM_FEATURE_CLOCKSOURCE2` (Linux, Documentation/virt/kvm/x86/cpuid.rst).
fn has_kvmclock(cpuid: &impl CpuIdReader) -> bool {
    const CLOCKSOURCE2: u32 = 1 << 3;
    let is_kvm = leaf(cpuid, HYPERVISOR).is_some_and(|signature| {
        [signature.ebx, signature.ecx, signature.edx].map(u32::to_le_bytes).as_flattened()
            == b"KVMKVMKVM\0\0\0"
    });
    is_kvm && leaf(cpuid, 0x4000_0001).is_some_and(|features| features.eax & CLOCKSOURCE2 != 0)
}

/// The frequency of a clock that makes nanoseconds of cycles by shifting them, multiplying and dropping 32 bits.
fn kvmclock((multiplier, shift): (u32, i8)) -> Option<u64> {
    let khz = (1_000_000_u64 << 32).checked_div(multiplier.into())?;
    Some(match shift {
        0.. => khz.checked_shr(shift.unsigned_abs().into()).unwrap_or(0),
        ..0 => khz.checked_shl(shift.unsigned_abs().into()).unwrap_or(0),
    })
}

/// Leaf 0x15: the crystal's frequency and its ratio to the TSC's. Where it lacks the former, the base frequency of leaf 0x16
/// is the TSC's (Intel SDM volume 3, "Determining the Processor Base Frequency").
fn crystal(cpuid: &impl CpuIdReader) -> Option<u64> {
    let highest = cpuid.cpuid1(0).eax;
    let leaf = |leaf| (highest >= leaf).then(|| cpuid.cpuid1(leaf));
    let CpuIdResult { eax: under, ebx: over, ecx: hz, .. } = leaf(0x15)?;
    if under == 0 || over == 0 {
        return None;
    }
    match hz {
        0 => leaf(0x16).map(|base| u64::from(base.eax & 0xffff) * 1000),
        hz => Some(u64::from(hz) * u64::from(over) / u64::from(under) / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a machine of this test has beside CPUID.
    struct Recorded(u64, (u32, i8));

    impl Beside for Recorded {
        fn hyperv_hz(&self) -> u64 {
            self.0
        }

        fn kvmclock_scale(&self) -> (u32, i8) {
            self.1
        }
    }

    const NOTHING: Recorded = Recorded(0, (0, 0));

    fn cpuid<const N: usize>(leaves: [(u32, [u32; 4]); N]) -> impl CpuIdReader {
        move |leaf, _| {
            let found = leaves.iter().find(|(of, _)| *of == leaf);
            let [eax, ebx, ecx, edx] = found.map_or([0; 4], |(_, registers)| *registers);
            CpuIdResult { eax, ebx, ecx, edx }
        }
    }

    const PRESENT: (u32, [u32; 4]) = (1, [0, 0, 1 << 31, 0]);
    const KVM: [u32; 3] = [0x4b4d_564b, 0x564b_4d56, 0x4d];

    #[test]
    fn a_hypervisor_states_it_only_where_there_is_one() {
        let leaves = [(HYPERVISOR, [0x4000_0010, 0, 0, 0]), (0x4000_0010, [2_995_200, 0, 0, 0])];
        let [max, timing] = leaves;
        let found = |cpuid| khz(TscSource::Hypervisor, cpuid, &NOTHING);
        assert_eq!(found(cpuid([PRESENT, max, timing])), Some(2_995_200));
        assert_eq!(khz(TscSource::Hypervisor, cpuid([max, timing]), &NOTHING), None);
        let short = (HYPERVISOR, [0x4000_0001, 0, 0, 0]);
        assert_eq!(found(cpuid([PRESENT, short, timing])), None);
    }

    #[test]
    fn hyper_v_states_it_where_its_registers_may_be_read() {
        let features = |eax, edx| (0x4000_0003, [eax, 0, 0, edx]);
        let interface = (0x4000_0001, [u32::from_le_bytes(*b"Hv#1"), 0, 0, 0]);
        let max = (HYPERVISOR, [0x4000_000b, 0, 0, 0]);
        let found = |features| {
            let cpuid = cpuid([PRESENT, max, interface, features]);
            khz(TscSource::Hyperv, cpuid, &Recorded(2_419_200_000, (0, 0)))
        };
        assert_eq!(found(features(1 << 11, 1 << 8)), Some(2_419_200));
        assert_eq!(found(features(0, 1 << 8)), None);
        assert_eq!(found(features(1 << 11, 0)), None);
    }

    /// What KVM gives a guest with a TSC of 2.4 GHz and one of 600 MHz: tsc_to_system_mul, tsc_shift.
    #[test]
    fn kvmclock_states_it_by_its_scale() {
        let max = (HYPERVISOR, [0x4000_0001, KVM[0], KVM[1], KVM[2]]);
        let found = |features, scale| {
            let cpuid = cpuid([PRESENT, max, (0x4000_0001, [features, 0, 0, 0])]);
            khz(TscSource::Kvmclock, cpuid, &Recorded(0, scale))
        };
        assert_eq!(found(1 << 3, (0xd555_5555, -1)), Some(2_400_000));
        assert_eq!(found(1 << 3, (0xd555_5555, 1)), Some(600_000));
        assert_eq!(found(0, (0xd555_5555, -1)), None);
        assert_eq!(found(1 << 3, (0, 0)), None);
    }

    /// Leaves of a Skylake client (crystal not stated), an Ice Lake server and a Haswell, which lacks leaf 0x15.
    #[test]
    fn a_crystal_states_it_and_the_base_frequency_stands_in_for_its_frequency() {
        let found = |cpuid| khz(TscSource::Cpuid, cpuid, &NOTHING);
        let highest = |leaf| (0, [leaf, 0, 0, 0]);
        let skylake = [highest(0x16), (0x15, [2, 216, 0, 0]), (0x16, [2600, 3500, 100, 0])];
        assert_eq!(found(cpuid(skylake)), Some(2_600_000));
        let ice_lake =
            [highest(0x16), (0x15, [2, 240, 25_000_000, 0]), (0x16, [3000, 3600, 100, 0])];
        assert_eq!(khz(TscSource::Cpuid, cpuid(ice_lake), &NOTHING), Some(3_000_000));
        let haswell = [highest(0xd), (0x15, [2, 216, 0, 0])];
        assert_eq!(khz(TscSource::Cpuid, cpuid(haswell), &NOTHING), None);
        let no_ratio = [highest(0x16), (0x15, [0, 0, 24_000_000, 0]), (0x16, [2600, 0, 0, 0])];
        assert_eq!(khz(TscSource::Cpuid, cpuid(no_ratio), &NOTHING), None);
    }

    #[test]
    fn what_measures_states_nothing() {
        assert_eq!(khz(TscSource::Pit, cpuid([PRESENT]), &NOTHING), None);
    }
}
