//! The decoder of a stream: bytes to frames.

use crate::source::capture::arrivals::Arrivals;
use crate::source::capture::errors::Incompatible;
use crate::source::capture::fits::{LEAST_FRAME, fits};
use crate::source::capture::summary::Summary;
use bringup::frame::{Frame, MAGIC};
use bringup::wire::MAX_FRAME;

/// A segment longer than this is searched before its zero byte has come.
const PENDING: usize = 8 * MAX_FRAME;

/// Discriminants from here on are not looked for inside of damaged segments: in text, a letter
/// would be one. Known ones end far below.
const DISCRIMINANTS: u8 = 0x20;

/// Decodes a capture that arrives in chunks of any size.
///
/// ```
/// use host_analyzer::source::capture::Decoder;
///
/// let mut decoder = Decoder::new();
/// let mut frames = 0;
/// for chunk in [&b"SeaBIOS (version 1.16)\r\n"[..], b"Booting from ROM\r\n"] {
///     decoder.push(chunk, |_| frames += 1)?;
/// }
/// let summary = decoder.finish(|_| frames += 1)?;
/// assert_eq!((frames, summary.console_bytes), (0, 42));
/// # Ok::<(), host_analyzer::source::capture::Incompatible>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    /// The begin of a segment whose zero byte has not come.
    pending: Vec<u8>,
    scratch: Box<[u8; MAX_FRAME]>,
    arrivals: Arrivals,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    /// A decoder at the begin of a capture.
    pub fn new() -> Decoder {
        Decoder {
            pending: Vec::new(),
            scratch: Box::new([0; MAX_FRAME]),
            arrivals: Arrivals::default(),
        }
    }

    /// Takes the next bytes and hands out the frames that they complete, in order.
    ///
    /// Fails at a `Hello` that this version does not understand; nothing after it means anything.
    pub fn push(
        &mut self,
        bytes: &[u8],
        mut frame: impl FnMut(&Frame<'_>),
    ) -> Result<(), Incompatible> {
        self.arrivals.summary.bytes += bytes.len() as u64;
        let mut rest = bytes;
        while let Some(zero) = rest.iter().position(|byte| *byte == 0) {
            let (segment, behind) = rest.split_at(zero + 1);
            rest = behind;
            if self.pending.is_empty() {
                // The usual case: no byte is copied but by unstuffing.
                self.segment(segment, &mut frame)?;
            } else {
                let mut joined = std::mem::take(&mut self.pending);
                joined.extend_from_slice(segment);
                self.segment(&joined, &mut frame)?;
                joined.clear();
                self.pending = joined;
            }
        }
        // In pieces, so that a chunk of any size leaves the buffer bounded.
        for piece in rest.chunks(PENDING) {
            self.pending.extend_from_slice(piece);
            if self.pending.len() > PENDING {
                let mut pending = std::mem::take(&mut self.pending);
                // A frame that begins before this point lies wholly in the buffer.
                let decided = pending.len() - MAX_FRAME;
                let done = self.search(&pending, decided, &mut frame)?;
                pending.drain(..done);
                self.pending = pending;
            }
        }
        Ok(())
    }

    /// What was seen so far.
    pub fn summary(&self) -> &Summary {
        &self.arrivals.summary
    }

    /// Ends the capture: bytes that are left without a zero byte are searched, too.
    pub fn finish(mut self, mut frame: impl FnMut(&Frame<'_>)) -> Result<Summary, Incompatible> {
        let pending = std::mem::take(&mut self.pending);
        self.search(&pending, pending.len(), &mut frame)?;
        Ok(self.arrivals.summary)
    }

    /// Takes a segment, its zero byte included.
    fn segment(
        &mut self,
        segment: &[u8],
        frame: &mut impl FnMut(&Frame<'_>),
    ) -> Result<(), Incompatible> {
        let inside = &segment[..segment.len() - 1];
        if inside.len() >= LEAST_FRAME && self.arrivals.take(segment, &mut *self.scratch, frame)? {
            return Ok(());
        }
        self.search(inside, inside.len(), frame).map(drop)
    }

    /// Looks for frames that begin in the first `decided` bytes of a segment, and puts what lies
    /// between them aside. Returns how many bytes were dealt with.
    fn search(
        &mut self,
        segment: &[u8],
        decided: usize,
        frame: &mut impl FnMut(&Frame<'_>),
    ) -> Result<usize, Incompatible> {
        let (mut at, mut stray) = (0, 0);
        while at < decided {
            // In parts, so that memory stays bounded; a frame that begins in one lies wholly in it.
            let part = &segment[at..segment.len().min(at + PENDING + MAX_FRAME)];
            let begins: Vec<usize> = (0..PENDING.min(decided - at))
                .filter(|begin| looks_like_a_frame(&part[*begin..]))
                .collect();
            let (base, next) = (at, at + PENDING.min(decided - at));
            for fit in fits(part, &begins) {
                let begin = base + fit.start;
                if begin < at {
                    // Inside of a frame that was found.
                    continue;
                }
                let mut bytes = [0; MAX_FRAME];
                bytes[..fit.len()].copy_from_slice(&part[fit.clone()]);
                if self.arrivals.take(&bytes[..=fit.len()], &mut *self.scratch, frame)? {
                    self.arrivals.put_aside(&segment[stray..begin], stray > 0);
                    at = base + fit.end;
                    stray = at;
                }
            }
            at = at.max(next);
        }
        self.arrivals.put_aside(&segment[stray..at], stray > 0);
        Ok(at)
    }
}

/// True where the bytes may begin a frame: they unstuff to a number and a discriminant.
fn looks_like_a_frame(bytes: &[u8]) -> bool {
    // A number takes five bytes at most, and one block code comes before them.
    let mut head = [0; 8];
    let length = bytes.len().min(head.len());
    let mut left = 0;
    let mut unstuffed = 0;
    for (index, byte) in bytes[..length].iter().enumerate() {
        let data = if left == 0 {
            left = *byte;
            if index == 0 { None } else { Some(0) }
        } else {
            Some(*byte)
        };
        left -= 1;
        if let Some(data) = data {
            head[unstuffed] = data;
            unstuffed += 1;
        }
    }
    let head = &head[..unstuffed];
    let Some(end) = head.iter().take(5).position(|byte| *byte < 0x80) else { return false };
    match head.get(end + 1) {
        // Zeros look like many Hellos, but a Hello has number 0 and goes on with the magic.
        Some(0) => head[0] == 0 && head.get(2).is_none_or(|byte| *byte == MAGIC as u8 | 0x80),
        Some(discriminant) => *discriminant < DISCRIMINANTS,
        None => false,
    }
}
