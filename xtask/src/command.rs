//! The command line of `cargo xtask`: reads it, and hands each command to its module.

mod common;
mod complete;
mod conformance;
mod linux;
mod options;
mod storm;

use crate::linux::distribution;
use crate::runner::experiment::{self, Extent};
use crate::runner::interrupt;
use crate::runner::kernel::Kernel;
use crate::runner::progress::{Lines, write_line};
use crate::runner::run::{execute, go_on};
use crate::runner::scenario::{Counts, LONGEST_BOOT, MOST_BOOTS, Scenario};
use crate::setup::{Needs, ensure};
use crate::workspace::{find_root, root};
use crate::{image, newer_qemu, stages};
use clap::{CommandFactory, Parser, Subcommand};
use common::{Place, built, given, named, paths, prepared, prepared_for, print, scenario};
use host_analyzer::command::manual::{self, Shell};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::text::counted;
use host_analyzer::ground::unit::Unit;
use host_analyzer::ground::width::{self, wrapped};
use host_analyzer::present::format::Format;
use host_analyzer::present::show;
use host_analyzer::run::Run;
use miette::{MietteHandlerOpts, miette};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Builds Rollcall's kernel, boots it, and runs the tests.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find what is missing on this machine, for tests too, and install it
    Setup {
        /// Install without asking
        #[arg(long)]
        yes: bool,
        /// Fetch also kernels of this distribution for `cargo xtask linux`, which are installed nowhere
        #[arg(long)]
        linux: bool,
        /// Put a QEMU of version 9 or later beside an older one, which stays as it is: for x2APIC, and more than 255 CPUs
        #[arg(long)]
        newer_qemu: bool,
    },
    /// Build the kernel
    Build,
    /// Boot with the options given, and show the result; results/latest-run points to the run
    #[command(after_long_help = options::all())]
    Run {
        /// Options key=value, or key=value,value for a cell of each; each word `cell` begins a cell that inherits those
        /// before the first
        #[arg(value_name = "KEY=VALUE", add = complete::options())]
        words: Vec<String>,
        /// CPU counts, the BSP included: 4,8 or 2..=8 or '2..=128 * 2'
        #[arg(long, value_name = "N", default_value = "4", value_delimiter = ',')]
        smp: Vec<Counts>,
        /// What executes the kernel: icount, tcg, kvm, bochs or sim, or several with commas between
        #[arg(long, value_name = "ENGINE", default_value = "icount", value_delimiter = ',', add = complete::engines())]
        engine: Vec<String>,
        /// How long a boot may take
        #[arg(long, value_name = "S", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=LONGEST_BOOT))]
        limit_seconds: u64,
        /// What to print
        #[arg(long, default_value = "table", value_parser = Format::one_of(&[Format::Table, Format::Json]))]
        format: Format,
        #[command(flatten)]
        place: Place,
    },
    /// List the options of `run` and of scenarios, with defaults and meanings
    #[command(after_help = "Examples:
  cargo xtask options
  cargo xtask options cost-callin")]
    Options {
        /// Tell this one alone, with what it takes
        #[arg(value_name = "KEY", add = complete::keys())]
        key: Option<String>,
    },
    /// Run a scenario: every cell of its matrix, then the report
    Matrix {
        /// The scenario: a file, or the name of one in scenarios/ of this repository [default:
        /// default]
        #[arg(value_name = "FILE|NAME", add = complete::scenarios())]
        file: Option<PathBuf>,
        #[command(flatten)]
        boots: Boots,
        #[command(flatten)]
        place: Place,
    },
    /// Make a disk image that any PC boots, by BIOS or UEFI, with a scenario's cells in its menu
    #[command(after_help = "Examples:
  cargo xtask image
  cargo xtask image kernel-alone --boot-options 'serial=0x2f8 apic=x2apic' -o /tmp/rollcall.iso")]
    Image {
        /// The scenario: a file, or the name of one in scenarios/ of this repository [default: default]
        #[arg(value_name = "FILE|NAME", add = complete::scenarios())]
        file: Option<PathBuf>,
        /// Options of the whole boot, for every entry of the menu: apic, tsc-source, serial, rsdp
        #[arg(long, value_name = "WORDS", default_value = "")]
        boot_options: String,
        /// Where the image goes [default: target/rollcall.iso of this repository]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    Linux(linux::Linux),
    Storm(storm::Storm),
    Conformance(conformance::Conformance),
    /// Measure `compare` itself: how often it is wrong on equal things, and finds a planted change
    Experiment {
        /// A built-in engine
        #[arg(long, value_name = "ENGINE", default_value = "tcg", add = complete::engines())]
        engine: String,
        /// Pairs of equal runs, and of a run and one with a planted slow-down
        #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
        pairs: u32,
        /// Boots of each run; a comparison that asks for more gets them
        #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
        boots: u32,
        /// Where summary.json and summary.md go [default: results/reference/experiment/ of this repository]
        #[arg(long, value_name = "DIR")]
        summary: Option<PathBuf>,
        /// Where the runs go [default: a temporary folder, kept only where a boot fails]
        #[arg(long, value_name = "DIR")]
        results: Option<PathBuf>,
    },
    /// Run every check of the project, in order, until one fails
    Test {
        /// Stages to run: fmt, clippy, clippy-kernel, doc, unit, page, loom, kernel; of `--long`
        /// properties, kernel-long, bench
        #[arg(add = complete::stages())]
        stages: Vec<String>,
        /// Run also the stages that are worth more time, and keep the summary of all
        #[arg(long, conflicts_with = "stages")]
        long: bool,
    },
    /// Print a script that completes this program's words in a shell
    ///
    /// `cargo xtask` is not a word of its own, so make an alias and complete that. The shell asks the program that cargo
    /// has built last.
    #[command(after_help = "Examples:
  alias xtask='cargo xtask'; source <(cargo xtask completions bash)")]
    Completions {
        /// The shell
        shell: Shell,
        /// The alias
        #[arg(long, value_name = "NAME", default_value = "xtask")]
        name: String,
    },
    /// Write manual pages into a folder
    #[command(after_help = "Examples:
  cargo xtask man ~/.local/share/man/man1    # then: cargo help xtask")]
    Man {
        /// The folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// How many boots there are, and how many at a time.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
struct Boots {
    /// Go on from the last run of the scenario: a new run with all of its boots, and N more of the whole
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_BOOTS))]
    more_boots: Option<u32>,
    /// Boots of exact engines at a time; a boot of a noisy one has the host to itself [default: the host's CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

impl Boots {
    fn jobs(self) -> usize {
        let of_host = || thread::available_parallelism().map_or(1, usize::from);
        self.jobs.map_or_else(of_host, usize::from)
    }
}

/// Reads the command line and carries out its command.
pub fn main() -> Result<(), Failure> {
    // Paths and commands in messages must stay in one piece.
    let unwrapped = |_: &_| Box::new(MietteHandlerOpts::new().wrap_lines(false).build()) as _;
    // It can only be set once, and is, here.
    let _ = miette::set_hook(Box::new(unwrapped));
    manual::complete(Arguments::command);
    width::find();
    let Arguments { command } = Arguments::parse();
    interrupt::watch()?;
    find_root().map_err(|_| {
        Failure::Request(miette!(
            help = "run `cargo xtask` in a checkout of Rollcall",
            "neither this folder nor one above it is a checkout of Rollcall"
        ))
    })?;
    carry_out(command)
}

fn carry_out(command: Command) -> Result<(), Failure> {
    match command {
        Command::Setup { yes, linux, newer_qemu } => set_up(yes, linux, newer_qemu),
        Command::Build => {
            ensure(Needs { kernel: true, ..Needs::NONE }, false)?;
            let Kernel { path, described } = built()?;
            let path = path.display();
            print(&format_args!(
                "{path}\ntarget: {}\nsha256: {}",
                described.target, described.sha256
            ))
        }
        Command::Run { words, smp, engine, limit_seconds, format, place } => {
            let limit = Duration::from_secs(limit_seconds);
            let engines = engine.iter().map(|name| named(name)).collect::<Result<Vec<_>, _>>()?;
            let smp: Vec<u16> = smp.into_iter().flat_map(|Counts(counts)| counts).collect();
            let scenario = Scenario::single(&engines, &smp, &words.join(" "), limit)?;
            let lines = if scenario.groups.len() == 1 { Lines::Trials } else { Lines::Boots };
            let run = measured(scenario, &place.folder(), lines, Boots::default())?;
            match format {
                Format::Json => print(&format_args!("{:#}", show::json(&run)))?,
                _ => print_run(&run)?,
            }
            run.verdict()
        }
        Command::Options { key } => print(&match key {
            Some(key) => options::one(&key)?,
            None => options::all(),
        }),
        Command::Matrix { file, boots, place } => {
            let run = measured(scenario(file)?, &place.folder(), Lines::Boots, boots)?;
            print_run(&run)?;
            run.verdict()
        }
        Command::Image { file, boot_options, output } => {
            let scenario = scenario(file)?;
            ensure(Needs { kernel: true, image: true, ..Needs::NONE }, false)?;
            let output = output.unwrap_or_else(|| root().join("target/rollcall.iso"));
            print(&image::write(&scenario, &boot_options, &built()?, &output)?)
        }
        Command::Linux(words) => words.run(),
        Command::Storm(words) => words.run(),
        Command::Conformance(words) => words.run(),
        Command::Experiment { engine, pairs, boots, summary, results } => {
            let folder = summary.unwrap_or_else(|| root().join("results/reference/experiment"));
            let engine = engine.as_str();
            experiment(Extent { engine, pairs, boots }, &folder, results.as_deref())
        }
        Command::Test { stages, long } => stages::test(&stages, long, false),
        Command::Completions { shell, name } => {
            let script = manual::completions(shell, &name)?;
            print(&String::from_utf8_lossy(&script).trim_end())
        }
        Command::Man { folder } => {
            let pages = manual::pages(Arguments::command(), "cargo-xtask", &folder)?;
            print(&format_args!("{} in {}", counted(pages as u64, "page"), folder.display()))
        }
    }
}

/// Prints a run's table, and where its report is.
fn print_run(run: &Run) -> Result<(), Failure> {
    let table = wrapped(&show::table(run, Unit::Auto));
    print(&format_args!("{}\n\n{}", table.trim_end(), paths(&run.path)))
}

/// Installs what is missing, and fetches what else is asked for.
fn set_up(yes: bool, linux: bool, newer_qemu: bool) -> Result<(), Failure> {
    ensure(Needs::ALL, yes)?;
    if linux {
        for kernel in distribution::fetch()? {
            print(&format_args!("kernel: {}", kernel.display()))?;
        }
    }
    if newer_qemu {
        print(&format_args!("QEMU: {}", newer_qemu::set_up()?.display()))?;
    }
    print(&"everything that Rollcall needs is here")
}

/// Makes the experiment and writes its summary.
fn experiment(extent: Extent<'_>, folder: &Path, results: Option<&Path>) -> Result<(), Failure> {
    let kernel = prepared(&[named(extent.engine)?])?;
    let mut scratch = tempfile::tempdir().map_err(|error| {
        Failure::Environment(miette!("can't make a folder for the runs: {error}"))
    })?;
    let results = results.unwrap_or(scratch.path());
    let summary = experiment::run(extent, kernel.as_ref(), results, write_line);
    if summary.is_err() && scratch.path().read_dir().is_ok_and(|mut runs| runs.next().is_some()) {
        write_line(&format!("the runs until then are kept in {}", scratch.path().display()));
        scratch.disable_cleanup(true);
    }
    let summary = summary?;
    summary.write(folder)?;
    print(&summary.markdown().trim_end())?;
    summary.verdict()
}

/// Sets the machine up for the scenario that this program was asked for, then runs it.
fn measured(
    mut scenario: Scenario,
    results: &Path,
    lines: Lines,
    boots: Boots,
) -> Result<Run, Failure> {
    scenario.command = given();
    let kernel = prepared_for(&scenario)?;
    if let Some(more) = boots.more_boots {
        go_on(&mut scenario, more, results, kernel.as_ref())?;
    }
    execute(&scenario, kernel.as_ref(), results, lines, boots.jobs())
}
