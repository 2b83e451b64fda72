//! Exclusive steps: one CPU at a time, in the order of arrival.
//!
//! A CPU that arrives at such a step reserves the next free span of time and waits for its end, as for the end of any
//! cost. There is no lock to release, so a CPU that dies in the step blocks no other. The CPUs' clocks are assumed to
//! agree; a clock difference lengthens a wait by that much, once.

use bringup::options::Step;
use core::sync::atomic::{AtomicU64, Ordering};

/// When a step is free again, on the TSC; a cache line each.
#[repr(align(128))]
struct FreeAt(AtomicU64);

static FREE_AT: [FreeAt; Step::COUNT] = [const { FreeAt(AtomicU64::new(0)) }; Step::COUNT];

/// Empties every queue, between two trials. An AP that still runs its last trial may enter once more; it delays the
/// queue by its cost.
pub fn clear() {
    FREE_AT.iter().for_each(|step| step.0.store(0, Ordering::Relaxed));
}

/// Enters the queue of a step at the moment `now` of the TSC. Returns the moment when a CPU that needs `cost` cycles
/// there is done.
pub fn enter(step: Step, now: u64, cost: u64) -> u64 {
    let through = |free_at: u64| now.max(free_at) + cost;
    let free_at = &FREE_AT[step as usize].0;
    let before = free_at
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free_at| Some(through(free_at)));
    // The update always gives a value, so both arms hold what was there before.
    let (Ok(before) | Err(before)) = before;
    through(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_while_a_step_is_taken_waits_for_all_before() {
        clear();
        assert_eq!(enter(Step::Callin, 100, 50), 150);
        assert_eq!(enter(Step::Callin, 110, 50), 200);
        assert_eq!(enter(Step::Online, 110, 50), 160);
        assert_eq!(enter(Step::Callin, 300, 50), 350);
    }
}
