//! The small scenario in QEMU against the project's budgets for it.

use crate::harness::kernel;
use host_analyzer::judge::check::budgets::Budgets;
use host_analyzer::judge::check::{BudgetVerdict, Outcome, check};
use host_analyzer::present;
use host_analyzer::run::Run;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;
use xtask::root;
use xtask::runner::progress::Lines;
use xtask::runner::run::execute;
use xtask::runner::scenario::Scenario;

/// Runs the small scenario, each word of its command lines changed as told.
fn measured(results: &Path, change: impl Fn(&str) -> String) -> Run {
    kernel();
    let folder = root().join("scenarios");
    let scenario = Scenario::read(&folder.join("small.toml"), &folder);
    let mut scenario = scenario.unwrap_or_else(|failure| panic!("{:?}", failure.report()));
    for line in scenario.groups.iter_mut().flat_map(|group| &mut group.command_lines) {
        line.words = change(&line.words);
    }
    let run = execute(&scenario, Some(kernel()), results, Lines::Boots, 1);
    run.unwrap_or_else(|failure| panic!("{:?}", failure.report()))
}

/// The unchanged run, made once.
fn unchanged() -> &'static Run {
    static RUN: OnceLock<(TempDir, Run)> = OnceLock::new();
    let made = RUN.get_or_init(|| {
        let results = tempfile::tempdir().unwrap();
        let run = measured(results.path(), str::to_owned);
        (results, run)
    });
    &made.1
}

#[track_caller]
fn judged(run: &Run, budgets: &Path) -> BudgetVerdict {
    let budgets = Budgets::read(budgets).unwrap_or_else(|no| panic!("{:?}", no.report()));
    check(run, &budgets).unwrap_or_else(|no| panic!("{:?}", no.report()))
}

/// Everything that is not met: the cell and the figure.
fn not_met(verdict: &BudgetVerdict) -> Vec<(&str, &str)> {
    let rows = verdict.rows.iter().filter(|row| row.outcome != Outcome::Met);
    rows.map(|row| (row.cell.as_str(), row.figure)).collect()
}

/// As CI of any project would judge it: the committed reference is of another build, and what its
/// steps take by themselves may differ, within what the budgets say.
#[test]
fn the_small_scenario_keeps_its_budgets_against_the_reference() {
    let verdict = judged(unchanged(), &root().join("scenarios/budgets/small.toml"));
    assert_eq!(not_met(&verdict), [], "{}", present::check::table(&verdict, true));
    assert!(verdict.rows.len() > 60, "{}", present::check::table(&verdict, true));
}

#[test]
fn one_percent_more_callin_of_one_strategy_is_found_there_and_nowhere_else() {
    let results = tempfile::tempdir().unwrap();
    let base = unchanged();
    let slow = measured(results.path(), |words| {
        words.replace("strategy=full-parallel", "strategy=full-parallel cost-callin=808us")
    });
    let text = fs::read_to_string(root().join("scenarios/budgets/small.toml")).unwrap();
    let budgets = results.path().join("small.toml");
    let base_path = base.path.display().to_string();
    fs::write(&budgets, text.replace("results/reference/small", &base_path)).unwrap();

    let verdict = judged(base, &budgets);
    assert_eq!(not_met(&verdict), [], "{}", present::check::table(&verdict, true));
    verdict.result().unwrap();

    let verdict = judged(&slow, &budgets);
    let broken = not_met(&verdict);
    let cells = [2, 8].map(|smp| format!("icount, {smp} CPUs, full-parallel, cost-callin=808us"));
    let expected = cells.each_ref().map(|cell| (cell.as_str(), "callin"));
    assert_eq!(broken, expected, "{}", present::check::table(&verdict, true));
    assert!(verdict.result().is_err());
}
