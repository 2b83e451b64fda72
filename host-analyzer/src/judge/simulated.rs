//! A run against the simulator: the same strategies on arithmetic clocks, where every step takes its
//! cost and nothing else takes time. The difference is what the costs do not explain: the work of the kernel
//! and of the engine.

use crate::ground::failure::Failure;
use crate::run::timeline::phases;
use crate::run::{Cell, Run};
use bringup::Cycles;
use bringup::class::Class;
use bringup::frame::{ApEnd, ApTimeline};
use bringup::phase::Phase;
use bringup::sim;
use miette::miette;

/// How far a measured total may be from the simulated one, as a part of it.
pub const TOTAL_TOLERANCE: f64 = 0.01;

/// How far the mean of a phase may be from the simulated one, as a part of it.
pub const PHASE_TOLERANCE: f64 = 0.02;

/// By how many cycles a phase may be off at least: a CPU wakes from HLT at the end of a cost and takes a stamp (35 cycles as a
/// rule on `icount`, 118 at most), however long the cost was.
pub const WAKE_UP: u64 = 150;

/// By how many cycles a phase may be off that takes fewer than that in the simulator: the kernel's own work
/// (a wake-up, a look at a gate) where no deadline hides it.
pub const OWN_WORK: u64 = 500;

/// A cell, measured and simulated.
#[derive(Debug)]
pub struct SimulatedCell<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// The total.
    pub total: SimulatedMetric,
    /// The phases in the order of [`Phase::ALL`], each the mean over the APs; `None` where the stamps
    /// make none.
    pub phases: Option<[SimulatedMetric; 6]>,
}

impl SimulatedCell<'_> {
    /// True where the total and every phase agree.
    pub fn agrees(&self) -> bool {
        self.total.is_within(TOTAL_TOLERANCE)
            && self.phases().all(|(phase, figure)| {
                figure.off().unsigned_abs() as f64 <= self.tolerance(phase, &figure)
            })
    }

    fn phases(&self) -> impl Iterator<Item = (Phase, SimulatedMetric)> {
        self.phases.into_iter().flat_map(|phases| Phase::ALL.into_iter().zip(phases))
    }

    /// By how many cycles a phase may be off.
    fn tolerance(&self, phase: Phase, figure: &SimulatedMetric) -> f64 {
        let tolerance = figure.tolerance(PHASE_TOLERANCE, WAKE_UP, OWN_WORK);
        if phase != Phase::Hold || !self.cell.options.strategy.has_wait_init() {
            return tolerance;
        }
        // The BSP lets in one AP after the other, so the last one is held by the own work for all of them.
        tolerance.max((OWN_WORK * u64::from(self.cell.smp)) as f64 / 2.0)
    }

    /// The phase that is furthest off for its tolerance.
    pub fn worst(&self) -> Option<(Phase, SimulatedMetric)> {
        let share = |(phase, figure): &(Phase, SimulatedMetric)| {
            figure.off().unsigned_abs() as f64 / self.tolerance(*phase, figure)
        };
        self.phases().max_by(|one, other| share(one).total_cmp(&share(other)))
    }
}

/// A figure, measured and simulated, in cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedMetric {
    /// The median over the trials.
    pub measured: u64,
    /// The simulator's number.
    pub simulated: u64,
}

impl SimulatedMetric {
    /// Measured less simulated.
    pub fn off(&self) -> i64 {
        self.measured.cast_signed().wrapping_sub(self.simulated.cast_signed())
    }

    /// A part of what is simulated, but no less than `least` cycles; `below` cycles where that takes fewer.
    fn tolerance(&self, part: f64, least: u64, below: u64) -> f64 {
        match self.simulated < below {
            true => below as f64,
            false => (self.simulated as f64 * part).max(least as f64),
        }
    }

    fn is_within(&self, part: f64) -> bool {
        self.off().unsigned_abs() as f64 <= self.tolerance(part, 0, 0)
    }
}

/// Simulates every cell of a run that has a whole trial.
///
/// Fails with [`Failure::Request`] where no cell can be simulated.
pub fn rows(run: &Run) -> Result<Vec<SimulatedCell<'_>>, Failure> {
    let rows: Vec<SimulatedCell<'_>> = run.cells.iter().filter_map(|cell| row(run, cell)).collect();
    if rows.is_empty() {
        return Err(Failure::Request(miette!(
            help = "`cargo analyze show` lists what the run holds",
            "no cell of {} can be simulated: each lacks a whole trial or the frames that describe its CPUs, \
             or would take longer than the simulator's clock can count",
            run.path.display()
        )));
    }
    Ok(rows)
}

fn row<'a>(run: &'a Run, cell: &'a Cell) -> Option<SimulatedCell<'a>> {
    let (end, aps) = sim::trial_on(&cell.options, &classes(run, cell)?, cell.own_khz()?).ok()?;
    let total = SimulatedMetric { measured: cell.total()?.median, simulated: end.total.0 };
    let phases = means(&aps).and_then(|means| {
        let mut figures = [total; 6];
        for ((figure, phase), simulated) in figures.iter_mut().zip(Phase::ALL).zip(means) {
            *figure = SimulatedMetric { measured: cell.phase(phase)?.median, simulated };
        }
        Some(figures)
    });
    Some(SimulatedCell { cell, total, phases })
}

/// The classes of a cell's CPUs, as its first boot reported them.
fn classes(run: &Run, cell: &Cell) -> Option<Vec<Class>> {
    let first = cell.trials.iter().next()?;
    let machine = run.boots.get(first.boot as usize)?.machine.as_ref()?;
    Some(machine.classes()).filter(|classes| classes.len() == usize::from(cell.smp))
}

/// The mean of each phase over the online APs, rounded; `None` without any.
fn means(aps: &[ApTimeline]) -> Option<[u64; 6]> {
    let online: Vec<[Cycles; 6]> = aps
        .iter()
        .filter(|ap| ap.end == ApEnd::Online)
        .filter_map(|ap| phases(&ap.stamps).ok())
        .collect();
    let count = Some(online.len() as u64).filter(|count| *count > 0)?;
    let sum = |at: usize| online.iter().map(|phases| phases[at].0).sum::<u64>();
    Some([0, 1, 2, 3, 4, 5].map(|at| (sum(at) + count / 2) / count))
}
