//! Boots of a Linux: started, followed, and made again where they break.

use crate::runner::engine::{Emulator, Ending, Engine, Running, Start};
use crate::runner::interrupt;
use crate::runner::progress::write_line;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::unwritable;
use host_analyzer::ground::manifest::{self, LinuxLog};
use host_analyzer::ground::text::printable;
use miette::miette;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The name of the runs, and of their engine.
pub(super) const NAME: &str = "linux";

/// How often a boot is tried: QEMU's TCG breaks a Linux that patches its own text on several CPUs in one of four boots here.
const ATTEMPTS: u32 = 6;

/// The line that ends the trace on the console.
const END: &[u8] = b"END_TRACE";

/// A console that says nothing for so long is that of a kernel that hangs.
const QUIET: Duration = Duration::from_secs(30);

/// How often a boot is looked at.
const LOOK: Duration = Duration::from_millis(25);

/// What is booted.
#[derive(Debug)]
pub struct LinuxBoots {
    /// The engine.
    pub engine: Emulator,
    /// The kernel's bzImage.
    pub kernel: PathBuf,
    /// The initramfs; by default one that prints the trace and powers off.
    pub initrd: Option<PathBuf>,
    /// CPUs, the BSP counted.
    pub smp: u16,
    /// Words of the kernel's command line after all others.
    pub append: String,
    /// Boots in each mode.
    pub boots: u32,
    /// How long a boot may take.
    pub limit: Duration,
}

/// A boot that prints its trace: one that does not is kept as `….failed-N` and made again.
pub(super) fn tried(
    boots: &LinuxBoots,
    initrd: &Path,
    folder: &Path,
    mode: u8,
    index: usize,
) -> Result<(manifest::Boot, Result<(), Failure>), Failure> {
    let mut attempt = 1;
    loop {
        let (record, result) = one(boots, initrd, folder, mode, index)?;
        let log = folder.join(&record.capture);
        let console = fs::read(&log).unwrap_or_default();
        let is_whole = console.windows(END.len()).any(|bytes| bytes == END);
        let result = result.and(match is_whole {
            true => Ok(()),
            false => Err(Failure::Environment(miette!(
                help = "the console says why; the initramfs prints the trace when the kernel has started",
                "Linux ended without its trace: {}",
                last_words(&console)
            ))),
        });
        let Err(failure) = result else { return Ok((record, Ok(()))) };
        if interrupt::requested() || attempt == ATTEMPTS {
            return Ok((record, Err(failure)));
        }
        write_line(&format!(
            "  {}; it boots again, attempt {} of {ATTEMPTS}",
            failure.report(),
            attempt + 1
        ));
        let failed = log.with_extension(format!("failed-{attempt}"));
        fs::rename(&log, &failed).map_err(|error| unwritable(&failed, &error))?;
        attempt += 1;
    }
}

/// What a kernel said when it stopped, else its last line.
fn last_words(console: &[u8]) -> String {
    let text = String::from_utf8_lossy(console);
    let stopped =
        text.lines().find(|line| line.contains("Oops: ") || line.contains("Kernel panic"));
    let line = stopped.or_else(|| text.lines().rfind(|line| !line.trim().is_empty()));
    line.map_or_else(
        || "nothing came from its console".to_owned(),
        |line| format!("`{}`", printable(line.trim())),
    )
}

/// One boot: what `run.json` states of it, and whether it ended well.
fn one(
    boots: &LinuxBoots,
    initrd: &Path,
    folder: &Path,
    mode: u8,
    index: usize,
) -> Result<(manifest::Boot, Result<(), Failure>), Failure> {
    let capture = format!("captures/{NAME}-{}-{index}.log", boots.smp);
    let command_line = format!(
        "console=ttyS0 cpuhp.parallel={mode} panic=-1 tsc=reliable trace_event=cpuhp:* trace_buf_size=1M rdinit=/init {}",
        boots.append
    );
    let command_line = command_line.trim_end().to_owned();
    let began = Instant::now();
    let mut running = boots.engine.start(&Start {
        kernel: Some(&boots.kernel),
        initrd: Some(initrd),
        smp: boots.smp,
        command_line: &command_line,
        folder,
        capture: &capture,
    })?;
    let ended = followed(boots, &mut *running, &folder.join(&capture), began)?;
    let (ending, result) = match ended {
        Ok(ending) if ending.well => (ending, Ok(())),
        Ok(ending) => {
            let failure = miette!(
                help = "the console says how far it came",
                "the engine {} ended with {}: {}",
                boots.engine.name(),
                ending.how,
                ending.stderr.trim_end()
            );
            (ending, Err(Failure::Environment(failure)))
        }
        Err((ending, failure)) => (ending, Err(failure)),
    };
    let record = manifest::Boot {
        capture,
        engine: NAME.to_owned(),
        exact: false,
        smp: boots.smp,
        boot: 0,
        engine_version: String::new(),
        cpu_model: boots.engine.cpu_model().to_owned(),
        command: running.command().to_vec(),
        command_line,
        profiles: Vec::new(),
        pinned: false,
        linux: Some(LinuxLog::default()),
        stderr: ending.stderr,
        seconds: began.elapsed().as_secs_f64(),
        host_stamps: None,
    };
    Ok((record, result))
}

/// Follows a boot to its end, or until it is given up.
fn followed(
    boots: &LinuxBoots,
    running: &mut dyn Running,
    console: &Path,
    began: Instant,
) -> Result<Result<Ending, (Ending, Failure)>, Failure> {
    let (mut said, mut heard) = (0, Instant::now());
    loop {
        if let Some(ending) = running.ended()? {
            return Ok(Ok(ending));
        }
        let length = fs::metadata(console).map_or(0, |about| about.len());
        if length != said {
            (said, heard) = (length, Instant::now());
        }
        let late = || late(boots, began.elapsed(), heard.elapsed());
        if let Some(failure) = interrupt::check().err().or_else(late) {
            return Ok(Err((running.kill()?, failure)));
        }
        thread::sleep(LOOK);
    }
}

/// Why a boot is given up that has taken so long, and said nothing for a while.
fn late(boots: &LinuxBoots, taken: Duration, quiet: Duration) -> Option<Failure> {
    let seconds = boots.limit.as_secs();
    let what = if taken > boots.limit {
        format!("Linux was not done after {seconds} s: it waited for the machine to power off")
    } else if quiet > QUIET {
        format!(
            "Linux said nothing for {} s: it waited for the machine to power off",
            QUIET.as_secs()
        )
    } else {
        return None;
    };
    Some(Failure::Environment(miette!(
        help = "the console says how far it came; `--limit-seconds` gives it more time",
        "{what}"
    )))
}
