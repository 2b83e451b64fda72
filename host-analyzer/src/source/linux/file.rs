//! A log's file, read from begin to end.

use super::bringup::Bringup;
use crate::ground::failure::Failure;
use crate::ground::text::{counted, printable};
use miette::miette;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// How many bytes of a line are read; no message of a kernel is longer than 1 KiB.
const LONGEST_LINE: usize = 8192;

const A_LOG: &str = "name the file of a kernel's log or trace";

/// What was read of a log.
#[derive(Debug, Default)]
pub struct Reading {
    /// What it says.
    pub bringup: Bringup,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many lines.
    pub lines: u64,
}

/// Reads a log; `kept` gets every line that says something about the bring-up or its machine.
///
/// Fails with [`Failure::Request`] where there is no such file, or it is no log of a bring-up, and with
/// [`Failure::Environment`] where it can't be read.
pub fn read(
    path: &Path,
    kept: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<Reading, Failure> {
    let name = printable(&path.display().to_string());
    let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
    if !file.metadata().map_err(|error| unreadable(&name, &error))?.is_file() {
        return Err(Failure::Request(miette!(help = A_LOG, "{name} is no regular file")));
    }
    read_from(&name, BufReader::with_capacity(1 << 16, file), kept)
}

/// The same of something that is called `name` in messages.
pub fn read_from(
    name: &str,
    mut reader: impl BufRead,
    mut kept: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<Reading, Failure> {
    let mut reading = Reading::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = (&mut reader).take(LONGEST_LINE as u64).read_until(b'\n', &mut line);
        let length = length.map_err(|error| unreadable(name, &error))?;
        if length == 0 {
            break;
        }
        if reading.lines == 0 && line.starts_with(&[0x1f, 0x8b]) {
            return Err(Failure::Request(miette!(
                help = "unpack it first, with `gunzip`",
                "{name} is compressed"
            )));
        }
        reading.bytes += length as u64;
        if !line.ends_with(b"\n") && length == LONGEST_LINE {
            reading.bytes += skip_line(&mut reader).map_err(|error| unreadable(name, &error))?;
        }
        reading.lines += 1;
        if reading.bringup.take(&String::from_utf8_lossy(&line)) {
            kept(&line)?;
        }
    }
    reading.bringup.end();
    if reading.bringup.is_one() {
        return Ok(reading);
    }
    let size = match reading.bytes {
        0 => "it is empty".to_owned(),
        bytes => format!(
            "nothing in its {} ({bytes} bytes) is a message or an event of one",
            counted(reading.lines, "line")
        ),
    };
    Err(Failure::Request(miette!(
        help = "expected is the text of `dmesg`, of a serial console or of tracefs' `trace`, with lines such as\n  [    0.160322] \
                smp: Bringing up secondary CPUs ...\n  [    0.731285] cpuhp_enter: cpu: 0001 target: 236 step:   1 \
                (smpboot_create_threads)\ndocs/linux.md says how to make one",
        "{name} is no log of a bring-up: {size}"
    )))
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    let report = miette!(help = A_LOG, "can't read the log {name}: {error}");
    if error.kind() == io::ErrorKind::NotFound {
        Failure::Request(report)
    } else {
        Failure::Environment(report)
    }
}

/// Passes over the rest of a line; returns its length.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(length);
        skipped += length as u64;
        if end.is_some() || length == 0 {
            return Ok(skipped);
        }
    }
}
