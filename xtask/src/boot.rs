//! One boot: starts the engine, follows its capture, and judges how it ended.

use crate::engine::{Ending, Engine, Start};
use crate::interrupt;
use bringup::frame::{Body, Error, Frame};
use host_analyzer::capture::{Decoder, Incompatible, Summary};
use host_analyzer::failure::Failure;
use host_analyzer::manifest;
use miette::{Report, miette};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How often the capture is looked at, at first; then less and less often.
const QUICK: Duration = Duration::from_millis(1);
/// How often it is looked at in the long run.
const CALM: Duration = Duration::from_millis(25);

/// How many lines of console text a message repeats.
const CONSOLE_LINES: usize = 8;

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
    /// Why it did not end well.
    pub failure: Option<Failure>,
}

/// Boots once; `watch` sees every frame as it comes.
///
/// A boot that goes wrong is an [`Outcome`] with a failure. Fails where the engine can't be
/// started, the capture can't be read, or the user interrupts.
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
    let mut pause = QUICK;
    let (ending, in_time) = loop {
        interrupt::check()?;
        // In this order: what came until the end is read after it.
        let ending = running.ended()?;
        let more = tail.read(&mut take)?;
        if let Some(ending) = ending {
            while tail.read(&mut take)? {
                interrupt::check()?;
            }
            break (ending, true);
        }
        if over.get() && order.engine.endless() {
            let how = "killed after the kernel's last frame, as it stays".to_owned();
            break (Ending { well: true, how, ..running.kill()? }, true);
        }
        if began.elapsed() > order.limit || tail.incompatible.is_some() {
            let in_time = began.elapsed() <= order.limit;
            let ending = running.kill()?;
            while tail.read(&mut take)? {
                interrupt::check()?;
            }
            break (ending, in_time);
        }
        if more {
            continue;
        }
        pause = (pause * 2).min(CALM);
        thread::sleep(pause);
    };
    let seconds = began.elapsed().as_secs_f64();
    let path = tail.path.clone();
    let incompatible = tail.incompatible;
    let summary = tail.finish(&mut take);
    let judged = Judged { order, seen: &seen, summary: &summary, ending: &ending, path: &path };
    let failure = if let Some(incompatible) = incompatible {
        Some(judged.failure(&format!("speaks another language: {incompatible}")))
    } else if !in_time {
        let limit = order.limit.as_secs_f64();
        Some(judged.failure(&format!("did not say goodbye within its {limit} s and was killed")))
    } else {
        judged.judge()
    };
    Ok(Outcome {
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

/// A capture file that still grows.
struct Tail {
    path: PathBuf,
    file: Option<File>,
    decoder: Decoder,
    incompatible: Option<Incompatible>,
}

impl Tail {
    fn new(path: PathBuf) -> Tail {
        Tail { path, file: None, decoder: Decoder::new(), incompatible: None }
    }

    /// Reads what is new, or a part of it: an engine may write faster than this reads, and the
    /// caller has a clock to watch. False if nothing is new.
    fn read(&mut self, frame: &mut impl FnMut(&Frame<'_>)) -> Result<bool, Failure> {
        let unreadable = |error: io::Error| {
            Failure::Environment(miette!("can't read the capture {}: {error}", self.path.display()))
        };
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => self.file.insert(file),
                // The engine has not made it yet.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(unreadable(error)),
            },
        };
        let mut chunk = [0; 64 * 1024];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(length) if self.incompatible.is_none() => {
                    self.incompatible = self.decoder.push(&chunk[..length], &mut *frame).err();
                    return Ok(true);
                }
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
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
            Body::Hello(hello) => format!("its Hello from {} CPUs", hello.cpus),
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
        let Judged { order, seen, summary, ending, path } = self;
        let mut text = format!(
            "boot {} of {} with {} CPUs: {what}\n  engine: {}\n  last frame: {}",
            order.number,
            order.engine.name(),
            order.smp,
            ending.how,
            seen.last,
        );
        if !ending.stderr.trim().is_empty() {
            text += "\n  the engine's standard error:";
            ending.stderr.trim().lines().for_each(|line| text += &format!("\n    {line}"));
        }
        let console: Vec<&str> =
            summary.console.lines().filter(|line| !line.trim().is_empty()).collect();
        if let Some(tail) = console
            .get(console.len().saturating_sub(CONSOLE_LINES)..)
            .filter(|tail| !tail.is_empty())
        {
            text += "\n  console text, the last lines:";
            tail.iter().for_each(|line| text += &format!("\n    {}", line.trim_end()));
        }
        text += &format!("\n  capture: {}", path.display());
        miette!("{text}")
    }
}
