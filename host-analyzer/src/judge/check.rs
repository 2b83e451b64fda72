//! A run against its budgets: each figure met, broken, or in doubt.
//!
//! On exact engines the numbers are compared as they are. On noisy ones a budget is broken only
//! where the whole interval of the figure lies beyond it, and in doubt where it lies on both sides.

pub mod baseline;
pub mod budgets;

use crate::ground::failure::Failure;
use crate::ground::text::counted;
use crate::ground::text::printable;
use crate::ground::unit::{Unit, readable};
use crate::judge::compare::identity;
use crate::judge::pairing::{Pairing, differences};
use crate::judge::statistics::{BOOTS_FOR_INTERVAL, Interval, resampled};
use crate::run::measure::Measure;
use crate::run::{Cell, Gap, Part, Run};
use bringup::options::{Kind, kind_of};
use budgets::{Budget, Budgets, Figure, Limit, Picked, keys, meant, value};
use miette::{Report, miette};
use std::path::PathBuf;

/// What a run's budgets come to.
#[derive(Debug)]
pub struct Verdict {
    /// The budgets' file.
    pub file: PathBuf,
    /// The run.
    pub run: PathBuf,
    /// When the run began, as its manifest tells it; empty for a bare capture.
    pub started: String,
    /// Every figure of every cell that a budget is for, in the order of the file; then what no
    /// budget allows: lost APs, and what the run lacks.
    pub rows: Vec<Row>,
    /// What the reader must know of the baselines, one sentence each.
    pub notes: Vec<String>,
    /// The run's own warnings.
    pub warnings: Vec<String>,
    /// How the run can be made the baseline, where a budget is broken that has one.
    accept: Option<&'static str>,
}

/// A figure of a cell and its budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The budget's line; `None` where no budget was needed.
    pub line: Option<usize>,
    /// The cell, or the boot.
    pub cell: String,
    /// The figure.
    pub figure: &'static str,
    /// What was measured, in words.
    pub measured: String,
    /// What is allowed, in words.
    pub allowed: String,
    /// Measured over allowed; `None` where there is no such number.
    pub used: Option<f64>,
    /// The numbers: measured, its interval, and the most that is allowed. Cycles, a count, or a
    /// ratio, as the budget is.
    pub numbers: Option<(f64, Option<Interval>, f64)>,
    /// What it comes to.
    pub outcome: Outcome,
    /// Why, where it is not met.
    pub why: String,
}

/// What a budget comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is kept.
    Met,
    /// Of a noisy engine: it may be broken, and it may be kept.
    InDoubt,
    /// It is broken.
    Broken,
}

impl Outcome {
    /// The word for it, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Met => "met",
            Outcome::InDoubt => "in-doubt",
            Outcome::Broken => "broken",
        }
    }
}

/// Judges a run.
///
/// Fails with [`Failure::Request`] where a budget matches no cell of a whole run, or a cell that it is
/// measured against is not there; see [`baseline::open`] too. Of a run that is not whole that budget is
/// broken.
pub fn check(run: &Run, budgets: &Budgets) -> Result<Verdict, Failure> {
    let mut judge = Judge {
        run,
        budgets,
        varying: run.varying_options(),
        baselines: Vec::new(),
        rows: Vec::new(),
        notes: Vec::new(),
    };
    for budget in &budgets.budgets {
        if let Some(Limit::Baseline { run, .. }) = &budget.limit {
            judge.baseline(run)?;
        }
        match judge.budget(budget) {
            // The cell that it needs may be just what the run lacks.
            Err(Failure::Request(report)) if !run.gaps.is_empty() => {
                judge.rows.push(unjudged(budget, &report));
            }
            judged => judged?,
        }
    }
    judge.lost();
    judge.gaps();
    let Judge { rows, notes, .. } = judge;
    let accept = accept(run, budgets, &rows);
    let warnings = run.warnings();
    let started = run.manifest.as_ref().map_or(String::new(), |manifest| manifest.started.clone());
    Ok(Verdict {
        file: budgets.file.clone(),
        run: run.path.clone(),
        started,
        rows,
        notes,
        warnings,
        accept,
    })
}

/// Something that the run lacks for another reason than an error that the kernel reported: a capture
/// is cut or can't be read, boots are missing. It says nothing against the kernel.
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

/// The options of `check` that make the run the baseline: where a budget is broken that has one, and
/// the run can be one.
fn accept(run: &Run, budgets: &Budgets, rows: &[Row]) -> Option<&'static str> {
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

impl Verdict {
    /// How many rows came to this.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.rows.iter().filter(|row| row.outcome == outcome).count()
    }

    /// `Ok` if no budget is broken, else the [`Failure::Verdict`] that a command ends with.
    pub fn result(&self) -> Result<(), Failure> {
        match self.count(Outcome::Broken) {
            0 => Ok(()),
            broken => {
                let what = format!(
                    "{broken} of {} {} broken",
                    counted(self.rows.len() as u64, "budget"),
                    if broken == 1 { "is" } else { "are" }
                );
                Err(Failure::Verdict(match self.accept {
                    None => miette!("{what}"),
                    Some(options) => miette!(
                        help = format!(
                            "where the change is meant, `{options}` makes the run the new baseline"
                        ),
                        "{what}"
                    ),
                }))
            }
        }
    }
}

/// A baseline that was opened.
struct Baseline {
    named: String,
    run: Run,
    /// For each cell of the run that is judged, the same cell of the baseline: indices of both.
    partners: Vec<(usize, usize)>,
    /// Cells that the baseline alone has.
    alone: Vec<usize>,
}

struct Judge<'a> {
    run: &'a Run,
    budgets: &'a Budgets,
    varying: Vec<&'static str>,
    baselines: Vec<Baseline>,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl<'a> Judge<'a> {
    fn budget(&mut self, budget: &Budget) -> Result<(), Failure> {
        let run = self.run;
        // A machine of one CPU has no bring-up, and a count can't grow from itself.
        let least = match budget.limit {
            Some(Limit::Growth { from_smp, .. }) => from_smp,
            _ => 1,
        };
        let cells: Vec<&'a Cell> =
            run.cells.iter().filter(|cell| cell.smp > least && budget.cells.holds(cell)).collect();
        if cells.is_empty() {
            return Err(self.no_cell(budget));
        }
        self.all_there(budget)?;
        for cell in cells {
            for figure in &budget.figures {
                let row = self.row(budget, cell, *figure)?;
                self.rows.push(row);
            }
        }
        Ok(())
    }

    fn row(&mut self, budget: &Budget, cell: &Cell, figure: Figure) -> Result<Row, Failure> {
        let judged = match &budget.limit {
            Some(limit) => self.judged(budget, cell, figure, limit)?,
            None => None,
        };
        let label = self.label(cell);
        Ok(match judged {
            Some(judged) => judged.row(Some(budget.line), label, figure.name(), cell),
            None => Row {
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

    /// A figure and its limit; `None` where a cell has no trial to take it of.
    fn judged(
        &mut self,
        budget: &Budget,
        cell: &Cell,
        figure: Figure,
        limit: &Limit,
    ) -> Result<Option<Judged>, Failure> {
        let measure = match (figure, limit) {
            (Figure::Time(measure), _) => measure,
            (Figure::Lost, Limit::Count(most)) => {
                return Ok(Some(Judged::lost(cell, *most)));
            }
            (Figure::Overruns, Limit::Count(most)) => {
                return Ok(Some(Judged::count(cell.overrun_count(), *most)));
            }
            _ => return Ok(None),
        };
        let khz = cell.tsc_khz().filter(|khz| *khz > 0);
        let absolute = |most: f64| {
            Some(Judged {
                measured: cell.sample(measure).median()?,
                interval: cell.interval(measure),
                most,
                exact: cell.exact == Some(true),
                told: shown(cell, cell.sample(measure).median()?, khz),
                allowed: shown(cell, most, khz),
            })
        };
        match limit {
            // The file was checked: a count is not of a time.
            Limit::Count(_) => Ok(None),
            Limit::Cycles(most) => Ok(absolute(*most)),
            Limit::Us(most) => {
                let khz = khz.ok_or_else(|| {
                    self.wrong(
                        budget,
                        "cannot judge `max-us`: the clock's frequency is unknown",
                        "use `max-cycles`",
                    )
                })?;
                Ok(absolute(most * khz as f64 / 1e3))
            }
            Limit::RatioTo { other, ratio } => {
                let other = self.other(budget, cell, other)?;
                Ok(relative(cell, other, measure, *ratio, &self.label(other)))
            }
            Limit::Growth { from_smp, ratio } => {
                let fewer = Picked(vec![("smp".to_owned(), vec![from_smp.to_string()])]);
                let fewer = self.other(budget, cell, &fewer)?;
                Ok(relative(cell, fewer, measure, *ratio, &self.label(fewer)))
            }
            Limit::Baseline { run, tolerance } => {
                let index = self.baseline(run)?;
                let base = self.partner(budget, cell, &self.baselines[index])?;
                Ok(against(cell, base, measure, *tolerance))
            }
        }
    }

    /// The baseline of that name, opened once; the first time it notes what is unequal.
    fn baseline(&mut self, named: &str) -> Result<usize, Failure> {
        if let Some(index) = self.baselines.iter().position(|known| known.named == named) {
            return Ok(index);
        }
        let run = baseline::open(named, &self.budgets.file)?;
        let pairs = Pairing::of(&run, self.run, None).pairs;
        let exact: Vec<(&Cell, &Cell)> =
            pairs.iter().copied().filter(|(_, new)| new.exact == Some(true)).collect();
        let what = identity::unequal_of(&run, self.run, &exact);
        if !exact.is_empty() && !what.is_empty() {
            self.notes.push(format!(
                "{named}: the {} differ from the baseline's; the numbers are exact, of different \
                 programs",
                identity::list(&what)
            ));
        }
        for (base, new) in &pairs {
            let options = differences(base, new);
            if !options.is_empty() {
                let options =
                    options.iter().map(|(key, base, new)| format!("{key} {base} → {new}"));
                let options = options.collect::<Vec<_>>().join(", ");
                self.notes.push(format!("{named}: {}: {options}", self.label(new)));
            }
        }
        let partners = pairs.iter().filter_map(|(base, new)| {
            Some((index_of(&self.run.cells, new)?, index_of(&run.cells, base)?))
        });
        let partners: Vec<(usize, usize)> = partners.collect();
        let alone = (0..run.cells.len())
            .filter(|index| partners.iter().all(|(_, base)| base != index))
            .collect();
        self.baselines.push(Baseline { named: named.to_owned(), run, partners, alone });
        Ok(self.baselines.len() - 1)
    }

    /// The same cell of a baseline.
    fn partner<'b>(
        &self,
        budget: &Budget,
        cell: &Cell,
        baseline: &'b Baseline,
    ) -> Result<&'b Cell, Failure> {
        let Baseline { named, run, partners, .. } = baseline;
        let index = index_of(&self.run.cells, cell);
        let found = partners.iter().find(|(new, _)| Some(*new) == index);
        found.map(|(_, base)| &run.cells[*base]).ok_or_else(|| {
            let what = format!("the baseline {named} has no cell {}", self.label(cell));
            self.wrong(budget, &what, "`--accept` makes this run the baseline")
        })
    }

    /// A cell that the baseline has, and the run lacks, would pass unseen.
    fn all_there(&mut self, budget: &Budget) -> Result<(), Failure> {
        let Some(Limit::Baseline { run, .. }) = &budget.limit else { return Ok(()) };
        let index = self.baseline(run)?;
        let Baseline { named, run, alone, .. } = &self.baselines[index];
        let mut alone = alone.iter().map(|index| &run.cells[*index]);
        match alone.find(|cell| cell.smp > 1 && budget.cells.holds(cell)) {
            None => Ok(()),
            Some(cell) => {
                let label = cell.label(&run.varying_options());
                let what = format!("the run lacks the cell {label} of {named}");
                let help = "run all of the scenario, or make this run the baseline: `--accept`";
                Err(self.wrong(budget, &what, help))
            }
        }
    }

    /// The cell that differs from another only in what is picked (and in `repetitions`); where there
    /// is none, it may also differ in what steps cost: a step of one of the two was made dearer.
    fn other(&self, budget: &Budget, cell: &Cell, picked: &Picked) -> Result<&'a Cell, Failure> {
        let find = |costs_free: bool| {
            let free = |key: &str| {
                let kind = kind_of(key);
                let of_machine = costs_free && kind.is_some_and(Kind::is_of_machine);
                of_machine || kind == Some(Kind::Repetition) || picked.names(key)
            };
            self.run.cells.iter().find(|other| {
                picked.holds(other)
                    && keys()
                        .filter(|key| !free(key))
                        .all(|key| value(cell, key) == value(other, key))
            })
        };
        find(false).or_else(|| find(true)).ok_or_else(|| {
            let what = format!("there is no cell like {} with {}", self.label(cell), picked.text());
            self.wrong(budget, &what, "name every option in which the other cell differs")
        })
    }

    /// Every AP must come online, but for those that budgets allow to be lost.
    fn lost(&mut self) {
        for cell in &self.run.cells {
            let allowing = self.budgets.budgets.iter().filter(|budget| budget.cells.holds(cell));
            let allowed = allowing.filter_map(|budget| Some((budget.max_lost?, budget.line))).max();
            // A budget for the figure `lost` judges by itself.
            let judged =
                self.rows.iter().any(|row| row.figure == "lost" && row.cell == self.label(cell));
            if judged || (allowed.is_none() && cell.lost_in_all_trials() == 0) {
                continue;
            }
            let most = allowed.map_or(0, |(most, _)| most);
            let judged = Judged::lost(cell, most);
            let line = allowed.map(|(_, line)| line);
            self.rows.push(judged.row(line, self.label(cell), "lost", cell));
        }
    }

    /// What the run lacks was not measured, so nobody can say that it keeps its budgets.
    fn gaps(&mut self) {
        for gap in &self.run.gaps {
            self.rows.push(Row {
                line: None,
                cell: self.run.name(gap.part, &self.varying),
                figure: gap.part.name(),
                measured: "incomplete".to_owned(),
                allowed: "complete".to_owned(),
                used: None,
                numbers: None,
                outcome: Outcome::Broken,
                why: printable(&gap.what),
            });
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
            let near = meant(&wanted.join(" "), has.iter().map(String::as_str));
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

/// A budget that can't be judged, as a row that is not met.
fn unjudged(budget: &Budget, why: &Report) -> Row {
    Row {
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

fn index_of(cells: &[Cell], wanted: &Cell) -> Option<usize> {
    cells.iter().position(|cell| std::ptr::eq(cell, wanted))
}

/// A number and the most that it may be.
struct Judged {
    measured: f64,
    interval: Option<Interval>,
    most: f64,
    /// True where the number has no noise.
    exact: bool,
    told: String,
    allowed: String,
}

/// A time as a multiple of another cell's.
fn relative(
    cell: &Cell,
    other: &Cell,
    measure: Measure,
    ratio: f64,
    label: &str,
) -> Option<Judged> {
    let (one, base) = (cell.sample(measure), other.sample(measure));
    let times = |one: f64, base: f64| {
        if base > 0.0 {
            one / base
        } else if one > 0.0 {
            f64::INFINITY
        } else {
            1.0
        }
    };
    let measured = times(one.median()?, base.median()?);
    let exact = cell.exact == Some(true) && other.exact == Some(true);
    let interval = || resampled([&one, &base], |[one, base]| times(one, base));
    Some(Judged {
        measured,
        interval: if exact { None } else { interval() },
        most: ratio,
        exact,
        told: format!("{measured:.4} of {label}"),
        allowed: format!("{ratio} of it"),
    })
}

/// A time against the same of a baseline, in cycles.
fn against(cell: &Cell, base: &Cell, measure: Measure, tolerance: f64) -> Option<Judged> {
    let (one, other) = (cell.sample(measure), base.sample(measure));
    let (measured, was) = (one.median()?, other.median()?);
    let exact = cell.exact == Some(true) && base.exact == Some(true);
    // The baseline scatters too: the interval is of what is measured if the baseline were as told.
    let interval = || resampled([&one, &other], |[one, other]| one - other + was);
    let more = match tolerance {
        0.0 => String::new(),
        tolerance => format!(" + {} %", tolerance * 100.0),
    };
    let khz = cell.tsc_khz();
    Some(Judged {
        measured,
        interval: if exact { None } else { interval() },
        most: was * (1.0 + tolerance),
        exact,
        told: shown(cell, measured, khz),
        allowed: format!("{}{more}", shown(base, was, base.tsc_khz())),
    })
}

/// A time: of an exact engine to the cycle.
fn shown(cell: &Cell, cycles: f64, khz: Option<u64>) -> String {
    let rounded = cycles.round() as u64;
    match cell.exact {
        Some(true) => format!("{rounded} cycles (about {})", readable(Unit::Auto, rounded, khz)),
        _ => readable(Unit::Auto, rounded, khz),
    }
}

impl Judged {
    fn count(measured: u64, most: u64) -> Judged {
        Judged {
            measured: measured as f64,
            interval: None,
            most: most as f64,
            exact: true,
            told: measured.to_string(),
            allowed: most.to_string(),
        }
    }

    /// Of all trials: an AP that only the cold one loses is lost too.
    fn lost(cell: &Cell, most: u64) -> Judged {
        let all = cell.lost_in_all_trials();
        let judged = Judged::count(all, most);
        match all - cell.lost() {
            0 => judged,
            apart => Judged {
                told: format!("{all}, {apart} of them in cold or incomplete trials"),
                ..judged
            },
        }
    }

    fn outcome(&self) -> Outcome {
        match self.interval {
            _ if self.exact && self.measured <= self.most => Outcome::Met,
            _ if self.exact => Outcome::Broken,
            Some(Interval { low, .. }) if low > self.most => Outcome::Broken,
            Some(Interval { high, .. }) if high <= self.most => Outcome::Met,
            _ => Outcome::InDoubt,
        }
    }

    fn row(self, line: Option<usize>, cell: String, figure: &'static str, of: &Cell) -> Row {
        let outcome = self.outcome();
        let Judged { measured, interval, most, told, allowed, .. } = self;
        let used = (most > 0.0).then(|| measured / most);
        let beyond =
            used.map_or(String::new(), |used| format!(", {:.2} % beyond", (used - 1.0) * 100.0));
        let why = match (outcome, interval) {
            (Outcome::Met, _) => String::new(),
            (Outcome::Broken, Some(_)) => {
                format!("{told}, allowed {allowed}: with 95 % it is beyond")
            }
            (Outcome::Broken, None) => format!("{told}, allowed {allowed}{beyond}"),
            (Outcome::InDoubt, Some(_)) => {
                format!("{told}, allowed {allowed}: the interval lies on both sides")
            }
            (Outcome::InDoubt, None) => format!(
                "{told}, allowed {allowed}: a noisy engine needs {BOOTS_FOR_INTERVAL} boots or more to tell, these are {}",
                of.sample(Measure::Total).boots()
            ),
        };
        Row {
            line,
            cell,
            figure,
            measured: told,
            allowed,
            used,
            numbers: Some((measured, interval, most)),
            outcome,
            why,
        }
    }
}
