//! The command line of the analyzer: reads it, and hands each command to its own file.

mod check;
mod compare;
mod decode;
mod export;
pub mod manual;
mod pages;
mod published;
mod report;
mod show;
mod simulated;
mod tsc_sync;

use crate::ground::failure::{Failure, caught, finish};
use crate::ground::text::json_printable;
use clap::{Parser, Subcommand, ValueEnum};
use miette::miette;
use serde_json::Value;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Tells what a run has measured.
///
/// Exit codes: 0 all well; 1 an AP did not come online, a boot ended with an error, a published
/// figure is not met, or a budget is broken; 2 the request was wrong; 3 the environment failed;
/// 70 the program itself is at fault.
#[derive(Debug, Parser)]
#[command(name = "host-analyzer", bin_name = "cargo analyze", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::Show),
    Published(published::Published),
    Simulated(simulated::Simulated),
    TscSync(tsc_sync::TscSync),
    Report(report::Report),
    Compare(compare::Compare),
    Check(check::Check),
    Decode(decode::Decode),
    Export(export::Export),
    #[command(flatten)]
    Pages(pages::Pages),
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
    let result = caught(|| run(arguments.command));
    let skip = matches!(&result, Err(failure) if !matches!(failure, Failure::Verdict(_)));
    let code = finish(result);
    if bisect && skip { ExitCode::from(SKIP) } else { code }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Show(show) => show.run(),
        Command::Published(published) => published.run(),
        Command::Simulated(simulated) => simulated.run(),
        Command::TscSync(tsc_sync) => tsc_sync.run(),
        Command::Report(report) => report.run(),
        Command::Compare(compare) => compare.run(),
        Command::Check(check) => check.run(),
        Command::Decode(decode) => decode.run(),
        Command::Export(export) => export.run(),
        Command::Pages(pages) => pages.run(),
    }
}

/// Text on standard output.
fn print(text: &str) -> Result<(), Failure> {
    written(io::stdout().lock().write_all(text.as_bytes()))
}

/// JSON with a line for each value, and a newline at its end.
fn json_text(value: &Value) -> String {
    json_printable(&format!("{value:#}")) + "\n"
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The words of an example up to its line's end, a comment, a pipe or a redirection.
    fn words(example: &str) -> Vec<&str> {
        let line = example.lines().next().unwrap_or_default();
        let word = |word: &&str| !["#", "|", ">", "&&"].contains(word);
        line.split_whitespace()
            .take_while(word)
            .map(|word| word.trim_matches([')', '\'']))
            .collect()
    }

    #[test]
    fn every_command_shows_examples_and_takes_them() {
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<Vec<&str>> =
                help.split("cargo analyze ").skip(1).map(words).collect();
            assert!(!examples.is_empty(), "{} has no example", command.get_name());
            for example in examples {
                let parsed = Arguments::try_parse_from([&["analyze"], &example[..]].concat());
                assert!(parsed.is_ok(), "{example:?}: {}", parsed.unwrap_err());
                assert_eq!(example[0], command.get_name());
            }
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
