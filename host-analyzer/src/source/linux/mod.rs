//! Logs of a real Linux: what its kernel said while it brought up its CPUs.
//!
//! `line` cuts a line into texts with their stamps, `event` reads what a text says, `track` follows the hotplug
//! steps of each AP on one clock, `bringup` puts it all together, `doubts` says
//! what is missing. docs/linux.md has the mapping with its reasons.
//!
//! A log is read line by line. Memory is one line of bounded length, and a record for each AP and hotplug step.

mod bringup;
mod doubts;
mod event;
mod file;
mod line;
mod order;
mod track;

pub use bringup::{Bringup, Row};
pub use file::{Reading, read, read_from};
pub use line::Clock;
pub use order::Ordered;
pub use track::{Phases, StepTime};
