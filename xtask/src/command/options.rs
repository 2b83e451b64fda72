//! Every option with its default and its meaning, for `cargo xtask options` and the help of `run`.

use bringup::boot_options::BootOptions;
use bringup::options::{Key, OptionError, Options};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::options::suggestion_for;
use miette::miette;

/// Every option of a cell, then those of a whole boot.
pub fn all() -> String {
    let mut text = "Options as KEY=VALUE, the default first:".to_owned();
    for key in Options::KEYS {
        text += &format!("\n  {}\n          {}", values(key), key.meaning());
    }
    text += "\n\nOptions of the whole boot, before the first `cell`:";
    for (name, meaning) in BootOptions::KEYS {
        text += &format!("\n  {name}\n          {meaning}");
    }
    text
}

/// One option: its default and other values, its meaning, and what is accepted. Fails with
/// [`Failure::Request`] where no option has that name.
pub fn one(name: &str) -> Result<String, Failure> {
    if let Some(key) = Key::named(name) {
        return Ok(format!("{}\n\n{}\n\nexpected: {}", values(key), key.meaning(), key.expected()));
    }
    if let Some((name, meaning)) = BootOptions::KEYS.iter().find(|(known, _)| *known == name) {
        return Ok(format!("{name}, before the first `cell`\n\n{meaning}"));
    }
    let error = OptionError::UnknownKey { key: name };
    let suggestion = suggestion_for(&error);
    Err(Failure::Request(miette!(
        help = "`cargo xtask options` lists every option",
        "there is no option `{name}`{suggestion}"
    )))
}

/// `KEY=DEFAULT` and the other values, where they are few.
fn values(key: &Key) -> String {
    let default = key.value(&Options::default()).to_string();
    let others = key.texts().iter().filter(|text| **text != default);
    let values = others.fold(default.clone(), |values, text| format!("{values}, {text}"));
    format!("{}={values}", key.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_option_is_told_with_default_meaning_and_what_it_takes() {
        let text = one("tsc-sync").unwrap();
        assert!(text.starts_with("tsc-sync=pairwise, "), "{text}");
        let text = one("cost-callin").unwrap();
        assert!(text.contains("as `800us,5:8ms`"), "{text}");
        assert!(one("serial").unwrap().contains("0x3f8"));
    }

    #[test]
    fn every_option_is_in_the_list_with_its_meaning() {
        let text = all();
        for key in Options::KEYS {
            assert!(text.contains(&format!("\n  {}=", key.name())), "{}", key.name());
            assert!(!key.meaning().is_empty(), "{}", key.name());
        }
    }

    #[test]
    fn an_unknown_option_gets_a_suggestion() {
        let error = one("strategie").unwrap_err().report().to_string();
        assert!(error.contains("`strategy`"), "{error}");
    }
}
