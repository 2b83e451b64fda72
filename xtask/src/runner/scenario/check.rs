//! The keys of a scenario, each with what its value must be.

use super::axis::{Placed, axis};
use super::cpus;
use super::engines::engines;
use super::matrix::{Axis, Draft};
use super::{KEYS, LONGEST_BOOT, MOST_BOOTS, OPTIONS, engines_own};
use crate::runner::profile::{self, Profile, Profiles};
use bringup::Duration as Span;
use bringup::options::{Options, kind_of};
use host_analyzer::ground::document::{Keys, Value, suggestion};
use host_analyzer::ground::options::option_value;
use miette::Report;
use std::path::Path;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A boot may take this long if the scenario does not say.
const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// The values of `cold`: a boot has as many cells as its command line holds, and the first has the cold trial; or each
/// cell has boots of its own.
const FIRST: &str = "first";
const EACH: &str = "each";

/// Reads the whole file, which lies in `folder`, an absolute path.
///
/// Fails where a profile that it names has mistakes, with these; its own mistakes are reported to
/// the document.
pub fn draft(keys: &mut Keys<'_>, folder: &Path, profiles: &Profiles) -> Result<Draft, Report> {
    keys.hint(hint);
    keys.may("description", Value::text);
    let engines = engines(keys, folder);
    let cpus = match keys.get("cpus") {
        Some(cpus) => {
            let read = |value: &Value<'_>| value.parsed(cpus::counts, cpus::EXPECTED);
            axis(&cpus, |cpus| read(cpus).unwrap_or_default(), u16::to_string)
        }
        None => {
            keys.missing("cpus", Some("for example `cpus = [2, 4, 8]`"));
            Vec::new()
        }
    };
    let profiles = match keys.get("profile") {
        Some(named) => named_profiles(&named, profiles)?,
        None => vec![Placed { value: None, at: 0..0 }],
    };
    let boots = keys.may("boots", |boots| boots.number(1..=MOST_BOOTS as u32, "a whole number"));
    let cold_each = keys.may("cold", |cold| cold.choice([FIRST, EACH], |word| word));
    let expected = format!("a time above zero with its unit, up to {LONGEST_BOOT} s, as \"300s\"");
    let boot_limit = keys.may("boot-limit", |value| value.parsed(limit, &expected));
    let skip_refused = keys.may("skip-refused", Value::flag);
    let options = keys.get(OPTIONS);
    let axes = options.as_ref().and_then(|options| options.table(axes)).unwrap_or_default();
    let draft = Draft {
        engines,
        cpus,
        profiles,
        boots: boots.unwrap_or(1),
        cold_each: cold_each == Some(EACH),
        boot_limit: boot_limit.unwrap_or(BOOT_LIMIT),
        skip_refused: skip_refused.unwrap_or(false),
        axes,
        options_at: options.map_or(0..0, |options| options.key_at()),
    };
    check_together(&draft, keys);
    Ok(draft)
}

/// What to say of a key that no scenario has.
fn hint(key: &str) -> Option<String> {
    match key {
        _ if kind_of(key).is_some() => Some(format!("`{key}` belongs below `[options]`")),
        _ if suggestion(key, KEYS).is_none() => Some("options go below `[options]`".to_owned()),
        _ => None,
    }
}

/// Reports values that are good alone, but not together.
fn check_together(draft: &Draft, keys: &Keys<'_>) {
    for axis in &draft.axes {
        let profiles = draft.profiles.iter().filter_map(|profile| profile.value.as_ref());
        if let Some(profile) = profiles.into_iter().find(|profile| profile.sets(axis.key)) {
            keys.mistakes().add(
                axis.at.clone(),
                &format!("{OPTIONS}.{}", axis.key),
                &format!("the profile `{}` sets it", profile.name),
                Some("take it out, or write it into a profile of its own"),
            );
        }
    }
    for engine in &draft.engines {
        let mut last = None;
        for cpus in &draft.cpus {
            // Of a range the first that it does not take is enough.
            if let Err(why) = engine.takes(cpus.value)
                && last.replace(&cpus.at) != Some(&cpus.at)
            {
                keys.mistakes().add(cpus.at.clone(), "cpus", &why, None);
            }
        }
    }
}

/// The profiles that a scenario names. Fails where one of them has mistakes.
fn named_profiles(
    named: &Value<'_>,
    profiles: &Profiles,
) -> Result<Vec<Placed<Option<Profile>>>, Report> {
    let names = profiles.names();
    let chosen = axis(named, |name| name.choice(names.clone(), |name| name), String::clone);
    let read = |Placed { value: name, at }: Placed<String>| {
        let value = match &*name {
            profile::NONE => None,
            name => Some(profiles.read(name).map_err(|failure| failure.into_report())?),
        };
        Ok(Placed { value, at })
    };
    chosen.into_iter().map(read).collect()
}

/// The table of options, in the order of the file, in which the cells are run.
fn axes(keys: &mut Keys<'_>) -> Vec<Axis> {
    keys.hint(|key| {
        KEYS.contains(&key).then(|| format!("`{key}` belongs above `[options]`")).or_else(|| {
            let unlike = suggestion(key, Options::names()).is_none();
            unlike.then(|| "leave it out, or look the options up in the README".to_owned())
        })
    });
    let (own, settable): (Vec<_>, Vec<_>) =
        Options::names().partition(|key| engines_own(key, "").is_some());
    let settable = keys.some_of(settable);
    for key in own.into_iter().filter(|key| keys.has(key)).collect::<Vec<_>>() {
        if let (Some(value), Some((why, help))) = (keys.get(key), engines_own(key, "")) {
            value.wrong_key(why, Some(help));
        }
    }
    let axes = settable.into_iter().map(|(key, value)| Axis {
        key,
        values: axis(&value, |value| settable_value(key, value), String::clone),
        at: value.key_at(),
    });
    axes.collect()
}

/// The value of an option, unless it is the engine's to set.
fn settable_value(key: &'static str, value: &Value<'_>) -> Option<String> {
    let written = option_value(key, value)?;
    match engines_own(key, &written) {
        None => Some(written),
        Some((why, help)) => {
            value.wrong(&format!("`{written}`: {why}"), Some(help));
            None
        }
    }
}

/// A time limit with its unit.
fn limit(text: &str) -> Option<Duration> {
    match Span::parse_up_to(text, LONGEST_BOOT * 1_000_000_000) {
        Some(Span::Nanos(nanos)) if nanos > 0 => Some(Duration::from_nanos(nanos)),
        _ => None,
    }
}
