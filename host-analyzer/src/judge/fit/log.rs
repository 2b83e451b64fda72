//! Costs from a Linux' log: from the stage lines of 2021, or from the hotplug steps.

use super::costs::{ApCosts, Fitted};
use super::frames::name;
use crate::run::{Boot, Cell, LinuxBoot, Spread};
use crate::source::linux::Bringup;
use bringup::class::Class;
use bringup::options::{Options, Step, TscSync};

/// A TSC sync that takes longer than this, in cycles, watches the clocks for a window; a rendezvous takes some thousands.
const LONGEST_RENDEZVOUS: f64 = 100_000.0;

/// How long an AP may take; nothing of a log is given up.
const LIMIT: &str = "3600s";

/// Costs of the boots of a cell, each with its log.
pub(super) fn fit<'a>(cell: &'a Cell, boots: &[(&Boot, &LinuxBoot)]) -> Option<Fitted<'a>> {
    let (first, linux) = boots.first()?;
    let mut fitted = Fitted {
        cell,
        base: Options {
            strategy: cell.options.strategy,
            order: cell.options.order,
            tsc_sync: TscSync::Trusted,
            repetitions: 1,
            ..Options::default()
        },
        classes: classes(linux, cell.smp),
        khz: linux.khz,
        aps: Vec::new(),
        rest: None,
        source: linux.given.rows.clone().unwrap_or_else(|| name(first)),
        columns: linux.given.rows.is_some(),
        notes: Vec::new(),
    };
    fitted.base.set("limit", LIMIT).ok()?;
    match linux.bringup.rows.is_empty() {
        true => boots.iter().for_each(|(_, linux)| steps(&mut fitted, linux)),
        false => rows(&mut fitted, linux)?,
    }
    if boots.len() > 1 {
        fitted.notes.push(format!("the costs are means over {} boots", boots.len()));
    }
    (!fitted.aps.is_empty()).then_some(fitted)
}

/// The class of each CPU, the BSP's first.
fn classes(linux: &LinuxBoot, smp: u16) -> Vec<Class> {
    let class = |cpu: u16| linux.classes.get(&u32::from(cpu)).copied().unwrap_or(Class::Core);
    (0..smp).map(|cpu| if cpu == 0 { Class::Package } else { class(cpu) }).collect()
}

/// The stages are the BSP's waits; between two rows it does its own work.
fn rows(fitted: &mut Fitted<'_>, linux: &LinuxBoot) -> Option<()> {
    let bringup = &linux.bringup;
    let between = between_rows(bringup, linux.khz);
    let syncs: Vec<f64> = bringup.rows.values().map(|row| row.stages[2] as f64).collect();
    let sync = syncs.iter().sum::<f64>() / syncs.len() as f64;
    let is_window = sync > LONGEST_RENDEZVOUS;
    for (cpu, row) in &bringup.rows {
        let [sipi, callin, tsc_sync, online] = row.stages.map(|cycles| cycles as f64);
        let mut cycles = [0.0; Step::COUNT];
        cycles[Step::Wake as usize] = sipi;
        cycles[Step::Callin as usize] = callin;
        cycles[Step::Online as usize] = online;
        cycles[Step::Sync as usize] = if is_window { 0.0 } else { tsc_sync };
        cycles[Step::Prepare as usize] = between.unwrap_or(0.0);
        let class = linux.classes.get(cpu).copied().unwrap_or(Class::Core);
        fitted.aps.push(ApCosts { class, cycles, bringup: 0.0 });
    }
    if is_window {
        fitted.base.tsc_sync = TscSync::Pairwise;
        fitted.base.set("tsc-window", &format!("{sync:.0}")).ok()?;
        fitted.notes.push(format!(
            "a TSC sync of {sync:.0} cycles is a window in which clocks are watched: `tsc-window`"
        ));
    }
    fitted.notes.push(match between {
        Some(_) => {
            "`prepare` is the median of what the stamps of the rows leave between them".to_owned()
        }
        None => "what the kernel does between two rows is unknown: no `prepare`".to_owned(),
    });
    fitted.notes.push("the trampoline is part of the wake".to_owned());
    Some(())
}

/// The median distance of two rows' stamps less what the second row says, in cycles.
fn between_rows(bringup: &Bringup, khz: Option<u64>) -> Option<f64> {
    let khz = khz? as f64;
    let rows: Vec<_> = bringup.rows.values().collect();
    let left = rows.windows(2).filter_map(|pair| {
        let distance = pair[1].printed?.checked_sub(pair[0].printed?)?;
        Some((distance as f64 * khz / 1e6 - pair[1].total as f64).max(0.0).round() as u64)
    });
    Some(Spread::of(left)?.median as f64)
}

/// Hotplug steps: the BSP's before the AP runs are its preparation, the AP's own until the BSP knows it online.
fn steps(fitted: &mut Fitted<'_>, linux: &LinuxBoot) {
    let mut has_kick = false;
    for (cpu, ap) in linux.bringup.aps() {
        let Some(phases) = ap.phases() else { continue };
        let mut cycles = [0.0; Step::COUNT];
        cycles[Step::Prepare as usize] = phases.prepare as f64;
        cycles[Step::Kick as usize] = phases.kick.unwrap_or(0) as f64;
        cycles[Step::Online as usize] = phases.online as f64;
        has_kick |= phases.kick.is_some();
        let class = linux.classes.get(&cpu).copied().unwrap_or(Class::Core);
        fitted.aps.push(ApCosts { class, cycles, bringup: phases.bringup as f64 });
    }
    if fitted.rest == Some(Step::Prepare) {
        return;
    }
    fitted.rest = Some(Step::Prepare);
    fitted.notes.push(
        "the log does not separate wake, callin and TSC sync: `bringup` is all three".to_owned(),
    );
    if !has_kick {
        fitted
            .notes
            .push("this kernel has no step for the kick: it is part of `bringup`".to_owned());
    }
    fitted.notes.push("what no step explains of the total is in `prepare`".to_owned());
}
