//! The figures of a comparison as a table.

use crate::ground::text::counted;
use crate::ground::unit::{Unit, readable};
use crate::judge::compare::{
    Cause, CellPair, Comparison, HostPair, MetricPair, MetricVerdict, Moved,
};
use crate::judge::statistics::Interval;
use crate::present::html::escaped;
use crate::present::table::{Kind, NONE, Table};
use crate::run::measure::Measure;
use crate::run::{HOST_KHZ, HostMeasure};

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

/// What the figures of a cell, or of boots, are called and measured by.
pub struct Whose<'a> {
    label: &'a str,
    /// True where a cycle is a difference.
    exact: bool,
    /// Frequency in kHz of the clock that the numbers are of; of an exact engine there are none but cycles.
    khz: Option<u64>,
}

impl<'a> Whose<'a> {
    /// Of a cell, by the clock of the base's machine.
    pub fn cell(cell: &'a CellPair<'_>) -> Whose<'a> {
        Whose { label: &cell.label, exact: cell.exact, khz: cell.base.tsc_khz() }
    }

    /// Of boots, by the host's clock.
    pub fn host(host: &'a HostPair<'_>) -> Whose<'a> {
        Whose { label: &host.label, exact: false, khz: HOST_KHZ }
    }

    /// A difference in words, with its sign.
    pub fn signed(&self, cycles: f64) -> String {
        let sign = if cycles < 0.0 { "−" } else { "+" };
        let size = cycles.abs();
        match self.exact {
            true if size.fract() == 0.0 => format!("{sign}{}", counted(size as u64, "cycle")),
            true => format!("{sign}{size:.3} cycles in the mean"),
            false => format!("{sign}{}", readable(Unit::Auto, size.round() as u64, self.khz)),
        }
    }

    /// The numbers of both runs in words.
    fn both(&self, base: f64, new: f64) -> (String, String) {
        let time = |cycles: f64| match self.exact {
            true => counted(cycles.round() as u64, "cycle"),
            false => readable(Unit::Auto, cycles.round() as u64, self.khz),
        };
        (time(base), time(new))
    }
}

impl Row {
    /// In words, the figure by this name; `reach` is the share of the base at the end of the page's axis.
    pub fn of<M>(whose: &Whose<'_>, name: &str, figure: &MetricPair<M>, reach: f64) -> Row {
        let place = |share: f64| ((share / reach).clamp(-1.0, 1.0) + 1.0) * 50.0;
        let ends = figure.interval.map_or((figure.difference, figure.difference), |interval| {
            (interval.low, interval.high)
        });
        let (base, new) = whose.both(figure.base, figure.new);
        Row {
            cell: whose.label.to_owned(),
            figure: name.to_owned(),
            base,
            new,
            change: match (figure.difference, figure.share()) {
                (0.0, _) => NONE.to_owned(),
                (difference, Some(share)) => {
                    format!("{} ({})", whose.signed(difference), percent(share))
                }
                (difference, None) => whose.signed(difference),
            },
            interval: figure.interval.map_or(NONE.to_owned(), |Interval { low, high }| {
                format!("{} to {}", whose.signed(low), whose.signed(high))
            }),
            effect: figure
                .effect
                .map_or(NONE.to_owned(), |effect| format!("{effect:+.2}").replace('-', "−")),
            verdict: Some(figure.verdict),
            aps: moved(whose, &figure.moved),
            place: (figure.base > 0.0).then(|| {
                let at = |cycles: f64| place(cycles / figure.base);
                (at(ends.0), at(ends.1), at(figure.difference))
            }),
        }
    }

    /// The parts of the critical path that make up the change of a cell's total.
    fn of_causes(cell: &CellPair<'_>) -> Vec<Row> {
        let whose = Whose::cell(cell);
        let row = |name: &str, causes: &[Cause]| {
            let sum = |of: fn(&Cause) -> f64| causes.iter().map(of).sum::<f64>();
            let (base, new) = whose.both(sum(|cause| cause.base), sum(|cause| cause.new));
            Row {
                cell: cell.label.clone(),
                figure: format!("path: {name}"),
                base,
                new,
                change: whose.signed(sum(Cause::difference)),
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
fn moved(whose: &Whose<'_>, moved: &[Moved]) -> String {
    let aps = moved.iter();
    let aps = aps.map(|ap| format!("{} {}", ap.cpu, whose.signed((ap.new - ap.base).round())));
    match moved.is_empty() {
        true => NONE.to_owned(),
        false => aps.collect::<Vec<_>>().join(", "),
    }
}

/// Every figure, in the order of the cells; below a total what made it change. Those on the host's clock come last.
pub fn rows(comparison: &Comparison<'_>) -> Vec<Row> {
    let of_cells = comparison.figures().filter_map(|(_, figure)| reach_of(figure));
    let hosts = || comparison.hosts.iter();
    let of_hosts = hosts().flat_map(|host| &host.figures).filter_map(reach_of);
    let shares = of_cells.chain(of_hosts);
    // A figure of a few cycles can double; the axis is for the others.
    let reach = shares.fold(0.01, f64::max).min(1.0);
    let rows = comparison.figures().flat_map(|(cell, figure)| {
        let causes = if figure.measure == Measure::Total { Row::of_causes(cell) } else { vec![] };
        let name = figure.measure.name();
        std::iter::once(Row::of(&Whose::cell(cell), name, figure, reach)).chain(causes)
    });
    let on_hosts = hosts().flat_map(|host| {
        let row = |figure: &MetricPair<HostMeasure>| {
            Row::of(&Whose::host(host), figure.measure.name(), figure, reach)
        };
        host.figures.iter().map(row)
    });
    rows.chain(on_hosts).collect()
}

/// How far a figure's change and its interval reach, as a share of the base.
fn reach_of<M>(figure: &MetricPair<M>) -> Option<f64> {
    let ends = figure.interval.map_or(0.0, |interval| interval.low.abs().max(interval.high.abs()));
    (figure.base > 0.0).then(|| figure.difference.abs().max(ends) / figure.base)
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
