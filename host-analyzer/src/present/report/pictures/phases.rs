//! Where one AP's time goes, of the cells of a group.

use crate::ground::unit::{Scale, Unit};
use crate::present::report::drawing::{self, Bar};
use crate::present::report::groups::Group;
use crate::present::report::picture::{Kind, Picture};
use crate::run::{Cell, Run};
use bringup::phase::Phase;

/// Stacked bars of the phases, a bar for each cell.
pub fn picture(run: &Run, group: &Group) -> Option<Picture> {
    let medians = |cell: &Cell| {
        let medians: Option<Vec<u64>> =
            Phase::ALL.iter().map(|phase| Some(cell.phase(*phase)?.median)).collect();
        medians
    };
    let shown: Vec<(&Cell, Vec<u64>)> = group
        .cells
        .iter()
        .filter_map(|cell| Some((&run.cells[*cell], medians(&run.cells[*cell])?)))
        .collect();
    let scale = Scale::of(
        Unit::Auto,
        shown.iter().map(|(cell, medians)| {
            (medians.iter().fold(0, |sum: u64, median| sum.saturating_add(*median)), cell.tsc_khz())
        }),
    );
    let bars: Vec<Bar> = shown
        .iter()
        .map(|(cell, medians)| {
            let mut phases = [0.0; 6];
            for (phase, median) in phases.iter_mut().zip(medians) {
                *phase = scale.value(*median, cell.tsc_khz())?;
            }
            Some(Bar { label: cell_name(cell), phases })
        })
        .collect::<Option<_>>()?;
    if bars.is_empty() {
        return None;
    }
    let (unit, behind) = (scale.name(), group.behind());
    let title = format!("Where one AP's time goes{behind}");
    let description = format!(
        "Stacked bars of the six phases in {unit}: a bar for each strategy and CPU count, the mean \
         over the APs of a trial, the median over the trials."
    );
    let drawing = drawing::phase_bars(&bars, unit);
    Some(Picture::new(Kind::Phases, group.file("phases"), title, description, drawing))
}

/// The name of a cell in its group.
fn cell_name(cell: &Cell) -> String {
    format!("{} CPUs, {}", cell.smp, cell.options.strategy)
}
