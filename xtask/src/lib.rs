//! What `cargo xtask` does: builds the kernel, starts engines, runs scenarios, sets the machine
//! up, runs the tests.
//!
//! It measures nothing and judges nothing: the kernel and the simulator do the one, the analyzer
//! the other.

pub mod command;
pub mod debian;
pub mod image;
pub mod kernel;
pub mod linux;
pub mod newer_qemu;
pub mod runner;
pub mod setup;
pub mod stages;
pub mod workspace;

pub use workspace::root;

// So that cargo builds this again in another tree; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("ROLLCALL_ROOT");

#[cfg(test)]
mod tests {
    use super::root;
    use std::fs;
    use std::path::{Path, PathBuf};

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
