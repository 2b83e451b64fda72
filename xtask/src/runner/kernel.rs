//! The kernel that engines boot.

use host_analyzer::ground::manifest;
use std::path::PathBuf;

/// A kernel that was built.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The ELF file: a copy that no later build changes, called by its hash.
    pub path: PathBuf,
    /// What `run.json` states of it.
    pub described: manifest::Kernel,
}
