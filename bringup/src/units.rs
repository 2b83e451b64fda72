//! The quantities that must not be mistaken for one another.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Cycles of the time-stamp counter: an interval, or a reading relative to its trial's zero.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Cycles(pub u64);

/// A CPU's place in the kernel's CPU table: 0 is the BSP, the rest follow the MADT's order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct CpuIndex(pub u16);

/// A local APIC's ID (Intel SDM volume 3, "Local APIC ID"): 8 bits in xAPIC mode.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ApicId(pub u32);

impl CpuIndex {
    /// The boot CPU.
    pub const BSP: CpuIndex = CpuIndex(0);

    /// The index as a position in a table.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for CpuIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPU {}", self.0)
    }
}

impl fmt::Display for Cycles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A span of time as a user writes it: bare cycles, or a number with `ns`, `us`, `ms` or `s`.
///
/// A time stays a time until the kernel knows the frequency of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Duration {
    /// TSC cycles.
    Cycles(u64),
    /// Nanoseconds.
    Nanos(u64),
}

impl Duration {
    /// No time at all.
    pub const ZERO: Duration = Duration::Cycles(0);
    /// What [`Duration::parse`] expects, for messages.
    pub const EXPECTED: &str =
        "cycles, up to 2^44, or a whole number with ns, us, ms or s, up to an hour, as `10us`";
    /// The longest span in cycles. Sums of a few of them, as numbers of any clock, don't overflow.
    pub const MAX_CYCLES: u64 = 1 << 44;
    /// The longest span in time.
    pub const MAX_NANOS: u64 = 3_600_000_000_000;

    const UNITS: [(&str, u64); 4] =
        [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

    /// Whole milliseconds.
    pub const fn from_millis(ms: u64) -> Duration {
        Duration::Nanos(ms * 1_000_000)
    }

    /// Reads `900`, `10us`, `20ms`, …; `None` if it is no such thing, or too long.
    pub fn parse(text: &str) -> Option<Duration> {
        Self::parse_up_to(text, Self::MAX_NANOS)
    }

    /// The same, where a time may be as long as so many nanoseconds.
    pub fn parse_up_to(text: &str, longest: u64) -> Option<Duration> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().ok()?;
        if unit.is_empty() {
            return (number <= Self::MAX_CYCLES).then_some(Duration::Cycles(number));
        }
        let (_, nanos) = Self::UNITS.iter().find(|(name, _)| *name == unit)?;
        number.checked_mul(*nanos).filter(|ns| *ns <= longest).map(Duration::Nanos)
    }

    /// The span in cycles of a clock of `tsc_khz` kHz, rounded to the nearest; saturates.
    pub fn cycles(self, tsc_khz: u64) -> Cycles {
        match self {
            Duration::Cycles(n) => Cycles(n),
            Duration::Nanos(ns) => {
                let cycles = (u128::from(ns) * u128::from(tsc_khz) + 500_000) / 1_000_000;
                Cycles(u64::try_from(cycles).unwrap_or(u64::MAX))
            }
        }
    }

    /// True for a span of no length.
    pub fn is_zero(self) -> bool {
        matches!(self, Duration::Cycles(0) | Duration::Nanos(0))
    }
}

impl fmt::Display for Duration {
    /// The largest unit that keeps the number whole, so that [`Duration::parse`] reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Duration::Cycles(n) => write!(f, "{n}"),
            Duration::Nanos(ns) => {
                let (name, nanos) = Self::UNITS
                    .into_iter()
                    .find(|(_, nanos)| ns.is_multiple_of(*nanos))
                    .unwrap_or(("ns", 1));
                write!(f, "{}{name}", ns / nanos)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write_themselves() {
        for (text, value) in [
            ("0", Duration::Cycles(0)),
            ("1234", Duration::Cycles(1234)),
            ("10us", Duration::Nanos(10_000)),
            ("20ms", Duration::Nanos(20_000_000)),
            ("3s", Duration::Nanos(3_000_000_000)),
            ("1500ns", Duration::Nanos(1500)),
        ] {
            assert_eq!(Duration::parse(text), Some(value));
            assert_eq!(value.to_string(), text);
        }
        for text in [
            "",
            "us",
            "1.5ms",
            "-1",
            "10 us",
            "10min",
            "18446744073709551615s",
            "3601s",
            "17592186044417",
        ] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_becomes_cycles_of_the_clock_it_is_given() {
        assert_eq!(Duration::parse("1ms").unwrap().cycles(2_593_926), Cycles(2_593_926));
        assert_eq!(Duration::Cycles(7).cycles(1), Cycles(7));
        assert_eq!(Duration::Nanos(u64::MAX).cycles(u64::MAX), Cycles(u64::MAX));
    }
}
