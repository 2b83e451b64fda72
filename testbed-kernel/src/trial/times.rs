//! How long things take at most, and how long the BSP waits: a trial's spans of time as cycles.

use bringup::Duration;
use bringup::class::Class;
use bringup::options::Options;

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
    /// Of the TSC, by [`Class`].
    windows: [u64; Class::ALL.len()],
    /// The same for APs of all classes, as is usual.
    only_window: Option<u64>,
    pub(super) tsc_limit: u64,
    pub(super) resolution: u64,
    pub(super) visit_limit: u64,
    pub(super) visit_pause: u64,
}

impl Times {
    pub(super) fn new(options: &Options, own_khz: u64) -> Times {
        let own = |duration: Duration| duration.cycles(own_khz).0;
        let cycles = |duration: Duration| duration.cycles(options.clock(own_khz)).0;
        let windows = Class::ALL.map(|class| cycles(options.tsc_window.of(class)));
        Times {
            limit: cycles(options.limit),
            guard: Some(own(options.guard)).filter(|guard| *guard > 0),
            init_delay: cycles(options.init_delay),
            sipi_gap: cycles(options.sipi_gap),
            windows,
            only_window: windows.iter().all(|window| *window == windows[0]).then_some(windows[0]),
            tsc_limit: cycles(options.tsc_limit),
            resolution: cycles(options.tsc_resolution),
            visit_limit: own(VISIT_LIMIT),
            visit_pause: own(VISIT_PAUSE),
        }
    }

    /// How long the clocks of APs of these classes are watched together.
    #[inline(always)]
    pub(super) fn window(&self, classes: impl Iterator<Item = Class>) -> u64 {
        let longest = || classes.map(|class| self.windows[class as usize]).max().unwrap_or(0);
        self.only_window.unwrap_or_else(longest)
    }
}
