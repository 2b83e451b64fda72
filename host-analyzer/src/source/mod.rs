//! What bytes are: captures to frames, logs of a Linux to bring-ups, serial ports to captures.

pub mod capture;
pub mod linux;
pub mod madt;
pub mod port;
