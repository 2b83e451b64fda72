//! Totals against CPU count.

use crate::ground::unit::{Scale, Unit};
use crate::judge::critical::lower_bound;
use crate::judge::predict::{self, Prediction};
use crate::present::report::drawing::{self, Line};
use crate::present::report::groups::Group;
use crate::present::report::palette::{FAINT, LineStyle, PREDICTED, line_style, strategy_colour};
use crate::present::report::picture::{Kind, Picture};
use crate::run::measure::Measure;
use crate::run::{Cell, FullTrial, Run};

/// The totals of some groups: a line for each strategy of each, and the lower bound of each.
pub fn picture(
    run: &Run,
    trials: &[Option<&FullTrial>],
    behind: &str,
    file: &str,
    groups: &[Group],
) -> Option<Picture> {
    let mut shown: Vec<(Style, &Cell, u64)> = Vec::new();
    let mut bounds: Vec<(Style, &Cell, u64)> = Vec::new();
    for (place, group) in groups.iter().enumerate() {
        let called = |name: &str| match groups.len() {
            1 => name.to_owned(),
            _ => format!("{name}{}", group.behind()),
        };
        for index in &group.cells {
            let cell = &run.cells[*index];
            let strategy = cell.options.strategy;
            let colour = strategy_colour(strategy);
            let label = called(strategy.name());
            let style = Style { label, colour, line: Some(line_style(place)) };
            shown.push((style, cell, cell.total()?.median));
            if let Some(bound) = trials[*index].and_then(|trial| lower_bound(&trial.timelines)) {
                let style = Style { label: called("lower bound"), colour: FAINT, line: None };
                bounds.push((style, cell, bound.0));
            }
        }
    }
    let spans = shown.iter().map(|(_, cell, total)| (*total, cell.tsc_khz()));
    let scale = Scale::of(Unit::Auto, spans);
    let mut lines: Vec<Line> = Vec::new();
    for (style, cell, total) in &shown {
        let line = line_called(&mut lines, style);
        let khz = cell.tsc_khz();
        line.points.push((f64::from(cell.smp), scale.value(*total, khz)?));
        let ends = |cycles: f64| scale.value(cycles as u64, khz);
        let interval = cell.sample(Measure::Total).interval();
        line.band.extend(interval.and_then(|of| Some((ends(of.low)?, ends(of.high)?))));
    }
    predicted(run, groups, scale, &mut lines)?;
    let floors = floors(&bounds, scale)?;
    if lines.is_empty() {
        return None;
    }
    let (lines, floors) = (merged(lines), merged(floors));
    let unit = scale.name();
    let title = format!("Total against CPU count{behind}");
    let description = format!(
        "A line for each strategy: the median time in {unit} from the trial's zero until the last \
         AP is known online, for each CPU count. The dotted lower bound is what it would take \
         without any waiting."
    );
    let drawing = drawing::totals(&lines, &floors, unit);
    Some(Picture::new(Kind::Totals, format!("totals{file}.svg"), title, description, drawing))
}

/// The lower bounds: at each CPU count what any of the strategies shows to be possible.
fn floors(bounds: &[(Style, &Cell, u64)], scale: Scale) -> Option<Vec<Line>> {
    let mut floors: Vec<Line> = Vec::new();
    for (style, cell, bound) in bounds {
        let line = line_called(&mut floors, style);
        let (cpus, bound) = (f64::from(cell.smp), scale.value(*bound, cell.tsc_khz())?);
        match line.points.iter_mut().find(|(at, _)| *at == cpus) {
            Some((_, least)) => *least = least.min(bound),
            None => line.points.push((cpus, bound)),
        }
    }
    Some(floors)
}

/// Adds what is predicted of the groups' cells that come from logs, each with its range.
fn predicted(run: &Run, groups: &[Group], scale: Scale, lines: &mut Vec<Line>) -> Option<()> {
    for one in predict::of_logs(run).iter().filter(|one| is_of(run, groups, one)) {
        let khz = one.fitted.khz;
        let label = format!("{} of {}, predicted", one.options.strategy, one.fitted.cell.engine);
        let colour = strategy_colour(one.options.strategy);
        let line = line_called(lines, &Style { label, colour, line: Some(PREDICTED) });
        line.points.push((f64::from(one.smp), scale.value(one.median, khz)?));
        line.band.push((scale.value(one.low, khz)?, scale.value(one.high, khz)?));
    }
    Some(())
}

/// True where a prediction was fitted to a cell of these groups.
fn is_of(run: &Run, groups: &[Group], one: &Prediction<'_>) -> bool {
    let mut cells = groups.iter().flat_map(|group| &group.cells);
    cells.any(|cell| std::ptr::eq(&run.cells[*cell], one.fitted.cell))
}

/// What a line is called and looks like.
struct Style {
    label: String,
    colour: &'static str,
    /// `None` for a bound.
    line: Option<LineStyle>,
}

/// The line of that name, new where there was none.
fn line_called<'a>(lines: &'a mut Vec<Line>, style: &Style) -> &'a mut Line {
    let Style { label, colour, line } = style;
    let at = lines.iter().position(|line| line.label == *label).unwrap_or_else(|| {
        let (points, band) = (Vec::new(), Vec::new());
        lines.push(Line { label: label.clone(), colour, style: *line, points, band });
        lines.len() - 1
    });
    &mut lines[at]
}

/// Of lines that lie on each other the first, called by the names of all.
fn merged(lines: Vec<Line>) -> Vec<Line> {
    let mut merged: Vec<Line> = Vec::new();
    for line in lines {
        let same = |other: &&mut Line| {
            (other.colour, &other.points, &other.band) == (line.colour, &line.points, &line.band)
        };
        match merged.iter_mut().find(same) {
            Some(other) => other.label += &format!(" = {}", line.label),
            None => merged.push(line),
        }
    }
    merged
}
