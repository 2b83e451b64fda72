//! What a stamp costs natively, against a bare RDTSC: cycles of this machine's TSC, and the ratio.
//!
//! `cargo bench -p testbed-kernel`. The least of many rounds: what interrupts a round only adds to it.

use bringup::CpuIndex;
use core::arch::x86_64::_rdtsc;
use std::hint::black_box;
use testbed_kernel::slot::shared;
use testbed_kernel::tsc::tsc;

const ROUNDS: usize = 2_000;
const STAMPS: u64 = 1_000;

fn main() {
    let stamps = &shared(CpuIndex(1)).from_ap.record.stamps;
    let bare = cycles(|| {
        // SAFETY: RDTSC is there on every 64-bit CPU and reads a counter alone.
        black_box(unsafe { _rdtsc() });
    });
    let fenced = cycles(|| {
        black_box(tsc());
    });
    let stamp = cycles(|| stamps.set(black_box(4), tsc()));
    println!("a bare RDTSC           {bare:6.1} cycles");
    println!("LFENCE; RDTSC; LFENCE  {fenced:6.1} cycles  {:5.2}×", fenced / bare);
    println!("a stamp                {stamp:6.1} cycles  {:5.2}×", stamp / bare);
}

/// What one call takes, in cycles of the TSC.
fn cycles(call: impl Fn()) -> f64 {
    let round = |_| {
        let begin = tsc();
        (0..STAMPS).for_each(|_| call());
        tsc() - begin
    };
    let least = (0..ROUNDS).map(round).min().unwrap_or_default();
    least as f64 / STAMPS as f64
}
