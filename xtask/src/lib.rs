//! What `cargo xtask` does: builds the kernel, starts engines, runs scenarios, sets the machine
//! up, runs the tests.
//!
//! It measures nothing and judges nothing: the kernel and the simulator do the one, the analyzer
//! the other.

pub mod command;
pub mod kernel;
pub mod runner;
pub mod setup;
pub mod stages;

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

// So that cargo builds this anew in another tree; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("ROLLCALL_ROOT");

/// The root of the workspace that this program works on; see [`find_root`]. Where there is none, the
/// working directory.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| find_root().or_else(|_| env::current_dir()).unwrap_or_default())
}

/// Finds the workspace to work on: the one whose `cargo xtask` started this program, else the one
/// that the working directory lies in, else the one that the program lies in.
///
/// It is looked for when the program runs, since a tree that was copied, moved, or shares its
/// target folder with another one comes with a program that was built elsewhere.
pub fn find_root() -> io::Result<PathBuf> {
    // Cargo sets it for what it starts.
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let places = [package, env::current_dir().ok(), env::current_exe().ok()];
    let above = |place: &PathBuf| place.ancestors().map(Path::to_owned).collect::<Vec<_>>();
    let mut folders = places.iter().flatten().flat_map(above);
    let found = folders.find(|folder| folder.join("testbed-kernel/kernel.ld").is_file());
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The only source that deletes folders with all that is in them.
    const DELETES: &str = "host-analyzer/src/ground/file.rs";

    /// Every Rust source below a folder.
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default();
            if path.is_dir() && name != "target" && name != "results" && name != ".git" {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn one_source_alone_deletes_folders_with_all_that_is_in_them() {
        let mut all = Vec::new();
        sources(root(), &mut all);
        assert!(all.len() > 100, "{} sources", all.len());
        // In two pieces, or this source would be found as well.
        let deletion = concat!("remove_dir", "_all");
        all.retain(|path| fs::read_to_string(path).unwrap().contains(deletion));
        assert_eq!(all, [root().join(DELETES)], "use `NewFolder` of {DELETES}, or `tempfile`");
    }
}
