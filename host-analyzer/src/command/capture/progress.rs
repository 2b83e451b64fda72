//! How far a capture is: one line on a terminal that is updated, or a line now and then without one.

use crate::command::output::note;
use crate::ground::options::options;
use crate::ground::text::{counted, printable};
use crate::source::capture::Summary;
use bringup::frame::{Body, Frame};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Without a terminal, the time between two lines.
const BETWEEN: Duration = Duration::from_secs(10);

/// How far a capture is.
pub struct Progress {
    bar: ProgressBar,
    /// The machine, then the cell, as `, cell 1 (serial)`.
    cell: String,
    trial: String,
    /// The last frame in words.
    last: String,
    /// Without a terminal, when the last line was written, and how many bytes had come.
    said: Option<(Instant, u64)>,
}

impl Progress {
    /// On standard error.
    pub fn begin() -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{spinner} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar, cell: String::new(), trial: String::new(), last: String::new(), said: None }
    }

    /// A frame came.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.last = match &frame.body {
            Body::Hello(hello) => {
                self.cell = format!(", {}", counted(hello.cpus.into(), "CPU"));
                "the Hello".to_owned()
            }
            Body::Cpu(cpu) => format!("{} in the list of CPUs", cpu.cpu),
            Body::CellBegin(begin) => {
                let strategy = options(begin.options)
                    .map_or_else(|_| String::new(), |options| format!(" ({})", options.strategy));
                self.cell = format!(", cell {}{strategy}", begin.cell);
                self.trial.clear();
                format!("the begin of cell {}", begin.cell)
            }
            Body::TrialBegin(begin) => {
                self.trial = format!(" trial {}", begin.trial);
                format!("the begin of trial {} of cell {}", begin.trial, begin.cell)
            }
            Body::ApTimeline(timeline) => format!("the timeline of {}", timeline.cpu),
            Body::TrialEnd(_) => format!("the end of{}", self.trial),
            Body::Log(log) => format!("a line of {}: {}", log.cpu, printable(log.text)),
            Body::Goodbye(_) => "the goodbye".to_owned(),
            Body::Error(_) => "an error".to_owned(),
            Body::WakeIpis(ipis) => format!("the wake IPIs of cell {}", ipis.cell),
        };
    }

    /// Shows how far it is.
    pub fn show(&mut self, bytes: u64, summary: &Summary) {
        if self.bar.is_hidden() {
            // The first line says that frames come; before them there is nothing to say.
            let due =
                self.said.is_none_or(|(when, said)| when.elapsed() >= BETWEEN && said < bytes);
            if due && summary.recovered > 0 && !summary.ended {
                self.said = Some((Instant::now(), bytes));
                note(&self.line(bytes, summary));
            }
        } else {
            self.bar.set_message(self.line(bytes, summary));
        }
    }

    fn line(&self, bytes: u64, summary: &Summary) -> String {
        if bytes == 0 {
            return "waiting for the first byte".to_owned();
        }
        format!(
            "{}, {}{}{}; {} missing, {}",
            counted(bytes, "byte"),
            counted(summary.recovered, "frame"),
            self.cell,
            self.trial,
            summary.lost,
            counted(summary.broken, "damaged piece"),
        )
    }

    /// Ends it; returns the last frame in words.
    pub fn end(mut self) -> String {
        std::mem::take(&mut self.last)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
