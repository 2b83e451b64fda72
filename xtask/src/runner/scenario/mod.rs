//! Scenario files: read, checked whole before the first boot, and spanned to boots.
//!
//! Every mistake is reported with file, line, column and key; nothing is guessed. `check` reads the
//! keys, `engines` those about engines, `matrix` spans what they say.

mod check;
mod engines;
mod matrix;
mod single;

use crate::runner::engine::Engine;
use crate::runner::profile::{Profile, Profiles};
use bringup::options::{OptionError, Options};
use check::Check;
use host_analyzer::ground::document::{Document, suggestion, text_of};
use host_analyzer::ground::failure::Failure;
pub use matrix::join;
use miette::{Report, miette};
use std::fs;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A boot may take this long if the scenario does not say.
const BOOT_LIMIT: &str = "300s";

/// The longest that a boot may be given: a day, in seconds.
pub const LONGEST_BOOT: u64 = 86_400;

/// Names in the results folder that no scenario can have.
const RESERVED: [&str; 2] = ["latest", "reference"];

/// The keys beside the table `[options]`, in the order of the documentation.
const KEYS: [&str; 9] = [
    "description",
    ENGINE,
    ENGINES,
    "cpus",
    "profile",
    "boots",
    "boot-limit",
    "skip-refused",
    OPTIONS,
];

/// The engines that run, or the tables of those that the scenario defines.
const ENGINE: &str = "engine";

/// The engines that run, beside those tables.
const ENGINES: &str = "engines";

/// The table of options.
const OPTIONS: &str = "options";

/// A scenario without a mistake.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's stem; `run` for a single boot.
    pub name: String,
    /// The file as read; empty for a single boot.
    pub text: String,
    /// The command that asks for it, a word each, as a report repeats it; empty where none did.
    pub command: Vec<String>,
    /// Boots of the whole.
    pub boots: u32,
    /// How long one boot may take.
    pub boot_limit: Duration,
    /// What is booted, by engine, then by CPU count.
    pub groups: Vec<Group>,
    /// Combinations that were left out.
    pub skipped: Vec<Skipped>,
    /// Words that no cell uses, each with the reason.
    pub unused: Vec<String>,
    /// The profiles that it names.
    pub profiles: Vec<Profile>,
}

/// All cells of one engine and CPU count.
#[derive(Clone, Debug)]
pub struct Group {
    /// The engine.
    pub engine: Arc<dyn Engine>,
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
        let text = text_of(path, "scenario", || scenarios_in(folder))?;
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if name.is_empty() || name.starts_with('.') || RESERVED.contains(&name) {
            return Err(Failure::Request(miette!(
                help = "its name becomes a folder under results/: rename it",
                "{} can't be a scenario's name",
                path.display()
            )));
        }
        let profiles = Profiles::beside(path, folder);
        Scenario::parse(name, path, &text, &profiles).map_err(Failure::Request)
    }

    /// Checks a scenario's text; the paths in it are relative to the folder of `path`.
    pub fn parse(
        name: &str,
        path: &Path,
        text: &str,
        profiles: &Profiles,
    ) -> Result<Scenario, Report> {
        let file = path.display().to_string();
        let home = path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = home.parent().unwrap_or(&home);
        Document::read_explaining(&file, text, engines::explain, |document, table| {
            let mut check = Check { document, folder, profiles, wrong_profile: None };
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
                command: Vec::new(),
                boots: draft.boots,
                boot_limit: draft.boot_limit,
                groups,
                skipped,
                unused: Vec::new(),
                profiles: draft.profiles.into_iter().filter_map(|profile| profile.value).collect(),
            })
        })?
    }
}

/// Why it is not the user's to set an option, or to set it to this value, and what to do; `None` where it
/// is.
fn engines_own(key: &str, value: &str) -> Option<(&'static str, &'static str)> {
    match (key, value) {
        ("guard", _) => Some((
            "the engine sets it by itself",
            "take it out; an engine that a scenario defines has it in its `own-words`",
        )),
        ("tsc-trust", "engine") => Some((
            "an engine alone says it, of its own clocks",
            "say `yes` where you know that the clocks agree; an engine that a scenario defines has \
             it in its `own-words`",
        )),
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

/// The scenario file that a word means: the word as a path, or else the name of one in `folder`.
pub fn named_in(folder: &Path, given: PathBuf) -> PathBuf {
    let named = folder.join(format!("{}.toml", given.display()));
    let plain = given.components().count() == 1 && !given.is_file();
    if plain && named.is_file() { named } else { given }
}

/// The scenarios that there are, for messages.
fn scenarios_in(folder: &Path) -> String {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    let folder = folder.display();
    match &names[..] {
        [] => format!("name a scenario file; there are none in {folder}"),
        names => format!("name a scenario file, or one of those in {folder}: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub const HEAD: &str = "engine = \"sim\"\ncpus = [4]\n";

    /// A scenario `s.toml` beside nothing, or every mistake with its help.
    pub fn read(text: &str) -> Result<Scenario, String> {
        let profiles = Profiles::beside(Path::new("s.toml"), &crate::root().join("scenarios"));
        Scenario::parse("s", Path::new("s.toml"), text, &profiles).map_err(|report| {
            let mut text = report.to_string();
            for related in report.related().into_iter().flatten() {
                text += &format!("\n{related}");
                text += &related.help().map_or_else(String::new, |help| format!(" ({help})"));
            }
            text += &report.help().map_or_else(String::new, |help| format!(" ({help})"));
            text
        })
    }

    /// Each text must be refused with what stands beside it.
    #[track_caller]
    pub fn assert_told(cases: &[(&str, &str)]) {
        for (text, told) in cases {
            let error = read(text).expect_err(text);
            assert!(error.contains(told), "{text}\n--\n{error}");
        }
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
