//! The simulator: the BSP's verbs on arithmetic clocks, for the same strategies that the kernel
//! runs.
//!
//! Every step takes exactly its cost and everything else takes no time, so a total is a closed
//! form that fits on paper; the tests write some down.

mod ap;
mod boot;
mod bsp;
#[cfg(test)]
mod tests;
mod trial;

pub use boot::{boot, boot_on};
pub use trial::{NoTrial, Trial, trial, trial_on};
