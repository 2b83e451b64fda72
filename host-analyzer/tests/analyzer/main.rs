//! What the analyzer promises, on simulated boots.

mod captures;
mod command_line;
mod comparisons;
mod noisy;
mod published;
mod reports;
mod runs;
mod simulated;
mod wire_format;
