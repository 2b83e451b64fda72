//! The legacy interrupt controllers, two 8259A, which start unmasked and on the vectors of
//! exceptions.

use core::ops::Range;
use x86_64::instructions::port::Port;

/// The vectors that they are moved to. Masked, they still raise two of these now and then: an input
/// that falls back before the CPU has asked which one it was is reported as the last of its
/// controller ("spurious IRQ 7"). Nothing is done on any of them.
pub const VECTORS: Range<u8> = 0x20..0x30;

/// Ports of a controller: commands, data.
type Ports = (u16, u16);
const MASTER: Ports = (0x20, 0x21);
const SLAVE: Ports = (0xa0, 0xa1);

/// The input of the master that the slave is at.
const CASCADE: u8 = 2;

/// ICW1: edge-triggered, cascaded, ICW4 follows.
const ICW1: u8 = 0x11;
/// ICW4: the bus of an 8086.
const ICW4: u8 = 0x01;
/// OCW1: all eight inputs.
const ALL: u8 = 0xff;

/// Moves the legacy interrupts away from the exceptions, and masks every one.
pub fn silence() {
    set_up(MASTER, VECTORS.start, 1 << CASCADE);
    set_up(SLAVE, VECTORS.start + 8, CASCADE);
}

fn set_up((command, data): Ports, vector: u8, cascade: u8) {
    let words = [(command, ICW1), (data, vector), (data, cascade), (data, ICW4), (data, ALL)];
    for (port, word) in words {
        // SAFETY: the sequence of an 8259A's set-up; it raises no interrupt while they are off, as
        // they are here.
        unsafe { Port::new(port).write(word) };
    }
}
