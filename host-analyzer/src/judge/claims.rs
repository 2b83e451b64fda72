//! What must hold in a single trial, whatever its numbers are.
//!
//! Each claim takes the timelines of one trial, all stamps on the BSP's clock
//! ([`crate::run::timeline::on_bsp_clock`], [`crate::run::Run::median_trials`]), and answers with what
//! violates it. APs that are not online are left out, except where a claim says otherwise.

use crate::run::timeline::phases;
use bringup::frame::{ApEnd, ApTimeline};
use bringup::phase::Phase;
use bringup::stamp::Stamp;
use std::fmt;

/// What violates a claim: which CPUs, which stamps, their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}

/// An AP's stamp with its time, which the claim needs.
fn need(ap: &ApTimeline, stamp: Stamp) -> Result<i64, Violation> {
    let missing = || Violation(format!("{} has no `{}`", ap.cpu, stamp.name()));
    ap.stamps.get(stamp).ok_or_else(missing)
}

fn online(trial: &[ApTimeline]) -> impl Iterator<Item = &ApTimeline> {
    trial.iter().filter(|ap| ap.end == ApEnd::Online)
}

/// The stamps of every online AP's path are there and in order, and its six phases add up to
/// `online − init`.
pub fn phases_partition(trial: &[ApTimeline]) -> Result<(), Violation> {
    for ap in online(trial) {
        let phases =
            phases(&ap.stamps).map_err(|disorder| Violation(format!("{} {disorder}", ap.cpu)))?;
        let sum: u64 = phases.iter().map(|cycles| cycles.0).sum();
        let (init, online) = (need(ap, Stamp::Init)?, need(ap, Stamp::Online)?);
        if i128::from(sum) != i128::from(online) - i128::from(init) {
            return Err(Violation(format!(
                "{}: its phases add up to {sum}, from `init` at {init} to `online` at {online}",
                ap.cpu
            )));
        }
    }
    Ok(())
}

/// One AP after the other: no AP's `init` is before the `online` of the AP before it.
pub fn serial(trial: &[ApTimeline]) -> Result<(), Violation> {
    let mut aps: Vec<&ApTimeline> = online(trial).collect();
    aps.sort_by_key(|ap| ap.cpu);
    for pair in aps.windows(2) {
        let (before, after) = (need(pair[0], Stamp::Online)?, need(pair[1], Stamp::Init)?);
        if after < before {
            return Err(Violation(format!(
                "{} has `init` at {after}, before {} has `online` at {before}",
                pair[1].cpu, pair[0].cpu
            )));
        }
    }
    Ok(())
}

/// All APs are kicked before the first is let into its callin: every `kick_end` is before the
/// first `callin_begin`. APs that were lost after their kick count too.
pub fn parallel_sipi(trial: &[ApTimeline]) -> Result<(), Violation> {
    for ap in online(trial) {
        need(ap, Stamp::KickEnd)?;
        need(ap, Stamp::CallinBegin)?;
    }
    let stamped =
        |stamp: Stamp| trial.iter().filter_map(move |ap| Some((ap.stamps.get(stamp)?, ap.cpu)));
    let (Some((kicked, last)), Some((begun, first))) =
        (stamped(Stamp::KickEnd).max(), stamped(Stamp::CallinBegin).min())
    else {
        return Ok(());
    };
    if begun < kicked {
        return Err(Violation(format!(
            "{first} has `callin_begin` at {begun}, before {last} has `kick_end` at {kicked}"
        )));
    }
    Ok(())
}

/// The callins run side by side: on a machine of four CPUs or more, each AP's callin overlaps
/// another's in time.
pub fn full_parallel(trial: &[ApTimeline]) -> Result<(), Violation> {
    let mut callins = Vec::new();
    for ap in online(trial) {
        callins.push((need(ap, Stamp::CallinBegin)?, need(ap, Stamp::CallinEnd)?, ap.cpu));
    }
    // Fewer than four CPUs, the BSP counted, may be through before the next begins.
    if trial.len() < 3 {
        return Ok(());
    }
    for (begin, end, cpu) in &callins {
        let meets = |(from, to, other): &(i64, i64, _)| other != cpu && from < end && begin < to;
        if !callins.iter().any(meets) {
            let (from, to) = Phase::Callin.ends();
            return Err(Violation(format!(
                "{cpu} is alone in its callin: no other AP is between `{}` and `{}` from {begin} to {end}",
                from.name(),
                to.name()
            )));
        }
    }
    Ok(())
}

/// Every online AP entered the trampoline exactly once.
pub fn started_once(trial: &[ApTimeline]) -> Result<(), Violation> {
    match online(trial).find(|ap| ap.starts != 1) {
        Some(ap) => Err(Violation(format!("{} started {} times, not once", ap.cpu, ap.starts))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bringup::CpuIndex;
    use bringup::options::Options;

    const COSTS: &str = "cost-kick=100us cost-wake=1200us cost-callin=800us tsc-window=500us \
                         cost-online=100us";

    fn trial(words: &str, cpus: usize) -> Vec<ApTimeline> {
        let mut options = Options::default();
        for word in COSTS.split_whitespace().chain(words.split_whitespace()) {
            options.set_word(word).unwrap();
        }
        bringup::sim::trial(&options, cpus, 1_000_000).unwrap().1
    }

    fn text(result: Result<(), Violation>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn each_strategy_keeps_its_own_claim_and_breaks_the_others() {
        let claims = [
            ("serial", serial as fn(&[ApTimeline]) -> _),
            ("parallel-sipi", parallel_sipi),
            ("full-parallel", full_parallel),
        ];
        for strategy in ["serial", "parallel-sipi", "full-parallel"] {
            let trial = trial(&format!("strategy={strategy}"), 28);
            assert_eq!(phases_partition(&trial), Ok(()));
            assert_eq!(started_once(&trial), Ok(()));
            for (claim, check) in claims {
                assert_eq!(check(&trial).is_ok(), claim == strategy, "{strategy}: {claim}");
            }
        }
    }

    #[test]
    fn a_violation_names_the_cpus_the_stamps_and_their_values() {
        let parallel = trial("strategy=full-parallel", 4);
        assert_eq!(
            text(serial(&parallel)),
            "CPU 2 has `init` at 0, before CPU 1 has `online` at 2700000"
        );
        let one_by_one = trial("strategy=serial", 4);
        assert_eq!(
            text(parallel_sipi(&one_by_one)),
            "CPU 1 has `callin_begin` at 1300000, before CPU 3 has `kick_end` at 5500000"
        );
        assert_eq!(
            text(full_parallel(&one_by_one)),
            "CPU 1 is alone in its callin: no other AP is between `callin_begin` and `callin_end` \
             from 1300000 to 2100000"
        );
    }

    #[test]
    fn stamps_out_of_order_or_missing_are_no_partition() {
        let mut aps = trial("strategy=serial", 3);
        aps[1].stamps.set(Stamp::Alive, -5);
        assert!(text(phases_partition(&aps)).contains("CPU 2 has `alive` at -5, before `entry`"));
        aps[1].stamps = Default::default();
        assert_eq!(text(phases_partition(&aps)), "CPU 2 has no `init`");
        aps[1].end = ApEnd::Lost(None);
        assert_eq!(phases_partition(&aps), Ok(()));
    }

    #[test]
    fn a_double_start_is_seen() {
        let mut aps = trial("strategy=parallel-sipi sipi-count=2", 3);
        assert_eq!(started_once(&aps), Ok(()));
        aps[0].starts = 2;
        assert_eq!(text(started_once(&aps)), format!("{} started 2 times, not once", CpuIndex(1)));
    }

    #[test]
    fn machines_without_enough_aps_break_nothing() {
        for cpus in 1..4 {
            assert_eq!(full_parallel(&trial("strategy=serial", cpus)), Ok(()));
        }
        assert_eq!(serial(&[]), Ok(()));
        assert_eq!(parallel_sipi(&[]), Ok(()));
    }
}
