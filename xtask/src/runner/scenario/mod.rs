//! Scenario files: read, checked whole before the first boot, and spanned to boots.
//!
//! Every mistake is reported with file, line, column and key; nothing is guessed. `file` reads a
//! file, `check` its keys, `cpus` CPU counts, `engines` those about engines and `definition` one of its own engines;
//! `matrix` spans the axes. `single` makes a scenario of a command line, whose sweeps `sweep` spans.

mod axis;
mod check;
mod cpus;
mod definition;
mod engines;
mod file;
mod matrix;
mod single;
mod sweep;
#[cfg(test)]
mod tests;

use crate::runner::engine::Engine;
use crate::runner::past::Past;
use crate::runner::profile::Profile;
use bringup::options::{Kind, TscTrust, kind_of};
use bringup::plan::CELL;
use std::sync::Arc;
use std::time::Duration;

pub use cpus::Counts;
pub use file::named_in;

/// The longest that a boot may be given: a day, in seconds.
pub const LONGEST_BOOT: u64 = 86_400;

/// More boots than this are a mistake, not a measurement.
pub const MOST_BOOTS: i64 = 100_000;

/// The keys beside the table `[options]`, in the order of the documentation.
const KEYS: [&str; 10] = [
    "description",
    ENGINE,
    ENGINES,
    "cpus",
    "profile",
    "boots",
    "cold",
    "boot-limit",
    "skip-refused",
    OPTIONS,
];

/// The engines that run, or the tables of those that the scenario defines.
const ENGINE: &str = "engine";

/// The engines that run, beside those tables.
const ENGINES: &str = "engines";

/// The table of options.
const OPTIONS: &str = "options";

/// A scenario without a mistake.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's stem; `run` for a single boot.
    pub name: String,
    /// The file as read; empty for a single boot.
    pub text: String,
    /// The command that asks for it, a word each, as a report repeats it; empty where none did.
    pub command: Vec<String>,
    /// Boots of the whole.
    pub boots: u32,
    /// The run that these boots are added to.
    pub past: Option<Past>,
    /// How long one boot may take.
    pub boot_limit: Duration,
    /// What is booted, by engine, then by CPU count.
    pub groups: Vec<Group>,
    /// Combinations that were left out.
    pub skipped: Vec<Skipped>,
    /// Words that no cell uses, each with the reason.
    pub unused: Vec<String>,
    /// The profiles that it names.
    pub profiles: Vec<Profile>,
}

impl Scenario {
    /// How many command lines boot the whole once.
    pub fn lines(&self) -> usize {
        self.groups.iter().map(|group| group.command_lines.len()).sum()
    }

    /// Boots that a group is to have.
    pub fn boots_of(&self, group: &Group) -> usize {
        self.boots as usize * group.command_lines.len()
    }

    /// Boots of the whole that there are already.
    pub fn boots_before(&self) -> u32 {
        self.past.as_ref().map_or(0, |past| past.boots)
    }
}

/// All cells of one engine and CPU count.
#[derive(Clone, Debug)]
pub struct Group {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// CPU count, the BSP counted.
    pub smp: u16,
    /// Command lines that together hold every cell: one, unless they are too long for one.
    pub command_lines: Vec<CommandLine>,
}

/// What one boot measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The kernel's command line.
    pub words: String,
    /// The profile that each of its cells was expanded from.
    pub profiles: Vec<Option<String>>,
}

impl CommandLine {
    /// The same cells in a circle, beginning with the one of that index: a boot's first cell alone has the
    /// cold trial. Indices go on from the begin where there are no more cells.
    pub fn beginning_with(&self, cell: usize) -> CommandLine {
        let words: Vec<&str> = self.words.split_ascii_whitespace().collect();
        let mut sections = words.split(|word| *word == CELL);
        let common = sections.next().unwrap_or_default();
        let mut cells: Vec<&[&str]> = sections.collect();
        let mut profiles = self.profiles.clone();
        if let Some(first) = cell.checked_rem(cells.len()) {
            cells.rotate_left(first);
            if profiles.len() == cells.len() {
                profiles.rotate_left(first);
            }
        }
        let cells = cells.into_iter().flat_map(|words| [&[CELL], words].concat());
        let words: Vec<&str> = common.iter().copied().chain(cells).collect();
        CommandLine { words: words.join(" "), profiles }
    }
}

/// A combination that makes no sense and that the scenario allows to be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Engine, CPU count and options.
    pub cell: String,
    /// What is refused, and why.
    pub refusal: String,
}

/// Why the user can't set an option, or can't set it to this value, and what to do; `None` where that is
/// possible.
fn engines_own(key: &str, value: &str) -> Option<(&'static str, &'static str)> {
    match kind_of(key) {
        Some(Kind::EngineOnly) => Some((
            "the engine sets it by itself",
            "take it out; an engine that a scenario defines has it in its `own-words`",
        )),
        Some(Kind::Engine) if value == TscTrust::Engine.name() => Some((
            "only an engine may say it, about its own clocks",
            "say `yes` where you know that the clocks agree; an engine that a scenario defines has \
             it in its `own-words`",
        )),
        _ => None,
    }
}
