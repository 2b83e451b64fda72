//! A run against its budgets: each figure met, broken, or in doubt.
//!
//! On exact engines the number itself is compared. On noisy ones a budget is broken only where the whole
//! 95 % interval of the figure lies above the limit, and in doubt where the limit lies inside the interval.

pub mod baseline;
pub mod budgets;
mod measured;
mod partners;
pub mod verdict;

use crate::ground::failure::Failure;
use crate::ground::text::printable;
use crate::run::measure::Measure;
use crate::run::{Cell, Gap, Part, Run};
use budgets::{Budget, Budgets, Figure, Limit, Picked, meant, value};
use measured::Measured;
use miette::{Report, miette};
use partners::{Baselines, like};

pub use verdict::{BudgetRow, BudgetVerdict, Outcome};

/// Judges a run.
///
/// Fails with [`Failure::Request`] where a baseline can't be opened (see [`baseline::open`]), a budget
/// matches no cell, or the cell that it compares with is missing. In a run that is not whole the last two
/// break the budget instead.
pub fn check(run: &Run, budgets: &Budgets) -> Result<BudgetVerdict, Failure> {
    let mut notes = Vec::new();
    let baselines = Baselines::open(run, budgets, &mut notes)?;
    let judge = Judge { run, budgets, varying: run.varying_options(), baselines };
    let mut rows = Vec::new();
    for budget in &budgets.budgets {
        match judge.budget(budget, &mut rows) {
            // The missing cell may be what the run lacks.
            Err(Failure::Request(report)) if !run.gaps.is_empty() => {
                rows.push(unjudged(budget, &report));
            }
            judged => judged?,
        }
    }
    judge.lost(&mut rows);
    rows.extend(run.gaps.iter().map(|gap| judge.gap(gap)));
    let started = run.manifest.as_ref().map_or(String::new(), |manifest| manifest.started.clone());
    Ok(BudgetVerdict {
        file: budgets.file.clone(),
        run: run.path.clone(),
        started,
        accept: accept(run, budgets, &rows),
        rows,
        exact: run.cells.iter().any(|cell| cell.exact == Some(true)),
        notes,
        warnings: run.warnings(),
    })
}

/// The first gap of the run that no error reported by the kernel explains: a capture is cut or can't be
/// read, boots are missing. It is no evidence against the kernel.
pub fn unexplained_gap(run: &Run) -> Option<&Gap> {
    let explained: Vec<usize> =
        (0..run.boots.len()).filter(|index| run.boots[*index].summary.error.is_some()).collect();
    let explains = |gap: &Gap| match gap.part {
        Part::Run => false,
        Part::Boot(index) => explained.contains(&index),
        Part::Cell(cell) => explained
            .iter()
            .any(|index| run.boots[*index].cells.iter().any(|its| its.cell == Some(cell))),
    };
    run.gaps.iter().find(|gap| !explains(gap))
}

/// The options of `check` that make the run the baseline; `None` unless a budget with a baseline is broken
/// and the run can become one.
fn accept(run: &Run, budgets: &Budgets, rows: &[BudgetRow]) -> Option<&'static str> {
    let has_baseline = |line: Option<usize>| {
        let mut budgets = budgets.budgets.iter().filter(|budget| Some(budget.line) == line);
        budgets.any(|budget| matches!(budget.limit, Some(Limit::Baseline { .. })))
    };
    if !rows.iter().any(|row| row.outcome == Outcome::Broken && has_baseline(row.line)) {
        return None;
    }
    let ways = [("--accept", false), ("--accept --noisy", true)];
    let way = ways.into_iter().find(|(_, noisy)| baseline::acceptable(run, &[], *noisy).is_ok());
    way.map(|(options, _)| options)
}

struct Judge<'a> {
    run: &'a Run,
    budgets: &'a Budgets,
    varying: Vec<&'static str>,
    baselines: Baselines,
}

impl Judge<'_> {
    /// Judges every figure of every cell that the budget is for.
    fn budget(&self, budget: &Budget, rows: &mut Vec<BudgetRow>) -> Result<(), Failure> {
        let is_host = |figure: &&Figure| matches!(figure, Figure::Host(_));
        let (of_boots, figures): (Vec<&Figure>, Vec<&Figure>) =
            budget.figures.iter().partition(is_host);
        self.boots(budget, &of_boots, rows)?;
        if figures.is_empty() && !of_boots.is_empty() {
            return Ok(());
        }
        // A machine of one CPU has no bring-up, and a count can't grow from itself.
        let least = match budget.limit {
            Some(Limit::Growth { from_smp, .. }) => from_smp,
            _ => 1,
        };
        let cells = self.run.cells.iter();
        let cells = cells.filter(|cell| cell.smp > least && budget.cells.holds(cell));
        let cells: Vec<&Cell> = cells.collect();
        if cells.is_empty() {
            return Err(self.no_cell(budget));
        }
        self.baseline_is_covered(budget)?;
        // Only a boot's first cell has a cold trial.
        let has = |cell: &Cell, figure: &Figure| {
            *figure != Figure::Time(Measure::Cold)
                || cell.cold.count() > 0
                || cell.trials.is_empty()
        };
        for figure in &figures {
            if cells.iter().all(|cell| !has(cell, figure)) {
                let what = "no cell that it is for has a cold trial, which is a boot's first";
                let help = "`cold = \"each\"` in the scenario gives each cell boots of its own";
                return Err(self.wrong(budget, what, help));
            }
        }
        for cell in cells {
            for figure in figures.iter().filter(|figure| has(cell, figure)) {
                rows.push(self.row(budget, cell, **figure)?);
            }
        }
        Ok(())
    }

    /// Judges figures of boots on the host's clock.
    fn boots(
        &self,
        budget: &Budget,
        figures: &[&Figure],
        rows: &mut Vec<BudgetRow>,
    ) -> Result<(), Failure> {
        let Some(Limit::Us(most)) = &budget.limit else { return Ok(()) };
        let boots = self.run.host_boots().into_iter();
        let boots: Vec<_> = boots.filter(|boots| budget.cells.holds_boots(boots)).collect();
        if boots.is_empty() && !figures.is_empty() {
            let what = "no boot of a noisy engine that it is for has times on the host's clock";
            let help = "exact engines have none, nor have runs of older versions and bare captures";
            return Err(self.wrong(budget, what, help));
        }
        for boots in &boots {
            for figure in figures {
                let Figure::Host(measure) = figure else { continue };
                let measured = Measured::host(boots, *measure, *most);
                rows.extend(
                    measured.map(|measured| {
                        measured.row(Some(budget.line), boots.label(), figure.name())
                    }),
                );
            }
        }
        Ok(())
    }

    /// A cell that the baseline has and the run lacks would otherwise pass unseen.
    fn baseline_is_covered(&self, budget: &Budget) -> Result<(), Failure> {
        let Some(Limit::Baseline { run: named, .. }) = &budget.limit else { return Ok(()) };
        match self.baselines.missing(named, &budget.cells) {
            None => Ok(()),
            Some(label) => {
                let what = format!("the run lacks the cell {label} of {named}");
                let help = "run all of the scenario, or make this run the baseline: `--accept`";
                Err(self.wrong(budget, &what, help))
            }
        }
    }

    fn row(&self, budget: &Budget, cell: &Cell, figure: Figure) -> Result<BudgetRow, Failure> {
        let measured = match &budget.limit {
            Some(limit) => self.measured(budget, cell, figure, limit)?,
            None => None,
        };
        let label = self.label(cell);
        Ok(match measured {
            Some(measured) => measured.row(Some(budget.line), label, figure.name()),
            None => BudgetRow {
                line: Some(budget.line),
                cell: label,
                figure: figure.name(),
                measured: "nothing".to_owned(),
                allowed: "a whole trial".to_owned(),
                used: None,
                numbers: None,
                outcome: Outcome::Broken,
                why: "no trial arrived whole".to_owned(),
            },
        })
    }

    /// A figure and its limit; `None` where a cell has no trial that has the figure.
    fn measured(
        &self,
        budget: &Budget,
        cell: &Cell,
        figure: Figure,
        limit: &Limit,
    ) -> Result<Option<Measured>, Failure> {
        let measure = match (figure, limit) {
            (Figure::Time(measure), _) => measure,
            (Figure::Lost, Limit::Count(most)) => return Ok(Some(Measured::lost(cell, *most))),
            (Figure::Overruns, Limit::Count(most)) => {
                return Ok(Some(Measured::count(cell.overrun_count(), *most)));
            }
            _ => return Ok(None),
        };
        Ok(match limit {
            // The reader of the file refuses a count as the limit of a time.
            Limit::Count(_) => None,
            Limit::Cycles(most) => Measured::time(cell, measure, *most),
            Limit::Us(most) => {
                let khz = cell.tsc_khz().ok_or_else(|| {
                    self.wrong(
                        budget,
                        "cannot judge `max-us`: the clock's frequency is unknown",
                        "use `max-cycles`",
                    )
                })?;
                Measured::time(cell, measure, most * khz as f64 / 1e3)
            }
            Limit::RatioTo { other, ratio } => {
                let other = self.other(budget, cell, other)?;
                Measured::ratio(cell, other, measure, *ratio, &self.label(other))
            }
            Limit::Growth { from_smp, ratio } => {
                let fewer = Picked(vec![("smp".to_owned(), vec![from_smp.to_string()])]);
                let fewer = self.other(budget, cell, &fewer)?;
                Measured::ratio(cell, fewer, measure, *ratio, &self.label(fewer))
            }
            Limit::Baseline { run: named, tolerance } => {
                let base = self.baselines.partner(named, self.run, cell).ok_or_else(|| {
                    let what = format!("the baseline {named} has no cell {}", self.label(cell));
                    self.wrong(budget, &what, "`--accept` makes this run the baseline")
                })?;
                Measured::from_baseline(cell, base, measure, *tolerance)
            }
        })
    }

    fn other(&self, budget: &Budget, cell: &Cell, picked: &Picked) -> Result<&Cell, Failure> {
        like(self.run, cell, picked).ok_or_else(|| {
            let what = format!("there is no cell like {} with {}", self.label(cell), picked.text());
            self.wrong(budget, &what, "name every option in which the other cell differs")
        })
    }

    /// Every AP must come online, except for those that budgets allow to be lost.
    fn lost(&self, rows: &mut Vec<BudgetRow>) {
        for cell in &self.run.cells {
            let allowing = self.budgets.budgets.iter().filter(|budget| budget.cells.holds(cell));
            let allowed = allowing.filter_map(|budget| Some((budget.max_lost?, budget.line))).max();
            let label = self.label(cell);
            // A budget for the figure `lost` judges by itself.
            let judged = rows.iter().any(|row| row.figure == "lost" && row.cell == label);
            if judged || (allowed.is_none() && cell.lost_in_all_trials() == 0) {
                continue;
            }
            let most = allowed.map_or(0, |(most, _)| most);
            let line = allowed.map(|(_, line)| line);
            rows.push(Measured::lost(cell, most).row(line, label, "lost"));
        }
    }

    /// What the run lacks was not measured, so whether it keeps its budgets is unknown.
    fn gap(&self, gap: &Gap) -> BudgetRow {
        BudgetRow {
            line: None,
            cell: self.run.name(gap.part, &self.varying),
            figure: gap.part.name(),
            measured: "incomplete".to_owned(),
            allowed: "complete".to_owned(),
            used: None,
            numbers: None,
            outcome: Outcome::Broken,
            why: printable(&gap.what),
        }
    }

    fn label(&self, cell: &Cell) -> String {
        cell.label(&self.varying)
    }

    fn wrong(&self, budget: &Budget, what: &str, help: &str) -> Failure {
        Failure::Request(miette!(
            help = help.to_owned(),
            "{}:{}: {what}",
            self.budgets.file.display(),
            budget.line
        ))
    }

    fn no_cell(&self, budget: &Budget) -> Failure {
        let missing = budget.cells.0.iter().find_map(|(key, wanted)| {
            let has: Vec<String> = self.run.cells.iter().map(|cell| value(cell, key)).collect();
            if wanted.iter().any(|one| has.contains(one)) {
                return None;
            }
            // A number is no misspelt other number.
            let is_number = wanted.iter().any(|one| one.starts_with(|c: char| c.is_ascii_digit()));
            let near = meant(&wanted.join(" "), has.iter().map(String::as_str));
            let near = near.filter(|_| !is_number);
            let near =
                near.map_or(String::new(), |near| format!("; did you mean `{}`?", printable(near)));
            Some(format!("no cell has {key} = {}{near}", wanted.join(" or ")))
        });
        let cells = self.run.cells.iter().take(6).map(|cell| self.label(cell));
        let help = format!(
            "{}; the cells are {}",
            missing.unwrap_or("no cell has all of these".to_owned()),
            cells.collect::<Vec<_>>().join("; ")
        );
        Failure::Request(miette!(
            help = help,
            "{}:{}: the budget for {} matches no cell of {}",
            self.budgets.file.display(),
            budget.line,
            match budget.cells.0.is_empty() {
                true => "all cells".to_owned(),
                false => budget.cells.text(),
            },
            self.run.path.display()
        ))
    }
}

/// A budget that can't be judged, as a broken row.
fn unjudged(budget: &Budget, why: &Report) -> BudgetRow {
    BudgetRow {
        line: Some(budget.line),
        cell: if budget.cells.0.is_empty() { "all cells".to_owned() } else { budget.cells.text() },
        figure: budget.figures.first().map_or("lost", |figure| figure.name()),
        measured: "nothing".to_owned(),
        allowed: "a cell".to_owned(),
        used: None,
        numbers: None,
        outcome: Outcome::Broken,
        why: printable(&format!("the run is not whole: {why}")),
    }
}
