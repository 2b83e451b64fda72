//! How wide the terminal is, and text that fits it.

use rustix::termios::tcgetwinsize;
use std::env;
use std::io;
use std::sync::OnceLock;
use textwrap::{Options, WordSeparator, WordSplitter};

/// In columns; unset where lines may have any length.
static WIDTH: OnceLock<usize> = OnceLock::new();

/// Finds the width that [`width`] gives from now on: the environment variable `COLUMNS`, else that of the
/// terminal which standard output is. A program calls it once when it starts; without it, as in tests, lines
/// may have any length.
pub fn find() {
    let given = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col.into());
    if let Some(width) = given.or_else(terminal).filter(|width| *width > 0) {
        // The first call counts.
        let _ = WIDTH.set(width);
    }
}

/// The width of the terminal in columns; `None` where lines may have any length.
pub fn width() -> Option<usize> {
    WIDTH.get().copied()
}

/// A text whose lines fit the terminal: longer ones are broken between words. A word that is itself longer,
/// as a path, stays whole.
pub fn wrapped(text: &str) -> String {
    width().map_or_else(|| text.to_owned(), |width| wrapped_at(text, width))
}

fn wrapped_at(text: &str, width: usize) -> String {
    let options = Options::new(width)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(text, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_nowhere_else() {
        let text = "note: a-b-c-d /a/long/path/of/one/word x\n\n  short   line\n";
        let lines = "note: a-b-c-d\n/a/long/path/of/one/word\nx\n\n  short   line\n";
        assert_eq!(wrapped_at(text, 16), lines);
    }
}
