//! How it is shown: tables on the terminal, Markdown, HTML and JSON; the report, figures, exports.

pub mod check;
pub mod compare;
pub mod decode;
pub mod export;
pub(crate) mod html;
pub(crate) mod markdown;
pub mod report;
pub mod show;
