//! Files that appear whole or not at all.

use crate::failure::Failure;
use miette::miette;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file beside its final place, then renames it; what was there before stays until then.
/// Makes the folders above it where they are missing.
///
/// Fails with [`Failure::Environment`], naming the file.
pub fn write_whole(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(&beside)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        // The rename may have failed after a whole write; there is nothing to keep.
        let _ = fs::remove_file(&beside);
        Failure::Environment(miette!(
            help = "make room, or choose a folder that you may write to",
            "can't write {}: {error}",
            path.display()
        ))
    })
}
