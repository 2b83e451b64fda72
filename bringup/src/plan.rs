//! The kernel's command line: common words, then the cells that inherit and override them.

use crate::options::{OptionError, Options};

/// The word that begins a cell.
const CELL: &str = "cell";

/// A command line that was checked whole: every word is good and no cell is refused.
///
/// Words before the first `cell` are common; each word `cell` begins a cell that inherits them
/// and may override them. Without that word the common ones are the only cell.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    text: &'a str,
    cpus: usize,
}

impl<'a> Plan<'a> {
    /// Reads the command line for a machine of `cpus` CPUs, the BSP counted.
    pub fn parse(text: &'a str, cpus: usize) -> Result<Plan<'a>, OptionError<'a>> {
        let plan = Plan { text, cpus };
        plan.try_cells().try_for_each(|cell| cell.map(drop))?;
        Ok(plan)
    }

    /// The cells in order; there is at least one.
    pub fn cells(&self) -> impl Iterator<Item = Options> + use<'a> {
        // `parse` has seen every item to be `Ok`.
        self.try_cells().flatten()
    }

    fn try_cells(&self) -> impl Iterator<Item = Result<Options, OptionError<'a>>> + use<'a> {
        let Plan { text, cpus } = *self;
        let cells = text.split_ascii_whitespace().filter(|word| *word == CELL).count();
        (cells.min(1)..=cells).map(move |cell| {
            let mut options = Options::default();
            section(text, 0)
                .chain(section(text, cell))
                .try_for_each(|word| options.set_word(word))?;
            options.check_on(cpus).map_err(OptionError::Refused)?;
            Ok(options)
        })
    }
}

/// The words of the `nth` cell; those of section 0 are common.
fn section(text: &str, nth: usize) -> impl Iterator<Item = &str> {
    text.split_ascii_whitespace()
        .scan(0, |cell, word| {
            *cell += usize::from(word == CELL);
            Some((*cell, word))
        })
        .filter_map(move |(cell, word)| (cell == nth && word != CELL).then_some(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Strategy, Wait};

    #[test]
    fn cells_inherit_the_common_words_and_override_them() {
        let plan = Plan::parse(
            "wait=spin repetitions=5 cell strategy=serial  cell strategy=full-parallel wait=halt",
            4,
        );
        let cells: Vec<_> = plan.unwrap().cells().collect();
        assert_eq!(cells.len(), 2);
        assert_eq!((cells[0].strategy, cells[0].wait), (Strategy::Serial, Wait::Spin));
        assert_eq!((cells[1].strategy, cells[1].wait), (Strategy::FullParallel, Wait::Halt));
        assert!(cells.iter().all(|cell| cell.repetitions == 5));
    }

    #[test]
    fn common_words_alone_are_one_cell_and_a_bare_cell_is_the_default() {
        for (text, cells) in [("", 1), ("wait=spin", 1), ("cell", 1), ("wait=spin cell cell", 2)] {
            assert_eq!(Plan::parse(text, 2).unwrap().cells().count(), cells, "{text}");
        }
    }

    #[test]
    fn a_mistake_in_any_cell_is_found_before_the_first_runs() {
        for text in ["x=1", "cell wait=spin cell x=1", "x=1 cell", "cell cell kick=broadcast"] {
            assert!(Plan::parse(text, 4).is_err(), "{text}");
        }
        assert!(Plan::parse("cell fault=never:3", 4).is_ok());
        assert!(Plan::parse("cell fault=never:3", 3).is_err());
    }
}
