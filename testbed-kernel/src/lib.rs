//! The testbed kernel's parts, one file each.
//!
//! Everything but the assembler and its entries (`entry.rs`, in the binary) is in this library, so
//! that it is checked and its pure parts are tested on the host.
#![cfg_attr(not(test), no_std)]

pub mod ap;
pub mod apic;
pub mod boot;
pub mod callin;
pub mod clock;
pub mod cpu;
pub mod exit;
pub mod failure;
pub mod frequency;
pub mod hello;
pub mod machine;
pub mod memory;
pub mod orders;
pub mod paging;
pub mod pic;
pub mod pool;
mod queue;
pub mod serial;
pub mod slot;
pub mod stream;
pub mod tables;
pub mod topology;
pub mod trampoline;
pub mod traps;
pub mod trial;
pub mod tsc;
