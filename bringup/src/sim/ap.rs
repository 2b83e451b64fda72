//! One simulated AP.

use crate::CpuIndex;
use crate::frame::{ApEnd, ApTimeline, OVERRUNS};
use crate::stamp::{Clock, Stamp, Stamps};

/// How far an AP has come, and until when it may take.
#[derive(Clone, Default)]
pub(super) struct Ap {
    /// On one clock.
    pub(super) stamps: Stamps,
    /// When the gate to the callin opened.
    pub(super) released: Option<i64>,
    /// When its limit ends, in cycles.
    pub(super) deadline: i64,
    /// When the BSP gave it up: at its deadline, or later where the BSP was busy with another AP then.
    pub(super) given_up: Option<i64>,
}

impl Ap {
    /// True where the BSP has given it up.
    pub(super) fn is_lost(&self) -> bool {
        self.given_up.is_some()
    }

    /// What a kernel would send of it.
    pub(super) fn timeline(&self, cpu: CpuIndex) -> ApTimeline {
        let mut stamps = Stamps::default();
        for stamp in Stamp::ALL {
            let at = self.stamps.get(stamp);
            // What an AP does after it was given up is no part of the trial.
            let too_late = |at: i64| self.given_up.is_some_and(|given_up| at > given_up);
            if let Some(at) = at.filter(|at| stamp.clock() == Clock::Bsp || !too_late(*at)) {
                stamps.set(stamp, at);
            }
        }
        ApTimeline {
            cpu,
            end: if self.is_lost() { ApEnd::Lost(stamps.last()) } else { ApEnd::Online },
            starts: u32::from(stamps.get(Stamp::Entry).is_some()),
            stamps,
            entry_raw: None,
            offset: None,
            sync: None,
            tsc_adjust: None,
            overruns: [0; OVERRUNS.len()],
        }
    }
}
