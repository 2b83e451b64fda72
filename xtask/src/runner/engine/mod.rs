//! Engines: what executes the kernel, one file per family.

mod bochs;
mod built_in;
mod command;
mod pin;
mod qemu;
mod sim;
mod started;
mod topology;

use bringup::contract;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest;
use host_analyzer::ground::text::counted;
use rustix::process::Pid;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{self, Path};

pub use bochs::NAME as BOCHS;
pub use built_in::{BUILT_IN, named};
pub use command::{Command, PLACEHOLDERS, placeholders};
pub use qemu::{Emulator, PROGRAM as QEMU, Qemu};
pub use sim::{NAME as SIM, Sim};
pub use topology::Topology;

/// The most CPUs of a machine that boots the kernel.
const MOST_CPUS: u16 = contract::MAX_CPUS as u16;

/// What executes the kernel.
pub trait Engine: fmt::Debug + Send + Sync {
    /// Its name in scenarios, on the command line and in the names of captures.
    fn name(&self) -> &str;
    /// True where a cycle is an instruction, so that a CPU that spins keeps the host busy.
    fn counts_instructions(&self) -> bool {
        false
    }
    /// True where equal kernels and options give equal captures.
    fn exact(&self) -> bool;
    /// False where it runs the strategies without a kernel.
    fn boots_kernel(&self) -> bool;
    /// True where it starts the [`QEMU`] of the PATH, which `cargo xtask setup` installs.
    fn needs_qemu(&self) -> bool;
    /// True where it starts Bochs from a disk image, which takes the programs of [`crate::runner::iso`] as well.
    fn needs_bochs(&self) -> bool {
        false
    }
    /// True where only a boot shows whether the host can run it.
    fn needs_probe(&self) -> bool {
        false
    }
    /// How many CPUs it can have, the BSP counted.
    fn cpus(&self) -> RangeInclusive<u16>;
    /// Fails, with the reason, where it can't have that many CPUs.
    fn takes(&self, smp: u16) -> Result<(), String> {
        within(self.name(), self.cpus(), smp)
    }
    /// True where it stays when its machine has ended: it is killed when the goodbye has come.
    fn endless(&self) -> bool {
        false
    }
    /// Options that it needs, as words in front of all others.
    fn own_words(&self) -> &str;
    /// The longest command line that reaches the kernel whole, in bytes.
    fn longest_command_line(&self) -> usize;
    /// The pinned CPU model.
    fn cpu_model(&self) -> &str;
    /// Its definition in the scenario; `None` where it is built in.
    fn definition(&self) -> Option<&manifest::Engine>;
    /// Its version, in its own words. Fails where it is not installed.
    fn version(&self) -> Result<String, Failure>;
    /// Starts one boot. Fails where it can't be started; what goes wrong later is in the
    /// [`Ending`].
    fn start(&self, start: &Start<'_>) -> Result<Box<dyn Running>, Failure>;
}

/// What an engine gets for a boot.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The kernel's ELF file; engines that boot none get none.
    pub kernel: Option<&'a Path>,
    /// The initramfs of a Linux, which then is what `kernel` has.
    pub initrd: Option<&'a Path>,
    /// CPU count, the BSP counted.
    pub smp: u16,
    /// The kernel's command line.
    pub command_line: &'a str,
    /// The folder of the run.
    pub folder: &'a Path,
    /// Where the bytes of the serial port go, inside the folder.
    pub capture: &'a str,
}

/// An engine at work; dropping it ends it.
pub trait Running {
    /// The program and its arguments.
    fn command(&self) -> &[String];
    /// Its process; `None` where it runs in this one.
    fn process(&self) -> Option<Pid> {
        None
    }
    /// True where each CPU's thread was put to a core of the host.
    fn pinned(&self) -> bool {
        false
    }
    /// How it ended; `None` while it runs, and anything once it was reported. Fails where the
    /// system can't say.
    fn ended(&mut self) -> Result<Option<Ending>, Failure>;
    /// Ends it at once. Fails where the system can't.
    fn kill(&mut self) -> Result<Ending, Failure>;
}

/// How an engine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// True for the expected end.
    pub well: bool,
    /// How, in words.
    pub how: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

/// Fails, with the reason, where an engine's topology can't make that many CPUs.
fn topology_takes(engine: &str, topology: Option<&str>, smp: u16) -> Result<(), String> {
    // It was checked when the scenario was read.
    let Some(topology) = topology.and_then(|text| Topology::read(text).ok()) else { return Ok(()) };
    topology.makes(smp).map_err(|makes| {
        format!(
            "{}: the engine {engine} has the topology `{topology}`, which {makes}",
            counted(smp.into(), "CPU")
        )
    })
}

/// Fails, with the reason, where the CPU count is not one of those that the engine takes.
fn within(engine: &str, cpus: RangeInclusive<u16>, smp: u16) -> Result<(), String> {
    match cpus.contains(&smp) {
        true => Ok(()),
        false => {
            let (least, most) = cpus.into_inner();
            let cpus = counted(smp.into(), "CPU");
            Err(format!("{cpus}: the engine {engine} takes {least} to {most}"))
        }
    }
}

/// The program that a definition in a file of `folder` means: a path is relative to the file, a
/// bare name is looked for on the PATH.
fn program(folder: &Path, given: &str) -> String {
    match given.contains('/') {
        true => {
            let path = folder.join(given);
            path::absolute(&path).unwrap_or(path).display().to_string()
        }
        false => given.to_owned(),
    }
}
