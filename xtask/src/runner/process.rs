//! Child processes that end when this process does, whichever way that is.

use crate::runner::interrupt;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::text::printable;
use miette::miette;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process_group, waitid,
};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a child is looked at, at first; then less and less often.
const QUICK: Duration = Duration::from_millis(1);

/// How often a child is looked at in the long run.
const POLL: Duration = Duration::from_millis(20);

/// How long a command has to end in order when it is asked to.
const GRACE: Duration = Duration::from_secs(3);

/// How long a child's pipe is read after the child has ended. What it has started may hold the pipe
/// open for ever, as a daemon does that a package starts when it is installed.
const REST: Duration = Duration::from_secs(1);

/// How long a command may take that only reports something, such as its version.
pub const SHORT: Duration = Duration::from_secs(30);

/// How much of a command's output is kept, in bytes: what a compiler says of a few mistakes.
const KEPT: usize = 128 * 1024;

/// A child and all that it starts in its process group; dropping it kills them.
///
/// A terminal's Ctrl-C does not reach the group: this process hears it and ends the child.
/// The system kills the child when this process is killed (Linux: `PR_SET_PDEATHSIG`).
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

    /// True once it has ended; it is not reaped by that.
    pub fn is_over(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.id()), options), Ok(None))
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
        // Nobody is left to report an error to.
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

/// What a pipe brings; it is read in the background.
#[derive(Debug)]
pub struct Collected {
    excerpt: Arc<Mutex<Excerpt>>,
    /// Disconnected when the pipe has ended.
    reading: Receiver<()>,
}

impl Collected {
    /// Reads a pipe to its end, and keeps so many bytes: half of them from the begin, half from the
    /// end.
    pub fn from(mut pipe: impl Read + Send + 'static, kept: usize) -> Collected {
        let excerpt = Arc::new(Mutex::new(Excerpt { half: kept / 2, ..Excerpt::default() }));
        let (reader, reading) = mpsc::channel();
        let shared = Arc::clone(&excerpt);
        thread::spawn(move || {
            let _reader: mpsc::Sender<()> = reader;
            let mut chunk = [0; 16 * 1024];
            loop {
                match pipe.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(length) => {
                        let mut excerpt = shared.lock().unwrap_or_else(PoisonError::into_inner);
                        excerpt.push(&chunk[..length]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // A pipe that can't be read any more has ended, too.
                    Err(_) => break,
                }
            }
        });
        Collected { excerpt, reading }
    }

    /// The text, once the child has ended: all that the pipe brought until its own end, or until a
    /// moment later.
    pub fn text(self) -> String {
        // Nothing is ever sent.
        let _ = self.reading.recv_timeout(REST);
        self.excerpt.lock().unwrap_or_else(PoisonError::into_inner).text()
    }
}

/// Begin and end of a stream of bytes.
#[derive(Debug, Default)]
struct Excerpt {
    /// How many bytes of each are kept.
    half: usize,
    begin: Vec<u8>,
    end: VecDeque<u8>,
    left_out: u64,
}

impl Excerpt {
    fn push(&mut self, bytes: &[u8]) {
        let (begin, rest) = bytes.split_at(bytes.len().min(self.half - self.begin.len()));
        self.begin.extend_from_slice(begin);
        self.end.extend(rest);
        let beyond = self.end.len().saturating_sub(self.half);
        self.end.drain(..beyond);
        self.left_out += beyond as u64;
    }

    /// The bytes as a text that does not steer a terminal.
    fn text(&self) -> String {
        let mut bytes = self.begin.clone();
        if self.left_out > 0 {
            bytes.extend_from_slice(format!("\n… {} bytes left out …\n", self.left_out).as_bytes());
        }
        bytes.extend(&self.end);
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n").replace('\t', "    ");
        let lines: Vec<String> = text.split('\n').map(printable).collect();
        lines.join("\n")
    }
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

impl Finished {
    /// Fails with [`Failure::Environment`] where the command did not end well: with its words, how it ended, what it
    /// said, and what to do.
    pub fn succeeded(self, words: &str, help: &str) -> Result<(), Failure> {
        match self.status.success() {
            true => Ok(()),
            false => Err(Failure::Environment(miette!(
                help = help.to_owned(),
                "`{words}` failed ({}):\n{}",
                self.status,
                self.output.trim_end()
            ))),
        }
    }
}

/// What happens to a command's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It goes where this process's output goes.
    Shown,
    /// It is kept in [`Finished::output`].
    Kept,
    /// Standard output is kept there, standard error is dropped.
    KeptWithoutErrors,
}

/// Runs a command to its end.
///
/// `waiting` is called again and again with the time that has passed. What the command leaves
/// running is left alone, and not waited for. Fails where the command can't be started, takes longer
/// than `limit`, or the user interrupts.
pub fn finish(
    command: &mut Command,
    output: Output,
    limit: Option<Duration>,
    mut waiting: impl FnMut(Duration),
) -> Result<Finished, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let folder = command.get_current_dir().filter(|folder| !folder.is_dir());
    let place = folder
        .map_or_else(String::new, |folder| format!(" in {}, which is no folder", folder.display()));
    let failed =
        |error: io::Error| Failure::Environment(miette!("can't run `{program}`{place}: {error}"));
    command.stdin(Stdio::null());
    let collected = match output {
        Output::Shown => None,
        Output::Kept => {
            let (reader, writer) = io::pipe().map_err(failed)?;
            command.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
            Some(Collected::from(reader, KEPT))
        }
        Output::KeptWithoutErrors => {
            let (reader, writer) = io::pipe().map_err(failed)?;
            command.stdout(writer).stderr(Stdio::null());
            Some(Collected::from(reader, KEPT))
        }
    };
    let began = Instant::now();
    let spawned = Child::spawn(command);
    // The command holds the pipe's writing end; without it the reader sees the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawned.map_err(failed)?;
    let mut pause = QUICK;
    let status = loop {
        if let Err(interrupted) = interrupt::check() {
            // A child that ignores it is killed when `child` is dropped.
            let _ = child.terminate();
            return Err(interrupted);
        }
        if let Some(status) = child.ended().map_err(failed)? {
            break status;
        }
        if let Some(limit) = limit.filter(|limit| began.elapsed() > *limit) {
            let _ = child.terminate();
            child.kill().map_err(failed)?;
            let output = collected.map_or_else(String::new, Collected::text);
            return Err(Failure::Environment(miette!(
                "`{program}` did not end within {} s and was killed\n{output}",
                limit.as_secs()
            )));
        }
        waiting(began.elapsed());
        thread::sleep(pause);
        pause = (pause * 2).min(POLL);
    };
    Ok(Finished { status, output: collected.map_or_else(String::new, Collected::text) })
}

/// The standard output of a short command, trimmed.
///
/// Fails, with the reason, where it can't be run, fails itself, or takes too long.
pub fn said(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    answer(Command::new(program).args(arguments))
}

/// The same of a command that is made already.
pub fn answer(command: &mut Command) -> Result<String, Failure> {
    let finished = finish(command, Output::KeptWithoutErrors, Some(SHORT), |_| ())?;
    match finished.status.success() {
        true => Ok(finished.output.trim().to_owned()),
        false => {
            let words = [command.get_program()].into_iter().chain(command.get_args());
            let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
            let words = words.join(" ");
            Err(Failure::Environment(miette!("`{words}` failed: {}", finished.status)))
        }
    }
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

    /// Ends that command when it is dropped.
    struct Leftover(tempfile::NamedTempFile);

    impl Leftover {
        /// The script, behind which a process of its own session holds the pipes open.
        fn of(script: &str) -> (Leftover, Command) {
            let file = tempfile::NamedTempFile::new().unwrap();
            let daemon =
                format!("setsid sh -c 'echo $$ > {}; exec sleep 60' &", file.path().display());
            (Leftover(file), shell(&format!("{daemon} {script}")))
        }
    }

    impl Drop for Leftover {
        fn drop(&mut self) {
            let process = std::fs::read_to_string(self.0.path()).unwrap_or_default();
            if let Some(process) = process.trim().parse().ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(process, Signal::KILL);
            }
        }
    }

    #[test]
    fn what_a_command_leaves_running_is_not_waited_for() {
        let (_leftover, mut command) = Leftover::of("echo done; sleep 0.2");
        let began = Instant::now();
        let finished = finish(&mut command, Output::Kept, None, |_| ()).unwrap();
        assert!(began.elapsed() < Duration::from_secs(30));
        assert!(finished.status.success());
        assert_eq!(finished.output, "done\n");
    }

    #[test]
    fn long_output_is_kept_at_both_ends_without_what_steers_a_terminal() {
        let bytes = b"\x1b[31mred\x1b[0m\0\r\n\tbegin".iter().copied();
        let bytes: Vec<u8> = bytes.chain([b'x'; 5000]).chain(*b"the end").collect();
        let text = Collected::from(io::Cursor::new(bytes), 200).text();
        assert!(text.starts_with("\\u{1b}[31mred\\u{1b}[0m\\u{0}\n    beginxx"), "{text}");
        assert!(text.ends_with("xxthe end"), "{text}");
        assert!(text.contains("xx\n… 4828 bytes left out …\nxx"), "{text}");
        assert!(text.len() < 300, "{text}");
    }

    #[test]
    fn a_short_command_says_why_it_has_nothing_to_say() {
        assert_eq!(said("sh", &["-c", "echo; echo yes; echo no >&2"]).unwrap(), "yes");
        let why = said("sh", &["-c", "exit 3"]).unwrap_err();
        assert!(why.report().to_string().contains("exit status: 3"), "{:?}", why.report());
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_taken_for_the_program() {
        let failure = finish(shell("true").current_dir("/no/such"), Output::Kept, None, |_| ());
        let text = failure.unwrap_err().report().to_string();
        assert!(text.starts_with("can't run `sh` in /no/such, which is no folder"), "{text}");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_environment_failure() {
        let mut command = Command::new("no-such-program-at-all");
        let error = finish(&mut command, Output::Kept, None, |_| ()).unwrap_err();
        assert!(matches!(error, Failure::Environment(_)));
        assert!(error.report().to_string().contains("no-such-program-at-all"));
    }
}
