//! One simulated trial.

use super::bsp::Simulated;
use crate::Cycles;
use crate::class::Class;
use crate::frame::{ApTimeline, TrialEnd};
use crate::kick::PartKicked;
use crate::options::Options;
use crate::stamp::Stamp;
use crate::strategy::{Aps, bring_up};
use std::fmt;

/// A trial's result, and its APs.
pub type Trial = (TrialEnd, Vec<ApTimeline>);

/// Why a trial can't be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTrial {
    /// It takes longer than the clock can count.
    TooLong,
    /// The strategy kicks fewer APs than its kick reaches.
    PartKicked(PartKicked),
}

impl fmt::Display for NoTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoTrial::TooLong => f.write_str(
                "a trial would take 2^63 cycles or more, which the simulator's clock can't count; \
                 take shorter costs, fewer CPUs, or a lower clock-khz",
            ),
            NoTrial::PartKicked(part) => part.fmt(f),
        }
    }
}

impl std::error::Error for NoTrial {}

/// Runs one trial on a machine of `cpus` CPUs, each a core of one package, whose clocks tick at
/// `tsc_khz` kHz where the options name no other.
///
/// Fails where it can't be simulated.
pub fn trial(options: &Options, cpus: usize, tsc_khz: u64) -> Result<Trial, NoTrial> {
    trial_on(options, &vec![Class::Core; cpus], tsc_khz)
}

/// The same on a machine whose CPUs are of these classes, the BSP's first.
pub fn trial_on(options: &Options, classes: &[Class], tsc_khz: u64) -> Result<Trial, NoTrial> {
    trial_in_boot(options, classes, tsc_khz, &mut vec![0; classes.len()])
}

/// The same in a boot in which each CPU was to be sent so many SIPIs before.
pub(super) fn trial_in_boot(
    options: &Options,
    classes: &[Class],
    tsc_khz: u64,
    sipis: &mut [u32],
) -> Result<Trial, NoTrial> {
    let bring_up = |bsp: &mut Simulated<'_>| {
        bring_up(options.strategy, options.order, classes, bsp);
    };
    trial_by(bring_up, options, classes, tsc_khz, sipis)
}

/// The same by any strategy.
pub(super) fn trial_by(
    strategy: impl FnOnce(&mut Simulated<'_>),
    options: &Options,
    classes: &[Class],
    tsc_khz: u64,
    sipis: &mut [u32],
) -> Result<Trial, NoTrial> {
    let mut bsp = Simulated::new(options, classes, tsc_khz, sipis);
    strategy(&mut bsp);
    if let Some(refused) = bsp.refused {
        return Err(NoTrial::PartKicked(refused));
    }
    bsp.settle();
    let kick_loop = bsp.aps.iter().filter_map(|ap| ap.stamps.get(Stamp::KickEnd)).max();
    let end = TrialEnd {
        total: Cycles(bsp.now as u64),
        kick_loop: Cycles(kick_loop.unwrap_or(0) as u64),
        lost: bsp.aps.iter().filter(|ap| ap.is_lost()).count() as u16,
    };
    let aps: Vec<ApTimeline> =
        Aps::all(classes.len()).into_iter().map(|cpu| bsp.aps[cpu.at()].timeline(cpu)).collect();
    // A clock that has come to its end stays there.
    let mut stamps = aps.iter().flat_map(|ap| Stamp::ALL.map(|stamp| ap.stamps.get(stamp)));
    match bsp.now == i64::MAX || stamps.any(|at| at == Some(i64::MAX)) {
        true => Err(NoTrial::TooLong),
        false => Ok((end, aps)),
    }
}
