//! The command `storm`.

use super::common::{Place, prepared_for, print, scenario};
use super::complete;
use crate::runner::interrupt;
use crate::runner::scenario::MOST_BOOTS;
use crate::runner::storm::{self, Ended, Extent, Found, Until};
use bringup::Duration as Span;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::width::wrapped;
use host_analyzer::present::format::Format;
use host_analyzer::present::show;
use miette::miette;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Boot a scenario very often and count how often it loses an AP
///
/// An AP is lost after 200 ms, unless the scenario has a `limit`. The result is a rate by engine, wake sequence, AP and
/// step, with its exact interval; with none lost that is a bound. Runs with a lost AP, and boots that hang or die, are
/// kept. Exact engines boot once: another boot would show the same, so `--trials` makes repetitions of one boot there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask storm host-threads --boots 1000
  cargo xtask storm scenarios/own-qemu.toml --for 30m --stop-on-lost
  cargo xtask storm small --trials 5000 --format json")]
pub struct Storm {
    /// The scenario: a file, or the name of one in scenarios/ of this repository
    #[arg(value_name = "FILE|NAME", add = complete::scenarios())]
    file: PathBuf,
    #[command(flatten)]
    until: HowLong,
    /// End with the first lost AP, or the first boot that does not end well
    #[arg(long)]
    stop_on_lost: bool,
    /// Boot so many at the same time, noisy engines too: the host's CPUs are shared
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    overcommit: u16,
    /// What to print
    #[arg(long, default_value = "table", value_parser = Format::one_of(&[Format::Table, Format::Json]))]
    format: Format,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct HowLong {
    /// Boot the whole scenario so often
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_BOOTS))]
    boots: Option<u32>,
    /// Run at least so many trials of each cell
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    trials: Option<u32>,
    /// Go on for so long, as 90s or 30m
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    elapsed: Option<Duration>,
}

impl Storm {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let mut scenario = scenario(Some(self.file))?;
        let exact = scenario.groups.iter().all(|group| group.engine.exact());
        let each = storm::repetitions(&scenario);
        let (until, repetitions) = match (self.until.boots, self.until.trials, self.until.elapsed) {
            (_, Some(trials), _) if exact => (Until::Boots(1), Some(trials)),
            (_, Some(trials), _) => (Until::Boots(trials.div_ceil(each)), None),
            _ if exact => {
                return Err(Failure::Request(miette!(
                    help = "say `--trials N`",
                    "{}: its engines are exact, so that another boot would show the same",
                    scenario.name
                )));
            }
            (Some(boots), ..) => (Until::Boots(boots), None),
            (.., elapsed) => (Until::Elapsed(elapsed.unwrap_or_default()), None),
        };
        storm::prepare(&mut scenario, repetitions)?;
        let kernel = prepared_for(&scenario)?;
        let (stop_on_lost, at_once) = (self.stop_on_lost, self.overcommit);
        let extent = Extent { until, stop_on_lost, at_once };
        let results = self.place.folder();
        let found = storm::storm(&scenario, extent, kernel.as_ref(), &results)?;
        match self.format {
            Format::Json => print(&format_args!("{:#}", json(&found)))?,
            _ => print(&wrapped(&text(&found)).trim_end())?,
        }
        interrupt::check()?;
        verdict(&found)
    }
}

/// A time of the host, as `90s` or `30m`.
fn time(text: &str) -> Result<Duration, String> {
    let minutes = text.strip_suffix('m').filter(|number| !number.is_empty());
    let minutes = minutes.and_then(|number| number.parse::<u64>().ok());
    if let Some(minutes) = minutes.filter(|minutes| (1..=60 * 24 * 7).contains(minutes)) {
        return Ok(Duration::from_secs(60 * minutes));
    }
    match Span::parse(text) {
        Some(Span::Nanos(nanos)) if nanos > 0 => Ok(Duration::from_nanos(nanos)),
        _ => Err("expected a time, as 90s or 30m, up to a week".to_owned()),
    }
}

fn text(found: &Found) -> String {
    let ended = found.ended.iter().map(|ended| {
        let Ended { boot, why, run, .. } = ended;
        format!("{}: {boot}: {why}; kept in {}", ended.how(), run.display())
    });
    let kept = found.kept.iter().map(|run| format!("kept: {}", run.display()));
    show::rates_table(&found.rates, ended.chain(kept).collect())
}

fn json(found: &Found) -> Value {
    let mut json = show::rates_json(&found.rates);
    let ended = found.ended.iter().map(|ended| {
        json!({ "boot": ended.boot, "how": ended.how(), "why": ended.why, "run": ended.run })
    });
    json["ended"] = ended.collect();
    json["kept"] = json!(found.kept);
    json
}

/// Negative where an AP was lost, or a boot did not end well.
fn verdict(found: &Found) -> Result<(), Failure> {
    match (found.rates.lost(), found.ended.len()) {
        (0, 0) => Ok(()),
        (lost, ended) => Err(Failure::Verdict(miette!(
            help = "`cargo analyze show --cpu-lines` shows a run that was kept",
            "an AP was lost {lost} times; {ended} boots did not end well"
        ))),
    }
}
