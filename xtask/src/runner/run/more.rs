//! More boots for a run that is there.

use crate::runner::host::host;
use crate::runner::kernel::Kernel;
use crate::runner::past::Past;
use crate::runner::profile::Profile;
use crate::runner::scenario::Scenario;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest::Ended;
use host_analyzer::run::Run;
use miette::miette;
use std::path::Path;

/// Lets a scenario go on from its last run under `results`, with so many more boots of the whole.
///
/// Fails with [`Failure::Request`] where there is no such run, or where it is not whole or did not measure what the
/// scenario measures now: their boots can't be of one run then.
pub fn go_on(
    scenario: &mut Scenario,
    boots: u32,
    results: &Path,
    kernel: Option<&Kernel>,
) -> Result<(), Failure> {
    let past = Past::last(&scenario.name, scenario.lines(), results)?;
    let run = Run::open(&past.path)?;
    let gap = run.gaps.first().map(|gap| format!("it is not whole: {}", gap.what));
    if let Some(why) = gap.or(difference(&past, scenario, kernel)?) {
        return Err(Failure::Request(miette!(
            help = "run the scenario anew, without `--more-boots`",
            "{} can't go on: {why}",
            past.path.display()
        )));
    }
    (scenario.boots, scenario.past) = (boots, Some(past));
    Ok(())
}

/// In what a run differs from what its scenario measures now.
fn difference(
    past: &Past,
    scenario: &Scenario,
    kernel: Option<&Kernel>,
) -> Result<Option<String>, Failure> {
    let (run, host) = (&past.manifest, host());
    let was = run.kernel.as_ref().map(|kernel| &kernel.sha256);
    let is = kernel.map(|kernel| &kernel.described.sha256);
    let profiles: Vec<_> = scenario.profiles.iter().map(Profile::described).collect();
    let differs = [
        (run.ended != Ended::Complete, "it is not complete"),
        (run.scenario_text != scenario.text, "the scenario was changed since"),
        (run.profiles != profiles, "a profile was changed since"),
        (was != is, "the kernel was changed since"),
        ((&run.host.cpu, run.host.cpus) != (&host.cpu, host.cpus), "it was made on another host"),
    ];
    if let Some((_, why)) = differs.into_iter().find(|(differs, _)| *differs) {
        return Ok(Some(why.to_owned()));
    }
    for group in &scenario.groups {
        let (engine, is) = (group.engine.name(), group.engine.version()?);
        let mut boots = run.boots.iter().filter(|boot| boot.engine == engine);
        if let Some(boot) = boots.find(|boot| boot.engine_version != is) {
            return Ok(Some(format!("{engine} was `{}` and is `{is}`", boot.engine_version)));
        }
    }
    Ok(None)
}
