//! `cargo xtask image`: a disk image that any PC boots, with a scenario's cells in its menu.

use crate::runner::iso::{self, Entry};
use crate::runner::kernel::Kernel;
use crate::runner::scenario::Scenario;
use crate::runner::words::join;
use bringup::boot_options::BootOptions;
use bringup::contract::MAX_COMMAND_LINE;
use bringup::plan::CELL;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::text::counted;
use miette::miette;
use std::path::Path;

/// How long GRUB waits for a choice before it boots the first entry, in seconds.
const TIMEOUT: u32 = 5;

/// Writes the image of a scenario; `boot_options` go before the options of every entry. Gives a text on what it holds.
///
/// The engines and CPU counts of the scenario do not count: the machine that boots is the engine.
pub fn write(
    scenario: &Scenario,
    boot_options: &str,
    kernel: &Kernel,
    file: &Path,
) -> Result<String, Failure> {
    for word in boot_options.split_ascii_whitespace() {
        check(word)?;
    }
    let entries = entries(scenario, boot_options);
    if let Some(long) = entries.iter().find(|entry| entry.words.len() > MAX_COMMAND_LINE) {
        return Err(Failure::Request(miette!(
            help = "leave cells out of the scenario",
            "the entry `{}` has {} bytes of options: the kernel takes {MAX_COMMAND_LINE} at most",
            long.title,
            long.words.len()
        )));
    }
    iso::write(&kernel.path, &entries, TIMEOUT, file)?;
    let path = file.display();
    Ok(format!(
        "{path}\n{} in the menu, the first boots after {TIMEOUT} s; kernel {}\n\
         in QEMU:        qemu-system-x86_64 -smp 4 -cdrom {path} -serial file:capture.bin\n\
         to a USB stick: dd if={path} of=/dev/sdX bs=4M    (as root; it overwrites the stick)",
        counted(entries.len() as u64, "line"),
        kernel.described.sha256
    ))
}

fn check(word: &str) -> Result<(), Failure> {
    let wrong = match BootOptions::key(word) {
        Some(_) => BootOptions::default().set_word(word).err().map(|error| error.to_string()),
        None => Some(format!(
            "`{word}` is no option of the whole boot: expected {}",
            BootOptions::names().collect::<Vec<_>>().join(", ")
        )),
    };
    match wrong {
        None => Ok(()),
        Some(wrong) => {
            Err(Failure::Request(miette!(help = "options of cells are in the scenario", "{wrong}")))
        }
    }
}

/// A menu: every cell of the scenario in one boot, then each by itself.
fn entries(scenario: &Scenario, boot_options: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    // All groups have the same cells, but for those that an engine or a CPU count refuses.
    let most = scenario.groups.iter().max_by_key(|group| {
        group.command_lines.iter().map(|line| line.profiles.len()).sum::<usize>()
    });
    let Some(group) = most else { return entries };
    for line in &group.command_lines {
        let own = group.engine.own_words();
        let words = line.words.strip_prefix(own).unwrap_or(&line.words).trim_start();
        let all = join(boot_options, words);
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        let mut sections = words.split(|word| *word == CELL).map(|section| section.join(" "));
        let common = join(boot_options, &sections.next().unwrap_or_default());
        let cells: Vec<String> = sections.collect();
        if cells.len() != 1 {
            let cells = cells.len().max(1) as u64;
            entries.push(Entry { title: format!("all {}", counted(cells, "cell")), words: all });
        }
        entries.extend(cells.into_iter().map(|cell| Entry {
            words: join(&common, &cell),
            title: if cell.is_empty() { "defaults".to_owned() } else { cell },
        }));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::engine::named;
    use std::time::Duration;

    #[test]
    fn the_menu_has_all_cells_in_one_boot_and_each_by_itself() {
        let words = "repetitions=5 cell strategy=serial cell strategy=full-parallel wait=spin";
        let limit = Duration::from_secs(1);
        let scenario = Scenario::single(&[named("icount").unwrap()], &[4], words, limit).unwrap();
        let found: Vec<(String, String)> = entries(&scenario, "serial=0x2f8")
            .into_iter()
            .map(|Entry { title, words }| (title, words))
            .collect();
        let expected = [
            ("all 2 cells", format!("serial=0x2f8 {words}")),
            ("strategy=serial", "serial=0x2f8 repetitions=5 strategy=serial".to_owned()),
            (
                "strategy=full-parallel wait=spin",
                "serial=0x2f8 repetitions=5 strategy=full-parallel wait=spin".to_owned(),
            ),
        ];
        assert_eq!(found, expected.map(|(title, words)| (title.to_owned(), words)));
    }

    #[test]
    fn only_options_of_the_whole_boot_are_put_before_every_entry() {
        assert!(check("apic=x2apic").is_ok());
        assert!(check("apic=x3").is_err() && check("strategy=serial").is_err());
    }
}
