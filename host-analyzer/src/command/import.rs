//! `import`: what others have measured, as a run.

use super::output::{note, print};
use crate::ground::failure::Failure;
use crate::ground::manifest::LinuxLog;
use crate::ground::text::printable;
use crate::ground::unit::Unit;
use crate::ground::width::wrapped;
use crate::judge::published;
use crate::present::show;
use crate::run::Run;
use crate::run::import::{Lines, Log, import};
use bringup::options::Strategy;
use bringup::words::Word;
use clap::builder::PossibleValuesParser;
use miette::miette;
use std::path::{Path, PathBuf};

/// Makes a run of what others have measured.
///
/// The run has run.json and the lines that were read, and every other command takes it: show, report, compare, check,
/// fit, predict. docs/linux.md says what of a log becomes what of a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo analyze import linux serial.log parallel.log
  cargo analyze import linux boot.log --out results/mine --siblings 14-27
  cargo analyze import published kvm-guest kvm-guest-parallel")]
pub struct Import {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Linux(Linux),
    Published(Published),
}

/// Reads logs of a Linux' bring-up: dmesg, serial console, tracefs' `trace`, `trace-cmd report`
///
/// Each file is a boot.
#[derive(Debug, clap::Args)]
struct Linux {
    /// The logs
    #[arg(required = true, value_name = "FILE")]
    logs: Vec<PathBuf>,
    /// The strategy, where the log does not show it
    #[arg(long, value_parser = PossibleValuesParser::new(Strategy::NAMES))]
    strategy: Option<String>,
    /// CPUs that are no first thread of a core, as `14-27` or `1,3,5`, for costs by class
    #[arg(long, value_name = "CPUS", value_parser = siblings)]
    siblings: Option<Siblings>,
    /// Frequency of the TSC in kHz, where the log has cycles and does not say so
    #[arg(long, value_name = "KHZ", value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    tsc_khz: Option<u64>,
    #[command(flatten)]
    place: Place,
}

/// Reads the published rows of a machine, a line for each AP
#[derive(Debug, clap::Args)]
struct Published {
    /// Machines of host-analyzer/published.toml that have rows
    #[arg(required = true, value_name = "MACHINE")]
    machines: Vec<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The run's folder, which must not exist [default: a new one under results/linux or results/published]
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
}

#[derive(Clone, Debug)]
struct Siblings(Vec<u16>);

fn siblings(text: &str) -> Result<Siblings, String> {
    published::cpus(text).map(Siblings)
}

impl Import {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let run = match self.what {
            What::Linux(Linux { logs, strategy, siblings, tsc_khz, place }) => {
                let siblings = siblings.map_or_else(Vec::new, |Siblings(cpus)| cpus);
                let given = LinuxLog { strategy, siblings, rows: None, tsc_khz };
                let log = |path| Log {
                    from: Lines::File(path),
                    engine: "linux".to_owned(),
                    given: given.clone(),
                };
                let logs: Vec<Log> = logs.into_iter().map(log).collect();
                import("linux", &logs, place.out.as_deref())?
            }
            What::Published(Published { machines, place }) => {
                rows(&machines, place.out.as_deref())?
            }
        };
        print(&wrapped(&show::table(&run, Unit::Auto)))?;
        note(&format!("run: {}", run.path.display()));
        Ok(())
    }
}

/// The rows of machines as a run: each is put into the form in which the debug patch of 2021 printed them.
fn rows(names: &[String], out: Option<&Path>) -> Result<Run, Failure> {
    let machines = published::read(None)?;
    let log = |name: &String| {
        let with_rows =
            || machines.iter().filter_map(|machine| Some((machine, machine.rows.as_ref()?)));
        let Some((_, rows)) = with_rows().find(|(machine, _)| machine.name == *name) else {
            let names: Vec<&str> = with_rows().map(|(machine, _)| machine.name.as_str()).collect();
            return Err(Failure::Request(miette!(
                help = format!("expected one of {}", names.join(", ")),
                "no machine `{}` has published rows",
                printable(name)
            )));
        };
        let given = LinuxLog {
            strategy: Some(rows.strategy.name().to_owned()),
            siblings: rows.siblings.clone(),
            rows: Some(name.clone()),
            tsc_khz: rows.tsc_khz,
        };
        Ok(Log {
            from: Lines::Text(name.clone(), rows.log()),
            engine: "published".to_owned(),
            given,
        })
    };
    let logs: Vec<Log> = names.iter().map(log).collect::<Result<_, _>>()?;
    import("published", &logs, out)
}
