//! Versions of everything that is written for programs. A version grows when a field goes, or
//! means something else; a new field changes none. `docs/exports.md` lists them.

/// `show --format json`.
pub const SHOW: u32 = 1;
/// `published --format json`.
pub const PUBLISHED: u32 = 1;
/// `simulated --format json`.
pub const SIMULATED: u32 = 1;
/// `tsc-sync --format json`.
pub const TSC_SYNC: u32 = 1;
/// `compare --format json`.
pub const COMPARE: u32 = 1;
/// `check --format json`.
pub const CHECK: u32 = 1;
/// `export --format jsonl`.
pub const TRIALS: u32 = 1;
/// The block of data in `report.html`, for its own script.
pub const PAGE: u32 = 2;
