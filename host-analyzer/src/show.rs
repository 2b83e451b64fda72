//! `show`: a run as a table, as JSON, as the e-mail's lines.

mod cpu_lines;
mod json;
mod table;

pub use crate::unit::Unit;
pub use cpu_lines::cpu_lines;
pub use json::json;
pub use table::table;
pub(crate) use table::{Column, caption, columns};
