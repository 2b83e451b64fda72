//! Versions of everything that is written for programs. A version grows when a field goes, or
//! means something else; a new field changes none. `docs/exports.md` lists them.

/// `show --format json`.
pub const SHOW: u32 = 1;
/// `published --format json`.
pub const PUBLISHED: u32 = 1;
/// `simulated --format json`.
pub const SIMULATED: u32 = 1;
/// `predict --format json`.
pub const PREDICT: u32 = 1;
/// `madt --format json`.
pub const MADT: u32 = 1;
/// `tsc-sync --format json`.
pub const TSC_SYNC: u32 = 1;
/// `rates --format json`, and `storm`'s.
pub const RATES: u32 = 1;
/// `cargo xtask conformance --format json`.
pub const CONFORMANCE: u32 = 1;
/// `compare --format json`.
pub const COMPARE: u32 = 2;
/// `check --format json`.
pub const CHECK: u32 = 1;
/// `export --format jsonl`.
pub const TRIALS: u32 = 1;
/// The block of data in `report.html`, for the page's own script.
pub const PAGE: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_exports_lists_every_version() {
        let page = include_str!("../../../docs/exports.md");
        for (output, version) in [
            ("cargo analyze show --format json`", SHOW),
            ("cargo analyze published --format json`", PUBLISHED),
            ("cargo analyze simulated --format json`", SIMULATED),
            ("cargo analyze predict --format json`", PREDICT),
            ("cargo analyze madt --format json`", MADT),
            ("cargo analyze tsc-sync --format json`", TSC_SYNC),
            ("cargo analyze rates --format json`", RATES),
            ("cargo xtask conformance --format json`", CONFORMANCE),
            ("cargo analyze compare --format json`", COMPARE),
            ("cargo analyze check --format json`", CHECK),
            ("cargo analyze export --format jsonl`", TRIALS),
            ("the block `#data`", PAGE),
        ] {
            let cells = format!("{output} | `schema` {version}");
            assert!(page.contains(&cells), "docs/exports.md has no row with {cells}");
        }
    }
}
