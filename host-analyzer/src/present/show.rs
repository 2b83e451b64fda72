//! `show`: a run as a table, as JSON, as the e-mail's lines; what other commands find, as tables and as JSON.

mod cpu_lines;
mod json;
mod published;
mod simulated;
mod table;
mod tsc_sync;

pub use crate::ground::unit::Unit;
pub use cpu_lines::cpu_lines;
pub use json::json;
pub use published::{published_json, published_table};
pub use simulated::{fitted_table, simulated_json, simulated_table};
pub use table::table;
pub(crate) use table::{Column, caption, columns, drawn};
pub(crate) use tsc_sync::{Found, found};
pub use tsc_sync::{tsc_sync_json, tsc_sync_table};
