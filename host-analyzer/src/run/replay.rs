//! A run's trials with their timelines: another pass over its captures.
//!
//! One trial is in memory at a time, however many a capture holds.

use crate::ground::failure::Failure;
use crate::run::follow::Follower;
use crate::run::model::{Boot, Cell, Run};
use crate::run::queue_ends::queue_ends;
use crate::run::trial::{FullTrial, Trial};
use crate::source::capture;
use bringup::frame::{ApTimeline, TrialBegin, TrialEnd};
use std::collections::HashMap;
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

impl WholeTrial<'_> {
    /// When the BSP was free to send each AP's SIPI, in the order of the timelines.
    pub fn queue_ends(&self) -> Vec<Option<i64>> {
        queue_ends(self.cell, self.timelines)
    }
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
        for boot_index in 0..self.boots.len() {
            if self.each_trial_of(boot_index, &mut each)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Some trials of every cell with their timelines, in the order of [`Run::cells`]; of each cell
    /// as many as wanted, in that order, none of them twice. Reads the captures again.
    pub fn with_timelines(&self, wanted: &[Vec<Trial>]) -> Result<Vec<Vec<FullTrial>>, Failure> {
        let mut found: Vec<Vec<FullTrial>> = vec![Vec::new(); wanted.len()];
        for boot_index in 0..self.boots.len() {
            let of_boot = |trial: &&Trial| trial.boot as usize == boot_index;
            let mut left = wanted.iter().flatten().filter(of_boot).count();
            if left == 0 {
                continue;
            }
            let _ = self.each_trial_of(boot_index, &mut |whole| {
                let is_it = |trial: &&Trial| {
                    !whole.begin.cold
                        && (trial.cell, trial.number) == (whole.begin.cell, whole.begin.trial)
                };
                let mut of_cell = wanted[whole.cell_index].iter().filter(of_boot);
                if let Some(trial) = of_cell.find(is_it) {
                    let timelines = whole.timelines.to_vec();
                    found[whole.cell_index].push(FullTrial { trial: *trial, timelines });
                    left -= 1;
                }
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        for (found, wanted) in found.iter_mut().zip(wanted) {
            found.sort_by_key(|found| wanted.iter().position(|trial| *trial == found.trial));
        }
        Ok(found)
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

    /// The trials of one boot; breaks where `each` has broken off.
    fn each_trial_of(
        &self,
        boot_index: usize,
        each: &mut impl FnMut(&WholeTrial<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Failure> {
        let boot = &self.boots[boot_index];
        if boot.linux.is_some() {
            // A log has no timelines.
            return Ok(ControlFlow::Continue(()));
        }
        let mut follower = Follower::default();
        let mut flow = ControlFlow::Continue(());
        // Of each index the first, as for the trials of the first pass.
        let known = boot.cells.iter().rev().filter_map(|known| Some((known.index, known.cell?)));
        let known: HashMap<u16, usize> = known.collect();
        let read = capture::read(&boot.capture, |frame| {
            let Some((begin, end)) = follower.take(frame, boot.smp) else {
                return ControlFlow::Continue(());
            };
            if let Some(&cell_index) = known.get(&begin.cell) {
                flow = each(&WholeTrial {
                    boot_index,
                    boot,
                    cell_index,
                    cell: &self.cells[cell_index],
                    begin,
                    end,
                    timelines: follower.timelines(),
                });
            }
            flow
        });
        match read {
            // Its end could not be read in the first pass either.
            Err(_) if boot.unreadable.is_some() => {}
            read => _ = read?,
        }
        Ok(flow)
    }
}
