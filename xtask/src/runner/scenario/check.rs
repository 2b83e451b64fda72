//! A scenario's keys, read one by one; what is wrong goes to the document.

use super::matrix::{Axis, Draft, MOST_CELLS, Value};
use super::{BOOT_LIMIT, ENGINE, ENGINES, KEYS, LONGEST_BOOT, OPTIONS, engines_own};
use crate::runner::profile::{self, NoProfile, Profile, Profiles};
use bringup::Duration as Span;
use bringup::options::{OptionError, Options};
use host_analyzer::ground::document::{Document, scalar, shown, suggestion, whole};
use miette::Report;
use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut, Range};
use std::path::Path;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// More boots than this are a mistake, not a measurement.
const MOST_BOOTS: u32 = 100_000;

/// Reads a scenario's keys; the mistakes go to the document.
pub struct Check<'c, 't> {
    /// The file.
    pub document: &'c mut Document<'t>,
    /// The folder of the file, an absolute path.
    pub folder: &'c Path,
    /// The profiles that it can name.
    pub profiles: &'c Profiles,
    /// What is wrong with a profile that the scenario names.
    pub wrong_profile: Option<Report>,
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

impl Check<'_, '_> {
    /// Reads the whole file.
    pub fn draft(&mut self, table: &DeTable<'_>) -> Draft {
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
                // Read together, below.
                ENGINE | ENGINES => {}
                "cpus" => draft.cpus = self.cpus(value),
                "profile" => draft.profiles = self.profiles(value),
                "boots" => {
                    match whole(value.get_ref())
                        .and_then(|n| u32::try_from(n).ok())
                        .filter(|n| (1..=MOST_BOOTS).contains(n))
                    {
                        Some(boots) => draft.boots = boots,
                        None => {
                            let expected = format!("a whole number from 1 to {MOST_BOOTS}");
                            self.unexpected("boots", value, &expected);
                        }
                    }
                }
                "boot-limit" => match value.get_ref().as_str().and_then(limit) {
                    Some(limit) => draft.boot_limit = limit,
                    None => self.unexpected(
                        "boot-limit",
                        value,
                        &format!(
                            "a time above zero with its unit, up to {LONGEST_BOOT} s, as \"300s\""
                        ),
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
        draft.engines = self.engines(table);
        if !table.contains_key("cpus") {
            let help = "for example `cpus = [2, 4, 8]`";
            self.mistake(0..0, "cpus", "this key is missing", Some(help));
        }
        for engine in &draft.engines {
            for cpus in &draft.cpus {
                if let Err(why) = engine.takes(cpus.value) {
                    self.mistake(cpus.at.clone(), "cpus", &why, None);
                }
            }
        }
        draft
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
                Some(known) => match engines_own(known, "") {
                    Some((why, help)) => {
                        self.mistake(key.span(), &format!("options.{known}"), why, Some(help));
                    }
                    None => axes.push(Axis {
                        key: known,
                        values: self.values(known, value),
                        at: key.span(),
                    }),
                },
                None => {
                    let keys =
                        Options::KEYS.into_iter().filter(|known| engines_own(known, "").is_none());
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
        let (mut values, mut known) = (Vec::new(), BTreeSet::new());
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
            if let Some((why, help)) = engines_own(key, &text) {
                self.mistake(element.span(), &path, &format!("`{text}`: {why}"), Some(help));
                continue;
            }
            let mut written = String::new();
            // Writing to a string does not fail.
            let _ = options.write_value(key, &mut written);
            if !known.insert(written.clone()) {
                self.duplicate(&path, element.span(), &written);
            } else {
                values.push(Value { value: written, at: element.span() });
            }
        }
        values
    }

    /// The elements of an array, or the value alone.
    pub fn elements<'v, 'i>(
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
            Some(array) if array.len() > MOST_CELLS => {
                let help = "take values out, or make several scenarios of it";
                let message = format!("this axis has more than {MOST_CELLS} values");
                self.mistake(value.span(), key, &message, Some(help));
                Vec::new()
            }
            Some(array) => array.iter().collect(),
            None => vec![value],
        }
    }

    /// Tells a value that an axis has already.
    pub fn duplicate(&mut self, key: &str, at: Range<usize>, value: &str) {
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
    match Span::parse_up_to(text, LONGEST_BOOT * 1_000_000_000) {
        Some(Span::Nanos(nanos)) if nanos > 0 => Some(Duration::from_nanos(nanos)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{HEAD, assert_told, read};

    #[test]
    fn every_mistake_is_told_with_line_column_and_key() {
        assert_told(&[
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
                "s.toml:2:12: cpus: 0 CPUs: the engine sim takes 1 to 4096",
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
                &format!("{HEAD}boot-limit = \"86401s\""),
                "expected a time above zero with its unit, up to 86400 s, as \"300s\"",
            ),
            (
                &format!("{HEAD}boots = 100_001"),
                "s.toml:3:9: boots: expected a whole number from 1 to 100000",
            ),
            (
                &format!("{HEAD}[options]\ntsc-trust = [\"yes\", \"engine\"]"),
                "s.toml:4:21: options.tsc-trust: `engine`: an engine alone says it",
            ),
            (
                &format!("{HEAD}[options]\nfault = \"never:1,differ:1\""),
                "s.toml:4:9: options.fault: `fault=never:1,differ:1` names CPU 1 twice",
            ),
            (
                &format!("{HEAD}[options]\ncost-wake = \"99999999s\""),
                "s.toml:4:13: options.cost-wake: `99999999s` is no value of this option: expected a \
                 duration (cycles, up to 2^44, or a whole number with ns, us, ms or s, up to an hour)",
            ),
            (
                &format!("{HEAD}[options]\nlimit = \"1ms\"\ncost-wake = \"2ms\""),
                "s.toml:4:9: options: `cost-wake` of 2ms is longer than `limit=1ms`",
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
                "s.toml:4:9: options: `fault=never:7`: there is no CPU 7 on a machine of 4 CPUs (0 to 3)",
            ),
            (
                &format!("{HEAD}[options]\ncost-wake = \"1ms,9:2ms\""),
                "s.toml:4:13: options: `cost-wake=…,9:2ms`: there is no CPU 9 on a machine of 4 CPUs",
            ),
        ]);
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
}
