//! Follows a boot's frames from trial to trial, and finds the trials that arrived whole.

use crate::run::timeline::on_bsp_clock;
use bringup::frame::{ApTimeline, Body, Frame, TrialBegin, TrialEnd};

/// The trial that is open: the frames of it so far.
#[derive(Default)]
pub(super) struct Follower {
    /// How it began, and the number that its next frame must have. None is open after a gap: that can hold
    /// the end of one trial and the begin of another.
    open: Option<(TrialBegin, u32)>,
    timelines: Vec<ApTimeline>,
}

impl Follower {
    /// Takes the next frame of a machine of `smp` CPUs. Returns the trial that it closes, if no frame of it is missing.
    pub fn take(&mut self, frame: &Frame<'_>, smp: u16) -> Option<(TrialBegin, TrialEnd)> {
        let next = frame.number.checked_add(1)?;
        if let Body::TrialBegin(begin) = &frame.body {
            self.timelines.clear();
            self.open = Some((*begin, next));
            return None;
        }
        let (begin, _) = self.open.take().filter(|(_, expected)| frame.number == *expected)?;
        match &frame.body {
            Body::TrialEnd(end) => {
                self.timelines.sort_by_key(|timeline| timeline.cpu);
                // Each AP once, and no other CPU.
                let cpus = self.timelines.iter().map(|timeline| timeline.cpu.0);
                cpus.eq(1..smp.max(1)).then_some((begin, *end))
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

    /// The APs of the trial that was closed, in the order of their indices, all stamps on the BSP's clock.
    pub fn timelines(&self) -> &[ApTimeline] {
        &self.timelines
    }
}
