//! The figures of a comparison as a table.

use crate::ground::unit::{Unit, readable};
use crate::judge::compare::{CellPair, Comparison, MetricPair, MetricVerdict};
use crate::judge::statistics::Interval;
use crate::present::html::escaped;
use crate::present::table::{Kind, NONE, Table};
use crate::run::measure::Measure;

/// A figure in words.
pub struct Row {
    /// The cell.
    pub cell: String,
    measure: Measure,
    /// The median of the base.
    pub base: String,
    /// The median of the new run.
    pub new: String,
    /// The difference, and its share of the base.
    pub change: String,
    interval: String,
    effect: String,
    /// What it comes to.
    pub verdict: MetricVerdict,
    aps: String,
    /// Where the change lies on the page's axis, in percent of its width: from, to, and itself.
    place: Option<(f64, f64, f64)>,
}

impl Row {
    /// In words; `reach` is the share of the base at the end of the page's axis.
    pub fn of(cell: &CellPair<'_>, figure: &MetricPair, reach: f64) -> Row {
        let time = |cycles: f64, khz| match cell.exact {
            true => format!("{} cycles", cycles.round()),
            false => readable(Unit::Auto, cycles.round() as u64, khz),
        };
        let (base_khz, khz) = (cell.base.tsc_khz(), cell.new.tsc_khz());
        let signed = |cycles: f64| {
            let sign = if cycles < 0.0 { "−" } else { "+" };
            let size = cycles.abs();
            match cell.exact {
                true if size.fract() == 0.0 => format!("{sign}{size} cycles"),
                true => format!("{sign}{size:.3} cycles in the mean"),
                false => format!("{sign}{}", readable(Unit::Auto, size.round() as u64, khz)),
            }
        };
        let place = |share: f64| ((share / reach).clamp(-1.0, 1.0) + 1.0) * 50.0;
        let ends = figure.interval.map_or((figure.difference, figure.difference), |interval| {
            (interval.low, interval.high)
        });
        Row {
            cell: cell.label.clone(),
            measure: figure.measure,
            base: time(figure.base, base_khz),
            new: time(figure.new, khz),
            change: match (figure.difference, figure.share()) {
                (0.0, _) => NONE.to_owned(),
                (difference, Some(share)) => format!("{} ({})", signed(difference), percent(share)),
                (difference, None) => signed(difference),
            },
            interval: figure.interval.map_or(NONE.to_owned(), |Interval { low, high }| {
                format!("{} to {}", signed(low), signed(high))
            }),
            effect: figure.effect.map_or(NONE.to_owned(), |effect| format!("{effect:+.2}")),
            verdict: figure.verdict,
            aps: moved(figure),
            place: (figure.base > 0.0).then(|| {
                let at = |cycles: f64| place(cycles / figure.base);
                (at(ends.0), at(ends.1), at(figure.difference))
            }),
        }
    }

    /// Which figure it is.
    pub fn figure(&self) -> &'static str {
        self.measure.name()
    }

    /// Where the change lies, as a line and a dot.
    fn axis(&self) -> String {
        let Some((from, to, at)) = self.place else { return String::new() };
        format!(
            "<span class=\"axis {}\" aria-hidden=\"true\"><i style=\"left:{from:.1}%;width:{:.1}%\"></i>\
             <b style=\"left:{at:.1}%\"></b></span>",
            self.verdict.name(),
            to - from
        )
    }

    /// The verdict in its colour.
    fn coloured(&self) -> String {
        let (name, text) = (self.verdict.name(), escaped(&self.verdict.text()));
        format!("<span class=\"{name}\">{text}</span>")
    }
}

/// A share in percent, with a sign and as many digits as it needs to be seen.
fn percent(share: f64) -> String {
    let sign = if share < 0.0 { "−" } else { "+" };
    match share.abs() * 100.0 {
        percent @ 10.0.. => format!("{sign}{percent:.1} %"),
        percent @ 0.01.. => format!("{sign}{percent:.2} %"),
        percent => format!("{sign}{percent:.5} %"),
    }
}

/// The APs that moved most: `CPU 3 +8000, CPU 7 +12`, in cycles.
fn moved(figure: &MetricPair) -> String {
    let aps = figure.moved.iter().map(|ap| format!("{} {:+.0}", ap.cpu, ap.new - ap.base));
    match figure.moved.is_empty() {
        true => NONE.to_owned(),
        false => aps.collect::<Vec<_>>().join(", "),
    }
}

/// Every figure, in the order of the cells.
pub fn rows(comparison: &Comparison<'_>) -> Vec<Row> {
    let shares = comparison.figures().filter_map(|(_, figure)| {
        let ends =
            figure.interval.map_or(0.0, |interval| interval.low.abs().max(interval.high.abs()));
        (figure.base > 0.0).then(|| figure.difference.abs().max(ends) / figure.base)
    });
    // A figure of a few cycles can double; the axis is for the others.
    let reach = shares.fold(0.01, f64::max).min(1.0);
    comparison.figures().map(|(cell, figure)| Row::of(cell, figure, reach)).collect()
}

/// These figures as a table; a page also has a drawing of each, and colours.
pub fn table(comparison: &Comparison<'_>, rows: &[&Row], page: bool) -> Table {
    let rows = || rows.iter().copied();
    let mut table = Table::of(rows().count());
    table.words("cell", rows().map(|row| row.cell.clone()));
    table.words("figure", rows().map(|row| row.figure().to_owned()));
    table.numbers("base", rows().map(|row| row.base.clone()));
    table.numbers("new", rows().map(|row| row.new.clone()));
    table.numbers("change", rows().map(|row| row.change.clone()));
    if page {
        table.column("faster | slower", Kind::Markup, rows().map(Row::axis));
    }
    if comparison.family > 0 {
        table.numbers("95 % interval", rows().map(|row| row.interval.clone()));
        table.numbers("effect", rows().map(|row| row.effect.clone()));
    }
    if page {
        table.column("verdict", Kind::Markup, rows().map(Row::coloured));
    } else {
        table.words("verdict", rows().map(|row| row.verdict.text()));
    }
    if rows().any(|row| row.aps != NONE) {
        table.words("APs that moved most, in cycles", rows().map(|row| row.aps.clone()));
    }
    table
}
