//! A comparison as a page.

use super::figures::{Row, rows, table};
use super::words::{Side, headline, method, origin, remarks, warnings};
use crate::ground::failure::Failure;
use crate::ground::text::counted;
use crate::judge::compare::Comparison;
use crate::present::html::with_code;
use askama::Template;

/// The page; everything in it is escaped, by the template, by the table or by [`with_code`].
#[derive(Template)]
#[template(path = "compare.html")]
struct Page {
    headline: String,
    base: String,
    new: String,
    /// As HTML, as the remarks and warnings are; `None` where there is no such figure.
    changed: Option<String>,
    others: Option<String>,
    remarks: Vec<String>,
    warnings: Vec<String>,
    /// How many figures did not change, and how many warnings there are.
    unchanged: String,
    warned: String,
    method: String,
}

/// A comparison as one HTML file that needs no other.
///
/// Fails with [`Failure::Internal`] where the template does.
pub fn html(comparison: &Comparison<'_>) -> Result<String, Failure> {
    let rows = rows(comparison);
    let (changed, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.is_change());
    let figures = |rows: &[&Row], name: &str| {
        (!rows.is_empty()).then(|| table(comparison, rows, true).html(name, &[]))
    };
    let with_code = |texts: Vec<String>| texts.iter().map(|text| with_code(text)).collect();
    let warnings = warnings(comparison);
    let page = Page {
        headline: headline(comparison),
        base: origin(comparison, Side::Base),
        new: origin(comparison, Side::New),
        changed: figures(&changed, "Figures that moved"),
        others: figures(&others, "Figures without a change"),
        unchanged: counted(others.len() as u64, "figure"),
        warned: counted(warnings.len() as u64, "warning"),
        remarks: with_code(remarks(comparison)),
        warnings: with_code(warnings),
        method: method(comparison),
    };
    page.render()
        .map_err(|error| Failure::internal(&format!("the comparison can't be written: {error}")))
}
