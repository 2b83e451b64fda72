//! The contract between the kernel and the program that boots it: limits, ports and exit values. `docs/engines.md` has it as a
//! table. The format of the frames, and its version, are in [`crate::frame`] and [`crate::wire`].

/// The most CPUs of a machine, the BSP counted. In xAPIC mode, whose APIC IDs have eight bits and 255 means all, there are 255
/// at most.
pub const MAX_CPUS: usize = 4096;

/// The highest APIC ID of a CPU in xAPIC mode.
pub const XAPIC_LAST: u32 = 0xfe;

/// The longest command line, in bytes.
///
/// QEMU's loader for PVH kernels copies a command line with its zero byte into 4096 bytes, and writes beyond them
/// without an error (seen with QEMU 7.2: 5000 bytes arrive as 4154, 60 000 hang).
pub const MAX_COMMAND_LINE: usize = 4095;

/// I/O port of the first serial port, on which the kernel sends its frames.
pub const COM1: u16 = 0x3f8;

/// I/O port to which the kernel writes how the boot ended: QEMU's `isa-debug-exit` device.
pub const EXIT_PORT: u16 = 0xf4;

/// How a boot ended: the value that the kernel writes to [`EXIT_PORT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// After the goodbye frame.
    Success = 0x10,
    /// After an error frame.
    Failure = 0x11,
}

impl Exit {
    /// The exit status of QEMU: `isa-debug-exit` makes 2v + 1 of the value v.
    pub const fn qemu_status(self) -> i32 {
        (self as i32) << 1 | 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PROTOCOL;

    const PAGE: &str = include_str!("../../docs/engines.md");

    /// The value in a row of the page's table of the contract: the text of its second column.
    fn stated(row: &str) -> &'static str {
        let mut found = PAGE
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.strip_prefix(row)?.strip_prefix(" | "));
        let value = found.next().unwrap_or_else(|| panic!("docs/engines.md has no row `{row}`"));
        assert_eq!(found.next(), None, "docs/engines.md has two rows `{row}`");
        value.trim_end_matches(" |")
    }

    #[test]
    fn the_page_on_engines_states_the_contract() {
        let ended =
            |how: Exit| format!("{:#x}; QEMU's exit status is {}", how as u8, how.qemu_status());
        for (row, value) in [
            ("CPUs, the BSP counted", format!("1 to {MAX_CPUS}")),
            ("command line", format!("{MAX_COMMAND_LINE} bytes at most")),
            ("I/O port of the frames", format!("{COM1:#x}, the first serial port")),
            ("I/O port of the end", format!("{EXIT_PORT:#x}, QEMU's `isa-debug-exit`")),
            ("written there after the goodbye frame", ended(Exit::Success)),
            ("written there after an error frame", ended(Exit::Failure)),
            ("version of the [wire format](wire-format.md)", PROTOCOL.to_string()),
        ] {
            assert_eq!(stated(row), value, "docs/engines.md, row `{row}`");
        }
    }

    #[test]
    fn the_default_of_longest_command_line_is_the_contracts() {
        assert!(stated("`longest-command-line`").starts_with(&format!("{MAX_COMMAND_LINE} | ")));
    }

    #[test]
    fn the_example_of_an_own_command_keeps_the_contract() {
        let script = include_str!("../../scenarios/boot-qemu.sh");
        let scenario = include_str!("../../scenarios/own-command.toml");
        let status = Exit::Success.qemu_status();
        assert!(script.contains(&format!("isa-debug-exit,iobase={EXIT_PORT:#x},")));
        assert!(scenario.contains(&format!("\nsuccess-status = {status}\n")));
    }
}
