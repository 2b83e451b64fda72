//! What has arrived: which frames are new, and what lay between them.

use crate::source::capture::errors::{Incompatible, compatible, error_text};
use crate::source::capture::summary::{CONSOLE_KEPT, Summary};
use bringup::frame::{Body, Frame, MAGIC};
use bringup::wire::{self, WireError};

/// What has arrived: judges frames by their numbers and counts everything else.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// What the capture has held so far.
    pub summary: Summary,
    /// The lowest number that has not been passed.
    next: u64,
    /// A second `Hello` came; the frame after it shows whether the machine restarted.
    suspicious: bool,
}

impl Arrivals {
    /// Takes bytes that may be a frame, the zero byte at their end included; false if they are
    /// none.
    pub fn take(
        &mut self,
        bytes: &[u8],
        scratch: &mut [u8],
        hand_out: &mut impl FnMut(&Frame<'_>),
    ) -> Result<bool, Incompatible> {
        match wire::decode(bytes, scratch) {
            Ok(frame) => {
                if let Body::Hello(hello) = &frame.body {
                    compatible(hello.magic, hello.protocol)?;
                }
                if self.is_new(frame.number, matches!(frame.body, Body::Hello(_))) {
                    self.note(&frame);
                    hand_out(&frame);
                }
                return Ok(true);
            }
            Err(WireError::Broken) => return Ok(false),
            Err(WireError::Unknown) => {}
        }
        // The CRC fits: somebody sent this. Even another version's Hello begins like ours.
        if let Ok(((_, 0, magic, protocol), _)) =
            postcard::take_from_bytes::<(u32, u32, u32, u16)>(scratch)
            && magic == MAGIC
        {
            compatible(magic, protocol)?;
        }
        let Ok((number, _)) = postcard::take_from_bytes::<u32>(scratch) else {
            return Ok(false);
        };
        if self.is_new(number, false) {
            self.summary.unknown += 1;
        }
        Ok(true)
    }

    /// Counts a frame by its number; false if it is not to be handed out.
    fn is_new(&mut self, number: u32, hello: bool) -> bool {
        let number = u64::from(number);
        let summary = &mut self.summary;
        if summary.restarted {
            return false;
        }
        summary.behind_end += u64::from(summary.ended);
        if number < self.next {
            if self.suspicious && !hello {
                summary.restarted = true;
            } else {
                summary.repeated += 1;
            }
            self.suspicious |= hello;
            return false;
        }
        self.suspicious = false;
        summary.recovered += 1;
        summary.lost += number - self.next;
        self.next = number + 1;
        true
    }

    /// Updates the summary from a frame.
    fn note(&mut self, frame: &Frame<'_>) {
        let summary = &mut self.summary;
        match &frame.body {
            Body::Goodbye(goodbye) => {
                summary.ended = true;
                summary.stamps_dropped = goodbye.stamps_dropped;
                let sent = u64::from(goodbye.frames) + 1;
                summary.lost += sent.saturating_sub(self.next);
                self.next = self.next.max(sent);
            }
            Body::Error(error) => summary.error = Some(error_text(error)),
            _ => {}
        }
    }

    /// Puts bytes aside that are no frame. `behind_frame`: a frame came right before
    /// them in the same segment: one byte there is its damaged zero.
    pub fn put_aside(&mut self, bytes: &[u8], behind_frame: bool) {
        let summary = &mut self.summary;
        if bytes.is_empty() {
        } else if (behind_frame && bytes.len() == 1) || !bytes.iter().all(|byte| is_text(*byte)) {
            summary.broken += 1;
        } else {
            summary.console_bytes += bytes.len() as u64;
            let room = CONSOLE_KEPT - summary.console.len();
            let kept = &bytes[..bytes.len().min(room)];
            summary.console.extend(kept.iter().map(|byte| char::from(*byte)));
        }
    }
}

/// Printable ASCII, and the control characters that consoles are sent.
fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n' | 0x07 | 0x08 | 0x0c | 0x1b)
}
