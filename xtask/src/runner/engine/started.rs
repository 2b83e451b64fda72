//! An engine that is a process of its own.

use super::{Ending, Running};
use crate::runner::process::{Child, Collected};
use host_analyzer::ground::failure::Failure;
use miette::miette;
use rustix::process::Pid;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// How much of what an engine writes to its standard error is kept, in bytes: it is repeated in
/// messages and in `run.json`.
const KEPT: usize = 8 * 1024;

/// Whether an exit status is the expected one, and what it means.
pub type Meaning = Box<dyn Fn(ExitStatus) -> (bool, String)>;

/// A process that was started for a boot.
pub struct Started {
    child: Child,
    command: Vec<String>,
    meaning: Meaning,
    /// True where each CPU's thread was put to a core of the host.
    pub pinned: bool,
    stderr: Option<Collected>,
}

impl Started {
    /// Starts a program with its arguments in a folder; no shell reads them.
    pub fn spawn(words: Vec<String>, folder: &Path, meaning: Meaning) -> io::Result<Started> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(writer);
        let child = Child::spawn(&mut command)?;
        // `command` is dropped here, and with it the last writing end but the child's.
        drop(command);
        let stderr = Some(Collected::from(reader, KEPT));
        Ok(Started { child, command: words, meaning, pinned: false, stderr })
    }

    /// Its process, as a child of this one.
    pub fn child(&self) -> &Child {
        &self.child
    }

    fn ending(&mut self, status: ExitStatus) -> Ending {
        let (well, how) = (self.meaning)(status);
        Ending { well, how, stderr: self.stderr.take().map_or_else(String::new, Collected::text) }
    }

    fn lost_sight(&self, error: &io::Error) -> Failure {
        Failure::Environment(miette!(
            "can't find out whether `{}` still runs: {error}",
            self.command[0]
        ))
    }
}

impl Running for Started {
    fn command(&self) -> &[String] {
        &self.command
    }

    fn process(&self) -> Option<Pid> {
        Some(self.child.id())
    }

    fn pinned(&self) -> bool {
        self.pinned
    }

    fn ended(&mut self) -> Result<Option<Ending>, Failure> {
        let status = self.child.ended_with_group().map_err(|error| self.lost_sight(&error))?;
        Ok(status.map(|status| self.ending(status)))
    }

    fn kill(&mut self) -> Result<Ending, Failure> {
        let status = self.child.kill().map_err(|error| self.lost_sight(&error))?;
        Ok(self.ending(status))
    }
}
