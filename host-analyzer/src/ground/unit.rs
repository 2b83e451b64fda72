//! Units that people read: cycles, µs, ms.

use clap::ValueEnum;

/// The unit that a user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// ms or µs, whichever suits the longest time; cycles where the clock's frequency is unknown.
    #[default]
    Auto,
    /// Cycles of the TSC.
    Cycles,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
}

/// How one column or axis is written: a unit, and so many decimals that its greatest value has
/// about four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    unit: Unit,
    decimals: usize,
}

impl Scale {
    /// For these values, each with its clock's frequency in kHz.
    pub fn of(unit: Unit, values: impl IntoIterator<Item = (u64, Option<u64>)>) -> Scale {
        let micros = |(cycles, khz): (u64, Option<u64>)| {
            Some(cycles as f64 * 1e3 / khz.filter(|khz| *khz > 0)? as f64)
        };
        let greatest = values.into_iter().filter_map(micros).reduce(f64::max);
        let unit = match (unit, greatest) {
            (Unit::Auto, None) => Unit::Cycles,
            (Unit::Auto, Some(us)) if us >= 1e3 => Unit::Ms,
            (Unit::Auto, Some(_)) => Unit::Us,
            (asked, _) => asked,
        };
        let greatest = greatest.unwrap_or(0.0) / if unit == Unit::Ms { 1e3 } else { 1.0 };
        let decimals = match greatest {
            _ if unit == Unit::Cycles => 0,
            1000.0.. => 0,
            100.0.. => 1,
            10.0.. => 2,
            0.1.. => 3,
            0.01.. => 4,
            _ => 5,
        };
        Scale { unit, decimals }
    }

    /// The unit that was chosen.
    pub fn unit(self) -> Unit {
        self.unit
    }

    /// The unit's name, for a header or an axis.
    pub fn name(self) -> &'static str {
        match self.unit {
            Unit::Auto | Unit::Cycles => "cycles",
            Unit::Us => "µs",
            Unit::Ms => "ms",
        }
    }

    /// Decimals that values in this unit are written with.
    pub fn decimals(self) -> usize {
        self.decimals
    }

    /// The value in this unit; `None` where the clock's frequency is needed and unknown.
    pub fn value(self, cycles: u64, khz: Option<u64>) -> Option<f64> {
        let khz = khz.filter(|khz| *khz > 0).map(|khz| khz as f64);
        match self.unit {
            Unit::Auto | Unit::Cycles => Some(cycles as f64),
            Unit::Us => khz.map(|khz| cycles as f64 * 1e3 / khz),
            Unit::Ms => khz.map(|khz| cycles as f64 / khz),
        }
    }

    /// The value as text without its unit; `?` where the clock's frequency is needed and unknown.
    pub fn text(self, cycles: u64, khz: Option<u64>) -> String {
        match (self.unit, self.value(cycles, khz)) {
            (Unit::Cycles, _) | (_, Some(0.0)) => cycles.to_string(),
            (_, Some(value)) => format!("{value:.*}", self.decimals),
            (_, None) => "?".to_owned(),
        }
    }
}

/// One span as text with its unit, as `12.3 ms`.
pub fn readable(unit: Unit, cycles: u64, khz: Option<u64>) -> String {
    let scale = Scale::of(unit, [(cycles, khz)]);
    format!("{} {}", scale.text(cycles, khz), scale.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_in_the_unit_that_reads_best() {
        let khz = Some(2_000_000);
        for (cycles, text) in [
            (0, "0 µs"),
            (28, "0.0140 µs"),
            (280, "0.140 µs"),
            (2_800, "1.400 µs"),
            (192_950, "96.47 µs"),
            (60_014_786, "30.01 ms"),
            (1_600_000_000, "800.0 ms"),
            (16_000_000_000, "8000 ms"),
        ] {
            assert_eq!(readable(Unit::Auto, cycles, khz), text);
        }
        assert_eq!(readable(Unit::Cycles, 28, khz), "28 cycles");
        assert_eq!(readable(Unit::Us, 60_014_786, khz), "30007 µs");
        assert_eq!(readable(Unit::Ms, 28, khz), "0.00001 ms");
    }

    #[test]
    fn without_a_frequency_only_cycles_are_written() {
        assert_eq!(readable(Unit::Auto, 28, None), "28 cycles");
        assert_eq!(readable(Unit::Ms, 28, None), "? ms");
    }
}
