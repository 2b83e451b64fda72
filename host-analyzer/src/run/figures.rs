//! The figures of cells: spreads, clocks, losses, speed-ups.

use crate::run::lost::Losses;
use crate::run::measure::Measure;
use crate::run::model::{Cell, Run};
use crate::run::sample::Sample;
use crate::run::spread::Spread;
use crate::run::trial::Trial;
use crate::run::trials::Trials;
use bringup::options::{Kick, Strategy};
use bringup::phase::Phase;
use std::collections::BTreeMap;

impl Run {
    /// APs that did not come online, over all trials, cold and incomplete ones too.
    pub fn lost_aps(&self) -> u64 {
        self.cells.iter().map(Cell::lost_in_all_trials).sum()
    }

    /// The cell that a cell's speed-up is relative to: `serial` with the same engine, CPU count,
    /// profile and otherwise equal options. A broadcast is compared with `kick=unicast`, since serial can't
    /// broadcast; `repetitions` need not be equal.
    pub fn serial_of(&self, cell: &Cell) -> Option<&Cell> {
        let mut wanted = cell.options.clone();
        wanted.strategy = Strategy::Serial;
        wanted.kick = Kick::Unicast;
        self.kinds.get(&cell.kind(wanted)).map(|index| &self.cells[*index])
    }

    /// How many times as fast a cell is as its [`Run::serial_of`], by the median totals; `None`
    /// where one of the two has lost an AP, since they did not do the same then.
    pub fn speed_up(&self, cell: &Cell) -> Option<f64> {
        let serial = self.serial_of(cell)?;
        if cell.lost_in_all_trials() + serial.lost_in_all_trials() > 0 {
            return None;
        }
        let (serial, total) = (serial.total()?.median, cell.total()?.median);
        (total > 0 && serial > 0).then(|| serial as f64 / total as f64)
    }
}

impl Cell {
    /// The trials that a measure is taken of.
    pub fn trials_of(&self, measure: Measure) -> &Trials {
        if measure == Measure::Cold { &self.cold } else { &self.trials }
    }

    /// A measure over its trials, in cycles; `None` where no trial has it.
    pub fn spread(&self, measure: Measure) -> Option<Spread> {
        self.trials_of(measure).spread(measure)
    }

    /// Total of the trials, in cycles.
    pub fn total(&self) -> Option<Spread> {
        self.spread(Measure::Total)
    }

    /// Kick loop of the trials, in cycles.
    pub fn kick_loop(&self) -> Option<Spread> {
        self.spread(Measure::KickLoop)
    }

    /// A phase over the trials, each the mean of its APs, in cycles; `None` where no trial has an
    /// online AP.
    pub fn phase(&self, phase: Phase) -> Option<Spread> {
        self.spread(Measure::Phase(phase))
    }

    /// A measure of its trials that are kept, by boot.
    pub fn sample(&self, measure: Measure) -> Sample {
        let trials = self.trials_of(measure).iter();
        Sample::of(trials.filter_map(|trial| Some((trial.boot, measure.of(trial)?))))
    }

    /// Frequency in kHz of the clock that the cycles are of: that of the machine which the options name, else
    /// the guest's own TSC.
    pub fn tsc_khz(&self) -> Option<u64> {
        self.clock_over(self.own_khz())
    }

    /// The same where the guest's own TSC has this frequency.
    pub fn clock_over(&self, own: Option<u64>) -> Option<u64> {
        // A kernel that did not know `clock-khz` was given cycles of the profile's clock all the same.
        let own = self.profile_khz.or(own).unwrap_or(0);
        Some(self.options.clock(own)).filter(|khz| *khz > 0)
    }

    /// Frequency in kHz of the guest's own TSC: the median of what the boots stated.
    pub fn own_khz(&self) -> Option<u64> {
        Spread::of(self.frequencies.iter().copied()).map(|spread| spread.median)
    }

    /// APs that did not come online, over the trials without cold ones.
    pub fn lost(&self) -> u64 {
        self.losses.counted.values().sum()
    }

    /// The same over all trials, cold and incomplete ones too.
    pub fn lost_in_all_trials(&self) -> u64 {
        let Losses { counted, cold, incomplete } = &self.losses;
        [counted, cold, incomplete].into_iter().flat_map(BTreeMap::values).sum()
    }

    /// Steps that took longer than their cost, over the trials without cold ones.
    pub fn overrun_count(&self) -> u64 {
        self.overruns.iter().map(|overrun| overrun.count).sum()
    }

    /// The trial whose total is the median; see [`Run::median_trials`].
    pub fn median_trial(&self) -> Option<Trial> {
        let trials = self.ranked_trials();
        trials.get(trials.len().saturating_sub(1) / 2).copied()
    }

    /// The trials without cold ones, the fastest first.
    pub fn ranked_trials(&self) -> Vec<Trial> {
        let mut trials = self.trials.to_vec();
        trials.sort_by_key(|trial| (trial.total, trial.boot, trial.number));
        trials
    }
}
