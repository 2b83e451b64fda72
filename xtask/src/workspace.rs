//! The checkout of Rollcall that this program works on.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

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
