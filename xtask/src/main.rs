//! The command line `cargo xtask`.

use host_analyzer::ground::failure::{caught, finish};
use std::process::ExitCode;

fn main() -> ExitCode {
    finish(caught(xtask::command::main))
}
