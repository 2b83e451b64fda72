//! The boots of each engine and CPU count on the host's clock.

use crate::ground::text::{counted, printable};
use crate::run::host::{HostMeasure, HostTimes};
use crate::run::model::{Boot, Cell, Run};
use crate::run::sample::Sample;

/// The boots of an engine and CPU count that have times on the host's clock.
#[derive(Debug)]
pub struct HostBoots<'r> {
    /// Name of the engine.
    pub engine: &'r str,
    /// CPUs that the engine was asked for.
    pub smp: u16,
    boots: Vec<(u32, HostTimes)>,
}

impl HostBoots<'_> {
    /// What it is called: `tcg, 4 CPUs`.
    pub fn label(&self) -> String {
        format!("{}, {}", printable(self.engine), counted(self.smp.into(), "CPU"))
    }

    /// True where it has measured that cell.
    pub fn has(&self, cell: &Cell) -> bool {
        (self.engine, self.smp) == (&*cell.engine, cell.smp)
    }

    /// How many boots there are.
    pub fn count(&self) -> usize {
        self.boots.len()
    }

    /// A part of each boot, in µs.
    pub fn sample(&self, measure: HostMeasure) -> Sample {
        let boots = self.boots.iter();
        Sample::of(boots.filter_map(|(boot, times)| Some((*boot, measure.of(*times)?))))
    }

    /// The share of a part in the whole, by their medians.
    pub fn share(&self, measure: HostMeasure) -> Option<f64> {
        let median = |measure| self.sample(measure).median();
        let whole = median(HostMeasure::Whole).filter(|whole| *whole > 0.0)?;
        Some(median(measure)? / whole)
    }
}

impl Run {
    /// The boots of noisy engines on the host's clock, by engine and CPU count in the order of the run.
    pub fn host_boots(&self) -> Vec<HostBoots<'_>> {
        let mut groups: Vec<HostBoots<'_>> = Vec::new();
        for (index, boot) in (0u32..).zip(&self.boots) {
            let Boot { engine, asked_smp: Some(smp), host: Some(times), .. } = boot else {
                continue;
            };
            match groups.iter_mut().find(|group| (group.engine, group.smp) == (engine, *smp)) {
                Some(group) => group.boots.push((index, *times)),
                None => groups.push(HostBoots { engine, smp: *smp, boots: vec![(index, *times)] }),
            }
        }
        groups
    }
}
