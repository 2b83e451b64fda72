//! Before the first trial of a machine with APIC IDs above 254: every AP starts once, untimed, and switches to x2APIC mode.
//!
//! An APIC in xAPIC mode compares eight bits of a destination: in QEMU an INIT to APIC ID 257 also reaches the CPU with APIC ID 1, while
//! that is in xAPIC mode. Once all are in x2APIC mode, an IPI reaches the one CPU that it names.

use crate::apic::{self, To};
use crate::clock;
use crate::slot::Slots;
use crate::stream::log;
use crate::trampoline::send_sipi;
use crate::tsc::{cycles, tsc};
use bringup::contract::XAPIC_LAST;
use bringup::options::IcrLevel;
use bringup::{ApicId, CpuIndex, Duration};
use core::sync::atomic::{AtomicBool, Ordering};

/// True while the APs that start do so to be switched.
static SWITCHING: AtomicBool = AtomicBool::new(false);

/// How long an AP may take.
const LIMIT: Duration = Duration::from_millis(1000);

/// The longest sleep of the BSP, so that an engine on virtual time charges an AP no more than that for its INIT.
const SLICE: Duration = Duration::Nanos(5_000);

/// True for an AP that was started for its switch; it has done it.
pub fn is_switching() -> bool {
    SWITCHING.load(Ordering::Relaxed)
}

/// Switches all APs, one after the other.
///
/// Those that xAPIC mode can address come first: an INIT to one of them reaches others with the same low eight bits, which
/// then are sent their own.
pub fn switch(cpus: &[ApicId], slots: Slots, trampoline: u64) {
    log(
        CpuIndex::BSP,
        format_args!(
            "every AP starts once before the first trial, untimed, to be switched to x2APIC mode: APIC IDs are above \
             {XAPIC_LAST}"
        ),
    );
    SWITCHING.store(true, Ordering::Relaxed);
    for is_high in [false, true] {
        let aps = cpus.iter().enumerate().skip(1);
        for (at, id) in aps.filter(|(_, id)| (id.0 > XAPIC_LAST) == is_high) {
            let ap = CpuIndex(at as u16);
            let switched = &slots.of(ap).from_ap.switched;
            switched.store(false, Ordering::Relaxed);
            // SAFETY: no trial runs, and the AP holds no lock and nothing that another CPU waits for.
            unsafe { apic::send_init(To::One(*id), IcrLevel::Assert) };
            send_sipi(To::One(*id), trampoline, IcrLevel::Assert);
            let deadline = tsc() + cycles(LIMIT);
            while !switched.load(Ordering::Acquire) && tsc() < deadline {
                clock::set_alarm(cycles(SLICE), None);
                clock::halt();
            }
            if !switched.load(Ordering::Acquire) {
                log(ap, format_args!("did not start to be switched to x2APIC mode"));
            }
        }
    }
    SWITCHING.store(false, Ordering::Relaxed);
}
