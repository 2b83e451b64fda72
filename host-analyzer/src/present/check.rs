//! A verdict on budgets as a table, as Markdown, as JSON, as JUnit, as GitHub's annotations.

use crate::ground::failure::Failure;
use crate::ground::text::counted;
use crate::ground::text::printable;
use crate::judge::check::{Outcome, Row, Verdict};
use crate::judge::statistics::Interval;
use crate::present::markdown::{Room, plain};
use crate::present::show::{Column, drawn};
use askama::Template;
use serde_json::{Value, json};

/// Version of what [`json()`] returns.
pub const SCHEMA: u32 = 1;

/// What stands where there is nothing to tell.
const NONE: &str = "–";

/// Text that is longer than this is cut in Markdown: names have no longest length.
const LONG: usize = 1000;

impl Row {
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
fn headline(verdict: &Verdict) -> String {
    let rows = verdict.rows.len();
    let all = counted(rows as u64, "budget");
    let [met, doubt, broken] =
        [Outcome::Met, Outcome::InDoubt, Outcome::Broken].map(|outcome| verdict.count(outcome));
    let closest = || {
        let rows = verdict.rows.iter().filter(|row| row.outcome == Outcome::Met);
        let used = |row: &&Row| row.used.unwrap_or(0.0);
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

/// The verdict as a table for people: the budgets that are not met, or all. Ends with a newline.
pub fn table(verdict: &Verdict, all: bool) -> String {
    let shown = |row: &&Row| all || row.outcome != Outcome::Met;
    let rows: Vec<&Row> = verdict.rows.iter().filter(shown).collect();
    let column = |header: &str, number: bool, text: &dyn Fn(&Row) -> String| Column {
        header: header.to_owned(),
        texts: rows.iter().map(|row| text(row)).collect(),
        number,
    };
    let columns = [
        column("line", true, &Row::line),
        column("cell", false, &|row| row.cell.clone()),
        column("figure", false, &|row| row.figure.to_owned()),
        column("measured", true, &|row| row.measured.clone()),
        column("allowed", true, &|row| row.allowed.clone()),
        column("used", true, &Row::used),
        column("verdict", false, &|row| row.outcome.name().replace('-', " ")),
    ];
    let mut text = String::new();
    if !rows.is_empty() {
        text += &format!("{}\n", drawn(&columns, rows.len()));
    }
    for row in verdict.rows.iter().filter(|row| row.outcome == Outcome::InDoubt) {
        text += &format!("in doubt: {}, {}: {}\n", row.cell, row.figure, row.why);
    }
    text += &format!("{} ({})\n", headline(verdict), verdict.file.display());
    for note in &verdict.notes {
        text += &format!("note: {note}\n");
    }
    for warning in &verdict.warnings {
        text += &format!("warning: {warning}\n");
    }
    text
}

/// The verdict as Markdown that fits a pull-request comment. Where it would be too long, it says what
/// is left out. Ends with a newline.
pub fn markdown(verdict: &Verdict) -> String {
    let head = format!("**{}**\n", plain(&headline(verdict), LONG));
    let (met, others): (Vec<&Row>, Vec<&Row>) =
        verdict.rows.iter().partition(|row| row.outcome == Outcome::Met);
    let folded = format!(
        "\n<details><summary>{} met</summary>\n\n{MARKDOWN_HEADER}",
        counted(met.len() as u64, "budget")
    );
    let end = "\n</details>\n";
    let around = [&head, MARKDOWN_HEADER, &folded, end, "\n\n\n"];
    let mut room = Room::beside(around.iter().map(|part| part.len()).sum());
    let table = |rows: &[&Row]| rows.iter().map(|row| markdown_row(row)).collect::<Vec<String>>();
    let budgets = |count| {
        let count = counted(count as u64, "more budget");
        format!("\n… and {count}: `cargo analyze check RUN --budgets FILE --all` shows them")
    };
    let mut text = head;
    if !others.is_empty() {
        text += &format!("\n{MARKDOWN_HEADER}{}", room.fill(&table(&others), 0.75, budgets));
    }
    let remarks = verdict.notes.iter().chain(&verdict.warnings);
    let remarks: Vec<String> = remarks.map(|remark| format!("- {}", plain(remark, LONG))).collect();
    let remarks = room.fill(&remarks, 0.5, |count| {
        let count = counted(count as u64, "more remark");
        format!("- … and {count}: `cargo analyze check RUN --budgets FILE` shows them")
    });
    if !met.is_empty() {
        text += &format!("{folded}{}{end}", room.fill(&table(&met), 1.0, budgets));
    }
    text + "\n" + &remarks + "\n"
}

const MARKDOWN_HEADER: &str =
    "| cell | figure | measured | allowed | used | verdict |\n|---|---|--:|--:|--:|---|\n";

fn markdown_row(row: &Row) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} |",
        plain(&row.cell, LONG),
        row.figure,
        plain(&row.measured, LONG),
        plain(&row.allowed, LONG),
        row.used(),
        row.outcome.name().replace('-', " ")
    )
}

/// The verdict as JSON: numbers in cycles, counts or ratios, as the budget is.
pub fn json(verdict: &Verdict) -> Value {
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
        "schema": SCHEMA,
        "headline": headline(verdict),
        "budgets": verdict.file.display().to_string(),
        "run": verdict.run.display().to_string(),
        "met": verdict.count(Outcome::Met),
        "in_doubt": verdict.count(Outcome::InDoubt),
        "broken": verdict.count(Outcome::Broken),
        "rows": rows.collect::<Vec<_>>(),
        "notes": verdict.notes,
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
    cases: &'a [Row],
}

/// The verdict as JUnit: a suite for the budgets' file, a case for each figure of each cell.
///
/// Fails with [`Failure::Internal`] where the template does.
pub fn junit(verdict: &Verdict) -> Result<String, Failure> {
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

/// When the run began, without the zone, as JUnit wants it; a bare capture does not tell.
fn timestamp(started: &str) -> &str {
    let time = started.get(..19).unwrap_or_default();
    let fits = time.bytes().zip("0000-00-00T00:00:00".bytes()).all(|(byte, like)| match like {
        b'0' => byte.is_ascii_digit(),
        like => byte == like,
    });
    if fits && time.len() == 19 { time } else { "1970-01-01T00:00:00" }
}

/// Every budget that is not met as a line for GitHub's log, which shows it at the budget's place.
pub fn annotations(verdict: &Verdict) -> String {
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
