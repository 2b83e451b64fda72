//! The frequencies of the TSC and of the APIC timer.

mod counters;
mod stated;

use crate::apic;
use crate::clock;
use crate::failure::fail_for_machine;
use crate::tables::Tables;
use crate::tsc::{self, tsc};
use bringup::frame::TscSource;
use counters::Counter;
use raw_cpuid::CpuIdReaderNative;

/// What is known of the TSC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Its frequency, in kHz.
    pub tsc_khz: u64,
    /// How that was found.
    pub source: TscSource,
    /// Largest less smallest measurement, in kHz; 0 where CPUID or the hypervisor states it.
    pub spread_khz: u64,
}

/// Measurements of a frequency; the median counts.
const GATES: usize = 5;

/// Finds the frequencies of the TSC and of the APIC timer; the latter first, because the former waits by it.
///
/// Ends the boot where no source, or not the forced one, gives that of the TSC.
pub fn measure(tables: &Tables, forced: Option<TscSource>) -> Clock {
    tsc::examine_lfence();
    tsc::serialise_lfence();
    let mut ratios = [(); GATES].map(|()| timer_gate());
    clock::set_ticks_per_cycle(median_and_spread(&mut ratios).0);
    apic::use_deadlines();
    let found = match forced {
        Some(source) => by(source, tables),
        None => ORDER.into_iter().find_map(|source| by(source, tables)),
    };
    let clock = found.unwrap_or_else(|| match forced {
        Some(source) => fail_for_machine(format_args!(
            "`tsc-source={source}`: {}; without this option the kernel takes the first source that the machine has",
            lacking(source)
        )),
        None => fail_for_machine(format_args!(
            "nothing on this machine gives the TSC's frequency: {}; {}; {}; {}; {}; {}; {}",
            lacking(ORDER[0]),
            lacking(ORDER[1]),
            lacking(ORDER[2]),
            lacking(ORDER[3]),
            lacking(ORDER[4]),
            lacking(ORDER[5]),
            lacking(ORDER[6]),
        )),
    });
    tsc::set_khz(clock.tsc_khz);
    clock
}

/// The sources, in the order in which they are tried: those that state the frequency, the hypervisor's first, then those that it
/// is measured with.
const ORDER: [TscSource; TscSource::COUNT] = [
    TscSource::Hypervisor,
    TscSource::Hyperv,
    TscSource::Kvmclock,
    TscSource::Cpuid,
    TscSource::PmTimer,
    TscSource::Hpet,
    TscSource::Pit,
];

/// Why a source gives nothing.
const fn lacking(source: TscSource) -> &'static str {
    match source {
        TscSource::Hypervisor => "no hypervisor's CPUID leaf 0x4000_0010",
        TscSource::Hyperv => "no frequency MSR of Hyper-V's interface",
        TscSource::Kvmclock => "no paravirtual clock of KVM",
        TscSource::Cpuid => "no CPUID leaf 0x15 with the crystal's ratio and frequency",
        TscSource::PmTimer => "no PM timer at an I/O port in the FADT, or one that stands still",
        TscSource::Hpet => "no HPET table, or a counter that stands still",
        TscSource::Pit => "no PIT whose channel 0 counts",
    }
}

/// The frequency from that source, where the machine has it.
fn by(source: TscSource, tables: &Tables) -> Option<Clock> {
    let (tsc_khz, spread_khz) = match source {
        TscSource::Hypervisor | TscSource::Hyperv | TscSource::Kvmclock | TscSource::Cpuid => {
            (stated::khz(source, CpuIdReaderNative, &stated::Registers)?, 0)
        }
        TscSource::PmTimer => gated(&mut counters::of_pm_timer(tables.pm_timer()?))?,
        TscSource::Hpet => gated(&mut counters::of_hpet(tables.hpet()?)?)?,
        TscSource::Pit => gated(&mut counters::of_pit())?,
    };
    (tsc_khz > 0).then_some(Clock { tsc_khz, source, spread_khz })
}

/// Median and spread of the frequency, measured against a counter; `None` where that stands still.
fn gated(counter: &mut Counter<impl FnMut() -> u32>) -> Option<(u64, u64)> {
    let mut khz = [0; GATES];
    for gate in &mut khz {
        *gate = counter.gate()?;
    }
    Some(median_and_spread(&mut khz))
}

/// One measurement of the APIC timer against the TSC, in ticks per cycle, times 2^32.
fn timer_gate() -> u64 {
    /// Its length in cycles; the TSC's frequency is not known yet.
    const GATE: u64 = 500_000;

    let begin = tsc();
    apic::start_timer(u32::MAX.into(), 0);
    // No PAUSE: it would hand the emulator's one thread to every other CPU in turn.
    while tsc() - begin < GATE {}
    let left = apic::timer_left();
    let cycles = tsc() - begin;
    apic::stop_timer();
    (u64::from(u32::MAX - left) << 32) / cycles
}

/// The median, and the largest less the smallest.
fn median_and_spread(samples: &mut [u64]) -> (u64, u64) {
    samples.sort_unstable();
    (samples[samples.len() / 2], samples[samples.len() - 1] - samples[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_moves_the_spread_and_not_the_median() {
        assert_eq!(median_and_spread(&mut [2000, 1001, 1000, 999, 1000]), (1000, 1001));
    }
}
