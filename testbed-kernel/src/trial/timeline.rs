//! The frames about an AP, between trials: its timeline, and its late starts.

use super::{Trial, bit, tsc_sync};
use crate::callin;
use crate::slot::Slot;
use crate::stream;
use bringup::CpuIndex;
use bringup::frame::{ApEnd, ApTimeline, OVERRUNS};
use bringup::options::Step;
use bringup::stamp::{Clock, Stamp, Stamps};
use core::sync::atomic::Ordering::Relaxed;

impl Trial<'_> {
    /// The AP's timeline. It waits for its next SIPI; one that is still on its way there has been given up, and what
    /// it writes now is no part of the trial.
    pub(super) fn timeline(&self, ap: CpuIndex) -> ApTimeline {
        let Slot { from_ap, notes, .. } = self.slot(ap);
        let record = &from_ap.record;
        // First of all: an AP that has acknowledged a move of its counter has moved its stamps before.
        let result = self.sync_result(ap);
        let stamps = self.stamps(ap);
        let end = if self.is_lost(ap) {
            ApEnd::Lost(stamps.last())
        } else if notes.wrong.get() {
            ApEnd::WrongAnswer
        } else {
            ApEnd::Online
        };
        let starts = from_ap.starts.of(self.orders.epoch);
        ApTimeline {
            cpu: ap,
            end,
            starts,
            stamps,
            entry_raw: self.relative(if starts > 0 { record.entry_raw.load(Relaxed) } else { 0 }),
            offset: result.and_then(|result| result.offset),
            sync: result.as_ref().map(tsc_sync::frame_of),
            tsc_adjust: (starts > 0 && record.has_tsc_adjust.load(Relaxed))
                .then(|| record.tsc_adjust.load(Relaxed)),
            overruns: self.overruns(ap),
        }
    }

    /// A reading of the TSC against the trial's zero; `None` where there is none.
    fn relative(&self, tsc: u64) -> Option<i64> {
        (tsc != 0).then_some(tsc.wrapping_sub(self.orders.zero) as i64)
    }

    /// True if what the AP has written up to a stamp is of this trial: it has started in it, and was not given up
    /// before.
    fn counts(&self, ap: CpuIndex, stamp: Stamp) -> bool {
        let Slot { from_ap, notes, .. } = self.slot(ap);
        from_ap.starts.of(self.orders.epoch) > 0
            && (!self.is_lost(ap) || notes.taken.get() & bit(stamp) != 0)
    }

    fn stamps(&self, ap: CpuIndex) -> Stamps {
        let Slot { from_ap, notes, .. } = self.slot(ap);
        let mut stamps = Stamps::default();
        for stamp in Stamp::ALL {
            let reading = match stamp.clock() {
                Clock::Bsp => notes.stamps.get(stamp as usize),
                Clock::Ap if self.counts(ap, stamp) => from_ap.record.stamps.get(stamp as usize),
                Clock::Ap => 0,
            };
            if let Some(at) = self.relative(reading) {
                stamps.set(stamp, at);
            }
        }
        stamps
    }

    fn overruns(&self, ap: CpuIndex) -> [u64; OVERRUNS.len()] {
        let Slot { from_ap, notes, .. } = self.slot(ap);
        let mut overruns = [0; OVERRUNS.len()];
        for (step, end) in [
            (Step::Wake, Stamp::Entry),
            (Step::Trampoline, Stamp::Alive),
            (Step::Callin, Stamp::CallinEnd),
            (Step::Online, Stamp::Online),
        ] {
            if self.counts(ap, end) {
                overruns[step as usize] = from_ap.record.overruns.get(step as usize);
            }
        }
        overruns[Step::Kick as usize] = notes.kick_overrun.get();
        overruns[Step::WITH_WORK] = notes.window_overrun.get();
        overruns
    }

    /// Sends a line for each AP whose registers differ from the BSP's: once, and again when their number has changed.
    pub(super) fn report_differences(&self) {
        for ap in self.aps() {
            let Slot { from_ap, notes, .. } = self.slot(ap);
            let difference = from_ap.record.difference();
            let new = difference.filter(|it| notes.differing.replace(it.count) != it.count);
            if let Some(difference) = new {
                callin::report(ap, difference);
            }
        }
    }

    /// Sends a line for each AP that has started late since the last time.
    pub(super) fn report_late_starts(&self) {
        for ap in self.aps() {
            let Slot { from_ap, notes, .. } = self.slot(ap);
            let late = from_ap.late_starts.load(Relaxed);
            let new = late - notes.late_starts.replace(late);
            if new > 0 {
                stream::log(
                    ap,
                    format_args!(
                        "started late {new} time{}, by a SIPI of a trial that was over or in which it had been given up; \
                         it went back to HLT, and no stamp or start of a trial counts it",
                        if new == 1 { "" } else { "s" }
                    ),
                );
            }
        }
    }
}
