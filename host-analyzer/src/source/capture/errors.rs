//! Captures that can't be understood, and boots that ended with an error.

use crate::ground::failure::Failure;
use bringup::frame::{Error, MAGIC, PROTOCOL};
use miette::miette;
use std::fmt;

/// A capture of another version of the wire format, or of another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incompatible {
    /// The first field of `Hello` is another number than [`MAGIC`].
    Magic(u32),
    /// Its protocol version is another than [`PROTOCOL`].
    Protocol(u16),
}

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Incompatible::Magic(magic) => {
                write!(f, "its Hello begins with {magic:#010x}, expected {MAGIC:#010x} (\"RCAL\")")
            }
            Incompatible::Protocol(version) => write!(
                f,
                "its frames have version {version} of the wire format, this analyzer reads {PROTOCOL}"
            ),
        }
    }
}

impl std::error::Error for Incompatible {}

/// Says that the capture of that name is [`Incompatible`].
pub fn incompatible(name: &str, error: Incompatible) -> Failure {
    Failure::Request(miette!(
        help = "read it with the analyzer of the version that the kernel was built from, or \
                measure again",
        "the capture {name} can't be understood: {error}"
    ))
}

/// Checks the first fields of a `Hello`.
pub fn compatible(magic: u32, protocol: u16) -> Result<(), Incompatible> {
    if magic != MAGIC {
        Err(Incompatible::Magic(magic))
    } else if protocol != PROTOCOL {
        Err(Incompatible::Protocol(protocol))
    } else {
        Ok(())
    }
}

/// An `Error` frame in one line.
pub fn error_text(error: &Error<'_>) -> String {
    match error {
        Error::Options { message } => format!("the kernel refused its command line: {message}"),
        Error::Machine { message } => format!("unsupported machine: {message}"),
        Error::Panic { cpu, message } => format!("the kernel panicked on {cpu}: {message}"),
        Error::Exception { cpu, vector, error_code, rip, cr2 } => format!(
            "exception {vector} on {cpu} at {rip:#x} (error code {error_code:#x}, CR2 {cr2:#x})"
        ),
    }
}
