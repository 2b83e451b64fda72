//! The CPUs of a MADT (ACPI, "Multiple APIC Description Table"): which take part, by the verdicts of Linux
//! (arch/x86/kernel/acpi/boot.c).
//!
//! The bytes are a firmware's: every length is checked, and the walk ends at the first that is impossible. (The iterator
//! of the crate `acpi` stays where it is at an entry of length 0, so the walk is our own.)

use crate::ApicId;
use core::fmt;

#[cfg(test)]
mod tests;

/// The length of the table's header and of the two fields before its first entry.
const HEAD: usize = 44;

/// The length of the shortest entry of a CPU.
pub const SHORTEST_CPU: usize = 8;

/// "Local APIC Flags": the CPU can be used.
const ENABLED: u32 = 1 << 0;

/// What a table lists a CPU by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// "Processor Local APIC", type 0.
    LocalApic,
    /// "Processor Local x2APIC", type 9.
    LocalX2Apic,
}

impl Form {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Form::LocalApic => "local-apic",
            Form::LocalX2Apic => "local-x2apic",
        }
    }
}

/// The entry of a BSP that is not listed.
pub const UNLISTED: u16 = u16::MAX;

/// An entry of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which entry of the table, from 0.
    pub entry: u16,
    /// Its form.
    pub form: Form,
    /// The APIC ID.
    pub apic_id: ApicId,
    /// True where the CPU can be used.
    pub enabled: bool,
}

/// What is odd about a table, or one of its entries. None of it keeps the others from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Which entry, from 0; `None` for the table.
    pub entry: Option<u16>,
    /// What is odd.
    pub what: Oddity,
}

/// What is odd; `kind` is an entry's type, `length` what its second byte says, `apic_id` that of an enabled CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are said above")]
pub enum Oddity {
    /// The bytes do not add up to 0.
    Checksum,
    /// The header states another length than the bytes have.
    Length { stated: u32, bytes: u32 },
    /// An entry is shorter than its own head, or ends beyond the table: nothing after it is read.
    Cut { kind: u8, length: u8 },
    /// An entry has another length than the specification gives its type: it is passed over.
    WrongLength { kind: u8, length: u8, expected: u8 },
    /// A type that is reserved, or left to the maker of the machine: it is passed over.
    Unknown { kind: u8 },
    /// "Multiprocessor Wakeup", type 0x10.
    Mailbox,
    /// An ID that means none (0xff, 0xffffffff).
    NoId { apic_id: ApicId },
    /// A CPU is listed again.
    Again { apic_id: ApicId },
    /// An x2APIC entry has an ID below 255 although local APIC entries list the CPUs: it is ignored.
    Below255 { apic_id: ApicId },
    /// The BSP is not the first CPU of the list.
    BspLater,
    /// The BSP is not in the list.
    BspMissing,
}

impl Oddity {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Oddity::Checksum => "checksum",
            Oddity::Length { .. } => "length",
            Oddity::Cut { .. } => "cut",
            Oddity::WrongLength { .. } => "wrong-length",
            Oddity::Unknown { .. } => "unknown-type",
            Oddity::Mailbox => "mailbox",
            Oddity::NoId { .. } => "no-id",
            Oddity::Again { .. } => "again",
            Oddity::Below255 { .. } => "x2apic-below-255",
            Oddity::BspLater => "bsp-later",
            Oddity::BspMissing => "bsp-missing",
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Oddity::Checksum => f.write_str("the table's bytes do not add up to 0"),
            Oddity::Length { stated, bytes } => {
                write!(f, "the table states {stated} bytes and has {bytes}")
            }
            Oddity::Cut { kind, length } => write!(
                f,
                "the entry of type {kind:#04x} and length {length} has no room for itself: nothing after it is read"
            ),
            Oddity::WrongLength { kind, length, expected } => write!(
                f,
                "the entry of type {kind:#04x} has length {length} instead of {expected}, and is passed over"
            ),
            Oddity::Unknown { kind } => {
                let whose = if kind < 0x80 { "is reserved" } else { "is the machine's maker's" };
                write!(f, "type {kind:#04x} {whose}, and is passed over")
            }
            Oddity::Mailbox => f.write_str("APs are woken by mailbox: not supported"),
            Oddity::NoId { apic_id } => {
                write!(f, "the enabled CPU has the APIC ID {:#x}, which means none", apic_id.0)
            }
            Oddity::Again { apic_id } => {
                write!(f, "the enabled CPU with APIC ID {:#x} is listed again", apic_id.0)
            }
            Oddity::Below255 { apic_id } => write!(
                f,
                "the x2APIC entry with APIC ID {:#x} is ignored: local APIC entries list the CPUs below 255",
                apic_id.0
            ),
            Oddity::BspLater => f.write_str("the BSP is not listed first"),
            Oddity::BspMissing => f.write_str("the BSP is not listed"),
        }
    }
}

/// An entry as it lies in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Which one, from 0.
    pub number: u16,
    /// Its type.
    pub kind: u8,
    /// All of its bytes, type and length among them.
    pub bytes: &'a [u8],
}

/// The entries of a table, until one has no room for itself.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
    number: u16,
    /// The entry that has no room.
    cut: Option<Lint>,
}

impl<'a> Entries<'a> {
    /// Those of a table's bytes, its header first.
    pub fn of(table: &'a [u8]) -> Entries<'a> {
        Entries { rest: table.get(HEAD..).unwrap_or_default(), number: 0, cut: None }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let (&kind, &length) = (self.rest.first()?, self.rest.get(1).unwrap_or(&0));
        // An entry has at least its type and its length, so each step goes on.
        let Some(bytes) = self.rest.get(..length.into()).filter(|bytes| bytes.len() >= 2) else {
            self.cut = Some(Lint { entry: Some(self.number), what: Oddity::Cut { kind, length } });
            self.rest = &[];
            return None;
        };
        self.rest = &self.rest[bytes.len()..];
        let number = self.number;
        self.number = number.saturating_add(1);
        Some(Raw { number, kind, bytes })
    }
}

/// The length that the specification gives an entry of a type; `None` where it gives none.
const fn length_of(kind: u8) -> Option<u8> {
    Some(match kind {
        0x00 | 0x03 => 8,
        0x01 | 0x05 | 0x0a => 12,
        0x02 => 10,
        0x04 => 6,
        0x06 | 0x09 | 0x10 => 16,
        _ => return None,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The CPU of an entry; `None` where it is of something else, or its length is wrong.
fn cpu(raw: &Raw<'_>) -> Option<Listed> {
    let (form, id, flags) = match (raw.kind, raw.bytes.len()) {
        (0, 8) => (Form::LocalApic, u32::from(raw.bytes[3]), u32_at(raw.bytes, 4)?),
        (9, 16) => (Form::LocalX2Apic, u32_at(raw.bytes, 4)?, u32_at(raw.bytes, 8)?),
        _ => return None,
    };
    let enabled = flags & ENABLED != 0;
    Some(Listed { entry: raw.number, form, apic_id: ApicId(id), enabled })
}

/// How many entries of CPUs do not take part, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Entries that are not enabled: the CPU is absent, or only online-capable. Their IDs mean nothing: firmware fills in 0,
    /// or the IDs of other CPUs.
    pub disabled: usize,
    /// Further enabled entries of a CPU, and x2APIC entries that local APIC entries make superfluous.
    pub repeated: usize,
    /// Enabled CPUs without an ID.
    pub without_id: usize,
}

/// Where the CPUs that take part go, in their order.
pub trait Roll {
    /// True where this CPU is there.
    fn has(&self, apic_id: ApicId) -> bool;
    /// Takes the next one.
    fn add(&mut self, cpu: Listed);
}

/// Adds the CPUs that take part to a roll, the BSP first even where it is listed later or not at all, and hands out what
/// is odd about the table.
///
/// Bytes beyond the stated length are not read.
pub fn census(
    table: &[u8],
    bsp: ApicId,
    roll: &mut impl Roll,
    mut lint: impl FnMut(Lint),
) -> LeftOut {
    let table = linted(table, &mut lint);
    let listed = || Entries::of(table).filter_map(|raw| cpu(&raw));
    let enabled = || listed().filter(|cpu| cpu.enabled);
    let has_id = |cpu: &Listed| match cpu.form {
        Form::LocalApic => cpu.apic_id.0 != 0xff,
        Form::LocalX2Apic => cpu.apic_id.0 != u32::MAX,
    };
    let local_apics = enabled().any(|cpu| cpu.form == Form::LocalApic && has_id(&cpu));
    let is_below =
        |cpu: &Listed| local_apics && cpu.form == Form::LocalX2Apic && cpu.apic_id.0 < 0xff;
    let counts = |cpu: &Listed| has_id(cpu) && !is_below(cpu);
    // The BSP runs, so it takes part whatever the table says of it.
    let first = enabled().find(counts).map(|cpu| cpu.apic_id);
    let own = enabled().filter(counts).find(|cpu| cpu.apic_id == bsp);
    match own {
        None => lint(Lint { entry: None, what: Oddity::BspMissing }),
        Some(_) if first != Some(bsp) => lint(Lint { entry: None, what: Oddity::BspLater }),
        Some(_) => {}
    }
    let unlisted = Listed { entry: UNLISTED, form: Form::LocalApic, apic_id: bsp, enabled: true };
    let own = own.unwrap_or(unlisted);
    roll.add(own);
    let mut left =
        LeftOut { disabled: listed().filter(|cpu| !cpu.enabled).count(), ..LeftOut::default() };
    for cpu in enabled().filter(|cpu| *cpu != own) {
        let what = if !has_id(&cpu) {
            left.without_id += 1;
            Oddity::NoId { apic_id: cpu.apic_id }
        } else if is_below(&cpu) {
            left.repeated += 1;
            Oddity::Below255 { apic_id: cpu.apic_id }
        } else if cpu.apic_id == bsp || roll.has(cpu.apic_id) {
            left.repeated += 1;
            Oddity::Again { apic_id: cpu.apic_id }
        } else {
            roll.add(cpu);
            continue;
        };
        lint(Lint { entry: Some(cpu.entry), what });
    }
    left
}

/// The first CPU of a table that takes part.
pub fn first(table: &[u8]) -> Option<Listed> {
    struct First(Option<Listed>);

    impl Roll for First {
        fn has(&self, _: ApicId) -> bool {
            false
        }

        fn add(&mut self, cpu: Listed) {
            if cpu.entry != UNLISTED {
                self.0.get_or_insert(cpu);
            }
        }
    }

    let mut first = First(None);
    // No CPU has this ID, so the BSP is in no entry.
    census(table, ApicId(u32::MAX), &mut first, |_| ());
    first.0
}

/// The bytes of a table as far as it says; hands out what is odd about them and about each entry by itself.
fn linted<'a>(table: &'a [u8], lint: &mut impl FnMut(Lint)) -> &'a [u8] {
    let of_table = |what: Oddity| Lint { entry: None, what };
    let stated = u32_at(table, 4).unwrap_or(0);
    let bytes = table.len() as u32;
    if stated != bytes {
        lint(of_table(Oddity::Length { stated, bytes }));
    }
    let table = &table[..table.len().min(stated as usize)];
    if table.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)) != 0 {
        lint(of_table(Oddity::Checksum));
    }
    let mut entries = Entries::of(table);
    for raw in entries.by_ref() {
        if let Some(what) = odd_entry(&raw) {
            lint(Lint { entry: Some(raw.number), what });
        }
    }
    if let Some(cut) = entries.cut {
        lint(cut);
    }
    table
}

/// What is odd about an entry by itself.
fn odd_entry(raw: &Raw<'_>) -> Option<Oddity> {
    let (kind, length) = (raw.kind, raw.bytes.len() as u8);
    match length_of(kind) {
        Some(expected) if length != expected => {
            Some(Oddity::WrongLength { kind, length, expected })
        }
        Some(_) => (kind == 0x10).then_some(Oddity::Mailbox),
        // Types up to 0x1f are taken, by other architectures and later editions.
        None => (kind > 0x1f).then_some(Oddity::Unknown { kind }),
    }
}
