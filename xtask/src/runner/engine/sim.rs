//! The simulator: the same strategies on arithmetic clocks, without a kernel.

use super::{Ending, Engine, Running, Start};
use bringup::frame::Frame;
use bringup::wire::{MAX_FRAME, encode};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Its name.
pub const NAME: &str = "sim";

/// Its clocks tick at 1 GHz, like those of `icount`.
const TSC_KHZ: u64 = 1_000_000;

/// Executes the strategies without a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Sim;

impl Engine for Sim {
    fn name(&self) -> &str {
        NAME
    }

    fn exact(&self) -> bool {
        true
    }

    fn boots_kernel(&self) -> bool {
        false
    }

    fn needs_qemu(&self) -> bool {
        false
    }

    fn cpus(&self) -> RangeInclusive<u16> {
        // No APIC limits it; beyond this a report has more APs than a page has room for.
        1..=4096
    }

    fn own_words(&self) -> &str {
        "tsc-trust=engine"
    }

    fn longest_command_line(&self) -> usize {
        // Nothing has to carry it, but a cell's number on the wire has 16 bits.
        usize::from(u16::MAX)
    }

    fn cpu_model(&self) -> &str {
        "arithmetic clocks"
    }

    fn definition(&self) -> Option<&manifest::Engine> {
        None
    }

    fn version(&self) -> Result<String, Failure> {
        Ok(concat!("Rollcall's simulator ", env!("CARGO_PKG_VERSION")).to_owned())
    }

    fn start(&self, start: &Start<'_>) -> Result<Box<dyn Running>, Failure> {
        let command = ["sim", "-smp", &start.smp.to_string()].map(str::to_owned).into();
        let capture = start.folder.join(start.capture);
        let (words, cpus) = (start.command_line.to_owned(), usize::from(start.smp));
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let simulation = thread::spawn(move || simulate(&words, cpus, capture, &ended));
        Ok(Box::new(Simulation { command, simulation: Some(simulation), end }))
    }
}

/// Runs the command line and writes the capture, until it is `ended`.
fn simulate(
    command_line: &str,
    cpus: usize,
    capture: PathBuf,
    ended: &AtomicBool,
) -> Result<(), String> {
    let unwritable = |error: io::Error| format!("can't write {}: {error}", capture.display());
    let mut file = BufWriter::new(File::create(&capture).map_err(unwritable)?);
    let mut buffer = [0; MAX_FRAME];
    let mut written = Ok(());
    let mut send = |frame: &Frame<'_>| {
        if written.is_ok() && !ended.load(Ordering::Relaxed) {
            written = match encode(frame, &mut buffer) {
                Ok(bytes) => file.write_all(bytes).map_err(unwritable),
                Err(error) => Err(format!("frame {} can't be encoded: {error}", frame.number)),
            };
        }
    };
    bringup::sim::boot(command_line, cpus, TSC_KHZ, &mut send)
        .map_err(|error| error.to_string())?;
    written?;
    file.flush().map_err(unwritable)
}

struct Simulation {
    command: Vec<String>,
    /// Set, it writes no more.
    end: Arc<AtomicBool>,
    simulation: Option<JoinHandle<Result<(), String>>>,
}

impl Running for Simulation {
    fn command(&self) -> &[String] {
        &self.command
    }

    fn ended(&mut self) -> Result<Option<Ending>, Failure> {
        let Some(simulation) = self.simulation.take_if(|simulation| simulation.is_finished())
        else {
            return Ok(None);
        };
        let result = simulation.join().unwrap_or_else(|_| Err("the simulator panicked".to_owned()));
        let how = result.as_ref().err().map_or_else(|| "its end".to_owned(), Clone::clone);
        Ok(Some(Ending { well: result.is_ok(), how, stderr: String::new() }))
    }

    fn kill(&mut self) -> Result<Ending, Failure> {
        // A thread can't be killed; it ends with the process, which is about to.
        self.end.store(true, Ordering::Relaxed);
        self.simulation = None;
        let how = "still at work; fewer repetitions or cells take less, and `boot-limit` in the \
                   scenario, or `--limit-seconds`, gives it more time";
        Ok(Ending { well: false, how: how.to_owned(), stderr: String::new() })
    }
}
