//! The command line of the analyzer.

use clap::{Parser, Subcommand, ValueEnum};
use host_analyzer::capture::{self, Summary};
use host_analyzer::failure::{Failure, finish};
use host_analyzer::published::{self, verdict::Verdict};
use host_analyzer::run::Run;
use host_analyzer::show::{self, Unit};
use host_analyzer::{decode, report};
use miette::miette;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Tells what a run has measured.
///
/// Exit codes: 0 all well; 1 an AP did not come online, a boot ended with an error, or a published
/// figure is not met; 2 the
/// request was wrong; 3 the environment failed.
#[derive(Parser)]
#[command(name = "host-analyzer", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows a run as a table: a row for each cell, medians over its trials.
    ///
    /// The six phases are the means over the APs of a trial, then the medians over the trials.
    /// `vs serial` is how many times as fast a cell is as `strategy=serial` on the same engine and
    /// CPU count with otherwise equal options.
    Show {
        /// A run folder or a capture
        #[arg(default_value = "results/latest")]
        run: PathBuf,
        /// The unit of times; `auto` is ms or µs, whichever suits the longest
        #[arg(long, value_enum, default_value_t)]
        unit: Unit,
        /// A table for people, or JSON in cycles for programs
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// Show the median trial of each cell AP by AP, in cycles
        ///
        /// `CPU#10 up in 192950, 952898, 60014786, 28 ( 61160662)` tells the work phases sipi,
        /// callin, tsc-sync and online, and in brackets their sum. `Brought CPUs online in N
        /// cycles` is a serial trial's total. A parallel trial has two such lines, one for the
        /// loop that kicks all CPUs and one for what came after it; its total is their sum.
        #[arg(long, conflicts_with_all = ["format", "unit"])]
        cpu_lines: bool,
    },
    /// Compares a run with published figures; exits with 1 where one is not met.
    ///
    /// A row for each figure whose profile, CPU count and options a cell of the run has. Below:
    /// what the same profile says of bring-ups that nobody has published.
    Published {
        /// A run folder
        #[arg(default_value = "results/latest")]
        run: PathBuf,
        /// Other figures than the project's own, in the form of host-analyzer/published.toml
        #[arg(long, value_name = "FILE")]
        figures: Option<PathBuf>,
        /// A table for people, or JSON in cycles for programs
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Writes a run's report.html and figures/*.svg.
    Report {
        /// A run folder or a capture
        #[arg(default_value = "results/latest")]
        run: PathBuf,
        /// The folder to write to; by default the run's own, and needed for a capture
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Writes the frames of a capture as JSON, one object a line; a summary goes to standard error.
    Decode {
        /// A capture, as results/latest/captures/*.bin
        capture: PathBuf,
    },
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
}

fn main() -> ExitCode {
    finish(match Arguments::parse().command {
        Command::Show { run, unit, format, cpu_lines } => show(&run, unit, format, cpu_lines),
        Command::Published { run, figures, format } => published(&run, figures.as_deref(), format),
        Command::Report { run, output } => write_report(&run, output),
        Command::Decode { capture } => decode(&capture),
    })
}

fn show(path: &Path, unit: Unit, format: Format, cpu_lines: bool) -> Result<(), Failure> {
    let run = Run::open(path)?;
    let text = match format {
        _ if cpu_lines => show::cpu_lines(&run)?,
        Format::Table => show::table(&run, unit),
        Format::Json => format!("{:#}\n", show::json(&run)),
    };
    written(io::stdout().lock().write_all(text.as_bytes()))?;
    if cpu_lines {
        run.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
    }
    run.verdict()
}

fn published(path: &Path, figures: Option<&Path>, format: Format) -> Result<(), Failure> {
    let machines = published::read(figures)?;
    let run = Run::open(path)?;
    let verdict = Verdict::of(&run, &machines)?;
    let text = match format {
        Format::Table => show::published_table(&run, &verdict),
        Format::Json => format!("{:#}\n", show::published_json(&run, &verdict)),
    };
    written(io::stdout().lock().write_all(text.as_bytes()))?;
    verdict.result()?;
    run.verdict()
}

fn write_report(path: &Path, output: Option<PathBuf>) -> Result<(), Failure> {
    let run = Run::open(path)?;
    let folder = match (output, &run.manifest) {
        (Some(folder), _) => folder,
        (None, Some(_)) => path.to_owned(),
        (None, None) => {
            return Err(Failure::Request(miette!(
                help = "say where the report of a bare capture goes: `-o DIR`",
                "{} is a capture, not a run folder",
                path.display()
            )));
        }
    };
    report::write(&run, &folder)?;
    let page = folder.join("report.html");
    written(writeln!(io::stdout(), "{}", page.display()))?;
    run.verdict()
}

fn decode(path: &Path) -> Result<(), Failure> {
    let mut output = BufWriter::new(io::stdout().lock());
    let mut result = Ok(());
    let summary = capture::read(path, |frame| {
        result = writeln!(output, "{}", decode::json(frame));
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let reader_gone = result.is_err();
    written(result.and_then(|()| output.flush()))?;
    if !reader_gone {
        summarize(&summary);
    }
    Ok(())
}

/// Tells a capture's summary on standard error.
fn summarize(summary: &Summary) {
    note(&format!(
        "{} frames recovered, {} lost, {} broken pieces, {} repeated, {} unknown; {} bytes of console text",
        summary.recovered,
        summary.lost,
        summary.broken,
        summary.repeated,
        summary.unknown,
        summary.console_bytes,
    ));
    if let Some(error) = &summary.error {
        note(&format!("the boot ended with an error: {}", error.escape_debug()));
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

/// A line on standard error; where nobody reads it, it is dropped.
fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A reader that has seen enough (`| head`) is no failure.
fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.or_else(|error| match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::Environment(miette!(
            help = "make room where standard output goes",
            "can't write to standard output: {error}"
        ))),
    })
}
