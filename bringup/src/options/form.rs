//! How a value is read and written.

use crate::units::{duration, time};
use crate::words::Word;
use crate::{CpuIndex, Duration};
use core::fmt;

/// How many exceptions a cost can have, and how many faults can be planted.
pub const MAX_EXCEPTIONS: usize = 4;

/// How the text of an option becomes a value, and a value its text.
pub(super) trait Form {
    /// The values.
    type Of: fmt::Display;
    /// What is expected in the place of a text that is no value, for messages.
    const EXPECTED: &'static str;
    /// Every text that is a value; empty where they are too many to list.
    const TEXTS: &'static [&'static str] = &[];

    /// Reads what [`Form::write`] writes.
    fn parse(text: &str) -> Option<Self::Of>;

    /// Writes a value as text.
    fn write(value: &Self::Of, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(value, f)
    }

    /// The first CPU that a value names twice.
    fn twice(_value: &Self::Of) -> Option<CpuIndex> {
        None
    }

    /// A value that counts something, as a number.
    fn count(_value: &Self::Of) -> Option<u32> {
        None
    }
}

impl<W: Word> Form for W {
    type Of = W;
    const EXPECTED: &'static str = W::EXPECTED;
    const TEXTS: &'static [&'static str] = W::NAMES;

    fn parse(text: &str) -> Option<W> {
        W::named(text)
    }
}

/// A duration, zero included.
pub(super) struct Span;

impl Form for Span {
    type Of = Duration;
    const EXPECTED: &'static str = concat!("a duration: ", duration!());

    fn parse(text: &str) -> Option<Duration> {
        Duration::parse(text)
    }
}

/// A duration above zero.
pub(super) struct Positive;

impl Form for Positive {
    type Of = Duration;
    const EXPECTED: &'static str = concat!("a duration above zero: ", duration!());

    fn parse(text: &str) -> Option<Duration> {
        Duration::parse(text).filter(|duration| !duration.is_zero())
    }
}

/// A time, which is no number of cycles: manuals state it in µs and ms.
pub(super) struct Time;

impl Form for Time {
    type Of = Duration;
    const EXPECTED: &'static str =
        concat!("0, or a time with its unit, as 10000us where Linux says 10000: ", time!());

    fn parse(text: &str) -> Option<Duration> {
        match Duration::parse(text)? {
            Duration::Cycles(0) => Some(Duration::Nanos(0)),
            Duration::Cycles(_) => None,
            nanos => Some(nanos),
        }
    }

    fn write(value: &Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match value.is_zero() {
            true => f.write_str("0"),
            false => fmt::Display::fmt(value, f),
        }
    }
}

/// A frequency in kHz.
pub(super) struct Kilohertz;

impl Form for Kilohertz {
    type Of = u32;
    const EXPECTED: &'static str = "whole kHz, up to 4294967295";

    fn parse(text: &str) -> Option<u32> {
        text.parse().ok()
    }
}

/// How many times something is done.
pub(super) struct Times;

impl Form for Times {
    type Of = u32;
    const EXPECTED: &'static str = "a whole number from 1";

    fn parse(text: &str) -> Option<u32> {
        text.parse().ok().filter(|count| *count > 0)
    }

    fn count(value: &u32) -> Option<u32> {
        Some(*value)
    }
}

/// The index of a CPU, as it stands in lists.
pub(super) fn parse_cpu(text: &str) -> Option<CpuIndex> {
    text.parse().ok().map(CpuIndex)
}
