//! A capture's file, read from begin to end.

use crate::ground::failure::Failure;
use crate::ground::text::printable;
use crate::source::capture::decoder::Decoder;
use crate::source::capture::errors::incompatible;
use crate::source::capture::summary::Summary;
use bringup::frame::Frame;
use miette::miette;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;

/// How many characters of a line of such text a message quotes.
const QUOTED: usize = 200;

/// Reads a capture file from begin to end, or until `frame` breaks off.
///
/// Fails with [`Failure::Request`] where the file does not exist, holds no frame at all or is of
/// another version, and with [`Failure::Environment`] where it can't be read.
pub fn read(
    path: &Path,
    mut frame: impl FnMut(&Frame<'_>) -> ControlFlow<()>,
) -> Result<Summary, Failure> {
    let name = printable(&path.display().to_string());
    let unreadable = |error: std::io::Error| {
        let missing = error.kind() == ErrorKind::NotFound;
        let report = miette!(
            help = "`cargo xtask matrix` makes a run; name its folder or one of its captures",
            "can't read the capture {name}: {error}"
        );
        if missing { Failure::Request(report) } else { Failure::Environment(report) }
    };
    let incompatible = |error| incompatible(&name, error);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut decoder = Decoder::new();
    let mut flow = ControlFlow::Continue(());
    let mut hand_out = |each: &Frame<'_>| {
        if flow.is_continue() {
            flow = frame(each);
        }
        flow.is_continue()
    };
    let mut chunk = vec![0; 64 * 1024];
    let mut going = true;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => decoder
                .push(&chunk[..length], |frame| going = hand_out(frame))
                .map_err(incompatible)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
        if !going {
            break;
        }
    }
    let summary = decoder.finish(|frame| _ = hand_out(frame)).map_err(incompatible)?;
    if summary.recovered == 0 {
        return Err(Failure::Request(no_capture(&name, &summary)));
    }
    Ok(summary)
}

/// Describes a file without a single frame.
fn no_capture(name: &str, summary: &Summary) -> miette::Report {
    let what = match (summary.bytes, summary.console_bytes) {
        (0, _) => "it is empty: the engine sent nothing, not even firmware text".to_owned(),
        (bytes, text) if text == bytes => {
            let last = summary.console.lines().map(str::trim).rfind(|line| !line.is_empty());
            let last: String = last.unwrap_or_default().chars().take(QUOTED).collect();
            format!("its {bytes} bytes are text that is no frame, at the end {last:?}")
        }
        (bytes, _) => format!("none of its {bytes} bytes belong to an intact frame"),
    };
    miette!(
        help = "expected the bytes of the serial port of a Rollcall kernel, as in \
                results/latest/captures/*.bin; `cargo xtask matrix` makes them. A log of a Linux becomes a run by \
                `cargo analyze import linux FILE`",
        "{name} is no capture: {what}"
    )
}
