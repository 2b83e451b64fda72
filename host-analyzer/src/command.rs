//! The command line of the analyzer: reads it, and hands each command to its own file.

mod check;
mod compare;
mod decode;
mod published;
mod report;
mod show;
mod simulated;

use crate::failure::{Failure, finish};
use clap::{Parser, Subcommand, ValueEnum};
use miette::miette;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Tells what a run has measured.
///
/// Exit codes: 0 all well; 1 an AP did not come online, a boot ended with an error, a published
/// figure is not met, or a budget is broken; 2 the request was wrong; 3 the environment failed.
#[derive(Debug, Parser)]
#[command(name = "host-analyzer", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::Show),
    Published(published::Published),
    Simulated(simulated::Simulated),
    Report(report::Report),
    Compare(compare::Compare),
    Check(check::Check),
    Decode(decode::Decode),
}

/// What a command prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    #[default]
    Table,
    /// JSON for programs, times in cycles
    Json,
}

/// What tells `git bisect run` to skip a revision.
const SKIP: u8 = 125;

/// Reads the command line, does what it says, and tells the exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let bisect = std::env::args_os().any(|argument| argument == "--bisect");
            // Where nobody reads it, the exit code has to do.
            let _ = error.print();
            return ExitCode::from(match error.exit_code() {
                0 => 0,
                _ if bisect => SKIP,
                _ => 2,
            });
        }
    };
    let bisect = matches!(&arguments.command, Command::Check(check) if check.bisect);
    let result = run(arguments.command);
    let skip = matches!(result, Err(Failure::Request(_) | Failure::Environment(_)));
    let code = finish(result);
    if bisect && skip { ExitCode::from(SKIP) } else { code }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Show(show) => show.run(),
        Command::Published(published) => published.run(),
        Command::Simulated(simulated) => simulated.run(),
        Command::Report(report) => report.run(),
        Command::Compare(compare) => compare.run(),
        Command::Check(check) => check.run(),
        Command::Decode(decode) => decode.run(),
    }
}

/// Text on standard output.
fn print(text: &str) -> Result<(), Failure> {
    written(io::stdout().lock().write_all(text.as_bytes()))
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
