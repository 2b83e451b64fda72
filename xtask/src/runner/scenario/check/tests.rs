//! Every mistake of a scenario's keys is reported with its place.

use crate::runner::scenario::tests::{HEAD, assert_refused, read};

#[test]
fn every_mistake_is_reported_with_line_column_and_key() {
    assert_refused(&[
        ("engine = \"sim\"\ncpus = 2 2", "s.toml:2:8: "),
        ("engine = \"sim\"\ncpus = 2\ncpus = 3", "s.toml:3:1: duplicate key"),
        ("cpus = 2", "s.toml:1:1: engine: this key is missing"),
        ("engine = \"sim\"", "s.toml:1:1: cpus: this key is missing"),
        (
            "engine = \"icont\"\ncpus = 2",
            "s.toml:1:10: engine: expected one of icount tcg kvm bochs sim, found `icont`",
        ),
        ("engine = \"icont\"\ncpus = 2", "did you mean `icount`?"),
        ("engine = []\ncpus = 2", "s.toml:1:10: engine: this list is empty"),
        ("engine = [\"sim\", \"sim\"]\ncpus = 2", "s.toml:1:18: engine: `sim` is there twice"),
        (
            "engine = \"sim\"\ncpus = [2, 5000]",
            "s.toml:2:12: cpus: 5000 CPUs: the engine sim takes 1 to 4096",
        ),
        (
            "engine = \"icount\"\ncpus = 256",
            "s.toml:2:8: cpus: 256 CPUs: the engine icount takes 1 to 255",
        ),
        ("engine = \"sim\"\ncpus = [2, 4, 2]", "s.toml:2:15: cpus: `2` is there twice"),
        ("engine = \"sim\"\ncpus = \"two\"", "s.toml:2:8: cpus: expected a CPU count"),
        ("engine = \"sim\"\ncpus = -3", "s.toml:2:8: cpus: expected a CPU count"),
        (
            "engine = \"sim\"\ncpus = \"2..8\"",
            "s.toml:2:8: cpus: expected a CPU count, the BSP included, from 1 to 65535, or a range with its end: \"2..=8\" in \
             steps of one, \"2..=128 * 2\" each twice the one before, found `2..8`",
        ),
        (
            "engine = \"sim\"\ncpus = [4, \"2..=8\"]",
            "s.toml:2:12: cpus: `4` is there twice (take one out",
        ),
        (&format!("{HEAD}boots = 0"), "s.toml:3:9: boots: expected a whole number from 1"),
        (&format!("{HEAD}boot-limit = 5"), "s.toml:3:14: boot-limit: expected a time above zero"),
        (
            &format!("{HEAD}boot-limit = \"86401s\""),
            "expected a time above zero with its unit, up to 86400 s, as \"300s\"",
        ),
        (
            &format!("{HEAD}boots = 100_001"),
            "s.toml:3:9: boots: expected a whole number from 1 to 100000",
        ),
        (
            &format!("{HEAD}boot-limit = \"0s\""),
            "s.toml:3:14: boot-limit: expected a time above zero",
        ),
        (&format!("{HEAD}skip-refused = 1"), "s.toml:3:16: skip-refused: expected true or false"),
        (&format!("{HEAD}description = 1"), "s.toml:3:15: description: expected a text"),
    ]);
}

#[test]
fn every_mistake_about_profiles_is_reported_with_line_column_and_key() {
    assert_refused(&[
        (
            &format!("{HEAD}profile = \"haswel-28\""),
            "s.toml:3:11: profile: expected one of haswell-28 haswell-28-gaps",
        ),
        (&format!("{HEAD}profile = \"haswel-28\""), "did you mean `haswell-28`?"),
        (&format!("{HEAD}profile = \"../x\""), "found `../x`"),
        (&format!("{HEAD}profile = 28"), "s.toml:3:11: profile: expected one of haswell-28"),
        (&format!("{HEAD}profile = []"), "s.toml:3:11: profile: this list is empty"),
        (
            &format!("{HEAD}profile = [\"none\", \"none\"]"),
            "s.toml:3:20: profile: `none` is there twice",
        ),
        (
            &format!("{HEAD}profile = [\"none\", \"haswell-28\"]\n[options]\ncost-wake = 1"),
            "s.toml:5:1: options.cost-wake: the profile `haswell-28` sets it",
        ),
        (
            &format!("{HEAD}profile = \"kvm-guest\"\n[options]\ntsc-window = \"1ms\""),
            "s.toml:5:1: options.tsc-window: the profile `kvm-guest` sets it",
        ),
        (&format!("{HEAD}[options]\nprofile = \"none\""), "`profile` belongs above `[options]`"),
    ]);
}

#[test]
fn a_key_in_the_wrong_place_or_mistyped_is_reported_with_what_was_meant() {
    assert_refused(&[
        (&format!("{HEAD}bots = 2"), "s.toml:3:1: bots: there is no such key"),
        (&format!("{HEAD}bots = 2"), "did you mean `boots`?"),
        (&format!("{HEAD}kick = \"unicast\""), "`kick` belongs below `[options]`"),
        (&format!("{HEAD}options = 1"), "s.toml:3:11: options: expected a table"),
        (
            &format!("{HEAD}[options]\ntsc-windw = 1"),
            "s.toml:4:1: options.tsc-windw: there is no such key",
        ),
        (&format!("{HEAD}[options]\ntsc-windw = 1"), "did you mean `tsc-window`?"),
        (&format!("{HEAD}[options]\ncpus = 1"), "`cpus` belongs above `[options]`"),
    ]);
}

#[test]
fn every_mistake_about_options_is_reported_with_line_column_and_key() {
    assert_refused(&[
        (
            &format!("{HEAD}[options]\nguard = 1"),
            "s.toml:4:1: options.guard: the engine sets it by itself",
        ),
        (
            &format!("{HEAD}[options]\ntsc-trust = [\"yes\", \"engine\"]"),
            "s.toml:4:21: options.tsc-trust: `engine`: only an engine may say it",
        ),
        (
            &format!("{HEAD}[options]\nfault = \"never:1,differ:1\""),
            "s.toml:4:9: options.fault: `fault=never:1,differ:1` names CPU 1 twice",
        ),
        (
            &format!("{HEAD}[options]\ncost-wake = \"99999999s\""),
            "s.toml:4:13: options.cost-wake: expected a duration (cycles, up to 2^44, or a number with ns, us, ms or s, up to an hour",
        ),
        (
            &format!("{HEAD}[options]\nlimit = \"1ms\"\ncost-wake = \"2ms\""),
            "s.toml:4:9: options: `cost-wake` of 2ms is longer than `limit=1ms`",
        ),
        (&format!("{HEAD}[options]\nkick = []"), "s.toml:4:8: options.kick: this list is empty"),
        (
            &format!("{HEAD}[options]\nwait = \"sleep\""),
            "s.toml:4:8: options.wait: expected one of halt spin, found `sleep`",
        ),
        (
            &format!("{HEAD}[options]\nwait = true"),
            "s.toml:4:8: options.wait: expected a text or a whole number",
        ),
        (
            &format!("{HEAD}[options]\nrepetitions = [1, -1]"),
            "s.toml:4:19: options.repetitions: expected ",
        ),
        (
            &format!("{HEAD}[options]\ncost-kick = [\"1ms\", \"1000us\"]"),
            "s.toml:4:21: options.cost-kick: `1ms` is there twice",
        ),
        (
            &format!(
                "{HEAD}[options]\nkick = \"broadcast\"\nstrategy = [\"serial\", \"full-parallel\"]"
            ),
            "s.toml:4:8: options: `strategy=serial` with `kick=broadcast` is refused: a broadcast wakes all",
        ),
        (
            &format!("{HEAD}[options]\nfault = \"never:7\""),
            "s.toml:4:9: options: `fault=never:7`: there is no CPU 7 on a machine of 4 CPUs (0 to 3)",
        ),
        (
            &format!("{HEAD}[options]\ncost-wake = \"1ms,9:2ms\""),
            "s.toml:4:13: options: `cost-wake=…,9:2ms`: there is no CPU 9 on a machine of 4 CPUs",
        ),
    ]);
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once_in_order() {
    let error =
        read("engine = \"x\"\ncpus = 0\n[options]\nwait = \"x\"\nspend = \"x\"\n").unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 5, "{error}");
    for (line, place) in
        lines[1..].iter().zip(["s.toml:1:10", "s.toml:2:8", "s.toml:4:8", "s.toml:5:9"])
    {
        assert!(line.starts_with(place), "{error}");
    }
}

#[test]
fn a_range_of_cpu_counts_stands_for_each_of_them() {
    for (cpus, expected) in [
        ("\"2..=5\"", &[2, 3, 4, 5][..]),
        ("\"2..=28 * 2\"", &[2, 4, 8, 16]),
        ("[1, \"2..=28 * 2\", 28]", &[1, 2, 4, 8, 16, 28]),
    ] {
        let scenario = read(&format!("engine = \"sim\"\ncpus = {cpus}\n")).unwrap();
        let counts: Vec<u16> = scenario.groups.iter().map(|group| group.smp).collect();
        assert_eq!(counts, expected, "{cpus}");
    }
}

#[test]
fn a_range_that_an_engine_does_not_take_is_reported_once() {
    let mistakes = read("engine = \"icount\"\ncpus = \"2..=4096\"\n").unwrap_err();
    assert_eq!(mistakes.matches("the engine icount takes 1 to 255").count(), 1, "{mistakes}");
    assert!(mistakes.starts_with("s.toml:2:8: cpus: 256 CPUs: "), "{mistakes}");
    let all = read("engine = \"sim\"\ncpus = \"1..=65535\"\n").unwrap_err();
    assert!(all.starts_with("s.toml:2:8: cpus: this axis has more than 10000 values"), "{all}");
}
