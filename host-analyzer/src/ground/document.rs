//! A TOML file under check: each mistake is told with file, line, column and key.
//!
//! What a key means is not known here; scenarios, profiles and published figures each know
//! their own.

use crate::ground::failure::Failure;
use crate::ground::text::printable;
use miette::{Diagnostic, LabeledSpan, MietteDiagnostic, NamedSource, Report, SourceCode, miette};
use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The largest file that is read, in bytes: a hundred times what a person writes, and few enough
/// that every mistake is found within seconds.
const LARGEST: usize = 1024 * 1024;

/// The most mistakes that are shown.
const SHOWN: usize = 20;

/// The longest piece of a file that is shown with a mistake, in bytes.
const LONGEST_EXCERPT: usize = 2000;

/// The longest value or key that is quoted, in characters.
const LONGEST_QUOTE: usize = 100;

/// The longest message, in characters.
const LONGEST_MESSAGE: usize = 1000;

/// Reads a TOML file; `what` is it called in messages, `help` says what there is instead.
///
/// Fails with [`Failure::Request`] where there is no such file, or one that can't be TOML, and with
/// [`Failure::Environment`] where it can't be read.
pub fn text_of(path: &Path, what: &str, help: impl Fn() -> String) -> Result<String, Failure> {
    let name = path.display();
    let mut bytes = Vec::new();
    // A pipe would be waited for.
    if fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir()) {
        return Err(Failure::Request(miette!(
            help = help(),
            "{name} is no regular file, expected a {what}"
        )));
    }
    // It may grow meanwhile.
    let read =
        File::open(path).and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            Failure::Request(miette!(help = help(), "there is no {what} {name}"))
        }
        ErrorKind::IsADirectory => {
            Failure::Request(miette!(help = help(), "{name} is a folder, expected a {what}"))
        }
        _ => Failure::Environment(miette!("can't read {name}: {error}")),
    })?;
    if bytes.len() > LARGEST {
        return Err(Failure::Request(miette!(
            help = help(),
            "{name} has more than {LARGEST} bytes (1 MiB), expected a {what}"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        let (line, column) = place(&before, good);
        Failure::Request(miette!(
            help = "a TOML file is UTF-8; save it as that",
            "{name}:{line}:{column}: this byte is not UTF-8"
        ))
    })
}

/// The file under check, and the mistakes found so far.
#[derive(Debug)]
pub struct Document<'t> {
    file: &'t str,
    text: &'t str,
    mistakes: Vec<Found>,
}

/// A mistake in a document.
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

impl<'t> Document<'t> {
    /// Reads a text as TOML and hands its table to `read`; `file` is its name in messages.
    ///
    /// Fails with every mistake that the text has as TOML, or else that `read` has told.
    pub fn read<T>(
        file: &'t str,
        text: &'t str,
        read: impl FnOnce(&mut Document<'t>, &DeTable<'_>) -> T,
    ) -> Result<T, Report> {
        Document::read_explaining(file, text, |_, _| None, read)
    }

    /// The same; `explain` may have a better message, and a help, for a mistake that the text has
    /// as TOML: it gets what stands at the place, and the message.
    pub fn read_explaining<T>(
        file: &'t str,
        text: &'t str,
        explain: impl Fn(&str, &str) -> Option<(&'static str, &'static str)>,
        read: impl FnOnce(&mut Document<'t>, &DeTable<'_>) -> T,
    ) -> Result<T, Report> {
        let mut document = Document { file, text, mistakes: Vec::new() };
        let (table, mut errors) = DeTable::parse_recoverable(text);
        // Some are found twice.
        errors
            .dedup_by(|next, last| next.span() == last.span() && next.message() == last.message());
        for error in errors {
            let (at, message) = (error.span().unwrap_or(0..0), error.message().trim());
            match explain(text.get(at.clone()).unwrap_or_default(), message) {
                Some((message, help)) => document.mistake(at, "", message, Some(help)),
                None => document.mistake(at, "", message, None),
            }
        }
        // Half a document would only add mistakes that are none.
        document.verdict()?;
        let read = read(&mut document, table.get_ref());
        document.verdict()?;
        Ok(read)
    }

    /// True where a mistake was found.
    pub fn is_wrong(&self) -> bool {
        !self.mistakes.is_empty()
    }

    /// Tells a mistake at a place.
    pub fn mistake(&mut self, at: Range<usize>, key: &str, message: &str, help: Option<&str>) {
        self.labelled(key, message, help, vec![(at, "here")]);
    }

    /// Tells a mistake that several places make together.
    pub fn labelled(
        &mut self,
        key: &str,
        message: &str,
        help: Option<&str>,
        spans: Vec<(Range<usize>, &str)>,
    ) {
        self.mistakes.push(Found {
            key: quoted(key),
            message: printable(&cut(message, LONGEST_MESSAGE)),
            help: help.map(str::to_owned),
            spans: spans.into_iter().map(|(at, label)| (at, label.to_owned())).collect(),
        });
    }

    /// Tells a mistake where a key has a value of another kind than expected.
    pub fn unexpected(&mut self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let message = format!("expected {expected}, found {}", shown(value.get_ref()));
        self.mistake(value.span(), key, &message, None);
    }

    /// Tells a key that is none of `known`; `path` is the table that it stands in, with a dot.
    pub fn unknown_key(&mut self, at: Range<usize>, path: &str, key: &str, known: &[&str]) {
        let near = suggestion(key, known.iter().copied());
        let help = near.map(|near| format!("did you mean `{near}`?"));
        let message = format!("there is no such key: expected one of {}", known.join(" "));
        self.mistake(at, &format!("{path}{key}"), &message, help.as_deref());
    }

    /// Tells every key of `needed` that the table lacks; the table stands `at` this place.
    pub fn missing_keys(
        &mut self,
        at: Range<usize>,
        path: &str,
        table: &DeTable<'_>,
        needed: &[&str],
    ) {
        for needed in needed {
            if !table.iter().any(|(key, _)| key.get_ref() == needed) {
                self.mistake(at.clone(), &format!("{path}{needed}"), "this key is missing", None);
            }
        }
    }

    /// A text that is not empty.
    pub fn text(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> String {
        match value.get_ref().as_str().filter(|text| !text.trim().is_empty()) {
            Some(text) => text.to_owned(),
            None => {
                self.unexpected(key, value, "a text");
                String::new()
            }
        }
    }

    /// A whole number from `least` on.
    pub fn number(&mut self, key: &str, value: &Spanned<DeValue<'_>>, least: u64) -> u64 {
        let number = whole(value.get_ref()).and_then(|number| u64::try_from(number).ok());
        number.filter(|number| *number >= least).unwrap_or_else(|| {
            self.unexpected(key, value, &format!("a whole number from {least}"));
            least
        })
    }

    /// One of some words.
    pub fn word<'w>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        known: &[&'w str],
    ) -> Option<&'w str> {
        let given = value.get_ref().as_str().unwrap_or_default();
        let found = known.iter().find(|word| **word == given).copied();
        if found.is_none() {
            let near = suggestion(given, known.iter().copied());
            let help = near.map(|near| format!("did you mean `{near}`?"));
            let message =
                format!("expected one of {}, found {}", known.join(" "), shown(value.get_ref()));
            self.mistake(value.span(), key, &message, help.as_deref());
        }
        found
    }

    /// A table.
    pub fn table<'v, 'i>(
        &mut self,
        key: &str,
        value: &'v Spanned<DeValue<'i>>,
    ) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.unexpected(key, value, "a table");
        }
        table
    }

    /// Fails if a mistake was found.
    pub fn verdict(&mut self) -> Result<(), Report> {
        let mut found = std::mem::take(&mut self.mistakes);
        found.sort_by_key(Found::start);
        let number = found.len();
        found.truncate(SHOWN);
        let source = Arc::new(NamedSource::new(self.file, harmless(self.text)));
        let mut mistakes: Vec<Mistake> =
            found.into_iter().map(|found| self.told(found, &source)).collect();
        match number {
            0 => Ok(()),
            1 => Err(mistakes.remove(0).into()),
            _ => Err(Mistakes { file: self.file.to_owned(), number, mistakes }.into()),
        }
    }

    /// The mistake with its place.
    fn told(&self, found: Found, source: &Arc<NamedSource<String>>) -> Mistake {
        let (line, column) = place(self.text, found.start());
        let colon = if found.key.is_empty() { "" } else { ": " };
        let Found { key, message, help, spans } = found;
        let mut told =
            MietteDiagnostic::new(format!("{}:{line}:{column}: {key}{colon}{message}", self.file));
        if spans.iter().all(|(at, _)| excerpt(self.text, at).len() <= LONGEST_EXCERPT) {
            let labels = spans.into_iter().map(|(at, label)| LabeledSpan::at(at, label));
            told = told.with_labels(labels);
        }
        if let Some(help) = help {
            told = told.with_help(help);
        }
        Mistake { told, source: Arc::clone(source) }
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
fn quoted(text: &str) -> String {
    printable(&cut(text, LONGEST_QUOTE))
}

/// Line and column of a byte, both from 1, columns in characters.
pub fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line, column)
}

/// A whole number, if it is one.
pub fn whole(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A text, or a whole number as a text.
pub fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value.as_str() {
        Some(text) => Some(text.to_owned()),
        None => {
            let integer = value.as_integer()?;
            let number = i128::from_str_radix(integer.as_str(), integer.radix());
            Some(number.map_or_else(|_| integer.as_str().to_owned(), |number| number.to_string()))
        }
    }
}

/// A value as it is quoted in a message.
pub fn shown(value: &DeValue<'_>) -> String {
    match scalar(value) {
        Some(text) => format!("`{}`", quoted(&text)),
        None => format!("a value of type {}", value.type_str()),
    }
}

/// The known word that a mistyped one most likely means.
pub fn suggestion<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // No known word is that long, and the distance takes time and room by the length.
    if given.len() > LONGEST_QUOTE {
        return None;
    }
    let distance = |word: &str| strsim::damerau_levenshtein(given, word);
    let near = known.into_iter().map(|word| (distance(word), word)).min()?;
    (near.0 <= given.chars().count().max(3) / 3).then_some(near.1)
}

/// One mistake, with the place in the file.
#[derive(Debug)]
struct Mistake {
    told: MietteDiagnostic,
    source: Arc<NamedSource<String>>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told.fmt(f)
    }
}

impl std::error::Error for Mistake {}

impl Diagnostic for Mistake {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.told.help()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.told.labels()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }
}

/// Several mistakes of one file.
#[derive(Debug)]
struct Mistakes {
    file: String,
    /// How many there are; the first of them follow.
    number: usize,
    mistakes: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.mistakes.len();
        let first =
            if shown < self.number { format!("; the first {shown}") } else { String::new() };
        write!(f, "{} has {} mistakes{first}", self.file, self.number)
    }
}

impl std::error::Error for Mistakes {}

impl Diagnostic for Mistakes {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.mistakes.iter().map(|mistake| mistake as &dyn Diagnostic)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A document that refuses every key.
    fn refused(text: &str) -> Report {
        let read = Document::read("f.toml", text, |document, table| {
            for (key, _) in table {
                document.unknown_key(key.span(), "", key.get_ref(), &["known"]);
            }
        });
        read.unwrap_err()
    }

    #[test]
    fn of_very_many_mistakes_the_first_are_shown() {
        let text: String = (0..2000).map(|number| format!("k{number} = 1\n")).collect();
        let report = refused(&text);
        assert_eq!(report.to_string(), "f.toml has 2000 mistakes; the first 20");
        assert_eq!(report.related().unwrap().count(), 20);
        let last = report.related().unwrap().last().unwrap().to_string();
        assert!(last.starts_with("f.toml:20:1: k19: there is no such key"), "{last}");
    }

    #[test]
    fn a_long_line_is_not_echoed() {
        let long = "x".repeat(100_000);
        for text in [
            format!("{long} = 1"),
            format!("known = 1\nbad = 1\n# {long}"),
            format!("= '{long}'"),
            format!("bad = '{long}"),
        ] {
            let shown = format!("{:?}", refused(&text));
            assert!(shown.len() < 3000, "{} bytes", shown.len());
            assert!(shown.contains("f.toml:"), "{shown}");
        }
        let number = format!("known = {}", "9".repeat(100_000));
        let read = Document::read("f.toml", &number, |document, table| {
            table.iter().for_each(|(_, value)| document.unexpected("known", value, "a text"));
        });
        let shown = read.unwrap_err().to_string();
        assert!(shown.len() < 300 && shown.contains("found `99999"), "{shown}");
    }

    #[test]
    fn a_file_cannot_steer_the_terminal() {
        for text in ["\"a\\u001b[2J\" = 1", "bad = '\u{1b}[2J\u{9b}2J'"] {
            // Without the colours that messages have on a terminal.
            let mut shown = String::new();
            let report = refused(text);
            miette::NarratableReportHandler::new().render_report(&mut shown, &*report).unwrap();
            assert!(!shown.contains(['\u{1b}', '\u{9b}']), "{shown:?}");
        }
    }

    #[test]
    fn a_file_that_can_be_no_toml_is_a_wrong_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.toml");
        let told = |path: &Path| match text_of(path, "list", || "make one".to_owned()) {
            Err(Failure::Request(report)) => report.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(told(&path).starts_with("there is no list "));
        assert!(told(folder.path()).ends_with(" is a folder, expected a list"));
        assert!(told(Path::new("/dev/zero")).ends_with(" is no regular file, expected a list"));
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(told(&pipe).ends_with(" is no regular file, expected a list"));
        std::fs::write(&path, "#".repeat(LARGEST + 1)).unwrap();
        assert!(told(&path).contains("more than 1048576 bytes (1 MiB)"));
        std::fs::write(&path, b"a = 1\nb = '\xff'").unwrap();
        assert!(told(&path).ends_with("f.toml:2:6: this byte is not UTF-8"));
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(place("a\nµµx", 6), (2, 3));
        assert_eq!(place("", 0), (1, 1));
    }
}
