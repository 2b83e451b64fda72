//! One boot: starts the engine, follows its capture, and judges how it ended.

mod judged;
mod tail;
mod wake;

use crate::runner::engine::{Ending, Engine, Running, Start};
use crate::runner::interrupt;
use crate::runner::progress::work;
use bringup::frame::Frame;
use bringup::wire::MAX_FRAME;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest::{self, HostStamps};
use host_analyzer::ground::text::counted;
use host_analyzer::source::capture::Incompatible;
use judged::{Judged, Seen};
use miette::miette;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use tail::Tail;
use wake::Wake;

pub use tail::Place;

/// What comes within so long is read at once: an engine writes byte after byte.
const TOGETHER: Duration = Duration::from_millis(1);

/// The bytes that a capture may hold beside those of its cells: firmware text, the machine's list of CPUs,
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
    /// The profile that each of its cells was expanded from.
    pub profiles: &'a [Option<String>],
    /// The run folder; it has a folder `captures`.
    pub folder: &'a Path,
    /// How long the boot may take.
    pub limit: Duration,
}

/// A boot that has come to an end.
#[derive(Debug)]
pub struct Outcome {
    /// What `run.json` states of it.
    pub record: manifest::Boot,
    /// Where its capture is; `None` where the engine made none.
    pub place: Option<Place>,
    /// Why it did not end well.
    pub failure: Option<Failure>,
}

impl Order<'_> {
    /// The boot in messages.
    fn name(&self) -> String {
        let cpus = counted(self.smp.into(), "CPU");
        format!("boot {} of {} with {cpus}", self.number, self.engine.name())
    }
}

/// Boots once; `watch` sees every frame as it comes.
///
/// A boot that goes wrong, or that the user interrupts, is an [`Outcome`] with a failure. Fails
/// where the engine can't be started, or the capture can't be read.
pub fn boot(order: &Order<'_>, mut watch: impl FnMut(&Frame<'_>)) -> Result<Outcome, Failure> {
    let engine_version = order.engine.version()?;
    let capture = format!("captures/{}-{}-{}.bin", order.engine.name(), order.smp, order.number);
    let tail = Tail::new(order.folder.join(&capture));
    // Nobody asks when the bytes of an exact engine came, and others may boot beside it.
    let watched = (!order.engine.exact()).then(|| order.folder.join("captures"));
    let mut wake = Wake::on(watched.as_deref());
    let began = Instant::now();
    let running = order.engine.start(&Start {
        kernel: order.kernel,
        initrd: None,
        smp: order.smp,
        command_line: order.command_line,
        folder: order.folder,
        capture: &capture,
    })?;
    wake.and_the_end_of(running.process());
    let mut boot = Following {
        order,
        began,
        began_late: tail.size()? > 0,
        wake,
        running,
        tail,
        seen: Seen::default(),
        woken: None,
        first_byte: None,
        goodbye: None,
        watch: &mut watch,
    };
    let (ending, stopped) = boot.follow()?;
    let seconds = began.elapsed().as_secs_f64();
    let host_stamps = boot.host_stamps();
    let Following { running, tail, seen, .. } = boot;
    let record = manifest::Boot {
        capture,
        engine: order.engine.name().to_owned(),
        exact: order.engine.exact(),
        smp: order.smp,
        boot: order.number,
        engine_version,
        cpu_model: order.engine.cpu_model().to_owned(),
        command: running.command().to_vec(),
        command_line: order.command_line.to_owned(),
        // Without any profile the list would only be noise.
        profiles: match order.profiles {
            profiles if profiles.iter().all(Option::is_none) => Vec::new(),
            profiles => profiles.to_owned(),
        },
        pinned: running.pinned(),
        linux: None,
        stderr: ending.stderr.clone(),
        seconds,
        host_stamps,
    };
    let (place, failure) = judge(order, tail, seen, &ending, stopped, &mut watch)?;
    Ok(Outcome { record, place, failure })
}

/// Judges a boot that has ended, or was `stopped` for that reason; gives where its capture is, and
/// why it did not end well.
fn judge(
    order: &Order<'_>,
    tail: Tail,
    mut seen: Seen,
    ending: &Ending,
    stopped: Option<String>,
    watch: &mut dyn FnMut(&Frame<'_>),
) -> Result<(Option<Place>, Option<Failure>), Failure> {
    let path = tail.path.clone();
    // It may have come in what was read after the end.
    let stopped = stopped.or_else(|| tail.incompatible.as_ref().map(incompatible));
    let unread = tail.size()?.saturating_sub(tail.bytes);
    let place = tail.place()?;
    let changed = place.as_ref().and_then(Place::changed);
    let stopped = stopped.or_else(|| changed.map(|how| format!("its capture {how}")));
    let summary = tail.finish(&mut |frame| {
        seen.take(frame);
        watch(frame);
    });
    let name = order.name();
    let judged =
        Judged { name: &name, seen: &seen, summary: &summary, ending, path: &path, unread };
    let failure = match stopped {
        // A boot that was whole by then stays whole.
        _ if interrupt::requested() && !(seen.over && ending.well && unread == 0) => {
            Some(Failure::Environment(miette!("interrupted in {name}")))
        }
        Some(why) => Some(judged.failure(&why)),
        None => judged.judge(),
    };
    Ok((place, failure))
}

fn incompatible(why: &Incompatible) -> String {
    format!("uses an incompatible wire format: {why}")
}

/// A boot whose engine is at work.
struct Following<'b> {
    order: &'b Order<'b>,
    began: Instant,
    /// True where bytes had come before anybody looked: an engine whose threads can't be found is waited for.
    began_late: bool,
    wake: Wake,
    running: Box<dyn Running>,
    tail: Tail,
    seen: Seen,
    /// When what is read next came, where that is known.
    woken: Option<Instant>,
    /// When the first byte came.
    first_byte: Option<Instant>,
    /// When the kernel's last frame came.
    goodbye: Option<Instant>,
    watch: &'b mut dyn FnMut(&Frame<'_>),
}

impl Following<'_> {
    /// When what came, if that is known.
    fn host_stamps(&self) -> Option<HostStamps> {
        let since = |moment: Instant| moment.duration_since(self.began).as_secs_f64();
        let stamps = self.first_byte.zip(self.goodbye).filter(|_| !self.began_late);
        stamps.map(|(first_byte, goodbye)| HostStamps {
            first_byte: since(first_byte),
            goodbye: since(goodbye),
            killed: self.order.engine.endless(),
        })
    }

    /// Reads the capture until the engine has ended. With the ending comes the reason, where it was
    /// this that ended it.
    fn follow(&mut self) -> Result<(Ending, Option<String>), Failure> {
        let most = most_bytes(self.order);
        loop {
            if interrupt::requested() {
                return Ok((self.running.kill()?, None));
            }
            // In this order: what came until the end is read after it.
            let ending = self.running.ended()?;
            let more = self.read()?;
            if let Some(why) = self.why_to_stop(most, ending.is_none())? {
                let ending = ending.map_or_else(|| self.running.kill(), Ok)?;
                self.read_until(self.tail.bytes + LAST_LOOK)?;
                return Ok((ending, Some(why)));
            }
            let ending = match ending {
                None if self.is_endless_and_over() => {
                    let how = "killed after the kernel's last frame, as it stays".to_owned();
                    Some(Ending { well: true, how, ..self.running.kill()? })
                }
                ending => ending,
            };
            if let Some(ending) = ending {
                // A process that the engine has left running may write on, without end.
                self.read_until(self.tail.size()?.min(most))?;
                return Ok((ending, None));
            }
            if more {
                continue;
            }
            self.wake.wait();
            self.woken = Some(Instant::now());
            // The first byte is a stamp, and those behind it only get into the way of the engine.
            if self.first_byte.is_some() {
                thread::sleep(TOGETHER);
            }
        }
    }

    /// Reads what is new, or a part of it. False if nothing is new.
    fn read(&mut self) -> Result<bool, Failure> {
        let Following { tail, seen, watch, .. } = self;
        let more = tail.read(&mut |frame| {
            seen.take(frame);
            watch(frame);
        })?;
        let now = self.woken.take().unwrap_or_else(Instant::now);
        if more {
            self.first_byte.get_or_insert(now);
        }
        if self.seen.over {
            self.goodbye.get_or_insert(now);
        }
        Ok(more)
    }

    /// Reads on, but not beyond so many bytes.
    fn read_until(&mut self, bytes: u64) -> Result<(), Failure> {
        while self.tail.bytes < bytes && self.read()? && !interrupt::requested() {}
        Ok(())
    }

    /// True where the engine stays by its nature, and the kernel has sent its last frame.
    fn is_endless_and_over(&self) -> bool {
        self.order.engine.endless() && self.seen.over
    }

    /// Why the boot can't go on, or is not to be read further, if that is so.
    fn why_to_stop(&self, most: u64, runs: bool) -> Result<Option<String>, Failure> {
        let limit = self.order.limit;
        let size = self.tail.size()?;
        Ok(if let Some(why) = &self.tail.incompatible {
            Some(incompatible(why))
        } else if size > most {
            Some(format!(
                "wrote {} MiB to its capture, where its cells send less than {} MiB: nothing but the \
                 bytes of the serial port may go there",
                size / MIB,
                most / MIB
            ))
        } else if runs && self.began.elapsed() > limit && !self.is_endless_and_over() {
            let limit = limit.as_secs_f64();
            Some(match self.seen.over {
                false => format!("did not say goodbye within its {limit} s and was killed"),
                true => format!(
                    "sent its last frame, but did not end within its {limit} s and was killed; where an \
                     engine with a `command` stays by its nature, its table needs `endless = true`"
                ),
            })
        } else {
            None
        })
    }
}

/// How many bytes a boot's capture can have at most: a frame of the greatest length for each AP of
/// each trial, where a timeline has a tenth of it. An engine that writes more would fill the disk.
fn most_bytes(order: &Order<'_>) -> u64 {
    BESIDE + work(order.command_line, order.smp).saturating_mul(MAX_FRAME as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_has_room_for_all_that_its_cells_can_send() {
        let engine = crate::runner::engine::Sim::default();
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
