//! `decode`: a capture's frames as JSON lines.

use super::output::{note, written};
use crate::ground::failure::Failure;
use crate::ground::text::counted;
use crate::ground::text::{json_printable, printable};
use crate::present::decode;
use crate::source::capture::{self, Summary};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Writes the frames of a capture as JSON, one object a line; a summary goes to standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo analyze decode results/latest/captures/icount-28-1.bin | jq 'select(.log)'")]
pub struct Decode {
    /// A capture, as results/latest/captures/*.bin
    capture: PathBuf,
}

impl Decode {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let mut output = BufWriter::new(io::stdout().lock());
        let mut result = Ok(());
        let summary = capture::read(&self.capture, |frame| {
            result = writeln!(output, "{}", json_printable(&decode::json(frame).to_string()));
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let reader_gone = result.is_err();
        written(result.and_then(|()| output.flush()))?;
        if !reader_gone {
            summarize(&summary);
        }
        Ok(())
    }
}

/// Writes a capture's summary to standard error.
fn summarize(summary: &Summary) {
    note(&format!(
        "{} recovered, {} lost, {}, {} repeated, {} unknown; {} of console text",
        counted(summary.recovered, "frame"),
        summary.lost,
        counted(summary.broken, "broken piece"),
        summary.repeated,
        summary.unknown,
        counted(summary.console_bytes, "byte"),
    ));
    if let Some(error) = &summary.error {
        note(&format!("the boot ended with an error: {}", printable(error)));
    }
    if summary.cut() {
        note("warning: the capture is cut: the boot's last frame is missing");
    }
    if summary.restarted {
        note("warning: the machine restarted by itself; what it sent then is left out");
    }
    if !summary.is_whole() && !summary.cut() {
        note("warning: the capture is damaged; every frame above arrived intact");
    }
}
