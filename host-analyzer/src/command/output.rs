//! Where commands print to: standard output and standard error.

use crate::ground::failure::Failure;
use crate::ground::text::json_printable;
use miette::miette;
use serde_json::Value;
use std::io::{self, ErrorKind, Write};

/// Text on standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    written(io::stdout().lock().write_all(text.as_bytes()))
}

/// JSON with a line for each value, and a newline at its end.
pub fn json_text(value: &Value) -> String {
    json_printable(&format!("{value:#}")) + "\n"
}

/// A line on standard error; where nobody reads it, it is dropped.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A reader that has seen enough (`| head`) is no failure.
pub fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.or_else(|error| match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::Environment(miette!(
            help = "make room where standard output goes",
            "can't write to standard output: {error}"
        ))),
    })
}
