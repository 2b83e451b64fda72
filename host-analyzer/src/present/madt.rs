//! A MADT's CPUs and oddities: a table for people, JSON for programs.

use crate::ground::text::counted;
use crate::present::schema;
use crate::present::table::{NONE, Table};
use bringup::ApicId;
use bringup::madt::{self, LeftOut, Lint, Listed, Roll};
use serde_json::{Value, json};
use std::collections::HashSet;

/// What a table says.
#[derive(Debug, Default)]
pub struct Census {
    cpus: Vec<Listed>,
    known: HashSet<u32>,
    lints: Vec<Lint>,
    left: LeftOut,
}

impl Roll for Census {
    fn has(&self, apic_id: ApicId) -> bool {
        self.known.contains(&apic_id.0)
    }

    fn add(&mut self, cpu: Listed) {
        self.known.insert(cpu.apic_id.0);
        self.cpus.push(cpu);
    }
}

impl Census {
    /// That of a table, where the BSP has this APIC ID; by default that of the first enabled CPU.
    pub fn of(table: &[u8], bsp: Option<u32>) -> Census {
        let first = || madt::first(table).map_or(0, |cpu| cpu.apic_id.0);
        let mut census = Census::default();
        let mut lints = Vec::new();
        let bsp = ApicId(bsp.unwrap_or_else(first));
        census.left = madt::census(table, bsp, &mut census, |lint| lints.push(lint));
        census.lints = lints;
        census
    }
}

/// A row for each CPU, and a line for each oddity. Ends with a newline.
pub fn table(census: &Census) -> String {
    let cpus = &census.cpus;
    let mut table = Table::of(cpus.len());
    table.numbers("CPU", (0..cpus.len()).map(|cpu| cpu.to_string()));
    table.numbers("APIC ID", cpus.iter().map(|cpu| format!("{:#x}", cpu.apic_id.0)));
    table.numbers(
        "entry",
        cpus.iter().map(|cpu| entry(cpu).map_or(NONE.to_owned(), |entry| entry.to_string())),
    );
    table.words("form", cpus.iter().map(|cpu| cpu.form.name().to_owned()));
    let LeftOut { disabled, repeated, without_id } = census.left;
    table.notes = vec![
        String::new(),
        format!(
            "{}; left out: {disabled} not enabled, {repeated} listed a second time, {without_id} without an ID",
            counted(cpus.len() as u64, "CPU")
        ),
    ];
    table.notes.extend(census.lints.iter().map(|lint| match lint.entry {
        Some(entry) => format!("entry {entry}: {}", lint.what),
        None => lint.what.to_string(),
    }));
    table.terminal()
}

/// The entry of a CPU; `None` for a BSP that is not listed.
fn entry(cpu: &Listed) -> Option<u16> {
    (cpu.entry != madt::UNLISTED).then_some(cpu.entry)
}

/// The same as JSON: `{"schema": 1, "bsp": …, "cpus": [{"apic_id", "entry"}], "disabled": …, "lints": [{"name", "entry", "text"}]}`.
pub fn json(census: &Census) -> Value {
    let cpus = census.cpus.iter();
    let cpus = cpus.map(
        |cpu| json!({ "apic_id": cpu.apic_id.0, "entry": entry(cpu), "form": cpu.form.name() }),
    );
    let lints = census.lints.iter();
    let lints = lints.map(|lint| json!({ "name": lint.what.name(), "entry": lint.entry, "text": lint.what.to_string() }));
    json!({
        "schema": schema::MADT,
        "bsp": census.cpus.first().map(|cpu| cpu.apic_id.0),
        "cpus": cpus.collect::<Vec<_>>(),
        "disabled": census.left.disabled,
        "repeated": census.left.repeated,
        "without_id": census.left.without_id,
        "lints": lints.collect::<Vec<_>>(),
    })
}
