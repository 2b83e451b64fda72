//! From frames to one boot: follows it frame by frame and adds its trials to their cells.

use crate::ground::manifest;
use crate::ground::text::printable;
use crate::run::follow::Follower;
use crate::run::host::HostTimes;
use crate::run::lost::LostAp;
use crate::run::model::{Boot, BootCell, Machine, classes};
use crate::run::open::cells::{Cells, engine};
use crate::run::open::whole_trial;
use crate::run::trial::Trial;
use crate::source::capture::Summary;
use bringup::CpuIndex;
use bringup::class::Class;
use bringup::frame::{ApEnd, ApTimeline, Body, CellBegin, Cpu, Frame, Hello, TrialBegin, TrialEnd};
use bringup::options::Options;
use bringup::plan::Plan;
use miette::{Report, miette};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// How many different log lines of a boot are kept.
const LOGS_KEPT: usize = 100;

/// Follows one boot.
pub struct Reader<'a> {
    boot: u32,
    /// The manifest's entry for the boot.
    listed: Option<&'a manifest::Boot>,
    /// The cells of its command line, once one of them was needed.
    planned: Option<Vec<Options>>,
    cells: &'a mut Cells,
    machine: Option<Machine>,
    /// From the `Cpu` frames; those of a lost `Hello` come before any machine.
    cpus: Vec<Cpu>,
    /// Their classes, once a cell began.
    classes: Vec<Class>,
    smp: Option<u16>,
    logs: BTreeMap<String, BTreeSet<CpuIndex>>,
    seen: Vec<BootCell>,
    follower: Follower,
    /// The number of the last whole trial of the cell that the boot is in.
    last_trial: Option<u32>,
    figures: DefaultHasher,
    /// Lost APs since the last whole trial, each with its cell.
    lost: Vec<(usize, LostAp)>,
    /// True where an AP was lost in any trial so far.
    has_lost: bool,
}

impl<'a> Reader<'a> {
    /// For the boot of that index, which adds to these cells.
    pub fn new(
        boot: usize,
        listed: Option<&'a manifest::Boot>,
        cells: &'a mut Cells,
    ) -> Reader<'a> {
        Reader {
            boot: boot as u32,
            listed,
            planned: None,
            cells,
            machine: None,
            cpus: Vec::new(),
            classes: Vec::new(),
            smp: None,
            logs: BTreeMap::new(),
            seen: Vec::new(),
            follower: Follower::default(),
            last_trial: None,
            figures: DefaultHasher::new(),
            lost: Vec::new(),
            has_lost: false,
        }
    }

    /// Takes the next frame. Fails where it can't be understood; nothing after it can be used then.
    pub fn take(&mut self, frame: &Frame<'_>) -> Result<(), Report> {
        match &frame.body {
            Body::Hello(hello) => {
                self.machine = Some(machine(hello));
                self.smp = Some(hello.cpus);
            }
            Body::Cpu(cpu) => self.cpus.push(*cpu),
            Body::CellBegin(begin) => {
                if self.classes.len() != self.cpus.len() {
                    self.classes = classes(&self.cpus);
                }
                self.open_cell(begin)?;
            }
            Body::TrialBegin(begin) => {
                self.end_incomplete();
                self.reach_cell(begin.cell)?;
            }
            Body::ApTimeline(timeline) => self.take_timeline(timeline),
            Body::Log(log) => {
                let text = printable(log.text);
                if self.logs.len() < LOGS_KEPT || self.logs.contains_key(&text) {
                    self.logs.entry(text).or_default().insert(log.cpu);
                }
            }
            Body::TrialEnd(_) => {
                self.smp()?;
            }
            Body::Error(_) | Body::Goodbye(_) | Body::WakeIpis(_) => {}
        }
        if let Some((begin, end)) = self.follower.take(frame, self.smp.unwrap_or_default()) {
            self.take_trial(begin, &end);
        }
        Ok(())
    }

    /// Adds a trial of which every frame has arrived.
    fn take_trial(&mut self, begin: TrialBegin, end: &TrialEnd) {
        let Some(seen) = self.seen.last_mut() else { return };
        self.lost.clear();
        seen.whole += 1;
        let follows = self.last_trial.is_none_or(|last| last < begin.trial);
        let cold = seen.index == 0 && begin.trial == 0;
        let mut fits = follows && begin.cold == cold && (cold || begin.trial > 0);
        self.last_trial = Some(begin.trial);
        if let Some(cell) = seen.cell {
            let cell = &mut self.cells.all[cell];
            fits &= begin.trial <= cell.options.repetitions;
            let timelines = self.follower.timelines();
            let trial = whole_trial::add(cell, &self.classes, (self.boot, begin, end), timelines);
            (Trial { boot: 0, ..trial }, begin.cold).hash(&mut self.figures);
        }
        seen.misnumbered += u32::from(!fits);
    }

    /// CPUs of the machine, the BSP counted: as the kernel found them, else as asked for, else as
    /// far as their frames arrived.
    pub fn smp(&mut self) -> Result<u16, Report> {
        let known = self.smp.or(self.listed.map(|boot| boot.smp)).or(self
            .cpus
            .iter()
            .map(|cpu| cpu.cpu.0.saturating_add(1))
            .max());
        self.smp = known;
        known.ok_or_else(|| {
            miette!(
                help = "measure again; `cargo analyze decode` shows the frames that are left",
                "the frames that give the CPU count are lost"
            )
        })
    }

    fn open_cell(&mut self, begin: &CellBegin<'_>) -> Result<(), Report> {
        let mut options = Options::default();
        for word in begin.options.split_ascii_whitespace() {
            options.read_word(word).map_err(|error| {
                miette!(
                    help = "read it with the analyzer of the version that the kernel was built \
                            from, or measure again",
                    "cell {} has options that this version can't read: {}",
                    begin.cell,
                    printable(&error.to_string())
                )
            })?;
        }
        let cell = self.cell_for(begin.cell, options)?;
        self.enter(BootCell { cell: Some(cell), ..BootCell::new(begin.cell) });
        Ok(())
    }

    /// Makes sure that the boot is in this cell, even if the frame that opened it was lost: its
    /// options are then those of the command line.
    fn reach_cell(&mut self, index: u16) -> Result<(), Report> {
        if self.seen.last().is_some_and(|cell| cell.index == index) {
            return Ok(());
        }
        let cell = match self.planned(index) {
            Some(options) => Some(self.cell_for(index, options)?),
            None => None,
        };
        self.enter(BootCell { cell, assumed: cell.is_some(), ..BootCell::new(index) });
        Ok(())
    }

    fn enter(&mut self, cell: BootCell) {
        self.last_trial = None;
        self.seen.push(cell);
    }

    /// The options of a cell in the command line; `None` where there is no command line or no such cell.
    fn planned(&mut self, index: u16) -> Option<Options> {
        let listed = self.listed?;
        let planned = self.planned.get_or_insert_with(|| {
            // Without a command line that this version can read, the trials are not used.
            let plan = Plan::read(&listed.command_line).ok();
            let indices = usize::from(u16::MAX) + 1;
            plan.iter().flat_map(|plan| plan.cells().take(indices)).collect()
        });
        planned.get(usize::from(index)).cloned()
    }

    /// Where the trials of this boot's cell go: an index of the cells of the run.
    fn cell_for(&mut self, index: u16, options: Options) -> Result<usize, Report> {
        let smp = self.smp()?;
        let place = self.cells.reach(self.listed, smp, index, options);
        if let Some(machine) = &self.machine {
            self.cells.all[place].frequencies.push(machine.tsc_khz);
        }
        Ok(place)
    }

    fn take_timeline(&mut self, timeline: &ApTimeline) {
        self.has_lost |= LostAp::of(timeline).is_some();
        // How an AP ended counts even if another frame of its trial is lost.
        if let Some(cell) = self.seen.last().and_then(|cell| cell.cell) {
            self.lost.extend(LostAp::of(timeline).map(|ap| (cell, ap)));
            let cell = &mut self.cells.all[cell];
            if timeline.starts > 1 {
                *cell.double_starts.entry(timeline.cpu).or_default() += 1;
            }
            if timeline.starts == 0 && timeline.end == ApEnd::Online {
                *cell.unstarted.entry(timeline.cpu).or_default() += 1;
            }
        }
    }

    /// APs lost since the last whole trial were lost in trials with a missing frame.
    fn end_incomplete(&mut self) {
        for (cell, ap) in self.lost.drain(..) {
            *self.cells.all[cell].losses.incomplete.entry(ap).or_default() += 1;
        }
    }

    /// The boot, at the end of its capture.
    pub fn finish(
        mut self,
        path: PathBuf,
        mut summary: Summary,
        unreadable: Option<String>,
    ) -> Boot {
        self.end_incomplete();
        for seen in &self.seen {
            if let Some(cell) = seen.cell {
                let cell = &mut self.cells.all[cell];
                let cold = u32::from(seen.index == 0);
                let sent = cell.options.repetitions.saturating_add(cold);
                cell.incomplete += u64::from(sent.saturating_sub(seen.whole));
            }
        }
        if let Some(machine) = &mut self.machine {
            machine.cpus = std::mem::take(&mut self.cpus);
        }
        summary.error = summary.error.as_deref().map(printable);
        Boot {
            capture: path,
            engine: engine(self.listed),
            exact: self.listed.map(|boot| boot.exact),
            command_line: self.listed.map(|boot| boot.command_line.clone()),
            smp: self.smp.unwrap_or_default(),
            figures: self.figures.finish(),
            asked_smp: self.listed.map(|boot| boot.smp),
            machine: self.machine,
            logs: self.logs,
            unreadable,
            summary,
            cells: self.seen,
            has_lost: self.has_lost,
            host: self.listed.and_then(HostTimes::of),
            linux: None,
        }
    }
}

impl BootCell {
    /// One without a trial so far.
    const fn new(index: u16) -> BootCell {
        BootCell { index, cell: None, assumed: false, whole: 0, misnumbered: 0 }
    }
}

fn machine(hello: &Hello<'_>) -> Machine {
    Machine {
        kernel: printable(hello.kernel),
        build: printable(hello.build),
        tsc_khz: hello.tsc_khz,
        tsc_source: hello.tsc_source,
        tsc_spread_khz: hello.tsc_spread_khz,
        tsc_invariant: hello.tsc_invariant,
        vendor: printable(hello.vendor),
        model: printable(hello.model),
        hypervisor: printable(hello.hypervisor),
        apic_mode: hello.apic_mode,
        cpus: Vec::new(),
    }
}
