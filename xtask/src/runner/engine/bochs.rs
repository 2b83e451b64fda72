//! `bochs`: an emulator that runs all CPUs in lock step, and has what QEMU's TCG lacks: `IA32_TSC_ADJUST`, the timer's
//! TSC-deadline mode, and x2APIC mode in every version.

use super::started::Started;
use super::{Ending, Engine, Running, Start};
use crate::runner::iso::{self, Entry};
use crate::runner::process::said;
use bringup::contract::MAX_COMMAND_LINE;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest;
use miette::miette;
use rustix::process::Pid;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::process::ExitStatus;
use tempfile::TempDir;

/// Its name, and the program's.
pub const NAME: &str = "bochs";

/// A model with x2APIC mode, `IA32_TSC_ADJUST` and the TSC-deadline mode.
const CPU: &str = "corei7_haswell_4770";

/// Bochs as Debian builds it ends with more CPUs: "too many registered timers".
const MOST_CPUS: u16 = 8;

/// What its CPUs execute in a second of the machine's time, each: the TSC counts instructions, at 1 GHz.
const INSTRUCTIONS: u64 = 1_000_000_000;

/// The built-in engine.
#[derive(Clone, Copy, Debug)]
pub struct Bochs;

impl Bochs {
    /// The options of a boot, a word each.
    fn options(start: &Start<'_>, image: &str) -> Vec<String> {
        let smp = start.smp;
        vec![
            // It needs a display; this one waits for no viewer.
            "display_library: rfb, options=\"timeout=0\"".to_owned(),
            // Without `fastboot` the BIOS waits 3 s for a key.
            "romimage: file=$BXSHARE/BIOS-bochs-latest, options=fastboot".to_owned(),
            "vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest".to_owned(),
            "megs: 256".to_owned(),
            format!("cpu: model={CPU}, count={smp}, ips={INSTRUCTIONS}, reset_on_triple_fault=0"),
            // The host's clock must not reach the guest.
            "clock: sync=none, time0=946684800".to_owned(),
            "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14".to_owned(),
            format!("ata0-master: type=cdrom, path={image}, status=inserted"),
            "ata1: enabled=0".to_owned(),
            "boot: cdrom".to_owned(),
            format!("com1: enabled=1, mode=file, dev={}", start.capture),
            "log: /dev/stderr".to_owned(),
            "panic: action=fatal".to_owned(),
            "error: action=ignore".to_owned(),
            "info: action=ignore".to_owned(),
            "debug: action=ignore".to_owned(),
            "sound: driver=default, waveoutdrv=dummy".to_owned(),
        ]
    }
}

impl Engine for Bochs {
    fn name(&self) -> &str {
        NAME
    }

    fn exact(&self) -> bool {
        true
    }

    fn boots_kernel(&self) -> bool {
        true
    }

    fn needs_qemu(&self) -> bool {
        false
    }

    fn needs_bochs(&self) -> bool {
        true
    }

    fn cpus(&self) -> RangeInclusive<u16> {
        1..=MOST_CPUS
    }

    fn endless(&self) -> bool {
        // It has no device by which the kernel could end it.
        true
    }

    fn own_words(&self) -> &str {
        // All CPUs count the same instructions.
        "tsc-trust=engine"
    }

    fn longest_command_line(&self) -> usize {
        MAX_COMMAND_LINE
    }

    fn cpu_model(&self) -> &str {
        CPU
    }

    fn definition(&self) -> Option<&manifest::Engine> {
        None
    }

    fn version(&self) -> Result<String, Failure> {
        let text = said(NAME, &["--help", "cpu"]).map_err(|failure| missing(failure.report()))?;
        let line = text.lines().map(str::trim).find(|line| line.starts_with("Bochs x86 Emulator"));
        Ok(line.unwrap_or("not stated").to_owned())
    }

    fn start(&self, start: &Start<'_>) -> Result<Box<dyn Running>, Failure> {
        let unwritable = |error: io::Error| {
            Failure::Environment(miette!("can't write the files of a boot of {NAME}: {error}"))
        };
        let files = tempfile::tempdir().map_err(unwritable)?;
        let (image, orders) = (files.path().join("rollcall.iso"), files.path().join("debugger"));
        let Some(kernel) = start.kernel else {
            return Err(Failure::Environment(miette!("{NAME} boots a kernel, and got none")));
        };
        let entry = Entry { title: "Rollcall".to_owned(), words: start.command_line.to_owned() };
        iso::write(kernel, &[entry], 0, &image)?;
        // A build with the debugger waits for its command to continue.
        fs::write(&orders, "c\n").map_err(unwritable)?;
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        // Without a file, be it empty, it asks what to do.
        let begin = [NAME, "-f", "/dev/null", "-q", "-rc"].map(str::to_owned).into_iter();
        let command = begin.chain([text(&orders)]).chain(Bochs::options(start, &text(&image)));
        let started = Started::spawn(command.collect(), start.folder, Box::new(meaning));
        let started = started.map_err(missing)?;
        Ok(Box::new(Boot { started, _files: files }))
    }
}

fn missing(why: impl std::fmt::Display) -> Failure {
    Failure::Environment(miette!(
        help = "`cargo xtask setup` installs it",
        "`{NAME}` is not on the PATH, or does not run: {why}"
    ))
}

/// It never ends by itself.
fn meaning(status: ExitStatus) -> (bool, String) {
    (false, status.to_string())
}

/// A boot, with the files that it reads.
struct Boot {
    started: Started,
    _files: TempDir,
}

impl Running for Boot {
    fn command(&self) -> &[String] {
        self.started.command()
    }

    fn process(&self) -> Option<Pid> {
        self.started.process()
    }

    fn ended(&mut self) -> Result<Option<Ending>, Failure> {
        self.started.ended()
    }

    fn kill(&mut self) -> Result<Ending, Failure> {
        self.started.kill()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_machine_keeps_its_own_time() {
        let start = Start {
            kernel: Some(Path::new("/k")),
            initrd: None,
            smp: 4,
            command_line: "",
            folder: Path::new("/run"),
            capture: "captures/bochs-4-1.bin",
        };
        let options = Bochs::options(&start, "/i.iso").join("\n");
        for part in [
            "clock: sync=none, time0=946684800",
            "count=4, ips=1000000000",
            "path=/i.iso",
            "dev=captures/bochs-4-1.bin",
        ] {
            assert!(options.contains(part), "{part}");
        }
        assert!(Bochs.takes(8).is_ok());
        assert_eq!(Bochs.takes(9).unwrap_err(), "9 CPUs: the engine bochs takes 1 to 8");
    }
}
