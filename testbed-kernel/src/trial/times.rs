//! How long things take at most, and how long the BSP waits: a trial's spans of time as cycles.

use bringup::Duration;
use bringup::options::{Options, SIPI_GAP};

/// How long a visit to an AP takes at most, in the TSC sync.
const VISIT_LIMIT: Duration = Duration::Nanos(200_000);
/// How long the BSP pauses before it visits again.
const VISIT_PAUSE: Duration = Duration::Nanos(100_000);

/// The trial's spans of time, in cycles of the BSP's TSC: those of the machine that it stands for, and those
/// that the engine itself needs.
pub(super) struct Times {
    pub(super) limit: u64,
    pub(super) guard: Option<u64>,
    pub(super) init_delay: u64,
    pub(super) sipi_gap: u64,
    pub(super) window: u64,
    pub(super) longest_window: u64,
    pub(super) resolution: u64,
    pub(super) visit_limit: u64,
    pub(super) visit_pause: u64,
}

impl Times {
    pub(super) fn new(options: &Options, own_khz: u64) -> Times {
        let own = |duration: Duration| duration.cycles(own_khz).0;
        let cycles = |duration: Duration| duration.cycles(options.clock(own_khz)).0;
        Times {
            limit: cycles(options.limit),
            guard: Some(own(options.guard)).filter(|guard| *guard > 0),
            init_delay: cycles(options.init_delay),
            sipi_gap: cycles(SIPI_GAP),
            window: cycles(options.tsc_window),
            longest_window: cycles(options.tsc_window).max(cycles(options.tsc_limit)),
            resolution: cycles(options.tsc_resolution),
            visit_limit: own(VISIT_LIMIT),
            visit_pause: own(VISIT_PAUSE),
        }
    }
}
