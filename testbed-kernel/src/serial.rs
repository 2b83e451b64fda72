//! The serial port, and frames on it, one at a time.

use crate::exit::exit;
use bringup::Duration;
use bringup::boot_options::{Registers, SerialPort};
use bringup::contract::{COM1, Exit};
use bringup::frame::{Body, Frame};
use bringup::wire;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};
use spin::{Mutex, Once};
use uart_16550::backend::Backend;
use uart_16550::{BaudRate, Config, Uart16550};
use x86_64::instructions::port::Port;

/// The port where neither the command line nor the SPCR table names one.
const FIRST: SerialPort = SerialPort { registers: Registers::Io(COM1), baud: SerialPort::BAUD };

/// The port that is in use.
static PORT: Once<SerialPort> = Once::new();

/// How long the longest frame takes on the wire, at ten bits a byte.
pub fn longest_frame() -> Duration {
    let bits = wire::MAX_FRAME as u64 * 10;
    Duration::Nanos(bits * 1_000_000_000 / u64::from(PORT.get().unwrap_or(&FIRST).baud))
}

/// The registers of the UART. The crate's own backends have no accesses of 32 bits, which some devices need.
struct Access(Registers);

impl Backend for Access {
    unsafe fn read(&mut self, register: u8) -> u8 {
        let at = u64::from(register);
        // SAFETY: the registers are the UART's (`Serial::of`), and there are as many as the crate asks for.
        unsafe {
            match self.0 {
                Registers::Io(base) => Port::new(base + u16::from(register)).read(),
                Registers::Mmio(base) => ((base + at) as *const u8).read_volatile(),
                Registers::Mmio32(base) => ((base + 4 * at) as *const u32).read_volatile() as u8,
            }
        }
    }

    unsafe fn write(&mut self, register: u8, value: u8) {
        let at = u64::from(register);
        // SAFETY: as for `read`.
        unsafe {
            match self.0 {
                Registers::Io(base) => Port::new(base + u16::from(register)).write(value),
                Registers::Mmio(base) => ((base + at) as *mut u8).write_volatile(value),
                Registers::Mmio32(base) => {
                    ((base + 4 * at) as *mut u32).write_volatile(value.into())
                }
            }
        }
    }
}

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
    uart: Uart16550<Access>,
    buffer: [u8; wire::MAX_FRAME],
}

/// Frames sent so far, or begun.
static FRAMES: AtomicU32 = AtomicU32::new(0);

impl Serial {
    fn of(port: &SerialPort) -> Serial {
        // SAFETY: the port is ours alone, its registers are mapped, and no use of it touches memory.
        let uart = unsafe { Uart16550::new_with_backend(Access(port.registers)) };
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

/// Sets the port up, 8N1 with FIFOs, and ends whatever firmware has written. Without one it is COM1.
pub fn open(port: Option<SerialPort>) {
    *SERIAL.lock() = Some(opened(port.unwrap_or(FIRST)));
}

fn opened(port: SerialPort) -> Serial {
    let port = PORT.call_once(|| port);
    let config = Config { baud_rate: BaudRate::from_integer(port.baud), ..Config::DEFAULT };
    let mut serial = Serial::of(port);
    if serial.uart.init(config).is_err() {
        // Without a port only the exit status can report the failure.
        exit(Exit::Failure);
    }
    serial.uart.send_bytes_exact(&[0]);
    serial
}

/// Sends one frame; false if another CPU has the port. Before [`open`], when only errors are sent, it opens COM1.
pub fn try_send(body: Body<'_>) -> bool {
    let Some(mut serial) = SERIAL.try_lock() else { return false };
    serial.get_or_insert_with(|| opened(FIRST)).send(body);
    true
}

/// Sends one frame even if another CPU has the port: at worst the bytes of both mix, which a reader of the capture
/// notices.
pub fn send_past_lock(body: Body<'_>) {
    let mut serial = Serial::of(PORT.get().unwrap_or(&FIRST));
    // Ends the frame that the other CPU may have begun.
    serial.uart.send_bytes_exact(&[0]);
    serial.send(body);
}

/// How many frames were sent so far, or begun.
pub fn frames() -> u32 {
    FRAMES.load(Ordering::Relaxed)
}
