//! What commands find in a run, as tables for people and as JSON for programs.

mod cells;
mod cpu_lines;
mod host;
mod json;
mod linux;
mod predicted;
mod published;
mod rates;
mod simulated;
mod tsc_sync;
mod warned;

pub use cells::table;
pub(crate) use cells::{caption, cells};
pub use cpu_lines::cpu_lines;
pub(crate) use host::host_boots;
pub use json::json;
pub(crate) use linux::linux_tables;
pub(crate) use predicted::{PREDICTED, predicted};
pub use predicted::{predicted_json, predicted_of_logs, predicted_table};
pub use published::{published_json, published_table};
pub use rates::{rates_json, rates_table};
pub use simulated::{simulated_json, simulated_table};
pub(crate) use tsc_sync::{Found, found};
pub use tsc_sync::{tsc_sync_json, tsc_sync_table};
pub use warned::warnings;
