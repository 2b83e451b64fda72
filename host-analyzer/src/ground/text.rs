//! Text: untrusted text made safe for a terminal; numbers with their nouns.

use std::fmt::Display;

/// How many of a list are named before the rest is counted.
const NAMED: usize = 8;

/// The text with everything written out that could steer a terminal or hide what stands there: control
/// characters, line breaks too, and marks that turn the direction of writing.
///
/// Text from captures, engines and `run.json` passes through here before it is printed or put into a message.
/// Doing it twice changes nothing.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { printable.extend(c.escape_default()) } else { printable.push(c) }
    }
    printable
}

/// The same for JSON, whose values stay the same: it escapes the first 32 characters itself.
pub(crate) fn json_printable(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        // All of them have four digits.
        if c != '\n' && steers(c) {
            safe += &format!("\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// The same for a message that is laid out already: its lines stay, and its colours.
pub(crate) fn printable_but_laid_out(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(steers) {
        let (before, from) = rest.split_at(at);
        let kept = if from.starts_with('\n') { 1 } else { colour(from) };
        let taken = kept.max(from.chars().next().map_or(0, char::len_utf8));
        safe += before;
        safe += &from[..kept];
        safe += &printable(&from[kept..taken]);
        rest = &from[taken..];
    }
    safe + rest
}

/// The length of what sets colours at the begin of a text, `ESC [ 31;1 m`; 0 where there is none.
fn colour(text: &str) -> usize {
    let Some(numbers) = text.strip_prefix("\u{1b}[") else { return 0 };
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';');
    end.filter(|end| numbers[*end..].starts_with('m')).map_or(0, |end| 2 + end + 1)
}

fn steers(c: char) -> bool {
    let invisible = matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    c.is_control() || invisible
}

/// A number and its noun, in the plural where it is not one.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// How often: `once`, or `4 times`.
pub fn times(number: u64) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

/// A remark on how often, where it is not once: ` (4 times)`.
pub(crate) fn repeated(number: u64) -> String {
    if number == 1 { String::new() } else { format!(" ({})", times(number)) }
}

/// The first few, and how many there are beyond them.
pub fn list(items: impl ExactSizeIterator<Item = impl Display>) -> String {
    let beyond = items.len().saturating_sub(NAMED);
    let mut text = String::new();
    for (index, item) in items.take(NAMED).enumerate() {
        text += if index == 0 { "" } else { ", " };
        text += &item.to_string();
    }
    if beyond > 0 { format!("{text} and {beyond} more") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_values() {
        let value = serde_json::json!({ "a": "\u{1b}\n\u{9b}\u{202e}\u{7f}é" });
        let text = json_printable(&format!("{value:#}"));
        assert!(text.contains(r"\u001b\n\u009b\u202e\u007fé"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_message_keeps_its_lines_and_colours() {
        let text = "\u{1b}[31;1m×\u{1b}[0m a\u{1b}[2Jb\r\n  c\u{1b}]0;x\u{7}\u{1b}[";
        let safe = "\u{1b}[31;1m×\u{1b}[0m a\\u{1b}[2Jb\\r\n  c\\u{1b}]0;x\\u{7}\\u{1b}[";
        assert_eq!(printable_but_laid_out(text), safe);
    }

    #[test]
    fn what_steers_a_terminal_is_written_out_once() {
        let text = "a\u{1b}[31mb\nc\u{9b}2J\u{202e}d é µs ❯";
        let safe = "a\\u{1b}[31mb\\nc\\u{9b}2J\\u{202e}d é µs ❯";
        assert_eq!(printable(text), safe);
        assert_eq!(printable(safe), safe);
    }
}
