//! Costs fitted to a measured cell, so that the simulator can predict other CPU counts.

use crate::run::Cell;
use crate::run::measure::Measure;
use bringup::class::Class;
use bringup::options::{Kick, Options, Step};
use bringup::phase::{Phase, SubPhase};
use bringup::sim;

/// The cell's options with costs that make the simulator meet its total; `None` where it has no AP or no
/// whole trial.
///
/// A step costs the mean that was measured of it; a kick what the kick loop took for each AP. What is
/// left of the total between the two is shared out to the callins that are on its path: all of them where
/// APs call in one after the other, one where they call in side by side.
pub fn fitted(cell: &Cell, classes: &[Class]) -> Option<Options> {
    let khz = cell.own_khz()?;
    let aps = u64::from(cell.smp).checked_sub(1).filter(|aps| *aps > 0)?;
    let median = |measure: Measure| cell.spread(measure).map(|spread| spread.median);
    let kick = match (cell.options.strategy.kicks_all_at_once(), cell.options.kick) {
        (false, _) => median(Measure::SubPhase(SubPhase::Kick))?,
        (true, Kick::Broadcast) => median(Measure::KickLoop)?,
        (true, Kick::Unicast) => median(Measure::KickLoop)? / aps,
    };
    let callin = median(Measure::Phase(Phase::Callin))?;
    let mut options = cell.options.clone();
    for (step, cycles) in [
        (Step::Kick, kick),
        (Step::Wake, median(Measure::SubPhase(SubPhase::Wake))?),
        (Step::Trampoline, median(Measure::SubPhase(SubPhase::Trampoline))?),
        (Step::Callin, callin),
        (Step::Online, median(Measure::Phase(Phase::Online))?),
    ] {
        set(&mut options, step, cycles)?;
    }
    let (end, _) = sim::trial_on(&options, classes, khz).ok()?;
    let on_the_path = if cell.options.strategy.calls_in_side_by_side() { 1 } else { aps };
    let total = median(Measure::Total)?.cast_signed();
    let unexplained = total.saturating_sub(end.total.0.cast_signed());
    let share = unexplained / on_the_path.cast_signed();
    set(&mut options, Step::Callin, callin.saturating_add_signed(share))?;
    Some(options)
}

fn set(options: &mut Options, step: Step, cycles: u64) -> Option<()> {
    options.set(step.option(), &cycles.to_string()).ok()
}
