//! A run: what its captures say, gathered to cells.
//!
//! Captures are read as a stream. Of every trial a few numbers stay ([`Trial`]); the timelines of
//! the few trials that are shown one by one are read in a second pass ([`Run::median_trials`]).

mod aps;
mod clocks;
mod follow;
mod gaps;
mod gather;
pub mod kept;
pub mod measure;
mod replay;
mod reservoir;
pub mod timeline;
mod trials;

use crate::ground::failure::Failure;
use crate::ground::manifest::{self, Manifest};
use crate::ground::text::printable;
use crate::ground::text::times;
use crate::judge::statistics::{Interval, Sample, Spread};
use crate::run::measure::Measure;
use crate::run::timeline::Disorder;
use crate::source::capture::Summary;
use bringup::CpuIndex;
use bringup::class::Class;
use bringup::frame::OVERRUNS;
use bringup::frame::{ApEnd, ApTimeline, ApicMode, TscSource};
use bringup::options::{self, Kick, Options, Strategy, kind_of};
use bringup::phase::Phase;
use bringup::stamp::Stamp;
use gather::Gatherer;
use miette::{Report, miette};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::hash::Hash;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

pub use aps::{Ap, Aps};
pub use clocks::Clocks;
pub use gaps::{Gap, Part};
pub use replay::WholeTrial;
pub use reservoir::{KEPT, Reservoir};
pub use trials::Trials;

/// What the engine of a bare capture is called.
pub const UNKNOWN_ENGINE: &str = "unknown";

/// The name under which a cell's profile stands among its options.
pub const PROFILE: &str = "profile";

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
    /// What it lacks: a run without a gap is whole.
    pub gaps: Vec<Gap>,
    /// Captures in its folder that `run.json` does not list, by name.
    pub unlisted: Vec<String>,
    /// What makes a result doubtful, one sentence each; the gaps are among them.
    pub warnings: Vec<String>,
    /// The first cell of each kind, whatever its repetitions are: they are 1 here.
    kinds: HashMap<Kind, usize>,
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
    /// Lines that the kernel had to say, the first few.
    pub logs: Vec<String>,
    /// Why the capture can't be read, or not to its end.
    pub unreadable: Option<String>,
    /// How well the capture could be read.
    pub summary: Summary,
    /// What became of the cells of its command line.
    pub cells: Vec<BootCell>,
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
        let place = |cpu: &bringup::frame::Cpu| (cpu.package, cpu.core);
        let class = |(at, cpu)| Class::of(place(cpu), self.cpus[..at].iter().map(place));
        self.cpus.iter().enumerate().map(class).collect()
    }
}

impl Boot {
    /// What two boots must share for their figures to be comparable: engine, CPU count, command line, and
    /// of each cell where its numbers went and how many trials are whole.
    pub(crate) fn asked(&self) -> impl Hash + Eq + use<'_> {
        let cells = self.cells.iter().map(|cell| (cell.index, cell.cell, cell.whole));
        (&self.engine, self.smp, &self.command_line, cells.collect::<Vec<_>>())
    }
}

/// A cell of a boot's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootCell {
    /// Its index in the command line.
    pub index: u16,
    /// Where its numbers went: an index of [`Run::cells`]. `None` where the frame with its
    /// options was lost and no manifest tells them.
    pub cell: Option<usize>,
    /// True where the frame with its options was lost, and these are the manifest's.
    pub assumed: bool,
    /// Trials of it that arrived whole, a cold one counted.
    pub whole: u32,
    /// Those of them whose number, or whether they are cold, does not fit the cell or the trial before.
    pub misnumbered: u32,
}

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
    /// Frequency of the guest's TSC in kHz, of every boot that told it.
    pub frequencies: Vec<u64>,
    /// The trials, without cold ones.
    pub trials: Trials,
    /// The cold trials: each its boot's first.
    pub cold: Trials,
    /// What the phases of each AP add up to over the trials without cold ones.
    pub aps: Aps,
    /// What the TSC sync has found out about the APs' clocks.
    pub clocks: Clocks,
    /// Trials of which a frame is missing; they are not used.
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
    /// Overruns of the trials without cold ones, in the order of [`OVERRUNS`].
    pub overruns: [Overrun; OVERRUNS.len()],
}

/// The APs of a cell that did not come online, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// In the trials that are counted: whole ones without cold ones.
    pub counted: BTreeMap<LostAp, u64>,
    /// In cold trials that are whole.
    pub cold: BTreeMap<LostAp, u64>,
    /// In trials of which a frame is missing.
    pub incomplete: BTreeMap<LostAp, u64>,
}

/// How an AP was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LostAp {
    /// Which.
    pub cpu: CpuIndex,
    /// How it ended.
    pub end: LostEnd,
}

/// How an AP ended that is not online.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LostEnd {
    /// It got no further than this stamp; `None`: it was not even kicked.
    After(Option<Stamp>),
    /// It answered the job, wrongly.
    WrongAnswer,
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

/// What is kept of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trial {
    /// Which boot: an index of [`Run::boots`].
    pub boot: u32,
    /// The cell's index in that boot's command line.
    pub cell: u16,
    /// The trial's number in the cell.
    pub number: u32,
    /// From zero until the BSP knew the last AP online, or lost; cycles.
    pub total: u64,
    /// From zero until the last `kick_end`; cycles.
    pub kick_loop: u64,
    /// The six phases in the order of [`Phase::ALL`]: each the mean over the online APs, rounded
    /// to whole cycles; `None` where there is no AP to take it of.
    pub phases: Option<[u64; 6]>,
    /// The parts of [`Phase::Sipi`] in the order of [`bringup::phase::SubPhase::ALL`], likewise.
    pub sub_phases: Option<[u64; 3]>,
    /// APs that did not come online.
    pub lost: u16,
    /// Steps that took longer than their cost.
    pub overruns: u32,
}

/// A trial with its timelines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullTrial {
    /// Its numbers.
    pub trial: Trial,
    /// Its APs in the order of their indices, all stamps on the BSP's clock.
    pub timelines: Vec<ApTimeline>,
}

impl Run {
    /// Opens a run folder (or the link `results/latest` to one), or a bare capture.
    ///
    /// A capture of a run folder that can't be read is a [`Gap`], as long as another one can.
    ///
    /// Fails with [`Failure::Request`] where there is no such run, or none of its captures is there, is a
    /// capture and has options that this version can read; with [`Failure::Environment`] where a file
    /// can't be read.
    pub fn open(path: &Path) -> Result<Run, Failure> {
        let about = fs::metadata(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::Request(no_run(path)),
            _ => Failure::Environment(miette!(
                help = "look at its permissions",
                "can't read {}: {error}",
                path.display()
            )),
        })?;
        // A pipe would be waited for, a device has no end.
        if !about.is_dir() && !about.is_file() {
            return Err(Failure::Request(miette!(
                help = "name a run's folder or one of its captures",
                "{} is neither a folder nor a regular file",
                path.display()
            )));
        }
        let manifest = if about.is_dir() { Some(read_manifest(path)?) } else { None };
        let mut gatherer = Gatherer::default();
        match &manifest {
            Some(manifest) => {
                let mut first = Ok(());
                for boot in &manifest.boots {
                    first = first.and(gatherer.read(path.join(&boot.capture), Some(boot)));
                }
                if gatherer.has_nothing() {
                    first?;
                }
            }
            None => gatherer.read(path.to_owned(), None)?,
        }
        let (boots, mut cells) = gatherer.finish();
        for cell in &mut cells {
            let mut profiles = manifest.iter().flat_map(|manifest| &manifest.profiles);
            let its = profiles.find(|profile| cell.profile.as_ref() == Some(&profile.name));
            cell.profile_khz = its.map(|profile| profile.tsc_khz);
        }
        let unlisted = manifest.iter().flat_map(|manifest| unlisted(path, manifest)).collect();
        let mut kinds = HashMap::new();
        for (index, cell) in cells.iter().enumerate() {
            kinds.entry(cell.kind(cell.options.clone())).or_insert(index);
        }
        let path = path.to_owned();
        let (gaps, warnings) = (Vec::new(), Vec::new());
        let mut run = Run { path, manifest, boots, cells, gaps, unlisted, warnings, kinds };
        run.gaps = gaps::of(&run);
        run.warnings = crate::judge::warnings::of(&run);
        Ok(run)
    }

    /// What a part of the run is called; the options are those that vary ([`Run::varying_options`]).
    pub fn name(&self, part: Part, varying: &[&str]) -> String {
        match part {
            Part::Run => printable(&self.path.display().to_string()),
            Part::Boot(index) => {
                let capture = &self.boots[index].capture;
                let inside = capture.strip_prefix(&self.path).unwrap_or(capture);
                let name = if self.manifest.is_none() { capture } else { inside };
                printable(&name.display().to_string())
            }
            Part::Cell(index) => self.cells[index].label(varying),
        }
    }

    /// What there is to say of a part of the run.
    pub(crate) fn sentence(&self, part: Part, varying: &[&str], what: &str) -> String {
        format!("{}: {}", self.name(part, varying), printable(what))
    }

    /// APs that did not come online, over all trials, cold and incomplete ones too.
    pub fn lost_aps(&self) -> u64 {
        self.cells.iter().map(Cell::lost_in_all_trials).sum()
    }

    /// The same in words, with the trials that they were lost in.
    fn lost_text(&self) -> String {
        let [mut counted, mut cold, mut incomplete] = [0; 3];
        for Losses { counted: one, cold: two, incomplete: three } in
            self.cells.iter().map(|cell| &cell.losses)
        {
            counted += one.values().sum::<u64>();
            cold += two.values().sum::<u64>();
            incomplete += three.values().sum::<u64>();
        }
        let all =
            [(counted, "the trials"), (cold, "cold trials"), (incomplete, "incomplete trials")];
        let told = all.iter().filter(|(number, _)| *number > 0);
        let told = told.map(|(number, which)| format!("{} in {which}", times(*number)));
        format!("an AP did not come online {}", told.collect::<Vec<_>>().join(", "))
    }

    /// `Ok` if every AP came online and the run holds all that it set out to measure, else the
    /// [`Failure::Verdict`] that a command ends with.
    pub fn verdict(&self) -> Result<(), Failure> {
        let lost = (self.lost_aps() > 0).then(|| self.lost_text());
        let gaps = match &self.gaps[..] {
            [] => None,
            [gap] => Some(gap.what.clone()),
            [first, more @ ..] => Some(format!("{}; and {} more", first.what, more.len())),
        };
        let what: Vec<String> = lost.into_iter().chain(gaps).collect();
        if what.is_empty() {
            return Ok(());
        }
        Err(Failure::Verdict(miette!(
            help = "the warnings say which and how far they came",
            "{} in {}",
            what.join("; "),
            self.path.display()
        )))
    }

    /// What differs between cells, by name: [`PROFILE`], and options; `strategy` always. Options
    /// that differ because the profiles or the engines do are left out: those names say it all.
    pub fn varying_options(&self) -> Vec<&'static str> {
        let profiles = self.differs(PROFILE);
        let profile = |cell: &Cell| cell.option(PROFILE);
        let engine = |cell: &Cell| cell.engine.clone();
        let of_machine = |key: &str| kind_of(key).is_some_and(options::Kind::is_of_machine);
        [PROFILE]
            .into_iter()
            .chain(Options::names())
            .filter(|key| kind_of(key) == Some(options::Kind::Strategy) || self.differs(key))
            .filter(|key| !(profiles && of_machine(key) && self.follows(key, profile)))
            .filter(|key| {
                kind_of(key) == Some(options::Kind::Strategy) || !self.follows(key, engine)
            })
            .collect()
    }

    /// True where an option has one value for each of something else.
    fn follows(&self, key: &str, what: impl Fn(&Cell) -> String) -> bool {
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        self.cells.iter().all(|cell| {
            let value = cell.option(key);
            *values.entry(what(cell)).or_insert_with(|| value.clone()) == value
        })
    }

    /// What all cells have in common, by name and value: their profile if they have one, and
    /// options.
    pub fn common_options(&self) -> Vec<(&'static str, String)> {
        let Some(first) = self.cells.first() else { return Vec::new() };
        let profile = first.profile.is_some().then_some(PROFILE);
        profile
            .into_iter()
            .chain(Options::names())
            .filter(|key| kind_of(key) != Some(options::Kind::Strategy) && !self.differs(key))
            .map(|key| (key, first.option(key)))
            .collect()
    }

    fn differs(&self, key: &str) -> bool {
        let mut values = self.cells.iter().map(|cell| cell.option(key));
        let first = values.next();
        values.any(|value| Some(value) != first)
    }

    /// The cell that a cell's speed-up is told against: `serial` with the same engine, CPU count,
    /// profile and otherwise equal options. A broadcast is compared with `kick=unicast`, since serial can't
    /// broadcast; `repetitions` need not be equal.
    pub fn serial_of(&self, cell: &Cell) -> Option<&Cell> {
        let mut wanted = cell.options.clone();
        wanted.strategy = Strategy::Serial;
        wanted.kick = Kick::Unicast;
        self.kinds.get(&cell.kind(wanted)).map(|index| &self.cells[*index])
    }

    /// How many times as fast a cell is as its [`Run::serial_of`], by the median totals; `None`
    /// where one of the two has lost an AP, since they did not do the same then.
    pub fn speed_up(&self, cell: &Cell) -> Option<f64> {
        let serial = self.serial_of(cell)?;
        if cell.lost_in_all_trials() + serial.lost_in_all_trials() > 0 {
            return None;
        }
        let (serial, total) = (serial.total()?.median, cell.total()?.median);
        (total > 0 && serial > 0).then(|| serial as f64 / total as f64)
    }

    /// The median trial of every cell with its timelines, in the order of [`Run::cells`]; `None`
    /// where a cell has no whole trial. Reads the captures again.
    ///
    /// The median trial is the one whose total is the median; of an even count the lower of the
    /// two in the middle.
    pub fn median_trials(&self) -> Result<Vec<Option<FullTrial>>, Failure> {
        let wanted: Vec<Vec<Trial>> =
            self.cells.iter().map(|cell| cell.median_trial().into_iter().collect()).collect();
        Ok(self.with_timelines(&wanted)?.into_iter().map(|mut found| found.pop()).collect())
    }
}

/// Engine, CPU count, profile, and all options as words: what makes a cell.
type Kind = (String, u16, Option<String>, String);

impl Cell {
    /// The kind of a cell with these options instead, whatever their repetitions are.
    fn kind(&self, options: Options) -> Kind {
        let options = Options { repetitions: 1, ..options };
        (self.engine.clone(), self.smp, self.profile.clone(), options.to_string())
    }

    /// A measure over the trials, in cycles; `None` where no trial has it.
    pub fn spread(&self, measure: Measure) -> Option<Spread> {
        self.trials.spread(measure)
    }

    /// Total of the trials, in cycles.
    pub fn total(&self) -> Option<Spread> {
        self.spread(Measure::Total)
    }

    /// Kick loop of the trials, in cycles.
    pub fn kick_loop(&self) -> Option<Spread> {
        self.spread(Measure::KickLoop)
    }

    /// A phase over the trials, each the mean of its APs, in cycles; `None` where no trial has an
    /// online AP.
    pub fn phase(&self, phase: Phase) -> Option<Spread> {
        self.spread(Measure::Phase(phase))
    }

    /// A measure of the trials that are kept, by boot.
    pub fn sample(&self, measure: Measure) -> Sample {
        Sample::of(self.trials.iter().filter_map(|trial| Some((trial.boot, measure.of(trial)?))))
    }

    /// Where the median of a measure lies, in cycles, by resampling boots. `None` on an exact
    /// engine, which needs none, and of fewer than
    /// [`BOOTS_FOR_INTERVAL`](crate::judge::statistics::BOOTS_FOR_INTERVAL) boots.
    pub fn interval(&self, measure: Measure) -> Option<Interval> {
        if self.exact == Some(true) { None } else { self.sample(measure).interval() }
    }

    /// Frequency in kHz of the clock that the cycles are of: that of the machine which the options name, else
    /// the guest's own TSC.
    pub fn tsc_khz(&self) -> Option<u64> {
        self.clock_over(self.own_khz())
    }

    /// The same where the guest's own TSC has this frequency.
    pub fn clock_over(&self, own: Option<u64>) -> Option<u64> {
        // A kernel that did not know `clock-khz` was given cycles of the profile's clock all the same.
        let own = self.profile_khz.or(own).unwrap_or(0);
        Some(self.options.clock(own)).filter(|khz| *khz > 0)
    }

    /// Frequency in kHz of the guest's own TSC: the median of what the boots told.
    pub fn own_khz(&self) -> Option<u64> {
        Spread::of(self.frequencies.iter().copied()).map(|spread| spread.median)
    }

    /// APs that did not come online, over the trials without cold ones.
    pub fn lost(&self) -> u64 {
        self.losses.counted.values().sum()
    }

    /// The same over all trials, cold and incomplete ones too.
    pub fn lost_in_all_trials(&self) -> u64 {
        let Losses { counted, cold, incomplete } = &self.losses;
        [counted, cold, incomplete].into_iter().flat_map(BTreeMap::values).sum()
    }

    /// Steps that took longer than their cost, over the trials without cold ones.
    pub fn overrun_count(&self) -> u64 {
        self.overruns.iter().map(|overrun| overrun.count).sum()
    }

    /// What tells the cell from the others of a run, given the options that vary in it
    /// ([`Run::varying_options`]): `icount, 28 CPUs, serial, wait=spin`. It is [`printable`].
    pub fn label(&self, varying: &[&str]) -> String {
        let cpus = if self.smp == 1 { "CPU" } else { "CPUs" };
        let engine = printable(&self.engine);
        format!("{engine}, {} {cpus}, {}", self.smp, self.options_label(varying))
    }

    /// The options that vary in a run, the strategy by its value alone: `serial, wait=spin`.
    pub fn options_label(&self, varying: &[&str]) -> String {
        let mut label = self.options.strategy.to_string();
        for key in varying.iter().filter(|key| kind_of(key) != Some(options::Kind::Strategy)) {
            label += &format!(", {key}={}", printable(&self.option(key)));
        }
        label
    }

    /// An option's value as its word, or the name of the [`PROFILE`].
    pub fn option(&self, key: &str) -> String {
        if key == PROFILE {
            return self.profile.as_deref().unwrap_or("none").to_owned();
        }
        self.options.value(key).to_string()
    }

    /// The trial whose total is the median; see [`Run::median_trials`].
    pub fn median_trial(&self) -> Option<Trial> {
        let trials = self.ranked_trials();
        trials.get(trials.len().saturating_sub(1) / 2).copied()
    }

    /// The trials without cold ones, the fastest first.
    pub fn ranked_trials(&self) -> Vec<Trial> {
        let mut trials = self.trials.to_vec();
        trials.sort_by_key(|trial| (trial.total, trial.boot, trial.number));
        trials
    }
}

impl LostAp {
    /// The AP, if it did not come online.
    pub fn of(timeline: &ApTimeline) -> Option<LostAp> {
        let end = match timeline.end {
            ApEnd::Online => return None,
            ApEnd::Lost(stamp) => LostEnd::After(stamp),
            ApEnd::WrongAnswer => LostEnd::WrongAnswer,
        };
        Some(LostAp { cpu: timeline.cpu, end })
    }

    /// Which and how it ended, as ``CPU 3 after `init` ``.
    pub fn text(&self) -> String {
        format!("{} {}", self.cpu, self.ending())
    }

    /// How it ended, as ``after `init` ``.
    pub fn ending(&self) -> String {
        match self.end {
            LostEnd::After(Some(stamp)) => format!("after `{}`", stamp.name()),
            LostEnd::After(None) => "before it was kicked".to_owned(),
            LostEnd::WrongAnswer => "with a wrong answer".to_owned(),
        }
    }
}

fn no_run(path: &Path) -> Report {
    miette!(
        help = "`cargo xtask matrix` makes a run and points results/latest to it; or name a run \
                folder or a capture",
        "there is no run at {}",
        path.display()
    )
}

/// Reads a run folder's `run.json`; every capture that it names lies inside the folder.
///
/// Fails with [`Failure::Request`] where there is none, or it can't be used, and with
/// [`Failure::Environment`] where it can't be read.
pub fn read_manifest(folder: &Path) -> Result<Manifest, Failure> {
    let path = folder.join("run.json");
    let unusable = |what: String| {
        Failure::Request(miette!(
            help = "the captures are untouched: name one of those under captures/, or measure \
                    again with `cargo xtask matrix`",
            "{} can't be used: {what}",
            path.display()
        ))
    };
    let irregular = |path: &Path| {
        // A pipe would be waited for, a device has no end.
        fs::metadata(path).is_ok_and(|about| !about.is_file())
    };
    if irregular(&path) {
        return Err(unusable("it is no regular file".to_owned()));
    }
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::Request(miette!(
            help = "every run folder has one (`cargo xtask matrix` makes runs); of one that has \
                    lost it, name a capture under captures/",
            "{} is no run folder: it has no run.json",
            folder.display()
        )),
        ErrorKind::InvalidData => unusable("it is not UTF-8".to_owned()),
        _ => Failure::Environment(miette!(
            help = "look at its permissions",
            "can't read {}: {error}",
            path.display()
        )),
    })?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| unusable(format!("it is no JSON: {error}")))?;
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(schema) if schema == u64::from(manifest::SCHEMA) => {}
        Some(schema) => {
            return Err(unusable(format!(
                "it has schema {schema}, this analyzer reads {}",
                manifest::SCHEMA
            )));
        }
        None => return Err(unusable("it has no number called `schema`".to_owned())),
    }
    // From the text, for the line and column in the message.
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    let captures = manifest.boots.iter().map(|boot| &boot.capture);
    let mut listed = HashSet::new();
    for capture in captures {
        let name = printable(capture);
        if !lies_inside(folder, capture) {
            return Err(unusable(format!("the capture `{name}` is outside the run's folder")));
        }
        if irregular(&folder.join(capture)) {
            return Err(unusable(format!("the capture `{name}` is no regular file")));
        }
        // By whatever way it is reached; of what is not there, as it is named.
        let file = folder.join(capture);
        if !listed.insert(fs::canonicalize(&file).unwrap_or(file)) {
            return Err(unusable(format!(
                "it lists the capture `{name}` twice, and expected is one for each boot"
            )));
        }
    }
    Ok(manifest)
}

/// The names of the captures beside those that a manifest lists.
fn unlisted(folder: &Path, manifest: &Manifest) -> Vec<String> {
    let listed: HashSet<&Path> =
        manifest.boots.iter().map(|boot| Path::new(&boot.capture)).collect();
    // A run without the folder lacks captures, which is reported of each.
    let there = fs::read_dir(folder.join("captures")).into_iter().flatten().flatten();
    let captures = there.map(|entry| Path::new("captures").join(entry.file_name()));
    let mut unlisted: Vec<String> = captures
        .filter(|capture| capture.extension().is_some_and(|extension| extension == "bin"))
        .filter(|capture| !listed.contains(capture.as_path()))
        .map(|capture| capture.display().to_string())
        .collect();
    unlisted.sort_unstable();
    unlisted
}

/// Whether a path of a manifest's stays in the folder, links followed. A run folder may come from
/// anywhere, and must not have other files read.
fn lies_inside(folder: &Path, path: &str) -> bool {
    let mut components = Path::new(path).components().peekable();
    let plain = components.peek().is_some()
        && components.all(|component| matches!(component, Component::Normal(_)));
    // What does not exist is told when it is read.
    let resolved = fs::canonicalize(folder)
        .and_then(|folder| Ok(fs::canonicalize(folder.join(path))?.starts_with(folder)));
    plain && resolved.unwrap_or(true)
}
