//! Conformance: what an engine does with each way to wake an AP, against what the manuals demand.
//!
//! Each way is a boot of its own, so that it has a cold trial: the APs' first start after the firmware. In the warm
//! trials an INIT of the trial before has put them into wait-for-SIPI.

use crate::runner::engine::Engine;
use crate::runner::interrupt;
use crate::runner::kernel::Kernel;
use crate::runner::progress::Lines;
use crate::runner::run::together;
use crate::runner::scenario::Scenario;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::text::{counted, list, times};
use host_analyzer::run::{Cell, LostAp, Run};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An AP that gives no sign in this time did not start.
const LIMIT: &str = "limit=1s";

/// How long a boot may take: each AP of each trial may be lost.
const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// Warm trials of each way.
const WARM: u32 = 5;

/// What is demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Every AP starts once, at the SIPI's vector.
    StartsOnce,
    /// No demand: what happens depends on the firmware, or is not defined.
    Reported,
}

impl Demand {
    /// It in words.
    pub const fn text(self) -> &'static str {
        match self {
            Demand::StartsOnce => "every AP starts once, at the vector",
            Demand::Reported => "none",
        }
    }
}

/// A way to wake APs.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Its name; that of a line also has the trial.
    name: &'static str,
    /// The options.
    words: &'static str,
    /// What is demanded of the cold trial, and of warm ones.
    demands: [Demand; 2],
    /// Which manual says so, likewise.
    sources: [&'static str; 2],
}

const SDM_SEQUENCE: &str = "Intel SDM vol. 3, \"Typical BSP Initialization Sequence\"";
const APM_STARTUP: &str = "AMD64 APM vol. 2, \"Multiple Processor Initialization\"";
const ONCE_AFTER_INIT: &str = "MultiProcessor Specification 1.4, B.4.2 \"Using STARTUP IPI\"";
const DEASSERT: &str = "MultiProcessor Specification 1.4, B.4.1; Intel SDM vol. 3, \"Interrupt Command Register (ICR)\"";
const LEVEL: &str = "Intel SDM vol. 3, \"Interrupt Command Register (ICR)\": the level is to be 1";
const FIRMWARE: &str = "no manual: it depends on where the firmware has left the APs";

use Demand::{Reported, StartsOnce};

/// Every way, in the order of the tables.
const WAYS: &[Way] = &[
    way("init-sipi", "", APM_STARTUP),
    way("init-sipi/broadcast", "kick=broadcast", APM_STARTUP),
    way("init-10ms-sipi", "init-delay=10ms", SDM_SEQUENCE),
    way("init-10ms-sipi/each", "init-delay=10ms init-order=each", SDM_SEQUENCE),
    way("init-10ms-sipi/broadcast", "init-delay=10ms kick=broadcast", SDM_SEQUENCE),
    way("init-10ms-sipi-200us-sipi", "init-delay=10ms wake-sequence=init-sipi-sipi", SDM_SEQUENCE),
    way(
        "init-10ms-sipi-200us-sipi/broadcast",
        "init-delay=10ms wake-sequence=init-sipi-sipi kick=broadcast",
        SDM_SEQUENCE,
    ),
    // The second finds an AP that runs, or is halted at its gate.
    way("sipi-to-running-ap", "wake-sequence=init-sipi-sipi sipi-gap=2ms", ONCE_AFTER_INIT),
    way("sipi-after-init", "wake-sequence=sipi", ONCE_AFTER_INIT),
    way("sipi-after-init/broadcast", "wake-sequence=sipi kick=broadcast", ONCE_AFTER_INIT),
    way("init-10ms-deassert-sipi", "init-delay=10ms wake-sequence=init-deassert-sipi", DEASSERT),
    way("init-deassert-sipi", "wake-sequence=init-deassert-sipi", DEASSERT),
    way("sipi-late/broadcast", "wake-sequence=sipi-late kick=broadcast", ONCE_AFTER_INIT),
    Way {
        name: "sipi-without-init",
        words: "wake-sequence=sipi parked-by=firmware",
        demands: [Reported, StartsOnce],
        sources: [FIRMWARE, ONCE_AFTER_INIT],
    },
    Way { name: "level-0", words: "icr-level=none", demands: [Reported; 2], sources: [LEVEL; 2] },
];

const fn way(name: &'static str, words: &'static str, source: &'static str) -> Way {
    Way { name, words, demands: [StartsOnce; 2], sources: [source; 2] }
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The way and the trials, as `init-sipi/cold`.
    pub id: String,
    /// The options by which the kernel does it.
    pub words: String,
    /// What is demanded.
    pub demand: Demand,
    /// Which manual says so.
    pub source: &'static str,
    /// What the engine did.
    pub got: String,
    /// True where that is what is demanded.
    pub met: bool,
}

impl Line {
    /// `met`, `broken`, or `reported` where nothing is demanded.
    pub fn verdict(&self) -> &'static str {
        match (self.demand, self.met) {
            (Demand::Reported, _) => "reported",
            (_, true) => "met",
            (_, false) => "broken",
        }
    }
}

/// Boots every way once; the runs go under `results`. `report` gets each way before it is booted.
pub fn lines(
    engine: &Arc<dyn Engine>,
    smp: u16,
    kernel: Option<&Kernel>,
    results: &Path,
    mut report: impl FnMut(&str),
) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    for (number, way) in WAYS.iter().enumerate() {
        report(&format!("{} of {}: {}", number + 1, WAYS.len(), way.name));
        let trust = if engine.own_words().contains("tsc-trust=") { "" } else { " tsc-trust=yes" };
        let words = format!(
            "{} strategy=full-parallel tsc-sync=trusted{trust} repetitions={WARM} {LIMIT}",
            way.words
        );
        let scenario = Scenario::single(&[Arc::clone(engine)], &[smp], &words, BOOT_LIMIT)?;
        match together(&[&scenario], kernel, results, Lines::None, 1, &|_, _| Ok(())) {
            Ok(runs) => lines.extend(of_run(way, &runs[0])),
            Err(Failure::Environment(why)) => {
                interrupt::check()?;
                lines.push(ended(way, &why.to_string()));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(lines)
}

/// The lines of a boot: its cold trial, its warm ones.
fn of_run(way: &Way, run: &Run) -> Vec<Line> {
    let mut lines = Vec::new();
    for cell in &run.cells {
        // Double starts of the cold trial are not kept apart from those of warm ones.
        let (none, twice) = (BTreeMap::new(), &cell.double_starts);
        let parts = [
            ("cold", cell.cold.count(), &cell.losses.cold, &none),
            ("warm", cell.trials.count(), &cell.losses.counted, twice),
        ];
        for (place, (which, trials, lost, twice)) in parts.into_iter().enumerate() {
            let met = lost.is_empty() && twice.is_empty();
            lines.push(Line {
                id: format!("{}/{which}", way.name),
                words: way.words.to_owned(),
                demand: way.demands[place],
                source: way.sources[place],
                got: got(cell, trials, lost, twice),
                met,
            });
        }
    }
    lines
}

fn got(
    cell: &Cell,
    trials: u64,
    lost: &BTreeMap<LostAp, u64>,
    twice: &BTreeMap<bringup::CpuIndex, u64>,
) -> String {
    if lost.is_empty() && twice.is_empty() {
        let aps = counted(u64::from(cell.smp - 1), "AP");
        return format!("{aps} started once in {}", counted(trials, "trial"));
    }
    let lost = lost.iter().map(|(ap, count)| format!("{} lost {}", ap.text(), times(*count)));
    let twice = twice.iter().map(|(cpu, count)| format!("{cpu} started twice {}", times(*count)));
    let all: Vec<String> = lost.chain(twice).collect();
    format!("{} (of {})", list(all.iter()), counted(trials, "trial"))
}

/// The line of a boot that did not end well.
fn ended(way: &Way, why: &str) -> Line {
    Line {
        id: format!("{}/boot", way.name),
        words: way.words.to_owned(),
        demand: Demand::StartsOnce,
        source: way.sources[0],
        got: why.to_owned(),
        met: false,
    }
}
