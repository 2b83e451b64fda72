//! Totals in closed form, and what the simulator must hold for any options.

use super::bsp::Simulated;
use super::trial::trial_by;
use super::*;
use crate::class::Class;
use crate::frame::{ApEnd, Body};
use crate::options::{Options, Step, Strategy as How, TscSync};
use crate::phase::Phase;
use crate::stamp::Stamp;
use crate::strategy::{Aps, Bsp};
use crate::{CpuIndex, Duration};
use proptest::prelude::*;

const KHZ: u64 = 1_000_000;
/// The default scenario's costs, in cycles: kick, wake, callin, window, online.
const COSTS: &str = "cost-kick=100000 cost-wake=1200000 cost-callin=800000 tsc-window=500000 \
                     cost-online=100000";

fn options(words: &str) -> Options {
    let mut options = Options::default();
    words.split_whitespace().for_each(|word| options.set_word(word).unwrap());
    options
}

fn total(words: &str, cpus: usize) -> u64 {
    trial(&options(&format!("{COSTS} {words}")), cpus, KHZ).unwrap().0.total.0
}

#[test]
fn serial_costs_every_step_of_every_ap() {
    let one = 100_000 + 1_200_000 + 800_000 + 500_000 + 100_000;
    for cpus in [1, 2, 28, 255] {
        assert_eq!(total("strategy=serial", cpus), one * (cpus as u64 - 1));
    }
}

#[test]
fn parallel_sipi_costs_one_kick_loop_and_every_ap_from_its_gate_on() {
    // By the end of the kick loop all but the last APs that a wake takes are alive: the first
    // AP's callin begins at the loop's end or at its own alive, and no later AP is waited for.
    let each = 800_000 + 500_000 + 100_000;
    for aps in [1, 2, 12, 27] {
        let begin = (aps * 100_000).max(100_000 + 1_200_000);
        assert_eq!(total("strategy=parallel-sipi", aps as usize + 1), begin + each * aps);
    }
}

#[test]
fn full_parallel_costs_one_kick_loop_one_ap_and_the_turns() {
    for aps in [1, 2, 27] {
        // The first turn comes when the kick loop is over and the first AP has called in.
        let first = (aps * 100_000).max(100_000 + 1_200_000 + 800_000);
        assert_eq!(
            total("strategy=full-parallel", aps as usize + 1),
            first + 500_000 * aps + 100_000
        );
    }
}

#[test]
fn trusted_full_parallel_costs_one_kick_loop_and_one_ap() {
    let words = "strategy=full-parallel tsc-sync=trusted";
    assert_eq!(total(words, 28), 27 * 100_000 + 1_200_000 + 800_000 + 100_000);
    let broadcast = format!("{words} kick=broadcast");
    assert_eq!(total(&broadcast, 28), 100_000 + 1_200_000 + 800_000 + 100_000);
}

#[test]
fn one_to_many_costs_one_window_for_all_and_one_more_for_each_skewed_clock() {
    let words = "strategy=full-parallel tsc-sync=one-to-many";
    let called_in = 27 * 100_000 + 1_200_000 + 800_000;
    assert_eq!(total(words, 28), called_in + 500_000 + 100_000);
    let skewed = format!("{words} skew=3:200,9:-200,20:200");
    assert_eq!(total(&skewed, 28), called_in + 4 * 500_000 + 100_000);
    // One at a time, it is a pairwise sync.
    let each = 100_000 + 1_200_000 + 800_000 + 500_000 + 100_000;
    assert_eq!(total("strategy=serial tsc-sync=one-to-many", 28), 27 * each);
    assert_eq!(total("strategy=serial skew=3:200", 28), 27 * each + 500_000);
}

#[test]
fn one_slow_ap_among_many_delays_exactly_what_it_should() {
    let slow = "cost-callin=800000,5:8000000";
    for how in ["serial", "parallel-sipi"] {
        let words = format!("strategy={how}");
        assert_eq!(total(&format!("{words} {slow}"), 28), total(&words, 28) + 7_200_000, "{how}");
    }
    // Nobody waits for it but its own turn: CPU 5 calls in at 0.5 + 1.2 + 8 ms, in the middle
    // of the others' turns, which fill the time until 2.7 + 27 · 0.5 ms all the same.
    let words = "strategy=full-parallel";
    assert_eq!(total(&format!("{words} {slow}"), 28), total(words, 28));
    // Slower than all the others' turns together, it is waited for alone.
    let slower = "cost-callin=800000,5:80000000";
    assert_eq!(
        total(&format!("{words} {slower}"), 28),
        500_000 + 1_200_000 + 80_000_000 + 500_000 + 100_000
    );
}

#[test]
fn an_exclusive_step_is_spent_by_one_ap_after_the_other() {
    let words = "strategy=full-parallel tsc-sync=trusted";
    // Kicked every 0.1 ms, they queue for a callin of 0.8 ms; only the last comes online after.
    let exclusive = format!("{words} cost-callin=800000,exclusive");
    assert_eq!(total(&exclusive, 28), 100_000 + 1_200_000 + 27 * 800_000 + 100_000);
    // In the order of arrival: CPU 1 wakes late and is served last.
    let late = format!("{exclusive} cost-wake=1200000,1:9000000");
    let (_, aps) = trial(&options(&format!("{COSTS} {late}")), 5, KHZ).unwrap();
    let ends = aps.iter().map(|ap| ap.stamps.get(Stamp::CallinEnd).unwrap());
    assert_eq!(ends.collect::<Vec<_>>(), [9_900_000, 2_200_000, 3_000_000, 3_800_000]);
    // Serial, nobody else is there.
    assert_eq!(
        total("strategy=serial cost-callin=800000,exclusive", 28),
        total("strategy=serial", 28)
    );
}

#[test]
fn a_class_that_costs_more_delays_its_own() {
    use Class::{Core, Package, Sibling};
    let words = format!("{COSTS} strategy=serial cost-callin=800000,package:8000000,sibling:0");
    let classes = [Package, Sibling, Core, Sibling, Package, Sibling];
    let (end, aps) = trial_on(&options(&words), &classes, KHZ).unwrap();
    let callins = aps.iter().map(|ap| Phase::Callin.of(&ap.stamps).unwrap().0);
    assert_eq!(callins.collect::<Vec<_>>(), [0, 800_000, 0, 8_000_000, 0]);
    assert_eq!(end.total.0, 5 * 1_900_000 + 800_000 + 8_000_000);
}

#[test]
fn a_withheld_sipi_costs_one_limit_however_many_aps_are_lost() {
    let words = "strategy=parallel-sipi limit=50ms fault=never:3,never:4";
    let (end, aps) = trial(&options(&format!("{COSTS} {words}")), 6, KHZ).unwrap();
    assert_eq!(end.lost, 2);
    assert_eq!(aps[2].end, ApEnd::Lost(Some(Stamp::Sipi)));
    assert_eq!(aps[4].end, ApEnd::Online);
    // CPU 4's own limit ends one kick after CPU 3's.
    assert_eq!(end.total.0, 50_000_000 + 4 * 100_000 + 1_400_000);
}

/// CPU 2 has called in late, at 30 ms; `trusted`, it goes on to be online without the BSP.
#[test]
fn what_an_ap_does_after_it_was_given_up_is_no_part_of_the_trial() {
    let words = "strategy=full-parallel tsc-sync=trusted limit=10ms cost-callin=0,2:30ms,3:100ms";
    let (end, aps) = trial(&options(words), 4, KHZ).unwrap();
    assert_eq!((end.lost, end.total.0), (2, 10_000_000));
    for ap in &aps[1..] {
        assert_eq!(ap.end, ApEnd::Lost(Some(Stamp::CallinBegin)), "{}", ap.cpu);
        assert_eq!(ap.stamps.get(Stamp::CallinEnd), None);
    }
    // The BSP waits for CPU 1 until 18 ms, and only then looks at CPU 2.
    let words = "strategy=parallel-sipi tsc-sync=trusted limit=10ms cost-wake=9ms,2:15ms \
                 cost-trampoline=0,2:20ms cost-callin=9ms";
    let (end, aps) = trial(&options(words), 3, KHZ).unwrap();
    assert_eq!((end.lost, end.total.0), (1, 18_000_000));
    assert_eq!(aps[1].end, ApEnd::Lost(Some(Stamp::Entry)));
}

#[test]
fn a_lost_ap_takes_no_turn_in_an_exclusive_step() {
    let words = "strategy=serial tsc-sync=trusted limit=10ms cost-wake=0,1:11ms \
                 cost-callin=5ms,exclusive";
    let (end, aps) = trial(&options(words), 3, KHZ).unwrap();
    assert_eq!(aps[0].end, ApEnd::Lost(Some(Stamp::Sipi)));
    // CPU 1 is alive at 11 ms, when CPU 2 calls in; nobody releases it any more.
    assert_eq!((end.lost, end.total.0), (1, 15_000_000));
}

/// A strategy that kicks one AP after the other, and waits for none of them in between.
fn one_by_one(bsp: &mut Simulated<'_>) {
    let all = Aps::all(bsp.aps.len());
    for ap in all {
        bsp.release(Aps::only(ap));
        bsp.kick(Aps::only(ap));
    }
    while let Some(ap) = bsp.await_any_callin(all) {
        bsp.sync_pair(ap);
    }
    for ap in all {
        bsp.await_online(ap);
    }
}

#[test]
fn a_strategy_that_kicks_a_part_of_the_aps_by_broadcast_is_refused() {
    let run = |words: &str| {
        let options = options(&format!("strategy=full-parallel {words}"));
        trial_by(one_by_one, &options, &[Class::Core; 4], KHZ, &mut [0; 4])
    };
    assert_eq!(run("kick=unicast").unwrap().0.lost, 0);
    let NoTrial::PartKicked(refused) = run("kick=broadcast").unwrap_err() else {
        panic!("it is refused for its set");
    };
    assert_eq!((refused.kicked, refused.all), (Aps::only(CpuIndex(1)), Aps::all(4)));
}

/// `kick` sends all INITs, waits once, and sends all SIPIs; with `init-order=each` it waits for each AP, as Linux does.
#[test]
fn a_kick_of_n_aps_waits_the_init_delay_once() {
    let words = "init-delay=10ms cost-kick=0 cost-wake=0 cost-callin=0 cost-online=0 tsc-window=0";
    for (strategy, delays) in [("serial", 3), ("parallel-sipi", 1), ("full-parallel", 1)] {
        let words = format!("{words} strategy={strategy}");
        assert_eq!(total(&words, 4), delays * 10_000_000, "{strategy}");
    }
    let words = format!("{words} strategy=parallel-sipi");
    for ap in trial(&options(&words), 4, KHZ).unwrap().1 {
        assert_eq!(ap.stamps.get(Stamp::Init), Some(0));
        assert_eq!(ap.stamps.get(Stamp::Sipi), Some(10_000_000));
    }
    let words = format!("{words} init-order=each");
    for (delay, ap) in (1..).zip(trial(&options(&words), 4, KHZ).unwrap().1) {
        assert_eq!(ap.stamps.get(Stamp::Init), Some((delay - 1) * 10_000_000));
        assert_eq!(ap.stamps.get(Stamp::Sipi), Some(delay * 10_000_000));
    }
}

#[test]
fn a_sipi_alone_follows_no_delay_and_late_aps_alone_are_waited_for() {
    let words = "cost-kick=10us cost-wake=50us,3:900us cost-callin=0 cost-online=0 tsc-sync=trusted tsc-trust=yes \
                 strategy=full-parallel";
    assert_eq!(total(&format!("{words} wake-sequence=sipi"), 4), 930_000);
    let late =
        trial(&options(&format!("{words} wake-sequence=sipi-late cost-online=0,3:1us")), 4, KHZ);
    let aps = late.unwrap().1;
    // The BSP waits for the first until it is alive, for the third until its gap is over.
    assert_eq!(aps[0].stamps.get(Stamp::SeenOnline), Some(30_000 + 200_000));
    assert_eq!(aps[2].stamps.get(Stamp::SeenOnline), Some(931_000));
}

#[test]
fn the_classic_protocol_costs_its_delays() {
    let words = "strategy=serial init-delay=10ms wake-sequence=init-sipi-sipi cost-kick=0 cost-wake=0 \
                 cost-callin=0 cost-online=0 tsc-window=0";
    assert_eq!(total(words, 3), 2 * (10_000_000 + 200_000));
}

#[test]
fn times_are_of_the_clock_of_the_machine_that_is_named() {
    let words = "strategy=serial init-delay=10ms";
    let (own, named) = (total(words, 2), total(&format!("{words} clock-khz=2000000"), 2));
    // 10 ms are twice as many cycles; what is given in cycles stays.
    assert_eq!(named - own, 10_000_000);
}

#[test]
fn a_trial_that_the_clock_cannot_count_is_an_error() {
    let hour = "clock-khz=4294967295 limit=3600s";
    for words in [
        "tsc-window=3600s cost-wake=3600s",
        "cost-kick=3600s cost-callin=3600s,exclusive cost-online=3600s,exclusive \
         strategy=full-parallel",
        "strategy=full-parallel tsc-sync=one-to-many init-delay=3600s cost-kick=3600s",
        "strategy=parallel-sipi fault=never:1 skew=2:1 tsc-window=3600s",
    ] {
        let options = options(&format!("{hour} {words}"));
        assert_eq!(trial(&options, 700, KHZ).err(), Some(NoTrial::TooLong), "{words}");
        assert_eq!(trial(&options, 4, KHZ).err(), None, "{words}");
    }
    // A capture may tell any frequency.
    let serial = options("tsc-window=3600s init-delay=3600s wake-sequence=init-sipi-sipi skew=1:1");
    assert_eq!(trial(&serial, 3, u64::MAX).err(), Some(NoTrial::TooLong));
}

#[test]
fn a_boot_with_a_trial_that_is_too_long_ends_with_an_error_frame() {
    let words = "clock-khz=4294967295 limit=3600s tsc-window=3600s cost-wake=3600s";
    let mut last = String::new();
    boot(words, 700, KHZ, |frame| last = format!("{:?}", frame.body)).unwrap();
    assert!(last.starts_with("Error(Options { message: \"a trial would take 2^63"), "{last}");
}

fn any_options() -> impl Strategy<Value = Options> {
    let exclusive: Vec<usize> =
        (0..Step::COUNT).filter(|step| Step::ALL[*step].can_be_exclusive()).collect();
    any_options_with(proptest::option::of(proptest::sample::select(exclusive)))
}

fn any_options_with(
    exclusive: impl Strategy<Value = Option<usize>>,
) -> impl Strategy<Value = Options> {
    let word = |key: &'static str, cost: u64| format!("{key}={cost}");
    (
        0..How::ALL.len(),
        0..TscSync::ALL.len(),
        any::<bool>(),
        proptest::collection::vec(0u64..3_000_000, Step::COUNT + 1),
        (1u16..12, 0usize..Step::COUNT, 0u64..40_000_000),
        exclusive,
    )
        .prop_map(move |(how, sync, broadcast, costs, (slow, step, cost), exclusive)| {
            let how = How::ALL[how];
            let kick = if broadcast && how != How::Serial { "broadcast" } else { "unicast" };
            let mut words: Vec<String> = Step::ALL
                .iter()
                .zip(&costs)
                .map(|(step, cost)| format!("cost-{step}={cost}"))
                .collect();
            if !(kick == "broadcast" && Step::ALL[step] == Step::Kick) {
                words[step] += &format!(",{slow}:{cost}");
            }
            if let Some(exclusive) = exclusive {
                words[exclusive] += ",exclusive";
            }
            words.push(word("tsc-window", costs[Step::COUNT]));
            words.push(format!("strategy={how} kick={kick}"));
            words.push(format!("tsc-sync={}", TscSync::ALL[sync]));
            options(&words.join(" "))
        })
}

proptest! {
    #[test]
    fn every_ap_comes_online_once_and_in_order(options in any_options(), cpus in 1usize..14) {
        let (end, aps) = trial(&options, cpus, KHZ).unwrap();
        prop_assert_eq!(end.lost, 0);
        prop_assert_eq!(aps.len(), cpus - 1);
        let mut last = 0;
        for ap in &aps {
            prop_assert_eq!((ap.end, ap.starts), (ApEnd::Online, 1));
            let path: Vec<i64> = Stamp::PATH.iter().map(|stamp| ap.stamps.get(*stamp).unwrap()).collect();
            prop_assert!(path.is_sorted(), "{:?}", path);
            let sum: u64 = Phase::ALL.iter().map(|phase| phase.of(&ap.stamps).unwrap().0).sum();
            prop_assert_eq!(sum as i64, path[8] - path[0]);
            last = last.max(path[8]);
        }
        prop_assert_eq!(end.total.0 as i64, last);
    }

    // Without exclusive steps: with one, the order in which CPUs arrive at it decides too; see below.
    #[test]
    fn a_dearer_step_never_makes_a_bring_up_cheaper(
        options in any_options_with(Just(None)), step in 0usize..Step::COUNT, more in 0u64..1_000_000,
    ) {
        let mut dearer = options.clone();
        let Some(Duration::Cycles(usual)) = options.cost(Step::ALL[step]).usual() else { return Ok(()) };
        let cost = (usual + more).to_string();
        let key = format!("cost-{}", Step::ALL[step]);
        dearer.set(&key, &cost).unwrap();
        let mut plain = options;
        let usual = usual.to_string();
        plain.set(&key, &usual).unwrap();
        let total = |options| trial(options, 9, KHZ).unwrap().0.total;
        prop_assert!(total(&dearer) >= total(&plain));
    }
}

/// CPUs 0 to 3: two cores of two threads, first threads first.
const TWO_CORES: [Class; 4] = [Class::Package, Class::Core, Class::Sibling, Class::Sibling];

fn total_on(words: &str) -> u64 {
    let options = options(&format!("tsc-sync=trusted tsc-trust=yes {words}"));
    trial_on(&options, &TWO_CORES, KHZ).unwrap().0.total.0
}

#[test]
fn parallel_callin_waits_for_the_slowest_callin_and_not_for_their_sum() {
    let costs = "cost-kick=1 cost-wake=100 cost-callin=1000,1:9000 cost-online=10";
    assert_eq!(total_on(&format!("strategy=serial {costs}")), 3 * 111 + 9000 + 2 * 1000);
    assert_eq!(total_on(&format!("strategy=parallel-sipi {costs}")), 101 + 11_000 + 30);
    // All call in side by side and come online by themselves.
    assert_eq!(total_on(&format!("strategy=parallel-callin {costs}")), 101 + 9000 + 10);
    let windows = costs.to_owned() + " tsc-sync=pairwise tsc-window=50";
    // The windows and what follows them are one by one.
    assert_eq!(total_on(&format!("strategy=parallel-callin {windows}")), 101 + 9000 + 3 * 60);
}

#[test]
fn primaries_first_kicks_siblings_when_the_first_threads_are_online() {
    let options = options(
        "order=primaries-first strategy=parallel-callin tsc-sync=trusted tsc-trust=yes \
         cost-kick=1 cost-wake=100 cost-callin=7,core:1000",
    );
    let (end, aps) = trial_on(&options, &TWO_CORES, KHZ).unwrap();
    let at = |ap: usize, stamp| aps[ap].stamps.get(stamp).unwrap();
    assert_eq!(at(0, Stamp::Online), 1101);
    assert_eq!((at(1, Stamp::Init), at(2, Stamp::Init)), (1101, 1101));
    assert_eq!(end.total.0, 1101 + 2 + 100 + 7);
}

#[test]
fn what_a_kernel_prepares_comes_before_an_aps_init() {
    let words = "cost-prepare=500 cost-kick=1 cost-wake=100";
    assert_eq!(total_on(&format!("strategy=serial {words}")), 3 * 601);
    assert_eq!(total_on(&format!("strategy=parallel-sipi {words}")), 3 * 501 + 100);
}

#[test]
fn microcode_is_loaded_in_the_callin_or_before_alive() {
    let words = "strategy=serial cost-callin=10 cost-microcode=300";
    let aps = |more: &str| {
        let options = options(&format!("tsc-sync=trusted tsc-trust=yes {words} {more}"));
        trial_on(&options, &TWO_CORES, KHZ).unwrap().1
    };
    for (more, alive, callin) in [("", 0, 310), ("microcode-at=alive", 300, 10)] {
        let stamps = aps(more)[0].stamps;
        let span = |from, to| stamps.get(to).unwrap() - stamps.get(from).unwrap();
        assert_eq!(span(Stamp::Entry, Stamp::Alive), alive, "{more}");
        assert_eq!(span(Stamp::CallinBegin, Stamp::CallinEnd), callin, "{more}");
    }
}

#[test]
fn a_rendezvous_costs_where_clocks_are_trusted_and_a_window_where_they_are_compared() {
    let words = "strategy=serial cost-sync=40 tsc-window=2,package:20,core:7";
    assert_eq!(total_on(words), 3 * 40);
    assert_eq!(total_on(&format!("{words} tsc-sync=pairwise")), 7 + 2 + 2);
    // One window for all is as long as the longest.
    let many = format!("{words} strategy=full-parallel tsc-sync=one-to-many");
    assert_eq!(total_on(&many), 7);
}

/// R. L. Graham, "Bounds on Multiprocessing Timing Anomalies" (1969): a longer task may make the whole shorter. Here the
/// longer kicks let AP 3, which is slow and which `parallel-sipi` waits for first, arrive at the trampoline before AP 8.
#[test]
fn a_dearer_kick_may_make_a_bring_up_with_an_exclusive_step_cheaper() {
    let total = |kick: u64| {
        let words = "strategy=parallel-sipi tsc-window=139732 cost-wake=2414869,3:4999555 \
                     cost-trampoline=1246366,exclusive";
        trial(&options(&format!("cost-kick={kick} {words}")), 9, KHZ).unwrap().0.total
    };
    assert!(total(516_938) < total(516_937));
}

#[test]
fn a_simulated_boot_sends_what_a_kernel_sends() {
    let mut names = Vec::new();
    let words = "repetitions=2 cell strategy=serial cell strategy=full-parallel";
    boot(words, 3, KHZ, |frame| {
        assert_eq!(frame.number as usize, names.len());
        names.push(match frame.body {
            Body::Hello(_) => 'H',
            Body::Cpu(_) => 'c',
            Body::CellBegin(_) => 'C',
            Body::TrialBegin(begin) if begin.cold => '0',
            Body::TrialBegin(_) => '(',
            Body::ApTimeline(_) => 'a',
            Body::TrialEnd(_) => ')',
            Body::Goodbye(_) => 'G',
            _ => '?',
        });
    })
    .unwrap();
    assert_eq!(names.iter().collect::<String>(), "HcccC0aa)(aa)(aa)C(aa)(aa)G");
}

/// Which APs are lost in each trial of a boot, by their numbers.
fn lost_in_trials(words: &str) -> Vec<Vec<u16>> {
    let mut trials = Vec::new();
    boot(words, 4, KHZ, |frame| match &frame.body {
        Body::TrialBegin(_) => trials.push(Vec::new()),
        Body::ApTimeline(ap) if ap.end != ApEnd::Online => {
            trials.last_mut().unwrap().push(ap.cpu.0);
        }
        _ => {}
    })
    .unwrap();
    trials
}

#[test]
fn a_dropped_sipi_loses_its_ap_in_that_trial_unless_another_follows() {
    let words = "strategy=parallel-sipi limit=50ms repetitions=3 fault=drop-sipi:2:3";
    assert_eq!(lost_in_trials(words), [vec![], vec![], vec![2], vec![]]);
    // Of two SIPIs in each trial the third is the first of the second trial.
    for sequence in ["init-sipi-sipi", "sipi-late"] {
        let rescued = lost_in_trials(&format!("{words} wake-sequence={sequence}"));
        assert_eq!(rescued, [[0; 0]; 4], "{sequence}");
    }
    let cells = "limit=50ms repetitions=2 cell cell fault=drop-sipi:1:5,drop-sipi:3:4";
    assert_eq!(lost_in_trials(cells), [vec![], vec![], vec![], vec![3], vec![1]]);
    let never = "limit=50ms fault=init-after-sipi:1";
    assert_eq!(lost_in_trials(never), [[1], [1]]);
}
