//! The command line of the analyzer: reads it, and hands each command to its own file.

mod capture;
mod check;
mod compare;
mod decode;
mod export;
mod finding;
mod fit;
mod import;
mod madt;
pub mod manual;
mod output;
mod pages;
mod predict;
mod published;
mod rates;
mod report;
mod show;
mod simulated;
mod tsc_sync;

use crate::ground::failure::{Failure, caught, finish};
use crate::ground::width;
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Reports what a run has measured.
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
    Rates(rates::ShowRates),
    Report(report::Report),
    Compare(compare::Compare),
    Check(check::Check),
    Capture(capture::Capture),
    Decode(decode::Decode),
    Export(export::Export),
    Import(import::Import),
    Fit(fit::Fit),
    Predict(predict::Predict),
    Madt(madt::Madt),
    #[command(flatten)]
    Pages(pages::Pages),
}

/// The exit code on which `git bisect run` skips a revision.
const SKIP: u8 = 125;

/// Reads the command line, does what it says, and returns the exit code.
pub fn main() -> ExitCode {
    manual::complete(Arguments::command);
    width::find();
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
        Command::Rates(rates) => rates.run(),
        Command::Report(report) => report.run(),
        Command::Compare(compare) => compare.run(),
        Command::Check(check) => check.run(),
        Command::Capture(capture) => capture.run(),
        Command::Decode(decode) => decode.run(),
        Command::Export(export) => export.run(),
        Command::Import(import) => import.run(),
        Command::Fit(fit) => fit.run(),
        Command::Predict(predict) => predict.run(),
        Command::Madt(madt) => madt.run(),
        Command::Pages(pages) => pages.run(Arguments::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
