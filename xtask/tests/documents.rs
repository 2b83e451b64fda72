//! The documents tell the truth about the files of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use xtask::root;

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
