//! Which pictures a run gets.
//!
//! Cells that differ in strategy and CPU count alone are one group; each group gets a bar chart of
//! the phases and a timeline for each strategy at its largest CPU count. The totals of all groups
//! are lines of one chart, or of one for each group where they are many. A run of very many groups
//! gets the pictures of the first ones alone.

mod phases;
mod timeline;
mod totals;

use super::groups::{Group, groups};
use super::picture::Picture;
use super::trials::median_of;
use crate::ground::failure::Failure;
use crate::run::{FullTrial, Run};
use std::collections::BTreeSet;
use std::slice;

/// More lines than this are not put in one chart.
const MANY_LINES: usize = 8;

/// Once there are so many pictures, no further group gets any: they are too many to look at one by one, and
/// drawing takes some 20 ms each.
pub const MANY_PICTURES: usize = 150;

/// What was drawn of a run.
pub struct Pictures {
    /// The pictures, in the order of the page.
    pub pictures: Vec<Picture>,
    /// How many cells have no picture, since there are very many.
    pub cells_left_out: usize,
}

/// The pictures of a run, where groups get some until there are `many`; `watch` is called before each
/// with the number of those before it.
///
/// Fails where `watch` does.
pub fn of(
    run: &Run,
    shown: &[Vec<FullTrial>],
    many: usize,
    watch: &mut dyn FnMut(usize) -> Result<(), Failure>,
) -> Result<Pictures, Failure> {
    let trials: Vec<Option<&FullTrial>> = shown.iter().map(|shown| median_of(shown)).collect();
    let groups = groups(run);
    let mut pictures = Vec::new();
    let mut cells_left_out = 0;
    // Where they are few enough to be distinguished, all lines are in one chart.
    let together = groups.len() > 1 && count_lines(run, &groups) <= MANY_LINES;
    if together {
        watch(pictures.len())?;
        pictures.extend(totals::picture(run, &trials, "", "", &groups));
    }
    for group in &groups {
        if pictures.len() >= many {
            cells_left_out += group.cells.len();
            continue;
        }
        if !together {
            watch(pictures.len())?;
            let alone = slice::from_ref(group);
            pictures.extend(totals::picture(run, &trials, &group.behind(), &group.file, alone));
        }
        watch(pictures.len())?;
        pictures.extend(phases::picture(run, group));
        let most = group.cells.iter().map(|cell| run.cells[*cell].smp).max();
        for cell in group.cells.iter().filter(|cell| Some(run.cells[**cell].smp) == most) {
            if let Some(trial) = trials[*cell] {
                watch(pictures.len())?;
                pictures.extend(timeline::picture(group, &run.cells[*cell], trial));
            }
        }
    }
    Ok(Pictures { pictures, cells_left_out })
}

fn count_lines(run: &Run, groups: &[Group]) -> usize {
    let strategies = |group: &Group| {
        let names = group.cells.iter().map(|cell| run.cells[*cell].options.strategy.name());
        names.collect::<BTreeSet<_>>().len()
    };
    groups.iter().map(strategies).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bringup::frame::Frame;
    use bringup::wire::{MAX_FRAME, encode};
    use miette::miette;
    use std::fs;

    /// A run of three cells with two CPUs that differ in an option.
    fn run_of_three() -> (tempfile::TempDir, Run) {
        let (mut bytes, mut buffer) = (Vec::new(), [0; MAX_FRAME]);
        let cells = "cell tsc-window=1us cell tsc-window=2us cell tsc-window=3us";
        bringup::sim::boot(cells, 2, 1_000_000, &mut |frame: &Frame<'_>| {
            bytes.extend_from_slice(encode(frame, &mut buffer).unwrap());
        })
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("capture.bin");
        fs::write(&path, bytes).unwrap();
        let run = Run::open(&path).unwrap();
        (folder, run)
    }

    fn drawn(many: usize, watch: &mut dyn FnMut(usize) -> Result<(), Failure>) -> Option<Pictures> {
        let (_keep, run) = run_of_three();
        let shown = run.with_timelines(&crate::present::report::trials::shown(&run)).unwrap();
        of(&run, &shown, many, watch).ok()
    }

    #[test]
    fn when_there_are_many_pictures_the_cells_without_any_are_counted() {
        // One chart of the totals, then the phases and a timeline of each cell.
        let few = drawn(2, &mut |_| Ok(())).unwrap();
        assert_eq!((few.pictures.len(), few.cells_left_out), (3, 2));
        let all = drawn(MANY_PICTURES, &mut |_| Ok(())).unwrap();
        assert_eq!((all.pictures.len(), all.cells_left_out), (7, 0));
    }

    #[test]
    fn drawing_ends_when_the_watcher_says_so() {
        let mut calls = Vec::new();
        let drawn = drawn(MANY_PICTURES, &mut |done| {
            calls.push(done);
            if done < 2 { Ok(()) } else { Err(Failure::Environment(miette!("interrupted"))) }
        });
        assert!(drawn.is_none());
        assert_eq!(calls, [0, 1, 2]);
    }
}
