//! A comparison as a table for people, as Markdown for a pull request, as a page, as JSON.

mod figures;
mod json;
mod page;
mod text;
mod words;

pub use json::json;
pub use page::html;
pub use text::{markdown, table};
