//! What a shell is offered in the place of a word that only this program knows.

use crate::runner::engine::BUILT_IN;
use crate::runner::folder::toml_files_in;
use crate::stages;
use crate::workspace::root;
use bringup::boot_options::{Apic, BootOptions};
use bringup::frame::TscSource;
use bringup::options::{Key, Options};
use bringup::plan::CELL;
use bringup::words::Word;
use clap::builder::StyledStr;
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use host_analyzer::command::manual::words_before;
use std::ffi::OsStr;

/// Options `KEY=VALUE`: the keys, and the values of a key that is there.
pub fn options() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| words(&current.to_string_lossy(), &words_before()))
}

/// The names of options.
pub fn keys() -> ArgValueCandidates {
    let candidate = |(name, meaning)| CompletionCandidate::new(name).help(Some(meaning));
    ArgValueCandidates::new(move || named().map(candidate).collect())
}

/// The built-in engines.
pub fn engines() -> ArgValueCandidates {
    ArgValueCandidates::new(|| BUILT_IN.map(CompletionCandidate::new).into())
}

/// The stages of `test`.
pub fn stages() -> ArgValueCandidates {
    ArgValueCandidates::new(|| stages::names().map(CompletionCandidate::new).collect())
}

/// The scenarios of this repository by name, and files.
pub fn scenarios() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names = toml_files_in(&root().join("scenarios"));
        let names = names.into_iter().filter(|name| name.starts_with(&*current.to_string_lossy()));
        let files = PathCompleter::file().complete(current);
        names.map(CompletionCandidate::new).chain(files).collect()
    })
}

/// Every option, those of a whole boot as well, with its meaning.
fn named() -> impl Iterator<Item = (&'static str, StyledStr)> {
    let cells = Options::KEYS.iter().map(|key| (key.name(), key.meaning()));
    cells.chain(BootOptions::KEYS).map(|(name, meaning)| (name, meaning.into()))
}

/// The words that begin with `current`. Bash makes words of its own of `key`, `=` and the value, of which
/// `current` is then the last: `before` has those before it.
fn words(current: &str, before: &[String]) -> Vec<CompletionCandidate> {
    let key_before = match before {
        [.., key, equals] if equals == "=" => Some(key),
        [.., key] if named().any(|(name, _)| name == key) => Some(key),
        _ => None,
    };
    let (key, prefix, value) = match (key_before, current.split_once('=')) {
        (Some(key), _) => (key.as_str(), String::new(), current.trim_start_matches('=')),
        (None, Some((key, value))) => (key, format!("{key}="), value),
        (None, None) => return key_words(current),
    };
    let values = values(key).into_iter().filter(|text| text.starts_with(value));
    values.map(|text| CompletionCandidate::new(format!("{prefix}{text}"))).collect()
}

/// `KEY=` of each option whose name begins so, and the word `cell`.
fn key_words(current: &str) -> Vec<CompletionCandidate> {
    let named = named().filter(|(name, _)| name.starts_with(current));
    let keys = named
        .map(|(name, meaning)| CompletionCandidate::new(format!("{name}=")).help(Some(meaning)));
    let cell = CELL.starts_with(current).then(|| CompletionCandidate::new(CELL));
    keys.chain(cell).collect()
}

/// The values of an option: all of them where they are few, else its default.
fn values(key: &str) -> Vec<String> {
    let texts = match (key, Key::named(key)) {
        ("apic", _) => Apic::NAMES,
        ("tsc-source", _) => TscSource::NAMES,
        (_, Some(key)) if key.texts().is_empty() => {
            return vec![key.value(&Options::default()).to_string()];
        }
        (_, Some(key)) => key.texts(),
        (_, None) => &[],
    };
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(current: &str, before: &[&str]) -> Vec<String> {
        let before: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
        let text = |word: CompletionCandidate| word.get_value().to_string_lossy().into_owned();
        words(current, &before).into_iter().map(text).collect()
    }

    #[test]
    fn keys_are_offered_before_the_sign_and_values_behind_it() {
        assert_eq!(offered("strat", &["run"]), ["strategy="]);
        assert_eq!(
            offered("strategy=par", &["run"]),
            ["strategy=parallel-sipi", "strategy=parallel-callin"]
        );
        assert_eq!(offered("apic=x", &["run"]), ["apic=xapic", "apic=x2apic"]);
        assert_eq!(offered("ce", &["run"]), ["cell"]);
    }

    #[test]
    fn words_that_bash_has_split_are_put_together() {
        assert_eq!(offered("ser", &["run", "strategy", "="]), ["serial"]);
        assert_eq!(offered("", &["run", "repetitions"]).len(), 1);
        assert_eq!(offered("=", &["run", "wait"]).len(), 2);
    }
}
