//! Captures: the bytes of a serial port, decoded as they come.
//!
//! Frames end with a zero byte and hold no other ([`bringup::wire`]), so the bytes between two
//! zeros are a *segment*, and a segment is usually one frame. Damage changes that: text may stand
//! before a frame, a damaged zero merges two frames, a byte that became zero splits one. A segment
//! that is not a frame is therefore searched for frames at every byte; the CRC distinguishes them from
//! the rest. Every frame whose own bytes are intact is found, whatever lies around it.
//!
//! Memory is buffers of bounded size; time is linear in the length of the capture, whatever it holds.

mod arrivals;
mod decoder;
mod errors;
mod file;
mod fits;
mod recorder;
mod summary;

pub use decoder::Decoder;
pub use errors::Incompatible;
pub use file::read;
pub use recorder::Recorder;
pub use summary::{CONSOLE_KEPT, Summary};
