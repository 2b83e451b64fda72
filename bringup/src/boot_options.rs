//! Options of a whole boot, as words `key=value` before the first `cell`: how the kernel uses the machine.

use crate::frame::TscSource;
use crate::options::OptionError;
use crate::words::{Word, words};

words! {
    /// In which mode the local APICs are used.
    Apic {
        /// x2APIC mode where firmware has switched it on, or where an APIC ID needs it; else xAPIC mode.
        Auto = "auto",
        /// xAPIC mode; refused where x2APIC mode is on.
        Xapic = "xapic",
        /// x2APIC mode; refused where CPUID does not report it.
        X2apic = "x2apic",
    }
}

/// Where the registers of the serial port are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registers {
    /// At I/O ports from this one on.
    Io(u16),
    /// In memory, a byte apart.
    Mmio(u64),
    /// In memory, four bytes apart.
    Mmio32(u64),
}

/// A serial port with a 16550 UART.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialPort {
    /// Where its registers are.
    pub registers: Registers,
    /// Bits per second.
    pub baud: u32,
}

impl SerialPort {
    /// The speed where none is given, in bits per second.
    pub const BAUD: u32 = 115_200;

    const EXPECTED: &'static str = "an I/O port as `0x3f8`, or `mmio:ADDRESS` or `mmio32:ADDRESS` below 4 GiB, each perhaps with a \
         speed behind a comma, as in `0x2f8,57600`: 50 to 115200, a divisor of 115200";

    fn parse(text: &str) -> Option<SerialPort> {
        let (place, baud) = match text.split_once(',') {
            Some((place, baud)) => (place, baud.parse().ok()?),
            None => (text, SerialPort::BAUD),
        };
        let registers = match place.split_once(':') {
            None => {
                Registers::Io(u16::try_from(number(place)?).ok().filter(|port| *port <= 0xfff8)?)
            }
            Some(("mmio", address)) => Registers::Mmio(mapped(address, 8)?),
            Some(("mmio32", address)) => Registers::Mmio32(mapped(address, 4 * 8)?),
            Some(_) => return None,
        };
        SerialPort::has(baud).then_some(SerialPort { registers, baud })
    }

    /// True for a speed that a divisor of the UART's clock gives.
    pub const fn has(baud: u32) -> bool {
        baud >= 50 && baud <= SerialPort::BAUD && SerialPort::BAUD.is_multiple_of(baud)
    }
}

/// A hexadecimal number with `0x`.
fn number(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'))?;
    u64::from_str_radix(digits, 16).ok()
}

/// An address in the first 4 GiB, with so many bytes behind it.
fn mapped(text: &str, bytes: u64) -> Option<u64> {
    number(text).filter(|address| (0x1000..=(1 << 32) - bytes).contains(address))
}

/// The options of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootOptions {
    /// `apic`: the mode of the local APICs.
    pub apic: Apic,
    /// `tsc-source`: how the TSC's frequency is found; `None` takes the first that the machine has.
    pub tsc_source: Option<TscSource>,
    /// `serial`: the port of the frames; `None` takes that of the SPCR table, else COM1.
    pub serial: Option<SerialPort>,
    /// `rsdp`: the physical address of the RSDP; `None` takes the loader's, else looks for it.
    pub rsdp: Option<u64>,
}

impl Default for BootOptions {
    fn default() -> BootOptions {
        BootOptions { apic: Apic::Auto, tsc_source: None, serial: None, rsdp: None }
    }
}

impl BootOptions {
    /// The names of the options, and what they mean.
    pub const KEYS: [(&'static str, &'static str); 4] = [
        ("apic", "the mode of the local APICs: `auto`, `xapic`, `x2apic`"),
        (
            "tsc-source",
            "how the TSC's frequency is found: `hypervisor`, `hyperv`, `kvmclock`, `cpuid`, `pm-timer`, `hpet`, `pit`; without it \
             the first of these that the machine has",
        ),
        (
            "serial",
            "the port of the frames: `0x3f8[,BAUD]`, `mmio:ADDRESS`, `mmio32:ADDRESS`; without it that of the SPCR table, else `0x3f8`",
        ),
        (
            "rsdp",
            "the physical address of the RSDP, as `0xe0000`; without it the loader's, else it is looked for",
        ),
    ];

    /// Takes a word `key=value` that has such a [`BootOptions::key`].
    pub fn set_word<'a>(&mut self, word: &'a str) -> Result<(), OptionError<'a>> {
        let (key, value) = word.split_once('=').ok_or(OptionError::NoValue { word })?;
        let (set, expected) = match key {
            "apic" => (Apic::named(value).map(|apic| self.apic = apic), Apic::EXPECTED),
            "tsc-source" => {
                let named = TscSource::named(value);
                (named.map(|source| self.tsc_source = Some(source)), TscSource::EXPECTED)
            }
            "serial" => {
                let port = SerialPort::parse(value);
                (port.map(|port| self.serial = Some(port)), SerialPort::EXPECTED)
            }
            "rsdp" => {
                // The table has 36 bytes.
                let address = mapped(value, 36);
                (
                    address.map(|address| self.rsdp = Some(address)),
                    "an address below 4 GiB, as `0xe0000`",
                )
            }
            _ => return Err(OptionError::UnknownKey { key }),
        };
        set.ok_or(OptionError::BadValue { key, value, expected })
    }

    /// The names of the options.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        BootOptions::KEYS.iter().map(|(name, _)| *name)
    }

    /// The key of a word, where it is one of these.
    pub fn key(word: &str) -> Option<&str> {
        let key = word.split_once('=').map_or(word, |(key, _)| key);
        BootOptions::KEYS.iter().any(|(known, _)| *known == key).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_in_linuxs_words() {
        let io = |port, baud| SerialPort { registers: Registers::Io(port), baud };
        let memory = |registers| SerialPort { registers, baud: SerialPort::BAUD };
        for (text, port) in [
            ("0x3f8", io(0x3f8, 115_200)),
            ("0x2f8,57600", io(0x2f8, 57_600)),
            ("mmio:0xfe040000", memory(Registers::Mmio(0xfe04_0000))),
            ("mmio32:0xfedc9000", memory(Registers::Mmio32(0xfedc_9000))),
        ] {
            assert_eq!(SerialPort::parse(text), Some(port), "{text}");
        }
        for text in [
            "",
            "3f8",
            "0x",
            "0x+3",
            "0xfff9",
            "0x3f8,",
            "0x3f8,9601",
            "0x3f8,0",
            "mmio:0",
            "mmio64:0x1000",
            "mmio:0xfffffff9",
        ] {
            assert_eq!(SerialPort::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_wrong_word_is_reported_with_what_is_expected() {
        for (word, text) in [
            ("apic=x3", "`apic=x3` has a bad value: expected one of auto xapic x2apic"),
            ("apic", "`apic` is not an option: expected key=value, or the word `cell`"),
            (
                "rsdp=e0000",
                "`rsdp=e0000` has a bad value: expected an address below 4 GiB, as `0xe0000`",
            ),
        ] {
            assert_eq!(BootOptions::default().set_word(word).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn the_help_names_every_source() {
        let (_, help) = BootOptions::KEYS[1];
        assert!(TscSource::ALL.iter().all(|source| help.contains(source.name())));
    }
}
