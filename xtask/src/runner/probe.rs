//! Whether the engines of a scenario are there, and run the kernel on this host.

use crate::runner::boot::{Order, boot};
use crate::runner::interrupt;
use crate::runner::kernel::Kernel;
use crate::runner::scenario::{Group, Scenario};
use host_analyzer::ground::failure::Failure;
use miette::miette;
use std::fs;
use std::time::Duration;

/// How long a boot of one trial may take: a host that can does it in a second.
const LIMIT: Duration = Duration::from_secs(20);

/// Fails with [`Failure::Environment`] where an engine is missing, or where the host does not run
/// the kernel under it.
pub fn engines(scenario: &Scenario, kernel: Option<&Kernel>) -> Result<(), Failure> {
    let mut seen: Vec<&str> = Vec::new();
    for group in &scenario.groups {
        if seen.contains(&group.engine.name()) {
            continue;
        }
        seen.push(group.engine.name());
        group.engine.version()?;
        if group.engine.needs_probe() {
            let of_engine = scenario.groups.iter();
            let of_engine = of_engine.filter(|other| other.engine.name() == group.engine.name());
            let smallest = of_engine.min_by_key(|group| group.smp).unwrap_or(group);
            probe(smallest, kernel)?;
        }
    }
    Ok(())
}

/// Boots once: a device file that can be opened, or a version, says nothing.
fn probe(group: &Group, kernel: Option<&Kernel>) -> Result<(), Failure> {
    let name = group.engine.name();
    let failed = |why: &dyn std::fmt::Display| {
        Failure::Environment(miette!(
            help = "`tcg` runs it on any host, as threads; `icount` does on virtual time",
            "the host does not run the kernel under the engine {name}; a boot that tried:\n{why}"
        ))
    };
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    fs::create_dir(folder.path().join("captures")).map_err(|error| failed(&error))?;
    let order = Order {
        engine: &*group.engine,
        kernel: kernel.map(|kernel| kernel.path.as_path()),
        smp: group.smp,
        number: 1,
        command_line: group.engine.own_words(),
        profiles: &[],
        folder: folder.path(),
        limit: LIMIT,
    };
    let outcome = boot(&order, |_| ())?;
    interrupt::check()?;
    let Some(failure) = outcome.failure else { return Ok(()) };
    // Its capture goes with the folder.
    let text = failure.report().to_string();
    let text = text.rsplit_once("\n  capture: ").map_or(&*text, |(text, _)| text);
    Err(failed(&text))
}
