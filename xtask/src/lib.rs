//! What `cargo xtask` does: builds the kernel, starts engines, runs scenarios, sets the machine
//! up, runs the tests.
//!
//! It measures nothing and judges nothing: the kernel and the simulator do the one, the analyzer
//! the other.

pub mod boot;
pub mod command;
pub mod engine;
pub mod experiment;
pub mod host;
pub mod interrupt;
pub mod kernel;
pub mod probe;
pub mod process;
pub mod profile;
pub mod progress;
pub mod run;
pub mod run_folder;
pub mod scenario;
pub mod setup;
pub mod stages;

use std::path::Path;

/// The root of the workspace that this program was built in.
pub fn root() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder)
}
