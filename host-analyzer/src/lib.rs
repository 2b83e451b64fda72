//! Captures → runs → tables, figures and reports.
//!
//! [`capture`] decodes bytes to frames, [`run`] gathers them to cells, [`show`] and [`report`]
//! present those, [`export`] hands every trial to other programs; [`compare`] tells what changed, [`check`]
//! whether that is allowed, [`simulated`] what the costs do not explain; [`claims`] judges a single
//! trial, [`command`] is the command line.

pub mod capture;
pub mod check;
pub mod claims;
pub mod command;
pub mod compare;
pub mod critical;
pub mod decode;
pub mod document;
pub mod export;
pub mod failure;
pub mod file;
mod html;
mod kept;
pub mod manifest;
pub mod manual;
mod markdown;
pub mod measure;
pub mod pairing;
pub mod published;
pub mod report;
pub mod run;
pub mod show;
pub mod simulated;
pub mod statistics;
mod terminal;
pub mod timeline;
pub mod unit;
mod warnings;

pub use terminal::printable;
pub use warnings::counted;

// So that cargo builds this anew in another tree; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("ROLLCALL_ROOT");
