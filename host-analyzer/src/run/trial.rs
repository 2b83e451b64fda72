//! One trial: the numbers that are kept of it, and its timelines.

use bringup::frame::{ApTimeline, TrialEnd};
use bringup::options::{Options, Order};
use bringup::phase::SubPhase;
use bringup::stamp::Stamp;

/// What is kept of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trial {
    /// Which boot: an index of [`Run::boots`](crate::run::Run::boots).
    pub boot: u32,
    /// The cell's index in that boot's command line.
    pub cell: u16,
    /// The trial's number in the cell.
    pub number: u32,
    /// From zero until the BSP knew the last AP online, or lost; cycles.
    pub total: u64,
    /// From zero until the last `kick_end`; cycles. `None` where a log does not show it.
    pub kick_loop: Option<u64>,
    /// From then until the BSP has seen the last AP alive, where the strategy looks at all APs then; cycles.
    pub wait_init: Option<u64>,
    /// The six phases in the order of [`bringup::phase::Phase::ALL`]: each the mean over the online APs, rounded
    /// to whole cycles; `None` where there is no AP to take it of.
    pub phases: Option<[u64; 6]>,
    /// The parts of [`bringup::phase::Phase::Sipi`] in the order of [`SubPhase::ALL`], likewise.
    pub sub_phases: Option<[u64; SubPhase::ALL.len()]>,
    /// APs that did not come online.
    pub lost: u16,
    /// Steps that took longer than their cost.
    pub overruns: u32,
}

/// A trial with its timelines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullTrial {
    /// Its numbers.
    pub trial: Trial,
    /// Its APs in the order of their indices, all stamps on the BSP's clock.
    pub timelines: Vec<ApTimeline>,
}

/// The loop in which the BSP lets each AP into its callin as soon as it is alive, in cycles; `None` where these options
/// have no such loop, or several.
pub fn wait_init(options: &Options, end: &TrialEnd, timelines: &[ApTimeline]) -> Option<u64> {
    if !options.strategy.has_wait_init() || options.order != Order::Listed {
        return None;
    }
    let seen = timelines.iter().filter_map(|ap| ap.stamps.get(Stamp::SeenAlive)).max()?;
    Some(u64::try_from(seen).ok()?.saturating_sub(end.kick_loop.0))
}
