//! Engines: what executes the kernel, one file per family.

mod pin;
mod qemu;
mod sim;

use host_analyzer::failure::Failure;
use std::ops::RangeInclusive;
use std::path::Path;

pub use qemu::{PROGRAM as QEMU, Qemu};
pub use sim::Sim;

/// What executes the kernel.
pub trait Engine: Sync {
    /// Its name in scenarios and on the command line.
    fn name(&self) -> &'static str;
    /// True where equal kernels and options give equal captures.
    fn exact(&self) -> bool;
    /// False where it runs the strategies without a kernel, and needs nothing installed.
    fn boots_kernel(&self) -> bool;
    /// How many CPUs it can have, the BSP counted.
    fn cpus(&self) -> RangeInclusive<u16>;
    /// Options that it needs, as words in front of all others.
    fn own_words(&self) -> &'static str;
    /// The longest command line that reaches the kernel whole, in bytes.
    fn longest_command_line(&self) -> usize;
    /// The pinned CPU model.
    fn cpu_model(&self) -> &'static str;
    /// Its version, in its own words. Fails where it is not installed.
    fn version(&self) -> Result<String, Failure>;
    /// Starts one boot. Fails where it can't be started; what goes wrong later is in the
    /// [`Ending`].
    fn start(&self, start: &Start<'_>) -> Result<Box<dyn Running>, Failure>;
}

/// What an engine is told.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The kernel's ELF file; the simulator needs none.
    pub kernel: Option<&'a Path>,
    /// CPU count, the BSP counted.
    pub smp: u16,
    /// The kernel's command line.
    pub command_line: &'a str,
    /// The engine's working folder.
    pub folder: &'a Path,
    /// Where the bytes of the serial port go, inside the folder.
    pub capture: &'a str,
}

/// An engine at work; dropping it ends it.
pub trait Running {
    /// The program and its arguments.
    fn command(&self) -> &[String];
    /// True where each CPU's thread was put to a core of the host.
    fn pinned(&self) -> bool {
        false
    }
    /// How it ended; `None` while it runs, and anything once it has been told. Fails where the
    /// system can't say.
    fn ended(&mut self) -> Result<Option<Ending>, Failure>;
    /// Ends it at once. Fails where the system can't.
    fn kill(&mut self) -> Result<Ending, Failure>;
}

/// How an engine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// True for the end that the kernel asks for when all went well.
    pub well: bool,
    /// How, in words.
    pub how: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

/// Every engine, the default first.
pub const ALL: [&dyn Engine; 3] = [&Qemu::Icount, &Qemu::Tcg, &Sim];

/// The engine of that name.
pub fn named(name: &str) -> Option<&'static dyn Engine> {
    ALL.into_iter().find(|engine| engine.name() == name)
}

/// The names of all engines, for messages.
pub fn names() -> String {
    ALL.map(Engine::name).join(", ")
}
