//! Why a command ends, and with which exit code.

use crate::ground::text::printable_but_laid_out;
use miette::{Report, miette};
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

/// Why a command did not end with 0. The report is what the user reads: what, where, what was
/// expected, what to do.
#[derive(Debug)]
pub enum Failure {
    /// A negative result: an AP lost, a budget broken. Exit code 1.
    Verdict(Report),
    /// The request was wrong. Exit code 2.
    Request(Report),
    /// The environment failed: no engine, an engine died, a time-out, a disk full. Exit code 3.
    Environment(Report),
    /// The program itself is at fault. Exit code 70, as `EX_SOFTWARE` of `sysexits.h`.
    Internal(Report),
}

impl Failure {
    /// Something that can't happen has: what, in a sentence.
    pub fn internal(what: &str) -> Failure {
        let help =
            "this is a fault of the program, not of the request; please report it to its authors";
        Failure::Internal(miette!(help = help, "{what}"))
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Verdict(_) => 1,
            Failure::Request(_) => 2,
            Failure::Environment(_) => 3,
            Failure::Internal(_) => 70,
        })
    }

    /// What the user reads, alone.
    pub fn into_report(self) -> Report {
        match self {
            Failure::Verdict(report)
            | Failure::Request(report)
            | Failure::Environment(report)
            | Failure::Internal(report) => report,
        }
    }

    /// What the user reads.
    pub fn report(&self) -> &Report {
        match self {
            Failure::Verdict(report)
            | Failure::Request(report)
            | Failure::Environment(report)
            | Failure::Internal(report) => report,
        }
    }
}

/// Runs a program; a panic is a failure as well, whose own message is on standard error by then.
pub fn caught(program: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    panic::catch_unwind(AssertUnwindSafe(program))
        .unwrap_or_else(|_| Err(Failure::internal("the program has panicked")))
}

/// Ends a command: prints the report, if there is one, to standard error.
pub fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If standard error is closed, the exit code alone reports the failure.
            let report = printable_but_laid_out(&format!("{:?}", failure.report()));
            let _ = writeln!(std::io::stderr(), "{report}");
            failure.exit_code()
        }
    }
}
