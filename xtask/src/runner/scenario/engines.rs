//! The engines of a scenario: which run, and the names of those that it defines itself.

use super::axis::axis;
use super::definition::definition;
use super::{ENGINE, ENGINES};
use crate::runner::engine::{BUILT_IN, Engine, named};
use host_analyzer::ground::document::{Keys, Value};
use host_analyzer::run::UNKNOWN_ENGINE;
use std::path::Path;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// The longest name: it becomes a part of a file's.
const LONGEST_NAME: usize = 64;

/// TOML's own message where `engine` names what runs and is a table as well is about dotted keys;
/// this is about engines.
pub fn explain(at: &str, message: &str) -> Option<(&'static str, &'static str)> {
    (at == ENGINE && message.contains("cannot extend")).then_some((
        "`engine` names what runs, so it can't hold a definition as well",
        "a file with tables `[engine.NAME]` names what runs by `engines`, as in \
         `engines = [\"tcg\", \"NAME\"]`",
    ))
}

/// An engine that the scenario defines; none where its definition has mistakes.
struct Own {
    name: String,
    engine: Option<Arc<dyn Engine>>,
}

/// The engines that run, in the order in which the file names them; `folder` is the file's, an
/// absolute path.
pub fn engines(keys: &mut Keys<'_>, folder: &Path) -> Vec<Arc<dyn Engine>> {
    let (tables, chosen) = match keys.get(ENGINE) {
        Some(value) if value.is_table() => (Some(value), None),
        value => (None, value),
    };
    let own = tables.and_then(|tables| tables.table(|keys| own_engines(keys, folder)));
    let own = own.unwrap_or_default();
    match (chosen, keys.get(ENGINES)) {
        (Some(_), Some(again)) => {
            let help = "take one of the two out";
            again.wrong_key("`engine` already names what runs", Some(help));
            Vec::new()
        }
        (Some(value), None) | (None, Some(value)) => chosen_engines(&value, &own),
        (None, None) => {
            let (key, example) = match own.first() {
                None => (ENGINE, "engine = \"icount\"".to_owned()),
                Some(own) => (ENGINES, format!("engines = [\"tcg\", \"{}\"]", own.name)),
            };
            keys.missing(key, Some(&format!("it names what runs, for example `{example}`")));
            Vec::new()
        }
    }
}

fn chosen_engines(value: &Value<'_>, own: &[Own]) -> Vec<Arc<dyn Engine>> {
    let names = BUILT_IN.into_iter().chain(own.iter().map(|own| &*own.name));
    let names: Vec<&str> = names.collect();
    let chosen = axis(
        value,
        |name| name.choice(names.iter().copied(), |name| name),
        |name| name.to_string(),
    );
    let engine = |name: &str| {
        let own = || own.iter().find(|own| own.name == name)?.engine.clone();
        named(name).or_else(own)
    };
    chosen.into_iter().filter_map(|name| engine(name.value)).collect()
}

/// The tables `[engine.NAME]`, in the order of the file.
fn own_engines(keys: &mut Keys<'_>, folder: &Path) -> Vec<Own> {
    let mut all: Vec<Own> = Vec::new();
    for (name, value) in keys.all() {
        let same = all.iter().find(|own| own.name.eq_ignore_ascii_case(name));
        if let Some(message) = no_name(name)
            .or_else(|| same.map(|own| format!("`{}` becomes the same file's name", own.name)))
        {
            let help = "it becomes a part of the captures' names: take another one";
            value.wrong_key(&message, Some(help));
        }
        all.push(Own { name: name.to_owned(), engine: definition(name, &value, folder) });
    }
    all
}

/// Why an engine can't have this name, if it can't.
fn no_name(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if BUILT_IN.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        Some(format!("`{name}` is built in"))
    } else if name == UNKNOWN_ENGINE {
        Some(format!("`{name}` stands for the engine of a capture without a run"))
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(allowed) {
        Some(format!(
            "`{}` is not a valid engine name: expected letters, digits, `-`, `_` and `.`, the first a letter or a \
             digit",
            name.escape_debug()
        ))
    } else if name.len() > LONGEST_NAME {
        Some(format!("it is longer than {LONGEST_NAME} characters"))
    } else {
        None
    }
}
