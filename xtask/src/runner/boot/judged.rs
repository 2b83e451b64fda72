//! How a boot ended: well by its last frame and by its engine's status, or with a report.

use crate::runner::engine::Ending;
use bringup::frame::{Body, Error, Frame};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::text::{counted, printable};
use host_analyzer::source::capture::Summary;
use miette::{Report, miette};
use std::path::Path;

/// How many lines of console text a message repeats.
const CONSOLE_LINES: usize = 8;
/// How many characters of each.
const CONSOLE_WIDTH: usize = 200;

/// What the frames have reported so far.
#[derive(Debug)]
pub struct Seen {
    /// The last frame, in words.
    last: String,
    /// True where the kernel did not accept its command line.
    refused: bool,
    /// True after the frame that is the kernel's last.
    pub over: bool,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { last: "nothing".to_owned(), refused: false, over: false }
    }
}

impl Seen {
    /// The next frame.
    pub fn take(&mut self, frame: &Frame<'_>) {
        self.over |= matches!(frame.body, Body::Goodbye(_) | Body::Error(_));
        self.last = match &frame.body {
            Body::Hello(hello) => format!("its Hello from {}", counted(hello.cpus.into(), "CPU")),
            Body::Cpu(cpu) => format!("{} in the list of CPUs", cpu.cpu),
            Body::CellBegin(begin) => format!("the begin of cell {}", begin.cell),
            Body::TrialBegin(begin) => {
                format!("the begin of trial {} of cell {}", begin.trial, begin.cell)
            }
            Body::ApTimeline(timeline) => format!("the timeline of {}", timeline.cpu),
            Body::TrialEnd(_) => "the end of a trial".to_owned(),
            Body::Goodbye(_) => "its Goodbye".to_owned(),
            Body::Log(log) => format!("a line of {}: {}", log.cpu, log.text),
            Body::Error(error) => {
                self.refused |= matches!(error, Error::Options { .. });
                "an error".to_owned()
            }
            Body::WakeIpis(ipis) => format!("the wake IPIs of cell {}", ipis.cell),
        };
    }
}

/// Everything that says how a boot ended.
pub struct Judged<'a> {
    /// The boot, as `boot 1 of icount with 4 CPUs`.
    pub name: &'a str,
    /// What its frames have reported.
    pub seen: &'a Seen,
    /// What its capture says as a whole.
    pub summary: &'a Summary,
    /// How the engine ended.
    pub ending: &'a Ending,
    /// The capture.
    pub path: &'a Path,
    /// Bytes of the capture that were not looked at.
    pub unread: u64,
}

impl Judged<'_> {
    /// A boot ended well by its goodbye *and* by the engine's status; nothing less will do.
    pub fn judge(&self) -> Option<Failure> {
        let Summary { ended, restarted, error, .. } = self.summary;
        match error {
            Some(error) if self.seen.refused => Some(Failure::Request(self.report(error))),
            Some(error) => Some(self.failure(error)),
            None if *restarted => Some(self.failure("restarted by itself: the machine was reset")),
            None if !ended => Some(self.failure("ended without a goodbye")),
            None if !self.ending.well => {
                Some(self.failure("said goodbye, but its engine did not end well"))
            }
            None => None,
        }
    }

    /// The failure of a boot that ended in this way, with everything that may explain it.
    pub fn failure(&self, what: &str) -> Failure {
        Failure::Environment(self.report(what))
    }

    fn report(&self, what: &str) -> Report {
        let Judged { name, seen, summary, ending, path, unread } = self;
        let mut lines = vec![
            format!("{name}: {what}"),
            format!("  engine: {}", ending.how),
            format!("  last frame: {}", seen.last),
        ];
        if !ending.stderr.trim().is_empty() {
            lines.push("  the engine's standard error:".to_owned());
            lines.extend(ending.stderr.trim().lines().map(|line| format!("    {line}")));
        }
        let console: Vec<&str> =
            summary.console.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = &console[console.len().saturating_sub(CONSOLE_LINES)..];
        if !last.is_empty() {
            lines.push("  console text, the last lines:".to_owned());
            lines.extend(last.iter().map(|line| {
                let line: String = line.trim_end().chars().take(CONSOLE_WIDTH).collect();
                format!("    {line}")
            }));
        }
        let unread = match unread {
            0 => String::new(),
            bytes => format!(" (its last {} were not read)", counted(*bytes, "byte")),
        };
        lines.push(format!("  capture: {}{unread}", path.display()));
        // Text of a kernel or an engine must not steer the terminal.
        let lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
        miette!("{}", lines.join("\n"))
    }
}
