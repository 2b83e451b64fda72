//! From one trial to the numbers that its cell keeps of it.

use crate::run::aps::parts;
use crate::run::claims;
use crate::run::lost::LostAp;
use crate::run::model::{Breach, Cell, Overrun};
use crate::run::queue_ends::queue_ends;
use crate::run::timeline::phases;
use crate::run::trial::{Trial, wait_init};
use bringup::Cycles;
use bringup::class::Class;
use bringup::frame::{ApEnd, ApTimeline, TrialBegin, TrialEnd};
use bringup::options::StampSet;
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::{Clock, Stamp};

/// Adds a whole trial to its cell, its timelines on the BSP's clock, on a machine whose CPUs are of these classes;
/// returns what is kept of it.
pub fn add(
    cell: &mut Cell,
    classes: &[Class],
    (boot, begin, end): (u32, TrialBegin, &TrialEnd),
    timelines: &[ApTimeline],
) -> Trial {
    if let Some(what) = contradiction(end, timelines) {
        cell.contradictions.get_or_insert((0, what)).0 += 1;
    }
    if let Some(what) = claims::broken(&cell.options, classes, timelines) {
        let first = Breach { boot, cell: begin.cell, trial: begin.trial, what };
        cell.breaches.get_or_insert((0, first)).0 += 1;
    }
    add_losses(cell, begin.cold, timelines);
    let overruns = add_overruns(cell, begin.cold, timelines);
    let means = add_phases(cell, begin.cold, timelines);
    if !begin.cold {
        let online = timelines.iter().filter(|timeline| timeline.end == ApEnd::Online);
        cell.clocks.add(online, &cell.options.skews);
    }
    let trial = Trial {
        boot,
        cell: begin.cell,
        number: begin.trial,
        total: end.total.0,
        kick_loop: Some(end.kick_loop.0),
        wait_init: wait_init(&cell.options, end, timelines),
        phases: means.map(|(phases, _)| phases),
        sub_phases: means.map(|(_, parts)| parts),
        lost: end.lost,
        overruns,
    };
    if begin.cold {
        cell.cold.push(trial)
    } else {
        cell.trials.push(trial)
    }
    trial
}

fn add_losses(cell: &mut Cell, cold: bool, timelines: &[ApTimeline]) {
    let losses = if cold { &mut cell.losses.cold } else { &mut cell.losses.counted };
    for ap in timelines.iter().filter_map(LostAp::of) {
        *losses.entry(ap).or_default() += 1;
    }
}

/// Returns how many steps of the trial took longer than their cost.
fn add_overruns(cell: &mut Cell, cold: bool, timelines: &[ApTimeline]) -> u32 {
    let mut overruns = 0;
    for timeline in timelines {
        let of_steps = cell.overruns.iter_mut().zip(timeline.overruns);
        for (overrun, by) in of_steps.filter(|(_, by)| *by > 0) {
            overruns += 1;
            if !cold {
                let worst = overrun.worst.max(by);
                let cpu = if by > overrun.worst { timeline.cpu } else { overrun.cpu };
                *overrun = Overrun { count: overrun.count + 1, worst, cpu };
            }
        }
    }
    overruns
}

/// The means of the phases over the online APs, and of the parts of [`Phase::Sipi`]; `None` where no online
/// AP has phases.
type Means = Option<([u64; Phase::ALL.len()], [u64; SubPhase::ALL.len()])>;

fn add_phases(cell: &mut Cell, cold: bool, timelines: &[ApTimeline]) -> Means {
    if cell.options.stamps == StampSet::Ends {
        return None;
    }
    let (mut sums, mut part_sums) = ([0u128; Phase::ALL.len()], [0u128; SubPhase::ALL.len()]);
    let mut online = 0;
    let all = timelines.iter().zip(queue_ends(cell, timelines));
    for (timeline, turn) in all.filter(|(timeline, _)| timeline.end == ApEnd::Online) {
        match phases(&timeline.stamps) {
            Ok(phases) => {
                online += 1;
                let parts = parts(&timeline.stamps, turn);
                sums.iter_mut().zip(phases).for_each(|(sum, c)| *sum += u128::from(c.0));
                part_sums.iter_mut().zip(parts).for_each(|(sum, c)| *sum += u128::from(c.0));
                if !cold {
                    cell.aps.add(timeline.cpu, &phases, &parts);
                }
            }
            Err(disorder) => {
                cell.disorders.entry(timeline.cpu).or_insert((0, disorder)).0 += 1;
            }
        }
    }
    let mean = |sum: u128| ((sum + online / 2) / online) as u64;
    (online > 0).then(|| (sums.map(mean), part_sums.map(mean)))
}

/// How the end of a trial contradicts its timelines, or itself.
///
/// Only stamps of the BSP are compared with it: an AP may have another clock.
fn contradiction(end: &TrialEnd, timelines: &[ApTimeline]) -> Option<String> {
    let TrialEnd { total: Cycles(total), kick_loop: Cycles(kick_loop), lost } = *end;
    let not_online = timelines.iter().filter(|timeline| timeline.end != ApEnd::Online).count();
    if usize::from(lost) != not_online {
        return Some(format!("lost {lost} by its end, and {not_online} by its timelines"));
    }
    if kick_loop > total {
        return Some(format!("a kick loop of {kick_loop} cycles in a total of {total}"));
    }
    let of_bsp = Stamp::ALL.into_iter().filter(|stamp| stamp.clock() == Clock::Bsp);
    for stamp in of_bsp {
        let stamps = timelines.iter().filter_map(|timeline| timeline.stamps.get(stamp));
        let Some(last) = stamps.max() else { continue };
        let name = stamp.name();
        if i128::from(last) > i128::from(total) {
            return Some(format!("`{name}` at {last}, after its total of {total}"));
        }
        if stamp == Stamp::KickEnd && i128::from(last) != i128::from(kick_loop) {
            return Some(format!("its last `{name}` at {last}, and a kick loop of {kick_loop}"));
        }
    }
    None
}
