//! Which figures of noisy engines are tested together, and whether their boots suffice for it.

use super::statistics::{can_find, enough_boots};
use crate::run::measure::Measure;
use crate::run::{Cell, HostBoots, HostMeasure, Run, Sample};

/// A figure that may be tested.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// The boots of each run that have it.
    pub boots: [usize; 2],
    /// How many boots have it for each time that the whole scenario is booted: mostly 1; less of a cold trial, where
    /// cells take turns at it; more on the host's clock, where a scenario has several command lines.
    pub per_round: f64,
    /// False where it is the same in every boot, so that no difference can be found.
    pub varies: bool,
}

/// The figures that are tested together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Family {
    /// How many there are.
    pub figures: usize,
    /// How often both runs have booted the whole scenario.
    pub have: usize,
    /// True where that suffices to find a difference, if it is great enough.
    pub can_find: bool,
    /// How often each run should have, for so many figures.
    pub enough: usize,
}

impl Candidate {
    /// Of the samples of a figure in both runs, the first of a scenario that was booted so many times.
    pub fn of(samples: [&Sample; 2], rounds: usize) -> Candidate {
        let boots = samples.map(Sample::boots);
        let medians = samples.map(Sample::boot_medians).concat();
        let varies = medians.iter().any(|median| *median != medians[0]);
        Candidate { boots, per_round: boots[0] as f64 / rounds.max(1) as f64, varies }
    }

    /// In a run that is compared with one like it. One boot does not show whether the figure varies.
    fn of_one(sample: &Sample, rounds: usize) -> Candidate {
        let candidate = Candidate::of([sample; 2], rounds);
        Candidate { varies: candidate.varies || sample.boots() == 1, ..candidate }
    }

    /// How often the scenario must be booted for so many boots with this figure.
    pub fn rounds(&self, boots: usize) -> usize {
        (boots as f64 / self.per_round).ceil() as usize
    }

    /// How often both runs have booted the scenario.
    fn have(&self) -> usize {
        let [base, new] = self.boots;
        (base.min(new) as f64 / self.per_round) as usize
    }
}

impl Family {
    /// The family of some figures, and which of them take part in it.
    ///
    /// Figures that do not vary don't, nor do those that only some of the boots have, unless so few suffice. Whether
    /// the boots suffice is said of the figures that each boot has, as long as there are any.
    pub fn of(candidates: &[Candidate]) -> (Family, Vec<bool>) {
        let varying = || candidates.iter().filter(|candidate| candidate.varies);
        let full = varying().filter(|candidate| candidate.per_round >= 1.0).count();
        let takes_part = |candidate: &Candidate| {
            let suffices = || can_find(candidate.boots, full + 1);
            candidate.varies && (full == 0 || candidate.per_round >= 1.0 || suffices())
        };
        let take_part: Vec<bool> = candidates.iter().map(takes_part).collect();
        let tested = || varying().filter(|candidate| takes_part(candidate));
        let figures = tested().count();
        let has_each = tested().any(|candidate| candidate.per_round == 1.0);
        let asked = || tested().filter(|candidate| !has_each || candidate.per_round == 1.0);
        let enough = enough_boots(figures);
        let family = Family {
            figures,
            have: asked().map(Candidate::have).max().unwrap_or_default(),
            can_find: asked().any(|candidate| can_find(candidate.boots, figures)),
            enough: asked().map(|candidate| candidate.rounds(enough)).max().unwrap_or_default(),
        };
        (family, take_part)
    }

    /// The family of all figures of some noisy cells of a run, when it is compared with one like it.
    pub fn of_run(run: &Run, cells: &[&Cell]) -> Family {
        let of_cell = |cell: &&Cell| {
            let rounds = rounds(cell);
            let sample = |measure: &Measure| Candidate::of_one(&cell.sample(*measure), rounds);
            Measure::COMPARED.iter().map(sample).collect::<Vec<Candidate>>()
        };
        let mut candidates: Vec<Candidate> = cells.iter().flat_map(of_cell).collect();
        for host in run.host_boots().iter().filter(|host| cells.iter().any(|cell| host.has(cell))) {
            let rounds = rounds_of(host, cells.iter().copied());
            let sample = |measure| Candidate::of_one(&host.sample(measure), rounds);
            candidates.extend(HostMeasure::OF_ENGINE.map(sample));
        }
        Family::of(&candidates).0
    }
}

/// How often a run has booted its scenario, as far as this cell is concerned.
pub fn rounds(cell: &Cell) -> usize {
    cell.sample(Measure::Total).boots()
}

/// The same for the boots of a machine, whose cells are among these.
pub fn rounds_of<'c>(host: &HostBoots<'_>, cells: impl Iterator<Item = &'c Cell>) -> usize {
    let rounds = cells.filter(|cell| host.has(cell)).map(rounds).max();
    rounds.unwrap_or_else(|| host.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(boots: usize, per_round: f64) -> Candidate {
        Candidate { boots: [boots; 2], per_round, varies: true }
    }

    fn family(candidates: &[Candidate]) -> Family {
        Family::of(candidates).0
    }

    #[test]
    fn boots_on_the_hosts_clock_hide_not_that_a_cell_has_too_few() {
        // Three cells, each with boots of its own: the machine has three times as many.
        let of_cells = [figure(3, 1.0); 40];
        let of_host = [figure(9, 3.0); 2];
        let Family { figures, have, can_find, enough } =
            family(&[&of_cells[..], &of_host].concat());
        assert_eq!((figures, have, can_find, enough), (42, 3, false, enough_boots(42)));
        // Alone they count as what they are: three boots of the scenario are nine of the machine.
        let alone = family(&of_host);
        assert_eq!((alone.have, alone.can_find), (3, true));
        assert_eq!(alone.enough, enough_boots(2).div_ceil(3));
    }

    #[test]
    fn a_figure_that_few_boots_have_takes_part_where_these_suffice() {
        let all =
            |boots| [[figure(boots, 1.0); 3].as_slice(), &[figure(boots / 3, 1.0 / 3.0)]].concat();
        let takes_part = |boots| Family::of(&all(boots)).1[3];
        assert_eq!((takes_part(9), takes_part(30)), (false, true));
        // Where nothing else is compared it does, and the boots it takes are said.
        let alone = family(&[figure(3, 1.0 / 3.0)]);
        assert_eq!((alone.figures, alone.have, alone.can_find), (1, 9, false));
        assert_eq!(alone.enough, 3 * enough_boots(1));
    }

    #[test]
    fn what_does_not_vary_takes_no_part() {
        let constant = Candidate { varies: false, ..figure(9, 1.0) };
        assert_eq!(family(&[constant]), Family::default());
        assert_eq!(family(&[constant, figure(9, 1.0)]).figures, 1);
    }

    #[test]
    fn more_boots_are_boots_of_the_scenario() {
        assert_eq!([1.0, 3.0, 0.25].map(|per_round| figure(9, per_round).rounds(7)), [7, 3, 28]);
    }
}
