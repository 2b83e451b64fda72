//! The legacy interrupt controllers, two 8259A, which start unmasked and on the vectors of
//! exceptions.

use core::ops::Range;
use x86_64::instructions::port::Port;

/// The vectors that they are moved to. Even masked, a controller may raise its last one: it reports an input that is
/// withdrawn before the CPU acknowledges it as its last input ("spurious IRQ 7"). The handlers of all these vectors only
/// return.
pub const VECTORS: Range<u8> = 0x20..0x30;

/// Ports of a controller: commands, data.
type Ports = (u16, u16);
const MASTER: Ports = (0x20, 0x21);
const SLAVE: Ports = (0xa0, 0xa1);

/// The master's input to which the slave is connected.
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
        // SAFETY: this is the initialisation sequence of an 8259A, and interrupts are off.
        unsafe { Port::new(port).write(word) };
    }
}
