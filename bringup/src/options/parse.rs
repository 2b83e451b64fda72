//! Reads options from words, and says what is wrong with one.

use super::refusal::Refusal;
use super::table::{Key, Options};
use crate::{CpuIndex, Duration};
use core::fmt;

/// What `wake-sequence` was until it had more values.
const SIPI_COUNT: &str = "sipi-count";

/// Why a word, or a combination of words, is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionError<'a> {
    /// Not of the form `key=value`.
    NoValue {
        /// The word as given.
        word: &'a str,
    },
    /// No option has that name.
    UnknownKey {
        /// The name as given.
        key: &'a str,
    },
    /// An option of the whole boot stands in a cell.
    OfBoot {
        /// The name as given.
        key: &'a str,
    },
    /// The option does not take that value.
    BadValue {
        /// The option.
        key: &'a str,
        /// The value as given.
        value: &'a str,
        /// What it takes.
        expected: &'static str,
    },
    /// The value says two things of one CPU.
    Twice {
        /// The option.
        key: &'a str,
        /// The value as given.
        value: &'a str,
        /// The CPU.
        cpu: CpuIndex,
    },
    /// Each word is good, but together they make no sense.
    Refused(Refusal),
}

impl fmt::Display for OptionError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionError::NoValue { word } => {
                write!(f, "`{word}` is not an option: expected key=value, or the word `cell`")
            }
            OptionError::UnknownKey { key: SIPI_COUNT } => f.write_str(
                "there is no option `sipi-count`: for two SIPIs say wake-sequence=init-sipi-sipi",
            ),
            OptionError::UnknownKey { key } => {
                write!(f, "there is no option `{key}`: expected one of")?;
                Options::KEYS.iter().try_for_each(|known| write!(f, " {}", known.name()))
            }
            OptionError::OfBoot { key } => write!(
                f,
                "`{key}` is an option of the whole boot: it stands before the first word `cell`"
            ),
            OptionError::BadValue { key, value, expected } => {
                write!(f, "`{key}={value}` has a bad value: expected {expected}")
            }
            OptionError::Twice { key, value, cpu } => write!(
                f,
                "`{key}={value}` names {cpu} twice: expected each CPU once, in a range or alone"
            ),
            OptionError::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl core::error::Error for OptionError<'_> {}

fn split(word: &str) -> Result<(&str, &str), OptionError<'_>> {
    word.split_once('=').ok_or(OptionError::NoValue { word })
}

impl Options {
    /// Takes one word `key=value` of a user's.
    pub fn set_word<'a>(&mut self, word: &'a str) -> Result<(), OptionError<'a>> {
        let (key, value) = split(word)?;
        self.set(key, value)
    }

    /// Sets one option to a user's value; where that is refused, nothing changes.
    pub fn set<'a>(&mut self, key: &'a str, value: &'a str) -> Result<(), OptionError<'a>> {
        let mut options = self.clone();
        let known = options.read(key, value)?;
        if let Some(cpu) = (known.twice)(&options) {
            return Err(OptionError::Twice { key, value, cpu });
        }
        *self = options;
        Ok(())
    }

    /// Takes one word `key=value` of what was measured already, as an earlier version took it: a value that names a CPU
    /// twice, the number of SIPIs, or an `init-delay` in µs without the unit.
    pub fn read_word<'a>(&mut self, word: &'a str) -> Result<(), OptionError<'a>> {
        let (key, value) = split(word)?;
        match (key, value.parse::<u64>()) {
            (SIPI_COUNT, Ok(1)) => return self.read("wake-sequence", "init-sipi").map(drop),
            (SIPI_COUNT, Ok(2)) => return self.read("wake-sequence", "init-sipi-sipi").map(drop),
            ("init-delay", Ok(micros)) if micros > 0 => {
                self.init_delay = Duration::Nanos(micros.saturating_mul(1000));
                return Ok(());
            }
            _ => {}
        }
        self.read(key, value).map(drop)
    }

    fn read<'a>(&mut self, key: &'a str, value: &'a str) -> Result<&'static Key, OptionError<'a>> {
        let known = Key::named(key).ok_or(OptionError::UnknownKey { key })?;
        let expected = known.expected();
        (known.set)(self, value).ok_or(OptionError::BadValue { key, value, expected })?;
        Ok(known)
    }
}
