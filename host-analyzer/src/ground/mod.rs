//! What every room stands on: failures, files, documents, the manifest, units and text.

pub mod document;
pub mod failure;
pub mod file;
pub mod manifest;
pub mod options;
pub mod text;
pub mod unit;
