//! The cells that a budget compares with: the same cell of a baseline, another cell of the run.

use super::baseline;
use super::budgets::{Budgets, Limit, Picked, keys, value};
use crate::ground::failure::Failure;
use crate::judge::origins;
use crate::judge::pairing::{Pairing, differences, differences_text};
use crate::run::{Cell, Run};
use bringup::options::{Kind, kind_of};

/// The baselines that the budgets name, each opened once.
pub(super) struct Baselines(Vec<Baseline>);

/// A baseline that was opened.
struct Baseline {
    named: String,
    run: Run,
    /// For each cell of the run that is judged, the same cell of the baseline: indices of both.
    partners: Vec<(usize, usize)>,
    /// Cells that only the baseline has.
    alone: Vec<usize>,
}

impl Baselines {
    /// Opens them; notes what makes the run unequal to them.
    pub fn open(
        run: &Run,
        budgets: &Budgets,
        notes: &mut Vec<String>,
    ) -> Result<Baselines, Failure> {
        let mut baselines: Vec<Baseline> = Vec::new();
        for budget in &budgets.budgets {
            if let Some(Limit::Baseline { run: named, .. }) = &budget.limit
                && baselines.iter().all(|known| known.named != *named)
            {
                let base = baseline::open(named, &budgets.file)?;
                baselines.push(Baseline::of(named, base, run, notes));
            }
        }
        Ok(Baselines(baselines))
    }

    /// The same cell of the baseline of that name.
    pub fn partner(&self, named: &str, run: &Run, cell: &Cell) -> Option<&Cell> {
        let Baseline { run: base, partners, .. } = self.named(named)?;
        let index = index_of(&run.cells, cell)?;
        let (_, partner) = partners.iter().find(|(new, _)| *new == index)?;
        Some(&base.cells[*partner])
    }

    /// The label of a cell with APs that is picked and only the baseline of that name has.
    pub fn missing(&self, named: &str, cells: &Picked) -> Option<String> {
        let Baseline { run, alone, .. } = self.named(named)?;
        let mut alone = alone.iter().map(|index| &run.cells[*index]);
        let cell = alone.find(|cell| cell.smp > 1 && cells.holds(cell))?;
        Some(cell.label(&run.varying_options()))
    }

    fn named(&self, named: &str) -> Option<&Baseline> {
        self.0.iter().find(|known| known.named == named)
    }
}

impl Baseline {
    fn of(named: &str, base: Run, run: &Run, notes: &mut Vec<String>) -> Baseline {
        let pairs = Pairing::of(&base, run, None).pairs;
        let exact: Vec<(&Cell, &Cell)> =
            pairs.iter().copied().filter(|(_, new)| new.exact == Some(true)).collect();
        if let Some(what) = origins::unequal(&base, run, &exact) {
            notes.push(format!(
                "{named}: the {what} differ from the baseline's, so the exact numbers are those of \
                 different programs"
            ));
        }
        let varying = run.varying_options();
        for (old, new) in &pairs {
            if let Some(options) = differences_text(&differences(old, new)) {
                notes.push(format!("{named}: {}: {options}", new.label(&varying)));
            }
        }
        let partners = pairs.iter().filter_map(|(old, new)| {
            Some((index_of(&run.cells, new)?, index_of(&base.cells, old)?))
        });
        let partners: Vec<(usize, usize)> = partners.collect();
        let alone = (0..base.cells.len())
            .filter(|index| partners.iter().all(|(_, partner)| partner != index))
            .collect();
        Baseline { named: named.to_owned(), run: base, partners, alone }
    }
}

/// The cell of a run that differs from another only in what is picked (and in `repetitions`),
/// or, if there is none, in costs as well: a changed cost does not make another cell.
pub(super) fn like<'a>(run: &'a Run, cell: &Cell, picked: &Picked) -> Option<&'a Cell> {
    let find = |costs_free: bool| {
        let free = |key: &str| {
            let kind = kind_of(key);
            let of_machine = costs_free && kind.is_some_and(Kind::is_of_machine);
            of_machine || kind == Some(Kind::Repetition) || picked.names(key)
        };
        run.cells.iter().find(|other| {
            picked.holds(other)
                && keys().filter(|key| !free(key)).all(|key| value(cell, key) == value(other, key))
        })
    };
    find(false).or_else(|| find(true))
}

fn index_of(cells: &[Cell], wanted: &Cell) -> Option<usize> {
    cells.iter().position(|cell| std::ptr::eq(cell, wanted))
}
