//! How long boots take on the host whose CPUs spin: on an engine that counts instructions, time that a
//! halted machine skips is executed instead, instruction by instruction.

use crate::runner::scenario::{Group, Scenario};
use bringup::options::{Options, Spend, Wait, Window};
use bringup::plan::Plan;
use bringup::{Duration, sim};

/// Instructions in a millisecond of such an engine: one a nanosecond.
const KHZ: u64 = 1_000_000;

/// Seconds that the host takes for a second of spinning: each PAUSE ends a slice, and about 20 million
/// instructions a second are left. (Measured with QEMU 7.2: 25 on an idle host, 100 on a busy one.)
const SLOWER: f64 = 50.0;

/// What a user waits for without asking, in seconds.
const PATIENCE: f64 = 10.0;

/// A warning for each group whose boots take long because CPUs spin.
pub fn warnings(scenario: &Scenario) -> Vec<String> {
    let limit = scenario.boot_limit.as_secs_f64();
    scenario.groups.iter().filter_map(|group| warning(group, limit)).collect()
}

fn warning(group: &Group, limit: f64) -> Option<String> {
    if !group.engine.counts_instructions() {
        return None;
    }
    let boots = group.command_lines.iter().map(|line| seconds(&line.words, group.smp));
    let longest = boots.fold(0.0, f64::max);
    (longest > PATIENCE).then(|| {
        let beyond = if longest > limit {
            format!(", which is beyond its limit of {limit} s")
        } else {
            String::new()
        };
        format!(
            "{} with {} CPUs: a boot takes about {longest:.0} s{beyond}: every cycle that a CPU \
             spins is an instruction to execute; `wait=halt` and `spend=halt` skip what is waited \
             for, shorter costs and a shorter `tsc-window` take less",
            group.engine.name(),
            group.smp
        )
    })
}

/// About how long the host spins in a boot of this command line.
fn seconds(words: &str, smp: u16) -> f64 {
    let Ok(plan) = Plan::parse(words, usize::from(smp)) else { return 0.0 };
    let cells = (0..).zip(plan.cells());
    let cells = cells.map(|(number, cell)| {
        // The boot's first trial comes on top.
        let trials = u64::from(cell.repetitions) + u64::from(number == 0);
        spun(cell, smp) * trials as f64
    });
    cells.sum::<f64>() * SLOWER
}

/// How many seconds of a trial some CPU spins.
fn spun(mut cell: Options, smp: u16) -> f64 {
    match (cell.wait, cell.spend) {
        (Wait::Halt, Spend::Halt) => return 0.0,
        // A CPU that waits for another one halts, also in a TSC window.
        (Wait::Halt, Spend::Spin) => cell.tsc_window = Window::of_all(Duration::ZERO),
        (Wait::Spin, _) => {}
    }
    let trial = sim::trial(&cell, usize::from(smp), KHZ);
    let cycles = trial.map_or(i64::MAX as f64, |(end, _)| end.total.0 as f64);
    cycles / (KHZ * 1000) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::engine::named;

    fn warned(engine: &str, words: &str, boot_limit: u64) -> Vec<String> {
        let limit = std::time::Duration::from_secs(boot_limit);
        let engine = named(engine).unwrap();
        warnings(&Scenario::single(&[engine], &[28], words, limit).unwrap())
    }

    #[test]
    fn a_boot_that_spins_for_long_is_reported_with_its_time_and_what_helps() {
        // The cold trial and one more, each with 27 windows of 20 ms.
        let once = warned("icount", "wait=spin", 300);
        assert_eq!(once.len(), 1);
        let start = "icount with 28 CPUs: a boot takes about 54 s: every cycle that a CPU spins";
        assert!(once[0].starts_with(start), "{once:?}");
        assert!(once[0].contains("`wait=halt`") && once[0].contains("`tsc-window`"));
        let beyond = "a boot takes about 540 s, which is beyond its limit of 300 s: ";
        let slow = warned("icount", "wait=spin repetitions=19", 300);
        assert!(slow[0].contains(beyond), "{slow:?}");
        let costs = "tsc-sync=trusted cost-callin=20ms spend=spin";
        assert!(warned("icount", costs, 300)[0].contains("about 54 s"));
    }

    #[test]
    fn a_boot_that_halts_or_spins_for_a_moment_is_not_reported() {
        for words in [
            "repetitions=1000",
            "wait=spin tsc-window=1ms",
            "wait=spin tsc-sync=trusted repetitions=1000",
            // Nothing to spend.
            "spend=spin",
        ] {
            assert!(warned("icount", words, 300).is_empty(), "{words}");
        }
        for engine in ["tcg", "sim"] {
            assert!(warned(engine, "wait=spin", 300).is_empty(), "{engine}");
        }
    }
}
