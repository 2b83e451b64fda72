//! One boot: starts the engine, follows its capture, and judges how it ended.

use crate::runner::engine::{Ending, Engine, Start};
use crate::runner::interrupt;
use crate::runner::progress::work;
use bringup::frame::{Body, Error, Frame};
use bringup::wire::MAX_FRAME;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest;
use host_analyzer::ground::text::{counted, printable};
use host_analyzer::source::capture::{Decoder, Incompatible, Summary};
use miette::{Report, miette};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How often the capture is looked at, at first; then less and less often.
const QUICK: Duration = Duration::from_millis(1);
/// How often it is looked at in the long run.
const CALM: Duration = Duration::from_millis(25);

/// How many lines of console text a message repeats.
const CONSOLE_LINES: usize = 8;
/// How many characters of each.
const CONSOLE_WIDTH: usize = 200;

/// What a capture may hold beside what its cells send: firmware text, the machine's list of CPUs,
/// log lines.
const BESIDE: u64 = 64 * MIB;

/// How much is read of what an engine had written when it was stopped, in bytes: the last frames
/// before the end, without that reading takes longer than the boot was allowed to.
const LAST_LOOK: u64 = 64 * 1024;

const MIB: u64 = 1024 * 1024;

/// What is to be booted.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// The engine.
    pub engine: &'a dyn Engine,
    /// The kernel's ELF file; the simulator needs none.
    pub kernel: Option<&'a Path>,
    /// CPU count, the BSP counted.
    pub smp: u16,
    /// Which boot of this engine and CPU count: 1, 2, …
    pub number: u32,
    /// The kernel's command line, the engine's own words included.
    pub command_line: &'a str,
    /// Of each of its cells the profile that it was expanded from.
    pub profiles: &'a [Option<String>],
    /// The run folder; it has a folder `captures`.
    pub folder: &'a Path,
    /// How long the boot may take.
    pub limit: Duration,
}

/// A boot that has come to an end.
#[derive(Debug)]
pub struct Outcome {
    /// What `run.json` tells of it.
    pub record: manifest::Boot,
    /// Where its capture is; `None` where the engine made none.
    pub place: Option<Place>,
    /// Why it did not end well.
    pub failure: Option<Failure>,
}

/// A capture as it was read and judged.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    device: u64,
    inode: u64,
    bytes: u64,
}

impl Place {
    /// How the file at the path differs from the one that was read; `None` where it is the same.
    pub fn changed(&self) -> Option<String> {
        let about = match fs::symlink_metadata(&self.path) {
            Ok(about) => about,
            Err(error) => return Some(format!("is not there any more: {error}")),
        };
        let read = counted(self.bytes, "byte");
        if (about.dev(), about.ino()) != (self.device, self.inode) {
            Some(
                "was replaced by another file after the boot had begun to write it: the engine must \
                 write the bytes of the serial port to that path itself"
                    .to_owned(),
            )
        } else if about.len() > self.bytes {
            Some(format!(
                "went on growing after the engine had ended ({read} were read then): a process that \
                 the engine started still writes there, or did; the engine must end last"
            ))
        } else if about.len() < self.bytes {
            Some(format!("has only {} of the {read} that were read", about.len()))
        } else {
            None
        }
    }

    /// Fails where it is no longer what was judged.
    pub fn check(&self) -> Result<(), Failure> {
        match self.changed() {
            None => Ok(()),
            Some(how) => Err(Failure::Environment(miette!(
                help = "what it holds now is not what its boot was judged by: find what wrote to it, \
                        and run again",
                "the capture {} {how}",
                self.path.display()
            ))),
        }
    }
}

/// Boots once; `watch` sees every frame as it comes.
///
/// A boot that goes wrong, or that the user interrupts, is an [`Outcome`] with a failure. Fails
/// where the engine can't be started, or the capture can't be read.
pub fn boot(order: &Order<'_>, mut watch: impl FnMut(&Frame<'_>)) -> Result<Outcome, Failure> {
    let engine_version = order.engine.version()?;
    let capture = format!("captures/{}-{}-{}.bin", order.engine.name(), order.smp, order.number);
    let mut seen = Seen { last: "nothing".to_owned(), refused: false };
    let mut tail = Tail::new(order.folder.join(&capture));
    let began = Instant::now();
    let mut running = order.engine.start(&Start {
        kernel: order.kernel,
        smp: order.smp,
        command_line: order.command_line,
        folder: order.folder,
        capture: &capture,
    })?;
    // The kernel does nothing more after these.
    let over = Cell::new(false);
    let mut take = |frame: &Frame<'_>| {
        seen.take(frame);
        over.set(over.get() || matches!(frame.body, Body::Goodbye(_) | Body::Error(_)));
        watch(frame);
    };
    let endless_and_over = || order.engine.endless() && over.get();
    let most = most_bytes(order);
    let mut pause = QUICK;
    let (ending, stopped) = loop {
        if interrupt::requested() {
            break (running.kill()?, None);
        }
        // In this order: what came until the end is read after it.
        let ending = running.ended()?;
        let more = tail.read(&mut take)?;
        let size = tail.size()?;
        let why = if let Some(incompatible) = &tail.incompatible {
            Some(format!("speaks another language: {incompatible}"))
        } else if size > most {
            Some(format!(
                "wrote {} MiB to its capture, where its cells send less than {} MiB: nothing but the \
                 bytes of the serial port may go there",
                size / MIB,
                most / MIB
            ))
        } else if ending.is_none() && began.elapsed() > order.limit && !endless_and_over() {
            let limit = order.limit.as_secs_f64();
            Some(match over.get() {
                false => format!("did not say goodbye within its {limit} s and was killed"),
                true => format!(
                    "sent its last frame, but did not end within its {limit} s and was killed; where an \
                     engine with a `command` stays by its nature, its table needs `endless = true`"
                ),
            })
        } else {
            None
        };
        if let Some(why) = why {
            let ending = ending.map_or_else(|| running.kill(), Ok)?;
            let until = tail.bytes + LAST_LOOK;
            while tail.bytes < until && tail.read(&mut take)? && !interrupt::requested() {}
            break (ending, Some(why));
        }
        let ending = match ending {
            None if endless_and_over() => {
                let how = "killed after the kernel's last frame, as it stays".to_owned();
                Some(Ending { well: true, how, ..running.kill()? })
            }
            ending => ending,
        };
        if let Some(ending) = ending {
            // What the engine has left running may write on, without end.
            let until = tail.size()?.min(most);
            while tail.bytes < until && tail.read(&mut take)? && !interrupt::requested() {}
            break (ending, None);
        }
        if more {
            continue;
        }
        pause = (pause * 2).min(CALM);
        thread::sleep(pause);
    };
    let seconds = began.elapsed().as_secs_f64();
    let path = tail.path.clone();
    // One that came in what was read after the end.
    let incompatible = tail.incompatible.map(|why| format!("speaks another language: {why}"));
    let unread = tail.size()?.saturating_sub(tail.bytes);
    let place = tail.place()?;
    let changed = place.as_ref().and_then(Place::changed);
    let summary = tail.finish(&mut take);
    let judged =
        Judged { order, seen: &seen, summary: &summary, ending: &ending, path: &path, unread };
    let failure = match stopped.or(incompatible) {
        // What was whole by then stays whole.
        _ if interrupt::requested() && !(over.get() && ending.well && unread == 0) => {
            Some(Failure::Environment(miette!(
                "interrupted in boot {} of {} with {}",
                order.number,
                order.engine.name(),
                counted(order.smp.into(), "CPU")
            )))
        }
        Some(why) => Some(judged.failure(&why)),
        None => match changed {
            Some(how) => Some(judged.failure(&format!("its capture {how}"))),
            None => judged.judge(),
        },
    };
    Ok(Outcome {
        place,
        record: manifest::Boot {
            capture,
            engine: order.engine.name().to_owned(),
            exact: order.engine.exact(),
            smp: order.smp,
            boot: order.number,
            engine_version,
            cpu_model: order.engine.cpu_model().to_owned(),
            command: running.command().to_vec(),
            command_line: order.command_line.to_owned(),
            // Where no cell has a profile there is nothing to tell.
            profiles: match order.profiles {
                profiles if profiles.iter().all(Option::is_none) => Vec::new(),
                profiles => profiles.to_owned(),
            },
            pinned: running.pinned(),
            stderr: ending.stderr,
            seconds,
        },
        failure,
    })
}

/// How many bytes a boot's capture can have at most: a frame of the greatest length for each AP of
/// each trial, where a timeline has a tenth of it. An engine that writes more would fill the disk.
fn most_bytes(order: &Order<'_>) -> u64 {
    BESIDE + work(order.command_line, order.smp).saturating_mul(MAX_FRAME as u64)
}

/// A capture file that still grows.
struct Tail {
    path: PathBuf,
    file: Option<File>,
    decoder: Decoder,
    incompatible: Option<Incompatible>,
    /// How many bytes were read.
    bytes: u64,
}

impl Tail {
    fn new(path: PathBuf) -> Tail {
        Tail { path, file: None, decoder: Decoder::new(), incompatible: None, bytes: 0 }
    }

    /// Reads what is new, or a part of it: an engine may write faster than this reads, and the
    /// caller has a clock to watch. False if nothing is new.
    fn read(&mut self, frame: &mut impl FnMut(&Frame<'_>)) -> Result<bool, Failure> {
        if self.file.is_none() {
            self.file = self.open()?;
        }
        // The engine has not made it yet.
        let Some(file) = &mut self.file else { return Ok(false) };
        let mut chunk = [0; 64 * 1024];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(length) if self.incompatible.is_none() => {
                    self.bytes += length as u64;
                    self.incompatible = self.decoder.push(&chunk[..length], &mut *frame).err();
                    return Ok(true);
                }
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(&error)),
            }
        }
    }

    /// Opens the file, without waiting and without following a link: the run's folder must hold what
    /// was captured, and a pipe or a device has no end. `None` where it is not there.
    fn open(&self) -> Result<Option<File>, Failure> {
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let open = || -> io::Result<(bool, File)> {
            let mut options = OpenOptions::new();
            let file = options.read(true).custom_flags(flags.bits() as i32).open(&self.path)?;
            Ok((file.metadata()?.is_file(), file))
        };
        match open() {
            Ok((true, file)) => Ok(Some(file)),
            Ok((false, _)) => Err(self.irregular()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => match Errno::from_io_error(&error) {
                // A link; a socket.
                Some(Errno::LOOP | Errno::NXIO) => Err(self.irregular()),
                _ => Err(self.unreadable(&error)),
            },
        }
    }

    /// How many bytes the file has.
    fn size(&self) -> Result<u64, Failure> {
        let Some(file) = &self.file else { return Ok(0) };
        Ok(file.metadata().map_err(|error| self.unreadable(&error))?.len())
    }

    /// What is being read; `None` where there is no file.
    fn place(&self) -> Result<Option<Place>, Failure> {
        let Some(file) = &self.file else { return Ok(None) };
        let about = file.metadata().map_err(|error| self.unreadable(&error))?;
        let (device, inode) = (about.dev(), about.ino());
        Ok(Some(Place { path: self.path.clone(), device, inode, bytes: self.bytes }))
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::Environment(miette!("can't read the capture {}: {error}", self.path.display()))
    }

    fn irregular(&self) -> Failure {
        Failure::Environment(miette!(
            help = "the engine must write the bytes of the serial port to that path itself: a link, a \
                    pipe, a folder or a device in its place is refused",
            "the capture {} is no regular file",
            self.path.display()
        ))
    }

    fn finish(self, frame: &mut impl FnMut(&Frame<'_>)) -> Summary {
        // Nothing more can follow a Hello that is not understood.
        self.decoder.finish(frame).unwrap_or_default()
    }
}

/// What the frames said so far.
struct Seen {
    /// The last one, in words.
    last: String,
    /// True where the kernel did not accept its command line.
    refused: bool,
}

impl Seen {
    fn take(&mut self, frame: &Frame<'_>) {
        self.last = match &frame.body {
            Body::Hello(hello) => format!("its Hello from {}", counted(hello.cpus.into(), "CPU")),
            Body::Cpu(cpu) => format!("{} in the list of CPUs", cpu.cpu),
            Body::CellBegin(begin) => format!("the begin of cell {}", begin.cell),
            Body::TrialBegin(begin) => {
                format!("the begin of trial {} of cell {}", begin.trial, begin.cell)
            }
            Body::ApTimeline(timeline) => format!("the timeline of {}", timeline.cpu),
            Body::TrialEnd(_) => "the end of a trial".to_owned(),
            Body::Goodbye(_) => "its Goodbye".to_owned(),
            Body::Log(log) => format!("a line of {}: {}", log.cpu, log.text),
            Body::Error(error) => {
                self.refused |= matches!(error, Error::Options { .. });
                "an error".to_owned()
            }
        };
    }
}

/// Everything that says how a boot ended.
struct Judged<'a> {
    order: &'a Order<'a>,
    seen: &'a Seen,
    summary: &'a Summary,
    ending: &'a Ending,
    path: &'a Path,
    /// Bytes of the capture that were not looked at.
    unread: u64,
}

impl Judged<'_> {
    /// A boot ended well by its goodbye *and* by the engine's status; nothing less will do.
    fn judge(&self) -> Option<Failure> {
        let Summary { ended, restarted, error, .. } = self.summary;
        match error {
            Some(error) if self.seen.refused => Some(Failure::Request(self.report(error))),
            Some(error) => Some(self.failure(error)),
            None if *restarted => Some(self.failure("began anew by itself: the machine was reset")),
            None if !ended => Some(self.failure("ended without a goodbye")),
            None if !self.ending.well => {
                Some(self.failure("said goodbye, but its engine did not end well"))
            }
            None => None,
        }
    }

    fn failure(&self, what: &str) -> Failure {
        Failure::Environment(self.report(what))
    }

    fn report(&self, what: &str) -> Report {
        let Judged { order, seen, summary, ending, path, unread } = self;
        let mut lines = vec![
            format!(
                "boot {} of {} with {}: {what}",
                order.number,
                order.engine.name(),
                counted(order.smp.into(), "CPU")
            ),
            format!("  engine: {}", ending.how),
            format!("  last frame: {}", seen.last),
        ];
        if !ending.stderr.trim().is_empty() {
            lines.push("  the engine's standard error:".to_owned());
            lines.extend(ending.stderr.trim().lines().map(|line| format!("    {line}")));
        }
        let console: Vec<&str> =
            summary.console.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = &console[console.len().saturating_sub(CONSOLE_LINES)..];
        if !last.is_empty() {
            lines.push("  console text, the last lines:".to_owned());
            lines.extend(last.iter().map(|line| {
                let line: String = line.trim_end().chars().take(CONSOLE_WIDTH).collect();
                format!("    {line}")
            }));
        }
        let unread = match unread {
            0 => String::new(),
            bytes => format!(" (its last {} were not read)", counted(*bytes, "byte")),
        };
        lines.push(format!("  capture: {}{unread}", path.display()));
        // What a kernel or an engine says must not steer the terminal.
        let lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
        miette!("{}", lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_capture_is_a_regular_file_or_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::write(place("file"), "").unwrap();
        fs::create_dir(place("folder")).unwrap();
        symlink(place("file"), place("link")).unwrap();
        symlink("/dev/zero", place("device")).unwrap();
        symlink("nowhere", place("nothing")).unwrap();
        let _listener = UnixListener::bind(place("socket")).unwrap();
        let pipe = place("pipe").display().to_string();
        crate::runner::process::said("mkfifo", &[&pipe]).unwrap();
        assert!(Tail::new(place("file")).open().unwrap().is_some());
        assert!(Tail::new(place("not-yet")).open().unwrap().is_none());
        for name in ["folder", "link", "device", "nothing", "socket", "pipe"] {
            let failure = Tail::new(place(name)).open().unwrap_err();
            assert!(failure.report().to_string().ends_with("is no regular file"), "{name}");
        }
    }

    #[test]
    fn a_capture_has_room_for_all_that_its_cells_can_send() {
        let engine = crate::runner::engine::Sim;
        let order = |command_line, smp| Order {
            engine: &engine,
            kernel: None,
            smp,
            number: 1,
            command_line,
            profiles: &[],
            folder: Path::new(""),
            limit: Duration::ZERO,
        };
        let frames = |command_line, smp| most_bytes(&order(command_line, smp)) - BESIDE;
        assert_eq!(frames("repetitions=9", 8), 8 * 10 * MAX_FRAME as u64);
        assert_eq!(frames("repetitions=9 cell cell", 8), 8 * 19 * MAX_FRAME as u64);
    }
}
