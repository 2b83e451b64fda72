//! What each strategy claims of the order in which the BSP acts.
//!
//! The BSP's own stamps alone are compared ([`Clock::Bsp`](bringup::stamp::Clock)): one CPU read them from one
//! clock, in the order of its program, so a trial that breaks a claim was not brought up by its strategy,
//! whatever the engine, its noise, or the APs' clocks. With `stamp-set=ends` the BSP does not stamp what it has
//! seen, and nothing is claimed.

use bringup::CpuIndex;
use bringup::class::Class;
use bringup::frame::{ApEnd, ApTimeline};
use bringup::options::{Options, Order, StampSet, Strategy};
use bringup::stamp::Stamp;

/// A claim: what of a trial breaks it, `None` where it is kept.
type Claim = fn(&[ApTimeline]) -> Option<String>;

/// What the strategies claim besides [`kicked_first`], which all do that kick all APs at once. A strategy that is
/// not named here claims no more.
const CLAIMS: [(Strategy, &[Claim]); 4] = [
    (Strategy::Serial, &[awaited, kicked_one_by_one]),
    (Strategy::ParallelSipi, &[awaited, finished_one_by_one]),
    (Strategy::ParallelCallin, &[awaited, let_in_first, called_in_one_by_one]),
    (Strategy::FullParallel, &[never_held]),
];

/// The first claim of its strategy that a trial breaks, with the CPUs and stamps that break it; `None` where it
/// keeps them all. The timelines are all of the trial, in the order of their indices; the classes are of the machine's
/// CPUs, the BSP's first.
///
/// An AP that was lost breaks no claim by stamps that it lacks.
pub fn broken(options: &Options, classes: &[Class], timelines: &[ApTimeline]) -> Option<String> {
    if options.stamps == StampSet::Ends {
        return None;
    }
    match options.order {
        Order::Listed => broken_by(options.strategy, timelines),
        Order::PrimariesFirst => {
            let is_sibling = |ap: &ApTimeline| classes.get(ap.cpu.at()) == Some(&Class::Sibling);
            let (siblings, primaries): (Vec<_>, Vec<_>) =
                timelines.iter().copied().partition(is_sibling);
            primaries_first(&primaries, &siblings)
                .or_else(|| broken_by(options.strategy, &primaries))
                .or_else(|| broken_by(options.strategy, &siblings))
        }
    }
}

/// The first claim of the strategy that these APs break, which it has brought up together.
fn broken_by(strategy: Strategy, timelines: &[ApTimeline]) -> Option<String> {
    let own = CLAIMS.iter().filter(|(named, _)| *named == strategy).flat_map(|(_, own)| *own);
    let at_once = strategy.kicks_all_at_once().then_some(&(kicked_first as Claim));
    own.chain(at_once).find_map(|claim| claim(timelines))
}

/// No sibling is kicked before the first threads of all cores were seen online.
fn primaries_first(primaries: &[ApTimeline], siblings: &[ApTimeline]) -> Option<String> {
    let seen = |ap: &ApTimeline| Some((ap.stamps.get(Stamp::SeenOnline)?, ap.cpu));
    let kicked = |ap: &ApTimeline| Some((ap.stamps.get(Stamp::Init)?, ap.cpu));
    let (online, last) = primaries.iter().filter_map(seen).max()?;
    let (init, first) = siblings.iter().filter_map(kicked).min()?;
    (init < online).then(|| {
        format!(
            "the first threads of all cores are online before a sibling is kicked, but {first} has \
             `{}` at {init}, before {last} has `{}` at {online}",
            Stamp::Init.name(),
            Stamp::SeenOnline.name()
        )
    })
}

/// The BSP has waited for each AP that came online: until it was alive, and until it was online.
fn awaited(timelines: &[ApTimeline]) -> Option<String> {
    let online = timelines.iter().filter(|ap| ap.end == ApEnd::Online);
    let mut missing = online.flat_map(|ap| {
        let stamps = [Stamp::SeenAlive, Stamp::SeenOnline].into_iter();
        stamps.filter(|stamp| ap.stamps.get(*stamp).is_none()).map(|stamp| (ap.cpu, stamp))
    });
    let (cpu, stamp) = missing.next()?;
    Some(format!("each AP is awaited, but {cpu} is online without `{}`", stamp.name()))
}

/// An AP is kicked only after every AP before it was seen online.
fn kicked_one_by_one(timelines: &[ApTimeline]) -> Option<String> {
    one_by_one(
        timelines,
        Stamp::Init,
        "an AP is kicked only after the one before it was seen online",
    )
}

/// An AP is awaited only after every AP before it was seen online.
fn finished_one_by_one(timelines: &[ApTimeline]) -> Option<String> {
    one_by_one(
        timelines,
        Stamp::SeenAlive,
        "an AP is awaited only after the one before it was seen online",
    )
}

/// An AP's callin is awaited only after every AP before it was seen online.
fn called_in_one_by_one(timelines: &[ApTimeline]) -> Option<String> {
    one_by_one(
        timelines,
        Stamp::SeenCallin,
        "an AP's callin is awaited only after the one before it was seen online",
    )
}

/// Every AP is let into its callin before the BSP waits for a callin.
fn let_in_first(timelines: &[ApTimeline]) -> Option<String> {
    let of = |stamp| {
        let seen = move |ap: &ApTimeline| Some((ap.stamps.get(stamp)?, ap.cpu));
        timelines.iter().filter_map(seen)
    };
    let (alive, last) = of(Stamp::SeenAlive).max()?;
    let (callin, first) = of(Stamp::SeenCallin).min()?;
    (callin < alive).then(|| {
        format!(
            "every AP is seen alive before a callin is awaited, but {first} has `{}` at {callin}, \
             before {last} has `{}` at {alive}",
            Stamp::SeenCallin.name(),
            Stamp::SeenAlive.name()
        )
    })
}

/// The BSP comes to this step of an AP when it has seen every AP before it online.
fn one_by_one(timelines: &[ApTimeline], step: Stamp, claim: &str) -> Option<String> {
    let mut before: Option<(i64, CpuIndex)> = None;
    for ap in timelines {
        if let (Some(at), Some((seen, other))) = (ap.stamps.get(step), before)
            && at < seen
        {
            return Some(format!(
                "{claim}, but {} has `{}` at {at}, before {other} has `{}` at {seen}",
                ap.cpu,
                step.name(),
                Stamp::SeenOnline.name()
            ));
        }
        before = before.max(ap.stamps.get(Stamp::SeenOnline).map(|at| (at, ap.cpu)));
    }
    None
}

/// All APs are kicked before the BSP waits for the first.
fn kicked_first(timelines: &[ApTimeline]) -> Option<String> {
    const SEEN: [Stamp; 3] = [Stamp::SeenAlive, Stamp::SeenCallin, Stamp::SeenOnline];
    let kick_ends =
        timelines.iter().filter_map(|ap| Some((ap.stamps.get(Stamp::KickEnd)?, ap.cpu)));
    let (kicked, last) = kick_ends.max()?;
    let early = |ap: &ApTimeline| {
        let mut seen = SEEN.into_iter().filter_map(|stamp| Some((ap.stamps.get(stamp)?, stamp)));
        seen.find(|(at, _)| *at < kicked).map(|(at, stamp)| (at, ap.cpu, stamp))
    };
    let (at, first, stamp) = timelines.iter().find_map(early)?;
    Some(format!(
        "all APs are kicked before one is awaited, but {first} has `{}` at {at}, before {last} has \
         `{}` at {kicked}",
        stamp.name(),
        Stamp::KickEnd.name()
    ))
}

/// No gate waits for the BSP: it does not even look whether an AP is alive.
fn never_held(timelines: &[ApTimeline]) -> Option<String> {
    let seen = |ap: &ApTimeline| Some((ap.cpu, ap.stamps.get(Stamp::SeenAlive)?));
    let (cpu, at) = timelines.iter().find_map(seen)?;
    Some(format!(
        "no AP is held until the BSP has seen it alive, but {cpu} has `{}` at {at}",
        Stamp::SeenAlive.name()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bringup::options::{Kick, TscSync};

    const STRATEGIES: [Strategy; 4] = [
        Strategy::Serial,
        Strategy::ParallelSipi,
        Strategy::ParallelCallin,
        Strategy::FullParallel,
    ];

    const COSTS: &str = "cost-kick=100us cost-wake=1200us cost-callin=800us tsc-window=500us \
                         cost-online=100us";

    fn options(words: &str) -> Options {
        let mut options = Options::default();
        for word in words.split_whitespace() {
            options.set_word(word).unwrap();
        }
        options
    }

    fn trial(options: &Options, cpus: usize) -> Vec<ApTimeline> {
        bringup::sim::trial(options, cpus, 1_000_000).unwrap().1
    }

    /// The claim that a trial of one strategy breaks when it is called another.
    #[track_caller]
    fn called(strategy: Strategy, timelines: &[ApTimeline]) -> String {
        broken(&Options { strategy, ..Options::default() }, &[], timelines).unwrap()
    }

    #[test]
    fn every_strategy_keeps_its_own_claims_and_breaks_those_of_the_others() {
        for own in STRATEGIES {
            let trial = trial(&options(&format!("{COSTS} strategy={own}")), 28);
            for claimed in STRATEGIES {
                let broken = broken(&options(&format!("strategy={claimed}")), &[], &trial);
                assert_eq!(broken.is_none(), own == claimed, "{own} as {claimed}: {broken:?}");
            }
        }
    }

    #[test]
    fn a_broken_claim_names_the_cpus_the_stamps_and_their_values() {
        let [serial, sipi, callin, full] =
            STRATEGIES.map(|strategy| trial(&Options { strategy, ..options(COSTS) }, 4));
        assert_eq!(
            called(Strategy::Serial, &sipi),
            "an AP is kicked only after the one before it was seen online, but CPU 2 has `init` at 0, \
             before CPU 1 has `seen_online` at 2700000"
        );
        assert_eq!(
            called(Strategy::ParallelSipi, &serial),
            "all APs are kicked before one is awaited, but CPU 1 has `seen_alive` at 1300000, \
             before CPU 3 has `kick_end` at 5500000"
        );
        assert_eq!(
            called(Strategy::ParallelSipi, &full),
            "each AP is awaited, but CPU 1 is online without `seen_alive`"
        );
        assert_eq!(
            called(Strategy::ParallelCallin, &sipi),
            "every AP is seen alive before a callin is awaited, but CPU 1 has `seen_callin` at \
             2100000, before CPU 3 has `seen_alive` at 4100000"
        );
        assert_eq!(
            called(Strategy::ParallelSipi, &callin),
            "an AP is awaited only after the one before it was seen online, but CPU 2 has \
             `seen_alive` at 1400000, before CPU 1 has `seen_online` at 2700000"
        );
        assert_eq!(
            called(Strategy::FullParallel, &sipi),
            "no AP is held until the BSP has seen it alive, but CPU 1 has `seen_alive` at 1300000"
        );
    }

    #[test]
    fn primaries_first_is_a_claim_of_the_order_and_each_pass_is_held_to_its_strategy() {
        const CLASSES: [Class; 4] = [Class::Package, Class::Sibling, Class::Core, Class::Sibling];
        for strategy in STRATEGIES {
            let of = |order: &str| {
                let options = options(&format!("{COSTS} strategy={strategy} order={order}"));
                bringup::sim::trial_on(&options, &CLASSES, 1_000_000).unwrap().1
            };
            let ordered = options(&format!("strategy={strategy} order=primaries-first"));
            assert_eq!(broken(&ordered, &CLASSES, &of("primaries-first")), None, "{strategy}");
            let what = broken(&ordered, &CLASSES, &of("listed")).unwrap();
            let claim = "the first threads of all cores are online before a sibling is kicked, but \
                         CPU 1 has `init` at 0, before CPU 2 has `seen_online` at ";
            assert!(what.starts_with(claim), "{what}");
        }
    }

    #[test]
    fn stamps_of_the_bsp_out_of_their_order_break_a_claim() {
        let mut sipi = trial(&options(&format!("{COSTS} strategy=parallel-sipi")), 4);
        let online = sipi[1].stamps.get(Stamp::SeenOnline).unwrap();
        sipi[2].stamps.set(Stamp::SeenAlive, online - 1);
        let what = called(Strategy::ParallelSipi, &sipi);
        assert!(
            what.contains("awaited only after the one before it was seen online, but CPU 3"),
            "{what}"
        );
        let mut full = trial(&options(&format!("{COSTS} strategy=full-parallel")), 4);
        let kicked = full[2].stamps.get(Stamp::KickEnd).unwrap();
        full[0].stamps.set(Stamp::SeenCallin, kicked - 1);
        let what = called(Strategy::FullParallel, &full);
        assert!(what.contains("before one is awaited, but CPU 1 has `seen_callin`"), "{what}");
    }

    #[test]
    fn no_option_makes_a_strategy_break_its_claims() {
        let some =
            ["", COSTS, "skew=2:-500 wake-sequence=init-sipi-sipi", "fault=never:1 limit=5ms"];
        for strategy in STRATEGIES {
            for sync in TscSync::ALL {
                for kick in Kick::ALL {
                    if (strategy, kick) == (Strategy::Serial, Kick::Broadcast) {
                        continue;
                    }
                    for words in some {
                        let words =
                            format!("{words} strategy={strategy} tsc-sync={sync} kick={kick}");
                        let options = options(&words);
                        for cpus in [1, 2, 3, 28] {
                            assert_eq!(
                                broken(&options, &[], &trial(&options, cpus)),
                                None,
                                "{words}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn without_the_stamps_of_the_bsp_nothing_is_claimed() {
        let serial = trial(&options(&format!("{COSTS} strategy=serial")), 4);
        let ends = options("strategy=full-parallel stamp-set=ends");
        assert_eq!(broken(&ends, &[], &serial), None);
    }
}
