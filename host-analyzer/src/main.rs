//! The command line `cargo analyze`.

use std::process::ExitCode;

fn main() -> ExitCode {
    host_analyzer::command::main()
}
