//! Profiles: what each step costs on some machine, expanded into the options that the kernel knows.
//!
//! On `icount` a guest cycle stands for a cycle of the profile's machine. The kernel knows no
//! profile; `run.json` keeps its name and its text.

use crate::runner::folder::toml_files_in;
use bringup::Duration;
use bringup::class::Class;
use bringup::frame::WINDOW;
use bringup::options::{Options, Refusal, Step};
use host_analyzer::ground::document::{self, Keys, Value, text_of};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest;
use miette::{Report, miette};
use std::path::{Path, PathBuf};

/// The profile without costs, which needs no file: the kernel alone.
pub const NONE: &str = "none";

/// The folder of the profiles, beside the scenarios.
const FOLDER: &str = "profiles";

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
        document::read(file, text, |keys| {
            keys.need("source", Value::text);
            keys.need("machine", Value::text);
            let khz = |khz: &Value<'_>| khz.number(1..=u32::MAX, "a frequency in kHz");
            let tsc_khz = keys.need("tsc-khz", khz);
            keys.need("derivation", Value::text);
            let costs = keys.need("costs", |value| value.table(costs));
            Profile {
                name: name.to_owned(),
                text: text.to_owned(),
                tsc_khz: tsc_khz.unwrap_or_default().into(),
                costs: costs.unwrap_or_default(),
            }
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

    /// What `run.json` states of it.
    pub fn described(&self) -> manifest::Profile {
        manifest::Profile {
            name: self.name.clone(),
            tsc_khz: self.tsc_khz,
            text: self.text.clone(),
        }
    }
}

/// The table of costs: the option of each step, with its value, in the order of the steps.
fn costs(keys: &mut Keys<'_>) -> Vec<(&'static str, String)> {
    let mut costs = Vec::new();
    for step in Step::ALL {
        if step == Step::Online {
            // A machine that trusts its clocks has no window.
            let window = keys.may(WINDOW, |value| cost(None, value));
            costs.extend(window.map(|value| (WINDOW, value)));
        }
        // What a kernel does besides is stated where it is known.
        let value = match (step as usize) < Step::WITH_WORK {
            true => keys.need(step.name(), |value| cost(Some(step), value)),
            false => keys.may(step.name(), |value| cost(Some(step), value)),
        };
        costs.extend(value.map(|value| (step.option(), value)));
    }
    costs
}

/// What a step costs, or the window takes, as the value of its option.
fn cost(step: Option<Step>, value: &Value<'_>) -> Option<String> {
    let of = if step.is_none_or(Step::is_of_bsp) { "bsp" } else { "ap" };
    value.table(|keys| {
        keys.need("of", |value| {
            let said = value.choice(["bsp", "ap"], |who| who)?;
            if said != of {
                value.wrong(&format!("this step is the {}'s", of.to_uppercase()), None);
            }
            Some(())
        });
        let cycles = keys.need("cycles", cycles);
        let from = keys.may("from", |names| names.array("names of published figures"));
        let from = from.iter().flatten().filter_map(Value::text).count();
        keys.may("derived", Value::text);
        if keys.may("assumption", Value::text).is_none() && from == 0 {
            let expected = "a cost names the published figures that it comes from, as \
                            `from = [\"haswell-28.serial-total\"]`, or the `assumption` that it is";
            value.wrong(expected, None);
        }
        let by_class = keys.may("by-class", |value| value.table(classes));
        let exclusive = keys.get("exclusive");
        let is_exclusive = exclusive.as_ref().and_then(Value::flag).unwrap_or(false);
        let can_be = step.is_some_and(Step::can_be_exclusive);
        if let Some(value) = exclusive.filter(|_| is_exclusive && !can_be) {
            let queued = Step::ALL.into_iter().filter(|step| step.can_be_exclusive());
            let queued: Vec<&str> = queued.map(Step::name).collect();
            value.wrong(&format!("APs can queue for {} alone", queued.join(", ")), None);
        }
        let exclusive = if is_exclusive { ",exclusive" } else { "" };
        Some(format!("{}{}{exclusive}", cycles?, by_class.unwrap_or_default()))
    })?
}

/// Cycles that an option can hold.
fn cycles(value: &Value<'_>) -> Option<u64> {
    value.number(0..=Duration::MAX_CYCLES, "whole cycles, as 1_200_000,")
}

/// What a step costs the APs of each class, as a part of its option's value.
fn classes(keys: &mut Keys<'_>) -> String {
    let classes = keys.some_of(Class::ALL.map(Class::name)).into_iter();
    let classes = classes.filter_map(|(class, value)| Some((class, cycles(&value)?)));
    classes.map(|(class, cycles)| format!(",{class}:{cycles}")).collect()
}

/// Where profiles are looked for: beside the scenario, then among the repository's.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    folders: Vec<PathBuf>,
}

impl Profiles {
    /// For a scenario file in one folder, and the repository's scenarios in another.
    pub fn beside(scenario: &Path, repository: &Path) -> Profiles {
        let beside = scenario.parent().unwrap_or(Path::new("")).join(FOLDER);
        let own = repository.join(FOLDER);
        Profiles { folders: if beside == own { vec![own] } else { vec![beside, own] } }
    }

    /// The profile of that name.
    ///
    /// Fails with [`Failure::Request`] where there is none, or where its file has mistakes.
    pub fn read(&self, name: &str) -> Result<Profile, Failure> {
        let known = self.names();
        let file = format!("{name}.toml");
        let paths = self.folders.iter().map(|folder| folder.join(&file));
        let path =
            paths.filter(|_| known.iter().any(|known| known == name)).find(|path| path.exists());
        let Some(path) = path else {
            return Err(Failure::Request(miette!(
                "there is no profile `{}`: expected one of {}",
                name.escape_debug(),
                known.join(" ")
            )));
        };
        let help = || "a profile is a TOML file, as those under scenarios/profiles/".to_owned();
        let text = text_of(&path, "profile", help)?;
        Profile::parse(name, &path.display().to_string(), &text).map_err(Failure::Request)
    }

    /// Every name that a scenario may use, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.folders.iter().flat_map(|folder| toml_files_in(folder)).collect();
        names.push(NONE.to_owned());
        names.sort();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../scenarios/profiles/haswell-28.toml");

    /// What is wrong with a profile like the good one, but for this.
    fn mistake(from: &str, to: &str) -> String {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD);
        Profile::parse("p", "p.toml", &text).unwrap_err().to_string()
    }

    #[test]
    fn a_number_that_no_option_can_hold_is_reported_with_its_place() {
        let range = "expected whole cycles, as 1_200_000, from 0 to 17592186044416, found";
        for number in ["1_000_000_000_000_000", "17_592_186_044_417", "-1", "1.5"] {
            let error = mistake("cycles = 3_621_677", &format!("cycles = {number}"));
            assert!(error.contains(": costs.wake.cycles: ") && error.contains(range), "{error}");
            assert!(error.starts_with("p.toml:") && error.contains(":10: "), "{error}");
        }
        let class = "cycles = 50_000\nby-class = { package = 17_592_186_044_417 }";
        let error = mistake("cycles = 50_000", class);
        assert!(error.contains(": costs.trampoline.by-class.package: expected whole"), "{error}");
        for khz in ["0", "4_294_967_296"] {
            let error = mistake("tsc-khz = 2_593_926", &format!("tsc-khz = {khz}"));
            assert!(error.contains(":11: tsc-khz: expected"), "{error}");
        }
    }

    #[test]
    fn the_options_of_the_longest_costs_are_taken() {
        let text = GOOD.replace("cycles = 3_621_677", "cycles = 17_592_186_044_416");
        let profile = Profile::parse("p", "p.toml", &text).unwrap();
        for (option, value) in profile.options() {
            assert_eq!(Options::default().set(option, &value), Ok(()), "{option}");
        }
    }
}
