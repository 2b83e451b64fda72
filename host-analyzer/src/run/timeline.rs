//! One AP's timeline on one clock: the BSP's.

use bringup::Cycles;
use bringup::exchange::SyncVerdict;
use bringup::frame::{ApTimeline, Sync};
use bringup::phase::Phase;
use bringup::stamp::{Stamp, Stamps};
use std::fmt;

/// Puts the AP's own stamps on the BSP's clock, by the offset that the TSC sync has certified;
/// where the clocks were not compared, or can be equal, nothing changes.
///
/// Drift is corrected by nothing: what an earlier window had led to take off the counter is put back.
pub fn on_bsp_clock(timeline: &ApTimeline) -> ApTimeline {
    let correction = match timeline.sync {
        Some(Sync { verdict: SyncVerdict::Drift, in_hardware: true, correction, .. }) => {
            correction.wrapping_neg()
        }
        _ => timeline.offset.map_or(0, |offset| offset.correction()),
    };
    ApTimeline {
        stamps: timeline.stamps.on_bsp_clock(correction),
        entry_raw: timeline.entry_raw.map(|entry| entry.wrapping_sub(correction)),
        ..*timeline
    }
}

/// The six phases of an online AP, in the order of [`Phase::ALL`]; they partition its time.
///
/// The stamps must be on one clock. Fails where one of its path is missing or before its
/// predecessor.
pub fn phases(stamps: &Stamps) -> Result<[Cycles; 6], Disorder> {
    let mut before = None;
    for stamp in Stamp::PATH {
        let at = stamps.get(stamp).ok_or(Disorder::Missing(stamp))?;
        if let Some((earlier, from)) = before
            && at < from
        {
            return Err(Disorder::Backwards { earlier, from, stamp, at });
        }
        before = Some((stamp, at));
    }
    // The path is whole and in order, so every phase has a length.
    Ok(Phase::ALL.map(|phase| phase.of(stamps).unwrap_or_default()))
}

/// How far an AP came whose stamps make no phases; cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// When it was kicked.
    pub init: u64,
    /// How long it was in each phase: in the last one that it reached only until its last stamp.
    pub phases: [u64; Phase::ALL.len()],
}

impl Reached {
    /// As far as the stamps of its path are there and in order; they must be on one clock. `None`
    /// where it was not kicked, or before the trial's zero.
    pub fn of(stamps: &Stamps) -> Option<Reached> {
        let moment = |stamp| stamps.get(stamp).and_then(|at| u64::try_from(at).ok());
        let init = moment(Stamp::Init)?;
        let (mut phases, mut at) = ([0; Phase::ALL.len()], init);
        for stamp in Stamp::PATH {
            let Some(next) = moment(stamp).filter(|next| *next >= at) else { break };
            let phase = Phase::ALL.into_iter().find(|phase| stamp <= phase.ends().1);
            phases[phase? as usize] += next - at;
            at = next;
        }
        Some(Reached { init, phases })
    }

    /// The moment of its last stamp.
    pub fn last(&self) -> u64 {
        self.init + self.phases.iter().sum::<u64>()
    }
}

/// Why an online AP's stamps make no phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disorder {
    /// A stamp of the path was not taken.
    Missing(Stamp),
    /// A stamp lies before the one that it follows; cycles after the trial's zero.
    Backwards {
        /// The stamp that comes first on the path.
        earlier: Stamp,
        /// When it was taken.
        from: i64,
        /// The stamp that comes next.
        stamp: Stamp,
        /// When that was taken.
        at: i64,
    },
}

impl fmt::Display for Disorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disorder::Missing(stamp) => write!(f, "has no `{}`", stamp.name()),
            Disorder::Backwards { earlier, from, stamp, at } => {
                write!(f, "has `{}` at {at}, before `{}` at {from}", stamp.name(), earlier.name())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bringup::exchange::OffsetInterval;
    use bringup::options::Options;

    #[test]
    fn a_correction_of_a_counter_that_drifts_is_undone_and_any_other_stays() {
        let (_, aps) = bringup::sim::trial(&Options::default(), 2, 1_000_000).unwrap();
        let entry = |verdict, in_hardware, offset: Option<OffsetInterval>| {
            let sync = Sync { verdict, windows: 2, first: None, correction: 300, in_hardware };
            let timeline = ApTimeline { sync: Some(sync), offset, ..aps[0] };
            on_bsp_clock(&timeline).stamps.get(Stamp::Entry).unwrap()
        };
        let as_read = aps[0].stamps.get(Stamp::Entry).unwrap();
        let known = |lo, hi| Some(OffsetInterval { lo, hi, lo_samples: 6, hi_samples: 6 });
        assert_eq!(entry(SyncVerdict::Drift, true, known(900, -100)), as_read + 300);
        assert_eq!(entry(SyncVerdict::Drift, false, known(900, -100)), as_read);
        assert_eq!(entry(SyncVerdict::Clean, true, known(-10, 10)), as_read);
        assert_eq!(entry(SyncVerdict::Warp, false, known(290, 310)), as_read - 300);
    }
}
