//! The tests that boot a kernel in QEMU; `cargo xtask test kernel` runs them.

mod agreement;
mod budgets;
mod engines;
mod extending;
mod harness;
mod machine;
mod mutants;
mod newer_qemu;
mod tsc_sync;
