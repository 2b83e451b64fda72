//! Command lines as words.

/// Words and more words, a blank between.
pub fn join(words: &str, more: &str) -> String {
    match (words, more) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{words} {more}"),
    }
}

/// An option as a word.
pub fn word(key: &str, value: &str) -> String {
    format!("{key}={value}")
}
