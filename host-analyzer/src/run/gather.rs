//! From frames to cells: follows a boot frame by frame and keeps what [`Run`](super::Run) needs.

use super::aps::parts;
use super::follow::Follower;
use super::{Boot, BootCell, Cell, Kind, LostAp, Machine, Overrun, Trial, UNKNOWN_ENGINE};
use crate::ground::failure::Failure;
use crate::ground::manifest;
use crate::ground::text::printable;
use crate::run::timeline::phases;
use crate::source::capture::{self, Summary};
use bringup::Cycles;
use bringup::frame::{ApEnd, ApTimeline, Body, CellBegin, Frame, Hello, TrialBegin, TrialEnd};
use bringup::options::{Options, StampSet};
use bringup::plan::Plan;
use bringup::stamp::{Clock, Stamp};
use miette::{Report, miette};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// How many of a boot's log lines are kept.
const LOGS_KEPT: usize = 100;

/// Gathers boot after boot.
#[derive(Default)]
pub struct Gatherer {
    boots: Vec<Boot>,
    cells: Cells,
}

/// The cells so far, and where each is.
#[derive(Default)]
struct Cells {
    all: Vec<Cell>,
    places: HashMap<Kind, usize>,
}

impl Gatherer {
    /// Reads a capture; `told` is what the manifest says of it.
    ///
    /// Where it can't be read to its end, what came before is kept.
    pub fn read(&mut self, path: PathBuf, told: Option<&manifest::Boot>) -> Result<(), Failure> {
        let mut reader = Reader::new(self.boots.len(), told, &mut self.cells);
        let mut refused = None;
        let read = capture::read(&path, |frame| match reader.take(frame) {
            Ok(()) => ControlFlow::Continue(()),
            Err(report) => {
                refused = Some(report);
                ControlFlow::Break(())
            }
        });
        let refused = refused.or_else(|| reader.smp().err());
        let (summary, result) = match (read, refused) {
            (Ok(summary), None) => (summary, Ok(())),
            (Ok(summary), Some(report)) => (summary, Err(unusable(&path, report))),
            (Err(failure), _) => (Summary::default(), Err(failure)),
        };
        let unreadable = result.as_ref().err().map(|failure| format!("{:#}", failure.report()));
        self.boots.push(reader.finish(path, summary, unreadable));
        result
    }

    /// True where no cell was begun, and no boot can be read.
    pub fn has_nothing(&self) -> bool {
        self.cells.all.is_empty() && self.boots.iter().all(|boot| boot.unreadable.is_some())
    }

    /// The boots as read; the cells by engine, then by CPU count, then as they came.
    pub fn finish(mut self) -> (Vec<Boot>, Vec<Cell>) {
        let mut engines: HashMap<String, usize> = HashMap::new();
        for boot in &self.boots {
            let next = engines.len();
            engines.entry(boot.engine.clone()).or_insert(next);
        }
        let place = |cell: &Cell| (engines.get(&cell.engine).copied(), cell.smp);
        let mut cells: Vec<(usize, Cell)> = self.cells.all.into_iter().enumerate().collect();
        cells.sort_by_key(|(_, cell)| place(cell));
        let mut now = vec![0; cells.len()];
        for (new, (old, _)) in cells.iter().enumerate() {
            now[*old] = new;
        }
        for cell in self.boots.iter_mut().flat_map(|boot| &mut boot.cells) {
            cell.cell = cell.cell.map(|old| now[old]);
        }
        (self.boots, cells.into_iter().map(|(_, cell)| cell).collect())
    }
}

/// Follows one boot.
struct Reader<'a> {
    boot: u32,
    told: Option<&'a manifest::Boot>,
    /// The cells of its command line, once one of them was needed.
    planned: Option<Vec<Options>>,
    cells: &'a mut Cells,
    machine: Option<Machine>,
    /// From the `Cpu` frames; those of a lost `Hello` come before any machine.
    cpus: Vec<bringup::frame::Cpu>,
    smp: Option<u16>,
    logs: Vec<String>,
    seen: Vec<BootCell>,
    follower: Follower,
    /// The number of the last whole trial of the cell that the boot is in.
    last_trial: Option<u32>,
    figures: DefaultHasher,
    /// Lost APs since the last whole trial, each with its cell.
    lost: Vec<(usize, LostAp)>,
}

impl<'a> Reader<'a> {
    fn new(boot: usize, told: Option<&'a manifest::Boot>, cells: &'a mut Cells) -> Reader<'a> {
        Reader {
            boot: boot as u32,
            told,
            planned: None,
            cells,
            machine: None,
            cpus: Vec::new(),
            smp: None,
            logs: Vec::new(),
            seen: Vec::new(),
            follower: Follower::default(),
            last_trial: None,
            figures: DefaultHasher::new(),
            lost: Vec::new(),
        }
    }

    fn engine(&self) -> String {
        self.told.map_or(UNKNOWN_ENGINE, |told| &told.engine).to_owned()
    }

    fn take(&mut self, frame: &Frame<'_>) -> Result<(), Report> {
        match &frame.body {
            Body::Hello(hello) => {
                self.machine = Some(machine(hello));
                self.smp = Some(hello.cpus);
            }
            Body::Cpu(cpu) => self.cpus.push(*cpu),
            Body::CellBegin(begin) => self.open_cell(begin)?,
            Body::TrialBegin(begin) => {
                self.end_incomplete();
                self.reach_cell(begin.cell)?;
            }
            Body::ApTimeline(timeline) => self.take_timeline(timeline),
            Body::Log(log) if self.logs.len() < LOGS_KEPT => {
                self.logs.push(format!("{}: {}", log.cpu, printable(log.text)));
            }
            Body::TrialEnd(_) => {
                self.smp()?;
            }
            Body::Log(_) | Body::Error(_) | Body::Goodbye(_) => {}
        }
        if let Some((begin, end)) = self.follower.take(frame, self.smp.unwrap_or_default())
            && let Some(seen) = self.seen.last_mut()
        {
            self.lost.clear();
            seen.whole += 1;
            let follows = self.last_trial.is_none_or(|last| last < begin.trial);
            let cold = seen.index == 0 && begin.trial == 0;
            let mut fits = follows && begin.cold == cold && (cold || begin.trial > 0);
            self.last_trial = Some(begin.trial);
            if let Some(cell) = seen.cell {
                let cell = &mut self.cells.all[cell];
                fits &= begin.trial <= cell.options.repetitions;
                let trial = cell.add((self.boot, begin, &end), self.follower.timelines());
                (Trial { boot: 0, ..trial }, begin.cold).hash(&mut self.figures);
            }
            seen.misnumbered += u32::from(!fits);
        }
        Ok(())
    }

    /// CPUs of the machine, the BSP counted: as the kernel found them, else as asked for, else as
    /// far as their frames arrived.
    fn smp(&mut self) -> Result<u16, Report> {
        let known = self.smp.or(self.told.map(|told| told.smp)).or(self
            .cpus
            .iter()
            .map(|cpu| cpu.cpu.0.saturating_add(1))
            .max());
        self.smp = known;
        known.ok_or_else(|| {
            miette!(
                help = "measure again; `cargo analyze decode` shows the frames that are left",
                "the frames that tell the CPU count are lost"
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

    /// Makes sure that the boot is in this cell, even if the frame that opened it was lost: then
    /// the command line tells its options.
    fn reach_cell(&mut self, index: u16) -> Result<(), Report> {
        if self.seen.last().is_some_and(|cell| cell.index == index) {
            return Ok(());
        }
        let cell = match self.planned(index)? {
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

    /// What the command line says of a cell, where there is one.
    fn planned(&mut self, index: u16) -> Result<Option<Options>, Report> {
        let Some(told) = self.told else { return Ok(None) };
        let planned = self.planned.get_or_insert_with(|| {
            // A command line that this version can't read is no help; the trials are then not used.
            let plan = Plan::read(&told.command_line).ok();
            let indices = usize::from(u16::MAX) + 1;
            plan.iter().flat_map(|plan| plan.cells().take(indices)).collect()
        });
        Ok(planned.get(usize::from(index)).cloned())
    }

    /// The cell with this boot's cell's profile and these options, new or of an earlier boot.
    fn cell_for(&mut self, index: u16, options: Options) -> Result<usize, Report> {
        let smp = self.smp()?;
        let profiles = self.told.map_or(&[][..], |told| &told.profiles);
        let profile = profiles.get(usize::from(index)).cloned().flatten();
        let engine = self.engine();
        let told_exact = self.told.map(|told| told.exact);
        let Cells { all, places } = &mut *self.cells;
        let kind = (engine.clone(), smp, profile.clone(), options.to_string());
        let index = *places.entry(kind).or_insert_with(|| {
            all.push(Cell {
                engine,
                smp,
                profile,
                profile_khz: None,
                options,
                exact: told_exact,
                frequencies: Vec::new(),
                trials: Default::default(),
                cold: Default::default(),
                aps: Default::default(),
                clocks: Default::default(),
                incomplete: 0,
                losses: Default::default(),
                disorders: Default::default(),
                double_starts: Default::default(),
                unstarted: Default::default(),
                contradictions: None,
                overruns: Default::default(),
            });
            all.len() - 1
        });
        let cell = &mut all[index];
        cell.exact = cell.exact.zip(told_exact).map(|(all, this)| all && this);
        if let Some(machine) = &self.machine {
            cell.frequencies.push(machine.tsc_khz);
        }
        Ok(index)
    }

    fn take_timeline(&mut self, timeline: &ApTimeline) {
        // What became of an AP counts even if another frame of its trial is lost.
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

    /// What was lost since the last whole trial was lost in trials of which a frame is missing.
    fn end_incomplete(&mut self) {
        for (cell, ap) in self.lost.drain(..) {
            *self.cells.all[cell].losses.incomplete.entry(ap).or_default() += 1;
        }
    }

    fn finish(mut self, path: PathBuf, mut summary: Summary, unreadable: Option<String>) -> Boot {
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
            engine: self.engine(),
            exact: self.told.map(|told| told.exact),
            command_line: self.told.map(|told| told.command_line.clone()),
            smp: self.smp.unwrap_or_default(),
            figures: self.figures.finish(),
            asked_smp: self.told.map(|told| told.smp),
            machine: self.machine,
            logs: self.logs,
            unreadable,
            summary,
            cells: self.seen,
        }
    }
}

impl BootCell {
    /// One of which nothing has come yet.
    const fn new(index: u16) -> BootCell {
        BootCell { index, cell: None, assumed: false, whole: 0, misnumbered: 0 }
    }
}

impl Cell {
    /// Adds a whole trial, its timelines on the BSP's clock; answers what is kept of it.
    fn add(
        &mut self,
        (boot, begin, end): (u32, TrialBegin, &TrialEnd),
        timelines: &[ApTimeline],
    ) -> Trial {
        if let Some(what) = contradiction(end, timelines) {
            self.contradictions.get_or_insert((0, what)).0 += 1;
        }
        let (mut sums, mut part_sums) = ([0u128; 6], [0u128; 3]);
        let (mut online, mut overruns) = (0, 0);
        for timeline in timelines {
            if let Some(ap) = LostAp::of(timeline) {
                let losses = match begin.cold {
                    true => &mut self.losses.cold,
                    false => &mut self.losses.counted,
                };
                *losses.entry(ap).or_default() += 1;
            }
            for (overrun, by) in
                self.overruns.iter_mut().zip(timeline.overruns).filter(|(_, by)| *by > 0)
            {
                overruns += 1;
                if !begin.cold {
                    let worst = overrun.worst.max(by);
                    let cpu = if by > overrun.worst { timeline.cpu } else { overrun.cpu };
                    *overrun = Overrun { count: overrun.count + 1, worst, cpu };
                }
            }
            if timeline.end != ApEnd::Online || self.options.stamps == StampSet::Ends {
                continue;
            }
            match phases(&timeline.stamps) {
                Ok(phases) => {
                    online += 1;
                    let parts = parts(&timeline.stamps);
                    sums.iter_mut().zip(phases).for_each(|(sum, c)| *sum += u128::from(c.0));
                    part_sums.iter_mut().zip(parts).for_each(|(sum, c)| *sum += u128::from(c.0));
                    if !begin.cold {
                        self.aps.add(timeline.cpu, &phases, &parts);
                    }
                }
                Err(disorder) => {
                    self.disorders.entry(timeline.cpu).or_insert((0, disorder)).0 += 1;
                }
            }
        }
        if !begin.cold {
            let online = timelines.iter().filter(|timeline| timeline.end == ApEnd::Online);
            self.clocks.add(online, &self.options.skews);
        }
        let mean = |sum: u128| ((sum + online / 2) / online) as u64;
        let trial = Trial {
            boot,
            cell: begin.cell,
            number: begin.trial,
            total: end.total.0,
            kick_loop: end.kick_loop.0,
            phases: (online > 0).then(|| sums.map(mean)),
            sub_phases: (online > 0).then(|| part_sums.map(mean)),
            lost: end.lost,
            overruns,
        };
        if begin.cold {
            self.cold.push(trial)
        } else {
            self.trials.push(trial)
        }
        trial
    }
}

/// What a trial's end says otherwise than its timelines, or than itself.
///
/// Only the BSP's stamps are held against it: an AP's clock may be another one.
fn contradiction(end: &TrialEnd, timelines: &[ApTimeline]) -> Option<String> {
    let TrialEnd { total: Cycles(total), kick_loop: Cycles(kick_loop), lost } = *end;
    let not_online = timelines.iter().filter(|timeline| timeline.end != ApEnd::Online).count();
    if usize::from(lost) != not_online {
        return Some(format!("lost {lost} by its end, and {not_online} by its timelines"));
    }
    if kick_loop > total {
        return Some(format!("a kick loop of {kick_loop} cycles in a total of {total}"));
    }
    let of_bsp = Stamp::ALL.into_iter().filter(|stamp| stamp.clock() == Clock::Bsp);
    for stamp in of_bsp {
        let stamps = timelines.iter().filter_map(|timeline| timeline.stamps.get(stamp));
        let Some(last) = stamps.max() else { continue };
        let name = stamp.name();
        if i128::from(last) > i128::from(total) {
            return Some(format!("`{name}` at {last}, after its total of {total}"));
        }
        if stamp == Stamp::KickEnd && i128::from(last) != i128::from(kick_loop) {
            return Some(format!("its last `{name}` at {last}, and a kick loop of {kick_loop}"));
        }
    }
    None
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

fn unusable(path: &Path, report: Report) -> Failure {
    let path = printable(&path.display().to_string());
    Failure::Request(report.wrap_err(format!("the capture {path} can't be used")))
}
