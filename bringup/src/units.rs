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
    /// The bootstrap processor.
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

/// What a time looks like, for messages.
macro_rules! time {
    () => {
        "a number with ns, us, ms or s, up to an hour and exact to the nanosecond, as `10us` or `3.2ms`"
    };
}

/// What a duration looks like, for messages.
macro_rules! duration {
    () => {
        concat!("cycles, up to 2^44, or ", time!())
    };
}

pub(crate) use {duration, time};

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

    /// Reads `900`, `10us`, `3.2ms`, …; `None` if it is no such thing, no whole number of cycles or
    /// nanoseconds, or too long.
    pub fn parse(text: &str) -> Option<Duration> {
        Self::parse_up_to(text, Self::MAX_NANOS)
    }

    /// The same, where a time may be as long as so many nanoseconds.
    pub fn parse_up_to(text: &str, longest: u64) -> Option<Duration> {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number = &text[..text.len() - unit.len()];
        if unit.is_empty() {
            let cycles = number.parse().ok()?;
            return (cycles <= Self::MAX_CYCLES).then_some(Duration::Cycles(cycles));
        }
        let (_, nanos) = Self::UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) => (whole, nanos_of(fraction, *nanos)?),
            None => (number, 0),
        };
        let whole = whole.parse::<u64>().ok()?.checked_mul(*nanos)?;
        whole.checked_add(fraction).filter(|ns| *ns <= longest).map(Duration::Nanos)
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

/// The nanoseconds of the digits behind a point, in a unit of so many; `None` where they are no whole number.
fn nanos_of(digits: &str, unit: u64) -> Option<u64> {
    let mut place = unit;
    let mut nanos = 0;
    for digit in digits.chars() {
        let digit = u64::from(digit.to_digit(10)?);
        // Below the nanosecond there is no place for a digit but 0.
        nanos += match place {
            1 if digit > 0 => return None,
            1 => 0,
            _ => {
                place /= 10;
                digit * place
            }
        };
    }
    (!digits.is_empty()).then_some(nanos)
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
    use proptest::prelude::*;

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
            "1.5",
            "1.ms",
            ".5ms",
            "1.2.3ms",
            "1,5ms",
            "1.5ns",
            "0.0001us",
            "1.0000000001s",
            "3600.000000001s",
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
    fn a_time_may_have_decimals_down_to_the_nanosecond() {
        for (text, nanos, written) in [
            ("3.2ms", 3_200_000, "3200us"),
            ("1.5us", 1_500, "1500ns"),
            ("0.000000001s", 1, "1ns"),
            ("1.50ms", 1_500_000, "1500us"),
            ("2.000000000000000000000000ns", 2, "2ns"),
            ("2.0s", 2_000_000_000, "2s"),
            ("3600.0s", Duration::MAX_NANOS, "3600s"),
        ] {
            let read = Duration::parse(text).expect(text);
            assert_eq!(read, Duration::Nanos(nanos), "{text}");
            assert_eq!(read.to_string(), written);
        }
    }

    proptest! {
        #[test]
        fn a_duration_is_read_as_it_was_written(nanos in 0..=Duration::MAX_NANOS, cycles in 0..=Duration::MAX_CYCLES) {
            for duration in [Duration::Nanos(nanos), Duration::Cycles(cycles)] {
                prop_assert_eq!(Duration::parse(&duration.to_string()), Some(duration));
            }
        }

        #[test]
        fn a_time_is_the_same_in_every_unit(nanos in 0..=Duration::MAX_NANOS, zeros in 0usize..30) {
            for (unit, scale) in Duration::UNITS {
                let digits = scale.ilog10() as usize;
                let mut text = format!("{}.{:0digits$}", nanos / scale, nanos % scale);
                text.extend(std::iter::repeat_n('0', zeros));
                if digits == 0 {
                    text = format!("{nanos}.0");
                }
                text += unit;
                prop_assert_eq!(Duration::parse(&text), Some(Duration::Nanos(nanos)), "{}", text);
            }
        }

        #[test]
        fn what_is_no_whole_nanosecond_is_refused(nanos in 0..Duration::MAX_NANOS, digit in 1u8..=9, zeros in 0usize..30) {
            for (unit, scale) in Duration::UNITS {
                let digits = scale.ilog10() as usize;
                let whole = if digits == 0 { String::new() } else { format!("{:0digits$}", nanos % scale) };
                let zeros = "0".repeat(zeros);
                let text = format!("{}.{whole}{zeros}{digit}{unit}", nanos / scale);
                prop_assert_eq!(Duration::parse(&text), None, "{}", text);
            }
        }
    }

    #[test]
    fn a_duration_becomes_cycles_of_the_clock_it_is_given() {
        assert_eq!(Duration::parse("1ms").unwrap().cycles(2_593_926), Cycles(2_593_926));
        assert_eq!(Duration::Cycles(7).cycles(1), Cycles(7));
        assert_eq!(Duration::Nanos(u64::MAX).cycles(u64::MAX), Cycles(u64::MAX));
    }
}
