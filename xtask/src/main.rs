//! The command line `cargo xtask`.

use std::process::ExitCode;

fn main() -> ExitCode {
    host_analyzer::failure::finish(xtask::command::main())
}
