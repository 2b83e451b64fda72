//! Rollcall's words, shared by the kernel that measures a bring-up and the host that reads it.
//!
//! Nothing here does I/O or knows a machine. The strategies ([`strategy`]) are written once, over
//! the verbs of a bootstrap processor ([`strategy::Bsp`]): the kernel implements the verbs on hardware, the
//! simulator (`sim`, a feature) on arithmetic clocks.
#![cfg_attr(not(any(test, feature = "sim")), no_std)]

mod atomic;
pub mod boot_options;
pub mod class;
pub mod contract;
pub mod exchange;
pub mod frame;
pub mod handshake;
pub mod kick;
pub mod madt;
pub mod options;
pub mod phase;
pub mod plan;
#[cfg(feature = "sim")]
pub mod sim;
pub mod srat;
pub mod stamp;
pub mod start;
pub mod strategy;
mod units;
pub mod wire;
pub mod words;

pub use units::{ApicId, CpuIndex, Cycles, Duration};

// So that cargo builds this again in another tree; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("ROLLCALL_ROOT");
