//! Waits for an engine at work. The host's cores are the engine's while it measures: this process wakes when bytes
//! of a noisy one come, which the kernel sends between trials, and when the engine ends.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::{Errno, read};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often it wakes in any case: a file system may report no change, and the limits of a boot are looked at.
const LONGEST: Duration = Duration::from_millis(100);

/// The same without a process to watch, at first; then less and less often.
const QUICK: Duration = Duration::from_millis(1);

/// Waits for the bytes and for the end of an engine.
pub struct Wake {
    /// True where bytes are of interest.
    bytes: bool,
    /// Tells of writes; `None` where the system has no such watch, too.
    writes: Option<OwnedFd>,
    /// Tells of the end of the engine's process.
    end: Option<OwnedFd>,
    /// How long to wait at most.
    pause: Duration,
}

impl Wake {
    /// Watches the folder of the captures, if one is given; to be called before the engine starts.
    pub fn on(captures: Option<&Path>) -> Wake {
        let watched = |captures: &Path| {
            let writes = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            inotify::add_watch(&writes, captures, WatchFlags::MODIFY | WatchFlags::CREATE)?;
            Ok::<OwnedFd, Errno>(writes)
        };
        let bytes = captures.is_some();
        let writes = captures.and_then(|captures| watched(captures).ok());
        Wake { bytes, writes, end: None, pause: QUICK }
    }

    /// Watches the process of the engine as well.
    pub fn and_the_end_of(&mut self, process: Option<Pid>) {
        self.end = process.and_then(|process| pidfd_open(process, PidfdFlags::empty()).ok());
        if self.end.is_some() && (self.writes.is_some() || !self.bytes) {
            self.pause = LONGEST;
        }
    }

    /// Waits until something happens, or for a while.
    pub fn wait(&mut self) {
        let watched = self.writes.iter().chain(&self.end);
        let mut watched: Vec<PollFd<'_>> =
            watched.map(|watch| PollFd::new(watch, PollFlags::IN)).collect();
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        match Timespec::try_from(pause) {
            // A signal ends it early, and whoever waits looks for that.
            Ok(pause) if !watched.is_empty() => drop(poll(&mut watched, Some(&pause))),
            _ => thread::sleep(pause),
        }
        // What happened is of no interest, only that something did.
        let mut events = [0; 4096];
        while self.writes.as_ref().is_some_and(|writes| read(writes, &mut events).is_ok()) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::process::Child;
    use std::fs;
    use std::process::Command;
    use std::time::Instant;

    /// Waits once for at most an hour.
    fn wakes(mut wake: Wake) -> bool {
        let began = Instant::now();
        wake.pause = Duration::from_secs(3600);
        wake.wait();
        began.elapsed() < Duration::from_secs(60)
    }

    #[test]
    fn bytes_in_a_new_file_wake_it_and_so_does_the_end_of_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let wake = Wake::on(Some(folder.path()));
        fs::write(folder.path().join("capture"), "bytes").unwrap();
        assert!(wakes(wake));
        let mut wake = Wake::on(Some(folder.path()));
        let mut child = Child::spawn(&mut Command::new("true")).unwrap();
        wake.and_the_end_of(Some(child.id()));
        assert!(wakes(wake));
        assert!(child.kill().unwrap().success());
    }

    #[test]
    fn without_anything_to_watch_it_waits_and_returns() {
        let folder = tempfile::tempdir().unwrap();
        let mut wake = Wake::on(Some(&folder.path().join("missing")));
        wake.and_the_end_of(None);
        assert!(wake.writes.is_none());
        wake.wait();
        assert_eq!(wake.pause, 2 * QUICK);
    }
}
