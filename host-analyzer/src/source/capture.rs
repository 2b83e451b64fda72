//! Captures: the bytes of a serial port, decoded as they come.
//!
//! Frames end with a zero byte and hold no other ([`bringup::wire`]), so the bytes between two
//! zeros are a *segment*, and a segment is usually one frame. Damage changes that: text may stand
//! before a frame, a damaged zero merges two frames, a byte that became zero splits one. A segment
//! that is not a frame is therefore searched for frames at every byte; the CRC tells them from
//! the rest. Every frame whose own bytes are intact is found, whatever lies around it.
//!
//! Memory is buffers of bounded size; time is linear in the length of the capture, whatever it holds.

mod fits;

use crate::ground::failure::Failure;
use crate::ground::text::printable;
use bringup::frame::{Body, Error, Frame, MAGIC, PROTOCOL};
use bringup::wire::{self, MAX_FRAME, WireError};
use fits::{LEAST_FRAME, fits};
use miette::miette;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;

/// How much console text is kept, in bytes; the rest is only counted.
pub const CONSOLE_KEPT: usize = 64 * 1024;

/// How many characters of a line of such text a message quotes.
const QUOTED: usize = 200;

/// A segment longer than this is searched before its zero byte has come.
const PENDING: usize = 8 * MAX_FRAME;

/// Discriminants from here on are not looked for inside of damaged segments: in text, a letter
/// would be one. Known ones end far below.
const DISCRIMINANTS: u8 = 0x20;

/// What a capture held, apart from the frames themselves.
///
/// `recovered + lost` is the number of frames that the boot sent, as far as its end was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes read.
    pub bytes: u64,
    /// Frames that arrived intact, each counted once.
    pub recovered: u64,
    /// Frames whose numbers are missing before the highest that was seen.
    pub lost: u64,
    /// Frames whose number had come already, or an earlier one after a later; not handed out.
    pub repeated: u64,
    /// Frames behind the goodbye, repeated ones too: nothing that the boot measured.
    pub behind_end: u64,
    /// Pieces between frames that are neither a frame nor text.
    pub broken: u64,
    /// Frames that arrived intact but are of a kind that this version does not know; part of
    /// `recovered`, not handed out.
    pub unknown: u64,
    /// The first [`CONSOLE_KEPT`] bytes of the text that is no frame: firmware, a boot loader.
    pub console: String,
    /// Bytes of such text in all.
    pub console_bytes: u64,
    /// True where the boot said goodbye.
    pub ended: bool,
    /// Why the boot ended early, in the kernel's words.
    pub error: Option<String>,
    /// True where a second boot begins in the same capture: the machine restarted by itself. Its
    /// frames are not handed out.
    pub restarted: bool,
    /// Stamps that the kernel could not keep; those of double starts.
    pub stamps_dropped: u32,
}

impl Summary {
    /// True where the capture stops before the boot did: neither a goodbye nor an error came.
    pub fn cut(&self) -> bool {
        !self.ended && self.error.is_none()
    }

    /// True where everything that the boot sent arrived.
    pub fn is_whole(&self) -> bool {
        let damaged = self.lost + self.broken + self.repeated + self.behind_end > 0;
        !self.cut() && !damaged && !self.restarted
    }
}

/// A capture of another version of the wire format, or of another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incompatible {
    /// The first field of `Hello` is another number than [`MAGIC`].
    Magic(u32),
    /// Its protocol version is another than [`PROTOCOL`].
    Protocol(u16),
}

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Incompatible::Magic(magic) => {
                write!(f, "its Hello begins with {magic:#010x}, expected {MAGIC:#010x} (\"RCAL\")")
            }
            Incompatible::Protocol(version) => write!(
                f,
                "it speaks version {version} of the wire format, this analyzer reads {PROTOCOL}"
            ),
        }
    }
}

impl std::error::Error for Incompatible {}

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

    /// Ends the capture: what is left without a zero byte is looked at, too.
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

/// What has arrived: judges frames by their numbers and counts everything else.
#[derive(Debug, Default)]
struct Arrivals {
    summary: Summary,
    /// The lowest number that has not been passed.
    next: u64,
    /// A second `Hello` came; the frame behind it tells whether the machine restarted.
    suspicious: bool,
}

impl Arrivals {
    /// Takes bytes that may be a frame, the zero byte at their end included; false if they are
    /// none.
    fn take(
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

    /// Remembers what the summary tells of a frame.
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

    /// Puts bytes aside that are no frame. `behind_frame` tells that a frame came right before
    /// them in the same segment: one byte there is its damaged zero.
    fn put_aside(&mut self, bytes: &[u8], behind_frame: bool) {
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

fn compatible(magic: u32, protocol: u16) -> Result<(), Incompatible> {
    if magic != MAGIC {
        Err(Incompatible::Magic(magic))
    } else if protocol != PROTOCOL {
        Err(Incompatible::Protocol(protocol))
    } else {
        Ok(())
    }
}

/// An `Error` frame in one line.
pub fn error_text(error: &Error<'_>) -> String {
    match error {
        Error::Options { message } => format!("the kernel refused its command line: {message}"),
        Error::Machine { message } => format!("the machine will not do: {message}"),
        Error::Panic { cpu, message } => format!("the kernel panicked on {cpu}: {message}"),
        Error::Exception { cpu, vector, error_code, rip, cr2 } => format!(
            "exception {vector} on {cpu} at {rip:#x} (error code {error_code:#x}, CR2 {cr2:#x})"
        ),
    }
}

/// Reads a capture file from begin to end, or until `frame` breaks off.
///
/// Fails with [`Failure::Request`] where the file does not exist, holds no frame at all or is of
/// another version, and with [`Failure::Environment`] where it can't be read.
pub fn read(
    path: &Path,
    mut frame: impl FnMut(&Frame<'_>) -> ControlFlow<()>,
) -> Result<Summary, Failure> {
    let name = printable(&path.display().to_string());
    let unreadable = |error: std::io::Error| {
        let missing = error.kind() == ErrorKind::NotFound;
        let report = miette!(
            help = "`cargo xtask matrix` makes a run; name its folder or one of its captures",
            "can't read the capture {name}: {error}"
        );
        if missing { Failure::Request(report) } else { Failure::Environment(report) }
    };
    let incompatible = |error: Incompatible| {
        Failure::Request(miette!(
            help = "read it with the analyzer of the version that the kernel was built from, or \
                    measure again",
            "the capture {name} can't be understood: {error}"
        ))
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut decoder = Decoder::new();
    let mut flow = ControlFlow::Continue(());
    let mut hand_out = |each: &Frame<'_>| {
        if flow.is_continue() {
            flow = frame(each);
        }
        flow.is_continue()
    };
    let mut chunk = vec![0; 64 * 1024];
    let mut going = true;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => decoder
                .push(&chunk[..length], |frame| going = hand_out(frame))
                .map_err(incompatible)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
        if !going {
            break;
        }
    }
    let summary = decoder.finish(|frame| _ = hand_out(frame)).map_err(incompatible)?;
    if summary.recovered == 0 {
        return Err(Failure::Request(no_capture(&name, &summary)));
    }
    Ok(summary)
}

/// Says what a file without a single frame holds instead.
fn no_capture(name: &str, summary: &Summary) -> miette::Report {
    let what = match (summary.bytes, summary.console_bytes) {
        (0, _) => "it is empty: the engine sent nothing, not even firmware text".to_owned(),
        (bytes, text) if text == bytes => {
            let last = summary.console.lines().map(str::trim).rfind(|line| !line.is_empty());
            let last: String = last.unwrap_or_default().chars().take(QUOTED).collect();
            format!("its {bytes} bytes are text that is no frame, at the end {last:?}")
        }
        (bytes, _) => format!("none of its {bytes} bytes belong to an intact frame"),
    };
    miette!(
        help = "expected the bytes of the serial port of a Rollcall kernel, as in \
                results/latest/captures/*.bin; `cargo xtask matrix` makes them",
        "{name} is no capture: {what}"
    )
}
