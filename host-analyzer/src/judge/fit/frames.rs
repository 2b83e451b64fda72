//! Costs from the frames of our own kernel, or of the simulator.

use super::costs::{ApCosts, Fitted};
use crate::run::measure::Measure;
use crate::run::{Ap, Boot, Cell};
use bringup::options::{Kick, Options, Step, TscSync};
use bringup::phase::{Phase, SubPhase};

/// A step costs an AP the mean that was measured of it; a kick what the kick loop took for each AP.
pub(super) fn fit<'a>(cell: &'a Cell, boot: &Boot) -> Option<Fitted<'a>> {
    let aps = u64::from(cell.smp).checked_sub(1).filter(|aps| *aps > 0)?;
    let classes = boot.machine.as_ref()?.classes();
    if classes.len() != usize::from(cell.smp) {
        return None;
    }
    let kick_loop = || Some(cell.spread(Measure::KickLoop)?.median as f64);
    let kick = |ap: &Ap| match (cell.options.strategy.kicks_all_at_once(), cell.options.kick) {
        (false, _) => ap.mean(Measure::SubPhase(SubPhase::Kick)),
        (true, Kick::Broadcast) => kick_loop(),
        (true, Kick::Unicast) => Some(kick_loop()? / aps as f64),
    };
    let trusted = cell.options.tsc_sync == TscSync::Trusted;
    let costs = cell.aps.iter().filter_map(|(cpu, ap)| {
        let mut cycles = [0.0; Step::COUNT];
        for (step, mean) in [
            (Step::Kick, kick(ap)),
            (Step::Wake, ap.mean(Measure::SubPhase(SubPhase::Wake))),
            (Step::Trampoline, ap.mean(Measure::SubPhase(SubPhase::Trampoline))),
            (Step::Callin, ap.mean(Measure::Phase(Phase::Callin))),
            (Step::Online, ap.mean(Measure::Phase(Phase::Online))),
        ] {
            cycles[step as usize] = mean?;
        }
        if trusted {
            cycles[Step::Sync as usize] = ap.mean(Measure::Phase(Phase::TscSync))?;
        }
        let class = *classes.get(usize::from(cpu.0))?;
        Some(ApCosts { class, cycles, bringup: 0.0 })
    });
    let costs: Vec<ApCosts> = costs.collect();
    let mut notes = Vec::new();
    if Step::ALL.iter().any(|step| cell.options.cost(*step).is_exclusive()) {
        notes.push("an exclusive step is fitted with the time that APs queue for it".to_owned());
    }
    notes.push("what no step explains of the total is in the callin".to_owned());
    (!costs.is_empty()).then(|| Fitted {
        cell,
        base: without_costs(&cell.options),
        classes,
        khz: cell.own_khz(),
        aps: costs,
        rest: Some(Step::Callin),
        source: name(boot),
        columns: false,
        notes,
    })
}

/// The options with no cost.
fn without_costs(options: &Options) -> Options {
    let mut base = options.clone();
    for step in Step::ALL {
        // Every option takes its default.
        let _ = base.set(step.option(), "0");
    }
    base
}

/// The file name of a boot's capture.
pub(super) fn name(boot: &Boot) -> String {
    boot.capture.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
