//! Makes a run folder of logs.

use crate::ground::failure::Failure;
use crate::ground::file::{NewFolder, make_folder, unwritable, write_whole};
use crate::ground::manifest::{Boot, Ended, Host, LinuxLog, Manifest, SCHEMA};
use crate::ground::text::printable;
use crate::run::model::Run;
use crate::source::linux::{self, Bringup};
use jiff::Timestamp;
use miette::miette;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A log to import.
#[derive(Clone, Debug)]
pub struct Log {
    /// Where its lines are.
    pub from: Lines,
    /// The name of the engine.
    pub engine: String,
    /// What it does not show.
    pub given: LinuxLog,
}

/// The lines of a log.
#[derive(Clone, Debug)]
pub enum Lines {
    /// Those of a file.
    File(PathBuf),
    /// Those of a text, which has that name in messages.
    Text(String, String),
}

/// Makes a run of logs, each a boot, in the folder `out`, by default a new one under `results/NAME`.
///
/// The run keeps the lines that were read, and no others: a log may be long, and say more of its machine than the
/// user wants to hand on. Fails with [`Failure::Request`] where a file is no log of a bring-up, or the folder exists,
/// and with [`Failure::Environment`] where a file can't be read or written.
pub fn import(name: &str, logs: &[Log], out: Option<&Path>) -> Result<Run, Failure> {
    let now = Timestamp::now();
    let path = match out {
        Some(path) => path.to_owned(),
        None => {
            free(&Path::new("results").join(name), &now.strftime("%Y-%m-%dT%H-%M-%SZ").to_string())
        }
    };
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folder(above)?;
    }
    let mut folder = NewFolder::create(&path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::Request(miette!(
            help = "name a folder that does not exist; it is made: `--out results/mine`",
            "{} exists already",
            path.display()
        )),
        _ => unwritable(&path, &error),
    })?;
    let captures = folder.path().join("captures");
    fs::create_dir(&captures).map_err(|error| unwritable(&captures, &error))?;
    let mut boots: Vec<Boot> = Vec::new();
    let mut host = None;
    for (index, log) in logs.iter().enumerate() {
        let capture = format!("captures/{}-{}.log", log.engine, index + 1);
        let bringup = copy(&log.from, &folder.path().join(&capture))?;
        host.get_or_insert_with(|| machine(&bringup));
        let mut boot = boot(log, capture, &bringup);
        boot.boot += boots.iter().filter(|earlier| earlier.smp == boot.smp).count() as u32;
        boots.push(boot);
    }
    let manifest = Manifest {
        schema: SCHEMA,
        scenario: name.to_owned(),
        scenario_text: String::new(),
        command: Vec::new(),
        started: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        ended: Ended::Complete,
        baseline: false,
        kernel: None,
        host: host.unwrap_or_else(|| machine(&Bringup::default())),
        profiles: Vec::new(),
        engines: Vec::new(),
        planned_boots: Some(boots.len()),
        continues: None,
        boots,
    };
    let json = serde_json::to_vec_pretty(&manifest);
    let json = json.map_err(|error| unwritable(&path, &io::Error::from(error)))?;
    write_whole(&folder.path().join("run.json"), &json)?;
    let run = Run::open(&path)?;
    folder.keep();
    Ok(run)
}

/// A name that is free in a folder.
fn free(folder: &Path, name: &str) -> PathBuf {
    let names =
        std::iter::once(name.to_owned()).chain((2u32..).map(|again| format!("{name}-{again}")));
    let mut paths = names.map(|name| folder.join(name));
    paths.find(|path| fs::symlink_metadata(path).is_err()).unwrap_or_else(|| folder.join(name))
}

/// Reads a log, and keeps the lines that say something.
fn copy(from: &Lines, to: &Path) -> Result<Bringup, Failure> {
    let failed = |error: io::Error| unwritable(to, &error);
    let mut file = BufWriter::new(File::create(to).map_err(failed)?);
    let kept = |line: &[u8]| {
        file.write_all(line).map_err(failed)?;
        if line.ends_with(b"\n") { Ok(()) } else { file.write_all(b"\n").map_err(failed) }
    };
    let reading = match from {
        Lines::File(path) => linux::read(path, kept)?,
        Lines::Text(name, text) => linux::read_from(name, text.as_bytes(), kept)?,
    };
    file.flush().map_err(failed)?;
    Ok(reading.bringup)
}

/// The machine of a log, in place of the host that an engine runs on.
fn machine(bringup: &Bringup) -> Host {
    let unknown = || "unknown".to_owned();
    Host {
        cpu: bringup.model.clone().unwrap_or_else(unknown),
        cpus: bringup.smp() as usize,
        os: bringup.version.as_ref().map_or_else(unknown, |version| format!("Linux {version}")),
        load: None,
    }
}

/// What `run.json` states of a log: the first boot of so many CPUs.
fn boot(log: &Log, capture: String, bringup: &Bringup) -> Boot {
    Boot {
        capture,
        engine: log.engine.clone(),
        exact: false,
        smp: u16::try_from(bringup.smp()).unwrap_or(u16::MAX),
        boot: 1,
        engine_version: bringup
            .version
            .as_ref()
            .map_or_else(String::new, |version| printable(&format!("Linux {version}"))),
        cpu_model: bringup.model.clone().unwrap_or_default(),
        command: Vec::new(),
        command_line: bringup.command_line.clone().unwrap_or_default(),
        profiles: Vec::new(),
        pinned: false,
        linux: Some(log.given.clone()),
        stderr: String::new(),
        seconds: 0.0,
        host_stamps: None,
    }
}
