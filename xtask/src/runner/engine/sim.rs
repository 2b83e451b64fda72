//! The simulator: the same strategies on arithmetic clocks, without a kernel.

use super::{Ending, Engine, Running, Start, Topology, topology_takes, within};
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
#[derive(Clone, Debug, Default)]
pub struct Sim {
    /// Its definition in a scenario; `None` for the built-in one, whose CPUs are cores of one package.
    definition: Option<manifest::Engine>,
}

impl Sim {
    /// One that a scenario defines.
    pub fn defined(definition: manifest::Engine) -> Sim {
        Sim { definition: Some(definition) }
    }

    fn topology(&self) -> Option<&str> {
        self.definition.as_ref()?.topology.as_deref()
    }

    /// The package and the core of each CPU.
    fn places(&self, smp: u16) -> Vec<(u32, u32)> {
        let topology = self.topology().and_then(|text| Topology::read(text).ok());
        let place = |cpu: u16| {
            topology.as_ref().map_or((0, cpu.into()), |topology| topology.place(smp, cpu))
        };
        (0..smp).map(place).collect()
    }
}

impl Engine for Sim {
    fn name(&self) -> &str {
        self.definition.as_ref().map_or(NAME, |definition| &definition.name)
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

    fn takes(&self, smp: u16) -> Result<(), String> {
        within(self.name(), self.cpus(), smp)?;
        topology_takes(self.name(), self.topology(), smp)
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
        self.definition.as_ref()
    }

    fn version(&self) -> Result<String, Failure> {
        Ok(concat!("Rollcall's simulator ", env!("CARGO_PKG_VERSION")).to_owned())
    }

    fn start(&self, start: &Start<'_>) -> Result<Box<dyn Running>, Failure> {
        let topology = self.topology().map_or_else(String::new, |topology| format!(",{topology}"));
        let command =
            ["sim", "-smp", &format!("{}{topology}", start.smp)].map(str::to_owned).into();
        let capture = start.folder.join(start.capture);
        let (words, places) = (start.command_line.to_owned(), self.places(start.smp));
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let simulation = thread::spawn(move || simulate(&words, &places, capture, &ended));
        Ok(Box::new(Simulation { command, simulation: Some(simulation), end }))
    }
}

/// Runs the command line and writes the capture, until it is `ended`.
fn simulate(
    command_line: &str,
    places: &[(u32, u32)],
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
    bringup::sim::boot_on(command_line, places, TSC_KHZ, &mut send)
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
