//! Captures → runs → tables, figures and reports.
//!
//! The rooms stand in the order in which the data flows; no file of one uses a later one:
//!
//! | room | |
//! |---|---|
//! | [`ground`] | failures, files, documents and words that every room stands on |
//! | [`source`] | what bytes are: captures to frames |
//! | [`run`] | frames to runs: boots, cells, trials, APs and their measures |
//! | [`judge`] | what a run shows: statistics, comparisons, budgets, published figures |
//! | [`present`] | how it is shown: tables, reports, figures, exports |
//! | [`command`] | the command line |

pub mod command;
pub mod ground;
pub mod judge;
pub mod present;
pub mod run;
pub mod source;

// So that cargo builds this again in another tree; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("ROLLCALL_ROOT");
