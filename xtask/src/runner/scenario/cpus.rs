//! CPU counts, alone or as a range.

use std::iter::successors;
use std::str::FromStr;

/// What there may be.
pub const EXPECTED: &str = "a CPU count, the BSP included, from 1 to 65535, or a range with its end: \"2..=8\" in \
                            steps of one, \"2..=128 * 2\" each twice the one before";

/// The CPU counts of a word of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts(pub Vec<u16>);

impl FromStr for Counts {
    type Err = String;

    fn from_str(text: &str) -> Result<Counts, String> {
        counts(text).map(Counts).ok_or_else(|| format!("expected {EXPECTED}"))
    }
}

/// The counts of `8`, of `2..=8` and of `2..=128 * 2`, in rising order; `None` where the text is none of these.
pub fn counts(text: &str) -> Option<Vec<u16>> {
    let count = |text: &str| text.trim().parse().ok().filter(|count: &u16| *count > 0);
    let Some((first, rest)) = text.split_once("..=") else {
        return count(text).map(|count| vec![count]);
    };
    let (last, factor) = rest.split_once('*').map_or((rest, None), |(last, by)| (last, Some(by)));
    let (first, last) = (count(first)?, count(last)?);
    if first > last {
        return None;
    }
    let Some(factor) = factor else { return Some((first..=last).collect()) };
    let factor = count(factor).filter(|factor| *factor > 1)?;
    let counts = successors(Some(first), |count| count.checked_mul(factor));
    Some(counts.take_while(|count| *count <= last).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_its_end_and_multiplies_where_it_says_so() {
        for (text, expected) in [
            ("8", &[8][..]),
            ("2..=5", &[2, 3, 4, 5]),
            ("7..=7", &[7]),
            ("2..=128 * 2", &[2, 4, 8, 16, 32, 64, 128]),
            ("3..=28*3", &[3, 9, 27]),
            ("40000..=65535 * 2", &[40000]),
        ] {
            assert_eq!(counts(text).as_deref(), Some(expected), "{text}");
        }
        let none = [
            "",
            "0",
            "65536",
            "2..8",
            "0..=4",
            "8..=2",
            "2..=8 * 1",
            "2..=8 * 0",
            "2..=",
            "..=8",
            "-1..=3",
        ];
        for text in none {
            assert_eq!(counts(text), None, "{text}");
        }
    }
}
