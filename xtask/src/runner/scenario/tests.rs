//! Scenarios of the tests, and tests of whole files.

use super::Scenario;
use crate::runner::profile::Profiles;
use crate::workspace::root;
use std::fs;
use std::path::Path;

pub const HEAD: &str = "engine = \"sim\"\ncpus = [4]\n";

/// A scenario `s.toml` beside nothing, or every mistake with its help.
pub fn read(text: &str) -> Result<Scenario, String> {
    let profiles = Profiles::beside(Path::new("s.toml"), &root().join("scenarios"));
    Scenario::parse("s", Path::new("s.toml"), text, &profiles).map_err(|report| {
        let mut text = report.to_string();
        for related in report.related().into_iter().flatten() {
            text += &format!("\n{related}");
            text += &related.help().map_or_else(String::new, |help| format!(" ({help})"));
        }
        text += &report.help().map_or_else(String::new, |help| format!(" ({help})"));
        text
    })
}

/// Each text must be refused with what stands beside it.
#[track_caller]
pub fn assert_refused(cases: &[(&str, &str)]) {
    for (text, message) in cases {
        let error = read(text).expect_err(text);
        assert!(error.contains(message), "{text}\n--\n{error}");
    }
}

#[test]
fn the_scenarios_of_the_repository_are_good() {
    let folder = root().join("scenarios");
    let mut found = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let scenario = Scenario::read(&path, &folder);
            assert!(scenario.is_ok(), "{:?}", scenario.unwrap_err().report());
            found += 1;
        }
    }
    assert!(found >= 2);
}

#[test]
fn no_text_makes_the_check_panic() {
    for text in [
        "",
        "=",
        "[",
        "\u{0}",
        "[[options]]",
        "options = []",
        "[options.wait]\na = 1",
        "a.b.c = 1\n'' = 2",
        "é = 1\nengine = 'é",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}
