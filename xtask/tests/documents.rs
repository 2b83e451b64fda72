//! The documents tell the truth about the files of the repository.

use host_analyzer::judge::check::budgets;
use miette::Report;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use xtask::root;
use xtask::runner::profile::{Profile, Profiles};
use xtask::runner::scenario::Scenario;

/// README.md, the pages under `docs`, and the README of the results.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.chain(["README.md", "results/README.md"].map(|page| root().join(page))).collect()
}

/// The paths in a page: sources between backticks, from the root of the repository, and links, from the page.
fn named(page: &Path, text: &str) -> Vec<PathBuf> {
    let is_path = |word: &&str| {
        word.contains('/') && !word.contains([' ', '"', '*', '<']) && !word.contains("NAME")
    };
    let quoted = text.split('`').filter(is_path).filter(|word| word.ends_with(".rs"));
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let links =
        links.filter(|link| !link.contains("://")).filter_map(|link| link.split('#').next());
    let quoted = quoted.map(|word| root().join(word));
    quoted.chain(links.map(|link| page.parent().unwrap().join(link))).collect()
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut missing = Vec::new();
    let mut found = 0;
    for page in pages() {
        for path in named(&page, &fs::read_to_string(&page).unwrap()) {
            match path.exists() {
                true => found += 1,
                false => missing.push(format!("{}: {}", page.display(), path.display())),
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(found > 50, "{found} paths are not what the documents name");
}

/// Reads a TOML text of a page by the reader of its kind of file; its paths are relative to the scenarios.
fn read(text: &str) -> Result<(), Report> {
    let folder = root().join("scenarios");
    if text.contains("budget]]") {
        budgets::parse("example.toml", text).map(drop)
    } else if text.contains("tsc-khz") {
        Profile::parse("example", "example.toml", text).map(drop)
    } else {
        let file = folder.join("example.toml");
        let profiles = Profiles::beside(&file, &folder);
        Scenario::parse("example", &file, text, &profiles).map(drop)
    }
}

/// The keys that a reader expects in the place of the key `unknown` of a text, by its own message.
fn expected(text: &str) -> BTreeSet<String> {
    let report = read(text).expect_err(text);
    let several = report.related().into_iter().flatten().map(|mistake| mistake.to_string());
    let mistakes: Vec<String> = several.chain([report.to_string()]).collect();
    let message = "unknown: there is no such key: expected one of ";
    let keys = mistakes.iter().find_map(|mistake| mistake.split_once(message));
    let (_, keys) = keys.unwrap_or_else(|| panic!("{text}\n--\n{mistakes:?}"));
    keys.split(' ').map(str::to_owned).collect()
}

/// The part of a page from this heading to the next one.
fn section(page: &str, heading: &str) -> String {
    let page = fs::read_to_string(root().join(page)).unwrap();
    let (_, rest) = page.split_once(&format!("\n{heading}\n")).expect(heading);
    let ends = rest.find("\n#").unwrap_or(rest.len());
    rest[..ends].to_owned()
}

/// The keys in the first column of the table of a section that begins with this heading row.
fn listed(section: &str, heading: &str) -> BTreeSet<String> {
    let (_, table) = section.split_once(&format!("\n{heading}\n")).expect(heading);
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let first = rows.filter_map(|row| row.split(" | ").next());
    let words = first.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    words.filter_map(|word| word.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_example_of_a_file_is_one_that_its_reader_takes() {
    let mut examples = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for example in text.split("\n```toml\n").skip(1) {
            let example = example.split("\n```").next().unwrap();
            if let Err(report) = read(&format!("{example}\n")) {
                panic!("{}:\n{example}\n{report:?}", page.display());
            }
            examples += 1;
        }
    }
    assert!(examples >= 7, "{examples}");
}

#[test]
fn every_key_of_a_file_is_documented_and_no_other() {
    const SCENARIO: &str = "engine = 'sim'\ncpus = 2\n";
    const OWN: &str = "engines = 'own'\ncpus = 2\n[engine.own]\nunknown = 1\n";
    const PROFILE: &str = "tsc-khz = 1\n";
    let scenarios = "docs/scenarios.md";
    let (scenario, profile) =
        (section(scenarios, "## A scenario"), section(scenarios, "## A profile"));
    let base = section("docs/engines.md", "### A QEMU with other arguments");
    let command = section("docs/engines.md", "### Anything else");
    let budget = section("docs/ci.md", "## Budgets");
    let with_default = "| key | without it | |";
    for (documented, text) in [
        (listed(&scenario, with_default), format!("{SCENARIO}unknown = 1")),
        (listed(&base, with_default), format!("{OWN}base = 'tcg'")),
        (listed(&command, with_default), format!("{OWN}command = ['a']")),
        (listed(&profile, "| key | |"), format!("{PROFILE}unknown = 1")),
        (
            listed(&profile, "| step | of | what it sets |"),
            format!("{PROFILE}[costs]\nunknown = 1"),
        ),
        (listed(&profile, "| key of a step | |"), format!("{PROFILE}[costs.kick]\nunknown = 1")),
        (listed(&budget, "| key | |"), "[[budget]]\nunknown = 1".to_owned()),
    ] {
        assert_eq!(documented, expected(&text), "{text}");
    }
}

#[test]
fn the_example_of_a_scenario_and_that_of_a_profile_have_every_key() {
    for (heading, table) in
        [("## A scenario", "| key | without it | |"), ("## A profile", "| key of a step | |")]
    {
        let section = section("docs/scenarios.md", heading);
        let (_, example) = section.split_once("```toml\n").unwrap();
        let example = example.split("```").next().unwrap();
        // `engine` names what runs where no table defines engines.
        for key in listed(&section, table).iter().filter(|key| *key != "engine") {
            let has = example
                .lines()
                .any(|line| line.starts_with(&format!("{key} = ")) || line == format!("[{key}]"));
            assert!(has, "{heading}: {key}");
        }
    }
}
