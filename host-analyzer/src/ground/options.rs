//! Options as files write them.

use crate::ground::document::{Value, suggestion};
use bringup::boot_options::BootOptions;
use bringup::options::{OptionError, Options};

/// The value of an option in the form in which the kernel writes it: `0.8ms` as `800us`.
pub fn option_value(key: &'static str, value: &Value<'_>) -> Option<String> {
    let text = value.scalar()?;
    let mut options = Options::default();
    match options.set(key, &text) {
        Ok(()) => {}
        Err(OptionError::BadValue { expected, .. }) => {
            value.unexpected(expected);
            return None;
        }
        Err(error) => {
            value.wrong(&error.to_string(), None);
            return None;
        }
    }
    Some(options.value(key).to_string())
}

/// Options as the words of a command line, with the text. Those of the whole boot may be among them.
pub fn option_words(value: &Value<'_>) -> Option<(String, Options)> {
    let text = value.text()?;
    let mut options = Options::default();
    let mut all_good = true;
    for word in text.split_ascii_whitespace() {
        if let Err(error) = set_word(&mut options, word) {
            value.wrong(&format!("{error}{}", suggestion_for(&error)), None);
            all_good = false;
        }
    }
    all_good.then_some((text, options))
}

/// The options that the words of a text set; those of the whole boot are checked.
///
/// Fails at the first word that sets none.
pub fn options(text: &str) -> Result<Options, OptionError<'_>> {
    let mut options = Options::default();
    text.split_ascii_whitespace().try_for_each(|word| set_word(&mut options, word))?;
    Ok(options)
}

fn set_word<'a>(options: &mut Options, word: &'a str) -> Result<(), OptionError<'a>> {
    match BootOptions::key(word) {
        Some(_) => BootOptions::default().set_word(word),
        None => options.set_word(word),
    }
}

/// `; did you mean …?` for an option that is mistyped.
pub fn suggestion_for(error: &OptionError<'_>) -> String {
    match error {
        OptionError::UnknownKey { key } => {
            suggestion(key, Options::names().chain(BootOptions::names()))
                .map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
        }
        _ => String::new(),
    }
}
