//! APs that did not come online.

use bringup::CpuIndex;
use bringup::frame::{ApEnd, ApTimeline};
use bringup::stamp::Stamp;
use std::collections::BTreeMap;

/// The APs of a cell that did not come online, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// In the trials that are counted: whole ones without cold ones.
    pub counted: BTreeMap<LostAp, u64>,
    /// In cold trials that are whole.
    pub cold: BTreeMap<LostAp, u64>,
    /// In trials with a missing frame.
    pub incomplete: BTreeMap<LostAp, u64>,
}

/// How an AP was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LostAp {
    /// Which.
    pub cpu: CpuIndex,
    /// How it ended.
    pub end: LostEnd,
}

/// How an AP ended that is not online.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LostEnd {
    /// It got no further than this stamp; `None`: it was not even kicked.
    After(Option<Stamp>),
    /// It answered the job, wrongly.
    WrongAnswer,
}

impl LostAp {
    /// The AP, if it did not come online.
    pub fn of(timeline: &ApTimeline) -> Option<LostAp> {
        let end = match timeline.end {
            ApEnd::Online => return None,
            ApEnd::Lost(stamp) => LostEnd::After(stamp),
            ApEnd::WrongAnswer => LostEnd::WrongAnswer,
        };
        Some(LostAp { cpu: timeline.cpu, end })
    }

    /// Which and how it ended, as ``CPU 3 after `init` ``.
    pub fn text(&self) -> String {
        format!("{} {}", self.cpu, self.ending())
    }

    /// How it ended, as ``after `init` ``.
    pub fn ending(&self) -> String {
        match self.end {
            LostEnd::After(Some(stamp)) => format!("after `{}`", stamp.name()),
            LostEnd::After(None) => "before it was kicked".to_owned(),
            LostEnd::WrongAnswer => "with a wrong answer".to_owned(),
        }
    }
}
