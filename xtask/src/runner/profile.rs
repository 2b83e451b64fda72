//! Profiles: what each step costs on some machine, expanded into the options that the kernel knows.
//!
//! On `icount` a guest cycle stands for a cycle of the profile's machine. The kernel knows no
//! profile; `run.json` keeps its name and its text.

use bringup::Duration;
use bringup::class::Class;
use bringup::options::{Options, Refusal};
use host_analyzer::ground::document::{Document, suggestion, text_of, whole};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest;
use miette::{Report, miette};
use std::fs;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

/// The profile without costs, which needs no file: the kernel alone.
pub const NONE: &str = "none";

/// The folder of the profiles, beside the scenarios.
const FOLDER: &str = "profiles";

/// The table of costs.
const COSTS: &str = "costs";

/// The keys of a profile.
const KEYS: [&str; 5] = ["source", "machine", "tsc-khz", "derivation", COSTS];

/// The keys that a cost must have.
const COST_KEYS: [&str; 3] = ["of", "cycles", "derived"];

/// All keys of a cost.
const ALL_COST_KEYS: [&str; 5] = ["of", "cycles", "derived", BY_CLASS, EXCLUSIVE];

/// What the step costs the APs of some classes instead.
const BY_CLASS: &str = "by-class";

/// Says that one CPU at a time can be in the step.
const EXCLUSIVE: &str = "exclusive";

/// The steps that APs can queue for.
const QUEUED: [&str; 3] = ["trampoline", "callin", "online"];

/// The one step that is a window, the same for all, and no cost of an AP.
const WINDOW: &str = "tsc-window";

/// Each step, who spends it, the option that it expands to, and whether a profile must have it.
const STEPS: [(&str, &str, &str, bool); 6] = [
    ("kick", "bsp", "cost-kick", true),
    ("wake", "ap", "cost-wake", true),
    ("trampoline", "ap", "cost-trampoline", true),
    ("callin", "ap", "cost-callin", true),
    // A machine that trusts its clocks has no window.
    ("tsc-window", "bsp", "tsc-window", false),
    ("online", "ap", "cost-online", true),
];

/// What each step costs on some machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The file's stem.
    pub name: String,
    /// The file as read.
    pub text: String,
    /// Frequency of the machine's TSC, in kHz.
    pub tsc_khz: u64,
    /// The costs that it sets, each with its value.
    costs: Vec<(&'static str, String)>,
}

impl Profile {
    /// Checks a profile's text; `file` is its name in messages.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Profile, Report> {
        Document::read(file, text, |document, table| {
            let mut profile = Profile {
                name: name.to_owned(),
                text: text.to_owned(),
                tsc_khz: 0,
                costs: Vec::new(),
            };
            for (key, value) in table {
                match &**key.get_ref() {
                    known @ ("source" | "machine" | "derivation") => {
                        document.text(known, value);
                    }
                    "tsc-khz" => {
                        profile.tsc_khz = document.number("tsc-khz", value, 1);
                        if u32::try_from(profile.tsc_khz).is_err() {
                            document.unexpected("tsc-khz", value, "kHz, up to 4294967295");
                        }
                    }
                    COSTS => {
                        if let Some(table) = document.table(COSTS, value) {
                            profile.costs = costs(document, value, table);
                        }
                    }
                    unknown => document.unknown_key(key.span(), "", unknown, &KEYS),
                }
            }
            document.missing_keys(0..0, "", table, &KEYS);
            profile
        })
    }

    /// The options that it sets, each with its value.
    pub fn options(&self) -> impl Iterator<Item = (&'static str, String)> {
        let clock = ("clock-khz", self.tsc_khz.to_string());
        std::iter::once(clock).chain(self.costs.iter().cloned())
    }

    /// True if it sets this option.
    pub fn sets(&self, option: &str) -> bool {
        self.options().any(|(set, _)| set == option)
    }

    /// True if a refusal is about an option that it sets.
    pub fn is_concerned(&self, refusal: &Refusal) -> bool {
        self.options().any(|(option, _)| refusal.concerns(option))
    }

    /// Its options as words for a command line.
    pub fn words(&self) -> String {
        let words = self.options().map(|(option, value)| format!("{option}={value}"));
        words.collect::<Vec<_>>().join(" ")
    }

    /// Sets its options.
    pub fn apply(&self, options: &mut Options) {
        for (option, value) in self.options() {
            // Each value was accepted when the file was read.
            let _ = options.set(option, &value);
        }
    }

    /// What `run.json` tells of it.
    pub fn described(&self) -> manifest::Profile {
        manifest::Profile {
            name: self.name.clone(),
            tsc_khz: self.tsc_khz,
            text: self.text.clone(),
        }
    }
}

/// Reads the table of costs, which stands in `value`.
fn costs(
    document: &mut Document<'_>,
    value: &Spanned<DeValue<'_>>,
    table: &DeTable<'_>,
) -> Vec<(&'static str, String)> {
    let names = STEPS.map(|(name, ..)| name);
    let mut costs = Vec::new();
    for (key, value) in table {
        let given: &str = key.get_ref();
        match STEPS.into_iter().find(|(name, ..)| *name == given) {
            Some((name, of, option, _)) => {
                if let Some(value) = cost(document, name, of, value) {
                    costs.push((option, value));
                }
            }
            None => document.unknown_key(key.span(), "costs.", given, &names),
        }
    }
    let needed: Vec<&str> =
        STEPS.iter().filter(|(.., needed)| *needed).map(|(name, ..)| *name).collect();
    document.missing_keys(value.span(), "costs.", table, &needed);
    // The order of the steps, whatever the file's.
    costs.sort_by_key(|(option, _)| STEPS.iter().position(|(_, _, known, _)| known == option));
    costs
}

/// Reads what a step costs, as the value of its option; `of` is who spends it.
fn cost(
    document: &mut Document<'_>,
    step: &str,
    of: &str,
    value: &Spanned<DeValue<'_>>,
) -> Option<String> {
    let path = format!("{COSTS}.{step}");
    let table = document.table(&path, value)?;
    let (mut cycles, mut by_class, mut exclusive) = (None, String::new(), "");
    for (key, value) in table {
        let given: &str = key.get_ref();
        let key_path = format!("{path}.{given}");
        match given {
            "of" => {
                let said = document.word(&key_path, value, &["bsp", "ap"]);
                if said.is_some_and(|said| said != of) {
                    let message = format!("this step is the {}'s", of.to_uppercase());
                    document.mistake(value.span(), &key_path, &message, None);
                }
            }
            "cycles" => cycles = Some(spent(document, &key_path, value)),
            "derived" => drop(document.text(&key_path, value)),
            BY_CLASS if step == WINDOW => {
                document.mistake(key.span(), &key_path, "a window is the same for all APs", None);
            }
            BY_CLASS => by_class = classes(document, &key_path, value),
            EXCLUSIVE => match value.get_ref().as_bool() {
                Some(true) if !QUEUED.contains(&step) => {
                    let message = format!("APs can queue for {} alone", QUEUED.join(", "));
                    document.mistake(value.span(), &key_path, &message, None);
                }
                Some(true) => exclusive = ",exclusive",
                Some(false) => {}
                None => document.unexpected(&key_path, value, "true or false"),
            },
            _ => document.unknown_key(key.span(), &format!("{path}."), given, &ALL_COST_KEYS),
        }
    }
    document.missing_keys(value.span(), &format!("{path}."), table, &COST_KEYS);
    Some(format!("{}{by_class}{exclusive}", cycles?))
}

/// Reads cycles that an option can hold.
fn spent(document: &mut Document<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> u64 {
    match whole(value.get_ref()).and_then(|cycles| u64::try_from(cycles).ok()) {
        Some(cycles) if cycles <= Duration::MAX_CYCLES => cycles,
        _ => {
            let expected =
                format!("whole cycles, up to 2^44 ({}), as 1_200_000", Duration::MAX_CYCLES);
            document.unexpected(path, value, &expected);
            0
        }
    }
}

/// Reads what a step costs the APs of each class, as a part of its option's value.
fn classes(document: &mut Document<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> String {
    let names = Class::ALL.map(Class::name);
    let mut words = String::new();
    for (key, value) in document.table(path, value).into_iter().flatten() {
        let given: &str = key.get_ref();
        if names.contains(&given) {
            let cycles = spent(document, &format!("{path}.{given}"), value);
            words += &format!(",{given}:{cycles}");
        } else {
            document.unknown_key(key.span(), &format!("{path}."), given, &names);
        }
    }
    words
}

/// Where profiles are looked for: beside the scenario, then among the repository's.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    folders: Vec<PathBuf>,
}

/// Why there is no profile of a name.
#[derive(Debug)]
pub enum NoProfile {
    /// No file has that name.
    Unknown {
        /// What there is instead, as a sentence.
        message: String,
        /// The name that was most likely meant.
        help: Option<String>,
    },
    /// The file has mistakes, or can't be read.
    Wrong(Report),
}

impl Profiles {
    /// For a scenario file in one folder, and the repository's scenarios in another.
    pub fn beside(scenario: &Path, repository: &Path) -> Profiles {
        let beside = scenario.parent().unwrap_or(Path::new("")).join(FOLDER);
        let own = repository.join(FOLDER);
        Profiles { folders: if beside == own { vec![own] } else { vec![beside, own] } }
    }

    /// The profile of that name.
    pub fn read(&self, name: &str) -> Result<Profile, NoProfile> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
        for folder in self.folders.iter().filter(|_| !name.is_empty() && name.chars().all(plain)) {
            let path = folder.join(format!("{name}.toml"));
            let file = path.display().to_string();
            if !path.exists() {
                continue;
            }
            let help = || "a profile is a TOML file, as those under scenarios/profiles/".to_owned();
            let text = text_of(&path, "profile", help);
            let text = text.map_err(|failure| NoProfile::Wrong(failure.into_report()))?;
            return Profile::parse(name, &file, &text).map_err(NoProfile::Wrong);
        }
        let names = self.names();
        let near = suggestion(name, names.iter().map(String::as_str));
        Err(NoProfile::Unknown {
            message: format!(
                "there is no profile `{}`: expected one of {}",
                name.escape_debug(),
                names.join(" ")
            ),
            help: near.map(|near| format!("did you mean `{near}`?")),
        })
    }

    /// Every name that a scenario may use.
    fn names(&self) -> Vec<String> {
        let files = self.folders.iter().filter_map(|folder| fs::read_dir(folder).ok());
        let mut names: Vec<String> = files
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        names.push(NONE.to_owned());
        names.sort();
        names.dedup();
        names
    }
}

impl From<NoProfile> for Failure {
    fn from(no: NoProfile) -> Failure {
        Failure::Request(match no {
            NoProfile::Wrong(report) => report,
            NoProfile::Unknown { message, help: Some(help) } => miette!(help = help, "{message}"),
            NoProfile::Unknown { message, help: None } => miette!("{message}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../scenarios/profiles/haswell-28.toml");

    /// What is wrong with a profile like the good one, but for this.
    fn told(from: &str, to: &str) -> String {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD);
        Profile::parse("p", "p.toml", &text).unwrap_err().to_string()
    }

    #[test]
    fn a_number_that_no_option_can_hold_is_told_with_its_place() {
        let range = "expected whole cycles, up to 2^44 (17592186044416), as 1_200_000";
        for number in ["1_000_000_000_000_000", "17_592_186_044_417", "-1", "1.5"] {
            let error = told("cycles = 3_170_362", &format!("cycles = {number}"));
            assert!(error.contains(": costs.wake.cycles: ") && error.contains(range), "{error}");
            assert!(error.starts_with("p.toml:") && error.contains(":10: "), "{error}");
        }
        let class = "cycles = 3_526_409\nby-class = { package = 17_592_186_044_417 }";
        let error = told("cycles = 3_526_409", class);
        assert!(error.contains(": costs.callin.by-class.package: expected whole"), "{error}");
        for khz in ["0", "4_294_967_296"] {
            let error = told("tsc-khz = 2_593_926", &format!("tsc-khz = {khz}"));
            assert!(error.contains(":11: tsc-khz: expected"), "{error}");
        }
    }

    #[test]
    fn the_options_of_the_longest_costs_are_taken() {
        let text = GOOD.replace("cycles = 3_170_362", "cycles = 17_592_186_044_416");
        let profile = Profile::parse("p", "p.toml", &text).unwrap();
        for (option, value) in profile.options() {
            assert_eq!(Options::default().set(option, &value), Ok(()), "{option}");
        }
    }
}
