//! The stream of frames over the first serial port.
//!
//! Nothing here is called while a trial runs, but for an error that ends the boot.

use crate::exit::{Status, exit};
use crate::{clock, cpu};
use bringup::frame::{Body, Error, Frame, Goodbye, Log};
use bringup::wire;
use bringup::{CpuIndex, Duration};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use spin::Mutex;
use uart_16550::backend::PioBackend;
use uart_16550::{BaudRate, Config, Uart16550};

/// COM1.
const PORT: u16 = 0x3f8;

/// A line of text that keeps what fits in a frame and drops the rest.
#[derive(Default)]
pub struct Line(heapless::String<1900>);

impl Line {
    /// The text, formatted.
    pub fn of(arguments: fmt::Arguments<'_>) -> Line {
        let mut line = Line::default();
        // `write_str` below never fails.
        let _ = line.write_fmt(arguments);
        line
    }

    /// What was kept.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.push(character).is_err() {
                break;
            }
        }
        Ok(())
    }
}

struct Stream {
    uart: Uart16550<PioBackend>,
    buffer: [u8; wire::MAX_FRAME],
}

/// Frames sent so far, or begun.
static FRAMES: AtomicU32 = AtomicU32::new(0);

impl Stream {
    fn new(uart: Uart16550<PioBackend>) -> Stream {
        Stream { uart, buffer: [0; wire::MAX_FRAME] }
    }

    fn send(&mut self, body: Body<'_>) {
        let frame = Frame { number: FRAMES.fetch_add(1, Ordering::Relaxed), body };
        // Texts are bounded by `Line` and numbers by their types: a frame always fits, and a gap
        // in the numbers would tell if one did not.
        if let Ok(bytes) = wire::encode(&frame, &mut self.buffer) {
            self.uart.send_bytes_exact(bytes);
        }
    }
}

static STREAM: Mutex<Option<Stream>> = Mutex::new(None);
static STAMPS_DROPPED: AtomicU32 = AtomicU32::new(0);

/// Sets the port up, 8N1 at 115 200 baud with FIFOs, and ends whatever firmware has written.
pub fn open() {
    let config = Config { baud_rate: BaudRate::Baud115200, ..Config::DEFAULT };
    // SAFETY: COM1 is ours alone; nothing else has run since the firmware.
    let uart = unsafe { Uart16550::new_port(PORT) };
    let Ok(mut uart) = uart else { exit(Status::Failure) };
    if uart.init(config).is_err() {
        // No port, no voice: the exit status is all that can tell.
        exit(Status::Failure);
    }
    uart.send_bytes_exact(&[0]);
    *STREAM.lock() = Some(Stream::new(uart));
}

/// Sends one frame.
pub fn send(body: Body<'_>) {
    match STREAM.try_lock() {
        Some(mut stream) => _ = stream.as_mut().map(|stream| stream.send(body)),
        None => {
            // An AP that fails has the port: it ends the boot, or was stopped before it could.
            await_failing();
            end_if_failing();
        }
    }
}

/// Sends a line about a CPU.
pub fn log(cpu: CpuIndex, arguments: fmt::Arguments<'_>) {
    send(Body::Log(Log { cpu, text: Line::of(arguments).text() }));
}

/// Counts stamps that could not be kept, for the goodbye.
pub fn count_dropped_stamps(count: u32) {
    STAMPS_DROPPED.fetch_add(count, Ordering::Relaxed);
}

/// Sends the last frame of a boot that ended well.
pub fn goodbye() {
    send(Body::Goodbye(Goodbye {
        frames: FRAMES.load(Ordering::Relaxed),
        stamps_dropped: STAMPS_DROPPED.load(Ordering::Relaxed),
    }));
}

/// True from the first error on.
static FAILING: AtomicBool = AtomicBool::new(false);

/// How long a frame of the longest takes on the wire: ten bits a byte, at 115 200 baud.
const LONGEST_FRAME: Duration =
    Duration::Nanos(wire::MAX_FRAME as u64 * 10 * 1_000_000_000 / 115_200);

/// How many of them a CPU waits for others to be through with the port: the first that fails may find
/// one under way, then sends its own, and has some time in between.
const PATIENCE: u64 = 3;

/// Does something again and again until it is done, or patience is over.
fn patiently(mut is_done: impl FnMut() -> bool) {
    let begin = clock::tsc();
    let patience = PATIENCE * clock::cycles(LONGEST_FRAME);
    while !is_done() && clock::tsc().saturating_sub(begin) < patience {
        core::hint::spin_loop();
    }
}

/// Sends an error and ends the boot, from any CPU. The first error is the one that is reported: one
/// while reporting it, or another CPU's, gives it time to go out and then ends the engine all the
/// same.
pub fn fail(error: Error<'_>) -> ! {
    let is_first = !FAILING.swap(true, Ordering::AcqRel);
    patiently(|| {
        // Another CPU's try would take the lock from the first.
        if !is_first {
            return false;
        }
        let Some(mut stream) = STREAM.try_lock() else { return false };
        if let Some(stream) = stream.as_mut() {
            stream.send(Body::Error(error.clone()));
        }
        true
    });
    exit(Status::Failure)
}

/// Gives an AP that has begun to report an error the time to end the boot, before the BSP stops
/// all APs.
pub fn await_failing() {
    patiently(|| !FAILING.load(Ordering::Acquire));
}

/// Ends the boot if an AP was stopped while it reported an error.
///
/// That AP may hold the stream's lock for good, or even run on for a moment, so the stream is left to it, and the port is
/// used past it; at worst their bytes mix, which a reader of the capture notices.
pub fn end_if_failing() {
    if !FAILING.load(Ordering::Acquire) {
        return;
    }
    // SAFETY: COM1 is ours alone, and no use of a serial port touches memory.
    if let Ok(uart) = unsafe { Uart16550::new_port(PORT) } {
        let mut stream = Stream::new(uart);
        stream.uart.send_bytes_exact(&[0]);
        let message = "an AP failed, and was stopped while it reported why";
        stream.send(Body::Error(Error::Panic { cpu: CpuIndex::BSP, message }));
    }
    exit(Status::Failure)
}

/// Fails for want of something that the machine should have.
pub fn fail_for_machine(arguments: fmt::Arguments<'_>) -> ! {
    let line = Line::of(format_args!("{}: {arguments}", cpu::index()));
    fail(Error::Machine { message: line.text() })
}
