//! The legacy interrupt controllers, which start unmasked.

use x86_64::instructions::port::Port;

/// Data ports of the two 8259A: the interrupt mask.
const MASKS: [u16; 2] = [0x21, 0xa1];

/// Masks every legacy interrupt.
pub fn mask() {
    for port in MASKS {
        // SAFETY: OCW1 of an 8259A only masks its inputs.
        unsafe { Port::new(port).write(0xff_u8) };
    }
}
