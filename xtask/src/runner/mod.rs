//! Scenarios to runs: engines, cells, boots and run folders.

pub mod boot;
pub mod conformance;
pub mod engine;
pub mod experiment;
pub mod folder;
pub mod host;
pub mod iso;
pub mod kernel;
pub mod past;
pub mod probe;
pub mod process;
pub mod profile;
pub mod progress;
pub mod run;
pub mod run_folder;
pub mod scenario;
pub mod spinning;
pub mod storm;
pub mod words;

pub use host_analyzer::ground::interrupt;
