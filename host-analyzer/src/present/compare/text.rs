//! A comparison for people: a table, and Markdown for a pull request.

use super::figures::{Row, rows, table as figures};
use super::words::{Side, are, headline, method, origin, remarks, warnings, warnings_by_run};
use crate::ground::text::counted;
use crate::judge::compare::{Comparison, MetricVerdict};
use crate::present::markdown::{Comment, LONG, list, plain};

/// A comparison as a table for people: the headline, the figures that are not the same (or all),
/// the remarks. Ends with a newline.
pub fn table(comparison: &Comparison<'_>, all: bool) -> String {
    let rows = rows(comparison);
    let shown: Vec<&Row> =
        rows.iter().filter(|row| all || row.verdict != Some(MetricVerdict::Same)).collect();
    let mut text = format!(
        "{}\n\nbase: {}\nnew:  {}\n",
        headline(comparison),
        origin(comparison, Side::Base),
        origin(comparison, Side::New)
    );
    if !shown.is_empty() {
        let mut table = figures(comparison, &shown, false);
        let left_out = rows.len() - shown.len();
        if left_out > 0 {
            let are = are(left_out);
            table.notes.push(format!("{left_out} more {are} the same; `--all` shows them"));
        }
        text += &format!("\n{}", table.terminal());
    }
    text += &format!("\n{}\n", method(comparison));
    for remark in remarks(comparison) {
        text += &format!("note: {remark}\n");
    }
    for (which, run, warnings) in warnings_by_run(comparison) {
        let count = counted(warnings.len() as u64, "warning");
        let path = run.path.display();
        text += &format!("note: {which} has {count}: `cargo analyze show {path}`\n");
    }
    text
}

/// A comparison as Markdown that fits a pull-request comment: the headline, what changed, and all
/// else folded. Where it would be too long, it says what is left out. Ends with a newline.
pub fn markdown(comparison: &Comparison<'_>) -> String {
    let rows = rows(comparison);
    let (changed, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.is_change());
    let more = |count: usize, noun: &str| counted(count as u64, &format!("more {noun}"));
    let more_rows = |count| {
        let more = more(count, "row");
        format!("\n… and {more}: `cargo analyze compare BASE NEW --all` shows them")
    };
    let end = "\n</details>\n";
    let mut comment = Comment::default();
    comment.text(format!("**{}**\n", plain(&headline(comparison), LONG)));
    let remarks = list(&remarks(comparison));
    if !remarks.is_empty() {
        comment.text("\n");
        comment.lines(remarks, 0.25, |count| format!("- … and {}", more(count, "note")));
    }
    if !changed.is_empty() {
        comment.text("\n");
        comment.table(figures(comparison, &changed, false).markdown(), 0.75, more_rows);
    }
    if !others.is_empty() {
        let count = counted(others.len() as u64, "figure");
        comment.text(format!("\n<details><summary>{count} without a change</summary>\n\n"));
        comment.table(figures(comparison, &others, false).markdown(), 0.75, more_rows);
        comment.text(end);
    }
    comment.text(format!(
        "\n<details><summary>How it was compared</summary>\n\nBase: {}  \nNew: {}\n\n{}\n\n",
        plain(&origin(comparison, Side::Base), LONG),
        plain(&origin(comparison, Side::New), LONG),
        method(comparison)
    ));
    comment.lines(list(&warnings(comparison)), 1.0, |count| {
        format!("- … and {}: `cargo analyze show RUN` shows them", more(count, "warning"))
    });
    comment.text(end);
    comment.finish()
}
