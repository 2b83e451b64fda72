//! Shell completions and manual pages, from a program's own command line.

use crate::ground::failure::Failure;
use crate::ground::file::{make_folder, unwritable, write_whole};
use clap::Command;
pub use clap_complete::Shell;
use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use clap_complete::env::{CompleteEnv, Shells};
use clap_mangen::Man;
use miette::miette;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// The variable that a shell sets when it asks this program for words.
const ASKED: &str = "ROLLCALL_COMPLETE";

/// A script that completes the words of this program in a shell when it is called by `name`: the shell
/// starts the program, which answers by [`complete`].
///
/// Fails with [`Failure::Request`] where the name can't be a command's, with [`Failure::Environment`]
/// where the program does not find itself.
pub fn completions(shell: Shell, name: &str) -> Result<Vec<u8>, Failure> {
    // The name becomes part of a script.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
        return Err(Failure::Request(miette!(
            help = "the name of the program or of your alias for it, as `analyze`",
            "{name:?} can't be a command's name: expected letters, digits, `-` and `_`"
        )));
    }
    let unknown = |error| Failure::Environment(miette!("can't write the script: {error}"));
    let program = env::current_exe().map_err(unknown)?;
    let shells = Shells::builtins();
    let completer = shells.completer(&shell.to_string());
    let mut script = Vec::new();
    completer
        .ok_or_else(|| io::Error::other(format!("{shell} is not supported")))
        .and_then(|shell| {
            shell.write_registration(ASKED, name, name, &program.to_string_lossy(), &mut script)
        })
        .map_err(unknown)?;
    Ok(script)
}

/// Answers a shell that asks for words, and ends the program; does nothing where none asks.
pub fn complete(command: impl Fn() -> Command) {
    CompleteEnv::with_factory(command).var(ASKED).complete();
}

/// While a shell asks: the words of its line before the one to complete. Only bash says which one that
/// is; for other shells there are none.
pub fn words_before() -> Vec<String> {
    let words = env::args().skip_while(|word| word != "--").skip(1);
    let index = env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|index| index.parse().ok());
    words.take(index.unwrap_or(0)).collect()
}

/// Runs below `results/`, and paths.
pub fn runs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names = folders_in(Path::new("results"));
        let runs = names.iter().flat_map(|folder| folders_in(folder)).chain(names.iter().cloned());
        let runs = runs.filter(|folder| folder.join("run.json").is_file());
        let mut runs: Vec<String> = runs.map(|run| run.to_string_lossy().into_owned()).collect();
        runs.retain(|run| run.starts_with(&*current.to_string_lossy()));
        // The newest first: a run's name begins with its time.
        runs.sort_by(|one, other| other.cmp(one));
        let paths = PathCompleter::any().complete(current);
        runs.into_iter().map(CompletionCandidate::new).chain(paths).collect()
    })
}

/// The folders in a folder; none where it can't be read.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
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
        let usage = command.clone().render_usage().to_string();
        let page = Man::new(command).source(&source).manual("Rollcall");
        let path = folder.join(page.get_filename());
        let mut text = Vec::new();
        page.render(&mut text).map_err(|error| unwritable(&path, &error))?;
        write_whole(&path, in_order(&String::from_utf8_lossy(&text), &usage).as_bytes())?;
        pages += 1;
    }
    Ok(pages)
}

/// A page with the usage as the help has it: the library's leaves out what an option takes. What follows the help are examples.
fn in_order(page: &str, usage: &str) -> String {
    let usage = usage.trim_start_matches("Usage: ").replace('\\', "\\\\").replace('-', "\\-");
    let mut text = String::new();
    for section in page.split_inclusive("\n.SH ") {
        text += &match section.strip_prefix("SYNOPSIS\n") {
            Some(_) => format!("SYNOPSIS\n{}\n.SH ", usage.trim_end()),
            None => match section.strip_prefix("EXTRA\nExamples:\n") {
                Some(examples) => format!("EXAMPLES\n{examples}"),
                None => section.to_owned(),
            },
        };
    }
    text
}
