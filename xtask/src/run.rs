//! A run: every boot of a scenario, gathered in one folder.

use crate::boot::{Order, boot};
use crate::host::{self, host, rfc3339};
use crate::kernel::{self, Kernel};
use crate::profile::Profile;
use crate::progress::{Lines, Progress, work};
use crate::root;
use crate::run_folder::RunFolder;
use crate::scenario::{Group, Scenario};
use host_analyzer::failure::Failure;
use host_analyzer::manifest::{Manifest, SCHEMA};
use host_analyzer::report;
use host_analyzer::run::Run;
use miette::{Report, miette};
use std::path::Path;

/// Boots all of a scenario, and gives the run with its folder under `results`.
///
/// The report is in the folder before the run appears under its name. Fails
/// with [`Failure::Environment`] if anything goes wrong, and with [`Failure::Request`] if the
/// kernel refuses its options; what a failed boot has sent is kept, and the message says where.
pub fn execute(scenario: &Scenario, results: &Path, lines: Lines) -> Result<Run, Failure> {
    let kernel = match scenario.groups.iter().any(|group| group.engine.boots_kernel()) {
        true => Some(kernel::build(root(), &kernel::target_folder(root()))?),
        false => None,
    };
    let run_folder = RunFolder::begin(results, &scenario.name)?;
    let mut manifest = Manifest {
        schema: SCHEMA,
        scenario: scenario.name.clone(),
        scenario_text: scenario.text.clone(),
        started: rfc3339(run_folder.began()),
        kernel: kernel.as_ref().map(|kernel| kernel.described.clone()),
        host: host(),
        profiles: scenario.profiles.iter().map(Profile::described).collect(),
        boots: Vec::new(),
    };
    let all = scenario.groups.iter().flat_map(|group| {
        group
            .command_lines
            .iter()
            .map(|line| work(&line.words, group.smp) * u64::from(scenario.boots))
    });
    let mut progress = Progress::begin(lines, all.sum());
    for skipped in &scenario.skipped {
        progress.note(&format!("skipped: {}: {}", skipped.cell, skipped.refusal));
    }
    let failure =
        boot_all(scenario, kernel.as_ref(), run_folder.path(), &mut progress, &mut manifest)?;
    drop(progress);
    if let (Some(load), Some(now)) = (&mut manifest.host.load, host::load()) {
        load.end = now;
    }
    run_folder.describe(&manifest)?;
    if let Some(failure) = failure {
        let partial = run_folder.path().to_owned();
        let kept = run_folder.keep_failed()?;
        return Err(moved(failure, &partial, &kept));
    }
    report::write(&Run::open(run_folder.path())?, run_folder.path())?;
    Run::open(&run_folder.complete()?)
}

/// Boots all that a scenario asks for, until a boot goes wrong: that failure is the result.
fn boot_all(
    scenario: &Scenario,
    kernel: Option<&Kernel>,
    folder: &Path,
    progress: &mut Progress,
    manifest: &mut Manifest,
) -> Result<Option<Failure>, Failure> {
    for group in &scenario.groups {
        let boots = scenario.boots as usize * group.command_lines.len();
        for order in orders(scenario, group, kernel, folder) {
            let of = if boots == 1 {
                String::new()
            } else {
                format!(", boot {} of {boots}", order.number)
            };
            progress.boot(format!("{} with {} CPUs{of}", group.engine.name(), group.smp));
            let outcome = boot(&order, |frame| progress.frame(frame))?;
            progress.boot_over(outcome.record.seconds);
            manifest.boots.push(outcome.record);
            if outcome.failure.is_some() {
                return Ok(outcome.failure);
            }
        }
    }
    Ok(None)
}

/// The boots of a group: all its command lines, then all of them again.
fn orders<'a>(
    scenario: &'a Scenario,
    group: &'a Group,
    kernel: Option<&'a Kernel>,
    folder: &'a Path,
) -> impl Iterator<Item = Order<'a>> {
    let lines = (0..scenario.boots).flat_map(|_| &group.command_lines);
    (1..).zip(lines).map(move |(number, command_line)| Order {
        engine: group.engine,
        kernel: kernel.map(|kernel| kernel.path.as_path()),
        smp: group.smp,
        number,
        command_line: &command_line.words,
        profiles: &command_line.profiles,
        folder,
        limit: scenario.boot_limit,
    })
}

/// The same failure, with the paths of the folder that is kept.
fn moved(failure: Failure, partial: &Path, kept: &Path) -> Failure {
    let anew = |report: Report| {
        let text = report.to_string();
        let text = text.replace(&partial.display().to_string(), &kept.display().to_string());
        miette!(help = format!("what was captured until then is in {}", kept.display()), "{text}")
    };
    match failure {
        Failure::Request(report) => Failure::Request(anew(report)),
        Failure::Verdict(report) => Failure::Verdict(anew(report)),
        Failure::Environment(report) => Failure::Environment(anew(report)),
    }
}
