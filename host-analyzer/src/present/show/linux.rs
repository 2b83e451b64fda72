//! The boots of a Linux: what its log says of each AP, and its costliest hotplug steps.

use crate::ground::text::{counted, printable};
use crate::ground::unit::{Scale, Unit};
use crate::present::table::{NONE, Table};
use crate::run::{Boot, LinuxBoot, Part, Run};
use crate::source::linux::{Bringup, Phases};
use bringup::phase::Phase;
use serde_json::{Value, json};

/// How many hotplug steps a table has.
const STEPS: usize = 5;

/// Nanoseconds are cycles of a clock of this frequency, in kHz.
const NANOSECONDS: Option<u64> = Some(1_000_000);

/// A boot of a Linux: what its numbers are, its APs, and its costliest hotplug steps.
pub struct LinuxTables {
    /// Which boot, and what its numbers are.
    pub headline: String,
    /// A row for each AP; then a row for each of the steps. Either may be missing.
    pub tables: Vec<Table>,
}

/// The tables of each boot of a Linux.
pub fn linux_tables(run: &Run) -> Vec<LinuxTables> {
    let of_boot = |(index, boot): (usize, &Boot)| {
        let linux = boot.linux.as_deref()?;
        let bringup = &linux.bringup;
        let headline = format!("{}: {}", run.name(Part::Boot(index), &[]), headline(bringup));
        let aps = if bringup.rows.is_empty() { phases(linux) } else { None };
        Some(LinuxTables { headline, tables: aps.into_iter().chain(steps(bringup)).collect() })
    };
    run.boots.iter().enumerate().filter_map(of_boot).collect()
}

/// The same for a terminal. Empty where a run has no such boot.
pub fn tables(run: &Run) -> String {
    let mut text = String::new();
    for LinuxTables { headline, tables } in linux_tables(run) {
        text += &format!("\n{headline}\n");
        tables.iter().for_each(|table| text += &format!("\n{}", table.terminal()));
    }
    text
}

/// What the numbers of a boot are.
fn headline(bringup: &Bringup) -> String {
    let version = bringup.version.as_deref().unwrap_or("of an unknown version");
    let clock = match (bringup.has_cycles(), bringup.clock()) {
        (true, _) => "cycles of the TSC".to_owned(),
        (false, Some(clock)) => format!("times by the {} clock", clock.name()),
        (false, None) => "no times".to_owned(),
    };
    let mut text =
        format!("Linux {version}, {}, {clock}", counted(bringup.cpus().len() as u64, "AP"));
    if let (Some(console), false) = (bringup.console_total(), bringup.has_cycles()) {
        text += &format!("; by printk's clock {:.3} ms in all", console as f64 / 1e6);
    }
    if let Some(tracing) = bringup.tracing() {
        text += &format!("; of all about {:.3} ms for the tracing itself", tracing as f64 / 1e6);
    }
    text
}

/// A row for each AP.
fn phases(linux: &LinuxBoot) -> Option<Table> {
    let aps: Vec<(u32, Option<Phases>)> =
        linux.bringup.aps().map(|(cpu, ap)| (cpu, ap.phases())).collect();
    let all = || aps.iter().filter_map(|(_, phases)| *phases);
    all().next()?;
    let scale = Scale::of(
        Unit::Auto,
        all().flat_map(|phases| phases.named()).filter_map(|(_, time)| Some((time?, NANOSECONDS))),
    );
    let written =
        |time: Option<u64>| time.map_or(NONE.to_owned(), |time| scale.text(time, NANOSECONDS));
    let mut table = Table::of(aps.len());
    table.numbers("CPU", aps.iter().map(|(cpu, _)| cpu.to_string()));
    table.words(
        "class",
        aps.iter()
            .map(|(cpu, _)| linux.classes.get(cpu).map_or(NONE, |class| class.name()).to_owned()),
    );
    for (at, name) in ["prepare", "kick", "wait", "bringup", "online"].into_iter().enumerate() {
        let time = |phases: &Option<Phases>| phases.and_then(|phases| phases.named()[at].1);
        table.numbers(
            &format!("{name}, {}", scale.name()),
            aps.iter().map(|(_, phases)| written(time(phases))),
        );
    }
    Some(table)
}

/// The costliest hotplug steps.
fn steps(bringup: &Bringup) -> Option<Table> {
    let steps = bringup.steps();
    let steps = &steps[..steps.len().min(STEPS)];
    let greatest = steps.first()?.2.sum;
    let scale = Scale::of(Unit::Auto, [(greatest, NANOSECONDS)]);
    let unit = scale.name();
    let written = |time: u64| scale.text(time, NANOSECONDS);
    let mut table = Table::of(steps.len());
    table.words("costliest steps", steps.iter().map(|(_, name, _)| printable(name)));
    table.numbers("step", steps.iter().map(|(step, _, _)| step.to_string()));
    table.numbers("times", steps.iter().map(|(_, _, time)| time.count.to_string()));
    table.numbers(&format!("sum, {unit}"), steps.iter().map(|(_, _, time)| written(time.sum)));
    table.numbers(&format!("longest, {unit}"), steps.iter().map(|(_, _, time)| written(time.max)));
    table.numbers("of CPU", steps.iter().map(|(_, _, time)| time.cpu.to_string()));
    Some(table)
}

/// The same for programs: an object for each boot of a Linux. Times are in nanoseconds, those of stage lines in cycles.
pub fn json(run: &Run) -> Vec<Value> {
    let boots = run.boots.iter();
    boots.filter_map(|boot| Some(of_boot(boot, boot.linux.as_ref()?))).collect()
}

fn of_boot(boot: &Boot, linux: &LinuxBoot) -> Value {
    let bringup = &linux.bringup;
    let class = |cpu: u32| linux.classes.get(&cpu).map(|class| class.name());
    let aps = bringup.aps().map(|(cpu, ap)| {
        let phases = ap.phases();
        let mut object = json!({ "cpu": cpu, "class": class(cpu), "online": ap.is_online() });
        object["begin"] = json!(ap.span().map(|(begin, _)| begin));
        object["span"] = json!(ap.span().and_then(|(begin, end)| end.checked_sub(begin)));
        for (name, time) in phases.iter().flat_map(Phases::named) {
            object[name] = json!(time);
        }
        object
    });
    let rows = bringup.rows.iter().map(|(cpu, row)| {
        let [sipi, callin, tsc_sync, online] = row.stages;
        json!({
            "cpu": cpu, "class": class(*cpu), Phase::Sipi.name(): sipi, Phase::Callin.name(): callin,
            "tsc_sync": tsc_sync, Phase::Online.name(): online, "total": row.total, "printed_ns": row.printed,
        })
    });
    let steps = bringup.steps().into_iter().map(|(step, name, time)| {
        json!({ "step": step, "name": printable(name), "count": time.count, "sum": time.sum, "max": time.max, "cpu": time.cpu })
    });
    json!({
        "log": boot.capture.file_name().map(|name| name.to_string_lossy()),
        "version": bringup.version,
        "clock": bringup.clock().map(|clock| clock.name()).filter(|_| !bringup.has_cycles()),
        "total": bringup.total(),
        "console_total": bringup.console_total(),
        "tracing": bringup.tracing(),
        "sequence": bringup.sequence(),
        "aps": aps.collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
        "steps": steps.collect::<Vec<_>>(),
    })
}
