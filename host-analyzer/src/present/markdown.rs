//! Markdown for a comment on a pull request, which has a longest length.

/// GitHub refuses longer comments. It counts characters; there are at least as many bytes.
const LONGEST: usize = 65_536;

/// Text that is longer than this is cut: names have no longest length.
pub(crate) const LONG: usize = 1000;

/// A comment, part by part. It never becomes longer than [`LONGEST`], whatever its lists hold.
#[derive(Default)]
pub(crate) struct Comment<'a>(Vec<Part<'a>>);

enum Part<'a> {
    /// Goes in whole.
    Text(String),
    /// As much as fits goes in.
    Lines { lines: Vec<String>, share: f64, left_out: Box<dyn Fn(usize) -> String + 'a> },
}

impl<'a> Comment<'a> {
    /// Adds text that is never left out.
    pub fn text(&mut self, text: impl Into<String>) {
        self.0.push(Part::Text(text.into()));
    }

    /// Adds lines: as many as fit into a share of the room that all text and the lists before have
    /// left; `left_out` says how many are missing.
    pub fn lines(
        &mut self,
        lines: Vec<String>,
        share: f64,
        left_out: impl Fn(usize) -> String + 'a,
    ) {
        self.0.push(Part::Lines { lines, share, left_out: Box::new(left_out) });
    }

    /// Adds a table, a header and rows; some rows may be left out.
    pub fn table(
        &mut self,
        (header, rows): (String, Vec<String>),
        share: f64,
        left_out: impl Fn(usize) -> String + 'a,
    ) {
        self.text(header);
        self.lines(rows, share, left_out);
    }

    /// The comment.
    pub fn finish(self) -> String {
        let length = |part: &Part<'_>| match part {
            Part::Text(text) => text.len(),
            Part::Lines { .. } => 0,
        };
        let mut room = Room::beside(self.0.iter().map(length).sum());
        let written = |part| match part {
            Part::Text(text) => text,
            Part::Lines { lines, share, left_out } => room.fill(&lines, share, left_out),
        };
        self.0.into_iter().map(written).collect()
    }
}

/// Texts as a list's lines.
pub(crate) fn list<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    texts.into_iter().map(|text| format!("- {}", plain(text, LONG))).collect()
}

/// What is left of a comment's [`LONGEST`] length, in bytes.
#[derive(Debug)]
struct Room(usize);

impl Room {
    /// Beside text that has this length together.
    fn beside(taken: usize) -> Room {
        Room(LONGEST.saturating_sub(taken))
    }

    /// As many of the lines as fit, or as fit into a share of the room, each with a line end; then,
    /// where some are left out, a sentence that says how many.
    fn fill(&mut self, lines: &[String], share: f64, left_out: impl Fn(usize) -> String) -> String {
        let room = (self.0 as f64 * share) as usize;
        let all: usize = lines.iter().map(|line| line.len() + 1).sum();
        // The sentence is the longest where all are left out.
        let sentence = if all <= room { 0 } else { left_out(lines.len()).len() + 1 };
        let mut text = String::new();
        let mut shown = 0;
        for line in lines {
            if text.len() + line.len() + 1 + sentence > room {
                break;
            }
            text.extend([line, "\n"]);
            shown += 1;
        }
        if shown < lines.len() {
            text += &format!("{}\n", left_out(lines.len() - shown));
        }
        self.0 = self.0.saturating_sub(text.len());
        text
    }
}

/// Text that Markdown takes as it is, and no more than so many bytes of it: names come from captures
/// and manifests.
pub(crate) fn plain(text: &str, most: usize) -> String {
    const CUT: &str = "…";
    let mut plain = String::new();
    for c in text.chars() {
        let before = plain.len();
        match c {
            '&' => plain += "&amp;",
            '<' => plain += "&lt;",
            '>' => plain += "&gt;",
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '~' | '@' => plain.extend(['\\', c]),
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
        if plain.len() + CUT.len() > most {
            plain.truncate(before);
            return plain + CUT;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn lines_never_take_more_than_the_room_and_none_goes_without_a_word(
            lines in vec(0usize..400, 0..60), taken in LONGEST - 4000..LONGEST - 100, share in 0.5f64..1.0,
        ) {
            let lines: Vec<String> = lines.iter().map(|length| "x".repeat(*length)).collect();
            let mut room = Room::beside(taken);
            let before = room.0;
            let text = room.fill(&lines, share, |count| format!("left out: {count}"));
            prop_assert_eq!(before - text.len(), room.0);
            let last = text.lines().last().unwrap_or_default();
            let left_out = last.strip_prefix("left out: ").map_or(0, |count| count.parse().unwrap());
            let shown = text.lines().count() - usize::from(left_out > 0);
            prop_assert_eq!(shown + left_out, lines.len());
            prop_assert!(left_out > 0 || lines.is_empty() || text.lines().eq(&lines));
        }

        #[test]
        fn plain_text_is_never_longer_than_asked(text in "[a&<|µ]{0,40}", most in 3usize..60) {
            prop_assert!(plain(&text, most).len() <= most);
            prop_assert!(!plain(&text, 1000).contains('…'));
        }
    }
}
