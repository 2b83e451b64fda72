//! The CPUs of a MADT (ACPI, "Multiple APIC Description Table"): which take part, by the verdicts of Linux
//! (arch/x86/kernel/acpi/boot.c).
//!
//! The bytes are a firmware's: every length is checked, and the walk ends at the first that is impossible. (The iterator
//! of the crate `acpi` stays where it is at an entry of length 0, so the walk is our own.)

use crate::ApicId;
use core::fmt;

/// The length of the table's header and of the two fields before its first entry.
const HEAD: usize = 44;

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
        None => lint(of_table(Oddity::BspMissing)),
        Some(_) if first != Some(bsp) => lint(of_table(Oddity::BspLater)),
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

/// The first enabled CPU of a table.
pub fn first(table: &[u8]) -> Option<Listed> {
    Entries::of(table).filter_map(|raw| cpu(&raw)).find(|cpu| cpu.enabled)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, proptest};

    /// A table with these entries, its length and checksum right.
    fn table(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut table = [b"APIC".to_vec(), vec![0; HEAD - 4], entries.concat()].concat();
        let length = table.len() as u32;
        table[4..8].copy_from_slice(&length.to_le_bytes());
        table[9] = table.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
        table
    }

    fn local(id: u8, flags: u8) -> Vec<u8> {
        vec![0, 8, 1, id, flags, 0, 0, 0]
    }

    fn x2apic(id: u32, flags: u8) -> Vec<u8> {
        [&[9, 16, 0, 0][..], &id.to_le_bytes(), &[flags, 0, 0, 0, 1, 0, 0, 0]].concat()
    }

    #[derive(Default)]
    struct Ids(Vec<u32>);

    impl Roll for Ids {
        fn has(&self, apic_id: ApicId) -> bool {
            self.0.contains(&apic_id.0)
        }

        fn add(&mut self, cpu: Listed) {
            self.0.push(cpu.apic_id.0);
        }
    }

    /// The APIC IDs that take part, what is left out, and the oddities, each with its entry.
    type Read = (Vec<u32>, LeftOut, Vec<(Option<u16>, &'static str)>);

    fn read(table: &[u8], bsp: u32) -> Read {
        let (mut ids, mut lints) = (Ids::default(), Vec::new());
        let left = census(table, ApicId(bsp), &mut ids, |lint| {
            assert!(!lint.what.to_string().is_empty());
            lints.push((lint.entry, lint.what.name()));
        });
        (ids.0, left, lints)
    }

    /// The enabled IDs, the BSP, the disabled entries, how many these are, and what stands between.
    type Field = (&'static str, u32, Vec<Vec<u8>>, usize, Vec<Vec<u8>>);

    /// The enabled IDs of real tables in their order, how many entries are disabled and with which IDs, and which
    /// entries stand between.
    #[test]
    fn tables_of_the_field_give_their_cpus() {
        let hex = |text: &str| -> Vec<u8> {
            text.split(' ').map(|id| u8::from_str_radix(id, 16).unwrap()).collect()
        };
        let cases: [Field; 7] = [
            (
                "10 11 18 19 20 21 28 29 30 31 38 39 0 2 4 6 8 a c e 40 42",
                0x10,
                vec![x2apic(u32::MAX, 0); 26],
                26,
                vec![],
            ),
            ("20 21 22 23 40 41 42 43 60 61 62 63", 0x20, vec![], 0, vec![]),
            (
                "0 2 4 6 8 10 12 14 16 18 1 3 5 7 9 11 13 15 17 19",
                0,
                [vec![local(0xff, 0); 46], vec![x2apic(u32::MAX, 0); 46]].concat(),
                92,
                vec![vec![0x7f, 6, 0, 0, 0, 0]; 2],
            ),
            ("0 2 1 3", 0, (4..8).map(|id| local(id, 0)).collect(), 4, vec![vec![0xff, 3, 0]]),
            ("0 2 4 6 20 22 24 26", 0, vec![local(0, 0); 56], 56, vec![]),
            (
                "0 4",
                0,
                [0u8, 4, 4].repeat(10).into_iter().map(|id| local(id, 2)).collect(),
                30,
                vec![],
            ),
            ("0 2 4 6 8 a c e 10 12 14 16 18 1a 1c 1e 1 3", 0, vec![local(0, 0); 96], 96, vec![]),
        ];
        for (enabled, bsp, disabled, count, between) in cases {
            let ids = hex(enabled);
            let enabled: Vec<Vec<u8>> = ids.iter().map(|id| local(*id, 1)).collect();
            let odd = between.len();
            // Firmware puts the disabled ones behind, before or among the others.
            for entries in [
                [enabled.clone(), between.clone(), disabled.clone()].concat(),
                [disabled.clone(), enabled, between].concat(),
            ] {
                let (found, left, lints) = read(&table(&entries), bsp);
                assert_eq!(found, ids.iter().copied().map(u32::from).collect::<Vec<_>>());
                assert_eq!((left.disabled, left.repeated, left.without_id), (count, 0, 0));
                assert_eq!(lints.len(), odd, "{lints:?}");
            }
        }
        // x2APIC entries alone.
        let entries: Vec<Vec<u8>> = [0, 8, 0x10, 0x18, 0x20].map(|id| x2apic(id, 1)).into();
        assert_eq!(read(&table(&entries), 0).0, [0, 8, 0x10, 0x18, 0x20]);
    }

    #[test]
    fn oddities_are_named_and_the_rest_is_used() {
        let good = [local(0, 1), local(2, 1)];
        let with = |more: &[Vec<u8>]| table(&[&good[..], more].concat());
        let of = |more: &[Vec<u8>]| read(&with(more), 0);
        assert_eq!(of(&[]), (vec![0, 2], LeftOut::default(), vec![]));
        // Both forms for each CPU, and one beyond the reach of the first form.
        let (ids, left, lints) = of(&[x2apic(0, 1), x2apic(2, 1), x2apic(0x100, 1)]);
        assert_eq!((ids, left.repeated), (vec![0, 2, 0x100], 2));
        assert_eq!(lints, [(Some(2), "x2apic-below-255"), (Some(3), "x2apic-below-255")]);
        // A local APIC entry without an ID lists no CPU, so the other form counts.
        let (ids, left, lints) = read(&table(&[local(0xff, 1), x2apic(0, 1), x2apic(1, 1)]), 0);
        assert_eq!((ids, left.without_id, lints), (vec![0, 1], 1, vec![(Some(0), "no-id")]));
        for (more, name, entry) in [
            (local(2, 1), "again", 2),
            (local(0, 1), "again", 2),
            (x2apic(u32::MAX, 1), "no-id", 2),
            (vec![0x10, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "mailbox", 2),
            (vec![0, 9, 1, 4, 1, 0, 0, 0, 0], "wrong-length", 2),
            (vec![0x7f, 2], "unknown-type", 2),
            (vec![0, 0], "cut", 2),
            (vec![0, 1], "cut", 2),
            (vec![0, 200, 1, 4], "cut", 2),
            (vec![9], "cut", 2),
        ] {
            let (ids, _, lints) = of(std::slice::from_ref(&more));
            assert_eq!((ids, lints), (vec![0, 2], vec![(Some(entry), name)]), "{more:?}");
        }
        assert_eq!(
            read(&with(&[]), 2),
            (vec![2, 0], LeftOut::default(), vec![(None, "bsp-later")])
        );
        assert_eq!(read(&with(&[]), 9).2, [(None, "bsp-missing")]);
        let mut bad = with(&[]);
        bad[9] ^= 1;
        assert_eq!(read(&bad, 0), (vec![0, 2], LeftOut::default(), vec![(None, "checksum")]));
        let mut longer = with(&[]);
        longer.push(0);
        assert_eq!((read(&longer, 0).0, read(&longer, 0).2), (vec![0, 2], vec![(None, "length")]));
        assert_eq!(read(&[], 7).0, [7]);
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_roll_without_doubles(bytes in proptest::collection::vec(any::<u8>(), 0..400), bsp in 0u32..300) {
            let mut table = bytes;
            if table.len() >= 8 {
                let length = table.len() as u32;
                table[4..8].copy_from_slice(&length.to_le_bytes());
            }
            let (ids, _, _) = read(&table, bsp);
            prop_assert!(ids[0] == bsp);
            let mut sorted = ids.clone();
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert!(sorted.len() == ids.len());
        }
    }
}
