//! Text as HTML.

/// Text as HTML or XML, between tags or in an attribute.
pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

/// Text as HTML: everything in it is escaped, and what stands between backticks is code.
pub(crate) fn with_code(text: &str) -> String {
    let pieces: Vec<String> = text.split('`').map(escaped).collect();
    // One that has no partner begins no code.
    if pieces.len().is_multiple_of(2) {
        return pieces.join("`");
    }
    let of = |(index, piece): (usize, &String)| match index % 2 {
        0 => piece.clone(),
        _ => format!("<code>{piece}</code>"),
    };
    pieces.iter().enumerate().map(of).collect()
}

/// Text as HTML whose words stay whole at line ends, also those with hyphens, as `tsc-sync=one-to-many`.
pub(crate) fn in_whole_words(text: &str) -> String {
    let word = |word: &str| match word.contains('-') {
        true => format!("<span class=\"whole\">{}</span>", escaped(word)),
        false => escaped(word),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_hyphens_stay_whole_and_nothing_is_markup() {
        let html = in_whole_words("with <full-parallel>, in 2 ms");
        assert_eq!(html, "with <span class=\"whole\">&lt;full-parallel&gt;,</span> in 2 ms");
    }

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_is_markup() {
        for (text, html) in [
            ("lost CPU 3 after `sipi`", "lost CPU 3 after <code>sipi</code>"),
            ("`a<b`, `c` & d", "<code>a&lt;b</code>, <code>c</code> &amp; d"),
            ("one ` alone", "one ` alone"),
            ("", ""),
        ] {
            assert_eq!(with_code(text), html);
        }
    }
}
