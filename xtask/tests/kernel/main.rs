//! The tests that boot a kernel in QEMU; `cargo xtask test kernel` runs them.

mod agreement;
mod bisect;
mod bochs;
mod budgets;
mod conformance;
mod engines;
mod extending;
mod harness;
mod image;
mod journeys;
mod kexec;
mod machine;
mod machines;
mod mutants;
mod newer_qemu;
mod sequences;
mod tsc_sync;
