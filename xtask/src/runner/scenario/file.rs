//! A scenario's file: found by its name, read, and checked.

use super::check::draft;
use super::{Scenario, engines};
use crate::runner::folder::toml_files_in;
use crate::runner::profile::Profiles;
use crate::runner::run_folder::{LATEST, LATEST_RUN, RUN};
use host_analyzer::ground::document::{read_explaining, text_of};
use host_analyzer::ground::failure::Failure;
use miette::{Report, miette};
use std::path::{self, Path, PathBuf};

/// Names in the results folder that no scenario can have.
const RESERVED: [&str; 4] = [LATEST, LATEST_RUN, "reference", RUN];

impl Scenario {
    /// Reads a scenario file and checks all of it.
    ///
    /// Fails with [`Failure::Request`] and every mistake that was found, or where there is no such
    /// file (the message lists those in `folder`); with [`Failure::Environment`] where the file
    /// can't be read.
    pub fn read(path: &Path, folder: &Path) -> Result<Scenario, Failure> {
        let text = text_of(path, "scenario", || scenarios_in(folder))?;
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if name.is_empty() || name.starts_with('.') || RESERVED.contains(&name) {
            return Err(Failure::Request(miette!(
                help = "its name becomes a folder under results/: rename it",
                "{} can't be a scenario's name",
                path.display()
            )));
        }
        let profiles = Profiles::beside(path, folder);
        Scenario::parse(name, path, &text, &profiles).map_err(Failure::Request)
    }

    /// Checks a scenario's text; the paths in it are relative to the folder of `path`.
    pub fn parse(
        name: &str,
        path: &Path,
        text: &str,
        profiles: &Profiles,
    ) -> Result<Scenario, Report> {
        let file = path.display().to_string();
        let home = path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = home.parent().unwrap_or(&home);
        read_explaining(&file, text, engines::explain, |keys| {
            let draft = draft(keys, folder, profiles)?;
            // A matrix of a partly read file would only add false mistakes.
            let (groups, skipped) = match keys.mistakes().is_empty() {
                true => draft.span(keys.mistakes()),
                false => Default::default(),
            };
            Ok(Scenario {
                name: name.to_owned(),
                text: text.to_owned(),
                command: Vec::new(),
                boots: draft.boots,
                past: None,
                boot_limit: draft.boot_limit,
                groups,
                skipped,
                unused: Vec::new(),
                profiles: draft.profiles.into_iter().filter_map(|profile| profile.value).collect(),
            })
        })?
    }
}

/// The scenario file that a word means: the word as a path, or else the name of one in `folder`.
pub fn named_in(folder: &Path, given: PathBuf) -> PathBuf {
    let named = folder.join(format!("{}.toml", given.display()));
    let plain = given.components().count() == 1 && !given.is_file();
    if plain && named.is_file() { named } else { given }
}

/// The scenarios that there are, for messages.
fn scenarios_in(folder: &Path) -> String {
    let names = toml_files_in(folder);
    let folder = folder.display();
    match &names[..] {
        [] => format!("name a scenario file; there are none in {folder}"),
        names => format!("name a scenario file, or one of those in {folder}: {}", names.join(", ")),
    }
}
