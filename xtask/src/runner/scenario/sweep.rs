//! Sweeps of a command line: a word with several values stands for as many cells.

use super::axis::MOST_CELLS;
use crate::runner::words::join;
use bringup::frame::WINDOW;
use bringup::options::{Key, Kind};
use bringup::plan::CELL;
use host_analyzer::ground::failure::Failure;
use miette::miette;

/// The option that a word sets.
pub fn key(word: &str) -> &str {
    word.split_once('=').map_or(word, |(key, _)| key)
}

/// The sections of a command line: its common words, then those of each cell.
pub fn sections(words: &str) -> Vec<Vec<&str>> {
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    words.split(|word| *word == CELL).map(<[&str]>::to_vec).collect()
}

/// The command line with each sweep, as `strategy=serial,full-parallel`, spanned to cells: every combination of the
/// values of a cell and of the common words, the last sweep changing fastest. Without a sweep it stays as it is.
///
/// Fails with [`Failure::Request`] where a sweep has a value twice, or where there would be more than 10 000 cells.
pub fn spanned(words: &str) -> Result<String, Failure> {
    let mut sections = sections(words);
    if !sections.iter().flatten().any(|word| sweeps(word)) {
        return Ok(words.to_owned());
    }
    let common = counting(&sections.remove(0));
    let (swept, common): (Vec<&str>, Vec<&str>) = common.into_iter().partition(|word| sweeps(word));
    if sections.is_empty() {
        sections.push(Vec::new());
    }
    let mut cells = Vec::new();
    for section in &sections {
        let own = counting(section);
        let sets = |word: &&&str| own.iter().any(|own| key(own) == key(word));
        let axes = swept.iter().filter(|word| !sets(word)).chain(&own);
        let axes = axes.map(|word| values(word)).collect::<Result<Vec<_>, _>>()?;
        let number = axes.iter().map(Vec::len).try_fold(1, usize::checked_mul);
        if number.is_none_or(|number| cells.len() + number > MOST_CELLS) {
            return Err(Failure::Request(miette!(
                help = "take values out, or run them one after the other",
                "the options span more than {MOST_CELLS} cells"
            )));
        }
        cells.extend(axes.iter().fold(vec![CELL.to_owned()], |cells, values| {
            cells.iter().flat_map(|cell| values.iter().map(|value| join(cell, value))).collect()
        }));
    }
    Ok(join(&common.join(" "), &cells.join(" ")))
}

/// The words that no later one of the section replaces.
fn counting<'w>(section: &[&'w str]) -> Vec<&'w str> {
    let replaced =
        |(at, word): &(usize, &&str)| section[at + 1..].iter().any(|later| key(later) == key(word));
    section.iter().enumerate().filter(|word| !replaced(word)).map(|(_, word)| *word).collect()
}

/// True for a word with several values, of an option whose single value has no comma.
fn sweeps(word: &str) -> bool {
    let has_lists =
        |key: &Key| matches!(key.kind(), Kind::Cost(_) | Kind::Planted) || key.name() == WINDOW;
    word.split_once('=').is_some_and(|(key, value)| {
        value.contains(',') && Key::named(key).is_some_and(|key| !has_lists(key))
    })
}

/// The words that a word stands for.
fn values(word: &str) -> Result<Vec<String>, Failure> {
    if !sweeps(word) {
        return Ok(vec![word.to_owned()]);
    }
    let (key, values) = word.split_once('=').unwrap_or((word, ""));
    let values: Vec<&str> = values.split(',').collect();
    once(&values, word)?;
    Ok(values.iter().map(|value| format!("{key}={value}")).collect())
}

/// Fails where something is there twice in what the user has `given`.
pub fn once<T: PartialEq + ToString>(values: &[T], given: &str) -> Result<(), Failure> {
    let twice = values.iter().enumerate().find(|(at, value)| values[..*at].contains(value));
    twice.map_or(Ok(()), |(_, value)| {
        Err(Failure::Request(miette!(
            help = "take one out: `repetitions` measures again",
            "`{given}` has `{}` twice",
            value.to_string()
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_spans_cells_as_a_list_of_a_scenario_does() {
        for (words, expected) in [
            ("strategy=serial,full-parallel", "cell strategy=serial cell strategy=full-parallel"),
            (
                "repetitions=2 wait=halt,spin spend=halt,spin",
                "repetitions=2 cell wait=halt spend=halt cell wait=halt spend=spin cell wait=spin spend=halt cell \
                 wait=spin spend=spin",
            ),
            (
                "limit=1s,2s cell wait=spin cell limit=3s icr-level=assert,none",
                "cell limit=1s wait=spin cell limit=2s wait=spin cell limit=3s icr-level=assert cell limit=3s icr-level=none",
            ),
            (
                "wait=halt,spin wait=spin order=listed,primaries-first",
                "wait=spin cell order=listed cell order=primaries-first",
            ),
        ] {
            assert_eq!(spanned(words).unwrap(), expected, "{words}");
        }
    }

    #[test]
    fn a_list_that_is_one_value_is_no_sweep() {
        let words = "cost-callin=800us,3:8ms skew=3:200,7:-200 fault=trap:1,panic:2 tsc-window=2ms,package:20ms \
                     serial=0x2f8,57600 cell  wait=spin";
        assert_eq!(spanned(words).unwrap(), words);
    }

    #[test]
    fn a_sweep_with_a_value_twice_or_too_many_cells_is_refused() {
        let refused = |words: &str| spanned(words).unwrap_err().report().to_string();
        assert_eq!(refused("wait=halt,spin,halt"), "`wait=halt,spin,halt` has `halt` twice");
        let numbers = |to: u32| (1..=to).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let words = format!("repetitions={} limit={}", numbers(101), numbers(100));
        assert_eq!(refused(&words), "the options span more than 10000 cells");
    }
}
