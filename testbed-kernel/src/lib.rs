//! The testbed kernel.
#![no_std]
