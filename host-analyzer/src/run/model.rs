//! A run as data: boots, cells, and what was found wrong with them.

use crate::ground::manifest::{LinuxLog, Manifest};
use crate::run::aps::Aps;
use crate::run::clocks::Clocks;
use crate::run::host::HostTimes;
use crate::run::lost::Losses;
use crate::run::timeline::Disorder;
use crate::run::trials::Trials;
use crate::source::capture::Summary;
use crate::source::linux::Bringup;
use bringup::CpuIndex;
use bringup::class::Class;
use bringup::frame::{ApicMode, OVERRUNS, TscSource};
use bringup::options::Options;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// What the engine of a bare capture is called.
pub const UNKNOWN_ENGINE: &str = "unknown";

/// A run, or a bare capture read as one.
#[derive(Debug)]
pub struct Run {
    /// The run's folder, or the capture.
    pub path: PathBuf,
    /// `run.json`; `None` for a bare capture.
    pub manifest: Option<Manifest>,
    /// Every boot, in the order in which they ran.
    pub boots: Vec<Boot>,
    /// Every cell: by engine, then by CPU count, then as they came.
    pub cells: Vec<Cell>,
    /// What it lacks; a run without a gap is whole.
    pub gaps: Vec<Gap>,
    /// Captures in its folder that `run.json` does not list, by name.
    pub unlisted: Vec<String>,
    /// The first cell of each kind, whatever its repetitions are: they are 1 here.
    pub(super) kinds: HashMap<Kind, usize>,
}

/// Something that a run lacks, or has otherwise than it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// What of the run it concerns.
    pub part: Part,
    /// What is missing or different, in a sentence.
    pub what: String,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// All of it.
    Run,
    /// A boot: an index of [`Run::boots`].
    Boot(usize),
    /// A cell: an index of [`Run::cells`].
    Cell(usize),
}

impl Part {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Run => "run",
            Part::Boot(_) => "boot",
            Part::Cell(_) => "cell",
        }
    }
}

/// One boot and its capture.
#[derive(Debug)]
pub struct Boot {
    /// The capture's file.
    pub capture: PathBuf,
    /// Name of the engine.
    pub engine: String,
    /// Whether equal kernels and options give equal captures; `None` for a bare capture.
    pub exact: Option<bool>,
    /// The kernel's command line; `None` for a bare capture.
    pub command_line: Option<String>,
    /// CPUs, the BSP counted, as the kernel found them.
    pub smp: u16,
    /// A hash of the figures of its trials: equal for equal figures.
    pub figures: u64,
    /// CPUs that the engine was asked for; `None` for a bare capture.
    pub asked_smp: Option<u16>,
    /// Who sent on what machine; `None` where that frame was lost.
    pub machine: Option<Machine>,
    /// What the kernel logged, and of which CPUs; of very many different lines the first.
    pub logs: BTreeMap<String, BTreeSet<CpuIndex>>,
    /// Why the capture can't be read, or not to its end.
    pub unreadable: Option<String>,
    /// How well the capture could be read.
    pub summary: Summary,
    /// The cells of its command line that it reached, in order.
    pub cells: Vec<BootCell>,
    /// True where an AP did not come online in a trial of it.
    pub has_lost: bool,
    /// What it took on the host's clock; `None` on an exact engine and where that is not known.
    pub host: Option<HostTimes>,
    /// What the log says where a Linux was booted.
    pub linux: Option<Box<LinuxBoot>>,
}

/// A boot of a Linux.
#[derive(Debug)]
pub struct LinuxBoot {
    /// What its log says.
    pub bringup: Bringup,
    /// The class of each AP by its number.
    pub classes: BTreeMap<u32, Class>,
    /// What the user has said of it.
    pub given: LinuxLog,
    /// Frequency in kHz of the clock of its durations; `None` where it is unknown.
    pub khz: Option<u64>,
}

/// The machine, as the kernel found it; see [`bringup::frame::Hello`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Version of the kernel.
    pub kernel: String,
    /// The target that it was built for.
    pub build: String,
    /// Frequency of the TSC, in kHz.
    pub tsc_khz: u64,
    /// How that was found.
    pub tsc_source: TscSource,
    /// Largest less smallest of the measured frequencies, in kHz.
    pub tsc_spread_khz: u64,
    /// Whether CPUID promises one rate in all states.
    pub tsc_invariant: bool,
    /// The CPUs' vendor.
    pub vendor: String,
    /// The CPUs' model.
    pub model: String,
    /// The hypervisor's name; empty on bare metal.
    pub hypervisor: String,
    /// How the local APICs are addressed.
    pub apic_mode: ApicMode,
    /// Every CPU whose frame arrived.
    pub cpus: Vec<bringup::frame::Cpu>,
}

impl Machine {
    /// The class of each CPU, the BSP's first.
    pub fn classes(&self) -> Vec<Class> {
        classes(&self.cpus)
    }
}

/// The classes of a machine's CPUs.
pub fn classes(cpus: &[bringup::frame::Cpu]) -> Vec<Class> {
    let place = |cpu: &bringup::frame::Cpu| (cpu.package, cpu.core);
    let class = |(at, cpu)| Class::of(place(cpu), cpus[..at].iter().map(place));
    cpus.iter().enumerate().map(class).collect()
}

/// A cell of a boot's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootCell {
    /// Its index in the command line.
    pub index: u16,
    /// Where its numbers went: an index of [`Run::cells`]. `None` where the frame with its
    /// options was lost and no manifest has them.
    pub cell: Option<usize>,
    /// True where the frame with its options was lost, and these are the manifest's.
    pub assumed: bool,
    /// Trials of it that arrived whole, a cold one counted.
    pub whole: u32,
    /// Those of them whose number, or whether they are cold, does not fit the cell or the trial before.
    pub misnumbered: u32,
}

/// Engine, CPU count, profile, and all options as words: what makes a cell.
pub(super) type Kind = (String, u16, Option<String>, String);

/// Everything measured for one engine, CPU count and set of options.
#[derive(Debug)]
pub struct Cell {
    /// Name of the engine.
    pub engine: String,
    /// CPUs, the BSP counted.
    pub smp: u16,
    /// The profile that its costs were expanded from; `None` where they were not.
    pub profile: Option<String>,
    /// Frequency of that profile's TSC in kHz.
    pub profile_khz: Option<u64>,
    /// Every option.
    pub options: Options,
    /// Whether equal kernels and options give equal captures, in all of its boots; `None` for a bare capture.
    pub exact: Option<bool>,
    /// Frequency of the guest's TSC in kHz, of every boot that stated it.
    pub frequencies: Vec<u64>,
    /// The trials, without cold ones.
    pub trials: Trials,
    /// The cold trials: each its boot's first.
    pub cold: Trials,
    /// What the phases of each AP add up to over the trials without cold ones.
    pub aps: Aps,
    /// What the TSC sync has found out about the APs' clocks.
    pub clocks: Clocks,
    /// Trials with a missing frame; they are not used.
    pub incomplete: u64,
    /// APs that did not come online.
    pub losses: Losses,
    /// Online APs whose stamps make no phases: how often, and the first of each.
    pub disorders: BTreeMap<CpuIndex, (u64, Disorder)>,
    /// APs that entered the trampoline more than once, and how often that was so.
    pub double_starts: BTreeMap<CpuIndex, u64>,
    /// Online APs that never entered it, and how often that was so.
    pub unstarted: BTreeMap<CpuIndex, u64>,
    /// Trials whose end can't be that of their timelines: how many, and what the first has.
    pub contradictions: Option<(u64, String)>,
    /// Trials that break their strategy, cold ones too: how many, and the first.
    pub breaches: Option<(u64, Breach)>,
    /// Overruns of the trials without cold ones, in the order of [`OVERRUNS`].
    pub overruns: [Overrun; OVERRUNS.len()],
}

/// A trial that breaks its strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which boot: an index of [`Run::boots`].
    pub boot: u32,
    /// The cell's index in that boot's command line.
    pub cell: u16,
    /// The trial's number in the cell.
    pub trial: u32,
    /// The claim that it breaks, and the CPUs and stamps that break it.
    pub what: String,
}

/// How often a step took longer than its cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrun {
    /// How often.
    pub count: u64,
    /// By how much at most, in cycles.
    pub worst: u64,
    /// Whose that was.
    pub cpu: CpuIndex,
}
