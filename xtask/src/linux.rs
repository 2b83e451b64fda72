//! A real Linux as a peer: its kernel, a minimal initramfs, its boots, and the run that they make.

pub mod distribution;
mod image;
mod initramfs;

use crate::runner::boot::{Order, boot};
use crate::runner::engine::{Emulator, Engine, SIM, Sim, Start};
use crate::runner::host::{host, rfc3339};
use crate::runner::interrupt;
use crate::runner::profile::Profile;
use crate::runner::progress::{self, write_line};
use crate::runner::run_folder::{RunFolder, latest_is_free, rename_in_commands};
use bringup::options::Strategy;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::{unwritable, write_whole};
use host_analyzer::ground::manifest::{self, Ended, LinuxLog, Manifest, SCHEMA};
use host_analyzer::ground::text::printable;
use host_analyzer::judge::fit::{WakeShare, fit};
use host_analyzer::present::profile::profile;
use host_analyzer::run::Run;
use miette::miette;
use std::fs;
use std::path::{self, Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The name of the runs, and of their engine.
const NAME: &str = "linux";

/// The profile that is fitted to the serial boots.
const FITTED: &str = "linux-serial";

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

/// The kernel of that file, or of that version among those that were fetched; without one the newest of these.
///
/// Fails with [`Failure::Environment`] where none was fetched, and with [`Failure::Request`] where there is no such one.
pub fn kernel(given: Option<&str>) -> Result<PathBuf, Failure> {
    let fetched = distribution::kernels();
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some(given) = given else {
        return fetched.last().cloned().ok_or_else(|| {
            Failure::Environment(miette!(
                help =
                    "`cargo xtask setup --linux` gets some; or name one: `--kernel /boot/vmlinuz`",
                "no kernel was fetched"
            ))
        });
    };
    // `6.1` is no begin of 6.12.
    let is_version = |path: &&PathBuf| {
        let name = name(path);
        let rest = name.strip_prefix("vmlinuz-").and_then(|version| version.strip_prefix(given));
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    };
    let of_version = fetched.iter().rfind(is_version);
    match of_version {
        Some(path) if !Path::new(given).exists() => Ok(path.clone()),
        _ if Path::new(given).is_file() => {
            Ok(path::absolute(given).unwrap_or_else(|_| given.into()))
        }
        _ => Err(Failure::Request(miette!(
            help =
                format!("fetched are: {}", fetched.iter().map(name).collect::<Vec<_>>().join(", ")),
            "there is no kernel `{}`",
            given.escape_debug()
        ))),
    }
}

/// Boots Linux in serial and, where the kernel can, in parallel; fits a profile to the serial boots; runs our strategies with
/// it in the simulator. All are cells of one run, whose report shows them side by side.
///
/// Fails with [`Failure::Request`] where the kernel is none, and with [`Failure::Environment`] where a boot goes wrong.
pub fn execute(boots: &LinuxBoots, command: Vec<String>, results: &Path) -> Result<Run, Failure> {
    latest_is_free(results)?;
    boots.engine.takes(boots.smp).map_err(|why| Failure::Request(miette!("{why}")))?;
    let version = image::version(&boots.kernel)?;
    let modes: &[u8] = if image::is_parallel(&version) { &[0, 1] } else { &[0] };
    if modes.len() == 1 {
        write_line(&format!(
            "Linux {version} has no parallel bring-up, which came with 6.5: it boots in serial alone"
        ));
    }
    let results = path::absolute(results).unwrap_or_else(|_| results.to_owned());
    let mut folder = RunFolder::begin(&results, NAME)?;
    let initrd = match &boots.initrd {
        Some(given) => given.clone(),
        None => initramfs::make()?,
    };
    let mut manifest = Manifest {
        schema: SCHEMA,
        scenario: NAME.to_owned(),
        scenario_text: String::new(),
        command,
        started: rfc3339(folder.began()),
        ended: Ended::Failed,
        baseline: false,
        kernel: None,
        host: host(),
        profiles: Vec::new(),
        engines: Vec::new(),
        planned_boots: None,
        boots: Vec::new(),
    };
    let engine_version = boots.engine.version()?;
    for number in 1..=boots.boots {
        for mode in modes {
            let index = manifest.boots.len() + 1;
            write_line(&format!(
                "Linux {version}, {} CPUs, cpuhp.parallel={mode}, boot {number} of {}",
                boots.smp, boots.boots
            ));
            let (mut record, result) = tried(boots, &initrd, folder.path(), *mode, index)?;
            record.engine_version = format!("Linux {version} in {engine_version}");
            record.boot = index as u32;
            manifest.boots.push(record);
            folder.describe(&manifest)?;
            if let Err(failure) = result {
                let why = if interrupt::requested() { Ended::Interrupted } else { Ended::Failed };
                manifest.ended = why;
                folder.describe(&manifest)?;
                folder.end(why)?;
                write_line(&format!("what was captured is in {}", folder.path().display()));
                return Err(failure);
            }
        }
    }
    strategies(&folder, &mut manifest, boots.smp)?;
    let last = folder.final_path(Ended::Complete);
    manifest.ended = Ended::Complete;
    manifest.planned_boots = Some(manifest.boots.len());
    rename_in_commands(&mut manifest, folder.path(), &last);
    folder.describe(&manifest)?;
    let run = Run::open(folder.path())?;
    progress::report(&run, folder.path())?;
    folder.end(Ended::Complete)?;
    Run::open(folder.path())
}

/// A boot that prints its trace: one that does not is kept as `….failed-N` and made again.
fn tried(
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
    let console = folder.join(&capture);
    let (mut said, mut heard) = (0, Instant::now());
    let ended = loop {
        if let Some(ending) = running.ended()? {
            break Ok(ending);
        }
        let length = fs::metadata(&console).map_or(0, |about| about.len());
        if length != said {
            (said, heard) = (length, Instant::now());
        }
        let stopped =
            interrupt::check().err().or_else(|| late(boots, began.elapsed(), heard.elapsed()));
        if let Some(failure) = stopped {
            break Err((running.kill()?, failure));
        }
        thread::sleep(LOOK);
    };
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
    };
    Ok((record, result))
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

/// Our strategies with the costs of the serial boots, in the simulator: a boot of the same run.
fn strategies(folder: &RunFolder, manifest: &mut Manifest, smp: u16) -> Result<(), Failure> {
    let run = Run::open(folder.path())?;
    let serial = run.cells.iter().find(|cell| cell.options.strategy == Strategy::Serial);
    let Some(text) = serial.and_then(|cell| profile(&fit(&run, cell)?, WakeShare::HALF, &[]))
    else {
        write_line("no serial boot has phases for every AP, so no profile is fitted");
        return Ok(());
    };
    write_whole(&folder.path().join(format!("{FITTED}.toml")), text.as_bytes())?;
    let fitted =
        Profile::parse(FITTED, &format!("{FITTED}.toml"), &text).map_err(Failure::Environment)?;
    let cells = Strategy::ALL.map(|strategy| format!("cell strategy={strategy}"));
    // Its name says in every table that its cells are simulated, and with which costs.
    let definition = manifest::Engine {
        name: format!("sim-{FITTED}"),
        base: Some(SIM.to_owned()),
        ..manifest::Engine::default()
    };
    let engine = Sim::defined(definition.clone());
    let words = format!(
        "{} {} tsc-sync=trusted limit=3600s repetitions=1 {}",
        engine.own_words(),
        fitted.words(),
        cells.join(" ")
    );
    let profiles = vec![Some(FITTED.to_owned()); Strategy::COUNT];
    let order = Order {
        engine: &engine,
        kernel: None,
        smp,
        number: 1,
        command_line: &words,
        profiles: &profiles,
        folder: folder.path(),
        limit: Duration::from_secs(300),
    };
    let outcome = boot(&order, |_| ())?;
    manifest.engines.push(definition);
    manifest.profiles.push(fitted.described());
    manifest.boots.push(outcome.record);
    outcome.failure.map_or(Ok(()), Err)
}
