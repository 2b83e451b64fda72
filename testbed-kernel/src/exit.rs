//! The end of the engine: QEMU's `isa-debug-exit` device, else a halt.

use bringup::contract::{EXIT_PORT, Exit};
use x86_64::instructions::{hlt, interrupts, port::Port};

/// Ends the engine; on a machine without the device this CPU halts for good.
pub fn exit(how: Exit) -> ! {
    // SAFETY: nothing but the exit device answers on this port of a PC.
    unsafe { Port::new(EXIT_PORT).write(how as u32) };
    halt_for_good()
}

/// Halts this CPU for good: only INIT or NMI wakes it.
pub fn halt_for_good() -> ! {
    loop {
        interrupts::disable();
        hlt();
    }
}
