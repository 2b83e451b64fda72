//! QEMU's engines: `icount`, `tcg`, `kvm`, and those that a scenario bases on one of them.

use super::pin::pin;
use super::started::{Meaning, Started};
use super::{Engine, MOST_CPUS, Running, Start, Topology, program, topology_takes, within};
use crate::runner::process::said;
use crate::runner::words::join;
use bringup::contract::{EXIT_PORT, Exit, MAX_COMMAND_LINE};
use bringup::options::TscSync;
use bringup::plan::Plan;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest;
use host_analyzer::ground::text::counted;
use miette::miette;
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

#[cfg(test)]
mod tests;

/// The program that is looked for on the PATH.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// A model with the topology leaf 0x0B, MTRRs, PAT and XSAVE that QEMU 7.2 emulates whole and
/// without a warning, once what TCG lacks is taken out. (Older models with XSAVE added, but without
/// XSAVEOPT, hang there when a CPU sets CR4.OSXSAVE.)
const EMULATED_CPU: &str = "SandyBridge-v1,x2apic=off,tsc-deadline=off";

/// The host's own, with the features that can't follow a guest to another host: an invariant TSC
/// is one of them.
const HOST_CPU: &str = "host,migratable=off";

/// The machine: PCI Express, ACPI, a local APIC for each CPU.
const MACHINE: &str = "q35";

/// The most CPUs without x2APIC mode: APIC IDs have eight bits, and 255 addresses every CPU.
const MOST_WITH_XAPIC: u16 = 255;

/// What there is where xAPIC mode has no ID for a CPU.
const MORE: &str =
    "more take QEMU 9 or later and a CPU model with `x2apic=on`, as in scenarios/x2apic.toml";

/// Guest memory, in MiB, and how many CPUs beyond [`MOST_WITH_XAPIC`] share one more.
const MEMORY: u64 = 256;
const CPUS_OF_A_MEBIBYTE: u64 = 8;

/// The same of a Linux, and how much more of it each CPU gets.
const LINUX_MEMORY: u64 = 512;
const LINUX_MEMORY_EACH: u64 = 8;

/// QEMU's exit status after the kernel's goodbye.
const WELL: i32 = Exit::Success.qemu_status();
/// QEMU's exit status after an error of the kernel.
const FAILED: i32 = Exit::Failure.qemu_status();

/// How QEMU executes the kernel: a built-in engine each, and the base of a scenario's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qemu {
    /// Virtual time: one cycle a nanosecond, idle CPUs cost nothing, every boot the same.
    Icount,
    /// Each CPU is a thread of the host.
    Tcg,
    /// The host's CPUs execute the kernel themselves.
    Kvm,
}

impl Qemu {
    /// Every base, in the order of the documentation.
    pub const ALL: [Qemu; 3] = [Qemu::Icount, Qemu::Tcg, Qemu::Kvm];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Qemu::Icount => "icount",
            Qemu::Tcg => "tcg",
            Qemu::Kvm => "kvm",
        }
    }

    /// The base of that name.
    pub fn named(name: &str) -> Option<Qemu> {
        Qemu::ALL.into_iter().find(|base| base.name() == name)
    }

    /// The engine that is built in.
    pub fn engine(self) -> Emulator {
        let name = self.name().to_owned();
        let definition = manifest::Engine { name, ..Default::default() };
        Emulator { base: self, definition, own_words: self.own_words().to_owned(), folder: None }
    }

    fn accelerator(self, x2apic: bool) -> Vec<&'static str> {
        match self {
            Qemu::Icount => vec![
                "-accel",
                // The x2APIC's timer needs the time when its register is written. QEMU 10 does not provide for that in a
                // block with a WRMSR, and stops with "Bad icount read"; a block of one instruction may always ask for it.
                if x2apic { "tcg,thread=single,one-insn-per-tb=on" } else { "tcg,thread=single" },
                "-icount",
                "shift=0,sleep=off",
                // The host's clock must not reach the guest.
                "-rtc",
                "base=2000-01-01,clock=vm",
            ],
            Qemu::Tcg => vec!["-accel", "tcg,thread=multi"],
            Qemu::Kvm => vec!["-accel", "kvm"],
        }
    }

    fn own_words(self) -> &'static str {
        match self {
            // A CPU that takes INIT or SIPI is charged the rest of the time slice, which ends at
            // the next armed timer: the guard keeps that short.
            // Its CPUs share one thread, and one clock.
            Qemu::Icount => "guard=5us tsc-poll=pause tsc-trust=engine",
            // Every CPU reads the host's TSC, under a lock. In a window of 20 ms for each AP nothing else could be
            // seen of a total; where the host has let two threads exchange too little in a short one, it goes on.
            Qemu::Tcg => "tsc-trust=engine tsc-window=1ms tsc-limit=20ms",
            // KVM may offset and scale the host's TSC: the user says whether the clocks agree.
            Qemu::Kvm => "",
        }
    }

    fn cpu_model(self) -> &'static str {
        match self {
            Qemu::Icount | Qemu::Tcg => EMULATED_CPU,
            Qemu::Kvm => HOST_CPU,
        }
    }
}

/// A QEMU with its arguments.
#[derive(Clone, Debug)]
pub struct Emulator {
    base: Qemu,
    /// Its definition in the scenario; nothing but the name where it is built in.
    definition: manifest::Engine,
    /// The base's own words, then the definition's.
    own_words: String,
    /// The folder of the scenario that defines it, an absolute path.
    folder: Option<PathBuf>,
}

impl Emulator {
    /// The engine of a checked definition in a file of `folder`, an absolute path.
    pub fn defined(base: Qemu, definition: manifest::Engine, folder: &Path) -> Emulator {
        let own_words = join(base.own_words(), definition.own_words.as_deref().unwrap_or(""));
        Emulator { base, definition, own_words, folder: Some(folder.to_owned()) }
    }

    fn program(&self) -> String {
        match (&self.definition.qemu, &self.folder) {
            (Some(given), Some(folder)) => program(folder, given),
            _ => PROGRAM.to_owned(),
        }
    }

    /// The folder that it works in, and how it names the capture there: beside its scenario one
    /// that is defined there, since its arguments may name files; in the run's folder the others,
    /// whose arguments then are the same for every run.
    fn place<'a>(&'a self, start: &Start<'a>) -> (&'a Path, String) {
        match &self.folder {
            Some(folder) => (folder, start.folder.join(start.capture).display().to_string()),
            None => (start.folder, start.capture.to_owned()),
        }
    }

    /// The arguments of a boot.
    fn arguments(&self, start: &Start<'_>) -> Vec<String> {
        let exit = format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=4");
        let serial = format!("file:{}", self.place(start).1);
        let topology = self.definition.topology.iter().map(|topology| format!(",{topology}"));
        let smp = format!("{}{}", start.smp, topology.collect::<String>());
        let machine = self.definition.machine.as_deref().unwrap_or(MACHINE);
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let (kernel, initrd) = (start.kernel.map(text), start.initrd.map(text));
        let memory = match initrd {
            None => memory(start.smp),
            Some(_) => LINUX_MEMORY + LINUX_MEMORY_EACH * u64::from(start.smp),
        };
        let memory = memory.to_string();
        ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
            .into_iter()
            // So that the name of a vCPU's thread has its index.
            .chain(["-name", "rollcall,debug-threads=on"])
            .chain(["-machine", machine, "-cpu", self.cpu_model(), "-smp", &smp, "-m", &memory])
            .chain(self.base.accelerator(self.has_x2apic()))
            .chain(["-device", &exit, "-serial", &serial])
            .chain(kernel.iter().flat_map(|path| ["-kernel", path]))
            .chain(initrd.iter().flat_map(|path| ["-initrd", path]))
            .chain(["-append", start.command_line])
            .chain(self.definition.extra_args.iter().map(String::as_str))
            .map(str::to_owned)
            .collect()
    }

    /// True where its definition switches x2APIC mode on: no built-in engine has it.
    fn has_x2apic(&self) -> bool {
        self.cpu_model().split(',').any(|feature| ["x2apic=on", "+x2apic"].contains(&feature))
    }

    /// Fails, with the reason, where xAPIC mode has no ID for a CPU of the topology.
    fn ids_fit(&self, smp: u16) -> Result<(), String> {
        let topology = self.definition.topology.as_deref();
        let last = topology.and_then(|text| Some(Topology::read(text).ok()?.apic_id(smp, smp - 1)));
        match last {
            Some(id) if id >= u32::from(MOST_WITH_XAPIC) && !self.has_x2apic() => Err(format!(
                "{}: the topology of the engine {} gives the last of them the APIC ID {id}, and in xAPIC mode 254 is \
                 the greatest; {MORE}",
                counted(smp.into(), "CPU"),
                self.name()
            )),
            _ => Ok(()),
        }
    }

    fn missing(&self, why: &dyn fmt::Display) -> Failure {
        let program = self.program();
        Failure::Environment(match self.definition.qemu {
            Some(_) => miette!(
                help = "the scenario names it by `qemu`: a path is relative to the scenario's \
                        file, a bare name is looked for on the PATH; `cargo xtask setup \
                        --newer-qemu` makes target/qemu-newer/qemu-system-x86_64",
                "`{program}` of the engine {} is not there, or does not run: {why}",
                self.name()
            ),
            None => miette!(
                help = "`cargo xtask setup` installs it; `--engine sim` needs nothing",
                "`{program}` is not on the PATH, or does not run: {why}"
            ),
        })
    }
}

impl Engine for Emulator {
    fn name(&self) -> &str {
        &self.definition.name
    }

    fn exact(&self) -> bool {
        self.base == Qemu::Icount
    }

    fn counts_instructions(&self) -> bool {
        self.base == Qemu::Icount
    }

    fn boots_kernel(&self) -> bool {
        true
    }

    fn needs_qemu(&self) -> bool {
        self.program() == PROGRAM
    }

    fn needs_probe(&self) -> bool {
        self.base == Qemu::Kvm
    }

    fn cpus(&self) -> RangeInclusive<u16> {
        1..=if self.has_x2apic() { MOST_CPUS } else { MOST_WITH_XAPIC }
    }

    fn takes(&self, smp: u16) -> Result<(), String> {
        within(self.name(), self.cpus(), smp).map_err(|why| match smp {
            1.. if !self.has_x2apic() => format!("{why}; {MORE}"),
            _ => why,
        })?;
        topology_takes(self.name(), self.definition.topology.as_deref(), smp)?;
        self.ids_fit(smp)
    }

    fn own_words(&self) -> &str {
        &self.own_words
    }

    fn longest_command_line(&self) -> usize {
        MAX_COMMAND_LINE
    }

    fn cpu_model(&self) -> &str {
        self.definition.cpu.as_deref().unwrap_or(self.base.cpu_model())
    }

    fn definition(&self) -> Option<&manifest::Engine> {
        self.folder.as_ref().map(|_| &self.definition)
    }

    fn version(&self) -> Result<String, Failure> {
        let text = said(&self.program(), &["--version"])
            .map_err(|failure| self.missing(failure.report()))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    fn start(&self, start: &Start<'_>) -> Result<Box<dyn Running>, Failure> {
        let program = self.program();
        let command = [vec![program.clone()], self.arguments(start)].concat();
        let started = Started::spawn(command, self.place(start).0, meaning_of(start));
        let mut started = started.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.missing(&error),
            _ => Failure::Environment(miette!("can't start `{program}`: {error}")),
        })?;
        started.pinned = !self.exact()
            && self.definition.pin != Some(false)
            && compares_clocks(start)
            && pin(started.child(), start.smp);
        Ok(Box::new(started))
    }
}

/// The memory for the kernel with so many CPUs, in MiB.
fn memory(smp: u16) -> u64 {
    match smp {
        ..=MOST_WITH_XAPIC => MEMORY,
        _ => (MEMORY + u64::from(smp) / CPUS_OF_A_MEBIBYTE).next_multiple_of(MEMORY),
    }
}

/// True where a cell of the command line compares clocks.
fn compares_clocks(start: &Start<'_>) -> bool {
    Plan::parse(start.command_line, start.smp.into())
        .is_ok_and(|plan| plan.cells().any(|cell| cell.tsc_sync != TscSync::Trusted))
}

/// What an exit status means after a boot.
fn meaning_of(start: &Start<'_>) -> Meaning {
    match start.initrd {
        None => Box::new(meaning),
        // A Linux powers the machine off.
        Some(_) => Box::new(|status| (status.success(), meaning(status).1)),
    }
}

/// Whether QEMU ended as the kernel ends it, and what its exit status means.
fn meaning(status: ExitStatus) -> (bool, String) {
    let how = match (status.code(), status.signal()) {
        (Some(WELL), _) => format!("exit status {WELL}, as the kernel ends it"),
        (Some(FAILED), _) => format!("exit status {FAILED}: the kernel reported an error"),
        (Some(0), _) => "exit status 0: the machine reset itself, as after a triple fault, \
                         or was shut down"
            .to_owned(),
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    };
    (status.code() == Some(WELL), how)
}
