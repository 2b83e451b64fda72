//! `madt`: the CPUs of a machine's MADT, as the kernel takes them.

use super::output::{json_text, print};
use crate::ground::failure::Failure;
use crate::ground::width::wrapped;
use crate::present::format::Format;
use crate::present::madt::{Census, json, table};
use crate::source::madt::read;
use std::path::PathBuf;

/// Shows the CPUs that a MADT lists, in the kernel's order, and what is odd about the table.
///
/// The verdicts are Linux's: an x2APIC entry below 255 is ignored where local APIC entries list the CPUs, disabled entries list
/// no CPU whatever their ID, a bad checksum is told and the table used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo analyze madt /sys/firmware/acpi/tables/APIC
  cargo analyze madt acpidump.txt --bsp 0x10 --format json | jq '.cpus | length'")]
pub struct Madt {
    /// A raw table, or the text of `acpidump`
    file: PathBuf,
    /// The BSP's APIC ID [default: that of the first enabled CPU]
    #[arg(long, value_name = "ID", value_parser = apic_id)]
    bsp: Option<u32>,
    /// What to print
    #[arg(long, default_value = "table", value_parser = Format::one_of(&[Format::Table, Format::Json]))]
    format: Format,
}

fn apic_id(text: &str) -> Result<u32, String> {
    let read = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    read.map_err(|_| "expected an APIC ID, as `16` or `0x10`".to_owned())
}

impl Madt {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let census = Census::of(&read(&self.file)?, self.bsp);
        print(&match self.format {
            Format::Json => json_text(&json(&census)),
            _ => wrapped(&table(&census)),
        })
    }
}
