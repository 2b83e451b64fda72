//! What the analyzer promises, on simulated boots.

mod captures;
mod command_line;
mod comparisons;
mod exports;
mod noisy;
mod perfetto;
mod published;
mod reports;
mod runs;
mod simulated;
mod terminal;
mod wire_format;
