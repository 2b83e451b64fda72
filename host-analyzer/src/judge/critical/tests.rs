use super::*;
use bringup::frame::ApEnd;
use bringup::options::Options;
use bringup::sim;
use proptest::prelude::*;

const COSTS: &str = "cost-kick=100us cost-wake=1200us cost-callin=800us tsc-window=500us \
                     cost-online=100us";

fn options(words: &str) -> Options {
    let mut options = Options::default();
    for word in COSTS.split_whitespace().chain(words.split_whitespace()) {
        options.set_word(word).unwrap();
    }
    options
}

fn trial(words: &str, cpus: usize) -> (Cycles, Vec<ApTimeline>) {
    let (end, aps) = sim::trial(&options(words), cpus, 1_000_000).unwrap();
    (end.total, aps)
}

/// Part, cycles and APs of the path's parts.
fn parts(words: &str, cpus: usize) -> Vec<(&'static str, u64, usize)> {
    let (total, aps) = trial(words, cpus);
    let sums = sums(&path(&options(words), total, &aps));
    sums.iter().map(|sum| (sum.part.name(), sum.cycles, sum.aps)).collect()
}

#[test]
fn serial_has_every_step_of_every_ap_on_its_path() {
    assert_eq!(
        parts("strategy=serial", 28),
        [
            ("wake", 27 * 1_200_000, 27),
            ("callin", 27 * 800_000, 27),
            ("tsc-sync", 27 * 500_000, 27),
            ("kick", 27 * 100_000, 27),
            ("online", 27 * 100_000, 27),
        ]
    );
}

#[test]
fn parallel_sipi_has_the_kick_loop_and_every_ap_from_its_gate_on() {
    assert_eq!(
        parts("strategy=parallel-sipi", 28),
        [
            ("callin", 27 * 800_000, 27),
            ("tsc-sync", 27 * 500_000, 27),
            ("kick", 27 * 100_000, 27),
            ("online", 27 * 100_000, 27),
        ]
    );
    // With one AP less than a wake takes kicks, its wake is waited for.
    let few = parts("strategy=parallel-sipi", 4);
    assert!(few.contains(&("wake", 1_200_000, 1)), "{few:?}");
    assert!(few.contains(&("kick", 100_000, 1)), "{few:?}");
}

#[test]
fn full_parallel_has_the_kick_loop_the_turns_and_the_last_step_of_one_ap() {
    let shared = [("tsc-sync", 27 * 500_000, 27), ("kick", 27 * 100_000, 27)];
    assert_eq!(
        parts("strategy=full-parallel", 28),
        [&shared[..], &[("online", 100_000, 1)]].concat()
    );
    let one_to_many = parts("strategy=full-parallel tsc-sync=one-to-many", 28);
    assert_eq!(
        one_to_many,
        [
            ("kick", 2_700_000, 27),
            ("wake", 1_200_000, 1),
            ("callin", 800_000, 1),
            ("tsc-sync", 500_000, 1),
            ("online", 100_000, 1),
        ]
    );
}

#[test]
fn what_the_bsp_prepares_is_on_the_path_and_so_is_a_rendezvous() {
    let words = "strategy=serial tsc-sync=trusted tsc-trust=yes cost-prepare=7us cost-sync=3us";
    let serial = parts(words, 4);
    assert!(serial.contains(&("prepare", 21_000, 3)), "{serial:?}");
    assert!(serial.contains(&("tsc-sync", 9_000, 3)), "{serial:?}");
    let callin = parts(&words.replace("serial", "parallel-callin"), 4);
    assert!(callin.contains(&("prepare", 21_000, 1)), "{callin:?}");
    assert!(callin.contains(&("callin", 800_000, 1)), "{callin:?}");
}

#[test]
fn one_slow_ap_is_on_the_path_and_the_bsp_waits_for_it() {
    let words = "strategy=full-parallel cost-callin=800000,5:80000000";
    let (total, aps) = trial(words, 28);
    let path = path(&options(words), total, &aps);
    let callin = path.iter().find(|segment| segment.part == Part::Callin).unwrap();
    assert_eq!((callin.cpu, callin.cycles()), (CpuIndex(5), 80_000_000));
    // The 26 others had their turns by 2.7 + 26 · 0.5 ms; the callin ends at 0.5 + 1.2 + 80 ms.
    let held = Held { cpu: CpuIndex::BSP, phase: None, cycles: 81_700_000 - 15_700_000 };
    assert_eq!(callin.held, Some(held));
}

#[test]
fn an_ap_that_waits_for_its_turn_is_held_up_by_the_turn_before() {
    let words = "strategy=full-parallel";
    let (total, aps) = trial(words, 28);
    let path = path(&options(words), total, &aps);
    let last = path.iter().rfind(|segment| segment.part == Part::TscSync).unwrap();
    let before = path.iter().rev().filter(|segment| segment.part == Part::TscSync).nth(1);
    let turn = Phase::Turn.of(&aps[usize::from(last.cpu.0) - 1].stamps).unwrap().0;
    let held = Held { cpu: last.cpu, phase: Some(Phase::Turn), cycles: turn };
    assert_eq!(before.unwrap().held, Some(held));
}

#[test]
fn a_lost_ap_is_waited_for() {
    let (total, aps) = trial("strategy=serial limit=50ms fault=never:2", 4);
    assert_eq!(aps[1].end, ApEnd::Lost(Some(Stamp::Sipi)));
    let sums = sums(&path(&Options::default(), total, &aps));
    assert_eq!((sums[0].part, sums[0].cycles), (Part::Await, 50_000_000));
}

#[test]
fn the_lower_bound_is_one_kick_loop_and_one_ap() {
    let one = 1_200_000 + 800_000 + 500_000 + 100_000;
    for strategy in ["serial", "parallel-sipi", "parallel-callin", "full-parallel"] {
        let (_, aps) = trial(&format!("strategy={strategy}"), 28);
        assert_eq!(lower_bound(&aps), Some(Cycles(27 * 100_000 + one)), "{strategy}");
    }
    let (_, aps) = trial("strategy=parallel-sipi kick=broadcast", 28);
    assert_eq!(lower_bound(&aps), Some(Cycles(100_000 + one)));
    let (_, aps) = trial("strategy=serial limit=50ms fault=never:2", 4);
    assert_eq!(lower_bound(&aps), None);
    assert_eq!(lower_bound(&[]), None);
}

fn partitions(total: Cycles, path: &[Segment]) -> bool {
    let meet = path.windows(2).all(|pair| pair[0].to == pair[1].from);
    let ends = path.first().map(|first| first.from) == Some(0)
        && path.last().map(|last| last.to) == Some(total.0);
    meet && (ends || total.0 == 0) && path.iter().all(|segment| segment.from < segment.to)
}

proptest! {
    #[test]
    fn the_path_adds_up_to_the_total_and_no_total_beats_the_bound(
        strategy in 0usize..4, sync in 0usize..3, broadcast in any::<bool>(), cpus in 2usize..14,
        costs in proptest::collection::vec(0u64..3_000_000, 9), slow in 0u64..40_000_000,
    ) {
        let strategy = ["serial", "parallel-sipi", "parallel-callin", "full-parallel"][strategy];
        let sync = ["pairwise", "one-to-many", "trusted"][sync];
        let kick = if broadcast && strategy != "serial" { "broadcast" } else { "unicast" };
        let [one, two, three, four, five, six, seven, eight, window] = costs[..] else { unreachable!() };
        let words = format!(
            "strategy={strategy} tsc-sync={sync} kick={kick} cost-kick={one} cost-wake={two} \
             cost-trampoline={three} cost-callin={four},1:{slow} cost-online={five} cost-prepare={six} \
             cost-microcode={seven} cost-sync={eight} tsc-window={window}"
        );
        let (total, aps) = trial(&words, cpus);
        let path = path(&options(&words), total, &aps);
        prop_assert!(partitions(total, &path), "{:?}", path);
        // Nothing takes time in the simulator but steps: on the path there is no waiting.
        for segment in &path {
            prop_assert!(![Part::Await, Part::Hold, Part::Turn].contains(&segment.part), "{:?}", segment);
        }
        prop_assert!(lower_bound(&aps).unwrap() <= total);
    }

    #[test]
    fn whatever_stamps_a_capture_has_the_path_adds_up(
        total in any::<u64>(),
        readings in proptest::collection::vec(proptest::option::of(any::<i64>()), 4 * Stamp::COUNT),
    ) {
        let (_, mut aps) = trial("strategy=serial", 5);
        for (ap, readings) in aps.iter_mut().zip(readings.chunks(Stamp::COUNT)) {
            ap.stamps = Default::default();
            for (stamp, reading) in Stamp::ALL.into_iter().zip(readings) {
                if let Some(at) = reading {
                    ap.stamps.set(stamp, *at);
                }
            }
        }
        let path = path(&Options::default(), Cycles(total), &aps);
        prop_assert!(path.is_empty() || partitions(Cycles(total), &path), "{:?}", path);
        let _ = lower_bound(&aps);
    }
}
