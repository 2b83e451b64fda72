//! The failure path: how any CPU reports an error and ends the boot.

use crate::cpu;
use crate::exit::exit;
use crate::serial::{self, Line, longest_frame};
use crate::tsc::{cycles, tsc};
use bringup::CpuIndex;
use bringup::contract::Exit;
use bringup::frame::{Body, Error};
use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};
use x86_64::registers::control::Cr2;

/// True from the first error on.
static FAILING: AtomicBool = AtomicBool::new(false);

/// How many times [`longest_frame`] a CPU waits for others to be done with the port: the first that fails may find
/// a frame under way, then sends its own, and needs some time in between.
const PATIENCE: u64 = 3;

/// Tries again and again until `is_done`, or patience is over.
fn patiently(mut is_done: impl FnMut() -> bool) {
    let begin = tsc();
    let patience = PATIENCE * cycles(longest_frame());
    while !is_done() && tsc().saturating_sub(begin) < patience {
        core::hint::spin_loop();
    }
}

/// Sends an error and ends the boot, from any CPU.
///
/// Only the first error is sent. A later one, from another CPU or raised while the first is sent, waits for it and then
/// ends the engine.
pub fn fail(error: Error<'_>) -> ! {
    let is_first = !FAILING.swap(true, Ordering::AcqRel);
    // A later one does not even try: it would take the port from the first.
    patiently(|| is_first && serial::try_send(Body::Error(error.clone())));
    exit(Exit::Failure)
}

/// Ends the boot: the machine lacks something that the kernel needs.
pub fn fail_for_machine(arguments: fmt::Arguments<'_>) -> ! {
    let line = Line::of(format_args!("{}: {arguments}", cpu::index()));
    fail(Error::Machine { message: line.text() })
}

/// Ends the boot: the kernel does not do what its command line asks for.
#[cold]
pub fn fail_for_options(why: &dyn fmt::Display) -> ! {
    fail(Error::Options { message: Line::of(format_args!("{why}")).text() })
}

/// Ends the boot for a panic.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    let message = match info.location() {
        Some(place) => Line::of(format_args!("{}, at {place}", info.message())),
        None => Line::of(format_args!("{}", info.message())),
    };
    fail(Error::Panic { cpu: cpu::index(), message: message.text() })
}

/// The vector of a page fault.
const PAGE_FAULT: u64 = 14;

/// What `traps.s` and the CPU have pushed, lowest address first.
#[repr(C)]
pub struct Trap {
    vector: u64,
    error_code: u64,
    rip: u64,
}

/// Ends the boot for an exception. `traps.s` calls this.
pub extern "C" fn trapped(trap: &Trap) -> ! {
    let overflowed = (trap.vector == PAGE_FAULT).then(|| cpu::overflowed_stack(Cr2::read_raw()));
    if let Some((cpu, message)) = overflowed.flatten() {
        fail(Error::Panic { cpu, message });
    }
    fail(Error::Exception {
        cpu: cpu::index(),
        vector: trap.vector as u8,
        error_code: trap.error_code,
        rip: trap.rip,
        cr2: Cr2::read_raw(),
    })
}

/// Gives an AP that has begun to report an error the time to end the boot, before the BSP stops
/// all APs.
pub fn await_failing() {
    patiently(|| !FAILING.load(Ordering::Acquire));
}

/// Ends the boot if an AP was stopped while it reported an error. That AP may hold the port's lock for good, or even
/// run on for a moment, so this CPU sends without the lock.
pub fn end_if_failing() {
    if !FAILING.load(Ordering::Acquire) {
        return;
    }
    let message = "an AP failed, and was stopped while it reported why";
    serial::send_past_lock(Body::Error(Error::Panic { cpu: CpuIndex::BSP, message }));
    exit(Exit::Failure)
}
