//! What can be measured of a trial, by its word.

use crate::run::trial::Trial;
use bringup::phase::{Phase, SubPhase};

/// A figure of a trial, in cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// From zero until the BSP knows the last AP online.
    Total,
    /// The total of a cold trial: the first bring-up of a boot, which a guest's own boot pays. A cell takes it of
    /// its cold trials, and every other measure of the others.
    Cold,
    /// From zero to the last `kick_end`.
    KickLoop,
    /// From then until the BSP has seen the last AP alive, where the strategy has a loop for that.
    WaitInit,
    /// The rest of the total.
    OnlineLoop,
    /// The mean over the APs of a phase.
    Phase(Phase),
    /// The mean over the APs of a part of [`Phase::Sipi`].
    SubPhase(SubPhase),
    /// The sum of the work phases' means: the number in brackets in Woodhouse's measurements (2021).
    Work,
}

impl Measure {
    /// How many there are.
    pub const COUNT: usize = 6 + Phase::ALL.len() + SubPhase::ALL.len();

    /// Every measure.
    pub const ALL: [Measure; Measure::COUNT] = [
        Measure::Total,
        Measure::Cold,
        Measure::KickLoop,
        Measure::WaitInit,
        Measure::OnlineLoop,
        Measure::Phase(Phase::Sipi),
        Measure::SubPhase(SubPhase::Queue),
        Measure::SubPhase(SubPhase::Kick),
        Measure::SubPhase(SubPhase::Wake),
        Measure::SubPhase(SubPhase::Trampoline),
        Measure::Phase(Phase::Hold),
        Measure::Phase(Phase::Callin),
        Measure::Phase(Phase::Turn),
        Measure::Phase(Phase::TscSync),
        Measure::Phase(Phase::Online),
        Measure::Work,
    ];

    /// What is compared of each cell: all but the last, `work`, which is a sum of others.
    pub const COMPARED: &[Measure] = Measure::ALL.split_at(Measure::COUNT - 1).0;

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::Total => "total",
            Measure::Cold => "cold",
            Measure::KickLoop => "kick-loop",
            Measure::WaitInit => "wait-init",
            Measure::OnlineLoop => "online-loop",
            Measure::Phase(phase) => phase.name(),
            Measure::SubPhase(part) => part.name(),
            Measure::Work => "work",
        }
    }

    /// The measure of that word.
    pub fn named(word: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|measure| measure.name() == word)
    }

    /// Its value in a trial; `None` where it is of APs and none came online, or of a loop that the strategy does not have.
    pub fn of(self, trial: &Trial) -> Option<u64> {
        match self {
            Measure::Total | Measure::Cold => Some(trial.total),
            Measure::KickLoop => trial.kick_loop,
            Measure::WaitInit => trial.wait_init,
            Measure::OnlineLoop => {
                let before = trial.kick_loop?.saturating_add(trial.wait_init.unwrap_or(0));
                Some(trial.total.saturating_sub(before))
            }
            Measure::Phase(phase) => Some(trial.phases?[phase as usize]),
            Measure::SubPhase(part) => Some(trial.sub_phases?[part as usize]),
            Measure::Work => {
                let phases = Phase::ALL.iter().zip(trial.phases?);
                let work = phases.filter(|(phase, _)| phase.is_work());
                Some(work.fold(0, |sum: u64, (_, cycles)| sum.saturating_add(cycles)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_has_a_word_of_its_own() {
        for (index, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(Measure::named(measure.name()), Some(measure));
            assert!(!Measure::ALL[..index].contains(&measure));
        }
    }
}
