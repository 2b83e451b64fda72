//! Scenario files: read, checked whole before the first boot, and spanned to boots.
//!
//! Every mistake is reported with file, line, column and key; nothing is guessed.

use crate::engine::{self, Engine};
use crate::profile::{self, NoProfile, Profile, Profiles};
use bringup::Duration as Span;
use bringup::options::{OptionError, Options, Refusal};
use host_analyzer::document::{Document, place, scalar, shown, suggestion, whole};
use host_analyzer::failure::Failure;
use miette::{Report, miette};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::ops::{Deref, DerefMut, Range};
use std::path::Path;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// More cells than this are a mistake, not a measurement.
const MOST_CELLS: usize = 10_000;

/// A boot may take this long if the scenario does not say.
const BOOT_LIMIT: &str = "300s";

/// The option that engines set themselves.
const ENGINE_OWNED: &str = "guard";

/// Names in the results folder that no scenario can have.
const RESERVED: [&str; 2] = ["latest", "reference"];

/// The keys beside the table `[options]`, in the order of the documentation.
const KEYS: [&str; 8] =
    ["description", "engine", "cpus", "profile", "boots", "boot-limit", "skip-refused", OPTIONS];

/// The table of options.
const OPTIONS: &str = "options";

/// A scenario without a mistake.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's stem; `run` for a single boot.
    pub name: String,
    /// The file as read; empty for a single boot.
    pub text: String,
    /// Boots of the whole.
    pub boots: u32,
    /// How long one boot may take.
    pub boot_limit: Duration,
    /// What is booted, by engine, then by CPU count.
    pub groups: Vec<Group>,
    /// Combinations that were left out.
    pub skipped: Vec<Skipped>,
    /// The profiles that it names.
    pub profiles: Vec<Profile>,
}

/// All cells of one engine and CPU count.
#[derive(Clone)]
pub struct Group {
    /// The engine.
    pub engine: &'static dyn Engine,
    /// CPU count, the BSP counted.
    pub smp: u16,
    /// Command lines that together hold every cell: one, unless they are too long for one.
    pub command_lines: Vec<CommandLine>,
}

/// What one boot is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The kernel's command line.
    pub words: String,
    /// Of each of its cells the profile that it was expanded from.
    pub profiles: Vec<Option<String>>,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} CPUs: {:?}", self.engine.name(), self.smp, self.command_lines)
    }
}

/// A combination that makes no sense and that the scenario allows to be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Engine, CPU count and options.
    pub cell: String,
    /// What is refused, and why.
    pub refusal: String,
}

impl Scenario {
    /// Reads a scenario file and checks all of it.
    ///
    /// Fails with [`Failure::Request`] and every mistake that was found, or where there is no such
    /// file (the message lists those in `folder`); with [`Failure::Environment`] where the file
    /// can't be read.
    pub fn read(path: &Path, folder: &Path) -> Result<Scenario, Failure> {
        let bytes = fs::read(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::Request(miette!(
                help = scenarios_in(folder),
                "there is no scenario {}",
                path.display()
            )),
            ErrorKind::IsADirectory => Failure::Request(miette!(
                help = scenarios_in(folder),
                "{} is a folder, expected a scenario file",
                path.display()
            )),
            _ => Failure::Environment(miette!("can't read {}: {error}", path.display())),
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
            let (line, column) = place(&before, good);
            Failure::Request(miette!(
                help = "scenario files are TOML, which is UTF-8; save it as that",
                "{}:{line}:{column}: this byte is not UTF-8",
                path.display()
            ))
        })?;
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if name.is_empty() || name.starts_with('.') || RESERVED.contains(&name) {
            return Err(Failure::Request(miette!(
                help = "its name becomes a folder under results/: rename it",
                "{} can't be a scenario's name",
                path.display()
            )));
        }
        let profiles = Profiles::beside(path, folder);
        Scenario::parse(name, &path.display().to_string(), &text, &profiles)
            .map_err(Failure::Request)
    }

    /// Checks a scenario's text; `file` is its name in messages.
    pub fn parse(
        name: &str,
        file: &str,
        text: &str,
        profiles: &Profiles,
    ) -> Result<Scenario, Report> {
        Document::read(file, text, |document, table| {
            let mut check = Check { document, profiles, wrong_profile: None };
            let draft = check.draft(table);
            if let Some(report) = check.wrong_profile {
                return Err(report);
            }
            // Half a matrix would only add mistakes that are none.
            let spanned = !check.document.is_wrong();
            let (groups, skipped) =
                if spanned { draft.span(check.document) } else { Default::default() };
            Ok(Scenario {
                name: name.to_owned(),
                text: text.to_owned(),
                boots: draft.boots,
                boot_limit: draft.boot_limit,
                groups,
                skipped,
                profiles: draft.profiles.into_iter().filter_map(|profile| profile.value).collect(),
            })
        })?
    }

    /// A single boot of a command line that its engine can carry.
    ///
    /// `words` are the kernel's, without the engine's own. Fails with [`Failure::Request`] if the
    /// kernel would refuse them.
    pub fn single(
        engine: &'static dyn Engine,
        smp: u16,
        words: &str,
        boot_limit: Duration,
    ) -> Result<Scenario, Failure> {
        if !engine.cpus().contains(&smp) {
            return Err(Failure::Request(miette!("{}", beyond(engine, smp.into()))));
        }
        let command_line = join(engine.own_words(), words);
        bringup::plan::Plan::parse(&command_line, usize::from(smp)).map_err(|error| {
            Failure::Request(miette!(
                help = "options are words key=value; each word `cell` begins a cell that inherits \
                        those before the first and may override them",
                "{error}{}",
                suggestion_for(&error)
            ))
        })?;
        let longest = engine.longest_command_line();
        if command_line.len() > longest {
            return Err(Failure::Request(miette!(
                help = "share the cells out to several boots; a scenario does that by itself",
                "the command line has {} bytes, {} passes on at most {longest}",
                command_line.len(),
                engine.name()
            )));
        }
        Ok(Scenario {
            name: "run".to_owned(),
            text: String::new(),
            boots: 1,
            boot_limit,
            groups: vec![Group {
                engine,
                smp,
                command_lines: vec![CommandLine { words: command_line, profiles: Vec::new() }],
            }],
            skipped: Vec::new(),
            profiles: Vec::new(),
        })
    }
}

/// A value in the file, and where it stands.
#[derive(Clone, Debug)]
struct Value<T> {
    value: T,
    at: Range<usize>,
}

/// One key of `[options]` with all its values.
#[derive(Clone, Debug)]
struct Axis {
    key: &'static str,
    values: Vec<Value<String>>,
    at: Range<usize>,
}

/// What the file says, each part good by itself.
struct Draft {
    engines: Vec<&'static dyn Engine>,
    cpus: Vec<Value<u16>>,
    /// An axis like the options; without a profile it has one value, none.
    profiles: Vec<Value<Option<Profile>>>,
    boots: u32,
    boot_limit: Duration,
    skip_refused: bool,
    axes: Vec<Axis>,
    options_at: Range<usize>,
}

/// One combination of the axes' values, in the order of the axes.
type Combination<'a> = Vec<(&'a Axis, &'a Value<String>)>;

impl Draft {
    /// Spans the matrix.
    fn span(&self, document: &mut Document<'_>) -> (Vec<Group>, Vec<Skipped>) {
        let (common, axes): (Vec<&Axis>, Vec<&Axis>) =
            self.axes.iter().partition(|axis| axis.values.len() == 1);
        let sizes = axes.iter().map(|axis| axis.values.len());
        let cells = sizes
            .clone()
            .chain([self.engines.len(), self.cpus.len(), self.profiles.len()])
            .try_fold(1, usize::checked_mul);
        if cells.is_none_or(|cells| cells > MOST_CELLS) {
            let message = format!("the axes span more than {MOST_CELLS} cells");
            document.mistake(
                self.options_at.clone(),
                OPTIONS,
                &message,
                Some("take values out, or make several scenarios of it"),
            );
            return Default::default();
        }
        let combinations: Vec<Combination<'_>> = combinations(&axes);
        let (mut groups, mut skipped) = (Vec::new(), Vec::new());
        let mut refusals: Vec<(Refusal, Vec<Range<usize>>, BTreeSet<u16>)> = Vec::new();
        for engine in &self.engines {
            for Value { value: smp, .. } in &self.cpus {
                let mut common_words = engine.own_words().to_owned();
                if let [Value { value: Some(profile), .. }] = &self.profiles[..] {
                    common_words = join(&common_words, &profile.words());
                }
                for axis in &common {
                    common_words = join(&common_words, &word(axis.key, &axis.values[0].value));
                }
                let mut cells = Vec::new();
                let profiles = self.profiles.iter().map(|profile| profile.value.as_ref());
                for (profile, combination) in profiles
                    .flat_map(|profile| combinations.iter().map(move |cell| (profile, cell)))
                {
                    let mut all: Combination<'_> =
                        common.iter().map(|axis| (*axis, &axis.values[0])).collect();
                    all.extend(combination);
                    let costs = profile
                        .filter(|_| self.profiles.len() > 1)
                        .map_or_else(String::new, Profile::words);
                    let words = combination.iter().fold(costs, |words, (axis, value)| {
                        join(&words, &word(axis.key, &value.value))
                    });
                    match options(*engine, profile, &all).check_on(usize::from(*smp)) {
                        Ok(()) => cells.push((words, profile.map(|profile| profile.name.clone()))),
                        Err(refusal) if self.skip_refused => skipped.push(Skipped {
                            cell: join(
                                &format!("{} with {smp} CPUs:", engine.name()),
                                &join(&common_words, &words),
                            ),
                            refusal: refusal.to_string(),
                        }),
                        Err(refusal) => {
                            let spans = concerned(&refusal, &all);
                            match refusals
                                .iter_mut()
                                .find(|known| (&known.0, &known.1) == (&refusal, &spans))
                            {
                                Some((.., cpus)) => drop(cpus.insert(*smp)),
                                None => refusals.push((refusal, spans, [*smp].into())),
                            }
                        }
                    }
                }
                if cells.is_empty() {
                    continue;
                }
                match command_lines(&common_words, &cells, engine.longest_command_line()) {
                    Ok(command_lines) => {
                        groups.push(Group { engine: *engine, smp: *smp, command_lines })
                    }
                    Err(bytes) => {
                        let message = format!(
                            "a single cell has {bytes} bytes of options, {} passes on at most {}",
                            engine.name(),
                            engine.longest_command_line()
                        );
                        document.mistake(self.options_at.clone(), OPTIONS, &message, None);
                    }
                }
            }
        }
        for (refusal, spans, cpus) in refusals {
            refused(document, &refusal, spans, (cpus.len() < self.cpus.len()).then_some(&cpus));
        }
        if groups.is_empty() && !skipped.is_empty() {
            let message = "every cell is refused, nothing is left to boot";
            document.mistake(
                self.options_at.clone(),
                OPTIONS,
                message,
                Some("without `skip-refused` the reasons are told"),
            );
        }
        (groups, skipped)
    }
}

/// Every combination of the axes' values, the last axis changing fastest; one empty combination
/// without axes.
fn combinations<'a>(axes: &[&'a Axis]) -> Vec<Combination<'a>> {
    axes.iter().fold(vec![Vec::new()], |combinations, axis| {
        combinations
            .iter()
            .flat_map(|combination| {
                axis.values.iter().map(|value| [&combination[..], &[(*axis, value)]].concat())
            })
            .collect()
    })
}

/// The options of a combination whose values are all good.
fn options(
    engine: &dyn Engine,
    profile: Option<&Profile>,
    combination: &Combination<'_>,
) -> Options {
    let mut options = Options::default();
    for word in engine.own_words().split_ascii_whitespace() {
        // An engine's own words are good.
        let _ = options.set_word(word);
    }
    profile.inspect(|profile| profile.apply(&mut options));
    for (axis, value) in combination {
        // Each value was accepted when its key was read.
        let _ = options.set(axis.key, &value.value);
    }
    options
}

/// Where the values stand that a refusal speaks of; its text names them.
fn concerned(refusal: &Refusal, combination: &Combination<'_>) -> Vec<Range<usize>> {
    let named = |key: &str| {
        refusal.what.split([' ', '=']).any(|word| match word.strip_suffix('*') {
            Some(prefix) => key.starts_with(prefix),
            None => key == word,
        })
    };
    let values = combination.iter().filter(|(axis, _)| named(axis.key));
    values.map(|(_, value)| value.at.clone()).collect()
}

/// A cell's own words, and the profile that it was expanded from.
type CellWords = (String, Option<String>);

/// Puts the cells into as few command lines as hold them in order, none longer than `longest`;
/// the length of a cell that fits into none is the error.
fn command_lines(
    common: &str,
    cells: &[CellWords],
    longest: usize,
) -> Result<Vec<CommandLine>, usize> {
    let mut lines: Vec<CommandLine> = Vec::new();
    for (cell, profile) in cells {
        let cell = if cells.len() == 1 { cell.clone() } else { join("cell", cell) };
        match lines.last_mut() {
            Some(line) if line.words.len() + 1 + cell.len() <= longest => {
                line.words = join(&line.words, &cell);
                line.profiles.push(profile.clone());
            }
            _ => {
                let words = join(common, &cell);
                if words.len() > longest {
                    return Err(words.len());
                }
                lines.push(CommandLine { words, profiles: vec![profile.clone()] });
            }
        }
    }
    Ok(lines)
}

fn join(words: &str, more: &str) -> String {
    match (words, more) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{words} {more}"),
    }
}

fn word(key: &str, value: &str) -> String {
    format!("{key}={value}")
}

fn beyond(engine: &dyn Engine, cpus: i64) -> String {
    let (least, most) = engine.cpus().into_inner();
    format!("{cpus} CPUs: the engine {} takes {least} to {most}", engine.name())
}

/// Reads a scenario's keys; the mistakes go to the document.
struct Check<'c, 't> {
    document: &'c mut Document<'t>,
    profiles: &'c Profiles,
    /// What is wrong with a profile that the scenario names.
    wrong_profile: Option<Report>,
}

impl<'t> Deref for Check<'_, 't> {
    type Target = Document<'t>;

    fn deref(&self) -> &Document<'t> {
        self.document
    }
}

impl<'t> DerefMut for Check<'_, 't> {
    fn deref_mut(&mut self) -> &mut Document<'t> {
        self.document
    }
}

/// Tells a combination that is refused, where it stands and with which CPU counts.
fn refused(
    document: &mut Document<'_>,
    refusal: &Refusal,
    spans: Vec<Range<usize>>,
    cpus: Option<&BTreeSet<u16>>,
) {
    let with = cpus.map_or_else(String::new, |cpus| {
        let cpus: Vec<String> = cpus.iter().map(u16::to_string).collect();
        format!(" (with {} CPUs)", cpus.join(", "))
    });
    let help = "take one of the values out, or set `skip-refused = true` to leave such cells out";
    let spans = spans.into_iter().map(|at| (at, "this")).collect();
    document.labelled(OPTIONS, &format!("{refusal}{with}"), Some(help), spans);
}

impl Check<'_, '_> {
    fn draft(&mut self, table: &DeTable<'_>) -> Draft {
        let mut draft = Draft {
            engines: Vec::new(),
            cpus: Vec::new(),
            profiles: vec![Value { value: None, at: 0..0 }],
            boots: 1,
            boot_limit: limit(BOOT_LIMIT).unwrap_or_default(),
            skip_refused: false,
            axes: Vec::new(),
            options_at: 0..0,
        };
        for (key, value) in table {
            match &**key.get_ref() {
                "description" => {
                    if value.get_ref().as_str().is_none() {
                        self.unexpected("description", value, "a text");
                    }
                }
                "engine" => draft.engines = self.engines(value),
                "cpus" => draft.cpus = self.cpus(value),
                "profile" => draft.profiles = self.profiles(value),
                "boots" => {
                    match whole(value.get_ref())
                        .and_then(|n| u32::try_from(n).ok())
                        .filter(|n| *n > 0)
                    {
                        Some(boots) => draft.boots = boots,
                        None => self.unexpected("boots", value, "a whole number from 1"),
                    }
                }
                "boot-limit" => match value.get_ref().as_str().and_then(limit) {
                    Some(limit) => draft.boot_limit = limit,
                    None => self.unexpected(
                        "boot-limit",
                        value,
                        "a time above zero with its unit, like \"300s\"",
                    ),
                },
                "skip-refused" => match value.get_ref().as_bool() {
                    Some(skip) => draft.skip_refused = skip,
                    None => self.unexpected("skip-refused", value, "true or false"),
                },
                OPTIONS => match value.get_ref().as_table() {
                    Some(options) => {
                        draft.options_at = key.span();
                        draft.axes = self.axes(options);
                    }
                    None => self.unexpected(OPTIONS, value, "a table"),
                },
                unknown => self.no_such_key(key.span(), unknown),
            }
        }
        for axis in &draft.axes {
            let profiles = draft.profiles.iter().filter_map(|profile| profile.value.as_ref());
            if let Some(profile) = profiles.into_iter().find(|profile| profile.sets(axis.key)) {
                self.mistake(
                    axis.at.clone(),
                    &format!("{OPTIONS}.{}", axis.key),
                    &format!("the profile `{}` sets it", profile.name),
                    Some("take it out, or write it into a profile of its own"),
                );
            }
        }
        for needed in ["engine", "cpus"] {
            if !table.iter().any(|(key, _)| key.get_ref() == needed) {
                let example =
                    if needed == "engine" { "engine = \"icount\"" } else { "cpus = [2, 4, 8]" };
                self.mistake(
                    0..0,
                    needed,
                    "this key is missing",
                    Some(&format!("for example `{example}`")),
                );
            }
        }
        for engine in &draft.engines {
            for cpus in draft.cpus.iter().filter(|cpus| !engine.cpus().contains(&cpus.value)) {
                self.mistake(cpus.at.clone(), "cpus", &beyond(*engine, cpus.value.into()), None);
            }
        }
        draft
    }

    fn engines(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<&'static dyn Engine> {
        let mut engines: Vec<&'static dyn Engine> = Vec::new();
        for element in self.elements("engine", value) {
            let found = element.get_ref().as_str().map(engine::named);
            match found {
                Some(Some(found)) if engines.iter().any(|known| known.name() == found.name()) => {
                    self.duplicate("engine", element.span(), found.name());
                }
                Some(Some(found)) => engines.push(found),
                _ => {
                    let names = engine::ALL.map(Engine::name);
                    let given = element.get_ref().as_str().unwrap_or_default();
                    let near =
                        suggestion(given, names).map(|name| format!("did you mean `{name}`?"));
                    let message = format!(
                        "there is no engine {}: expected one of {}",
                        shown(element.get_ref()),
                        names.join(", ")
                    );
                    self.mistake(element.span(), "engine", &message, near.as_deref());
                }
            }
        }
        engines
    }

    fn cpus(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Value<u16>> {
        let mut all: Vec<Value<u16>> = Vec::new();
        for element in self.elements("cpus", value) {
            match whole(element.get_ref()).and_then(|cpus| u16::try_from(cpus).ok()) {
                Some(cpus) if all.iter().any(|known| known.value == cpus) => {
                    self.duplicate("cpus", element.span(), &cpus.to_string());
                }
                Some(cpus) => all.push(Value { value: cpus, at: element.span() }),
                None => self.unexpected("cpus", element, "a CPU count, the boot CPU counted"),
            }
        }
        all
    }

    fn profiles(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Value<Option<Profile>>> {
        let mut all: Vec<Value<Option<Profile>>> = Vec::new();
        for element in self.elements("profile", value) {
            let Some(name) = element.get_ref().as_str() else {
                self.unexpected("profile", element, "the name of a profile");
                continue;
            };
            let profile = match self.profiles.read(name) {
                _ if name == profile::NONE => None,
                Ok(profile) => Some(profile),
                Err(NoProfile::Unknown { message, help }) => {
                    self.mistake(element.span(), "profile", &message, help.as_deref());
                    continue;
                }
                Err(NoProfile::Wrong(report)) => {
                    self.wrong_profile.get_or_insert(report);
                    continue;
                }
            };
            if all.iter().any(|known| known.value == profile) {
                self.duplicate("profile", element.span(), name);
            } else {
                all.push(Value { value: profile, at: element.span() });
            }
        }
        all
    }

    fn axes(&mut self, table: &DeTable<'_>) -> Vec<Axis> {
        let mut axes = Vec::new();
        for (key, value) in table {
            let given: &str = key.get_ref();
            match Options::KEYS.into_iter().find(|known| *known == given) {
                Some(ENGINE_OWNED) => {
                    self.mistake(
                        key.span(),
                        "options.guard",
                        "the engine sets it by itself",
                        Some("take it out"),
                    );
                }
                Some(known) => axes.push(Axis {
                    key: known,
                    values: self.values(known, value),
                    at: key.span(),
                }),
                None => {
                    let keys = Options::KEYS.into_iter().filter(|known| *known != ENGINE_OWNED);
                    let near = suggestion(given, keys.clone());
                    let help = match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None if KEYS.contains(&given) => {
                            format!("`{given}` belongs above `[options]`")
                        }
                        None => "leave it out, or look the options up in the README".to_owned(),
                    };
                    let keys: Vec<&str> = keys.collect();
                    let message =
                        format!("there is no such option: expected one of {}", keys.join(" "));
                    self.mistake(key.span(), &format!("options.{given}"), &message, Some(&help));
                }
            }
        }
        // The order of the file, in which the cells are run.
        axes.sort_by_key(|axis: &Axis| axis.at.start);
        axes
    }

    /// The values of an option, in the form in which the kernel writes them.
    fn values(&mut self, key: &'static str, value: &Spanned<DeValue<'_>>) -> Vec<Value<String>> {
        let path = format!("options.{key}");
        let mut values: Vec<Value<String>> = Vec::new();
        for element in self.elements(&path, value) {
            let Some(text) = scalar(element.get_ref()) else {
                self.unexpected(&path, element, "a text or a whole number");
                continue;
            };
            let mut options = Options::default();
            if let Err(error) = options.set(key, &text) {
                let message = match error {
                    OptionError::BadValue { expected, .. } => {
                        format!(
                            "{} is no value of this option: expected {expected}",
                            shown(element.get_ref())
                        )
                    }
                    other => other.to_string(),
                };
                self.mistake(element.span(), &path, &message, None);
                continue;
            }
            let mut written = String::new();
            // Writing to a string does not fail.
            let _ = options.write_value(key, &mut written);
            if values.iter().any(|known| known.value == written) {
                self.duplicate(&path, element.span(), &written);
            } else {
                values.push(Value { value: written, at: element.span() });
            }
        }
        values
    }

    /// The elements of an array, or the value alone.
    fn elements<'v, 'i>(
        &mut self,
        key: &str,
        value: &'v Spanned<DeValue<'i>>,
    ) -> Vec<&'v Spanned<DeValue<'i>>> {
        match value.get_ref().as_array() {
            Some(array) if array.is_empty() => {
                let help = "give it a value, or take the key out";
                self.mistake(value.span(), key, "this axis is empty", Some(help));
                Vec::new()
            }
            Some(array) => array.iter().collect(),
            None => vec![value],
        }
    }

    fn duplicate(&mut self, key: &str, at: Range<usize>, value: &str) {
        let message = format!("`{value}` is there twice");
        self.mistake(at, key, &message, Some("take one out: repetitions and boots measure again"));
    }

    fn no_such_key(&mut self, at: Range<usize>, key: &str) {
        let help = match suggestion(key, KEYS) {
            _ if Options::KEYS.contains(&key) => format!("`{key}` belongs below `[options]`"),
            Some(near) => format!("did you mean `{near}`?"),
            None => "options go below `[options]`".to_owned(),
        };
        let known = KEYS.map(|key| if key == OPTIONS { "[options]" } else { key });
        let message = format!("there is no such key: expected one of {}", known.join(" "));
        self.mistake(at, key, &message, Some(&help));
    }
}

/// A time limit with its unit.
fn limit(text: &str) -> Option<Duration> {
    match Span::parse(text) {
        Some(Span::Nanos(nanos)) if nanos > 0 => Some(Duration::from_nanos(nanos)),
        _ => None,
    }
}

/// `; did you mean …?` for an option that is mistyped.
fn suggestion_for(error: &OptionError<'_>) -> String {
    match error {
        OptionError::UnknownKey { key } => suggestion(key, Options::KEYS)
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?")),
        _ => String::new(),
    }
}

/// The scenarios that there are, for messages.
fn scenarios_in(folder: &Path) -> String {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.display().to_string())
        .collect();
    names.sort();
    if names.is_empty() {
        format!("there are none in {}", folder.display())
    } else {
        format!("there are {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bringup::plan::Plan;

    fn read(text: &str) -> Result<Scenario, String> {
        let profiles = Profiles::beside(Path::new("s.toml"), &crate::root().join("scenarios"));
        Scenario::parse("s", "s.toml", text, &profiles).map_err(|report| {
            let mut text = report.to_string();
            for related in report.related().into_iter().flatten() {
                text += &format!("\n{related}");
                text += &related.help().map_or_else(String::new, |help| format!(" ({help})"));
            }
            text += &report.help().map_or_else(String::new, |help| format!(" ({help})"));
            text
        })
    }

    fn words(group: &Group) -> Vec<String> {
        group.command_lines.iter().map(|line| line.words.clone()).collect()
    }

    /// The engines' own words.
    const ICOUNT: &str = "guard=5us tsc-poll=pause tsc-trust=engine";
    const SIM: &str = "tsc-trust=engine";

    const HEAD: &str = "engine = \"sim\"\ncpus = [4]\n";

    #[test]
    fn every_mistake_is_told_with_line_column_and_key() {
        for (text, told) in [
            ("engine = \"sim\"\ncpus = 2 2", "s.toml:2:8: "),
            ("engine = \"sim\"\ncpus = 2\ncpus = 3", "s.toml:3:1: duplicate key"),
            ("cpus = 2", "s.toml:1:1: engine: this key is missing"),
            ("engine = \"sim\"", "s.toml:1:1: cpus: this key is missing"),
            ("engine = \"icont\"\ncpus = 2", "s.toml:1:10: engine: there is no engine `icont`"),
            ("engine = \"icont\"\ncpus = 2", "did you mean `icount`?"),
            ("engine = []\ncpus = 2", "s.toml:1:10: engine: this axis is empty"),
            ("engine = [\"sim\", \"sim\"]\ncpus = 2", "s.toml:1:18: engine: `sim` is there twice"),
            (
                "engine = \"sim\"\ncpus = [2, 0]",
                "s.toml:2:12: cpus: 0 CPUs: the engine sim takes 1 to 255",
            ),
            (
                "engine = \"icount\"\ncpus = 256",
                "s.toml:2:8: cpus: 256 CPUs: the engine icount takes 1 to 255",
            ),
            ("engine = \"sim\"\ncpus = [2, 4, 2]", "s.toml:2:15: cpus: `2` is there twice"),
            ("engine = \"sim\"\ncpus = \"two\"", "s.toml:2:8: cpus: expected a CPU count"),
            ("engine = \"sim\"\ncpus = -3", "s.toml:2:8: cpus: expected a CPU count"),
            (&format!("{HEAD}boots = 0"), "s.toml:3:9: boots: expected a whole number from 1"),
            (
                &format!("{HEAD}boot-limit = 5"),
                "s.toml:3:14: boot-limit: expected a time above zero",
            ),
            (
                &format!("{HEAD}boot-limit = \"0s\""),
                "s.toml:3:14: boot-limit: expected a time above zero",
            ),
            (
                &format!("{HEAD}skip-refused = 1"),
                "s.toml:3:16: skip-refused: expected true or false",
            ),
            (&format!("{HEAD}description = 1"), "s.toml:3:15: description: expected a text"),
            (
                &format!("{HEAD}profile = \"haswel-28\""),
                "s.toml:3:11: profile: there is no profile `haswel-28`: expected one of haswell-28 none",
            ),
            (&format!("{HEAD}profile = \"haswel-28\""), "did you mean `haswell-28`?"),
            (&format!("{HEAD}profile = \"../x\""), "there is no profile `../x`"),
            (
                &format!("{HEAD}profile = 28"),
                "s.toml:3:11: profile: expected the name of a profile",
            ),
            (&format!("{HEAD}profile = []"), "s.toml:3:11: profile: this axis is empty"),
            (
                &format!("{HEAD}profile = [\"none\", \"none\"]"),
                "s.toml:3:20: profile: `none` is there twice",
            ),
            (
                &format!("{HEAD}profile = [\"none\", \"haswell-28\"]\n[options]\ncost-wake = 1"),
                "s.toml:5:1: options.cost-wake: the profile `haswell-28` sets it",
            ),
            (
                &format!("{HEAD}profile = \"haswell-28\"\n[options]\ntsc-window = \"1ms\""),
                "s.toml:5:1: options.tsc-window: the profile `haswell-28` sets it",
            ),
            (
                &format!("{HEAD}[options]\nprofile = \"none\""),
                "`profile` belongs above `[options]`",
            ),
            (&format!("{HEAD}bots = 2"), "s.toml:3:1: bots: there is no such key"),
            (&format!("{HEAD}bots = 2"), "did you mean `boots`?"),
            (&format!("{HEAD}kick = \"unicast\""), "`kick` belongs below `[options]`"),
            (&format!("{HEAD}options = 1"), "s.toml:3:11: options: expected a table"),
            (
                &format!("{HEAD}[options]\ntsc-windw = 1"),
                "s.toml:4:1: options.tsc-windw: there is no such option",
            ),
            (&format!("{HEAD}[options]\ntsc-windw = 1"), "did you mean `tsc-window`?"),
            (&format!("{HEAD}[options]\ncpus = 1"), "`cpus` belongs above `[options]`"),
            (
                &format!("{HEAD}[options]\nguard = 1"),
                "s.toml:4:1: options.guard: the engine sets it by itself",
            ),
            (
                &format!("{HEAD}[options]\nkick = []"),
                "s.toml:4:8: options.kick: this axis is empty",
            ),
            (
                &format!("{HEAD}[options]\nwait = \"sleep\""),
                "s.toml:4:8: options.wait: `sleep` is no value of this option: expected one of halt spin",
            ),
            (
                &format!("{HEAD}[options]\nwait = true"),
                "s.toml:4:8: options.wait: expected a text or a whole number",
            ),
            (
                &format!("{HEAD}[options]\nsipi-count = [1, -1]"),
                "s.toml:4:18: options.sipi-count: `-1` is no value",
            ),
            (
                &format!("{HEAD}[options]\ncost-kick = [\"1ms\", \"1000us\"]"),
                "s.toml:4:21: options.cost-kick: `1ms` is there twice",
            ),
            (
                &format!(
                    "{HEAD}[options]\nkick = \"broadcast\"\nstrategy = [\"serial\", \"full-parallel\"]"
                ),
                "s.toml:4:8: options: strategy=serial with kick=broadcast is refused: a broadcast wakes all",
            ),
            (
                &format!("{HEAD}[options]\nfault = \"never:7\""),
                "s.toml:4:9: options: fault is refused: it names a CPU that the machine does not have",
            ),
            (
                &format!("{HEAD}[options]\ncost-wake = \"1ms,9:2ms\""),
                "s.toml:4:13: options: cost-* is refused",
            ),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(told), "{text}\n--\n{error}");
        }
    }

    #[test]
    fn all_mistakes_of_a_file_are_told_at_once_in_order() {
        let error =
            read("engine = \"x\"\ncpus = 0\n[options]\nwait = \"x\"\nspend = \"x\"\n").unwrap_err();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines.len(), 4, "{error}");
        for (line, place) in lines[1..].iter().zip(["s.toml:1:10", "s.toml:4:8", "s.toml:5:9"]) {
            assert!(line.starts_with(place), "{error}");
        }
    }

    #[test]
    fn a_scenario_spans_the_cross_product_in_the_order_of_the_file() {
        let text = "engine = [\"sim\", \"icount\"]\ncpus = [2, 4]\nboots = 3\nboot-limit = \"90s\"\n[options]\n\
                    wait = [\"spin\", \"halt\"]\nrepetitions = 5\nstrategy = [\"serial\", \"full-parallel\"]\n";
        let scenario = read(text).unwrap();
        assert_eq!((scenario.boots, scenario.boot_limit), (3, Duration::from_secs(90)));
        let groups: Vec<(&str, u16)> =
            scenario.groups.iter().map(|group| (group.engine.name(), group.smp)).collect();
        assert_eq!(groups, [("sim", 2), ("sim", 4), ("icount", 2), ("icount", 4)]);
        let cells = "cell wait=spin strategy=serial cell wait=spin strategy=full-parallel \
                     cell wait=halt strategy=serial cell wait=halt strategy=full-parallel";
        assert_eq!(words(&scenario.groups[0]), [format!("{SIM} repetitions=5 {cells}")]);
        assert_eq!(words(&scenario.groups[3]), [format!("{ICOUNT} repetitions=5 {cells}")]);
    }

    #[test]
    fn without_an_axis_there_is_one_cell() {
        assert_eq!(words(&read(HEAD).unwrap().groups[0]), [SIM]);
        let one =
            read(&format!("{HEAD}[options]\nwait = [\"spin\"]\ninit-delay = 10_000")).unwrap();
        assert_eq!(words(&one.groups[0]), [format!("{SIM} wait=spin init-delay=10000")]);
    }

    #[test]
    fn refused_cells_are_skipped_on_request_and_listed() {
        let text = "engine = \"sim\"\ncpus = [2, 4]\nskip-refused = true\n[options]\n\
                    strategy = [\"serial\", \"full-parallel\"]\nkick = [\"unicast\", \"broadcast\"]\n";
        let scenario = read(text).unwrap();
        assert_eq!(scenario.skipped.len(), 2);
        assert_eq!(
            scenario.skipped[0].cell,
            "sim with 2 CPUs: tsc-trust=engine strategy=serial kick=broadcast"
        );
        assert!(scenario.skipped[0].refusal.contains("a broadcast wakes all APs at once"));
        for group in &scenario.groups {
            assert_eq!(Plan::parse(&group.command_lines[0].words, 4).unwrap().cells().count(), 3);
        }
        let nothing = text
            .replace("[\"serial\", \"full-parallel\"]", "\"serial\"")
            .replace("[\"unicast\", \"broadcast\"]", "\"broadcast\"");
        assert!(read(&nothing).unwrap_err().contains("nothing is left to boot"));
    }

    #[test]
    fn long_matrices_are_shared_out_to_boots_without_losing_a_cell() {
        let windows: Vec<String> = (1..=300).map(|n| format!("\"{n}us\"")).collect();
        let text = format!(
            "engine = \"icount\"\ncpus = 2\n[options]\nwait = \"spin\"\ntsc-window = [{}]\n",
            windows.join(", ")
        );
        let lines = words(&read(&text).unwrap().groups[0]);
        assert!(lines.len() > 1);
        assert!(lines.iter().all(
            |line| line.len() <= 4095 && line.starts_with(&format!("{ICOUNT} wait=spin cell "))
        ));
        let windows: Vec<Span> = lines
            .iter()
            .flat_map(|line| Plan::parse(line, 2).unwrap().cells().collect::<Vec<_>>())
            .map(|cell| cell.tsc_window)
            .collect();
        assert_eq!(windows, (1..=300).map(|n| Span::Nanos(n * 1000)).collect::<Vec<_>>());
        assert_eq!(words(&read(&text).unwrap().groups[0]), lines);
    }

    #[test]
    fn a_cell_that_fits_into_no_boot_is_refused() {
        let cells = ["b=2", "c=3"].map(|cell| (cell.to_owned(), None));
        let lines = command_lines("a=1", &cells, 12).unwrap();
        assert_eq!(
            lines.iter().map(|line| &line.words).collect::<Vec<_>>(),
            ["a=1 cell b=2", "a=1 cell c=3"]
        );
        assert_eq!(command_lines("a=1", &cells, 11), Err(12));
    }

    #[test]
    fn too_many_cells_are_a_mistake() {
        let many: Vec<String> = (1..=200).map(|n| n.to_string()).collect();
        let many = many.join(",");
        let text = format!(
            "{HEAD}[options]\ncost-kick = [{many}]\ncost-wake = [{many}]\ncost-callin = [{many}]\n"
        );
        assert!(read(&text).unwrap_err().contains("more than 10000 cells"));
    }

    #[test]
    fn the_scenarios_of_the_repository_are_good() {
        let folder = crate::root().join("scenarios");
        let mut found = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let scenario = Scenario::read(&path, &folder);
                assert!(scenario.is_ok(), "{:?}", scenario.unwrap_err().report());
                found += 1;
            }
        }
        assert!(found >= 2);
    }

    #[test]
    fn no_text_makes_the_check_panic() {
        for text in [
            "",
            "=",
            "[",
            "\u{0}",
            "[[options]]",
            "options = []",
            "[options.wait]\na = 1",
            "a.b.c = 1\n'' = 2",
            "é = 1\nengine = 'é",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
