//! A disk image with GRUB, the kernel, and a menu of command lines: what PCs boot, by BIOS or UEFI.

use crate::runner::process::{Output, finish};
use host_analyzer::ground::failure::Failure;
use miette::miette;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The program that makes it.
pub const PROGRAM: &str = "grub-mkrescue";

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A line of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the menu shows.
    pub title: String,
    /// The kernel's command line.
    pub words: String,
}

/// Writes the image: GRUB boots the first entry after so many seconds. Equal kernels and entries give equal bytes.
pub fn write(kernel: &Path, entries: &[Entry], timeout: u32, file: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::Environment(miette!("can't put the files of an image together: {error}"))
    };
    let content = tempfile::tempdir().map_err(failed)?;
    let boot = content.path().join("boot");
    fs::create_dir_all(boot.join("grub")).map_err(failed)?;
    fs::copy(kernel, boot.join("rollcall")).map_err(failed)?;
    fs::write(boot.join("grub/grub.cfg"), menu(entries, timeout)).map_err(failed)?;
    let mut command = Command::new(PROGRAM);
    command.arg("-o").arg(file).arg(content.path());
    // GRUB finds its files by the volume's date, which is the current one otherwise.
    command.args(["--", "-volume_date", "uuid", "2000010100000000"]);
    command.args(["-volume_date", "all_file_dates", "2000010100000000"]);
    finish(&mut command, Output::Kept, Some(LIMIT), |_| ())?
        .succeeded(PROGRAM, "it needs xorriso, mtools and GRUB's files for BIOS and UEFI")
}

/// GRUB's configuration.
fn menu(entries: &[Entry], timeout: u32) -> String {
    let entries = entries.iter().map(|Entry { title, words }| {
        let words = words.split_ascii_whitespace().map(|word| format!(" {}", quoted(word)));
        let title = quoted(title);
        format!(
            "menuentry {title} {{\n  multiboot2 /boot/rollcall{}\n}}\n",
            words.collect::<String>()
        )
    });
    format!("set timeout={timeout}\n{}", entries.collect::<String>())
}

/// A word that GRUB takes as it is. No option has a quotation mark.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grub_takes_every_word_as_it_is() {
        let entry = Entry {
            title: "icount, 4 CPUs".to_owned(),
            words: "strategy=serial cost-callin=1ms,2-3:{5ms} cell".to_owned(),
        };
        assert_eq!(
            menu(&[entry], 5),
            "set timeout=5\nmenuentry 'icount, 4 CPUs' {\n  multiboot2 /boot/rollcall 'strategy=serial' \
             'cost-callin=1ms,2-3:{5ms}' 'cell'\n}\n"
        );
    }
}
