//! What every room stands on: failures, files, documents, the manifest, units, text and Ctrl-C.

pub mod document;
pub mod failure;
pub mod file;
pub mod interrupt;
pub mod manifest;
pub mod options;
pub mod text;
pub mod unit;
pub mod width;
