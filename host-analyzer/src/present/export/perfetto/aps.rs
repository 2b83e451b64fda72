//! The APs' tracks: phases, and in `sipi` the sub-phases.

use super::pen::Pen;
use super::writer::Label;
use crate::run::WholeTrial;
use crate::run::timeline::phases;
use bringup::Cycles;
use bringup::frame::{ApEnd, ApTimeline, OVERRUNS, WINDOW};
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::Stamp;
use std::io;

/// Draws every AP. Returns how many of those online have stamps that make no phases.
pub fn draw(pen: &mut Pen<'_, '_>, trial: &WholeTrial<'_>) -> io::Result<u64> {
    let mut cut = 0;
    for ((nth, ap), queue_end) in trial.timelines.iter().enumerate().zip(trial.queue_ends()) {
        let arrows =
            [(Stamp::Entry, pen.kick_arrow(nth)), (Stamp::CallinBegin, pen.release_arrow(nth))];
        let track = pen.tracks.cpu(ap.cpu.0);
        let mut path = Path { pen, track, ap, queue_end, arrows: arrows.to_vec() };
        path.draw()?;
        path.ending()?;
        cut += u64::from(ap.end == ApEnd::Online && phases(&ap.stamps).is_err());
    }
    Ok(cut)
}

/// The way of one AP.
struct Path<'a, 'p, 'o> {
    pen: &'a mut Pen<'p, 'o>,
    track: u64,
    ap: &'a ApTimeline,
    /// When the BSP was free to send its SIPI.
    queue_end: Option<i64>,
    /// Arrows that have not arrived, each with the stamp that it leads to. It ends at the first
    /// slice that begins there, since an empty phase has none.
    arrows: Vec<(Stamp, u64)>,
}

impl Path<'_, '_, '_> {
    /// The phases that were passed through, as far as their stamps are in order.
    fn draw(&mut self) -> io::Result<()> {
        for phase in Phase::ALL {
            let (from, to) = phase.ends();
            let ends = self.ends(from, to);
            match (phase, ends) {
                (Phase::Sipi, Some((begin, end))) if begin < end => {
                    let label = self.label(phase.name(), "work", from, Cycles(end.abs_diff(begin)));
                    self.pen.open(self.track, begin, &label)?;
                    self.sub_phases()?;
                    self.pen.close(self.track, end)?;
                }
                (Phase::Sipi, Some(_)) => {}
                (Phase::Sipi, None) => return self.sub_phases(),
                (_, Some(ends)) => {
                    let category = if phase.is_work() { "work" } else { "wait" };
                    self.slice(phase.name(), category, from, ends)?;
                }
                (_, None) => return Ok(()),
            }
        }
        Ok(())
    }

    fn sub_phases(&mut self) -> io::Result<()> {
        for part in SubPhase::ALL {
            let Some(ends) = part.ends(&self.ap.stamps, self.queue_end) else { break };
            let category = if part == SubPhase::Queue { "wait" } else { "sub-phase" };
            // The arrow of a kick arrives at `entry`, where `wake` is over.
            let from = if part == SubPhase::Trampoline { Stamp::Entry } else { Stamp::Init };
            self.slice(part.name(), category, from, ends)?;
        }
        Ok(())
    }

    /// Where both stamps were taken and are in order.
    fn ends(&self, from: Stamp, to: Stamp) -> Option<(i64, i64)> {
        let ends = (self.ap.stamps.get(from)?, self.ap.stamps.get(to)?);
        (ends.0 <= ends.1).then_some(ends)
    }

    /// A slice between two moments, the first of them behind the stamp `from`; none where it is empty.
    fn slice(
        &mut self,
        name: &str,
        category: &'static str,
        from: Stamp,
        (begin, end): (i64, i64),
    ) -> io::Result<()> {
        if begin == end {
            return Ok(());
        }
        let label = self.label(name, category, from, Cycles(end.abs_diff(begin)));
        self.pen.open(self.track, begin, &label)?;
        self.pen.close(self.track, end)
    }

    /// What is shown of a slice that begins at a stamp: its length, by how much it went beyond its
    /// cost, and the arrows that end here.
    fn label(&mut self, name: &str, category: &'static str, from: Stamp, length: Cycles) -> Label {
        let mut label = Label::new(category, name).with("cycles", length.0);
        let step = if name == Phase::TscSync.name() { WINDOW } else { name };
        let overrun = OVERRUNS.iter().position(|known| *known == step);
        if let Some(by) = overrun.map(|index| self.ap.overruns[index]).filter(|by| *by > 0) {
            label = label.with("overrun", by);
        }
        // On the path, a later stamp has a greater place.
        let place = |stamp: Stamp| Stamp::PATH.iter().position(|known| *known == stamp);
        self.arrows.retain(|(to, arrow)| {
            let arrives = place(*to) <= place(from);
            if arrives {
                label.arriving.push(*arrow);
            }
            !arrives
        });
        label
    }

    /// A mark where an AP that is not online got to.
    fn ending(&mut self) -> io::Result<()> {
        let (at, name) = match self.ap.end {
            ApEnd::Online => return Ok(()),
            ApEnd::Lost(last) => {
                (last, last.map_or("lost".to_owned(), |last| format!("lost after {}", last.name())))
            }
            ApEnd::WrongAnswer => (Some(Stamp::Online), "wrong answer".to_owned()),
        };
        match at.and_then(|stamp| self.ap.stamps.get(stamp)) {
            Some(at) => self.pen.moment(self.track, at, &Label::new("lost", name)),
            None => Ok(()),
        }
    }
}
