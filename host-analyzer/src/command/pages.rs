//! `completions` and `man`: what makes the program at home in a shell.

use super::output::print;
use crate::command::manual::{self, Shell};
use crate::ground::failure::Failure;
use clap::Command;
use std::path::PathBuf;

/// The program's own name, apart from `cargo analyze`.
const NAME: &str = "host-analyzer";

/// Commands about the command line itself.
#[derive(Debug, clap::Subcommand)]
pub enum Pages {
    /// Prints a script that completes this program's words in a shell.
    ///
    /// For `cargo analyze`, make an alias and complete that. The shell asks the program that cargo has built last.
    #[command(after_help = "Examples:
  alias analyze='cargo analyze'; source <(cargo analyze completions bash --name analyze)
  cargo analyze completions fish > ~/.config/fish/completions/host-analyzer.fish")]
    Completions {
        /// The shell
        shell: Shell,
        /// What the program is called by
        #[arg(long, value_name = "NAME", default_value = NAME)]
        name: String,
    },
    /// Writes manual pages into a folder.
    #[command(after_help = "Examples:
  cargo analyze man ~/.local/share/man/man1    # then: man cargo-analyze-export")]
    Man {
        /// The folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

impl Pages {
    /// Does it; given the whole command line.
    pub fn run(self, command: Command) -> Result<(), Failure> {
        match self {
            Pages::Completions { shell, name } => {
                let script = manual::completions(shell, &name)?;
                print(&String::from_utf8_lossy(&script))
            }
            Pages::Man { folder } => {
                let pages = manual::pages(command, "cargo-analyze", &folder)?;
                print(&format!("{pages} pages in {}\n", folder.display()))
            }
        }
    }
}
