//! A verdict on budgets as a table, as Markdown, as JSON, as JUnit, as GitHub's annotations.

use crate::ground::failure::Failure;
use crate::ground::text::counted;
use crate::ground::text::printable;
use crate::judge::check::{BudgetRow, BudgetVerdict, Outcome};
use crate::judge::origins::VIRTUAL_TIME;
use crate::judge::statistics::Interval;
use crate::present::markdown::{Comment, LONG, list, plain};
use crate::present::schema;
use crate::present::table::{NONE, Table};
use askama::Template;
use serde_json::{Value, json};

impl BudgetRow {
    /// How much of the budget is used, in percent.
    fn used(&self) -> String {
        self.used.map_or(NONE.to_owned(), |used| format!("{:.2} %", used * 100.0))
    }

    fn is_broken(&self) -> bool {
        self.outcome == Outcome::Broken
    }

    fn is_in_doubt(&self) -> bool {
        self.outcome == Outcome::InDoubt
    }

    fn line(&self) -> String {
        self.line.map_or(NONE.to_owned(), |line| line.to_string())
    }
}

/// What it comes to, in a sentence.
fn headline(verdict: &BudgetVerdict) -> String {
    let rows = verdict.rows.len();
    let all = counted(rows as u64, "budget");
    let [met, doubt, broken] =
        [Outcome::Met, Outcome::InDoubt, Outcome::Broken].map(|outcome| verdict.count(outcome));
    let closest = || {
        let rows = verdict.rows.iter().filter(|row| row.outcome == Outcome::Met);
        let used = |row: &&BudgetRow| row.used.unwrap_or(0.0);
        let row = rows.max_by(|one, other| used(one).total_cmp(&used(other)))?;
        row.used?;
        Some(format!("; the closest is {} of {} with {} of it", row.figure, row.cell, row.used()))
    };
    match (doubt, broken) {
        (0, 0) if rows == 1 => format!("{all} met{}.", closest().unwrap_or_default()),
        (0, 0) => format!("All {all} met{}.", closest().unwrap_or_default()),
        (0, broken) => format!("{broken} of {all} broken, {met} met."),
        (doubt, 0) => format!("{doubt} of {all} in doubt, {met} met."),
        (doubt, broken) => format!("{broken} of {all} broken, {doubt} in doubt, {met} met."),
    }
}

/// The notes, with what the numbers of exact engines are.
fn remarks(verdict: &BudgetVerdict) -> Vec<String> {
    let exact = verdict.exact.then(|| VIRTUAL_TIME.to_owned());
    verdict.notes.iter().cloned().chain(exact).collect()
}

/// These budgets as a table; on a terminal each has the line that it stands in.
fn budgets(rows: &[&BudgetRow], lines: bool) -> Table {
    let rows = || rows.iter().copied();
    let mut table = Table::of(rows().count());
    if lines {
        table.numbers("line", rows().map(BudgetRow::line));
    }
    table.words("cell", rows().map(|row| row.cell.clone()));
    table.words("figure", rows().map(|row| row.figure.to_owned()));
    table.columns_name_rows();
    table.numbers("measured", rows().map(|row| row.measured.clone()));
    table.numbers("allowed", rows().map(|row| row.allowed.clone()));
    table.numbers("used", rows().map(BudgetRow::used));
    table.words("verdict", rows().map(|row| row.outcome.name().replace('-', " ")));
    table
}

/// The verdict as a table for people: the budgets that are not met, or all. Ends with a newline.
pub fn table(verdict: &BudgetVerdict, all: bool) -> String {
    let shown = |row: &&BudgetRow| all || row.outcome != Outcome::Met;
    let rows: Vec<&BudgetRow> = verdict.rows.iter().filter(shown).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        text += &format!("{}\n", budgets(&rows, true).terminal());
    }
    for row in verdict.rows.iter().filter(|row| row.outcome == Outcome::InDoubt) {
        text += &format!("in doubt: {}, {}: {}\n", row.cell, row.figure, row.why);
    }
    text += &format!("{} ({})\n", headline(verdict), verdict.file.display());
    for note in remarks(verdict) {
        text += &format!("note: {note}\n");
    }
    for warning in &verdict.warnings {
        text += &format!("warning: {warning}\n");
    }
    text
}

/// The verdict as Markdown that fits a pull-request comment. Where it would be too long, it says what
/// is left out. Ends with a newline.
pub fn markdown(verdict: &BudgetVerdict) -> String {
    let (met, others): (Vec<&BudgetRow>, Vec<&BudgetRow>) =
        verdict.rows.iter().partition(|row| row.outcome == Outcome::Met);
    let more = |count: usize, noun: &str| counted(count as u64, &format!("more {noun}"));
    let more_budgets = |count| {
        let more = more(count, "budget");
        format!("\n… and {more}: `cargo analyze check RUN --budgets FILE --all` shows them")
    };
    let mut comment = Comment::default();
    comment.text(format!("**{}**\n", plain(&headline(verdict), LONG)));
    if !others.is_empty() {
        comment.text("\n");
        comment.table(budgets(&others, false).markdown(), 0.75, more_budgets);
    }
    if !met.is_empty() {
        let count = counted(met.len() as u64, "budget");
        comment.text(format!("\n<details><summary>{count} met</summary>\n\n"));
        comment.table(budgets(&met, false).markdown(), 0.5, more_budgets);
        comment.text("\n</details>\n");
    }
    comment.text("\n");
    comment.lines(list(remarks(verdict).iter().chain(&verdict.warnings)), 1.0, |count| {
        let more = more(count, "remark");
        format!("- … and {more}: `cargo analyze check RUN --budgets FILE` shows them")
    });
    comment.text("\n");
    comment.finish()
}

/// The verdict as JSON: numbers in cycles, counts or ratios, as the budget is.
pub fn json(verdict: &BudgetVerdict) -> Value {
    let rows = verdict.rows.iter().map(|row| {
        let (measured, interval, most) = match row.numbers {
            Some((measured, interval, most)) => (Some(measured), interval, Some(most)),
            None => (None, None, None),
        };
        json!({
            "line": row.line,
            "cell": row.cell,
            "figure": row.figure,
            "measured": measured,
            "interval": interval.map(|Interval { low, high }| [low, high]),
            "most": most,
            "used": row.used,
            "verdict": row.outcome.name(),
            "why": row.why,
        })
    });
    json!({
        "schema": schema::CHECK,
        "headline": headline(verdict),
        "budgets": verdict.file.display().to_string(),
        "run": verdict.run.display().to_string(),
        "met": verdict.count(Outcome::Met),
        "in_doubt": verdict.count(Outcome::InDoubt),
        "broken": verdict.count(Outcome::Broken),
        "rows": rows.collect::<Vec<_>>(),
        "notes": remarks(verdict),
        "warnings": verdict.warnings,
    })
}

/// JUnit as Ant and Jenkins define it. The times are 0: what was measured is virtual time, and a
/// dashboard would add it up as if the tests had taken it.
#[derive(Template)]
#[template(path = "junit.xml")]
struct Junit<'a> {
    name: String,
    run: String,
    timestamp: &'a str,
    failures: usize,
    cases: &'a [BudgetRow],
}

/// The verdict as JUnit: a suite for the budgets' file, a case for each figure of each cell.
///
/// Fails with [`Failure::Internal`] where the template does.
pub fn junit(verdict: &BudgetVerdict) -> Result<String, Failure> {
    let report = Junit {
        name: printable(&verdict.file.display().to_string()),
        run: printable(&verdict.run.display().to_string()),
        timestamp: timestamp(&verdict.started),
        failures: verdict.count(Outcome::Broken),
        cases: &verdict.rows,
    };
    report
        .render()
        .map_err(|error| Failure::internal(&format!("the JUnit report can't be written: {error}")))
}

/// When the run began, without the zone, as JUnit wants it; a bare capture has no time.
fn timestamp(started: &str) -> &str {
    let time = started.get(..19).unwrap_or_default();
    let fits = time.bytes().zip("0000-00-00T00:00:00".bytes()).all(|(byte, like)| match like {
        b'0' => byte.is_ascii_digit(),
        like => byte == like,
    });
    if fits && time.len() == 19 { time } else { "1970-01-01T00:00:00" }
}

/// Every budget that is not met as a line for GitHub's log, which shows it at the budget's place.
pub fn annotations(verdict: &BudgetVerdict) -> String {
    let mut text = String::new();
    for row in verdict.rows.iter().filter(|row| row.outcome != Outcome::Met) {
        let kind = if row.outcome == Outcome::Broken { "error" } else { "warning" };
        let line = row.line.map_or(String::new(), |line| format!(",line={line}"));
        text += &format!(
            "::{kind} file={}{line},title={}::{}\n",
            property(&verdict.file.display().to_string()),
            property(&format!("{} of {}", row.figure, row.cell)),
            message(&format!("{}: {}: {}", row.cell, row.figure, row.why)),
        );
    }
    text
}

/// A message of an annotation: a line break would begin another command.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of an annotation, which also ends at a colon or a comma.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
