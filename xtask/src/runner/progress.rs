//! What the user sees while boots run: a bar with the time left, or lines without a terminal.

use crate::runner::interrupt;
use bringup::frame::{ApEnd, Body, Frame, TrialEnd};
use bringup::options::Options;
use bringup::plan::Plan;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::options::options;
use host_analyzer::ground::text::counted;
use host_analyzer::present::report;
use host_analyzer::run::Run;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Without a terminal, a report that takes longer than this says so once.
const PATIENCE: Duration = Duration::from_secs(2);

/// Without a terminal, what gets a line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Every trial.
    Trials,
    /// Every boot.
    Boots,
    /// Nothing: whoever asked for the boots reports them.
    None,
}

/// The progress of a run.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    lines: Lines,
}

/// The progress of one boot of it.
#[derive(Debug)]
pub struct BootProgress<'p> {
    run: &'p Progress,
    label: String,
    tsc_khz: u64,
    /// The cell's.
    options: Options,
    trial: String,
    aps: u32,
    wrong: u32,
    trials: u32,
}

/// Writes the report of a run into its folder, and shows how far it is.
///
/// Fails as [`report::write_watched`] does, and where the user interrupts.
pub fn report(run: &Run, folder: &Path) -> Result<(), Failure> {
    let what = format!("the report of {}", counted(run.cells.len() as u64, "cell"));
    let spinner = ProgressBar::new_spinner().with_message(what.clone());
    spinner.enable_steady_tick(Duration::from_millis(120));
    let (began, mut said) = (Instant::now(), false);
    let written = report::write_watched(run, folder, &mut |pictures| {
        spinner.set_message(format!("{what}: {}", counted(pictures as u64, "picture")));
        if spinner.is_hidden() && !said && began.elapsed() > PATIENCE {
            said = true;
            write_line(&format!("writing {what} …"));
        }
        interrupt::check()
    });
    spinner.finish_and_clear();
    written
}

/// How much work a boot is, in AP timelines and trial ends; the unit of the bar.
pub fn work(command_line: &str, smp: u16) -> u64 {
    let cpus = usize::from(smp);
    // The cold trial comes on top of the repetitions.
    Plan::parse(command_line, cpus).map_or(0, |plan| {
        let trials: u64 = plan.cells().map(|cell| u64::from(cell.repetitions)).sum();
        (trials + 1) * u64::from(smp)
    })
}

impl Progress {
    /// For a run of so much [`work`], on standard error.
    pub fn begin(lines: Lines, work: u64) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(work), ProgressDrawTarget::stderr());
        let template = "{bar:30} {percent:>3} %, {eta} left, {msg}";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar, lines }
    }

    /// A boot begins.
    pub fn boot(&self, label: String) -> BootProgress<'_> {
        self.bar.set_message(label.clone());
        BootProgress {
            run: self,
            label,
            tsc_khz: 0,
            options: Options::default(),
            trial: String::new(),
            aps: 0,
            wrong: 0,
            trials: 0,
        }
    }

    /// Something that the user should read now; it stays above the bar.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| write_line(text));
    }

    /// Writes a line, unless a bar shows the same.
    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            write_line(text);
        }
    }
}

impl BootProgress<'_> {
    /// The boot is over.
    pub fn over(self, seconds: f64) {
        if self.run.lines == Lines::Boots {
            let trials = counted(self.trials.into(), "trial");
            self.run.line(&format!("{}: {trials} in {seconds:.1} s", self.label));
        }
    }

    /// A frame came.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        match &frame.body {
            Body::Hello(hello) => self.tsc_khz = hello.tsc_khz,
            Body::CellBegin(begin) => {
                // The analyzer refuses what it can't read; here it is about a line on the terminal.
                self.options = options(begin.options).unwrap_or_default();
            }
            Body::TrialBegin(begin) => {
                let cold = if begin.cold { " (cold)" } else { "" };
                self.trial = format!("{} trial {}{cold}", self.options.strategy, begin.trial);
                (self.aps, self.wrong) = (0, 0);
            }
            Body::ApTimeline(timeline) => {
                self.run.bar.inc(1);
                self.aps += 1;
                self.wrong += u32::from(timeline.end == ApEnd::WrongAnswer);
            }
            Body::TrialEnd(end) => {
                self.run.bar.inc(1);
                self.trials += 1;
                self.run.bar.set_message(format!("{}: {}", self.label, self.trial));
                if self.run.lines == Lines::Trials {
                    self.run.line(&format!("{}: {}", self.trial, self.result(end)));
                }
            }
            _ => {}
        }
    }

    /// A trial's result, in short.
    fn result(&self, end: &TrialEnd) -> String {
        if self.aps == 0 {
            return "no AP to bring up".to_owned();
        }
        let khz = self.options.clock(self.tsc_khz).max(1);
        let ms = end.total.0 as f64 / khz as f64;
        let wrong = match self.wrong {
            0 => String::new(),
            wrong => format!(", {wrong} with a wrong answer"),
        };
        format!("{ms:.3} ms, {} lost{wrong}", end.lost)
    }
}

/// Writes a line to standard error. Where nobody reads it any more, the work goes on.
pub fn write_line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_counts_the_cold_trial_and_the_bsp() {
        let words = "repetitions=5 cell strategy=serial cell strategy=full-parallel";
        assert_eq!(work(words, 4), (5 + 5 + 1) * 4);
        assert_eq!(work("", 1), 2);
    }
}
