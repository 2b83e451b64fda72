//! A run's trials one after the other, with their timelines: another pass over its captures.
//!
//! One trial is in memory at a time, however many a capture holds.

use super::{Boot, Cell, Run};
use crate::capture;
use crate::failure::Failure;
use crate::timeline::on_bsp_clock;
use bringup::frame::{ApTimeline, Body, Frame, TrialBegin, TrialEnd};
use std::ops::ControlFlow;

/// A trial that arrived whole, as it comes by.
#[derive(Clone, Copy, Debug)]
pub struct WholeTrial<'a> {
    /// The boot that it was in: an index of [`Run::boots`].
    pub boot_index: usize,
    /// That boot.
    pub boot: &'a Boot,
    /// The cell that it belongs to: an index of [`Run::cells`].
    pub cell_index: usize,
    /// That cell.
    pub cell: &'a Cell,
    /// Its number, its zero, and whether it is cold.
    pub begin: TrialBegin,
    /// Its total, its kick loop, and how many APs it lost.
    pub end: TrialEnd,
    /// Its APs in the order of their indices, all stamps on the BSP's clock.
    pub timelines: &'a [ApTimeline],
}

impl Run {
    /// Hands out every trial that arrived whole, cold ones too, boot after boot in the order of
    /// time, until `each` breaks off.
    ///
    /// Fails where a capture can't be read any more.
    pub fn each_trial(
        &self,
        mut each: impl FnMut(&WholeTrial<'_>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let mut flow = ControlFlow::Continue(());
        for (boot_index, boot) in self.boots.iter().enumerate() {
            let mut follower = Follower::new(boot.smp);
            capture::read(&boot.capture, |frame| {
                let Some((begin, end)) = follower.take(frame) else {
                    return ControlFlow::Continue(());
                };
                let known = boot.cells.iter().find(|known| known.index == begin.cell);
                if let Some(cell_index) = known.and_then(|known| known.cell) {
                    flow = each(&WholeTrial {
                        boot_index,
                        boot,
                        cell_index,
                        cell: &self.cells[cell_index],
                        begin,
                        end,
                        timelines: &follower.timelines,
                    });
                }
                flow
            })?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Follows a boot's frames from trial to trial.
struct Follower {
    aps: usize,
    /// The trial that is open, and the number that its next frame must have.
    open: Option<(TrialBegin, u32)>,
    timelines: Vec<ApTimeline>,
}

impl Follower {
    fn new(smp: u16) -> Follower {
        Follower { aps: usize::from(smp.saturating_sub(1)), open: None, timelines: Vec::new() }
    }

    /// Takes the next frame; answers where it closes a trial of which no frame is missing.
    fn take(&mut self, frame: &Frame<'_>) -> Option<(TrialBegin, TrialEnd)> {
        let next = frame.number.checked_add(1)?;
        if let Body::TrialBegin(begin) = &frame.body {
            self.timelines.clear();
            self.open = Some((*begin, next));
            return None;
        }
        let (begin, expected) = self.open.take()?;
        if frame.number != expected {
            return None;
        }
        match &frame.body {
            Body::TrialEnd(end) => {
                self.timelines.sort_by_key(|timeline| timeline.cpu);
                (self.timelines.len() == self.aps).then_some((begin, *end))
            }
            body => {
                if let Body::ApTimeline(timeline) = body {
                    self.timelines.push(on_bsp_clock(timeline));
                }
                self.open = Some((begin, next));
                None
            }
        }
    }
}
