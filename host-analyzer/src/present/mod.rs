//! How it is shown: one table for the terminal, Markdown and HTML; JSON; the report, figures,
//! exports.

pub mod check;
pub mod compare;
pub mod decode;
pub mod export;
pub mod format;
pub(crate) mod html;
pub mod madt;
pub(crate) mod markdown;
pub mod profile;
pub mod report;
pub mod schema;
pub mod show;
pub mod table;
