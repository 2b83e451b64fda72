//! Shell completions and manual pages, from a program's own command line.

use crate::ground::failure::Failure;
use crate::ground::file::{make_folder, unwritable, write_whole};
use clap::Command;
pub use clap_complete::Shell;
use clap_mangen::Man;
use miette::miette;
use std::path::Path;

/// A script that completes the words of `command` in a shell when it is called by `name`.
///
/// Fails with [`Failure::Request`] where the name can't be a command's.
pub fn completions(command: &mut Command, shell: Shell, name: &str) -> Result<Vec<u8>, Failure> {
    // The name becomes part of a script.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
        return Err(Failure::Request(miette!(
            help = "the name of the program or of your alias for it, as `analyze`",
            "{name:?} can't be a command's name: expected letters, digits, `-` and `_`"
        )));
    }
    let mut script = Vec::new();
    clap_complete::generate(shell, command, name, &mut script);
    Ok(script)
}

/// Writes a manual page for the program and for each of its commands: `NAME.1`,
/// `NAME-COMMAND.1`. `name` is what `man` is asked for. Returns how many. Makes the folder where it
/// is missing.
///
/// Fails with [`Failure::Environment`] where a page can't be written.
pub fn pages(command: Command, name: &'static str, folder: &Path) -> Result<usize, Failure> {
    let mut command = command.name(name).display_name(name).disable_help_subcommand(true);
    command.build();
    let source = format!("{name} {}", command.get_version().unwrap_or_default());
    make_folder(folder)?;
    let mut commands = vec![command];
    let mut pages = 0;
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().cloned());
        let page = Man::new(command).source(&source).manual("Rollcall");
        let path = folder.join(page.get_filename());
        let mut text = Vec::new();
        page.render(&mut text).map_err(|error| unwritable(&path, &error))?;
        write_whole(&path, &text)?;
        pages += 1;
    }
    Ok(pages)
}
