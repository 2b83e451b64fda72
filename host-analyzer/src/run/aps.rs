//! What each AP's phases add up to over the trials of a cell: memory for the APs, not the trials.

use crate::run::measure::Measure;
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::Stamps;
use bringup::{CpuIndex, Cycles};

/// The sums of one AP over the trials, cold ones apart, in which it came online with phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ap {
    /// How many trials these are.
    pub trials: u64,
    /// In the order of [`Phase::ALL`], cycles.
    pub phases: [u64; Phase::ALL.len()],
    /// In the order of [`SubPhase::ALL`], cycles.
    pub sub_phases: [u64; SubPhase::ALL.len()],
}

impl Ap {
    /// Its mean over the trials, in cycles; `None` without a trial, and of what is no AP's.
    pub fn mean(&self, measure: Measure) -> Option<f64> {
        let sum = match measure {
            Measure::Phase(phase) => self.phases[phase as usize],
            Measure::SubPhase(part) => self.sub_phases[part as usize],
            _ => return None,
        };
        (self.trials > 0).then(|| sum as f64 / self.trials as f64)
    }
}

/// Every AP of a cell, by the index of its CPU; the first, the BSP's, is never used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aps(Vec<Ap>);

impl Aps {
    /// Each AP that came online in some trial.
    pub fn iter(&self) -> impl Iterator<Item = (CpuIndex, &Ap)> {
        (0..).map(CpuIndex).zip(&self.0).filter(|(_, ap)| ap.trials > 0)
    }

    /// One of them.
    pub fn get(&self, cpu: CpuIndex) -> Option<&Ap> {
        self.0.get(usize::from(cpu.0)).filter(|ap| ap.trials > 0)
    }

    /// Online APs over the trials, each as often as it was.
    pub fn online(&self) -> u64 {
        self.0.iter().map(|ap| ap.trials).sum()
    }

    /// Takes an AP's trial.
    pub(super) fn add(&mut self, cpu: CpuIndex, phases: &[Cycles], parts: &[Cycles]) {
        let index = usize::from(cpu.0);
        if self.0.len() <= index {
            self.0.resize(index + 1, Ap::default());
        }
        let ap = &mut self.0[index];
        ap.trials += 1;
        let add = |sums: &mut [u64], cycles: &[Cycles]| {
            sums.iter_mut().zip(cycles).for_each(|(sum, add)| *sum = sum.saturating_add(add.0));
        };
        add(&mut ap.phases, phases);
        add(&mut ap.sub_phases, parts);
    }
}

/// The parts of [`Phase::Sipi`] of stamps that make phases, in the order of [`SubPhase::ALL`].
/// `turn` is when the BSP was free to send its SIPI.
pub(super) fn parts(stamps: &Stamps, turn: Option<i64>) -> [Cycles; SubPhase::ALL.len()] {
    SubPhase::ALL.map(|part| part.of(stamps, turn).unwrap_or_default())
}
