//! Options: the axes of the matrix, as words `key=value`.
//!
//! They are declared once, in `options/table.rs`. Parsing, rendering and refusing live here alone, so that a scenario file, a
//! command line and the kernel can't disagree.

mod check;
mod cost;
mod drops;
mod form;
mod limit;
mod lists;
mod parse;
mod refusal;
mod table;
#[cfg(test)]
mod tests;
mod wake;
mod window;
mod words;

pub use cost::Cost;
pub use drops::{Drops, Which};
pub use form::MAX_EXCEPTIONS;
pub use lists::{Faults, Skews};
pub use parse::OptionError;
pub use refusal::{Part, Refusal};
pub use table::{
    Key, Kick, Kind, MAX_OPTIONS, MicrocodeAt, Options, Spend, StampSet, TscPoll, TscSync,
    TscTrust, Wait, kind_of,
};
pub use wake::{IcrLevel, InitOrder, ParkedBy, WakeSequence};
pub use window::Window;
pub use words::{Fault, Order, Step, Strategy};
