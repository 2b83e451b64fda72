//! The lines of Woodhouse's measurements (2021), for the median trial of every cell.

use crate::ground::failure::Failure;
use crate::run::measure::Measure;
use crate::run::timeline;
use crate::run::{Cell, FullTrial, LostAp, Run, Trial};
use bringup::CpuIndex;
use bringup::frame::{ApTimeline, Cpu};
use bringup::options::Order;
use bringup::phase::Phase;
use std::collections::BTreeMap;

/// Each cell's median trial in the words of those measurements, in cycles: a line for each AP with its work
/// phases `sipi`, `callin`, `tsc-sync` and `online`, in brackets their sum, then how long all took.
///
/// Where all APs are kicked in one loop, the last line is two, as in their parallel log: the
/// kick loop, and the time after it; the total is their sum.
pub fn cpu_lines(run: &Run) -> Result<String, Failure> {
    let varying = run.varying_options();
    let mut text = String::new();
    for (cell, trial) in run.cells.iter().zip(run.median_trials()?) {
        let label = cell.label(&varying);
        if !text.is_empty() {
            text.push('\n');
        }
        match trial {
            _ if cell.smp == 1 => text += &format!("# {label}: nothing to bring up\n"),
            None => text += &of_logs(run, cell, &label),
            Some(FullTrial { trial, timelines }) => {
                text += &format!("# {label}: trial {} of boot {}\n", trial.number, trial.boot + 1);
                let machine =
                    run.boots.get(trial.boot as usize).and_then(|boot| boot.machine.as_ref());
                text += &nodes(machine.map_or(&[], |machine| &machine.cpus));
                timelines.iter().for_each(|timeline| text += &line(timeline));
                text += &loops(cell, &trial);
            }
        }
    }
    Ok(text)
}

/// The stage lines of a cell's logs, in the order of the CPUs.
fn of_logs(run: &Run, cell: &Cell, label: &str) -> String {
    let boots = cell.trials.iter().filter_map(|trial| run.boots.get(trial.boot as usize));
    let mut logs = boots.filter_map(|boot| boot.linux.as_deref()).peekable();
    if logs.peek().is_none() {
        return format!("# {label}: no trial arrived whole\n");
    }
    let mut text = String::new();
    for rows in logs.map(|linux| &linux.bringup.rows) {
        let lines = if rows.is_empty() {
            "hotplug steps and no stages"
        } else {
            "stages as they were printed"
        };
        text += &format!("# {label}: a log with {lines}\n");
        for (cpu, row) in rows {
            let stages = row.stages.map(|cycles| cycles.to_string()).join(", ");
            text += &format!("CPU#{cpu} up in {stages} ( {})\n", row.total);
        }
    }
    text
}

/// The APs of each node, as Linux announces them; nothing where no CPU's node is known.
fn nodes(cpus: &[Cpu]) -> String {
    let mut nodes: BTreeMap<u32, String> = BTreeMap::new();
    for cpu in cpus.iter().filter(|cpu| cpu.cpu != CpuIndex::BSP) {
        if let Some(node) = cpu.node {
            *nodes.entry(node).or_default() += &format!(" #{}", cpu.cpu.0);
        }
    }
    nodes.iter().map(|(node, cpus)| format!("node #{node}, CPUs:{cpus}\n")).collect()
}

/// A trial's loops.
fn loops(cell: &Cell, trial: &Trial) -> String {
    let online = |cycles| format!("Brought CPUs online in {cycles} cycles\n");
    if !cell.options.strategy.kicks_all_at_once() || cell.options.order != Order::Listed {
        return online(trial.total);
    }
    let mut text = String::new();
    let before = [("kick", trial.kick_loop), ("wait-init", trial.wait_init)];
    for (name, cycles) in before.into_iter().filter_map(|(name, cycles)| Some((name, cycles?))) {
        text += &format!("Brought {} CPUs to x86/cpu:{name} in {cycles} cycles\n", cell.smp);
    }
    text + &online(Measure::OnlineLoop.of(trial).unwrap_or(0))
}

/// One AP, as `CPU#10 up in 192950, 952898, 60014786, 28 ( 61160662)`.
fn line(ap: &ApTimeline) -> String {
    let cpu = ap.cpu;
    if let Some(lost) = LostAp::of(ap) {
        return format!("CPU#{} lost {}\n", cpu.0, lost.ending());
    }
    match timeline::phases(&ap.stamps) {
        Ok(phases) => {
            let [sipi, _, callin, _, sync, online] = phases;
            let sum: u64 = (Phase::ALL.iter().zip(phases))
                .filter(|(phase, _)| phase.is_work())
                .map(|(_, cycles)| cycles.0)
                .sum();
            format!("CPU#{} up in {sipi}, {callin}, {sync}, {online} ( {sum})\n", cpu.0)
        }
        Err(disorder) => format!("CPU#{} up, but it {disorder}\n", cpu.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bringup::ApicId;

    #[test]
    fn the_aps_of_each_node_are_listed_where_nodes_are_known() {
        let cpu = |cpu, node| Cpu {
            cpu: CpuIndex(cpu),
            apic_id: ApicId(cpu.into()),
            package: 0,
            core: cpu.into(),
            thread: 0,
            node,
        };
        let nodes_of = |known: [Option<u32>; 5]| {
            nodes(&[0, 1, 2, 3, 4].map(|at| cpu(at, known[usize::from(at)])))
        };
        let [first, second] = [Some(0), Some(1)];
        assert_eq!(
            nodes_of([first, first, second, first, second]),
            "node #0, CPUs: #1 #3\nnode #1, CPUs: #2 #4\n"
        );
        assert_eq!(nodes_of([None; 5]), "");
    }
}
