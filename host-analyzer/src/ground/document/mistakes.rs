//! The mistakes of a file, each with its place, and the report of all of them.

use crate::ground::text::printable;
use miette::{Diagnostic, LabeledSpan, MietteDiagnostic, NamedSource, Report, SourceCode};
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The most mistakes that are shown.
const SHOWN: usize = 20;

/// The longest piece of a file that is shown with a mistake, in bytes.
const LONGEST_EXCERPT: usize = 2000;

/// The longest value or key that is quoted, in characters.
pub const LONGEST_QUOTE: usize = 100;

/// The longest message, in characters.
const LONGEST_MESSAGE: usize = 1000;

/// The mistakes found so far in a text.
///
/// They are added through a shared reference, since all values of the file report to it.
#[derive(Debug)]
pub struct Mistakes<'t> {
    file: &'t str,
    text: &'t str,
    found: RefCell<Vec<Found>>,
}

/// A mistake in a text.
#[derive(Debug)]
struct Found {
    key: String,
    message: String,
    help: Option<String>,
    /// The places that make it, each with its label; there is at least one.
    spans: Vec<(Range<usize>, String)>,
}

impl Found {
    fn start(&self) -> usize {
        self.spans.first().map_or(0, |(at, _)| at.start)
    }
}

impl<'t> Mistakes<'t> {
    /// None yet, in a text; `file` is its name in messages.
    pub fn new(file: &'t str, text: &'t str) -> Mistakes<'t> {
        Mistakes { file, text, found: RefCell::default() }
    }

    /// True where no mistake was found.
    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// The line of a byte, from 1.
    pub fn line(&self, byte: usize) -> usize {
        place(self.text, byte).0
    }

    /// Adds a mistake at a place; `key` is the path of the key, empty where none is concerned.
    pub fn add(&self, at: Range<usize>, key: &str, message: &str, help: Option<&str>) {
        self.add_at(vec![(at, "here")], key, message, help);
    }

    /// Adds a mistake that several places make together, each with its label.
    pub fn add_at(
        &self,
        spans: Vec<(Range<usize>, &str)>,
        key: &str,
        message: &str,
        help: Option<&str>,
    ) {
        self.found.borrow_mut().push(Found {
            key: quoted(key),
            message: printable(&cut(message, LONGEST_MESSAGE)),
            help: help.map(str::to_owned),
            spans: spans.into_iter().map(|(at, label)| (at, label.to_owned())).collect(),
        });
    }

    /// Fails if a mistake was found: with all of them, in the order of the text.
    pub fn verdict(&self) -> Result<(), Report> {
        let mut found = self.found.take();
        found.sort_by_key(Found::start);
        let number = found.len();
        found.truncate(SHOWN);
        let source = Arc::new(NamedSource::new(self.file, harmless(self.text)));
        let mut mistakes: Vec<Mistake> =
            found.into_iter().map(|found| self.placed(found, &source)).collect();
        match number {
            0 => Ok(()),
            1 => Err(mistakes.remove(0).into()),
            _ => Err(Several { file: self.file.to_owned(), number, mistakes }.into()),
        }
    }

    /// The mistake with its place.
    fn placed(&self, found: Found, source: &Arc<NamedSource<String>>) -> Mistake {
        let (line, column) = place(self.text, found.start());
        let colon = if found.key.is_empty() { "" } else { ": " };
        let Found { key, message, help, spans } = found;
        let mut report =
            MietteDiagnostic::new(format!("{}:{line}:{column}: {key}{colon}{message}", self.file));
        if spans.iter().all(|(at, _)| excerpt(self.text, at).len() <= LONGEST_EXCERPT) {
            let labels = spans.into_iter().map(|(at, label)| LabeledSpan::at(at, label));
            report = report.with_labels(labels);
        }
        if let Some(help) = help {
            report = report.with_help(help);
        }
        Mistake { report, source: Arc::clone(source) }
    }
}

/// The lines of a place, and one more on each side: what is shown with a mistake.
fn excerpt<'t>(text: &'t str, at: &Range<usize>) -> &'t str {
    let before = text.get(..at.start).unwrap_or_default();
    let begin = before.rmatch_indices('\n').nth(1).map_or(0, |(newline, _)| newline);
    let behind = text.get(at.end..).unwrap_or_default();
    let end = behind.match_indices('\n').nth(1).map_or(text.len(), |(newline, _)| at.end + newline);
    text.get(begin..end).unwrap_or_default()
}

/// The text without what steers a terminal, every byte at its place.
fn harmless(text: &str) -> String {
    let harmless = |c: char| match (c, c.len_utf8()) {
        ('\n' | '\r' | '\t', _) => c,
        (control, 1) if control.is_control() => '?',
        (control, _) if control.is_control() => '¿',
        _ => c,
    };
    text.chars().map(harmless).collect()
}

/// The text, or its begin where it is longer.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A piece of a file as a message quotes it.
pub fn quoted(text: &str) -> String {
    printable(&cut(text, LONGEST_QUOTE))
}

/// Line and column of a byte, both from 1, columns in characters.
pub fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line, column)
}

/// One mistake, with the place in the file.
#[derive(Debug)]
struct Mistake {
    report: MietteDiagnostic,
    source: Arc<NamedSource<String>>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl std::error::Error for Mistake {}

impl Diagnostic for Mistake {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.report.help()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.report.labels()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }
}

/// Several mistakes of one file.
#[derive(Debug)]
struct Several {
    file: String,
    /// How many there are; the first of them follow.
    number: usize,
    mistakes: Vec<Mistake>,
}

impl fmt::Display for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.mistakes.len();
        let first =
            if shown < self.number { format!("; the first {shown}") } else { String::new() };
        write!(f, "{} has {} mistakes{first}", self.file, self.number)
    }
}

impl std::error::Error for Several {}

impl Diagnostic for Several {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.mistakes.iter().map(|mistake| mistake as &dyn Diagnostic)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        assert_eq!(place("a\nµµx", 6), (2, 3));
        assert_eq!(place("", 0), (1, 1));
    }
}
