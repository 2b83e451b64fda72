//! Drawings, as SVG and PNG. The one file that knows the plotting library.

use super::palette::{self, DOTS, GRID, INK, PAPER, PIECES, pieces};
use kuva::backend::raster::RasterBackend;
use kuva::backend::svg::SvgBackend;
use kuva::plot::legend::{LegendEntry, LegendPosition, LegendShape};
use kuva::plot::line::LineStyle;
use kuva::plot::scatter::MarkerShape;
use kuva::plot::{BandPlot, BarPlot, LinePlot, ScatterPlot};
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::render_multiple;
use kuva::render::theme::Theme;
use std::sync::Arc;

const FONT: &str = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
const WIDTH: f64 = 860.0;
/// What axis, labels and legend take of a picture's height.
const AROUND: f64 = 156.0;

/// More rows than this are drawn thin.
const MANY_ROWS: usize = 64;

/// What the plotting library makes of plots.
pub struct Drawing {
    /// As SVG.
    pub svg: String,
    /// As PNG.
    pub png: Vec<u8>,
}

/// One bar: its label, the share of each piece, and how long that is.
pub struct Bar {
    /// What stands beside it.
    pub label: String,
    /// In the order of [`pieces`], in percent.
    pub shares: [f64; PIECES],
    /// The same in words.
    pub lengths: [String; PIECES],
}

/// One row of a timeline: the AP's label, when it begins and how long each phase takes, in the
/// axis's unit, as far as it came.
pub struct Row {
    /// What stands beside it.
    pub label: String,
    /// `init`, then the lengths of the [`pieces`]; `None` for an AP that was not kicked.
    pub span: Option<(f64, [f64; PIECES])>,
    /// Of a lost AP the moment of its last stamp, and how it ended.
    pub end: Option<(f64, String)>,
}

/// One line: its label, and its points by CPU count.
pub struct Line {
    /// What the legend says.
    pub label: String,
    /// Its colour.
    pub colour: &'static str,
    /// Its dashes and marks; without marks, it is a bound.
    pub style: Option<palette::LineStyle>,
    /// CPU count, and time in the axis's unit.
    pub points: Vec<(f64, f64)>,
    /// The confidence interval of each point; empty where one has none.
    pub band: Vec<(f64, f64)>,
}

/// Stacked bars, the first at the top.
pub fn phase_bars(bars: &[Bar]) -> Drawing {
    let mut plot = bar_plot(0.72);
    let mut tips = Vec::new();
    for Bar { label, shares, lengths } in bars.iter().rev() {
        plot = plot.with_group(label, stacked(shares));
        let of = |((name, ..), length): ((&str, &str, Option<&str>), &String)| {
            format!("{label}: {name} {length}")
        };
        tips.extend(pieces().into_iter().zip(lengths).map(of));
    }
    let labels = bars.iter().rev().map(|bar| bar.label.clone()).collect();
    let axis = "share of the mean AP's time [%]";
    draw_rows(plot.with_tooltip_labels(tips), None, labels, (axis, Some(100.0)), 24.0)
}

/// One row for each AP, the first at the top.
pub fn timeline(rows: &[&Row], unit: &str) -> Drawing {
    let mut plot = bar_plot(0.8);
    let mut tips = Vec::new();
    let (mut ends, mut ends_tips) = (Vec::new(), Vec::new());
    for (row, Row { label, span, end }) in (1u32..).zip(rows.iter().rev()) {
        if let Some((last, text)) = end {
            ends.push((*last, f64::from(row)));
            ends_tips.push(format!("{label}: {text}, at {} {unit}", short(*last)));
        }
        let (init, lengths) = span.unwrap_or_default();
        plot = plot.with_group(label, [(init, "none")].into_iter().chain(stacked(&lengths)));
        tips.push(String::new());
        let mut at = init;
        for ((name, ..), length) in pieces().into_iter().zip(lengths) {
            let end = at + length;
            tips.push(format!("{label}: {name} from {} to {} {unit}", short(at), short(end)));
            at = end;
        }
    }
    // Many rows are thin, and then only some have room for their label; the
    // tooltips and the table name the others.
    let (height, every) = if rows.len() > MANY_ROWS { (4.0, 4) } else { (16.0, 1) };
    let labels = (0..rows.len()).rev().map(|row| match row % every {
        0 => rows[row].label.clone(),
        _ => String::new(),
    });
    let labels = labels.collect();
    let marks = (!ends.is_empty()).then(|| {
        let marks = ScatterPlot::new().with_data(ends).with_color(INK);
        let size = if height < 16.0 { 3.0 } else { 5.0 };
        let marks = marks.with_marker(MarkerShape::Cross).with_size(size);
        marks.with_tooltips().with_tooltip_labels(ends_tips)
    });
    draw_rows(
        plot.with_tooltip_labels(tips),
        marks,
        labels,
        (&format!("time since the trial's zero [{unit}]"), None),
        height,
    )
}

/// Lines with a mark at each point and a band around them; the lower bounds as dotted lines.
pub fn totals(lines: &[Line], bounds: &[Line], unit: &str) -> Drawing {
    let (plots, layout) = totals_plots(lines, bounds, unit);
    draw(plots, layout)
}

fn totals_plots(lines: &[Line], bounds: &[Line], unit: &str) -> (Vec<Plot>, Layout) {
    let mut plots: Vec<Plot> = Vec::new();
    let mut legend = Vec::new();
    for Line { label, colour, style, points, band } in bounds.iter().chain(lines) {
        let dashes = style.map_or(DOTS, |style| style.dashes);
        let colour = *colour;
        let dashes: Option<String> = (!dashes.is_empty())
            .then(|| dashes.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
        let of_line =
            LegendEntry { dasharray: dashes.clone(), ..entry(label, colour, LegendShape::Line) };
        legend.push(of_line);
        if !band.is_empty() && band.len() == points.len() {
            let cpus = points.iter().map(|(cpus, _)| *cpus);
            let (low, high): (Vec<f64>, Vec<f64>) = band.iter().copied().unzip();
            plots.push(BandPlot::new(cpus, low, high).with_color(colour).into());
        }
        let line = LinePlot::new().with_data(points.iter().copied()).with_color(colour);
        let line = match dashes {
            Some(dashes) => line.with_line_style(LineStyle::Custom(dashes)),
            None => line,
        };
        plots.push(line.with_stroke_width(2.0).into());
        let Some(style) = style else { continue };
        let marks = ScatterPlot::new()
            .with_marker(marker(style.mark))
            .with_data(points.iter().copied())
            .with_color(colour);
        let tips: Vec<String> = points
            .iter()
            .map(|(cpus, total)| format!("{label}: {cpus} CPUs, {} {unit}", short(*total)))
            .collect();
        plots.push(marks.with_size(4.0).with_tooltips().with_tooltip_labels(tips).into());
    }
    let points = || lines.iter().chain(bounds).flat_map(|line| &line.points);
    let (wide, high) = (
        spans_factors(points().map(|(cpus, _)| *cpus)),
        spans_factors(points().map(|(_, total)| *total)),
    );
    let scale = |log| if log { ", log scale" } else { "" };
    let layout = layout(&plots, legend)
        .with_height(420.0)
        .with_x_label(format!("CPUs, the BSP counted{}", scale(wide)))
        .with_y_label(format!("total [{unit}]{}", scale(high)))
        .with_x_tick_format(exact())
        .with_y_tick_format(exact());
    let layout = match wide {
        // Without an end of its own the axis goes on to the next power of ten.
        true => layout
            .with_log_x()
            .with_x_axis_max(1.1 * points().map(|(cpus, _)| *cpus).fold(1.0, f64::max)),
        false => {
            layout.with_x_axis_min(0.0).with_x_tick_step(whole_step(lines.iter().chain(bounds)))
        }
    };
    let layout = if high { layout.with_log_y() } else { layout.with_y_axis_min(0.0) };
    (plots, layout)
}

/// A mark by its name in Apache ECharts.
fn marker(name: &str) -> MarkerShape {
    match name {
        "rect" => MarkerShape::Square,
        "triangle" => MarkerShape::Triangle,
        "diamond" => MarkerShape::Diamond,
        _ => MarkerShape::Circle,
    }
}

/// True where the positive numbers span a factor of 50: the small ones can't be told apart on a linear axis.
fn spans_factors(numbers: impl Iterator<Item = f64>) -> bool {
    let (least, most) = numbers
        .filter(|number| *number > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(least, most), number| {
            (least.min(number), most.max(number))
        });
    most / least >= 50.0
}

/// From tick to tick of an axis of CPU counts: 1, 2 or 5 times a power of ten, since half a CPU is
/// none.
fn whole_step<'a>(lines: impl Iterator<Item = &'a Line>) -> f64 {
    const TICKS: f64 = 10.0;
    let counts = lines.flat_map(|line| &line.points).map(|(cpus, _)| *cpus);
    let least = counts.fold(1.0, f64::max) / TICKS;
    let mut power = 1.0;
    loop {
        match [1.0, 2.0, 5.0].map(|times| times * power).into_iter().find(|step| *step >= least) {
            Some(step) => return step,
            None => power *= 10.0,
        }
    }
}

/// A tick's own value, with as many digits as it has. The library's formats round, and a rounded
/// label stands beside its place.
fn exact() -> TickFormat {
    TickFormat::Custom(Arc::new(|value| {
        // The library's multiples of a step are off by the last bits.
        let text = format!("{value:.9}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }))
}

fn bar_plot(width: f64) -> BarPlot {
    BarPlot::new().with_stacked().with_horizontal(true).with_width(width).with_tooltips()
}

fn stacked(lengths: &[f64; PIECES]) -> impl Iterator<Item = (f64, &'static str)> {
    pieces().into_iter().zip(*lengths).map(|((_, colour, _), length)| (length, colour))
}

/// Bars, the first row at the bottom, and marks on some of them; an axis by its name, and where it ends if it is not to
/// end by itself.
fn draw_rows(
    plot: BarPlot,
    marks: Option<ScatterPlot>,
    labels: Vec<String>,
    (axis, end): (&str, Option<f64>),
    row: f64,
) -> Drawing {
    let legend = pieces().into_iter().map(|(name, colour, wait)| {
        let wait = wait.map_or(String::new(), |wait| format!(" ({wait})"));
        entry(&format!("{name}{wait}"), colour, LegendShape::Rect)
    });
    let mark = entry("lost, at its last stamp", INK, LegendShape::Marker(MarkerShape::Cross));
    let legend = legend.chain(marks.is_some().then_some(mark));
    let height = AROUND + row * labels.len() as f64;
    let plots: Vec<Plot> = [plot.into()].into_iter().chain(marks.map(Plot::from)).collect();
    let layout = layout(&plots, legend.collect())
        .with_y_categories(labels)
        .with_height(height)
        .with_x_tick_format(exact())
        .with_x_label(axis);
    draw(plots, end.into_iter().fold(layout, Layout::with_x_axis_max))
}

fn entry(label: &str, colour: &str, shape: LegendShape) -> LegendEntry {
    LegendEntry { label: label.to_owned(), color: colour.to_owned(), shape, dasharray: None }
}

fn layout(plots: &[Plot], legend: Vec<LegendEntry>) -> Layout {
    let ink = || INK.to_owned();
    let theme = Theme {
        background: PAPER.to_owned(),
        axis_color: ink(),
        grid_color: GRID.to_owned(),
        tick_color: ink(),
        text_color: ink(),
        legend_bg: "none".to_owned(),
        legend_border: "none".to_owned(),
        font_family: Some(FONT.to_owned()),
        ..Theme::light()
    };
    Layout::auto_from_plots(plots)
        .with_theme(theme)
        .with_width(WIDTH)
        .with_legend_entries(legend)
        .with_legend_box(false)
        .with_legend_position(LegendPosition::OutsideBottomColumns)
        .with_label_size(13)
        .with_tick_size(12)
        .with_body_size(12)
}

fn draw(plots: Vec<Plot>, layout: Layout) -> Drawing {
    let scene = render_multiple(plots, layout);
    Drawing {
        svg: SvgBackend::new().render_scene(&scene),
        // It fails only where a picture has no size.
        png: RasterBackend::new().with_scale(2.0).render_scene(&scene).unwrap_or_default(),
    }
}

/// A number of about four digits.
fn short(value: f64) -> String {
    match value.abs() {
        1000.0.. => format!("{value:.0}"),
        100.0.. => format!("{value:.1}"),
        10.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::btree_set;
    use proptest::prelude::{ProptestConfig, prop_assert, proptest};

    /// A number of a tag's attribute.
    fn attribute(tag: &str, name: &str) -> Option<f64> {
        let (_, behind) = tag.split_once(&format!(" {name}=\""))?;
        behind.split_once('"')?.0.parse().ok()
    }

    /// The tags of a kind, and the text behind each.
    fn tags<'a>(svg: &'a str, kind: &str) -> Vec<(&'a str, &'a str)> {
        let begin = format!("<{kind}");
        let tags = svg.split(begin.as_str()).skip(1).filter_map(|tag| tag.split_once('>'));
        tags.map(|(tag, behind)| (tag, behind.split('<').next().unwrap())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(80))]

        /// A label that is rounded stands beside the place of its value.
        #[test]
        fn every_tick_of_the_totals_is_labelled_with_its_value(
            cpus in btree_set(2u16..900, 1..6), per_cpu in 0.001f64..3.0, few in 1u16..20,
        ) {
            // Small counts are the ones whose ticks are close to each other.
            let counts = cpus.iter().map(|cpus| f64::from(2.max(cpus / few)));
            let points: Vec<(f64, f64)> = counts.map(|cpus| (cpus, cpus * per_cpu)).collect();
            let (counts_of, totals_of): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
            let spans = |numbers: &[f64]| spans_factors(numbers.iter().copied());
            let (cpus, total) =
                points.iter().copied().max_by(|one, other| one.0.total_cmp(&other.0)).unwrap();
            let line = Line { label: "serial".to_owned(), colour: "#d55e00", style: Some(palette::line_style(0)), points, band: vec![] };
            let (plots, layout) = totals_plots(&[line], &[], "ms");
            let svg = SvgBackend::new().render_scene(&render_multiple(plots, layout));
            // Where the axes meet, and the last point.
            let axes = tags(&svg, "line").into_iter().map(|(tag, _)| tag);
            let axes: Vec<&str> = axes.filter(|tag| tag.contains(INK)).collect();
            let (left, bottom) = (attribute(axes[0], "x1").unwrap(), attribute(axes[0], "y1").unwrap());
            let circles = tags(&svg, "circle").into_iter().map(|(tag, _)| {
                (attribute(tag, "cx").unwrap(), attribute(tag, "cy").unwrap())
            });
            let (x, y) = circles.max_by(|one, other| one.0.total_cmp(&other.0)).unwrap();
            let labels = |anchor: &str, place: &str| -> Vec<(f64, f64)> {
                let anchor = format!("text-anchor=\"{anchor}\"");
                let ticks = tags(&svg, "text").into_iter().filter(|(tag, _)| tag.contains(&anchor));
                ticks.filter_map(|(tag, text)| Some((text.parse().ok()?, attribute(tag, place)?))).collect()
            };
            let (across, up) = (labels("middle", "x"), labels("end", "y"));
            let (wide, high) = (spans(&counts_of), spans(&totals_of));
            prop_assert!(across.len() >= 3 && up.len() >= 3, "{svg}");
            // The first label stands where the axis begins, and the last point where its values are.
            let place_of = |log: bool, label: f64, first: (f64, f64), last: (f64, f64)| {
                let at = |value: f64| if log { value.ln() } else { value };
                let reach = (at(label) - at(first.0)) / (at(last.0) - at(first.0));
                // A picture's places have two decimals: from the last point to a tick far beyond it, the error grows.
                (first.1 + (last.1 - first.1) * reach, 0.1 + 0.01 * reach.abs())
            };
            prop_assert!(wide || across[0] == (0.0, left), "{across:?}");
            for (label, place) in &across {
                let (expected, error) = place_of(wide, *label, across[0], (cpus, x));
                prop_assert!((place - expected).abs() < error, "{label} CPUs at {place}, not {expected}");
            }
            // The text's baseline is below its tick, always by as much.
            let below = up[0].1 - bottom;
            prop_assert!(high || up[0].0 == 0.0);
            for (label, place) in &up {
                let (expected, error) = place_of(high, *label, (up[0].0, bottom), (total, y));
                prop_assert!((place - below - expected).abs() < error, "{label} ms at {place}, not {expected}");
            }
        }
    }
}
