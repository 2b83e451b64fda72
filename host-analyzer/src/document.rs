//! A TOML file under check: each mistake is told with file, line, column and key.
//!
//! What a key means is not known here; scenarios, profiles and published figures each know
//! their own.

use miette::{Diagnostic, LabeledSpan, MietteDiagnostic, NamedSource, Report, SourceCode};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The file under check, and the mistakes found so far.
#[derive(Debug)]
pub struct Document<'t> {
    file: &'t str,
    text: &'t str,
    source: Arc<NamedSource<String>>,
    mistakes: Vec<(usize, Mistake)>,
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
        let source = Arc::new(NamedSource::new(file, text.to_owned()));
        let mut document = Document { file, text, source, mistakes: Vec::new() };
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
        let start = spans.first().map_or(0, |(at, _)| at.start);
        let (line, column) = place(self.text, start);
        let colon = if key.is_empty() { "" } else { ": " };
        let message = format!("{}:{line}:{column}: {key}{colon}{message}", self.file);
        let labels = spans.into_iter().map(|(at, label)| LabeledSpan::at(at, label));
        let mut told = MietteDiagnostic::new(message).with_labels(labels);
        if let Some(help) = help {
            told = told.with_help(help);
        }
        self.mistakes.push((start, Mistake { told, source: Arc::clone(&self.source) }));
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
        let mut mistakes = std::mem::take(&mut self.mistakes);
        mistakes.sort_by_key(|(start, _)| *start);
        let mut mistakes: Vec<Mistake> = mistakes.into_iter().map(|(_, mistake)| mistake).collect();
        match mistakes.len() {
            0 => Ok(()),
            1 => Err(mistakes.remove(0).into()),
            _ => Err(Mistakes { file: self.file.to_owned(), mistakes }.into()),
        }
    }
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
        Some(text) => format!("`{text}`"),
        None => format!("a value of type {}", value.type_str()),
    }
}

/// The known word that a mistyped one most likely means.
pub fn suggestion<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
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
    mistakes: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has {} mistakes", self.file, self.mistakes.len())
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

    #[test]
    fn columns_count_characters() {
        assert_eq!(place("a\nµµx", 6), (2, 3));
        assert_eq!(place("", 0), (1, 1));
    }
}
