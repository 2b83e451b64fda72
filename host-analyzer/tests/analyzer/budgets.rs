//! A run is judged by its budgets: what `check` finds, what it lets pass, and what it refuses.

use crate::noisy::noisy_run;
use crate::runs::changed;
use crate::simulated::{STRATEGIES, encoded, folder, frames, run_folder, write_manifest};
use bringup::CpuIndex;
use bringup::frame::{self, ApEnd, Body, Frame};
use bringup::stamp::Stamp;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest::{Ended, Manifest};
use host_analyzer::judge::check::baseline::{self, Place};
use host_analyzer::judge::check::budgets::{Budgets, parse};
use host_analyzer::judge::check::{BudgetVerdict, Outcome, check};
use host_analyzer::present;
use host_analyzer::run::Run;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xmlschema::{parse_schema, validate};

/// The cells of scenarios/small.toml, and the options that they have in common.
const SMALL: &str = "repetitions=1 cost-kick=100us cost-wake=1200us cost-trampoline=50us \
                     cost-callin=800us cost-online=100us tsc-window=500us";

/// The project's own budgets for it.
const BUDGETS: &str = include_str!("../../../scenarios/budgets/small.toml");

fn opened(path: &Path) -> Run {
    Run::open(path).unwrap_or_else(|failure| panic!("{:?}", failure.report()))
}

fn judged(run: &Path, budgets: &Path) -> BudgetVerdict {
    let budgets = Budgets::read(budgets).unwrap_or_else(|no| panic!("{:?}", no.report()));
    check(&opened(run), &budgets).unwrap_or_else(|no| panic!("{:?}", no.report()))
}

/// Writes budgets beside the runs of a test.
fn written(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("budgets.toml");
    fs::write(&path, text).unwrap();
    path
}

/// Everything that is not met: the cell and the figure.
fn not_met(verdict: &BudgetVerdict) -> Vec<(&str, &str)> {
    let rows = verdict.rows.iter().filter(|row| row.outcome != Outcome::Met);
    rows.map(|row| (row.cell.as_str(), row.figure)).collect()
}

/// A run of the small scenario, with a word for one of its strategies.
fn small(folder: &Path, strategy: &str, word: &str) {
    let cells = ["serial", "parallel-sipi", "full-parallel"].map(|name| {
        let word = if name == strategy { word } else { "" };
        format!(" cell strategy={name} {word}")
    });
    run_folder(folder, &format!("{SMALL}{}", cells.concat()), &[2, 8]);
}

fn analyzer(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
    command.current_dir(folder).args(arguments).env_remove("GITHUB_STEP_SUMMARY");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_unchanged_run_is_met_in_every_budget_of_the_project() {
    let (_keep, folder) = folder();
    small(&folder.join("results/reference/small"), "", "");
    small(&folder.join("run"), "", "");
    let verdict = judged(&folder.join("run"), &written(&folder, BUDGETS));
    assert_eq!(not_met(&verdict), []);
    assert!(verdict.rows.len() > 60 && verdict.notes.is_empty());
    verdict.result().unwrap();
}

/// One percent more of each step, in each strategy: the step's own budget breaks, in the cells of
/// that strategy, and no other.
#[test]
fn one_percent_more_of_one_step_of_one_strategy_breaks_its_budget_alone() {
    let (_keep, folder) = folder();
    small(&folder.join("results/reference/small"), "", "");
    let budgets = written(&folder, BUDGETS);
    for (figure, word) in [
        ("kick", "cost-kick=101us"),
        ("wake", "cost-wake=1212us"),
        ("trampoline", "cost-trampoline=50500ns"),
        ("callin", "cost-callin=808us"),
        ("tsc-sync", "tsc-window=505us"),
        ("online", "cost-online=101us"),
    ] {
        for strategy in ["serial", "parallel-sipi", "full-parallel"] {
            small(&folder.join("run"), strategy, word);
            let verdict = judged(&folder.join("run"), &budgets);
            let key = word.split('=').next().unwrap();
            let broken = not_met(&verdict);
            assert_eq!(broken.len(), 2, "{strategy} {word}: {broken:?}");
            for (smp, (cell, broken)) in [2, 8].into_iter().zip(broken) {
                assert!(cell.starts_with(&format!("icount, {smp} CPUs, {strategy}, ")), "{cell}");
                assert_eq!(broken, figure, "{strategy} {word}");
            }
            assert!(verdict.result().is_err());
            assert!(verdict.notes.iter().all(|note| note.contains(key)), "{:?}", verdict.notes);
        }
    }
}

#[test]
fn one_cycle_above_an_exact_limit_breaks_it() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("run"), STRATEGIES, &[4]);
    for (limit, outcome) in [(8_100_000, Outcome::Met), (8_099_999, Outcome::Broken)] {
        let text = format!(
            "[[budget]]\ncells = {{ strategy = \"serial\" }}\nfigure = \"total\"\nmax-cycles = {limit}\n"
        );
        let verdict = judged(&folder.join("run"), &written(&folder, &text));
        assert_eq!(verdict.rows[0].outcome, outcome, "{limit}");
        assert_eq!(verdict.rows[0].line, Some(1));
    }
}

#[test]
fn ratios_and_growth_are_judged_against_the_right_cell() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("run"), STRATEGIES, &[4, 28]);
    let budget = |limit: &str| {
        let text = format!(
            "[[budget]]\ncells = {{ strategy = \"full-parallel\", smp = 28 }}\nfigure = \"total\"\n{limit}\n"
        );
        judged(&folder.join("run"), &written(&folder, &text)).rows.remove(0)
    };
    // 16.3 ms of 72.9, and of 4.0 with four CPUs 4.075 times as much.
    let row = budget("max-ratio-to = { strategy = \"serial\", ratio = 0.2236 }");
    assert_eq!(row.outcome, Outcome::Met, "{row:?}");
    let row = budget("max-ratio-to = { strategy = \"serial\", ratio = 0.2235 }");
    assert_eq!(row.outcome, Outcome::Broken, "{row:?}");
    let row = budget("max-growth = { from-smp = 4, ratio = 4 }");
    assert_eq!((row.outcome, row.numbers.unwrap().0), (Outcome::Broken, 16.3 / 3.7), "{row:?}");
}

#[test]
fn a_budget_in_microseconds_is_of_the_profiles_clock() {
    let (_keep, folder) = folder();
    let words = "cost-wake=1000000 tsc-sync=trusted tsc-trust=yes clock-khz=2000000";
    let mut told = run_folder(&folder.join("run"), words, &[2]);
    let profile = host_analyzer::ground::manifest::Profile {
        name: "fast".to_owned(),
        tsc_khz: 2_000_000,
        text: String::new(),
    };
    told.profiles = vec![profile];
    told.boots[0].profiles = vec![Some("fast".to_owned())];
    write_manifest(&folder.join("run"), &told);
    let text = "[[budget]]\ncells = { profile = \"fast\" }\nfigure = \"wake\"\nmax-us = 500\n";
    let verdict = judged(&folder.join("run"), &written(&folder, text));
    assert_eq!(verdict.rows[0].numbers.unwrap().2, 1_000_000.0);
    assert_eq!(verdict.rows[0].outcome, Outcome::Met);
}

#[test]
fn a_lost_ap_breaks_the_budget_that_nobody_wrote() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("run"), "repetitions=1 limit=50ms fault=never:2", &[4]);
    let budget = "[[budget]]\nfigure = \"overruns\"\nmax-count = 0\n";
    let verdict = judged(&folder.join("run"), &written(&folder, budget));
    assert_eq!(not_met(&verdict), [("icount, 4 CPUs, serial", "lost")]);
    let verdict =
        judged(&folder.join("run"), &written(&folder, &format!("{budget}max-lost = 2\n")));
    assert_eq!(not_met(&verdict), []);
    let alone = "[[budget]]\nfigure = \"lost\"\nmax-count = 1\n";
    let verdict = judged(&folder.join("run"), &written(&folder, alone));
    assert_eq!(not_met(&verdict).len(), 1);
}

/// A budget is of all trials: a cold trial that loses an AP is a bring-up that failed.
#[test]
fn an_ap_that_only_the_cold_trial_loses_breaks_a_budget_too() {
    let (_keep, folder) = folder();
    let mut cold = false;
    let bytes = changed("repetitions=2", 4, |body| match body {
        Body::TrialBegin(begin) => cold = begin.cold,
        Body::ApTimeline(timeline) if cold && timeline.cpu == CpuIndex(2) => {
            timeline.end = ApEnd::Lost(Some(Stamp::Alive));
        }
        Body::TrialEnd(end) => end.lost = u16::from(cold),
        _ => {}
    });
    let capture = folder.join("capture.bin");
    fs::write(&capture, bytes).unwrap();
    let met = "[[budget]]\nfigure = \"overruns\"\nmax-count = 0\n";
    let lost = "[[budget]]\nfigure = \"lost\"\nmax-count =";
    for (budget, broken) in [
        (met.to_owned(), true),
        (format!("{met}max-lost = 1\n"), false),
        (format!("{lost} 0\n"), true),
        (format!("{lost} 1\n"), false),
    ] {
        let verdict = judged(&capture, &written(&folder, &budget));
        assert_eq!(verdict.result().is_err(), broken, "{budget}");
        let row = verdict.rows.iter().find(|row| row.figure == "lost").unwrap();
        assert_eq!(row.measured, "1, 1 of them in cold or incomplete trials");
    }
}

#[test]
fn accepting_is_advised_only_where_it_would_be_done_and_would_help() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("base"), "repetitions=1 cost-wake=1ms", &[4]);
    run_folder(&folder.join("run"), "repetitions=1 cost-wake=2ms", &[4]);
    for (name, wake) in [("lost-base", "1ms"), ("lost", "2ms")] {
        let line = format!("repetitions=1 cost-wake={wake} limit=50ms fault=never:2");
        run_folder(&folder.join(name), &line, &[4]);
    }
    noisy_run(&folder.join("noisy-base"), 8, 1, 1.0);
    noisy_run(&folder.join("noisy"), 8, 2, 1.5);
    let by = |baseline: &str, figure: &str| {
        format!(
            "[[budget]]\nfigure = \"{figure}\"\nbaseline = \"{baseline}\"\ntolerance = \"5%\"\n"
        )
    };
    let limit = "[[budget]]\nfigure = \"total\"\nmax-us = 1\n".to_owned();
    let kept = "[[budget]]\nfigure = \"kick\"\nbaseline = \"base\"\n";
    for (run, budgets, advised) in [
        ("run", by("base", "wake"), Some("`--accept`")),
        ("noisy", by("noisy-base", "callin"), Some("`--accept --noisy`")),
        // Nothing to replace; the one with a baseline is kept; a run that can't be one.
        ("run", limit.clone(), None),
        ("run", format!("{limit}{kept}"), None),
        ("lost", by("lost-base", "wake"), None),
    ] {
        let Err(failure) = judged(&folder.join(run), &written(&folder, &budgets)).result() else {
            panic!("{run}: {budgets} is met")
        };
        let help = failure.report().help().map(|help| help.to_string());
        match advised {
            Some(options) => assert!(help.unwrap().contains(options), "{run}: {budgets}"),
            None => assert_eq!(help, None, "{run}: {budgets}"),
        }
    }
}

#[test]
fn a_limit_in_microseconds_needs_a_clock_whose_frequency_is_known() {
    let (_keep, folder) = folder();
    let bytes = changed("repetitions=1", 2, |body| {
        if let Body::Hello(hello) = body {
            hello.tsc_khz = 0;
        }
    });
    fs::write(folder.join("bare.bin"), bytes).unwrap();
    let file = written(&folder, "[[budget]]\nfigure = \"total\"\nmax-us = 1\n");
    let result = check(&opened(&folder.join("bare.bin")), &Budgets::read(&file).unwrap());
    let Err(Failure::Request(report)) = result else { panic!("{result:?}") };
    let told = "budgets.toml:1: cannot judge `max-us`: the clock's frequency is unknown";
    assert!(report.to_string().ends_with(told), "{report}");
}

#[test]
fn one_budget_is_not_all_budgets() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("run"), "repetitions=1", &[2]);
    let headline = |text: &str| {
        let verdict = judged(&folder.join("run"), &written(&folder, text));
        present::check::json(&verdict)["headline"].as_str().unwrap().to_owned()
    };
    let one = "[[budget]]\nfigure = \"total\"\nmax-us = 100_000\n";
    assert!(headline(one).starts_with("1 budget met; the closest is"), "{}", headline(one));
    assert!(headline(&one.repeat(2)).starts_with("All 2 budgets met; "));
}

#[test]
fn a_noisy_budget_is_broken_only_where_all_of_the_interval_is_beyond() {
    let (_keep, folder) = folder();
    noisy_run(&folder.join("base"), 12, 1, 1.0);
    noisy_run(&folder.join("same"), 12, 2, 1.0);
    noisy_run(&folder.join("slow"), 12, 3, 1.2);
    noisy_run(&folder.join("few"), 3, 4, 1.2);
    let outcome = |run: &str, limit: &str| {
        let text = format!("[[budget]]\nfigure = \"callin\"\n{limit}\n");
        judged(&folder.join(run), &written(&folder, &text)).rows[0].outcome
    };
    assert_eq!(outcome("same", "max-us = 900"), Outcome::Met);
    assert_eq!(outcome("same", "max-us = 800"), Outcome::InDoubt);
    assert_eq!(outcome("slow", "max-us = 900"), Outcome::Broken);
    let baseline = "baseline = \"base\"\ntolerance = \"5%\"";
    assert_eq!(outcome("same", baseline), Outcome::Met);
    assert_eq!(outcome("slow", baseline), Outcome::Broken);
    // Three boots do not say where the median lies.
    assert_eq!(outcome("few", "max-us = 900"), Outcome::InDoubt);
}

#[test]
fn a_budget_that_matches_nothing_is_a_mistake_and_no_pass() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("run"), STRATEGIES, &[4]);
    let limit = "figure = \"total\"\nmax-us = 1";
    for (text, told) in [
        (format!("[[budget]]\ncells = {{ smp = 28 }}\n{limit}"), "matches no cell"),
        (
            format!("[[budget]]\ncells = {{ engine = \"incount\" }}\n{limit}"),
            "did you mean `icount`?",
        ),
        (
            "[[budget]]\nfigure = \"total\"\nmax-growth = { from-smp = 2, ratio = 2 }".to_owned(),
            "there is no cell like",
        ),
        (
            "[[budget]]\nfigure = \"total\"\nmax-ratio-to = { wait = \"spin\", ratio = 2 }"
                .to_owned(),
            "there is no cell like icount, 4 CPUs, serial with wait = spin",
        ),
        (
            "[[budget]]\nfigure = \"total\"\nbaseline = \"nowhere\"".to_owned(),
            "there is no baseline",
        ),
    ] {
        let file = written(&folder, &text);
        let result = check(&opened(&folder.join("run")), &Budgets::read(&file).unwrap());
        let Err(Failure::Request(report)) = result else { panic!("{text}: {result:?}") };
        let all = format!("{report} {}", report.help().unwrap());
        assert!(all.contains(told), "{told}: {all}");
        // 28 is no misspelt 4.
        assert!(!all.contains("did you mean `4`"), "{all}");
    }
}

#[test]
fn a_cell_of_the_baseline_that_the_run_lacks_is_a_mistake_and_no_pass() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("base"), STRATEGIES, &[4, 8]);
    run_folder(&folder.join("run"), STRATEGIES, &[4]);
    let limit = "figure = \"total\"\nbaseline = \"base\"";
    let judge = |cells: &str| {
        let file = written(&folder, &format!("[[budget]]\n{cells}{limit}\n"));
        check(&opened(&folder.join("run")), &Budgets::read(&file).unwrap())
    };
    let Err(Failure::Request(report)) = judge("") else { panic!("it passed") };
    let told = "the run lacks the cell icount, 8 CPUs, serial of base";
    assert!(report.to_string().contains(told), "{report}");
    assert_eq!(not_met(&judge("cells = { smp = 4 }\n").unwrap()), []);
}

#[test]
fn every_mistake_of_a_budgets_file_is_reported_with_line_column_and_key() {
    for (text, told) in [
        ("", "b.toml:1:1: there is no budget here"),
        ("[[budgets]]", "b.toml:1:3: budgets: there is no such key"),
        ("[[budget]]\nfigur = 1", "b.toml:2:1: budget.figur: there is no such key"),
        (
            "[[budget]]\nfigure = \"totl\"\nmax-us = 1",
            "b.toml:2:10: budget.figure: expected one of",
        ),
        ("[[budget]]\nfigure = []\nmax-us = 1", "b.toml:2:10: budget.figure: this list is empty"),
        ("[[budget]]\nfigure = \"total\"", "b.toml:1:1: budget: a figure needs a limit"),
        ("[[budget]]\nmax-us = 5", "b.toml:2:10: budget.max-us: a limit needs a `figure`"),
        ("[[budget]]\ncells = { smp = 4 }", "b.toml:1:1: budget: it limits nothing"),
        ("[[budget]]\nfigure = \"total\"\nmax-us = 1\nmax-cycles = 2", "a budget has one limit"),
        (
            "[[budget]]\nfigure = \"total\"\nmax-us = 0",
            "b.toml:3:10: budget.max-us: expected a number above 0",
        ),
        ("[[budget]]\nfigure = \"lost\"\nmax-us = 1", "`lost` is a count: limit it by `max-count`"),
        ("[[budget]]\nfigure = \"total\"\nmax-count = 1", "`total` is a time"),
        (
            "[[budget]]\nfigure = \"total\"\nmax-us = 1\ntolerance = \"1%\"",
            "b.toml:4:13: budget.tolerance: a tolerance goes",
        ),
        ("[[budget]]\nfigure = \"total\"\nbaseline = \"x\"\ntolerance = 0.5", "as \"0.5%\""),
        (
            "[[budget]]\nfigure = \"total\"\nbaseline = \"x\"\ntolerance = \"99999999999999999999%\"",
            "a share from 0% to 1000%",
        ),
        (
            "[[budget]]\nfigure = \"total\"\nmax-ratio-to = { ratio = 1 }",
            "in what the other cell differs",
        ),
        (
            "[[budget]]\nfigure = \"total\"\nmax-ratio-to = { strategy = \"serial\" }",
            "max-ratio-to.ratio: this key is missing",
        ),
        (
            "[[budget]]\nfigure = \"total\"\nmax-growth = { from-smp = 1, ratio = 1 }",
            "budget.max-growth.from-smp: expected a CPU count from 2 to 65535",
        ),
        (
            "[[budget]]\nfigure = \"total\"\nmax-us = 1\ncells = { strategy = \"paralel\" }",
            "b.toml:4:22: budget.cells.strategy:",
        ),
        (
            "[[budget]]\nfigure = \"total\"\nmax-us = 1\ncells = { stratgy = \"serial\" }",
            "did you mean `strategy`?",
        ),
        (
            "[[budget]]\nfigure = \"total\"\nmax-us = 1\ncells = { smp = 0 }",
            "b.toml:4:17: budget.cells.smp: expected a CPU count",
        ),
        ("[[budget]\n", "b.toml:1:"),
    ] {
        let report = parse("b.toml", text).expect_err(text);
        let all = format!("{report:?} {report}");
        assert!(all.replace("\n  │ ", " ").contains(told), "{text:?}: {told}: {all}");
    }
}

#[test]
fn the_budgets_of_the_repository_are_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/budgets");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let budgets = Budgets::read(&path).unwrap_or_else(|no| panic!("{:?}", no.report()));
        assert!(!budgets.budgets.is_empty());
    }
}

#[test]
fn accepting_a_run_makes_it_the_baseline_whole_and_without_its_folders() {
    let (_keep, folder) = folder();
    let reference = folder.join("results/reference/small");
    small(&reference, "", "");
    // A capture of the old baseline that the new one does not have goes with it.
    let mut old = opened(&reference).manifest.unwrap();
    let mut third = old.boots[0].clone();
    third.capture = "captures/old.bin".to_owned();
    fs::copy(reference.join(&old.boots[0].capture), reference.join(&third.capture)).unwrap();
    old.boots.push(third);
    old.planned_boots = Some(old.boots.len());
    write_manifest(&reference, &old);
    small(&folder.join("run"), "serial", "cost-callin=900us");
    let mut told = opened(&folder.join("run")).manifest.unwrap();
    let words =
        ["/home/someone/kernel", "--results=/home/someone/r", "if=x,file=/home/someone/f,y=1"];
    told.boots[0].command.extend(words.map(str::to_owned));
    write_manifest(&folder.join("run"), &told);
    written(&folder, BUDGETS);
    let check = |more: &[&str]| {
        analyzer(&folder, &[&["check", "run", "--budgets", "budgets.toml"], more].concat())
    };
    assert_eq!(check(&[]).status.code(), Some(1));
    assert_eq!(check(&["--accept"]).status.code(), Some(0));
    assert_eq!(check(&[]).status.code(), Some(0));
    let accepted = fs::read_to_string(reference.join("run.json")).unwrap();
    assert!(!accepted.contains("/home/someone") && accepted.contains("\"kernel\""), "{accepted}");
    assert!(accepted.contains("\"--results=r\""), "{accepted}");
    assert!(accepted.contains("\"if=x,file=f,y=1\""), "{accepted}");
    let captures: Vec<_> = fs::read_dir(reference.join("captures")).unwrap().collect();
    assert_eq!(captures.len(), 2);
    assert_eq!(fs::read_dir(folder.join("results/reference")).unwrap().count(), 1);
}

/// Every file, folder and link below a folder, with its contents or target.
fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut inside = vec![folder.to_owned()];
    while let Some(within) = inside.pop() {
        for entry in fs::read_dir(within).unwrap() {
            let (path, kind) =
                entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
            let contents = match () {
                _ if kind.is_symlink() => {
                    fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
                }
                _ if kind.is_dir() => Vec::new(),
                _ => fs::read(&path).unwrap(),
            };
            if kind.is_dir() {
                inside.push(path.clone());
            }
            found.push((path, contents));
        }
    }
    found.sort();
    found
}

#[test]
fn accepting_takes_nothing_away_that_is_not_a_baseline() {
    let (_keep, folder) = folder();
    let place = folder.join("above/project");
    small(&place.join("results/default/1"), "", "");
    small(&place.join("results/reference/small"), "", "");
    small(&place.join("results/reference/extra"), "", "");
    fs::write(place.join("results/reference/extra/captures/mine.txt"), "mine").unwrap();
    small(&place.join("results/reference/linked"), "", "");
    let captures = place.join("results/reference/linked/captures");
    fs::rename(&captures, place.join("captures-elsewhere")).unwrap();
    symlink("../../../captures-elsewhere", &captures).unwrap();
    small(&place.join("results/reference/damaged"), "", "");
    fs::write(place.join("results/reference/damaged/run.json"), "{").unwrap();
    symlink("default/1", place.join("results/latest")).unwrap();
    fs::create_dir(place.join("src")).unwrap();
    fs::write(place.join("src/main.rs"), "fn main() {}").unwrap();
    fs::create_dir(place.join("empty")).unwrap();
    fs::write(folder.join("above/other.txt"), "somebody's").unwrap();
    for (named, told) in [
        (".", "it does not end with a name"),
        ("./", "it does not end with a name"),
        ("..", "it does not end with a name"),
        ("/", "it does not end with a name"),
        ("results/reference/..", "it does not end with a name"),
        ("results/../..", "it does not end with a name"),
        ("results", "not a run folder"),
        ("results/", "not a run folder"),
        ("results/reference", "not a run folder"),
        ("src", "not a run folder"),
        ("src/.", "not a run folder"),
        ("empty", "not a run folder"),
        ("budgets.toml", "it is a file"),
        ("results/latest", "it is a link"),
        ("results/latest/", "it is a link"),
        ("results/latest/.", "it is a link"),
        ("results/reference/extra", "its folder also holds captures/mine.txt"),
        ("results/reference/linked", "is outside the run's folder"),
        ("results/reference/damaged", "it is no JSON"),
        ("results/default/1", "it is the baseline already"),
    ] {
        // The good one before it must not be replaced either.
        let budget = |baseline: &str| {
            format!(
                "[[budget]]\nfigure = \"total\"\nbaseline = \"{baseline}\"\ntolerance = \"1%\"\n"
            )
        };
        written(&place, &(budget("results/reference/small") + &budget(named)));
        let before = tree(&folder);
        let check = ["check", "results/default/1", "--budgets", "budgets.toml", "--accept"];
        let output = analyzer(&place, &check);
        let said = text_of(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{named}: {said}");
        assert!(said.contains(told), "{named}: {said}");
        assert!(tree(&folder) == before, "{named}: something has changed");
    }
    // Whatever way its name is written, a baseline can be replaced, and one can be new.
    for named in ["results/reference/small/.", "results/reference/small/", "new/one"] {
        written(&place, &format!("[[budget]]\nfigure = \"total\"\nbaseline = \"{named}\"\n"));
        let check = ["check", "results/default/1", "--budgets", "budgets.toml", "--accept"];
        assert_eq!(analyzer(&place, &check).status.code(), Some(0), "{named}");
        assert_eq!(fs::read_dir(place.join(named)).unwrap().count(), 2, "{named}");
    }
    assert_eq!(fs::read_dir(place.join("new")).unwrap().count(), 1);
    // In however many ways it is written in one file.
    let budget = |baseline| format!("[[budget]]\nfigure = \"total\"\nbaseline = \"{baseline}\"\n");
    written(&place, &["two", "./two", "two/", "./two/."].map(budget).concat());
    let check = ["check", "results/default/1", "--budgets", "budgets.toml", "--accept"];
    let output = analyzer(&place, &check);
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output.stderr));
    assert_eq!(text_of(&output.stderr).matches("is now this run").count(), 1);
}

/// Budgets with these baselines.
fn baselines(named: &[&str]) -> String {
    let budget = |named: &&str| format!("[[budget]]\nfigure = \"total\"\nbaseline = \"{named}\"\n");
    named.iter().map(budget).collect()
}

const ACCEPT: [&str; 5] = ["check", "run", "--budgets", "budgets.toml", "--accept"];

/// `check --accept` of `run`, with these baselines.
fn accepting(folder: &Path, named: &[&str]) -> (Option<i32>, String) {
    written(folder, &baselines(named));
    let output = analyzer(folder, &ACCEPT);
    (output.status.code(), text_of(&output.stderr))
}

#[test]
fn a_run_that_nobody_accepted_is_not_replaced() {
    let (_keep, folder) = folder();
    small(&folder.join("run"), "", "");
    small(&folder.join("kept"), "", "");
    let baseline = opened(&folder.join("kept")).manifest.unwrap();
    type Edit = fn(&mut Manifest);
    let edits: [(&str, Edit); 5] = [
        ("interrupted", |run| run.ended = Ended::Interrupted),
        ("failed", |run| run.ended = Ended::Failed),
        ("of an experiment", |run| run.boots[0].command.push("/target/kernel".to_owned())),
        ("of the simulator", |run| run.kernel = None),
        ("of a scenario", |run| {
            run.command = ["cargo", "xtask", "matrix"].map(str::to_owned).into()
        }),
    ];
    for (name, edit) in edits {
        let mut run = baseline.clone();
        edit(&mut run);
        write_manifest(&folder.join("kept"), &run);
        written(&folder, &baselines(&["kept"]));
        let before = tree(&folder);
        let (code, said) = accepting(&folder, &["kept"]);
        assert_eq!(code, Some(2), "{name}: {said}");
        assert!(said.contains("its run.json does not have `\"baseline\": true`"), "{name}: {said}");
        assert!(tree(&folder) == before, "{name}: something has changed");
    }
    // As older ones were.
    write_manifest(&folder.join("kept"), &baseline);
    assert_eq!(accepting(&folder, &["kept"]).0, Some(0));
    // What is accepted is marked, whatever else it says of itself.
    for name in ["run", "kept"] {
        let mut manifest = opened(&folder.join(name)).manifest.unwrap();
        manifest.command = vec!["cargo".to_owned()];
        write_manifest(&folder.join(name), &manifest);
    }
    assert_eq!(accepting(&folder, &["kept"]).0, Some(0));
    let json = fs::read_to_string(folder.join("kept/run.json")).unwrap();
    assert!(json.contains("\"baseline\": true"), "{json}");
}

#[test]
fn a_damaged_baseline_is_repaired_as_it_is_advised() {
    let (_keep, folder) = folder();
    small(&folder.join("run"), "", "");
    assert_eq!(accepting(&folder, &["kept"]).0, Some(0));
    let whole = tree(&folder);
    for damage in ["kept/captures/icount-2-1.bin", "kept/captures/icount-8-1.bin", "kept/captures"]
    {
        let (_gone, elsewhere) = crate::simulated::folder();
        fs::rename(folder.join(damage), elsewhere.join("gone")).unwrap();
        let output = analyzer(&folder, &ACCEPT[..4]);
        let said = text_of(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{damage}: {said}");
        assert!(said.contains("`--accept`") && said.contains("the baseline kept"), "{said}");
        let (code, said) = accepting(&folder, &["kept"]);
        assert_eq!(code, Some(0), "{damage}: {said}");
        assert!(tree(&folder) == whole, "{damage}: {said}");
    }

    fs::write(folder.join("kept/run.json"), "<<<<<<< ours\n{}\n").unwrap();
    for arguments in [&ACCEPT[..], &ACCEPT[..4]] {
        let output = analyzer(&folder, arguments);
        let said = text_of(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("the baseline kept can't be read") && said.contains("by hand"),
            "{said}"
        );
        assert!(!said.contains("captures are untouched"), "{said}");
    }
    let (_gone, elsewhere) = crate::simulated::folder();
    fs::rename(folder.join("kept"), elsewhere.join("gone")).unwrap();
    assert_eq!(accepting(&folder, &["kept"]).0, Some(0));
    assert!(tree(&folder) == whole);
}

/// What somebody has put there since it was looked at is not the baseline's.
#[test]
fn an_old_baseline_that_can_not_be_removed_is_named_and_the_new_one_is_there() {
    let (_keep, folder) = folder();
    small(&folder.join("run"), "", "");
    assert_eq!(accepting(&folder, &["kept"]).0, Some(0));
    let kept = folder.join("kept");
    let place = Place::find(kept.to_str().unwrap(), &folder.join("budgets.toml")).unwrap();
    fs::write(kept.join("captures/mine.txt"), "mine").unwrap();
    let run = opened(&folder.join("run"));
    let left = baseline::accept(&run, run.manifest.as_ref().unwrap(), place).unwrap().unwrap();
    let hidden = format!(".kept.{}.old", std::process::id());
    assert!(left.contains(&hidden), "{left}");
    assert_eq!(fs::read(folder.join(hidden).join("captures/mine.txt")).unwrap(), b"mine");
    assert!(opened(&kept).gaps.is_empty());
}

#[test]
fn places_that_lie_in_each_other_are_refused_before_anything_changes() {
    let (_keep, folder) = folder();
    small(&folder.join("run"), "", "");
    for (named, told) in [
        (&["b/c", "b"][..], "one lies in the other"),
        (&["b", "b/c"], "one lies in the other"),
        (&["b", "x/../b/./c/d"], "one lies in the other"),
        (&["run/sub"], "lies inside it"),
        (&["x/../run/sub/deep"], "lies inside it"),
    ] {
        written(&folder, &baselines(named));
        let before = tree(&folder);
        let (code, said) = accepting(&folder, named);
        assert_eq!(code, Some(2), "{named:?}: {said}");
        assert!(said.contains(told), "{named:?}: {said}");
        assert!(tree(&folder) == before, "{named:?}: something has changed");
    }
    // Names that begin alike are folders beside each other; two ways to a place lead to one.
    let (code, said) = accepting(&folder, &["b", "x/../b", "bc"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("is now this run").count(), 2, "{said}");
    assert!(!folder.join("x").exists());
}

#[test]
fn no_output_of_check_takes_the_place_of_what_it_reads() {
    let (_keep, folder) = folder();
    small(&folder.join("run"), "", "");
    assert_eq!(accepting(&folder, &["kept"]).0, Some(0));
    symlink("run/captures", folder.join("linked")).unwrap();
    let before = tree(&folder);
    for (output, told) in [
        ("run/run.json", "is part of the run"),
        ("run/captures/icount-2-1.bin", "is part of the run"),
        ("linked/../run.json", "is part of the run"),
        ("linked/icount-2-1.bin", "is part of the run"),
        ("budgets.toml", "is the file of budgets"),
        ("./kept/run.json", "is part of a baseline"),
        ("kept/captures/icount-2-1.bin", "is part of a baseline"),
    ] {
        let said = |output: Output| {
            let said = text_of(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(told) && said.contains("stays as it is"), "{said}");
            assert!(tree(&folder) == before, "{said}");
        };
        said(analyzer(&folder, &[&ACCEPT[..4], &["--junit", output]].concat()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
        command.current_dir(&folder).args(ACCEPT).arg("--github");
        said(command.env("GITHUB_STEP_SUMMARY", output).output().unwrap());
    }
}

#[test]
fn a_pipe_is_no_run_and_no_file_of_budgets() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("run"), "repetitions=1", &[2]);
    written(&folder, "[[budget]]\nfigure = \"total\"\nmax-us = 4_000\n");
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    for not_a_file in ["pipe", "/dev/zero"] {
        for arguments in
            [[not_a_file, "--budgets", "budgets.toml"], ["run", "--budgets", not_a_file]]
        {
            let output = analyzer(&folder, &[&["check"], &arguments[..]].concat());
            let said = text_of(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains("regular file"), "{said}");
        }
    }
}

#[test]
fn a_bisection_skips_a_run_that_is_not_whole_but_for_an_error_of_the_kernel() {
    let (_keep, folder) = folder();
    let manifest = run_folder(&folder.join("run"), STRATEGIES, &[2, 4]);
    written(&folder, "[[budget]]\nfigure = \"total\"\nmax-us = 100_000\n");
    let code = |more: &[&str]| analyzer(&folder, &[&ACCEPT[..4], more].concat()).status.code();
    assert_eq!(code(&["--bisect"]), Some(0));
    let capture = folder.join("run").join(&manifest.boots[0].capture);
    let frames = frames(STRATEGIES, 2);
    let cut = frames[..frames.len() / 2].concat();
    let error = Body::Error(frame::Error::Panic { cpu: CpuIndex(0), message: "no" });
    let error = encoded(&Frame { number: (frames.len() / 2) as u32, body: error });
    for (contents, bisecting) in
        [(cut.clone(), 125), (b"SeaBIOS".to_vec(), 125), ([cut, error].concat(), 1)]
    {
        fs::write(&capture, contents).unwrap();
        assert_eq!((code(&[]), code(&["--bisect"])), (Some(1), Some(bisecting)));
    }
    fs::write(&capture, frames.concat()).unwrap();
    assert_eq!(code(&["--bisect"]), Some(0));
    write_manifest(&folder.join("run"), &Manifest { ended: Ended::Interrupted, ..manifest });
    assert_eq!((code(&[]), code(&["--bisect"])), (Some(1), Some(125)));
}

#[test]
fn a_bisection_skips_a_revision_in_doubt_and_blames_one_that_breaks_a_budget() {
    let (_keep, folder) = folder();
    noisy_run(&folder.join("run"), 12, 2, 1.0);
    let code = |limits: &[u32], more: &[&str]| {
        let budget = |us: &u32| format!("[[budget]]\nfigure = \"callin\"\nmax-us = {us}\n");
        written(&folder, &limits.iter().map(budget).collect::<String>());
        analyzer(&folder, &[&ACCEPT[..4], more].concat()).status.code()
    };
    for (limits, plain, bisecting) in [
        (&[900][..], 0, 0),
        (&[800], 0, 125),
        (&[900, 800], 0, 125),
        (&[700], 1, 1),
        (&[700, 800], 1, 1),
    ] {
        let codes = (code(limits, &[]), code(limits, &["--bisect"]));
        assert_eq!(codes, (Some(plain), Some(bisecting)), "{limits:?}");
    }
}

#[test]
fn numbers_of_exact_engines_say_that_they_are_not_the_speed_of_qemu() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("exact"), "repetitions=1", &[2]);
    noisy_run(&folder.join("noisy"), 6, 1, 1.0);
    let budgets = written(&folder, "[[budget]]\nfigure = \"total\"\nmax-us = 100_000\n");
    for (run, says) in [("exact", true), ("noisy", false)] {
        let verdict = judged(&folder.join(run), &budgets);
        let told = "its cycles say nothing about the speed of QEMU";
        for text in [present::check::table(&verdict, false), present::check::markdown(&verdict)] {
            assert_eq!(text.contains(told), says, "{text}");
        }
    }
}

#[test]
fn a_noisy_or_a_failed_run_becomes_no_baseline_unasked() {
    let (_keep, folder) = folder();
    let text = "[[budget]]\nfigure = \"callin\"\nbaseline = \"kept\"\ntolerance = \"5%\"\n";
    written(&folder, text);
    noisy_run(&folder.join("noisy"), 6, 1, 1.0);
    let check = |run: &str, more: &[&str]| {
        analyzer(
            &folder,
            &[&["check", run, "--budgets", "budgets.toml", "--accept"], more].concat(),
        )
    };
    let output = check("noisy", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text_of(&output.stderr).contains("tcg is a noisy engine"), "{output:?}");
    assert!(!folder.join("kept").exists());
    assert_eq!(check("noisy", &["--noisy"]).status.code(), Some(0));
    run_folder(&folder.join("lost"), "repetitions=1 limit=50ms fault=never:2", &[4]);
    let output = check("lost", &[]);
    assert!(text_of(&output.stderr).contains("not every trial went well"), "{output:?}");
}

fn text_of(bytes: &[u8]) -> String {
    text(bytes).replace("\n  │ ", " ")
}

#[test]
fn exit_codes_tell_a_pipeline_and_a_bisection_what_to_do() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("run"), STRATEGIES, &[4]);
    let code = |limit: &str, run: &str, more: &[&str]| {
        written(&folder, &format!("[[budget]]\nfigure = \"total\"\n{limit}\n"));
        let arguments = [&["check", run, "--budgets", "budgets.toml"], more].concat();
        analyzer(&folder, &arguments).status.code()
    };
    assert_eq!(code("max-us = 100_000", "run", &[]), Some(0));
    assert_eq!(code("max-us = 10", "run", &[]), Some(1));
    assert_eq!(code("max-us = 10", "run", &["--bisect"]), Some(1));
    assert_eq!(code("max-us = -1", "run", &[]), Some(2));
    assert_eq!(code("max-us = -1", "run", &["--bisect"]), Some(125));
    assert_eq!(code("max-us = 10", "nowhere", &["--bisect"]), Some(125));
    assert_eq!(code("max-us = 10", "run", &["--bisect", "--no-such-option"]), Some(125));
    assert_eq!(code("max-us = 10", "run", &["--no-such-option"]), Some(2));
    fs::create_dir(folder.join("in-the-way")).unwrap();
    assert_eq!(code("max-us = 10", "run", &["--junit", "in-the-way"]), Some(2));
    assert_eq!(code("max-us = 10", "run", &["--junit", "/dev/full"]), Some(3));
    assert_eq!(code("max-us = 10", "run", &["--junit", "/dev/full", "--bisect"]), Some(125));
}

#[test]
fn json_stands_alone_and_github_gets_its_lines_and_its_summary() {
    let (_keep, folder) = folder();
    let mut told = run_folder(&folder.join("run"), STRATEGIES, &[4]);
    told.boots[0].engine = "evil\n::error::x,y:<b>".to_owned();
    write_manifest(&folder.join("run"), &told);
    written(&folder, "[[budget]]\nfigure = \"total\"\nmax-us = 4_000\n");
    let check = ["check", "run", "--budgets", "budgets.toml"];
    let output = analyzer(&folder, &[&check[..], &["--format", "json"]].concat());
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["schema"], &json["broken"]), (&1.into(), &2.into()));
    assert!(text(&output.stdout).starts_with("{\n  \"schema\": 1"));

    let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
    command.current_dir(&folder).args(check).arg("--github");
    let output = command.env("GITHUB_STEP_SUMMARY", folder.join("summary.md")).output().unwrap();
    let stdout = text(&output.stdout);
    let commands: Vec<&str> = stdout.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(commands.len(), 2, "{stdout}");
    for command in commands {
        assert!(command.starts_with("::error file=budgets.toml,line=1,title=total of evil\\n%3A%3Aerror%3A%3Ax%2Cy%3A<b>%2C 4"), "{command}");
    }
    let summary = fs::read_to_string(folder.join("summary.md")).unwrap();
    assert!(summary.starts_with("**2 of 3 budgets broken, 1 met.**"), "{summary}");
    assert!(!summary.contains("<b>"), "{summary}");
}

/// The errors of a document against the schema for JUnit of Ant, the strictest that there is.
fn errors(junit: &str) -> Vec<String> {
    let schema = parse_schema(include_str!("../schemas/junit.xsd")).unwrap();
    let document = oxml::parse(junit).unwrap();
    validate(&document, &schema).violations.iter().map(|error| error.to_string()).collect()
}

#[test]
fn junit_validates_against_the_schema() {
    let (_keep, folder) = folder();
    let mut told = run_folder(&folder.join("run"), STRATEGIES, &[4]);
    told.boots[0].engine = "a \"quoted\" <engine> & ]]> \u{7}".to_owned();
    write_manifest(&folder.join("run"), &told);
    let budgets = "[[budget]]\nfigure = [\"total\", \"callin\"]\nmax-us = 4_000\n";
    let verdict = judged(&folder.join("run"), &written(&folder, budgets));
    let junit = present::check::junit(&verdict).unwrap();
    assert_eq!(errors(&junit), [""; 0], "{junit}");
    let cases = |text: &str| junit.matches(text).count();
    assert_eq!((cases("<testcase "), cases("<failure "), cases("failures=\"2\"")), (6, 2, 1));

    noisy_run(&folder.join("noisy"), 2, 1, 1.0);
    let verdict = judged(&folder.join("noisy"), &written(&folder, budgets));
    let junit = present::check::junit(&verdict).unwrap();
    assert_eq!(errors(&junit), [""; 0], "{junit}");
    assert!(junit.contains("in doubt: ") && !junit.contains("<failure "), "{junit}");
}

/// The schema would find it if it did not.
#[test]
fn the_schema_refuses_what_is_no_junit() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("run"), STRATEGIES, &[4]);
    let budgets = written(&folder, "[[budget]]\nfigure = \"total\"\nmax-us = 4_000\n");
    let junit = present::check::junit(&judged(&folder.join("run"), &budgets)).unwrap();
    for (good, bad) in [
        (" hostname=\"localhost\"", ""),
        ("failures=\"2\"", "failures=\"two\""),
        ("<testcase ", "<test "),
        ("T06:12:00\"", "T06:12:00Z\""),
        ("<system-err></system-err>", ""),
        (" type=\"budget\"", ""),
    ] {
        let bad = junit.replace(good, bad).replace(
            "</testcase>",
            match good {
                "<testcase " => "</test>",
                _ => "</testcase>",
            },
        );
        assert_ne!(bad, junit, "{good}");
        assert_ne!(errors(&bad), [""; 0], "{good}");
    }
}

#[test]
fn budgets_that_are_a_folder_are_a_wrong_request() {
    let (_keep, folder) = folder();
    let Err(Failure::Request(report)) = Budgets::read(&folder) else { panic!("it is read") };
    assert!(report.to_string().ends_with("is a folder, expected a file of budgets"), "{report}");
}
