//! A TOML file under check: every mistake is reported, all at once, with file, line, column and key.
//!
//! What a key means is not known here; scenarios, profiles, budgets and published figures each know
//! their own. A reader names the keys:
//!
//! ```
//! use host_analyzer::ground::document::{Value, read};
//!
//! let khz = read("p.toml", "tsc-khz = 2_593_926", |keys| {
//!     keys.may("source", Value::text);
//!     keys.need("tsc-khz", |value| value.number(1..=u32::MAX, "a frequency in kHz"))
//! });
//! assert_eq!(khz.unwrap(), Some(2_593_926));
//! ```

mod mistakes;
mod value;

use crate::ground::failure::Failure;
use miette::{Report, miette};
use mistakes::place;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;
use toml::de::DeTable;

pub use mistakes::Mistakes;
pub use value::{Keys, Value, suggestion};

/// The largest file that is read, in bytes: a hundred times what a person writes, and few enough
/// that every mistake is found within seconds.
const LARGEST: usize = 1024 * 1024;

/// Reads a TOML file; `what` names the file in messages; `help` lists what could be read instead.
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

/// Reads a text as TOML and hands its keys to `reader`; `file` is its name in messages.
///
/// Fails with every mistake that the text has as TOML, or else that the reader has reported. Every
/// key that the reader does not name is a mistake.
pub fn read<T>(
    file: &str,
    text: &str,
    reader: impl FnOnce(&mut Keys<'_>) -> T,
) -> Result<T, Report> {
    read_explaining(file, text, |_, _| None, reader)
}

/// The same; `explain` may have a better message, and a help, for a mistake that the text has as
/// TOML: it gets the text of the place, and the message.
pub fn read_explaining<T>(
    file: &str,
    text: &str,
    explain: impl Fn(&str, &str) -> Option<(&'static str, &'static str)>,
    reader: impl FnOnce(&mut Keys<'_>) -> T,
) -> Result<T, Report> {
    let mistakes = Mistakes::new(file, text);
    let (table, mut errors) = DeTable::parse_recoverable(text);
    // Some are found twice.
    errors.dedup_by(|next, last| next.span() == last.span() && next.message() == last.message());
    for error in errors {
        let (at, message) = (error.span().unwrap_or(0..0), error.message().trim());
        match explain(text.get(at.clone()).unwrap_or_default(), message) {
            Some((message, help)) => mistakes.add(at, "", message, Some(help)),
            None => mistakes.add(at, "", message, None),
        }
    }
    // Checking a partly parsed document would report false errors.
    mistakes.verdict()?;
    let result = Keys::read(&mistakes, table.get_ref(), "", 0..0, reader);
    mistakes.verdict()?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The report of a document whose one key is `known`.
    fn refused(text: &str) -> Report {
        read("f.toml", text, |keys| drop(keys.get("known"))).unwrap_err()
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
        let read = read("f.toml", &number, |keys| keys.need("known", Value::text));
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
        let refused = |path: &Path| match text_of(path, "list", || "make one".to_owned()) {
            Err(Failure::Request(report)) => report.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(refused(&path).starts_with("there is no list "));
        assert!(refused(folder.path()).ends_with(" is a folder, expected a list"));
        assert!(refused(Path::new("/dev/zero")).ends_with(" is no regular file, expected a list"));
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(refused(&pipe).ends_with(" is no regular file, expected a list"));
        std::fs::write(&path, "#".repeat(LARGEST + 1)).unwrap();
        assert!(refused(&path).contains("more than 1048576 bytes (1 MiB)"));
        std::fs::write(&path, b"a = 1\nb = '\xff'").unwrap();
        assert!(refused(&path).ends_with("f.toml:2:6: this byte is not UTF-8"));
    }

    #[test]
    fn every_mistake_is_reported_at_once_with_its_place_and_key() {
        let text = "nme = \"x\"\nsize = 9\nflag = 1\n[inner]\nwho = \"tow\"\nlist = []\n";
        let report = read("f.toml", text, |keys| {
            keys.hint(|key| (key == "flag").then(|| "it belongs to another file".to_owned()));
            keys.need("name", Value::text);
            keys.need("size", |size| size.number(1..=8_u8, "a size"));
            keys.need("inner", |inner| {
                inner.table(|keys| {
                    keys.need("who", |who| who.choice(["one", "two"], |who| who));
                    keys.need("list", |list| Some(list.list().len()));
                    keys.need("more", Value::flag)
                })
            });
        });
        let report = report.unwrap_err();
        let mistakes = report.related().unwrap().map(|mistake| match mistake.help() {
            Some(help) => format!("{mistake} ({help})"),
            None => mistake.to_string(),
        });
        let expected = [
            "f.toml:1:1: name: this key is missing",
            "f.toml:1:1: nme: there is no such key: expected one of name size inner (did you mean \
             `name`?)",
            "f.toml:2:8: size: expected a size from 1 to 8, found `9`",
            "f.toml:3:1: flag: there is no such key: expected one of name size inner (it belongs \
             to another file)",
            "f.toml:4:1: inner.more: this key is missing",
            "f.toml:5:7: inner.who: expected one of one two, found `tow` (did you mean `two`?)",
            "f.toml:6:8: inner.list: this list is empty (give it a value, or take the key out)",
        ];
        assert_eq!(mistakes.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_table_with_anybodys_names_has_them_in_the_order_of_the_file() {
        let names = read("f.toml", "b = 1\na = 2\n'' = 3\n", |keys| {
            keys.all().iter().map(|(name, value)| (name.to_string(), value.line())).collect()
        });
        let expected = [("b", 1), ("a", 2), ("", 3)].map(|(name, line)| (name.to_owned(), line));
        let names: Vec<(String, usize)> = names.unwrap();
        assert_eq!(names, expected);
    }
}
