//! What a single CPU does otherwise than the others, and a TSC window that hides the rest: a sentence each.

use crate::ground::text::{list, repeated};
use crate::run::{Boot, Cell, Off, Part, Run, Spread};
use bringup::CpuIndex;
use bringup::options::Options;

/// A TSC sync of more than this share of a total leaves little to compare in it.
const MOST_OF_TOTAL: f64 = 0.5;

/// Clocks that were found to be off, each with its CPU and size.
pub fn clocks(cell: &Cell, warn: &mut dyn FnMut(String)) {
    let (planted, others): (Vec<_>, Vec<_>) =
        cell.clocks.off.iter().partition(|(_, off)| off.planted != 0);
    for (which, clocks) in [("clocks with a planted skew", planted), ("clocks", others)] {
        let texts = clocks.iter().map(|(cpu, off): &(&CpuIndex, &Off)| {
            format!("{}{}", off.text(**cpu), repeated(off.times))
        });
        if !clocks.is_empty() {
            warn(format!("{which} were found to be off, in cycles: {}", list(texts)));
        }
    }
}

/// What the kernel logged of at most half of the APs: a register that differs, a late start. What it logs of most, or of
/// the only one, may be of the machine: TCG resets every AP's MTRRs. Each once, for the first boot that has it.
pub fn logs(run: &Run, boots: &[usize], warn: &mut dyn FnMut(String)) {
    let mut known: Vec<(&Boot, &str)> = Vec::new();
    for index in boots {
        let boot = &run.boots[*index];
        for (text, cpus) in &boot.logs {
            let aps = cpus.iter().filter(|cpu| **cpu != CpuIndex::BSP);
            let all = usize::from(boot.smp.max(1) - 1);
            let few = 2 * aps.clone().count() <= all;
            let again = known.iter().any(|(other, same)| {
                (&other.engine, other.smp) == (&boot.engine, boot.smp) && same == text
            });
            if few && aps.clone().next().is_some() && !again {
                let aps: Vec<&CpuIndex> = aps.collect();
                let name = run.name(Part::Boot(*index), &[]);
                warn(format!("{name}: the kernel logged of {}: {text}", list(aps.into_iter())));
                known.push((boot, text));
            }
        }
    }
}

/// A TSC sync that is most of the total: on a noisy engine always, on an exact one where nobody chose the window.
pub fn window(cell: &Cell, warn: &mut dyn FnMut(String)) {
    let default = cell.options.tsc_window == Options::default().tsc_window;
    if cell.smp < 2 || cell.exact == Some(true) && !default {
        return;
    }
    let sync = Spread::of(cell.clocks.times.iter().copied());
    let (Some(total), Some(sync)) = (cell.total(), sync) else { return };
    let share = sync.median as f64 / total.median.max(1) as f64;
    if share > MOST_OF_TOTAL {
        warn(format!(
            "{:.0} % of the total is the TSC sync, whose length is `tsc-window={}`: a shorter one, or \
             `tsc-sync=trusted`, shows the rest",
            100.0 * share.min(1.0),
            cell.option("tsc-window")
        ));
    }
}
