//! The figures of a comparison as a table.

use crate::ground::text::counted;
use crate::ground::unit::{Unit, readable};
use crate::judge::compare::{Cause, CellPair, Comparison, MetricPair, MetricVerdict};
use crate::judge::statistics::Interval;
use crate::present::html::escaped;
use crate::present::table::{Kind, NONE, Table};
use crate::run::measure::Measure;

/// So many parts of a critical path have a row of their own; what is left is one more.
const PARTS: usize = 3;

/// A figure in words, or a part of the critical path below a total.
pub struct Row {
    /// The cell.
    pub cell: String,
    /// Which figure it is.
    pub figure: String,
    /// The number of the base.
    pub base: String,
    /// The number of the new run.
    pub new: String,
    /// The difference, and its share of the base.
    pub change: String,
    interval: String,
    effect: String,
    /// What it comes to; `None` for a part of a path.
    pub verdict: Option<MetricVerdict>,
    aps: String,
    /// Where the change lies on the page's axis, in percent of its width: from, to, and itself.
    place: Option<(f64, f64, f64)>,
}

/// A difference of cycles in words, with its sign.
pub fn signed(cell: &CellPair<'_>, cycles: f64) -> String {
    let sign = if cycles < 0.0 { "−" } else { "+" };
    let size = cycles.abs();
    match cell.exact {
        true if size.fract() == 0.0 => format!("{sign}{}", counted(size as u64, "cycle")),
        true => format!("{sign}{size:.3} cycles in the mean"),
        false => {
            format!("{sign}{}", readable(Unit::Auto, size.round() as u64, cell.new.tsc_khz()))
        }
    }
}

impl Row {
    /// In words; `reach` is the share of the base at the end of the page's axis.
    pub fn of(cell: &CellPair<'_>, figure: &MetricPair, reach: f64) -> Row {
        let place = |share: f64| ((share / reach).clamp(-1.0, 1.0) + 1.0) * 50.0;
        let ends = figure.interval.map_or((figure.difference, figure.difference), |interval| {
            (interval.low, interval.high)
        });
        let (base, new) = both(cell, figure.base, figure.new);
        Row {
            cell: cell.label.clone(),
            figure: figure.measure.name().to_owned(),
            base,
            new,
            change: match (figure.difference, figure.share()) {
                (0.0, _) => NONE.to_owned(),
                (difference, Some(share)) => {
                    format!("{} ({})", signed(cell, difference), percent(share))
                }
                (difference, None) => signed(cell, difference),
            },
            interval: figure.interval.map_or(NONE.to_owned(), |Interval { low, high }| {
                format!("{} to {}", signed(cell, low), signed(cell, high))
            }),
            effect: figure
                .effect
                .map_or(NONE.to_owned(), |effect| format!("{effect:+.2}").replace('-', "−")),
            verdict: Some(figure.verdict),
            aps: moved(cell, figure),
            place: (figure.base > 0.0).then(|| {
                let at = |cycles: f64| place(cycles / figure.base);
                (at(ends.0), at(ends.1), at(figure.difference))
            }),
        }
    }

    /// The parts of the critical path that make up the change of a cell's total.
    fn of_causes(cell: &CellPair<'_>) -> Vec<Row> {
        let row = |name: &str, causes: &[Cause]| {
            let sum = |of: fn(&Cause) -> f64| causes.iter().map(of).sum::<f64>();
            let (base, new) = both(cell, sum(|cause| cause.base), sum(|cause| cause.new));
            Row {
                cell: cell.label.clone(),
                figure: format!("path: {name}"),
                base,
                new,
                change: signed(cell, sum(Cause::difference)),
                interval: NONE.to_owned(),
                effect: NONE.to_owned(),
                verdict: None,
                aps: NONE.to_owned(),
                place: None,
            }
        };
        let (first, others) = match cell.causes.len() {
            few if few <= PARTS + 1 => (&cell.causes[..], None),
            _ => (&cell.causes[..PARTS], Some(&cell.causes[PARTS..])),
        };
        let rows = first.iter().map(|cause| row(cause.part.name(), std::slice::from_ref(cause)));
        rows.chain(others.map(|others| row("other parts", others))).collect()
    }

    /// True for what changed, and for what made it change.
    pub fn is_change(&self) -> bool {
        self.verdict.is_none_or(MetricVerdict::is_change)
    }

    /// Where the change lies, as a line and a dot.
    fn axis(&self) -> String {
        let Some((from, to, at)) = self.place else { return String::new() };
        format!(
            "<span class=\"axis {}\" aria-hidden=\"true\"><i style=\"left:{from:.1}%;width:{:.1}%\"></i>\
             <b style=\"left:{at:.1}%\"></b></span>",
            self.verdict.map_or("", MetricVerdict::name),
            to - from
        )
    }

    fn verdict_text(&self) -> String {
        self.verdict.map_or(NONE.to_owned(), MetricVerdict::text)
    }

    /// The verdict in its colour.
    fn coloured(&self) -> String {
        let Some(verdict) = self.verdict else { return NONE.to_owned() };
        let (name, text) = (verdict.name(), escaped(&verdict.text()));
        format!("<span class=\"{name}\">{text}</span>")
    }
}

/// The numbers of both runs in words, each by its own clock.
fn both(cell: &CellPair<'_>, base: f64, new: f64) -> (String, String) {
    let time = |cycles: f64, khz| match cell.exact {
        true => counted(cycles.round() as u64, "cycle"),
        false => readable(Unit::Auto, cycles.round() as u64, khz),
    };
    (time(base, cell.base.tsc_khz()), time(new, cell.new.tsc_khz()))
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

/// The APs that moved most: `CPU 3 +8000 cycles, CPU 7 +12 cycles`.
fn moved(cell: &CellPair<'_>, figure: &MetricPair) -> String {
    let aps = figure.moved.iter();
    let aps = aps.map(|ap| format!("{} {}", ap.cpu, signed(cell, (ap.new - ap.base).round())));
    match figure.moved.is_empty() {
        true => NONE.to_owned(),
        false => aps.collect::<Vec<_>>().join(", "),
    }
}

/// Every figure, in the order of the cells; below a total what made it change.
pub fn rows(comparison: &Comparison<'_>) -> Vec<Row> {
    let shares = comparison.figures().filter_map(|(_, figure)| {
        let ends =
            figure.interval.map_or(0.0, |interval| interval.low.abs().max(interval.high.abs()));
        (figure.base > 0.0).then(|| figure.difference.abs().max(ends) / figure.base)
    });
    // A figure of a few cycles can double; the axis is for the others.
    let reach = shares.fold(0.01, f64::max).min(1.0);
    let rows = comparison.figures().flat_map(|(cell, figure)| {
        let causes = if figure.measure == Measure::Total { Row::of_causes(cell) } else { vec![] };
        std::iter::once(Row::of(cell, figure, reach)).chain(causes)
    });
    rows.collect()
}

/// These figures as a table; a page also has a drawing of each, and colours.
pub fn table(comparison: &Comparison<'_>, rows: &[&Row], page: bool) -> Table {
    let rows = || rows.iter().copied();
    let mut table = Table::of(rows().count());
    table.words("cell", rows().map(|row| row.cell.clone()));
    table.words("figure", rows().map(|row| row.figure.clone()));
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
        table.words("verdict", rows().map(Row::verdict_text));
    }
    if rows().any(|row| row.aps != NONE) {
        table.words("APs that moved most", rows().map(|row| row.aps.clone()));
    }
    table
}
