//! What bytes are: captures to frames, logs of a Linux to bring-ups.

pub mod capture;
pub mod linux;
pub mod madt;
