//! What folders hold.

use std::fs;
use std::path::Path;

/// The names in a folder, sorted; none where it can't be read.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The names of its TOML files, without the extension.
pub fn toml_files_in(folder: &Path) -> Vec<String> {
    let names = names_in(folder);
    names.iter().filter_map(|name| Some(name.strip_suffix(".toml")?.to_owned())).collect()
}
