//! Where one AP's time goes, of the cells of a group.

use crate::ground::unit::{Unit, readable};
use crate::present::report::drawing::{self, Bar};
use crate::present::report::groups::Group;
use crate::present::report::palette::pieces_of;
use crate::present::report::picture::{Kind, Picture};
use crate::run::measure::Measure;
use crate::run::{Cell, Run};
use bringup::phase::{Phase, SubPhase};

/// Stacked bars of the phases, a bar for each cell.
pub fn picture(run: &Run, group: &Group) -> Option<Picture> {
    let bars: Vec<Bar> = group.cells.iter().filter_map(|cell| bar(&run.cells[*cell])).collect();
    if bars.is_empty() {
        return None;
    }
    let title = format!("Where one AP's time goes{}", group.behind());
    let description = "Stacked bars of an AP's phases, a bar for each strategy and CPU count: their shares in the time \
                       from an AP's INIT until it is online, the mean over the APs of a trial, the median over the \
                       trials. Waiting is grey. A bar's length says nothing of how long it takes."
        .to_owned();
    let drawing = drawing::phase_bars(&bars);
    Some(Picture::new(Kind::Phases, group.file("phases"), title, description, drawing))
}

fn bar(cell: &Cell) -> Option<Bar> {
    let median = |measure| Some(cell.spread(measure)?.median);
    let mut phases = [0; Phase::ALL.len()];
    for (length, phase) in phases.iter_mut().zip(Phase::ALL) {
        *length = median(Measure::Phase(phase))?;
    }
    let pieces = pieces_of(median(Measure::SubPhase(SubPhase::Queue)).unwrap_or(0), phases);
    let all = pieces.iter().map(|length| *length as f64).sum::<f64>().max(1.0);
    let khz = cell.tsc_khz();
    Some(Bar {
        label: cell_name(cell),
        shares: pieces.map(|length| 100.0 * length as f64 / all),
        lengths: pieces.map(|length| readable(Unit::Auto, length, khz)),
    })
}

/// The name of a cell in its group.
fn cell_name(cell: &Cell) -> String {
    format!("{} CPUs, {}", cell.smp, cell.options.strategy)
}
