//! The stream of frames that a boot sends while all is well.
//!
//! Nothing here is called while a trial runs.

use crate::failure::{await_failing, end_if_failing};
use crate::serial::{self, Line};
use bringup::CpuIndex;
use bringup::frame::{Body, Goodbye, Log};
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

static STAMPS_DROPPED: AtomicU32 = AtomicU32::new(0);

/// Sends one frame. Only the BSP calls this.
pub fn send(body: Body<'_>) {
    if !serial::try_send(body) {
        // An AP that fails has the port: it ends the boot, or an INIT stopped it before it could.
        await_failing();
        end_if_failing();
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
        frames: serial::frames(),
        stamps_dropped: STAMPS_DROPPED.load(Ordering::Relaxed),
    }));
}
