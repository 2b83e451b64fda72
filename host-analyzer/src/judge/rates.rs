//! How often APs are lost: by engine, wake sequence, CPU and step, as rates with exact intervals.

use super::statistics::{Interval, share_interval};
use crate::run::{LostAp, LostEnd, Run};
use bringup::CpuIndex;
use bringup::options::WakeSequence;
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::Stamp;
use std::collections::BTreeMap;

/// How often something was lost, of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// So many …
    pub lost: u64,
    /// … of these.
    pub of: u64,
}

impl Count {
    /// Where the true rate lies, with 95 %.
    pub fn interval(self) -> Interval {
        share_interval(self.lost, self.of)
    }
}

/// The APs of an engine that are woken by a sequence.
pub type Woken = (String, WakeSequence);

/// An AP and the step that it did not finish.
pub type Place = (CpuIndex, &'static str);

/// What was kicked, and what of it was lost: of whole trials, the cold ones among them. A kick is all SIPIs of a
/// sequence to one AP in one trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    kicks: BTreeMap<Woken, BTreeMap<CpuIndex, u64>>,
    lost: BTreeMap<Woken, BTreeMap<Place, u64>>,
    /// The boots of each engine in which an AP was lost, of all its boots.
    pub boots: BTreeMap<String, Count>,
}

impl Rates {
    /// Those of a run.
    pub fn of(run: &Run) -> Rates {
        let mut rates = Rates::default();
        for cell in run.cells.iter().filter(|cell| cell.smp > 1) {
            let woken = (cell.engine.clone(), cell.options.wake_sequence);
            let trials = cell.trials.count() + cell.cold.count();
            let kicks = rates.kicks.entry(woken.clone()).or_default();
            (1..cell.smp).for_each(|cpu| *kicks.entry(CpuIndex(cpu)).or_default() += trials);
            let lost = rates.lost.entry(woken).or_default();
            for (ap, times) in cell.losses.counted.iter().chain(&cell.losses.cold) {
                *lost.entry((ap.cpu, step(ap))).or_default() += times;
            }
        }
        for boot in run.boots.iter().filter(|boot| boot.smp > 1) {
            let count = rates.boots.entry(boot.engine.clone()).or_default();
            count.of += 1;
            count.lost += u64::from(boot.has_lost);
        }
        rates
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: Rates) {
        for (woken, kicks) in other.kicks {
            let all = self.kicks.entry(woken).or_default();
            kicks.into_iter().for_each(|(cpu, kicks)| *all.entry(cpu).or_default() += kicks);
        }
        for (woken, lost) in other.lost {
            let all = self.lost.entry(woken).or_default();
            lost.into_iter().for_each(|(place, times)| *all.entry(place).or_default() += times);
        }
        for (engine, count) in other.boots {
            let all = self.boots.entry(engine).or_default();
            (all.lost, all.of) = (all.lost + count.lost, all.of + count.of);
        }
    }

    /// Each engine and sequence: first all its APs, then each AP and step that was lost.
    pub fn rows(&self) -> Vec<(&Woken, Option<Place>, Count)> {
        let mut rows = Vec::new();
        for (woken, kicks) in &self.kicks {
            let lost = self.lost.get(woken).into_iter().flatten();
            let all = Count {
                lost: lost.clone().map(|(_, times)| times).sum(),
                of: kicks.values().sum(),
            };
            rows.push((woken, None, all));
            rows.extend(lost.map(|(place, lost)| {
                let of = kicks.get(&place.0).copied().unwrap_or_default();
                (woken, Some(*place), Count { lost: *lost, of })
            }));
        }
        rows
    }

    /// How many times an AP was kicked.
    pub fn kicks(&self) -> u64 {
        self.kicks.values().flat_map(|kicks| kicks.values()).sum()
    }

    /// How many times an AP was lost.
    pub fn lost(&self) -> u64 {
        self.lost.values().flat_map(|places| places.values()).sum()
    }
}

/// The step that a lost AP did not finish.
fn step(ap: &LostAp) -> &'static str {
    match ap.end {
        LostEnd::WrongAnswer => "job",
        LostEnd::After(None) => "not kicked",
        LostEnd::After(Some(Stamp::Init | Stamp::Sipi | Stamp::KickEnd)) => SubPhase::Wake.name(),
        LostEnd::After(Some(Stamp::Entry)) => SubPhase::Trampoline.name(),
        LostEnd::After(Some(stamp)) => {
            let begun = Phase::ALL.into_iter().find(|phase| phase.ends().0 == stamp);
            begun.unwrap_or(Phase::Online).name()
        }
    }
}
