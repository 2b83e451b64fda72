//! Builds the kernel, starts engines, runs scenarios.
fn main() {}
