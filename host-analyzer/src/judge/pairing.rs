//! Which cells of two runs are the same cell.

use crate::run::{Cell, Run, UNKNOWN_ENGINE};
use bringup::options::{Key, Kind, Options};

/// The cells of two runs in pairs.
#[derive(Debug)]
pub struct Pairing<'a> {
    /// Cells of the base, each with the same cell of the new run, in the order of the new run.
    pub pairs: Vec<(&'a Cell, &'a Cell)>,
    /// Cells that only the base has.
    pub base_alone: Vec<&'a Cell>,
    /// Cells that only the new run has.
    pub new_alone: Vec<&'a Cell>,
}

/// How alike two cells must be to be the same one.
#[derive(Clone, Copy)]
enum Alike {
    /// In every option.
    All,
    /// In all but how often they were repeated.
    ButRepetitions,
    /// In all but repetitions and costs: the same bring-up of another machine.
    ButCosts,
}

impl<'a> Pairing<'a> {
    /// Pairs cells of equal engine, CPU count, profile and options. A cell without such a partner is paired
    /// with one that differs only in `repetitions`, or else only in that and in costs, if that partner is
    /// unique: a cell whose step costs more is still that cell.
    ///
    /// `engines` names an engine of the base and one of the new run whose cells are paired. The engine of a
    /// bare capture is unknown and matches any.
    pub fn of(base: &'a Run, new: &'a Run, engines: Option<(&str, &str)>) -> Pairing<'a> {
        let chosen =
            |cell: &&Cell, engine: Option<&str>| engine.is_none_or(|one| one == cell.engine);
        let mut bases: Vec<&Cell> =
            base.cells.iter().filter(|cell| chosen(cell, engines.map(|(base, _)| base))).collect();
        let mut news: Vec<&Cell> =
            new.cells.iter().filter(|cell| chosen(cell, engines.map(|(_, new)| new))).collect();
        let mut pairs = Vec::new();
        for alike in [Alike::All, Alike::ButRepetitions, Alike::ButCosts] {
            let same = |base: &Cell, new: &Cell| {
                engine_fits(base, new, engines.is_some()) && alike.holds(base, new)
            };
            let found: Vec<(&Cell, &Cell)> = news
                .iter()
                .filter_map(|new| {
                    let base = only(bases.iter().filter(|base| same(base, new)))?;
                    only(news.iter().filter(|new| same(base, new)))?;
                    Some((*base, *new))
                })
                .collect();
            bases.retain(|cell| !found.iter().any(|(base, _)| std::ptr::eq(*base, *cell)));
            news.retain(|cell| !found.iter().any(|(_, new)| std::ptr::eq(*new, *cell)));
            pairs.extend(found);
        }
        let place = |wanted: &Cell| new.cells.iter().position(|cell| std::ptr::eq(cell, wanted));
        pairs.sort_by_key(|(_, new)| place(new));
        Pairing { pairs, base_alone: bases, new_alone: news }
    }
}

impl Alike {
    fn holds(self, base: &Cell, new: &Cell) -> bool {
        let engines_differ = base.engine != new.engine;
        let free = |kind: Kind| {
            engines_differ && (kind.is_of_engine() || kind == Kind::Precision)
                || match self {
                    Alike::All => false,
                    Alike::ButRepetitions => kind == Kind::Repetition,
                    Alike::ButCosts => kind == Kind::Repetition || kind.is_of_machine(),
                }
        };
        (base.smp, &base.profile) == (new.smp, &new.profile)
            && Options::KEYS
                .iter()
                .filter(|key| !free(key.kind()))
                .map(Key::name)
                .all(|key| base.option(key) == new.option(key))
    }
}

/// The options in which two cells differ, each with both values.
pub fn differences(base: &Cell, new: &Cell) -> Vec<(&'static str, String, String)> {
    let values = Options::names().map(|key| (key, base.option(key), new.option(key)));
    values.filter(|(_, base, new)| base != new).collect()
}

/// Such differences in words: `cost-kick 1us → 2us, repetitions 20 → 5`; `None` without any.
pub fn differences_text(options: &[(&'static str, String, String)]) -> Option<String> {
    let texts = options.iter().map(|(key, base, new)| format!("{key} {base} → {new}"));
    (!options.is_empty()).then(|| texts.collect::<Vec<_>>().join(", "))
}

fn engine_fits(base: &Cell, new: &Cell, any: bool) -> bool {
    any || base.engine == new.engine
        || [&base.engine, &new.engine].into_iter().any(|engine| engine == UNKNOWN_ENGINE)
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}
