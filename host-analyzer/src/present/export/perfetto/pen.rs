//! What draws a trial: its clock, its tracks, and the numbers of its arrows.

use super::writer::{Label, Packets};
use crate::run::{WholeTrial, wait_init};
use bringup::stamp::Stamp;
use std::io;

/// Perfetto's times are signed.
const LAST_NS: u64 = i64::MAX as u64;

/// From cycles after a trial's zero to ns of the trace.
#[derive(Clone, Copy)]
pub struct Clock {
    /// Its frequency.
    pub khz: u64,
    /// Where the trial's zero is, in ns.
    pub zero: u64,
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
    pub fn end_of(self, trial: &WholeTrial<'_>) -> Option<u64> {
        let stamps = trial.timelines.iter().map(|ap| &ap.stamps);
        let stamps = stamps.flat_map(|stamps| Stamp::ALL.map(|stamp| stamps.get(stamp)));
        let spans = [trial.end.total, trial.end.kick_loop].map(|span| i128::from(span.0));
        let times = stamps.flatten().map(i128::from).chain(spans);
        times.map(|at| self.checked_ns(at)).try_fold(self.zero, |end, at| Some(end.max(at?)))
    }
}

/// The track numbers of a cell.
#[derive(Clone, Copy)]
pub struct Tracks {
    /// The cell's own number; its tracks have those behind it.
    pub base: u64,
}

impl Tracks {
    /// The trials' own.
    fn trials(self) -> u64 {
        self.base + 1
    }

    /// A CPU's.
    pub fn cpu(self, index: u16) -> u64 {
        self.base + 2 + u64::from(index)
    }

    /// Names the tracks.
    pub fn announce(self, to: &mut Packets<'_>, pid: i32, label: &str, smp: u16) -> io::Result<()> {
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
pub struct Pen<'p, 'o> {
    /// Where to.
    pub packets: &'p mut Packets<'o>,
    /// The trial's.
    pub clock: Clock,
    /// The cell's.
    pub tracks: Tracks,
    /// The first number that no arrow has.
    pub first_arrow: u64,
}

impl Pen<'_, '_> {
    /// Begins a slice.
    pub fn open(&mut self, track: u64, at: i64, label: &Label) -> io::Result<()> {
        self.packets.open(track, self.clock.ns(at), label)
    }

    /// Ends the slice that was begun last.
    pub fn close(&mut self, track: u64, at: i64) -> io::Result<()> {
        self.packets.close(track, self.clock.ns(at))
    }

    /// A mark.
    pub fn moment(&mut self, track: u64, at: i64, label: &Label) -> io::Result<()> {
        self.packets.moment(track, self.clock.ns(at), label)
    }

    /// A slice, its length in cycles beside it.
    pub fn slice(&mut self, track: u64, from: i64, to: i64, label: Label) -> io::Result<()> {
        self.open(track, from, &label.with("cycles", to.abs_diff(from)))?;
        self.close(track, to)
    }

    /// The arrow from an AP's SIPI to its `entry`; `nth` is its place among the timelines.
    pub fn kick_arrow(&self, nth: usize) -> u64 {
        self.first_arrow + 2 * nth as u64
    }

    /// The arrow from an AP's release to its callin.
    pub fn release_arrow(&self, nth: usize) -> u64 {
        self.kick_arrow(nth) + 1
    }

    /// The trial itself, and in it its two loops.
    pub fn trial(&mut self, trial: &WholeTrial<'_>) -> io::Result<()> {
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
        let kicked = kick_loop.min(total);
        let wait_init = wait_init(&trial.cell.options, &trial.end, trial.timelines);
        let wait_init = wait_init.map_or(0, |cycles| i64::try_from(cycles).unwrap_or(0));
        let alive = kicked.saturating_add(wait_init).min(total);
        let loops =
            [("kick-loop", 0, kicked), ("wait-init", kicked, alive), ("online-loop", alive, total)];
        for (name, from, to) in loops {
            if from < to {
                self.slice(track, from, to, Label::new("loop", name))?;
            }
        }
        self.close(track, total)
    }
}
