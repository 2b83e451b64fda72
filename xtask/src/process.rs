//! Child processes that end when this process does, whichever way that is.

use crate::interrupt;
use host_analyzer::failure::Failure;
use miette::miette;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process_group, waitid,
};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a child is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How long a command has to end in order when it is asked to.
const GRACE: Duration = Duration::from_secs(3);

/// How much of a child's output is kept, in bytes; the rest is read and dropped.
const KEPT: u64 = 1024 * 1024;

/// A child and all that it starts in its process group; dropping it kills them.
///
/// A terminal's Ctrl-C does not reach the group: this process hears it and ends the child.
/// Where this process is killed itself, the system kills the child (Linux: `PR_SET_PDEATHSIG`).
/// That follows the *thread* which spawned it, so spawn from one that lives as long as the child
/// is needed.
#[derive(Debug)]
pub struct Child(std::process::Child);

impl Child {
    /// Starts the command.
    pub fn spawn(command: &mut Command) -> io::Result<Child> {
        tie(command).process_group(0).spawn().map(Child)
    }

    /// Its process.
    pub fn id(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// How it ended; `None` while it runs.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// How it ended; `None` while it runs. What it has left running in its group is killed first,
    /// so nothing of it is at work any more, or holds its pipes open.
    pub fn ended_with_group(&mut self) -> io::Result<Option<ExitStatus>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.id()), options) {
            Ok(None) => return Ok(None),
            // Not reaped yet, so the group is still its own.
            Ok(Some(_)) => kill_process_group(self.id(), Signal::KILL)?,
            // It was reaped before.
            Err(Errno::CHILD) => {}
            Err(error) => return Err(error.into()),
        }
        self.0.wait().map(Some)
    }

    /// Asks it and its group to end, and gives them a moment for it.
    fn terminate(&mut self) -> io::Result<()> {
        kill_process_group(Pid::from_child(&self.0), Signal::TERM)?;
        let asked = Instant::now();
        while self.ended()?.is_none() && asked.elapsed() < GRACE {
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Kills it with its group, and waits until it is gone.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        if self.0.try_wait()?.is_none() {
            // Not reaped yet, so the group is still its own.
            kill_process_group(Pid::from_child(&self.0), Signal::KILL)?;
        }
        self.0.wait()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = self.kill();
    }
}

/// Lets the system kill the child when the thread that spawns it ends.
fn tie(command: &mut Command) -> &mut Command {
    let parent = getpid();
    #[cfg(target_os = "linux")]
    let set = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died between fork and here.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    #[cfg(not(target_os = "linux"))]
    let set = move || {
        let _ = (parent, getppid());
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe functions may be called; `set` makes
    // two system calls and allocates nothing.
    unsafe { command.pre_exec(set) }
}

/// Reads a pipe to its end in the background.
pub fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that can't be read any more has ended, too.
        let _ = pipe.by_ref().take(KEPT).read_to_end(&mut bytes);
        let _ = io::copy(&mut pipe, &mut io::sink());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// Standard output and standard error, in the order of their arrival; empty where they were
    /// shown.
    pub output: String,
}

/// What happens to a command's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It goes where this process's output goes.
    Shown,
    /// It is kept in [`Finished::output`].
    Kept,
}

/// Runs a command to its end.
///
/// `waiting` is called again and again with the time that has passed. Fails where the command
/// can't be started, takes longer than `limit`, or the user interrupts.
pub fn finish(
    command: &mut Command,
    output: Output,
    limit: Option<Duration>,
    mut waiting: impl FnMut(Duration),
) -> Result<Finished, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |error: io::Error| Failure::Environment(miette!("can't run `{program}`: {error}"));
    command.stdin(Stdio::null());
    let collected = match output {
        Output::Shown => None,
        Output::Kept => {
            let (reader, writer) = io::pipe().map_err(failed)?;
            command.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
            Some(collect(reader))
        }
    };
    let began = Instant::now();
    let spawned = Child::spawn(command);
    // The command holds the pipe's writing end; without it the reader sees the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawned.map_err(failed)?;
    let status = loop {
        if let Err(interrupted) = interrupt::check() {
            // What does not heed it is killed when `child` is dropped.
            let _ = child.terminate();
            return Err(interrupted);
        }
        if let Some(status) = child.ended().map_err(failed)? {
            break status;
        }
        if let Some(limit) = limit.filter(|limit| began.elapsed() > *limit) {
            let _ = child.terminate();
            child.kill().map_err(failed)?;
            let output = collected.map_or_else(String::new, joined);
            return Err(Failure::Environment(miette!(
                "`{program}` did not end within {} s and was killed\n{output}",
                limit.as_secs()
            )));
        }
        waiting(began.elapsed());
        thread::sleep(POLL);
    };
    Ok(Finished { status, output: collected.map_or_else(String::new, joined) })
}

/// The text of a [`collect`] whose pipe has ended.
pub fn joined(collected: JoinHandle<String>) -> String {
    collected.join().unwrap_or_default()
}

/// The standard output of a short command, trimmed; `None` where it can't be run or fails.
pub fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn kept_output_is_both_streams() {
        let finished =
            finish(&mut shell("echo one; echo two >&2; exit 3"), Output::Kept, None, |_| ())
                .unwrap();
        assert_eq!(finished.output, "one\ntwo\n");
        assert_eq!(finished.status.code(), Some(3));
    }

    #[test]
    fn a_command_beyond_its_limit_is_killed_with_all_that_it_started() {
        let limit = Some(Duration::from_millis(200));
        let began = Instant::now();
        let error =
            finish(&mut shell("echo begun; sleep 60 & sleep 60"), Output::Kept, limit, |_| ())
                .unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(20));
        assert!(error.report().to_string().contains("begun"), "{:?}", error.report());
    }

    #[test]
    fn a_program_that_is_not_there_is_an_environment_failure() {
        let mut command = Command::new("no-such-program-at-all");
        let error = finish(&mut command, Output::Kept, None, |_| ()).unwrap_err();
        assert!(matches!(error, Failure::Environment(_)));
        assert!(error.report().to_string().contains("no-such-program-at-all"));
    }
}
