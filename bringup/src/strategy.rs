//! The strategies: who waits for whom.
//!
//! Start here. This page has no bit, address or delay: the kernel carries the verbs out on a machine, the simulator on
//! arithmetic clocks.

use crate::CpuIndex;
use crate::options::{Strategy, TscSync};
use core::fmt;

/// The verbs of the BSP.
///
/// A verb on an AP that is lost does nothing, and an AP becomes lost inside a verb that waited in
/// vain; so a strategy needs no word on failure, and goes on with the others.
pub trait Bsp {
    /// Every AP of the machine.
    fn aps(&self) -> Aps;
    /// How clocks are compared in this trial.
    fn tsc_sync(&self) -> TscSync;
    /// Wakes the set: all INITs, then the delay once, then all SIPIs. (Linux sends each CPU its INIT, waits the delay,
    /// and sends its SIPI, before it turns to the next: with n APs that takes n delays.)
    ///
    /// With `kick=broadcast` the set must be every AP, since one INIT and one SIPI reach all of them; a part of
    /// them is refused ([`crate::kick::check`]).
    fn kick(&mut self, set: Aps);
    /// Waits until the AP runs 64-bit code.
    fn await_alive(&mut self, ap: CpuIndex);
    /// Opens the gate to the callin.
    fn release(&mut self, set: Aps);
    /// Waits until the AP's own set-up is done.
    fn await_callin(&mut self, ap: CpuIndex);
    /// Waits until any of these APs has called in and is next in turn; none when none is left.
    fn await_any_callin(&mut self, set: Aps) -> Option<CpuIndex>;
    /// Exchanges clock readings with one AP that has called in, for a window; if it shows a warp, corrects
    /// it and looks again. Then the AP may go on.
    fn sync_pair(&mut self, ap: CpuIndex);
    /// Exchanges clock readings with all of these APs that have called in, in one window; those that it
    /// shows clean may go on.
    fn sync_many(&mut self, set: Aps);
    /// The next of these APs that called in but may not go on yet.
    fn unsettled(&self, set: Aps) -> Option<CpuIndex>;
    /// Waits until the AP has done a job, and checks the answer.
    fn await_online(&mut self, ap: CpuIndex);
}

/// A set of APs with consecutive indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aps {
    first: u16,
    end: u16,
}

impl Aps {
    /// All APs of a machine of `cpus` CPUs, the BSP counted.
    pub fn all(cpus: usize) -> Aps {
        Aps { first: 1, end: u16::try_from(cpus).unwrap_or(u16::MAX) }
    }

    /// Just this one.
    pub fn only(ap: CpuIndex) -> Aps {
        Aps { first: ap.0, end: ap.0 + 1 }
    }

    /// True on a machine whose only CPU is the BSP.
    pub fn is_empty(self) -> bool {
        self.first >= self.end
    }
}

impl fmt::Display for Aps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end.saturating_sub(self.first) {
            0 => f.write_str("no CPU"),
            1 => write!(f, "CPU {}", self.first),
            _ => write!(f, "CPUs {} to {}", self.first, self.end - 1),
        }
    }
}

impl IntoIterator for Aps {
    type Item = CpuIndex;
    type IntoIter = core::iter::Map<core::ops::Range<u16>, fn(u16) -> CpuIndex>;

    fn into_iter(self) -> Self::IntoIter {
        (self.first..self.end).map(CpuIndex)
    }
}

/// Brings all APs online by the strategy of that name.
pub fn bring_up(strategy: Strategy, bsp: &mut impl Bsp) {
    match strategy {
        Strategy::Serial => serial(bsp),
        Strategy::ParallelSipi => parallel_sipi(bsp),
        Strategy::FullParallel => full_parallel(bsp),
    }
}

/// One AP after the other, from INIT to online.
pub fn serial(bsp: &mut impl Bsp) {
    for ap in bsp.aps() {
        bsp.kick(Aps::only(ap));
        finish(bsp, ap);
    }
}

/// All SIPIs first; then one AP after the other.
pub fn parallel_sipi(bsp: &mut impl Bsp) {
    bsp.kick(bsp.aps());
    for ap in bsp.aps() {
        finish(bsp, ap);
    }
}

/// Nobody waits: the gate is open before the first SIPI, and only the TSC sync takes turns.
pub fn full_parallel(bsp: &mut impl Bsp) {
    bsp.release(bsp.aps());
    bsp.kick(bsp.aps());
    sync_tsc(bsp, bsp.aps());
    for ap in bsp.aps() {
        bsp.await_online(ap);
    }
}

/// Takes one AP that was kicked online.
fn finish(bsp: &mut impl Bsp, ap: CpuIndex) {
    bsp.await_alive(ap);
    bsp.release(Aps::only(ap));
    bsp.await_callin(ap);
    sync_tsc(bsp, Aps::only(ap));
    bsp.await_online(ap);
}

/// Compares the clocks of a set with the BSP's.
fn sync_tsc(bsp: &mut impl Bsp, set: Aps) {
    match bsp.tsc_sync() {
        TscSync::Pairwise => {
            while let Some(ap) = bsp.await_any_callin(set) {
                bsp.sync_pair(ap);
            }
        }
        TscSync::OneToMany => {
            for ap in set {
                bsp.await_callin(ap);
            }
            bsp.sync_many(set);
            while let Some(ap) = bsp.unsettled(set) {
                bsp.sync_pair(ap);
            }
        }
        TscSync::Trusted => {}
    }
}
