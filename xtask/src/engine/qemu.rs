//! QEMU's two engines without hardware virtualisation: `icount` and `tcg`.

use super::pin::pin;
use super::{Ending, Engine, Running, Start};
use crate::process::{Child, collect, joined, said};
use bringup::options::TscSync;
use bringup::plan::Plan;
use host_analyzer::failure::Failure;
use miette::miette;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

/// The program that is looked for on the PATH.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// A model with the topology leaf 0x0B, MTRRs, PAT and XSAVE that QEMU 7.2 emulates whole and
/// without a warning, once what TCG lacks is taken out. (Older models with XSAVE added, but without
/// XSAVEOPT, hang there when a CPU sets CR4.OSXSAVE.)
const CPU_MODEL: &str = "SandyBridge-v1,x2apic=off,tsc-deadline=off";

/// Guest memory, in MiB.
const MEMORY: &str = "256";

/// QEMU's loader for PVH kernels copies the command line into 4096 bytes, the zero byte behind it
/// included, and writes beyond them without a word (found with QEMU 7.2: 5000 bytes arrive as
/// 4154, 60 000 hang).
const LONGEST_COMMAND_LINE: usize = 4095;

/// The exit device turns the value v into exit status 2v + 1: 0x10 says that all went well …
const WELL: i32 = 0x10 << 1 | 1;
/// … and 0x11 that the kernel has sent an error.
const FAILED: i32 = 0x11 << 1 | 1;

/// QEMU, which interprets the kernel's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qemu {
    /// Virtual time: one cycle a nanosecond, idle CPUs cost nothing, every boot the same.
    Icount,
    /// Each CPU is a thread of the host.
    Tcg,
}

impl Qemu {
    fn accelerator(self) -> &'static [&'static str] {
        match self {
            Qemu::Icount => &[
                "-accel",
                "tcg,thread=single",
                "-icount",
                "shift=0,sleep=off",
                // The host's clock must not reach the guest.
                "-rtc",
                "base=2000-01-01,clock=vm",
            ],
            Qemu::Tcg => &["-accel", "tcg,thread=multi"],
        }
    }

    /// The arguments of a boot.
    fn arguments(self, start: &Start<'_>) -> Vec<String> {
        let (smp, serial) = (start.smp.to_string(), format!("file:{}", start.capture));
        let kernel = start.kernel.map(|path| path.to_string_lossy().into_owned());
        ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
            .into_iter()
            // So that a vCPU's thread tells its index.
            .chain(["-name", "rollcall,debug-threads=on"])
            .chain(["-machine", "q35", "-cpu", CPU_MODEL, "-smp", &smp, "-m", MEMORY])
            .chain(self.accelerator().iter().copied())
            .chain(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-serial", &serial])
            .chain(kernel.iter().flat_map(|path| ["-kernel", path]))
            .chain(["-append", start.command_line])
            .map(str::to_owned)
            .collect()
    }
}

impl Engine for Qemu {
    fn name(&self) -> &'static str {
        match self {
            Qemu::Icount => "icount",
            Qemu::Tcg => "tcg",
        }
    }

    fn exact(&self) -> bool {
        *self == Qemu::Icount
    }

    fn boots_kernel(&self) -> bool {
        true
    }

    fn cpus(&self) -> RangeInclusive<u16> {
        // TCG has no x2APIC before QEMU 9, and 8-bit APIC IDs leave 255.
        1..=255
    }

    fn own_words(&self) -> &'static str {
        match self {
            // A CPU that takes INIT or SIPI is charged the rest of the time slice, which ends at
            // the next armed timer: the guard keeps that short.
            // Its CPUs share one thread, and one clock.
            Qemu::Icount => "guard=5us tsc-poll=pause tsc-trust=engine",
            // Every CPU reads the host's TSC, under a lock.
            Qemu::Tcg => "tsc-trust=engine",
        }
    }

    fn longest_command_line(&self) -> usize {
        LONGEST_COMMAND_LINE
    }

    fn cpu_model(&self) -> &'static str {
        CPU_MODEL
    }

    fn version(&self) -> Result<String, Failure> {
        let text = said(PROGRAM, &["--version"]).ok_or_else(missing)?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    fn start(&self, start: &Start<'_>) -> Result<Box<dyn Running>, Failure> {
        let arguments = self.arguments(start);
        let (reader, writer) = io::pipe().map_err(no_start)?;
        let mut command = Command::new(PROGRAM);
        command.args(&arguments).current_dir(start.folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(writer);
        let child = Child::spawn(&mut command).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(),
            _ => no_start(error),
        })?;
        let pinned = *self == Qemu::Tcg && compares_clocks(start) && pin(child.id(), start.smp);
        // `command` is dropped here, and with it the last writing end but QEMU's.
        let command = [vec![PROGRAM.to_owned()], arguments].concat();
        Ok(Box::new(Machine { child, command, pinned, stderr: Some(collect(reader)) }))
    }
}

/// True where a cell of the command line compares clocks.
fn compares_clocks(start: &Start<'_>) -> bool {
    Plan::parse(start.command_line, start.smp.into())
        .is_ok_and(|plan| plan.cells().any(|cell| cell.tsc_sync != TscSync::Trusted))
}

fn missing() -> Failure {
    Failure::Environment(miette!(
        help = "`cargo xtask setup` installs it; `--engine sim` needs nothing",
        "`{PROGRAM}` is not on the PATH, or does not run"
    ))
}

fn no_start(error: io::Error) -> Failure {
    Failure::Environment(miette!("can't start `{PROGRAM}`: {error}"))
}

struct Machine {
    child: Child,
    command: Vec<String>,
    pinned: bool,
    stderr: Option<JoinHandle<String>>,
}

impl Machine {
    fn ending(&mut self, status: ExitStatus) -> Ending {
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
        let stderr = self.stderr.take().map_or_else(String::new, joined);
        Ending { well: status.code() == Some(WELL), how, stderr }
    }
}

impl Running for Machine {
    fn command(&self) -> &[String] {
        &self.command
    }

    fn pinned(&self) -> bool {
        self.pinned
    }

    fn ended(&mut self) -> Result<Option<Ending>, Failure> {
        let status = self.child.ended().map_err(|error| lost_sight(&error))?;
        Ok(status.map(|status| self.ending(status)))
    }

    fn kill(&mut self) -> Result<Ending, Failure> {
        let status = self.child.kill().map_err(|error| lost_sight(&error))?;
        Ok(self.ending(status))
    }
}

fn lost_sight(error: &io::Error) -> Failure {
    Failure::Environment(miette!("can't tell whether `{PROGRAM}` still runs: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn arguments(engine: Qemu) -> String {
        let start = Start {
            kernel: Some(Path::new("/k,1")),
            smp: 28,
            command_line: "strategy=serial cell",
            folder: Path::new("/"),
            capture: "captures/icount-28-1.bin",
        };
        engine.arguments(&start).join(" ")
    }

    #[test]
    fn icount_is_virtual_time_without_the_hosts_clock() {
        let text = arguments(Qemu::Icount);
        for part in [
            "-accel tcg,thread=single -icount shift=0,sleep=off -rtc base=2000-01-01,clock=vm",
            "-smp 28 -m 256",
            "-no-reboot",
            "-serial file:captures/icount-28-1.bin",
            "-kernel /k,1 -append strategy=serial cell",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn tcg_runs_a_thread_per_cpu() {
        let text = arguments(Qemu::Tcg);
        assert!(text.contains("-accel tcg,thread=multi") && !text.contains("icount "), "{text}");
    }

    #[test]
    fn the_cpu_model_is_pinned() {
        assert!(arguments(Qemu::Tcg).contains("-cpu SandyBridge-v1,"));
    }
}
