//! What boots took on the host's clock: the engine's own start, the kernel's time, the engine's end.
//!
//! A guest's cycles and the host's time are different clocks, so these are no figures of trials and are never added to
//! them.

use crate::ground::manifest;

/// Microseconds are cycles of a clock of this frequency, in kHz.
pub const HOST_KHZ: Option<u64> = Some(1000);

/// No boot takes longer than a day, in µs; a greater number is damage.
const LONGEST: u64 = 86_400_000_000;

/// A boot on the host's clock, in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostTimes {
    /// The engine's start → the first byte of the serial port: the process, the firmware, the kernel's own set-up.
    start: u64,
    /// The engine's start → the kernel's last frame.
    goodbye: u64,
    /// The engine's start → its exit; `None` where it stays, and was killed after the last frame.
    exit: Option<u64>,
}

/// A part of a boot on the host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostMeasure {
    /// The engine's start → its exit, or the last frame where it stays.
    Whole,
    /// The engine's start → the first byte.
    EngineStart,
    /// The first byte → the kernel's last frame: all trials, and sending their frames.
    Kernel,
    /// The kernel's last frame → the engine's exit.
    EngineEnd,
}

impl HostMeasure {
    /// All, the whole first; the others add up to it.
    pub const ALL: [HostMeasure; 4] =
        [HostMeasure::Whole, HostMeasure::EngineStart, HostMeasure::Kernel, HostMeasure::EngineEnd];

    /// Those that depend on the engine alone: the rest grows with the cells and their repetitions.
    pub const OF_ENGINE: [HostMeasure; 2] = [HostMeasure::EngineStart, HostMeasure::EngineEnd];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            HostMeasure::Whole => "whole",
            HostMeasure::EngineStart => "engine-start",
            HostMeasure::Kernel => "kernel",
            HostMeasure::EngineEnd => "engine-end",
        }
    }

    /// Its length in a boot, in µs; `None` where the boot has none.
    pub fn of(self, times: HostTimes) -> Option<u64> {
        let HostTimes { start, goodbye, exit } = times;
        match self {
            HostMeasure::Whole => exit.or(Some(goodbye)),
            HostMeasure::EngineStart => Some(start),
            HostMeasure::Kernel => Some(goodbye - start),
            HostMeasure::EngineEnd => exit.map(|exit| exit - goodbye),
        }
    }

    /// How far its stamps may be off, in µs: a difference below that is none.
    pub const fn resolution(self) -> f64 {
        match self {
            HostMeasure::EngineStart => 0.0,
            _ => 1000.0,
        }
    }
}

impl HostTimes {
    /// Of a boot on a noisy engine; `None` of another one, and where its stamps are missing or in disorder.
    pub(super) fn of(boot: &manifest::Boot) -> Option<HostTimes> {
        let stamps = boot.host_stamps.filter(|_| !boot.exact)?;
        // A negative number becomes 0, and NaN too.
        let micros = |seconds: f64| (seconds * 1e6) as u64;
        let (start, goodbye) = (micros(stamps.first_byte), micros(stamps.goodbye));
        let over = micros(boot.seconds);
        let exit = (!stamps.killed).then_some(over);
        let ordered = start <= goodbye && goodbye <= over && over <= LONGEST;
        ordered.then_some(HostTimes { start, goodbye, exit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_boot_add_up_to_the_whole() {
        let parts = |exit| {
            let times = HostTimes { start: 300, goodbye: 1000, exit };
            let [whole, parts @ ..] = HostMeasure::ALL.map(|measure| measure.of(times));
            assert_eq!(parts.iter().flatten().sum::<u64>(), whole.unwrap());
            parts
        };
        assert_eq!(parts(Some(1025)), [Some(300), Some(700), Some(25)]);
        assert_eq!(parts(None), [Some(300), Some(700), None]);
    }
}
