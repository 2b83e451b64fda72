//! Files of a MADT: its raw bytes, or the text of `acpidump`.

use crate::ground::failure::Failure;
use crate::ground::text::printable;
use miette::miette;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The signature of the table.
const SIGNATURE: &[u8] = b"APIC";

/// No table of 4096 CPUs in both forms is longer; a text of it takes five times as much.
const LONGEST: u64 = 16 << 20;

/// The bytes of the MADT in a file.
///
/// Fails with [`Failure::Request`] where there is no such file, or it holds none, and with [`Failure::Environment`] where
/// it can't be read.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = printable(&path.display().to_string());
    let help = "expected is /sys/firmware/acpi/tables/APIC, or the text of `acpidump`";
    let none = |why: &str| Failure::Request(miette!(help = help, "{name} holds no MADT: {why}"));
    let file = File::open(path).map_err(|error| none(&error.to_string()))?;
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return Err(none("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).map_err(|error| {
        Failure::Environment(miette!(help = help, "can't read {name}: {error}"))
    })?;
    if bytes.starts_with(SIGNATURE) && !bytes.starts_with(b"APIC @") {
        return Ok(bytes);
    }
    match dumped(&String::from_utf8_lossy(&bytes)) {
        Some(bytes) if bytes.starts_with(SIGNATURE) => Ok(bytes),
        Some(_) => Err(none("the dump of `APIC` does not begin with its signature")),
        None => Err(none("it begins with no `APIC`, and no line of it is `APIC @ 0x…`")),
    }
}

/// The bytes of the table in a text of `acpidump`: behind `APIC @ 0x…` lines as `    0010: 5B 00 …  text`.
fn dumped(text: &str) -> Option<Vec<u8>> {
    let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with("APIC @"));
    lines.next()?;
    let line = |line: &str| -> Option<Vec<u8>> {
        let (offset, bytes) = line.trim_start().split_once(": ")?;
        u32::from_str_radix(offset, 16).ok()?;
        // Sixteen bytes at most; what follows shows them as text.
        let pairs = bytes.split(' ').take(16);
        let pairs = pairs.take_while(|pair| pair.len() == 2);
        Some(pairs.map_while(|pair| u8::from_str_radix(pair, 16).ok()).collect())
    };
    Some(lines.map_while(line).flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_gives_the_bytes_of_its_table_alone() {
        let text = "FACP @ 0x0000000000000000\n    0000: 46 41 43 50  FACP\n\nAPIC @ 0x00000000BFEFE000\n    \
                    0000: 41 50 49 43 5E 00 00 00 03 F1 42 4F 43 48 53 20  APIC^.....BOCHS \n    \
                    0010: 42 58 50 43                                      BXPC\n\nHPET @ 0x0\n    0000: 48 50\n";
        let bytes = dumped(text).unwrap();
        assert_eq!((bytes.len(), &bytes[..4], &bytes[16..]), (20, &b"APIC"[..], &b"BXPC"[..]));
        assert_eq!(dumped("nothing"), None);
    }
}
