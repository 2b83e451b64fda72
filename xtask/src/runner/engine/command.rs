//! An engine of the user's own that is a command: any virtual machine monitor, or a script.

use super::started::Started;
use super::{Engine, MOST_CPUS, Running, Start, program};
use crate::runner::process::{Output, SHORT, finish};
use bringup::contract::MAX_COMMAND_LINE;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest;
use miette::{Report, miette};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// What the words of a command can hold; each is replaced by what the boot needs.
pub const PLACEHOLDERS: [&str; 4] = ["kernel", "cmdline", "smp", "capture"];

/// A version has no more than so many characters.
const LONGEST_VERSION: usize = 200;

/// A command that boots the kernel and writes the capture.
#[derive(Clone, Debug)]
pub struct Command {
    definition: manifest::Engine,
    folder: PathBuf,
}

impl Command {
    /// The engine of a checked definition in a file of `folder`, an absolute path.
    pub fn new(definition: manifest::Engine, folder: &Path) -> Command {
        Command { definition, folder: folder.to_owned() }
    }

    /// The program, where the system finds it, and the arguments as `fill` makes them.
    fn words(&self, words: &[String], fill: impl Fn(&str) -> String) -> Vec<String> {
        let words = words.iter().enumerate();
        words
            .map(|(index, word)| match index {
                0 => program(&self.folder, &fill(word)),
                _ => fill(word),
            })
            .collect()
    }

    fn no_start(&self, error: io::Error, program: &str) -> Failure {
        Failure::Environment(miette!(
            help = "a path in a scenario is relative to its file, a bare name is looked for on the \
                    PATH, and a script needs its `#!` line and the permission to be executed",
            "the engine {} can't start `{program}`: {error}",
            self.name()
        ))
    }
}

impl Engine for Command {
    fn name(&self) -> &str {
        &self.definition.name
    }

    fn exact(&self) -> bool {
        self.definition.exact
    }

    fn boots_kernel(&self) -> bool {
        let mut words = self.definition.command.iter().flat_map(|word| placeholders(word));
        words.any(|name| name == "kernel")
    }

    fn needs_qemu(&self) -> bool {
        false
    }

    fn endless(&self) -> bool {
        self.definition.endless
    }

    fn cpus(&self) -> RangeInclusive<u16> {
        1..=MOST_CPUS
    }

    fn own_words(&self) -> &str {
        self.definition.own_words.as_deref().unwrap_or_default()
    }

    fn longest_command_line(&self) -> usize {
        self.definition.longest_command_line.unwrap_or(MAX_COMMAND_LINE)
    }

    fn cpu_model(&self) -> &str {
        "as its command has it"
    }

    fn definition(&self) -> Option<&manifest::Engine> {
        Some(&self.definition)
    }

    fn version(&self) -> Result<String, Failure> {
        let words = self.words(&self.definition.version_command, str::to_owned);
        let Some((program, arguments)) = words.split_first() else {
            let words = self.words(&self.definition.command[..1], str::to_owned);
            return match which::which(&words[0]) {
                Ok(_) => Ok("not stated".to_owned()),
                Err(error) => Err(self.no_start(io::Error::other(error), &words[0])),
            };
        };
        let mut command = std::process::Command::new(program);
        command.args(arguments).current_dir(&self.folder);
        let failed = |why: Report| {
            Failure::Environment(miette!(
                help = "the scenario names it by `version-command`",
                "the engine {} does not report its version: {why}",
                self.name()
            ))
        };
        let finished = finish(&mut command, Output::Kept, Some(SHORT), |_| ())
            .map_err(|failure| failed(miette!("{}", failure.report())))?;
        match finished.output.lines().map(str::trim).find(|line| !line.is_empty()) {
            Some(line) if finished.status.success() => {
                Ok(line.chars().take(LONGEST_VERSION).collect())
            }
            _ => Err(failed(miette!("`{program}`, {}\n{}", finished.status, finished.output))),
        }
    }

    fn start(&self, start: &Start<'_>) -> Result<Box<dyn Running>, Failure> {
        let capture = start.folder.join(start.capture).display().to_string();
        let kernel = start.kernel.map_or_else(String::new, |path| path.display().to_string());
        let smp = start.smp.to_string();
        let words = self.words(&self.definition.command, |word| {
            filled(word, |name| match name {
                "kernel" => Some(&kernel),
                "cmdline" => Some(start.command_line),
                "smp" => Some(&smp),
                "capture" => Some(&capture),
                _ => None,
            })
        });
        let program = words[0].clone();
        let due = match &self.definition.success_status[..] {
            [] => vec![0],
            due => due.to_owned(),
        };
        let meaning = Box::new(move |status: ExitStatus| meaning(status, &due));
        let started = Started::spawn(words, &self.folder, meaning);
        Ok(Box::new(started.map_err(|error| self.no_start(error, &program))?))
    }
}

/// Whether the status is one of those that are due, and what it is.
fn meaning(status: ExitStatus, due: &[u8]) -> (bool, String) {
    let well = status.code().is_some_and(|code| due.iter().any(|due| i32::from(*due) == code));
    let expected = due.iter().map(u8::to_string).collect::<Vec<_>>().join(" or ");
    let how = match (status.code(), status.signal()) {
        (Some(code), _) if well => format!("exit status {code} (expected)"),
        (Some(code), _) => format!("exit status {code}, expected {expected}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    };
    (well, how)
}

/// A piece of a word: text as it stands, or the name of a placeholder.
enum Piece<'w> {
    Text(&'w str),
    Placeholder(&'w str),
}

/// The pieces of a word. A placeholder is a name in braces; braces around anything else, as in
/// JSON, are text.
fn pieces(word: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest, mut from) = (Vec::new(), word, 0);
    while let Some(open) = rest[from..].find('{').map(|at| from + at) {
        let name = &rest[open + 1..];
        let length = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        match length {
            Some(length) if length > 0 && name[length..].starts_with('}') => {
                pieces.push(Piece::Text(&rest[..open]));
                pieces.push(Piece::Placeholder(&name[..length]));
                (rest, from) = (&name[length + 1..], 0);
            }
            _ => from = open + 1,
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// The names of a word's placeholders, known or not.
pub fn placeholders(word: &str) -> impl Iterator<Item = &str> {
    pieces(word).into_iter().filter_map(|piece| match piece {
        Piece::Placeholder(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// The word with its placeholders replaced, in one pass: what is put in is not looked at again.
fn filled<'f>(word: &'f str, fill: impl Fn(&str) -> Option<&'f str>) -> String {
    let pieces = pieces(word).into_iter().map(|piece| match piece {
        Piece::Text(text) => text,
        Piece::Placeholder(name) => fill(name).unwrap_or_default(),
    });
    pieces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(word: &str) -> String {
        filled(word, |name| Some(if name == "smp" { "4" } else { "{smp}" }))
    }

    #[test]
    fn placeholders_are_replaced_once_wherever_they_stand() {
        for (word, text) in [
            ("", ""),
            ("{smp}", "4"),
            ("boot={smp},max={smp}", "boot=4,max=4"),
            ("{cmdline}", "{smp}"),
            ("{{smp}}", "{4}"),
            ("{\"cpus\": {smp}}", "{\"cpus\": 4}"),
            ("{} { {a b} {smp", "{} { {a b} {smp"),
            ("µ{smp}µ", "µ4µ"),
        ] {
            assert_eq!(fill(word), text, "{word}");
        }
    }

    #[test]
    fn every_name_in_braces_is_a_placeholder() {
        let names: Vec<&str> = placeholders("{smp}{x-y}{\"a\":1} {Kernel}").collect();
        assert_eq!(names, ["smp", "x-y", "Kernel"]);
    }

    #[test]
    fn only_the_due_status_is_well() {
        let (well, how) = meaning(ExitStatus::from_raw(33 << 8), &[0]);
        assert_eq!((well, how.as_str()), (false, "exit status 33, expected 0"));
        assert!(meaning(ExitStatus::from_raw(33 << 8), &[0, 33]).0);
        assert!(!meaning(ExitStatus::from_raw(9), &[0]).0);
    }
}
