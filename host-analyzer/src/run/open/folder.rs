//! A run's folder: its `run.json`, and the captures that lie in it.

use crate::ground::failure::Failure;
use crate::ground::manifest::{self, Manifest};
use crate::ground::text::printable;
use miette::miette;
use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path};

/// Reads a run folder's `run.json`; every capture that it names lies inside the folder.
///
/// Fails with [`Failure::Request`] where there is none, or it can't be used, and with
/// [`Failure::Environment`] where it can't be read.
pub fn read_manifest(folder: &Path) -> Result<Manifest, Failure> {
    let path = folder.join("run.json");
    let unusable = |what: String| {
        Failure::Request(miette!(
            help = "the captures are untouched: name one of those under captures/, or measure \
                    again with `cargo xtask matrix`",
            "{} can't be used: {what}",
            path.display()
        ))
    };
    let irregular = |path: &Path| {
        // A pipe would be waited for, a device has no end.
        fs::metadata(path).is_ok_and(|about| !about.is_file())
    };
    if irregular(&path) {
        return Err(unusable("it is no regular file".to_owned()));
    }
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::Request(miette!(
            help = "every run folder has one (`cargo xtask matrix` makes runs); of one that has \
                    lost it, name a capture under captures/",
            "{} is no run folder: it has no run.json",
            folder.display()
        )),
        ErrorKind::InvalidData => unusable("it is not UTF-8".to_owned()),
        _ => Failure::Environment(miette!(
            help = "look at its permissions",
            "can't read {}: {error}",
            path.display()
        )),
    })?;
    let manifest = parsed(&text).map_err(unusable)?;
    let mut listed = HashSet::new();
    for capture in manifest.boots.iter().map(|boot| &boot.capture) {
        let name = printable(capture);
        if !lies_inside(folder, capture) {
            return Err(unusable(format!("the capture `{name}` is outside the run's folder")));
        }
        if irregular(&folder.join(capture)) {
            return Err(unusable(format!("the capture `{name}` is no regular file")));
        }
        // Links are resolved; a file that does not exist is compared by its name.
        let file = folder.join(capture);
        if !listed.insert(fs::canonicalize(&file).unwrap_or(file)) {
            return Err(unusable(format!(
                "it lists the capture `{name}` twice, and expected is one for each boot"
            )));
        }
    }
    Ok(manifest)
}

/// The manifest in the text of a `run.json`, else why it can't be used.
fn parsed(text: &str) -> Result<Manifest, String> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(schema) if schema == u64::from(manifest::SCHEMA) => {
            // From the text, for the line and column in the message.
            serde_json::from_str(text).map_err(|error| error.to_string())
        }
        Some(schema) => {
            Err(format!("it has schema {schema}, this analyzer reads {}", manifest::SCHEMA))
        }
        None => Err("it has no number called `schema`".to_owned()),
    }
}

/// The names of the captures beside those that a manifest lists.
pub fn unlisted(folder: &Path, manifest: &Manifest) -> Vec<String> {
    let listed: HashSet<&Path> =
        manifest.boots.iter().map(|boot| Path::new(&boot.capture)).collect();
    // A run without the folder lacks captures, which is reported of each.
    let there = fs::read_dir(folder.join("captures")).into_iter().flatten().flatten();
    let captures = there.map(|entry| Path::new("captures").join(entry.file_name()));
    let mut unlisted: Vec<String> = captures
        .filter(|capture| {
            capture.extension().is_some_and(|extension| extension == "bin" || extension == "log")
        })
        .filter(|capture| !listed.contains(capture.as_path()))
        .map(|capture| capture.display().to_string())
        .collect();
    unlisted.sort_unstable();
    unlisted
}

/// Whether a path of a manifest stays in the folder, links followed: a run folder may come from anyone, and must
/// not make the analyzer read other files.
fn lies_inside(folder: &Path, path: &str) -> bool {
    let mut components = Path::new(path).components().peekable();
    let plain = components.peek().is_some()
        && components.all(|component| matches!(component, Component::Normal(_)));
    // A file that does not exist is reported when it is read.
    let resolved = fs::canonicalize(folder)
        .and_then(|folder| Ok(fs::canonicalize(folder.join(path))?.starts_with(folder)));
    plain && resolved.unwrap_or(true)
}
