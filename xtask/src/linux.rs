//! A real Linux as a peer: its kernel, a minimal initramfs, its boots, and the run that they make.

mod boots;
pub mod distribution;
mod image;
pub mod initramfs;

use crate::runner::boot::{Order, boot};
use crate::runner::engine::{Engine, SIM, Sim};
use crate::runner::host::{host, rfc3339};
use crate::runner::interrupt;
use crate::runner::profile::Profile;
use crate::runner::progress::{self, write_line};
use crate::runner::run_folder::{RunFolder, latest_is_free, rename_in_commands};
use boots::{NAME, tried};
use bringup::options::Strategy;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::write_whole;
use host_analyzer::ground::manifest::{self, Ended, Manifest, SCHEMA};
use host_analyzer::judge::fit::{WakeShare, fit};
use host_analyzer::present::profile::profile;
use host_analyzer::run::Run;
use miette::miette;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

pub use boots::LinuxBoots;

/// The profile that is fitted to the serial boots.
const FITTED: &str = "linux-serial";

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
    latest_is_free(results, NAME)?;
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
        Some(given) => path::absolute(given).unwrap_or_else(|_| given.clone()),
        None => initramfs::make()?,
    };
    let mut manifest = begun(rfc3339(folder.began()), command);
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

/// What `run.json` states before the first boot.
fn begun(started: String, command: Vec<String>) -> Manifest {
    Manifest {
        schema: SCHEMA,
        scenario: NAME.to_owned(),
        scenario_text: String::new(),
        command,
        started,
        ended: Ended::Failed,
        baseline: false,
        kernel: None,
        host: host(),
        profiles: Vec::new(),
        engines: Vec::new(),
        planned_boots: None,
        continues: None,
        boots: Vec::new(),
    }
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
