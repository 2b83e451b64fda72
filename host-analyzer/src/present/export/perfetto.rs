//! Perfetto's trace format: a process for each cell, in it a track for each CPU.
//!
//! An AP's track holds its phases, and in `sipi` the sub-phases; the BSP's holds its verbs. Arrows
//! lead from an AP's SIPI to its `entry`, and from its release to its callin.

mod aps;
mod bsp;
mod message;
mod writer;

use super::{Exporter, Shown};
use crate::ground::failure::Failure;
use crate::ground::text::{counted, times};
use crate::run::{Run, WholeTrial};
use bringup::stamp::Stamp;
use miette::miette;
use std::io::{self, Write};
use writer::{Label, Packets};

/// Perfetto's times are signed.
const LAST_NS: u64 = i64::MAX as u64;

/// Each cell has so many track numbers: the process, its trials, and its CPUs.
const TRACKS: u64 = 1 << 17;

/// Writes a trace.
pub struct Perfetto<'a> {
    packets: Packets<'a>,
    shown: Shown,
    /// Of each cell what it takes to draw its trials; `None` where its clock's rate is unknown.
    cells: Vec<Option<Drawn>>,
    arrows: u64,
    notes: Vec<String>,
    /// APs that are not drawn whole.
    cut: u64,
    /// Trials that lie beyond the end of time.
    beyond: u64,
}

/// What is known of a cell between its trials.
struct Drawn {
    label: String,
    khz: u64,
    /// The median trial: its boot, its cell's index there, its number.
    median: Option<(u32, u16, u32)>,
    begun: bool,
    /// Where the next trial's zero is put, in ns.
    next: u64,
}

impl<'a> Perfetto<'a> {
    /// Begins a trace.
    ///
    /// Fails with [`Failure::Request`] where no cell's clock is known.
    pub fn begin(
        run: &Run,
        shown: Shown,
        output: &'a mut dyn Write,
    ) -> Result<Perfetto<'a>, Failure> {
        let varying = run.varying_options();
        let mut notes = Vec::new();
        let mut cells = Vec::new();
        for cell in &run.cells {
            let label = cell.label(&varying);
            let khz = cell.tsc_khz().filter(|khz| *khz > 0);
            if khz.is_none() {
                notes.push(format!("{label}: left out, its TSC's frequency is unknown"));
            }
            let median = cell.median_trial();
            let median = median.map(|trial| (trial.boot, trial.cell, trial.number));
            cells.push(khz.map(|khz| Drawn { label, khz, median, begun: false, next: 0 }));
        }
        if cells.iter().all(Option::is_none) {
            return Err(Failure::Request(miette!(
                help = "`--format csv` and `--format jsonl` tell times in cycles",
                "{} can't become a trace: the TSC's frequency is unknown, so cycles are no ns",
                run.path.display()
            )));
        }
        let packets = Packets::begin(output);
        Ok(Perfetto { packets, shown, cells, arrows: 0, notes, cut: 0, beyond: 0 })
    }
}

impl Exporter for Perfetto<'_> {
    fn trial(&mut self, trial: &WholeTrial<'_>) -> io::Result<()> {
        let Some(cell) = &mut self.cells[trial.cell_index] else { return Ok(()) };
        let this = (trial.boot_index as u32, trial.begin.cell, trial.begin.trial);
        if self.shown == Shown::Median && (trial.begin.cold || cell.median != Some(this)) {
            return Ok(());
        }
        let clock = Clock { khz: cell.khz, zero: cell.next };
        let Some(end) = clock.end_of(trial) else {
            self.beyond += 1;
            return Ok(());
        };
        cell.next = end;
        let tracks = Tracks { base: (trial.cell_index as u64 + 1) * TRACKS };
        if !cell.begun {
            cell.begun = true;
            let pid = i32::try_from(trial.cell_index + 1).unwrap_or(i32::MAX);
            tracks.announce(&mut self.packets, pid, &cell.label, trial.cell.smp)?;
        }
        let mut pen =
            Pen { packets: &mut self.packets, clock, tracks, first_arrow: self.arrows + 1 };
        // Of each AP one from its SIPI, one from its release.
        self.arrows += 2 * trial.timelines.len() as u64;
        pen.trial(trial)?;
        bsp::draw(&mut pen, trial)?;
        self.cut += aps::draw(&mut pen, trial)?;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<Vec<String>> {
        self.packets.finish()?;
        if self.cut > 0 {
            self.notes.push(format!(
                "an AP's stamps are out of order {}; it is drawn as far as they are in order",
                times(self.cut)
            ));
        }
        if self.beyond > 0 {
            self.notes.push(format!(
                "{} left out: stamps before the trial's zero or after 292 years",
                counted(self.beyond, "trial")
            ));
        }
        Ok(self.notes)
    }
}

/// From cycles after a trial's zero to ns of the trace.
#[derive(Clone, Copy)]
struct Clock {
    khz: u64,
    /// Where the trial's zero is, in ns.
    zero: u64,
}

impl Clock {
    /// `None` before the zero and beyond the last time that Perfetto knows.
    fn checked_ns(self, cycles: i128) -> Option<u64> {
        let ns = u128::try_from(cycles).ok()? * 1_000_000 / u128::from(self.khz);
        let at = u64::try_from(ns).ok()?.checked_add(self.zero)?;
        (at <= LAST_NS).then_some(at)
    }

    /// Of a stamp of a trial that [`Clock::end_of`] knows the end of.
    fn ns(self, at: i64) -> u64 {
        self.checked_ns(at.into()).unwrap_or(LAST_NS)
    }

    /// When everything in the trial is over; `None` where a part of it can't be shown.
    fn end_of(self, trial: &WholeTrial<'_>) -> Option<u64> {
        let stamps = trial.timelines.iter().map(|ap| &ap.stamps);
        let stamps = stamps.flat_map(|stamps| Stamp::ALL.map(|stamp| stamps.get(stamp)));
        let spans = [trial.end.total, trial.end.kick_loop].map(|span| i128::from(span.0));
        let times = stamps.flatten().map(i128::from).chain(spans);
        times.map(|at| self.checked_ns(at)).try_fold(self.zero, |end, at| Some(end.max(at?)))
    }
}

/// The track numbers of a cell.
#[derive(Clone, Copy)]
struct Tracks {
    base: u64,
}

impl Tracks {
    fn trials(self) -> u64 {
        self.base + 1
    }

    fn cpu(self, index: u16) -> u64 {
        self.base + 2 + u64::from(index)
    }

    /// Tells what the tracks are.
    fn announce(self, to: &mut Packets<'_>, pid: i32, label: &str, smp: u16) -> io::Result<()> {
        to.process(self.base, pid, label.to_owned())?;
        to.row(self.trials(), self.base, 0, "trial".to_owned())?;
        for cpu in 0..smp {
            let name = if cpu == 0 { "CPU 0 (BSP)".to_owned() } else { format!("CPU {cpu}") };
            to.row(self.cpu(cpu), self.base, i32::from(cpu) + 1, name)?;
        }
        Ok(())
    }
}

/// Draws one trial; times are in cycles after its zero.
struct Pen<'p, 'o> {
    packets: &'p mut Packets<'o>,
    clock: Clock,
    tracks: Tracks,
    first_arrow: u64,
}

impl Pen<'_, '_> {
    fn open(&mut self, track: u64, at: i64, label: &Label) -> io::Result<()> {
        self.packets.open(track, self.clock.ns(at), label)
    }

    fn close(&mut self, track: u64, at: i64) -> io::Result<()> {
        self.packets.close(track, self.clock.ns(at))
    }

    fn moment(&mut self, track: u64, at: i64, label: &Label) -> io::Result<()> {
        self.packets.moment(track, self.clock.ns(at), label)
    }

    /// A slice, its length in cycles beside it.
    fn slice(&mut self, track: u64, from: i64, to: i64, label: Label) -> io::Result<()> {
        self.open(track, from, &label.with("cycles", to.abs_diff(from)))?;
        self.close(track, to)
    }

    /// The arrow from an AP's SIPI to its `entry`; `nth` is its place among the timelines.
    fn kick_arrow(&self, nth: usize) -> u64 {
        self.first_arrow + 2 * nth as u64
    }

    /// The arrow from an AP's release to its callin.
    fn release_arrow(&self, nth: usize) -> u64 {
        self.kick_arrow(nth) + 1
    }

    /// The trial itself, and in it its two loops.
    fn trial(&mut self, trial: &WholeTrial<'_>) -> io::Result<()> {
        let track = self.tracks.trials();
        // `Clock::end_of` has seen both to fit.
        let [total, kick_loop] =
            [trial.end.total, trial.end.kick_loop].map(|span| i64::try_from(span.0).unwrap_or(0));
        let cold = if trial.begin.cold { "cold trial" } else { "trial" };
        let (number, boot) = (trial.begin.trial, trial.boot_index as u64 + 1);
        let label = Label::rare("trial", format!("{cold} {number} of boot {boot}"))
            .with("cycles", trial.end.total.0)
            .with("trial", number.into())
            .with("boot", boot)
            .with("lost", trial.end.lost.into());
        self.open(track, 0, &label)?;
        let middle = kick_loop.min(total);
        for (name, from, to) in [("kick-loop", 0, middle), ("online-loop", middle, total)] {
            if from < to {
                self.slice(track, from, to, Label::new("loop", name))?;
            }
        }
        self.close(track, total)
    }
}
