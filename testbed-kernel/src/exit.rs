//! The end of the engine: QEMU's `isa-debug-exit` device, else a halt.

use x86_64::instructions::{hlt, interrupts, port::Port};

/// The device's port, as the engine's command line puts it.
const PORT: u16 = 0xf4;

/// How the boot ended. QEMU's exit status for a value v is 2v + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// After the goodbye; QEMU exits with 33.
    Success = 0x10,
    /// After an error frame; QEMU exits with 35.
    Failure = 0x11,
}

/// Ends the engine; on a machine without the device this CPU halts for good.
pub fn exit(status: Status) -> ! {
    // SAFETY: nothing but the exit device answers on this port of a PC.
    unsafe { Port::new(PORT).write(status as u32) };
    halt_for_good()
}

/// Halts this CPU for good: only INIT or NMI wakes it.
pub fn halt_for_good() -> ! {
    loop {
        interrupts::disable();
        hlt();
    }
}
