//! What bytes are: captures to frames.

pub mod capture;
