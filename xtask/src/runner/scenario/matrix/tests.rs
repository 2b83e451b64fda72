//! What a scenario's axes span.

use super::command_lines;
use crate::runner::scenario::tests::{HEAD, read};
use crate::runner::scenario::{CommandLine, Group};
use bringup::Duration as Span;
use bringup::class::Class;
use bringup::contract::MAX_COMMAND_LINE;
use bringup::plan::Plan;
use std::time::Duration;

/// The engines' own words.
const ICOUNT: &str = "guard=5us tsc-poll=pause tsc-trust=engine";
const SIM: &str = "tsc-trust=engine";

fn words(group: &Group) -> Vec<String> {
    group.command_lines.iter().map(|line| line.words.clone()).collect()
}

#[test]
fn a_scenario_spans_the_cross_product_in_the_order_of_the_file() {
    let text = "engine = [\"sim\", \"icount\"]\ncpus = [2, 4]\nboots = 3\nboot-limit = \"90s\"\n[options]\n\
                wait = [\"spin\", \"halt\"]\nrepetitions = 5\nstrategy = [\"serial\", \"full-parallel\"]\n";
    let scenario = read(text).unwrap();
    assert_eq!((scenario.boots, scenario.boot_limit), (3, Duration::from_secs(90)));
    let groups: Vec<(&str, u16)> =
        scenario.groups.iter().map(|group| (group.engine.name(), group.smp)).collect();
    assert_eq!(groups, [("sim", 2), ("sim", 4), ("icount", 2), ("icount", 4)]);
    let cells = "cell wait=spin strategy=serial cell wait=spin strategy=full-parallel \
                 cell wait=halt strategy=serial cell wait=halt strategy=full-parallel";
    assert_eq!(words(&scenario.groups[0]), [format!("{SIM} repetitions=5 {cells}")]);
    assert_eq!(words(&scenario.groups[3]), [format!("{ICOUNT} repetitions=5 {cells}")]);
}

#[test]
fn without_an_axis_there_is_one_cell() {
    assert_eq!(words(&read(HEAD).unwrap().groups[0]), [SIM]);
    let one = read(&format!("{HEAD}[options]\nwait = [\"spin\"]\nrepetitions = 10_000")).unwrap();
    assert_eq!(words(&one.groups[0]), [format!("{SIM} wait=spin repetitions=10000")]);
}

#[test]
fn refused_cells_are_skipped_on_request_and_listed() {
    let text = "engine = \"sim\"\ncpus = [2, 4]\nskip-refused = true\n[options]\n\
                strategy = [\"serial\", \"full-parallel\"]\nkick = [\"unicast\", \"broadcast\"]\n";
    let scenario = read(text).unwrap();
    assert_eq!(scenario.skipped.len(), 2);
    assert_eq!(
        scenario.skipped[0].cell,
        "sim with 2 CPUs: tsc-trust=engine strategy=serial kick=broadcast"
    );
    assert!(scenario.skipped[0].refusal.contains("a broadcast wakes all APs at once"));
    for group in &scenario.groups {
        assert_eq!(Plan::parse(&group.command_lines[0].words, 4).unwrap().cells().count(), 3);
    }
    let nothing = text
        .replace("[\"serial\", \"full-parallel\"]", "\"serial\"")
        .replace("[\"unicast\", \"broadcast\"]", "\"broadcast\"");
    assert!(read(&nothing).unwrap_err().contains("nothing is left to boot"));
}

#[test]
fn long_matrices_are_shared_out_to_boots_without_losing_a_cell() {
    let windows: Vec<String> = (1..=300).map(|n| format!("\"{n}us\"")).collect();
    let text = format!(
        "engine = \"icount\"\ncpus = 2\n[options]\nwait = \"spin\"\ntsc-window = [{}]\n",
        windows.join(", ")
    );
    let lines = words(&read(&text).unwrap().groups[0]);
    assert!(lines.len() > 1);
    assert!(lines.iter().all(|line| line.len() <= MAX_COMMAND_LINE
        && line.starts_with(&format!("{ICOUNT} wait=spin cell "))));
    let windows: Vec<Span> = lines
        .iter()
        .flat_map(|line| Plan::parse(line, 2).unwrap().cells().collect::<Vec<_>>())
        .map(|cell| cell.tsc_window.of(Class::Core))
        .collect();
    assert_eq!(windows, (1..=300).map(|n| Span::Nanos(n * 1000)).collect::<Vec<_>>());
    assert_eq!(words(&read(&text).unwrap().groups[0]), lines);
}

#[test]
fn each_cell_has_boots_of_its_own_where_each_is_to_have_a_cold_trial() {
    let text = "engine = \"sim\"\ncpus = 2\ncold = \"each\"\n[options]\n\
                strategy = [\"serial\", \"full-parallel\"]\n";
    let lines = ["serial", "full-parallel"].map(|name| format!("{SIM} cell strategy={name}"));
    assert_eq!(words(&read(text).unwrap().groups[0]), lines);
    let together = read(&text.replace("each", "first")).unwrap();
    assert_eq!(together.groups[0].command_lines.len(), 1);
    let error = read(&text.replace("each", "all")).unwrap_err();
    assert!(error.starts_with("s.toml:3:8: cold: "), "{error}");
}

#[test]
fn the_cells_of_a_boot_take_turns_at_being_the_first_with_their_profiles() {
    let line = CommandLine {
        words: "a=1 cell b=2 cell cell c=3".to_owned(),
        profiles: ["two", "none", "three"].map(|name| Some(name.to_owned())).to_vec(),
    };
    let turned = |cell| {
        let CommandLine { words, profiles } = line.beginning_with(cell);
        (words, profiles.into_iter().flatten().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(turned(0), (line.words.clone(), "two none three".to_owned()));
    assert_eq!(turned(1), ("a=1 cell cell c=3 cell b=2".to_owned(), "none three two".to_owned()));
    assert_eq!(turned(5), ("a=1 cell c=3 cell b=2 cell".to_owned(), "three two none".to_owned()));
    let alone = CommandLine { words: "a=1".to_owned(), profiles: Vec::new() };
    assert_eq!(alone.beginning_with(3), alone);
}

#[test]
fn a_cell_that_fits_into_no_boot_is_refused() {
    let cells = ["b=2", "c=3"].map(|cell| (cell.to_owned(), None));
    let lines = command_lines("a=1", &cells, 12, false).unwrap();
    assert_eq!(
        lines.iter().map(|line| &line.words).collect::<Vec<_>>(),
        ["a=1 cell b=2", "a=1 cell c=3"]
    );
    assert_eq!(command_lines("a=1", &cells, 11, false), Err(12));
}

#[test]
fn as_many_cells_as_there_may_be_are_read_at_once() {
    let values = |from: usize, to: usize| {
        let values: Vec<String> = (from..=to).map(|n| n.to_string()).collect();
        values.join(",")
    };
    let good = format!("{HEAD}[options]\ntsc-window = [{}]\n", values(1, 10_000));
    // On the largest machine too: to look at each AP for each cell would take minutes.
    let good = good.replace("[4]", "[4096]");
    let lines = &read(&good).unwrap().groups[0].command_lines;
    assert_eq!(lines.iter().map(|line| line.profiles.len()).sum::<usize>(), 10_000);
    // Each refused for a reason of its own.
    let refused: Vec<String> = (4..1000).map(|cpu| format!("\"never:{cpu}\"")).collect();
    let refused = format!("{HEAD}[options]\nfault = [{}]\n", refused.join(","));
    assert!(read(&refused).unwrap_err().contains("996 mistakes; the first 20"));
    let more = format!("{HEAD}[options]\ncost-kick = [{}]\n", values(0, 10_000));
    let error = read(&more).unwrap_err();
    assert!(error.contains("options.cost-kick: this axis has more than 10000 values"), "{error}");
}

#[test]
fn a_refusal_of_what_a_profile_sets_is_reported_where_the_profile_is_named() {
    let text = format!(
        "{HEAD}profile = [\"none\", \"skylake-96\"]\n[options]\nlimit = \"1ms\"\n\
         tsc-sync = \"trusted\"\n"
    );
    let error = read(&text).unwrap_err();
    assert!(error.starts_with("s.toml:5:9: options: `cost-wake` of 5128300"), "{error}");
    let error = read(&text.replace("limit = \"1ms\"", "stamp-set = \"ends\"")).unwrap_err();
    assert!(
        error.starts_with("s.toml:5:13: options: `stamp-set=ends` with `cost-kick="),
        "{error}"
    );
    let alone = text.replace("limit = \"1ms\"", "kick = \"broadcast\"");
    assert!(read(&alone).unwrap_err().starts_with("s.toml:5:8: "));
}

#[test]
fn too_many_cells_are_a_mistake() {
    let many: Vec<String> = (1..=200).map(|n| n.to_string()).collect();
    let many = many.join(",");
    let text = format!(
        "{HEAD}[options]\ncost-kick = [{many}]\ncost-wake = [{many}]\ncost-callin = [{many}]\n"
    );
    assert!(read(&text).unwrap_err().contains("more than 10000 cells"));
}
