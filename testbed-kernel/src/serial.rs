//! The first serial port, and frames on it, one at a time.

use crate::exit::exit;
use bringup::Duration;
use bringup::contract::{COM1, Exit};
use bringup::frame::{Body, Frame};
use bringup::wire;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};
use spin::Mutex;
use uart_16550::backend::PioBackend;
use uart_16550::{BaudRate, Config, Uart16550};

/// Bits per second.
const BAUD: BaudRate = BaudRate::Baud115200;

/// How long the longest frame takes on the wire, at ten bits a byte.
pub const LONGEST_FRAME: Duration =
    Duration::Nanos(wire::MAX_FRAME as u64 * 10 * 1_000_000_000 / BAUD.to_integer() as u64);

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

struct Serial {
    uart: Uart16550<PioBackend>,
    buffer: [u8; wire::MAX_FRAME],
}

/// Frames sent so far, or begun.
static FRAMES: AtomicU32 = AtomicU32::new(0);

impl Serial {
    fn new(uart: Uart16550<PioBackend>) -> Serial {
        Serial { uart, buffer: [0; wire::MAX_FRAME] }
    }

    fn send(&mut self, body: Body<'_>) {
        let frame = Frame { number: FRAMES.fetch_add(1, Ordering::Relaxed), body };
        // `Line` bounds the texts, and their types the numbers, so a frame always fits; if one did not, the reader
        // would see a gap in the frames' numbers.
        if let Ok(bytes) = wire::encode(&frame, &mut self.buffer) {
            self.uart.send_bytes_exact(bytes);
        }
    }
}

static SERIAL: Mutex<Option<Serial>> = Mutex::new(None);

/// Sets the port up, 8N1 at 115 200 baud with FIFOs, and ends whatever firmware has written.
pub fn open() {
    let config = Config { baud_rate: BAUD, ..Config::DEFAULT };
    // SAFETY: COM1 is ours alone; nothing else has run since the firmware.
    let uart = unsafe { Uart16550::new_port(COM1) };
    let Ok(mut uart) = uart else { exit(Exit::Failure) };
    if uart.init(config).is_err() {
        // Without a port only the exit status can report the failure.
        exit(Exit::Failure);
    }
    uart.send_bytes_exact(&[0]);
    *SERIAL.lock() = Some(Serial::new(uart));
}

/// Sends one frame; false if another CPU has the port.
pub fn try_send(body: Body<'_>) -> bool {
    let Some(mut serial) = SERIAL.try_lock() else { return false };
    if let Some(serial) = serial.as_mut() {
        serial.send(body);
    }
    true
}

/// Sends one frame even if another CPU has the port: at worst the bytes of both mix, which a reader of the capture
/// notices.
pub fn send_past_lock(body: Body<'_>) {
    // SAFETY: COM1 is ours alone, and no use of a serial port touches memory.
    if let Ok(uart) = unsafe { Uart16550::new_port(COM1) } {
        let mut serial = Serial::new(uart);
        // Ends the frame that the other CPU may have begun.
        serial.uart.send_bytes_exact(&[0]);
        serial.send(body);
    }
}

/// How many frames were sent so far, or begun.
pub fn frames() -> u32 {
    FRAMES.load(Ordering::Relaxed)
}
