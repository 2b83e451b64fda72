//! Captures → runs → tables, figures and reports.

pub mod failure;
pub mod manifest;
