//! What the analyzer promises, on simulated boots.

mod budgets;
mod captures;
mod command_line;
mod comparisons;
mod exports;
mod host_times;
mod hostile;
mod json;
mod linux;
mod madt;
mod noisy;
mod perfetto;
mod published;
mod recorded;
mod reports;
mod runs;
mod simulated;
mod strategies;
mod terminal;
mod tsc_sync;
mod whole;
mod wire_format;
