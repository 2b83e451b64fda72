//! What options read, write and refuse.

use super::Strategy;
use super::*;
use crate::class::Class;
use crate::{CpuIndex, Duration};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Options, OptionError<'_>> {
    let mut options = Options::default();
    text.split_whitespace().try_for_each(|word| options.set_word(word))?;
    options.check().map_err(OptionError::Refused)?;
    Ok(options)
}

fn cycles() -> impl Strategy_<Value = u64> {
    0..=Duration::MAX_CYCLES
}

fn nanos() -> impl Strategy_<Value = u64> {
    0..=Duration::MAX_NANOS
}

fn duration() -> impl Strategy_<Value = Duration> {
    prop_oneof![cycles().prop_map(Duration::Cycles), nanos().prop_map(Duration::Nanos)]
}
use proptest::strategy::Strategy as Strategy_;

fn cost() -> impl Strategy_<Value = Cost> {
    let exception = (1u16..300, 0u16..50, duration())
        .prop_map(|(first, more, cost)| (CpuIndex(first), CpuIndex(first + more), cost));
    let classes = [
        proptest::option::of(duration()),
        proptest::option::of(duration()),
        proptest::option::of(duration()),
    ];
    (duration(), classes, proptest::collection::vec(exception, 0..=MAX_EXCEPTIONS), any::<bool>())
        .prop_map(|(usual, classes, given, exclusive)| {
            let mut cost = Cost { usual, classes, exclusive, ..Cost::FREE };
            for (first, last, span) in given {
                let apart = |known: &(CpuIndex, CpuIndex, _)| last < known.0 || known.1 < first;
                if cost.exceptions.iter().all(apart) {
                    cost.exceptions.push((first, last, span)).unwrap();
                }
            }
            cost
        })
}

fn options() -> impl Strategy_<Value = Options> {
    let one_of = |n: usize| 0..n;
    let words = (
        one_of(Strategy::ALL.len()),
        one_of(Kick::ALL.len()),
        one_of(TscSync::ALL.len()),
        one_of(Wait::ALL.len()),
        one_of(Spend::ALL.len()),
        one_of(TscTrust::ALL.len()),
        one_of(TscPoll::ALL.len()),
        one_of(StampSet::ALL.len()),
        one_of(Order::ALL.len()),
        one_of(MicrocodeAt::ALL.len()),
    );
    let fault = one_of(Fault::ALL.len());
    let faults = proptest::collection::hash_map(any::<u16>(), fault, 0..=4);
    let drops = (1u32.., proptest::option::of(1u32..)).prop_map(|(number, seed)| Drops {
        cpu: None,
        which: match seed {
            None => Which::Nth(number),
            Some(seed) => Which::OneIn { n: number, seed },
        },
    });
    let drops = proptest::collection::vec(drops, 0..=4);
    let durations = (nanos(), duration(), nanos(), duration(), nanos(), duration());
    let skews = proptest::collection::hash_map(1u16.., any::<i32>(), 0..=4);
    (
        words,
        durations,
        [(); Step::COUNT].map(|()| cost()),
        (faults, skews),
        (one_of(WakeSequence::ALL.len()), any::<[bool; 3]>(), nanos(), drops),
        (1u32.., any::<u32>()),
    )
        .prop_map(
            |(words, durations, costs, (faults, skews), wake, (repetitions, clock_khz))| {
                let (sequence, [each, firmware, none], sipi_gap, drops) = wake;
                Options {
                    strategy: Strategy::ALL[words.0],
                    kick: Kick::ALL[words.1],
                    tsc_sync: TscSync::ALL[words.2],
                    wait: Wait::ALL[words.3],
                    spend: Spend::ALL[words.4],
                    init_delay: Duration::Nanos(durations.0),
                    tsc_window: Window::of_all(durations.1),
                    order: Order::ALL[words.8],
                    microcode_at: MicrocodeAt::ALL[words.9],
                    limit: Duration::Nanos(durations.2.max(1)),
                    guard: durations.3,
                    tsc_resolution: Duration::Nanos(durations.4.max(1)),
                    tsc_limit: durations.5,
                    tsc_trust: TscTrust::ALL[words.5],
                    tsc_poll: TscPoll::ALL[words.6],
                    stamps: StampSet::ALL[words.7],
                    skews: Skews(
                        skews.into_iter().map(|(cpu, cycles)| (CpuIndex(cpu), cycles)).collect(),
                    ),
                    costs,
                    faults: Faults {
                        planted: faults
                            .into_iter()
                            .map(|(cpu, fault)| (Fault::ALL[fault], CpuIndex(cpu)))
                            .collect(),
                        drops: drops.into_iter().collect(),
                    },
                    wake_sequence: WakeSequence::ALL[sequence],
                    init_order: InitOrder::ALL[usize::from(each)],
                    parked_by: ParkedBy::ALL[usize::from(firmware)],
                    icr_level: IcrLevel::ALL[usize::from(none)],
                    sipi_gap: Duration::Nanos(sipi_gap),
                    repetitions,
                    clock_khz,
                }
            },
        )
}

proptest! {
    #[test]
    fn options_read_what_they_write(options in options()) {
        let text = options.to_string();
        let mut read = Options::default();
        for word in text.split(' ') {
            prop_assert_eq!(read.set_word(word), Ok(()));
        }
        prop_assert!(text.len() <= MAX_OPTIONS);
        prop_assert_eq!(&read, &options);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn no_word_makes_the_parser_panic(key in "\\PC{0,20}", value in "\\PC{0,40}") {
        let _ = Options::default().set(&key, &value);
        for known in Options::KEYS {
            let _ = Options::default().set(known.name(), &value);
        }
    }
}

#[test]
fn an_error_names_the_word_and_what_was_expected() {
    for (text, message) in [
        ("strategy", "`strategy` is not an option: expected key=value"),
        ("stratgy=serial", "there is no option `stratgy`: expected one of strategy order kick"),
        ("cost-alive=1", "there is no option `cost-alive`"),
        ("tsc-window=2ms,3:20ms", "`tsc-window=2ms,3:20ms` has a bad value: expected a duration"),
        ("tsc-window=2ms,exclusive", "one each of package:, core: and sibling:DURATION"),
        (
            "strategy=parallel-callin kick=broadcast order=primaries-first",
            "`order=primaries-first` with `kick=broadcast` is refused: a broadcast wakes all APs",
        ),
        ("cost-prepare=1us,exclusive", "the BSP takes it for one AP at a time by itself"),
        ("wait=sleep", "`wait=sleep` has a bad value: expected one of halt spin"),
        ("sipi-count=2", "for two SIPIs say wake-sequence=init-sipi-sipi"),
        (
            "init-delay=10000",
            "expected 0, or a time with its unit, as 10000us where Linux says 10000",
        ),
        ("sipi-gap=200", "expected 0, or a time with its unit"),
        (
            "wake-sequence=sipi init-delay=10ms",
            "`init-delay=10ms` with `wake-sequence=sipi` is refused: there is no INIT that a delay could follow",
        ),
        ("wake-sequence=sipi init-order=each", "is refused: there is no INIT"),
        ("parked-by=firmware", "so nothing else need have parked the APs"),
        (
            "strategy=full-parallel kick=broadcast init-order=each",
            "`init-order=each` with `kick=broadcast` is refused: one INIT reaches all APs",
        ),
        ("repetitions=0", "expected a whole number from 1"),
        ("limit=0ms", "expected a duration above zero"),
        ("cost-callin=1ms,0:2ms", "expected a duration (cycles, up to 2^44, or a"),
        ("cost-callin=1ms,9-3:2ms", "expected a duration (cycles, up to 2^44, or a"),
        ("fault=never", "expected none, or up to four of never:CPU"),
        (
            "kick=broadcast",
            "`strategy=serial` with `kick=broadcast` is refused: a broadcast wakes all APs",
        ),
        ("skew=0:200", "expected none, or up to four of CPU:CYCLES for APs"),
        ("skew=3", "expected none, or up to four of CPU:CYCLES for APs"),
        (
            "tsc-sync=trusted",
            "`tsc-sync=trusted` with `tsc-trust=no` is refused: the clocks are neither",
        ),
        (
            "skew=3:200 tsc-sync=trusted tsc-trust=yes",
            "`skew=3:200` with `tsc-sync=trusted` is refused",
        ),
        (
            "cost-sync=5us",
            "`cost-sync=5us` with `tsc-sync=pairwise` is refused: clocks that are compared",
        ),
        ("cost-kick=1us,exclusive", "`cost-kick=…,exclusive` is refused"),
        ("cost-wake=1us,exclusive", "`cost-wake=…,exclusive` is refused"),
        ("cost-callin=1us,core:1us,core:2us", "expected a duration (cycles, up to 2^44, or a"),
        ("cost-callin=1us,exclusive,exclusive", "expected a duration (cycles, up to 2^44, or a"),
        (
            "strategy=full-parallel kick=broadcast cost-kick=1us,package:2us",
            "`cost-kick=…,package:2us` with `kick=broadcast` is refused",
        ),
        (
            "stamp-set=ends cost-wake=0,5:1us",
            "`stamp-set=ends` with `cost-wake=…,5:1us` is refused",
        ),
        ("stamp-set=ends cost-online=0,exclusive", "`cost-online=…,exclusive` is refused"),
        ("stamp-set=ends cost-online=1us", "`stamp-set=ends` with `cost-online=1us` is refused"),
        ("fault=never:0", "`fault=never:0` is refused"),
        ("fault=stray:0", "`fault=stray:0` is refused"),
        (
            "strategy=full-parallel kick=broadcast fault=never:2",
            "`fault=never:2` with `kick=broadcast` is refused",
        ),
        (
            "strategy=full-parallel kick=broadcast cost-kick=1us,2:2us",
            "`cost-kick=…,2:2us` with `kick=broadcast` is refused",
        ),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}

#[test]
fn a_cpu_that_is_named_twice_is_refused_with_option_value_and_cpu() {
    for (word, cpu) in [
        ("cost-callin=1ms,1-3:5ms,2:6ms", 2),
        ("cost-callin=1ms,2:6ms,1-3:5ms", 2),
        ("cost-wake=0,5:1us,5:2us", 5),
        ("cost-wake=0,9:1us,3-6:1us,6-7:2us,9:1us", 6),
        ("cost-kick=0,2-4:1us,2-4:1us", 2),
        ("skew=1:200,1:300", 1),
        ("fault=never:1,differ:1", 1),
        ("fault=never:2,trap:3,never:2", 2),
    ] {
        let error = Options::default().set_word(word).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("`{word}` names CPU {cpu} twice: expected each CPU once, in a range or alone")
        );
    }
    for word in ["cost-callin=1ms,1-3:5ms,4:6ms", "skew=1:1,2:1", "fault=never:1,never:2"] {
        assert_eq!(Options::default().set_word(word), Ok(()), "{word}");
    }
}

/// A kernel of before the refusal sent them.
#[test]
fn what_was_measured_is_read_even_if_a_cpu_is_named_twice() {
    for word in ["cost-callin=1ms,1-3:5ms,2:6ms", "skew=1:200,1:300", "fault=never:1,differ:1"] {
        let mut read = Options::default();
        assert_eq!(read.read_word(word), Ok(()));
        assert!(read.to_string().contains(word));
        // What a user sets beside it is another option's matter; the value itself is refused.
        assert_eq!(read.set_word("cost-wake=1us"), Ok(()));
        let before = read.clone();
        assert!(matches!(read.set_word(word), Err(OptionError::Twice { .. })));
        assert_eq!(read, before);
    }
    assert!(Options::default().read_word("wait=sleep").is_err());
}

#[test]
fn a_span_that_is_too_long_is_told_the_longest() {
    for (word, longest) in [
        ("cost-wake=99999999s", "up to an hour"),
        ("cost-wake=9223372036854775808", "up to 2^44"),
        ("tsc-window=3601s", "up to an hour and exact to the nanosecond, as"),
        ("guard=17592186044417", "cycles, up to 2^44"),
        ("limit=3601s", "up to an hour and exact to the nanosecond, as"),
        (
            "init-delay=3601s",
            "as 10000us where Linux says 10000: a number with ns, us, ms or s, up to an hour and exact to the nanosecond",
        ),
    ] {
        let error = Options::default().set_word(word).unwrap_err().to_string();
        assert!(error.contains(longest), "{error}");
    }
}

#[test]
fn a_cost_may_have_exceptions() {
    let options = parse("cost-callin=800us,5:8ms,16-31:0").unwrap();
    let callin = |cpu| options.cost(Step::Callin).of(CpuIndex(cpu), Class::Core);
    assert_eq!(callin(1), Duration::parse("800us"));
    assert_eq!(callin(5), Duration::parse("8ms"));
    assert_eq!(callin(20), None);
    assert_eq!(options.cost(Step::Wake).of(CpuIndex(1), Class::Core), None);
}

#[test]
fn a_cost_may_differ_by_class_and_a_cpu_of_its_own_goes_before_its_class() {
    let options = parse("cost-callin=800us,package:8ms,sibling:0,5:9ms").unwrap();
    let callin = |cpu, class| options.cost(Step::Callin).of(CpuIndex(cpu), class);
    assert_eq!(callin(1, Class::Core), Duration::parse("800us"));
    assert_eq!(callin(1, Class::Package), Duration::parse("8ms"));
    assert_eq!(callin(1, Class::Sibling), None);
    assert_eq!(callin(5, Class::Sibling), Duration::parse("9ms"));
}

#[test]
fn the_defaults_read_what_they_write() {
    assert_eq!(parse(&Options::default().to_string()).unwrap(), Options::default());
}

#[test]
fn no_duration_is_longer_than_an_hour() {
    let spans = Options::KEYS.iter().filter(|key| key.expected().contains("up to an hour"));
    assert_eq!(spans.clone().count(), 7 + Step::COUNT);
    for key in spans.map(Key::name) {
        for (value, taken) in [("3600s", true), ("3601s", false), ("18446744073709551615", false)] {
            assert_eq!(Options::default().set(key, value).is_ok(), taken, "{key}={value}");
        }
    }
}

#[test]
fn what_an_earlier_version_wrote_is_read_as_it_was_meant() {
    for (was, is) in [
        ("sipi-count=1", "wake-sequence=init-sipi"),
        ("sipi-count=2", "wake-sequence=init-sipi-sipi"),
        ("init-delay=10000", "init-delay=10ms"),
        ("init-delay=0", "init-delay=0"),
        ("init-delay=1500ns", "init-delay=1500ns"),
    ] {
        let mut read = Options::default();
        assert_eq!(read.read_word(was), Ok(()), "{was}");
        assert_eq!(read, parse(is).unwrap(), "{was}");
    }
    assert!(Options::default().read_word("sipi-count=3").is_err());
}

/// What a machine of so many CPUs refuses.
fn refused(words: &str, cpus: usize) -> Option<String> {
    parse(words).unwrap().check_on(cpus).err().map(|refusal| refusal.to_string())
}

#[test]
fn a_cpu_that_the_machine_lacks_is_refused_with_option_value_and_cpu_count() {
    for (words, cpus, told) in [
        ("fault=never:4", 4, "`fault=never:4`: there is no CPU 4 on a machine of 4 CPUs (0 to 3)"),
        (
            "fault=never:1,trap:9",
            8,
            "`fault=trap:9`: there is no CPU 9 on a machine of 8 CPUs (0 to 7)",
        ),
        ("skew=1:2,7:-3", 7, "`skew=7:-3`: there is no CPU 7 on a machine of 7 CPUs (0 to 6)"),
        (
            "cost-wake=0,3-9:1us",
            9,
            "`cost-wake=…,3-9:1us`: there is no CPU 9 on a machine of 9 CPUs (0 to 8)",
        ),
        (
            "cost-online=0,1:1us",
            1,
            "`cost-online=…,1:1us`: there is no CPU 1 on a machine of 1 CPU, which is CPU 0",
        ),
    ] {
        assert_eq!(refused(words, cpus).as_deref(), Some(told), "{words}");
        assert_eq!(refused(words, 10), None, "{words}");
    }
}

#[test]
fn a_cost_that_no_limit_holds_is_refused() {
    for (words, told) in [
        (
            "limit=10ms cost-wake=1ms cost-trampoline=2ms cost-microcode=3ms cost-callin=4ms \
             cost-sync=5ms strategy=full-parallel tsc-sync=trusted tsc-trust=yes",
            "`cost-trampoline` of 2ms and `cost-microcode` of 3ms and `cost-callin` of 4ms",
        ),
        (
            "limit=10ms cost-wake=1ms cost-trampoline=2ms cost-microcode=3ms cost-callin=4ms \
             cost-sync=5ms strategy=full-parallel tsc-sync=trusted tsc-trust=yes",
            "`cost-sync` of 5ms and cheaper steps are together longer than `limit=10ms`",
        ),
        (
            "cost-wake=3599s",
            "`cost-wake` of 3599s is longer than `limit=10s`, after which an AP is lost; \
             raise `limit`",
        ),
        (
            "cost-wake=6s cost-trampoline=5s",
            "`cost-wake` of 6s and `cost-trampoline` of 5s are together longer than `limit=10s`, \
             after which an AP is lost; raise `limit`",
        ),
        (
            "limit=50ms cost-online=0,3:51ms",
            "`cost-online` of 51ms for CPU 3 is longer than `limit=50ms`, after which an AP is \
             lost; raise `limit`",
        ),
        ("limit=999 cost-online=1000", "`cost-online` of 1000 is longer than `limit=999`"),
        // 10 s of this clock are 10^7 cycles.
        ("clock-khz=1000 cost-callin=10000001", "`cost-callin` of 10000001 is longer than"),
        ("cost-callin=11s,core:12s", "`cost-callin` of 11s is longer than"),
        // Its gate is open from the start.
        (
            "strategy=full-parallel cost-wake=4s cost-callin=7s",
            "`cost-wake` of 4s and `cost-callin` of 7s are together longer",
        ),
        // Nothing renews its limit where no clock is compared.
        (
            "tsc-sync=trusted tsc-trust=yes cost-callin=4s cost-online=7s",
            "`cost-callin` of 4s and `cost-online` of 7s are together longer",
        ),
        ("strategy=parallel-sipi limit=50ms cost-wake=60ms,7:0", "`cost-wake` of 60ms is longer"),
        (
            "strategy=parallel-sipi limit=50ms cost-callin=0,7:60ms",
            "`cost-callin` of 60ms for CPU 7",
        ),
    ] {
        let refusal = refused(words, 8).expect(words);
        assert!(refusal.contains(told), "{words}: {refusal}");
    }
}

#[test]
fn a_cost_that_some_ap_can_spend_in_time_is_taken() {
    for words in [
        "",
        "limit=50ms fault=never:2",
        "limit=50ms cost-callin=50ms",
        // Only its own CPU is lost, on purpose already.
        "limit=50ms cost-wake=0,2:60ms fault=never:2",
        // Each has a limit of its own.
        "cost-wake=9s cost-callin=9s cost-online=9s",
        // The BSP's, and before the limits.
        "cost-kick=11s tsc-window=11s init-delay=11s",
        // Not every AP is the first of its package.
        "cost-callin=1s,package:11s",
        // Only the engine's clock can tell.
        "cost-callin=1000000000000",
        // The second SIPI is a part of the kick.
        "limit=1ms wake-sequence=init-sipi-sipi cost-wake=1100us",
        "strategy=serial limit=50ms cost-callin=9ms,exclusive",
        // The BSP waits for others, and finds these there when it looks.
        "strategy=full-parallel limit=50ms cost-callin=9ms,exclusive",
        "strategy=full-parallel limit=50ms cost-online=0,7:60ms",
        "strategy=parallel-sipi limit=50ms cost-wake=0,7:60ms",
        // It is kicked, and there, before the last one is kicked.
        "strategy=parallel-sipi limit=50ms cost-wake=60ms,7:0 cost-kick=20ms",
    ] {
        assert_eq!(refused(words, 8), None, "{words}");
    }
    assert_eq!(refused("cost-wake=3599s", 1), None);
}

#[cfg(feature = "sim")]
proptest! {
    /// What is refused for its limit would lose an AP; the simulator does lose it.
    #[test]
    fn what_the_limit_refuses_loses_an_ap(
        strategy in 0..Strategy::ALL.len(), kick in 0..Kick::ALL.len(), sync in 0..TscSync::ALL.len(),
        costs in proptest::collection::vec((0u64..12, 1u16..6, 0u64..12, any::<bool>()), 5),
        never in proptest::option::of(1u16..6),
        (sequence, each, gap, delay) in (0..WakeSequence::ALL.len(), any::<bool>(), 0u64..4, 0u64..4),
    ) {
        let ms = |ms: u64| Duration::from_millis(ms);
        let mut options = Options {
            strategy: Strategy::ALL[strategy],
            kick: Kick::ALL[kick],
            tsc_sync: TscSync::ALL[sync],
            tsc_trust: TscTrust::Yes,
            wake_sequence: WakeSequence::ALL[sequence],
            init_order: InitOrder::ALL[usize::from(each)],
            sipi_gap: ms(gap),
            init_delay: ms(delay),
            limit: ms(10),
            tsc_window: Window::of_all(ms(1)),
            ..Options::default()
        };
        for (cost, (usual, cpu, own, exclusive)) in options.costs.iter_mut().zip(costs) {
            *cost = Cost { usual: ms(usual), exclusive, ..Cost::FREE };
            cost.exceptions.push((CpuIndex(cpu), CpuIndex(cpu), ms(own))).unwrap();
        }
        if let Some(cpu) = never {
            options.faults.planted.push((Fault::Never, CpuIndex(cpu))).unwrap();
        }
        let meant = never.is_some() as u16;
        if options.check().is_ok() && let Err(Refusal::Late { .. }) = options.check_on(6) {
            let (end, _) = crate::sim::trial(&options, 6, 1_000_000).unwrap();
            prop_assert!(end.lost > meant, "{}", options);
        }
    }
}

/// A damaged capture may say so, and is held against a command line.
#[test]
fn a_machine_without_a_cpu_is_no_overflow() {
    assert_eq!(refused("strategy=full-parallel cost-callin=9s,exclusive", 0), None);
    let told = "`fault=never:1`: there is no CPU 1 on a machine of no CPU";
    assert_eq!(refused("fault=never:1", 0).as_deref(), Some(told));
}

#[test]
fn every_step_has_a_cost_and_every_name_is_there_once() {
    for step in Step::ALL {
        assert_eq!(kind_of(step.option()), Some(Kind::Cost(step)));
        assert_eq!(step.option(), format!("cost-{step}"));
    }
    for (index, name) in Options::names().enumerate() {
        assert_eq!(Options::names().position(|other| other == name), Some(index), "{name}");
        assert!(!Key::named(name).unwrap().meaning().is_empty(), "{name}");
    }
}

/// A refusal says which option it concerns by its name.
#[test]
fn a_part_of_a_value_is_named_as_its_option() {
    let (cpu, span) = (CpuIndex(1), Duration::ZERO);
    let mut parts = vec![Part::Fault(Fault::Never, cpu), Part::Skew(cpu, 1)];
    for step in Step::ALL {
        parts.push(Part::Usual(step, span));
        parts.push(Part::Class(step, Class::Core, span));
        parts.push(Part::Cost(step, cpu, cpu, span));
        parts.push(Part::Exclusive(step));
    }
    for part in parts {
        assert!(Key::named(part.key()).is_some(), "{part}");
    }
    for (words, keys) in [
        ("kick=broadcast", ["strategy", "kick"]),
        ("tsc-sync=trusted", ["tsc-sync", "tsc-trust"]),
        ("tsc-sync=trusted tsc-trust=yes skew=1:1", ["tsc-sync", "skew"]),
        ("stamp-set=ends cost-wake=1", ["stamp-set", "cost-wake"]),
        ("limit=1ms cost-wake=2ms", ["limit", "cost-wake"]),
    ] {
        let mut options = Options::default();
        words.split(' ').for_each(|word| options.set_word(word).unwrap());
        let refusal = options.check_on(4).unwrap_err();
        let concerned: Vec<&str> = Options::names().filter(|name| refusal.concerns(name)).collect();
        assert!(concerned.iter().all(|key| keys.contains(key)), "{words}: {concerned:?}");
        assert_eq!(concerned.len(), 2, "{words}");
    }
}

/// The table of the README, as the code has it.
fn table() -> String {
    let code = |text: &str| format!("`{text}`");
    let mut table = "| option | values, the default first | meaning |\n|---|---|---|\n".to_owned();
    for key in Options::KEYS {
        let default = key.value(&Options::default()).to_string();
        let others = key.texts().iter().filter(|text| **text != default);
        let values: Vec<String> = others.map(|text| code(text)).collect();
        let values = [vec![code(&default)], values].concat().join(", ");
        table += &format!("| {} | {values} | {} |\n", code(key.name()), key.meaning());
    }
    table
}

#[test]
fn the_readme_has_the_table_of_options() {
    const UPDATE: &str = "UPDATE_README";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let begin = readme.find("| option |").expect("README.md has no table that begins `| option |`");
    let end = begin + readme[begin..].find("\n\n").expect("the table has an end") + 1;
    let (there, table) = (&readme[begin..end], table());
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, [&readme[..begin], &table, &readme[end..]].concat()).unwrap();
        return;
    }
    let only = |one: &str, other: &str| -> String {
        let rows = one.lines().filter(|row| !other.lines().any(|known| known == *row));
        rows.collect::<Vec<_>>().join("\n")
    };
    assert!(
        there == table,
        "README.md's table of options is not that of bringup/src/options/table.rs: it lacks\n{}\nand has instead\n{}\n\
         `{UPDATE}=1 cargo test -p bringup readme` writes it",
        only(&table, there),
        only(there, &table)
    );
}
