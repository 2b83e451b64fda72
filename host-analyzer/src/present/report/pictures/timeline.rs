//! A trial, AP by AP.

use crate::ground::unit::{Scale, Unit};
use crate::present::report::drawing::{self, Row};
use crate::present::report::groups::Group;
use crate::present::report::palette::pieces_of;
use crate::present::report::picture::{Kind, Picture};
use crate::present::report::trials::ending;
use crate::present::table::{NONE, Table};
use crate::run::timeline::{self, Reached};
use crate::run::{Cell, FullTrial, queue_ends};
use bringup::frame::{ApEnd, ApTimeline};
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::Stamp;

/// A timeline has no more rows than this, as many as the largest machine of an engine has CPUs: of more APs some
/// are left out, evenly. A picture's memory is that of its rows, each hundreds of times an AP's in a capture.
const MOST_ROWS: usize = 4096;

/// A row for each AP: its phases as pieces from left to right.
pub fn picture(group: &Group, cell: &Cell, trial: &FullTrial) -> Option<Picture> {
    let FullTrial { trial, timelines } = trial;
    let khz = cell.tsc_khz();
    let scale = Scale::of(Unit::Auto, [(trial.total, khz)]);
    let rows: Vec<Row> = timelines
        .iter()
        .zip(queue_ends(cell, timelines))
        .map(|(ap, queue_end)| row(ap, queue_end, scale, khz))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let (unit, behind) = (scale.name(), group.behind());
    let strategy = cell.options.strategy.name();
    let title = format!("{strategy} with {} CPUs, AP by AP{behind}", cell.smp);
    let every = rows.len().div_ceil(MOST_ROWS);
    let which = if every == 1 { "each AP".to_owned() } else { format!("one of {every} APs each") };
    let description = format!(
        "A row for {which} of the median trial, which took {} {unit}: its phases as coloured \
         pieces from left to right, waiting in grey.{}",
        scale.text(trial.total, khz),
        match rows.iter().any(|row| row.end.is_some()) {
            true => " A cross is the last stamp of an AP that was lost.",
            false => "",
        }
    );
    let table = numbers(&rows, timelines, scale, khz);
    let drawn: Vec<&Row> = rows.iter().step_by(every).collect();
    let drawing = drawing::timeline(&drawn, unit);
    let file = group.file(&format!("timeline-{strategy}"));
    let picture = Picture::new(Kind::Timeline, file, title, description, drawing);
    Some(Picture { table: Some(table), ..picture })
}

/// The row of an AP, as far as it came.
fn row(ap: &ApTimeline, queue_end: Option<i64>, scale: Scale, khz: Option<u64>) -> Row {
    let value = |cycles| scale.value(cycles, khz).unwrap_or_default();
    let reached = Reached::of(&ap.stamps);
    let queue = SubPhase::Queue.of(&ap.stamps, queue_end).map_or(0, |cycles| cycles.0);
    let span =
        reached.map(|Reached { init, phases }| (value(init), pieces_of(queue, phases).map(value)));
    let (note, end) = if ap.end != ApEnd::Online {
        let last = reached.map_or(0.0, |reached| value(reached.last()));
        (" (lost)", Some((last, ending(ap.end))))
    } else if timeline::phases(&ap.stamps).is_err() {
        (" (no phases)", None)
    } else {
        ("", None)
    };
    Row { label: format!("{}{note}", ap.cpu), span, end }
}

/// The same as a table.
fn numbers(rows: &[Row], timelines: &[ApTimeline], scale: Scale, khz: Option<u64>) -> Table {
    let decimals = scale.decimals();
    let value =
        |cycles: u64| format!("{:.decimals$}", scale.value(cycles, khz).unwrap_or_default());
    let text = |cycles: Option<u64>| cycles.map_or(NONE.to_owned(), value);
    let of = |(Row { label, end, .. }, ap): (&Row, &ApTimeline)| {
        let name = end.as_ref().map_or(label.clone(), |(_, text)| format!("{label}: {text}"));
        let init = ap.stamps.get(Stamp::Init).and_then(|init| u64::try_from(init).ok());
        // What an AP did not get through has no length.
        let phases = Phase::ALL.map(|phase| phase.of(&ap.stamps).map(|cycles| cycles.0));
        [name].into_iter().chain([init].into_iter().chain(phases).map(text)).collect()
    };
    let names = ["init"].into_iter().chain(Phase::ALL.map(Phase::name));
    let unit = scale.name();
    Table::with_rows(
        &["AP"],
        names.map(|name| format!("{name} [{unit}]")),
        rows.iter().zip(timelines).map(of).collect(),
    )
}
