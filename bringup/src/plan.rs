//! The kernel's command line: common words, then the cells that inherit and override them.

use crate::boot_options::BootOptions;
use crate::options::{OptionError, Options};
use core::str::SplitAsciiWhitespace;
use core::{iter, mem};

/// The word that begins a cell.
pub const CELL: &str = "cell";

/// A command line that was checked whole: every word is good and, for a machine that is to run
/// it, no cell is refused.
///
/// Words before the first `cell` are common; each word `cell` begins a cell that inherits them
/// and may override them. Without that word the common ones are the only cell. [`BootOptions`] stand among the common ones.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    text: &'a str,
    /// The CPUs of the machine that is to run it; `None` where one has.
    cpus: Option<usize>,
}

impl<'a> Plan<'a> {
    /// Reads the command line for a machine of `cpus` CPUs, the BSP counted.
    pub fn parse(text: &'a str, cpus: usize) -> Result<Plan<'a>, OptionError<'a>> {
        Plan::checked(text, Some(cpus))
    }

    /// Reads the command line of what was measured: its words are good, and what they come to is
    /// judged no more, since an earlier version may have taken what this one refuses.
    pub fn read(text: &'a str) -> Result<Plan<'a>, OptionError<'a>> {
        Plan::checked(text, None)
    }

    fn checked(text: &'a str, cpus: Option<usize>) -> Result<Plan<'a>, OptionError<'a>> {
        let plan = Plan { text, cpus };
        plan.try_cells().try_for_each(|cell| cell.map(drop))?;
        Ok(plan)
    }

    /// The cells in order; there is at least one.
    pub fn cells(&self) -> impl Iterator<Item = Options> + use<'a> {
        // `checked` has seen every item to be `Ok`.
        self.try_cells().flatten()
    }

    /// The cells up to the first that is wrong, each word read once.
    fn try_cells(&self) -> impl Iterator<Item = Result<Options, OptionError<'a>>> + use<'a> {
        let Plan { text, cpus } = *self;
        let take = if cpus.is_some() { Options::set_word } else { Options::read_word };
        let take_common = move |options: &mut Options, word| match BootOptions::key(word) {
            Some(_) => BootOptions::default().set_word(word),
            None => take(options, word),
        };
        let take_own = move |options: &mut Options, word| match BootOptions::key(word) {
            Some(key) => Err(OptionError::OfBoot { key }),
            None => take(options, word),
        };
        let mut words = text.split_ascii_whitespace();
        let mut common = Options::default();
        // Behind the common words there is a cell, even if no word says so.
        let mut more = section(&mut words, &mut common, take_common).map(|_| true);
        iter::from_fn(move || match mem::replace(&mut more, Ok(false)) {
            Err(error) => Some(Err(error)),
            Ok(false) => None,
            Ok(true) => {
                let mut options = common.clone();
                let cell = section(&mut words, &mut options, take_own).and_then(|follows| {
                    let refused = cpus.and_then(|cpus| options.check_on(cpus).err());
                    refused.map_or(Ok(()), |refusal| Err(OptionError::Refused(refusal)))?;
                    more = Ok(follows);
                    Ok(options)
                });
                Some(cell)
            }
        })
    }
}

/// Reads the options of the boot from a command line; other words are not looked at.
///
/// Fails at the first of them that is wrong.
pub fn boot_options(command_line: &str) -> Result<BootOptions, OptionError<'_>> {
    let mut options = BootOptions::default();
    let common = command_line.split_ascii_whitespace().take_while(|word| *word != CELL);
    common
        .filter(|word| BootOptions::key(word).is_some())
        .try_for_each(|word| options.set_word(word))?;
    Ok(options)
}

/// Sets the words of a section; true if a cell begins behind it.
fn section<'a>(
    words: &mut SplitAsciiWhitespace<'a>,
    options: &mut Options,
    take: impl Fn(&mut Options, &'a str) -> Result<(), OptionError<'a>>,
) -> Result<bool, OptionError<'a>> {
    for word in words {
        if word == CELL {
            return Ok(true);
        }
        take(options, word)?;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Duration;
    use crate::boot_options::Apic;
    use crate::frame::TscSource;
    use crate::options::{Strategy, Wait, Window};

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
    fn options_of_the_boot_stand_before_the_first_cell() {
        let options = boot_options("strategy=serial apic=x2apic tsc-source=hpet cell apic=xapic");
        let options = options.unwrap();
        assert_eq!((options.apic, options.tsc_source), (Apic::X2apic, Some(TscSource::Hpet)));
        assert_eq!(boot_options("").unwrap(), BootOptions::default());
        assert_eq!(Plan::parse("apic=x2apic wait=spin cell", 2).unwrap().cells().count(), 1);
        assert!(Plan::parse("apic=x3 cell", 2).is_err());
        assert_eq!(
            Plan::parse("wait=spin cell apic=x2apic", 2).unwrap_err().to_string(),
            "`apic` is an option of the whole boot: it stands before the first word `cell`"
        );
    }

    #[test]
    fn common_words_alone_are_one_cell_and_a_bare_cell_is_the_default() {
        for (text, cells) in [("", 1), ("wait=spin", 1), ("cell", 1), ("wait=spin cell cell", 2)] {
            assert_eq!(Plan::parse(text, 2).unwrap().cells().count(), cells, "{text}");
        }
    }

    #[test]
    fn a_line_of_many_cells_is_read_in_one_go() {
        const CELLS: u32 = 20_000;
        let words: String =
            (1..=CELLS).map(|n| format!(" cell repetitions={n} tsc-window={n}us")).collect();
        let line = format!("wait=spin tsc-window=7us{words} cell");
        let cells: Vec<Options> = Plan::parse(&line, 4).unwrap().cells().collect();
        assert_eq!(cells.len() as u32, CELLS + 1);
        for (n, cell) in (1..).zip(&cells[..cells.len() - 1]) {
            assert_eq!((cell.repetitions, cell.wait), (n, Wait::Spin));
            assert_eq!(cell.tsc_window, Window::of_all(Duration::Nanos(u64::from(n) * 1000)));
        }
        // Nothing of one cell reaches the next.
        assert_eq!(cells.last().unwrap().tsc_window, Window::of_all(Duration::Nanos(7000)));
        let wrong = line.replace(&format!("repetitions={CELLS}"), "repetitions=0");
        let error = Plan::parse(&wrong, 4).unwrap_err().to_string();
        assert!(error.starts_with("`repetitions=0` has a bad value"), "{error}");
    }

    #[test]
    fn a_mistake_in_any_cell_is_found_before_the_first_runs() {
        for text in ["x=1", "cell wait=spin cell x=1", "x=1 cell", "cell cell kick=broadcast"] {
            assert!(Plan::parse(text, 4).is_err(), "{text}");
        }
        assert!(Plan::parse("cell fault=never:3", 4).is_ok());
        assert!(Plan::parse("cell fault=never:3", 3).is_err());
    }

    #[test]
    fn what_was_measured_is_read_whatever_is_refused_today() {
        for text in [
            "limit=1ms cost-wake=2ms",
            "fault=never:1,trap:1 cell skew=1:2,1:3",
            "cost-callin=1ms,1-3:5ms,2:6ms",
            "fault=never:9",
            "kick=broadcast",
        ] {
            assert!(Plan::parse(text, 4).is_err(), "{text}");
            assert_eq!(Plan::read(text).unwrap().cells().count(), 1, "{text}");
        }
        assert!(Plan::read("wait=sleep").is_err());
    }
}
