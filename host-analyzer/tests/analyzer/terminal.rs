//! The program on a terminal: colours, and what a terminal should not get.

use crate::simulated::{folder, run_folder};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The columns of [`on_a_terminal`].
const WIDTH: usize = 80;

/// A new terminal: the side of a person, the side of a program, and the path of the latter.
pub fn terminal() -> (File, File, PathBuf) {
    // No program that a test starts may hold the person's side.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = openpt(flags).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = OsString::from_vec(ptsname(&terminal, Vec::new()).unwrap().into_bytes());
    let side = File::options().read(true).write(true).open(Path::new(&name)).unwrap();
    (terminal.into(), side, name.into())
}

/// Everything that the program writes to a terminal, and its exit code.
fn on_a_terminal(arguments: &[&OsStr], no_color: bool) -> (String, i32) {
    let (mut terminal, side, _) = terminal();
    let size = Winsize { ws_row: 24, ws_col: WIDTH as u16, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
    command.args(arguments).stdin(Stdio::null());
    command.stdout(side.try_clone().unwrap()).stderr(side);
    for variable in
        ["CI", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "NO_GRAPHICS"]
    {
        command.env_remove(variable);
    }
    command.env("TERM", "xterm-256color");
    if no_color {
        command.env("NO_COLOR", "1");
    }
    let mut child = command.spawn().unwrap();
    // The command holds the other side open, and its end is not seen before that is closed.
    drop(command);
    let mut bytes = Vec::new();
    // Reading ends with an error when nobody holds the other side any more.
    let _ = terminal.read_to_end(&mut bytes);
    (String::from_utf8(bytes).unwrap(), child.wait().unwrap().code().unwrap())
}

/// A run that can be shown, a request that clap refuses, and one that the program does.
fn requests(folder: &Path) -> [(Vec<&OsStr>, i32); 4] {
    [
        (vec![OsStr::new("show"), folder.as_os_str()], 0),
        (vec![OsStr::new("show"), OsStr::new("--help")], 0),
        (vec![OsStr::new("show"), OsStr::new("--unit=parsec")], 2),
        (vec![OsStr::new("show"), OsStr::new("/nowhere")], 2),
    ]
}

#[test]
fn no_color_is_obeyed_on_a_terminal() {
    let (_keep, folder) = folder();
    run_folder(&folder, "repetitions=1", &[2]);
    for (request, code) in requests(&folder) {
        let (text, ended) = on_a_terminal(&request, true);
        assert_eq!(ended, code, "{text}");
        assert!(!text.is_empty() && !text.contains('\x1b'), "{request:?}: {text:?}");
    }
    // Without it, errors are coloured: the test sees what it should.
    for (request, _) in &requests(&folder)[2..] {
        let (text, _) = on_a_terminal(request, false);
        assert!(text.contains("\x1b["), "{request:?}: {text:?}");
    }
}

#[test]
fn what_is_no_terminal_gets_no_colours() {
    let (_keep, folder) = folder();
    run_folder(&folder, "repetitions=1", &[2]);
    for (request, code) in requests(&folder) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
        let output = command.args(&request).env("TERM", "xterm-256color").output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert!(![output.stdout, output.stderr].concat().contains(&0x1b), "{request:?}");
    }
}

#[test]
fn a_trace_is_not_written_to_a_terminal() {
    let arguments = ["export", "--format=perfetto", "/nowhere"].map(OsStr::new);
    let (text, code) = on_a_terminal(&arguments, true);
    assert_eq!(code, 2);
    assert!(text.contains("a Perfetto trace is binary"), "{text}");
}

/// Every line of what `show` prints, and the longest one's length.
fn lines(text: &str) -> (Vec<&str>, usize) {
    let lines: Vec<&str> = text.lines().collect();
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap();
    (lines, longest)
}

#[test]
fn tables_and_what_is_said_of_them_fit_the_terminal() {
    let (_keep, folder) = folder();
    run_folder(&folder, "repetitions=1 skew=2:9000", &[4, 8]);
    for command in ["show", "tsc-sync", "simulated"] {
        let (text, _) = on_a_terminal(&[OsStr::new(command), folder.as_os_str()], true);
        let (_, longest) = lines(&text);
        assert!(longest <= WIDTH, "{command}: {longest}\n{text}");
    }
    let (text, _) = on_a_terminal(&[OsStr::new("show"), folder.as_os_str()], true);
    let headers: Vec<&str> =
        text.lines().filter(|line| line.starts_with(" engine   CPUs")).collect();
    assert!(headers.len() > 1, "{text}");
}

#[test]
fn without_a_terminal_columns_says_how_wide_a_table_may_be() {
    let (_keep, folder) = folder();
    run_folder(&folder, "repetitions=1", &[2]);
    let show = |columns: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
        command.arg("show").arg(&folder).env_remove("COLUMNS");
        columns.map(|columns| command.env("COLUMNS", columns));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let (whole, narrow) = (show(None), show(Some("60")));
    assert!(lines(&whole).1 > 80, "{whole}");
    assert!(lines(&narrow).1 <= 60, "{narrow}");
    // What is no width is none.
    assert_eq!(show(Some("wide")), whole);
    assert_eq!(show(Some("0")), whole);
}
