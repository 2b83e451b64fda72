//! The strategies: who waits for whom.
//!
//! Start here. This page has no bit, address or delay: the kernel carries the verbs out on a machine, the simulator on
//! arithmetic clocks.

use crate::CpuIndex;
use crate::class::Class;
use crate::options::{Order, Strategy, TscSync};
use core::fmt;

/// The verbs of the BSP.
///
/// A verb on an AP that is lost does nothing, and an AP becomes lost inside a verb that waited in
/// vain; so a strategy needs no word on failure, and goes on with the others.
pub trait Bsp {
    /// How clocks are compared in this trial.
    fn tsc_sync(&self) -> TscSync;
    /// Prepares and wakes the set: all INITs, then the delay once, then all SIPIs. (Linux sends each CPU its INIT, waits the delay,
    /// and sends its SIPI, before it turns to the next: with n APs that takes n delays.)
    ///
    /// With `kick=broadcast` the set must be every AP, since one INIT and one SIPI reach all of them; a part of
    /// them is refused ([`crate::kick::check`]).
    fn kick(&mut self, set: Aps<'_>);
    /// Waits until the AP runs 64-bit code.
    fn await_alive(&mut self, ap: CpuIndex);
    /// Opens the gate to the callin.
    fn release(&mut self, set: Aps<'_>);
    /// Waits until the AP's own set-up is done.
    fn await_callin(&mut self, ap: CpuIndex);
    /// Waits until any of these APs has called in and is next in turn; none when none is left.
    fn await_any_callin(&mut self, set: Aps<'_>) -> Option<CpuIndex>;
    /// Exchanges clock readings with one AP that has called in, for a window; if it shows a warp, corrects
    /// it and looks again. Then the AP may go on.
    fn sync_pair(&mut self, ap: CpuIndex);
    /// Exchanges clock readings with all of these APs that have called in, in one window; those that it
    /// shows clean may go on.
    fn sync_many(&mut self, set: Aps<'_>);
    /// The next of these APs that called in but may not go on yet.
    fn unsettled(&self, set: Aps<'_>) -> Option<CpuIndex>;
    /// Waits until the AP has done a job, and checks the answer.
    fn await_online(&mut self, ap: CpuIndex);
}

/// A set of APs: a range of indices, of which it may hold the APs of one thread of their core alone.
///
/// Two registers hold it: the BSP's verbs take sets in measured phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aps<'a> {
    first: u16,
    end: u16,
    thread: Thread,
    /// By CPU; `None` where all threads are in it.
    classes: Option<&'a &'a [Class]>,
}

/// Which threads of the cores a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thread {
    Any,
    /// The first of each core.
    Primary,
    /// The others.
    Sibling,
}

impl<'a> Aps<'a> {
    /// All APs of a machine of `cpus` CPUs, the BSP counted.
    #[inline]
    pub fn all(cpus: usize) -> Aps<'a> {
        let end = u16::try_from(cpus).unwrap_or(u16::MAX);
        Aps { first: 1, end, thread: Thread::Any, classes: None }
    }

    /// Just this one.
    #[inline]
    pub fn only(ap: CpuIndex) -> Aps<'a> {
        Aps { first: ap.0, end: ap.0 + 1, thread: Thread::Any, classes: None }
    }

    /// The first thread of each core, but for the BSP, on a machine whose CPUs are of these classes.
    pub fn primaries(classes: &'a &'a [Class]) -> Aps<'a> {
        let classes = Some(classes);
        Aps { thread: Thread::Primary, classes, ..Aps::all(classes.map_or(0, |all| all.len())) }
    }

    /// The threads of cores that have one before them.
    pub fn siblings(classes: &'a &'a [Class]) -> Aps<'a> {
        Aps { thread: Thread::Sibling, ..Aps::primaries(classes) }
    }

    /// Every AP of it is below this index.
    #[inline]
    pub fn end(self) -> u16 {
        self.end
    }

    /// The range of indices that it lies in.
    #[inline]
    pub fn range(self) -> Aps<'static> {
        Aps { first: self.first, end: self.end, thread: Thread::Any, classes: None }
    }

    /// True for a set made by [`Aps::only`], and wherever its range holds one AP.
    #[inline]
    pub fn is_one(self) -> bool {
        self.first + 1 == self.end
    }

    /// True where it holds no AP.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.into_iter().next().is_none()
    }

    #[inline]
    fn holds(self, ap: CpuIndex) -> bool {
        self.classes.is_none_or(|classes| {
            (classes[ap.at()] == Class::Sibling) == (self.thread == Thread::Sibling)
        })
    }
}

impl fmt::Display for Aps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.thread {
            Thread::Any => "",
            Thread::Primary => "the first threads among ",
            Thread::Sibling => "the siblings among ",
        };
        match self.end.saturating_sub(self.first) {
            0 => f.write_str("no CPU"),
            1 => write!(f, "{of}CPU {}", self.first),
            _ => write!(f, "{of}CPUs {} to {}", self.first, self.end - 1),
        }
    }
}

impl<'a> IntoIterator for Aps<'a> {
    type Item = CpuIndex;
    type IntoIter = ApsIter<'a>;

    #[inline]
    fn into_iter(self) -> ApsIter<'a> {
        ApsIter(self)
    }
}

/// The APs of a set, in the order of their indices.
#[derive(Clone, Copy, Debug)]
pub struct ApsIter<'a>(Aps<'a>);

impl Iterator for ApsIter<'_> {
    type Item = CpuIndex;

    #[inline]
    fn next(&mut self) -> Option<CpuIndex> {
        while self.0.first < self.0.end {
            let ap = CpuIndex(self.0.first);
            self.0.first += 1;
            if self.0.holds(ap) {
                return Some(ap);
            }
        }
        None
    }
}

/// Brings all APs of a machine online, whose CPUs are of these classes, the BSP's first: by the strategy of that name, in
/// that order.
pub fn bring_up(strategy: Strategy, order: Order, classes: &[Class], bsp: &mut impl Bsp) {
    match order {
        Order::Listed => bring_up_set(strategy, bsp, Aps::all(classes.len())),
        Order::PrimariesFirst => {
            bring_up_set(strategy, bsp, Aps::primaries(&classes));
            bring_up_set(strategy, bsp, Aps::siblings(&classes));
        }
    }
}

fn bring_up_set(strategy: Strategy, bsp: &mut impl Bsp, set: Aps<'_>) {
    match strategy {
        Strategy::Serial => serial(bsp, set),
        Strategy::ParallelSipi => parallel_sipi(bsp, set),
        Strategy::ParallelCallin => parallel_callin(bsp, set),
        Strategy::FullParallel => full_parallel(bsp, set),
    }
}

/// One AP after the other, from INIT to online.
pub fn serial(bsp: &mut impl Bsp, set: Aps<'_>) {
    for ap in set {
        bsp.kick(Aps::only(ap));
        let_in(bsp, ap);
        finish(bsp, ap);
    }
}

/// All SIPIs first; then one AP after the other.
pub fn parallel_sipi(bsp: &mut impl Bsp, set: Aps<'_>) {
    bsp.kick(set);
    for ap in set {
        let_in(bsp, ap);
        finish(bsp, ap);
    }
}

/// All SIPIs first; then one look at each AP, which is let into its callin; then one AP after the other.
pub fn parallel_callin(bsp: &mut impl Bsp, set: Aps<'_>) {
    bsp.kick(set);
    for ap in set {
        let_in(bsp, ap);
    }
    for ap in set {
        finish(bsp, ap);
    }
}

/// Nobody waits: the gate is open before the first SIPI, and only the TSC sync takes turns.
pub fn full_parallel(bsp: &mut impl Bsp, set: Aps<'_>) {
    bsp.release(set);
    bsp.kick(set);
    sync_tsc(bsp, set);
    for ap in set {
        bsp.await_online(ap);
    }
}

/// Lets one AP that was kicked into its callin.
fn let_in(bsp: &mut impl Bsp, ap: CpuIndex) {
    bsp.await_alive(ap);
    bsp.release(Aps::only(ap));
}

/// Takes one AP that was let into its callin online.
fn finish(bsp: &mut impl Bsp, ap: CpuIndex) {
    bsp.await_callin(ap);
    sync_tsc(bsp, Aps::only(ap));
    bsp.await_online(ap);
}

/// Compares the clocks of a set with the BSP's.
fn sync_tsc(bsp: &mut impl Bsp, set: Aps<'_>) {
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
