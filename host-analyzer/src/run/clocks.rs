//! What the TSC sync of a cell has found out about the APs' clocks.

use crate::run::reservoir::Reservoir;
use bringup::CpuIndex;
use bringup::exchange::{OffsetInterval, SyncVerdict};
use bringup::frame::{ApTimeline, Sync};
use bringup::options::Skews;
use bringup::stamp::Stamp;
use std::collections::BTreeMap;

/// The comparisons of online APs over the trials of a cell, cold ones apart.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    /// How many came to each verdict, in the order of [`SyncVerdict::ALL`].
    verdicts: [u64; SyncVerdict::ALL.len()],
    /// Widths of the intervals of clean clocks, in cycles.
    pub widths: Reservoir<u64>,
    /// The greatest of all of them.
    pub widest: Option<u64>,
    /// The fewest readings that a side saw for one of these.
    pub fewest_readings: Option<u32>,
    /// The most windows that one AP took.
    pub most_windows: u8,
    /// For how long some AP was in the sync in each trial, in cycles.
    pub times: Reservoir<u64>,
    /// The longest of all of them.
    pub longest_time: Option<u64>,
    /// Clocks that a skew was planted in.
    pub planted: u64,
    /// Those of them that were found to be off.
    pub found: u64,
    /// By how much the correction of one of these missed its skew at most, in cycles.
    pub worst_miss: Option<u64>,
    /// Other clocks that were found to be off.
    pub others_off: u64,
    /// The clocks that were found to be off, by CPU.
    pub off: BTreeMap<CpuIndex, Off>,
}

/// A clock that is not equal to the BSP's, in cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Off {
    /// In how many trials it was found.
    pub times: u64,
    /// The skew that was planted in it; 0 where none was.
    pub planted: i64,
    /// What was taken off the clock when it was found first; 0 where a warp was found and nothing was taken off.
    pub correction: i64,
    /// The interval that its offset lies in, as seen first.
    pub interval: Option<OffsetInterval>,
}

impl Clocks {
    /// How many comparisons there were.
    pub fn compared(&self) -> u64 {
        self.verdicts.iter().sum()
    }

    /// How many came to this verdict.
    pub fn count(&self, verdict: SyncVerdict) -> u64 {
        self.verdicts[verdict as usize]
    }

    /// How many can't tell how far the clock is off, because too little was learned or it drifts.
    pub fn uncertain(&self) -> u64 {
        self.count(SyncVerdict::Unresolved) + self.count(SyncVerdict::Drift)
    }

    /// Takes the online APs of a trial, their stamps on one clock.
    pub(super) fn add<'a>(
        &mut self,
        timelines: impl Iterator<Item = &'a ApTimeline>,
        skews: &Skews,
    ) {
        let mut spans: Vec<(i64, i64)> = Vec::new();
        for timeline in timelines {
            let Some(sync) = timeline.sync else { continue };
            self.add_one(timeline, &sync, skews.of(timeline.cpu));
            let stamps = [Stamp::SyncBegin, Stamp::SyncEnd].map(|stamp| timeline.stamps.get(stamp));
            if let [Some(begin), Some(end)] = stamps {
                spans.push((begin, end));
            }
        }
        if !spans.is_empty() {
            let cycles = covered(spans);
            self.longest_time = self.longest_time.max(Some(cycles));
            self.times.push(cycles);
        }
    }

    fn add_one(&mut self, timeline: &ApTimeline, sync: &Sync, skew: i64) {
        self.verdicts[sync.verdict as usize] += 1;
        self.most_windows = self.most_windows.max(sync.windows);
        if let Some(offset) = timeline.offset.filter(|_| sync.verdict == SyncVerdict::Clean) {
            let width = offset.hi.abs_diff(offset.lo);
            self.widest = self.widest.max(Some(width));
            self.widths.push(width);
            let readings = offset.lo_samples.min(offset.hi_samples);
            self.fewest_readings =
                Some(self.fewest_readings.map_or(readings, |fewest| fewest.min(readings)));
        }
        let off = sync.correction != 0 || sync.verdict == SyncVerdict::Warp;
        if off {
            let found = self.off.entry(timeline.cpu).or_insert(Off {
                times: 0,
                planted: skew,
                correction: sync.correction,
                interval: sync.first.or(timeline.offset),
            });
            found.times += 1;
        }
        match skew {
            0 => self.others_off += u64::from(off),
            _ => {
                self.planted += 1;
                self.found += u64::from(off);
                if off {
                    self.worst_miss = self.worst_miss.max(Some(sync.correction.abs_diff(skew)));
                }
            }
        }
    }
}

impl Off {
    /// Which clock and by how much, as `CPU 3 by +300 [264, 336]`; the interval is what is known of it.
    pub fn text(&self, cpu: CpuIndex) -> String {
        let by = match self.correction {
            0 => String::new(),
            cycles => format!(" by {cycles:+}"),
        };
        let interval = self.interval;
        let interval = interval.map_or(String::new(), |of| format!(" [{}, {}]", of.lo, of.hi));
        format!("{cpu}{by}{interval}")
    }
}

/// How much of the time lies in one of these spans, or in several.
fn covered(mut spans: Vec<(i64, i64)>) -> u64 {
    spans.sort_unstable();
    let mut cycles = 0;
    let mut until = i64::MIN;
    for (begin, end) in spans {
        cycles += end.saturating_sub(begin.max(until)).max(0).unsigned_abs();
        until = until.max(end);
    }
    cycles
}

#[cfg(test)]
mod tests {
    use super::covered;

    #[test]
    fn time_that_several_spans_share_counts_once() {
        assert_eq!(covered(vec![(0, 10), (20, 25)]), 15);
        assert_eq!(covered(vec![(5, 12), (0, 10), (2, 3)]), 12);
        assert_eq!(covered(vec![(7, 3)]), 0);
    }
}
