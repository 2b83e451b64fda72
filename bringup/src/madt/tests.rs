//! Tables of the field by the lists of their entries, and oddities made up.

use super::*;
use proptest::prelude::{Strategy, any, prop_assert, prop_oneof, proptest};

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

/// What is odd, a line each.
fn lines(table: &[u8], bsp: u32) -> Vec<String> {
    let mut lines = Vec::new();
    census(table, ApicId(bsp), &mut Ids::default(), |Lint { entry, what }| {
        lines.push(entry.map_or(what.to_string(), |entry| format!("entry {entry}: {what}")));
    });
    lines
}

/// A table of the field: its enabled IDs in their order, the first of them the BSP's; its disabled entries; what else it has.
struct Field {
    enabled: Vec<u32>,
    form: fn(u32) -> Vec<u8>,
    disabled: Vec<Vec<u8>>,
    others: Vec<Vec<u8>>,
    lints: usize,
}

fn hex(text: &str) -> Vec<u32> {
    text.split(' ').map(|id| u32::from_str_radix(id, 16).unwrap()).collect()
}

/// Ten tables of real machines, by the lists of their entries.
fn field() -> Vec<Field> {
    let lapic: fn(u32) -> Vec<u8> = |id| local(id as u8, 1);
    let lx2apic: fn(u32) -> Vec<u8> = |id| x2apic(id, 1);
    let field =
        |enabled, form, disabled| Field { enabled, form, disabled, others: vec![], lints: 0 };
    let blades: Vec<u32> =
        (0x20..0x30).chain(0x40..0x50).chain(0x60..0x70).chain(0x80..0x90).collect();
    let cores = (0..0x0a).step_by(2).chain((0x10..0x1a).step_by(2));
    let cores = cores.clone().chain(cores.map(|core| core + 1));
    let four_packages =
        cores.flat_map(|core| [0, 0x20, 0x40, 0x60].map(|package| package + core)).collect();
    let threads = (0..0x20).step_by(2).chain((1..0x20).step_by(2)).collect();
    vec![
        // A Meteor Lake whose BSP has APIC ID 0x10.
        field(
            hex("10 11 18 19 20 21 28 29 30 31 38 39 0 2 4 6 8 a c e 40 42"),
            lx2apic,
            vec![x2apic(u32::MAX, 0); 26],
        ),
        // Four packages, and no CPU with APIC ID 0.
        field(blades, lapic, vec![]),
        field(four_packages, lapic, (0xd0..=0xdf).map(|id| local(id, 0)).collect()),
        // Entries of the maker's between the enabled and the disabled ones.
        Field {
            others: vec![vec![0x7f, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]; 28],
            lints: 28,
            ..field(
                hex("0 2 4 6 8 10 12 14 16 18 1 3 5 7 9 11 13 15 17 19"),
                lapic,
                [vec![local(0xff, 0); 36], vec![x2apic(u32::MAX, 0); 56]].concat(),
            )
        },
        Field {
            others: vec![vec![0xff, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
            lints: 1,
            ..field(hex("0 2 1 3"), lapic, [4, 6, 5, 7].map(|id| local(id, 0)).into())
        },
        // Disabled entries that repeat the ID of an enabled one.
        field(hex("0 2 4 6 20 22 24 26"), lapic, vec![local(0, 0); 56]),
        field(
            hex("0 4"),
            lapic,
            [5u8, 7, 0, 4, 0, 4].repeat(5).into_iter().map(|id| local(id, 0)).collect(),
        ),
        field(hex("0 1 8 9 10 11 18 19 20 22 24 26 28 2a 2c 2e"), lapic, vec![local(0xff, 0); 16]),
        field(threads, lapic, vec![local(0, 0); 96]),
        // x2APIC entries alone.
        field(hex("0 8 10 18 20 22 24 26 28 2a 2c 2e 40 42 44 46"), lx2apic, vec![]),
    ]
}

#[test]
fn tables_of_the_field_give_their_cpus() {
    let counts: Vec<usize> = field().iter().map(|field| field.enabled.len()).collect();
    assert_eq!(counts, [22, 64, 80, 20, 4, 8, 2, 16, 32, 16]);
    for Field { enabled, form, disabled, others, lints } in field() {
        let cpus: Vec<Vec<u8>> = enabled.iter().map(|id| form(*id)).collect();
        // Firmware puts the disabled ones behind, before or among the others.
        for entries in [
            [cpus.clone(), others.clone(), disabled.clone()].concat(),
            [disabled.clone(), cpus, others].concat(),
        ] {
            let table = table(&entries);
            let (found, left, names) = read(&table, enabled[0]);
            assert_eq!(found, enabled);
            assert_eq!((left.disabled, left.repeated, left.without_id), (disabled.len(), 0, 0));
            assert!(names.iter().all(|(_, name)| *name == "unknown-type"), "{names:?}");
            assert_eq!(names.len(), lints);
        }
    }
}

/// A table, the CPU that runs, those that take part, what is left out, what is said.
type Made<'a> = (Vec<u8>, u32, &'a [u32], LeftOut, &'a [&'a str]);

/// Tables made up from the oddities: what of them takes part, what is left out, and what is said.
#[test]
fn oddities_are_named_and_the_rest_is_used() {
    let with = |more: &[Vec<u8>]| table(&[&[local(0, 1), local(2, 1)][..], more].concat());
    let left = |disabled, repeated, without_id| LeftOut { disabled, repeated, without_id };
    let mailbox = [&[0x10, 16][..], &[0; 14]].concat();
    let (mut bad, mut longer) = (with(&[]), with(&[]));
    bad[9] ^= 1;
    longer.push(0);
    let cases: [Made<'_>; 14] = [
        (with(&[]), 0, &[0, 2], left(0, 0, 0), &[]),
        // Both forms for each CPU, and one beyond the reach of the first form.
        (
            with(&[x2apic(0, 1), x2apic(2, 1), x2apic(0x100, 1)]),
            0,
            &[0, 2, 0x100],
            left(0, 2, 0),
            &[
                "entry 2: the x2APIC entry with APIC ID 0x0 is ignored: local APIC entries list the CPUs below 255",
                "entry 3: the x2APIC entry with APIC ID 0x2 is ignored: local APIC entries list the CPUs below 255",
            ],
        ),
        // A local APIC entry without an ID lists no CPU, so the other form counts.
        (
            table(&[local(0xff, 1), x2apic(0, 1), x2apic(1, 1)]),
            0,
            &[0, 1],
            left(0, 0, 1),
            &["entry 0: the enabled CPU has the APIC ID 0xff, which means none"],
        ),
        (
            with(&[x2apic(u32::MAX, 1), local(4, 1)]),
            0,
            &[0, 2, 4],
            left(0, 0, 1),
            &["entry 2: the enabled CPU has the APIC ID 0xffffffff, which means none"],
        ),
        // An enabled entry again; a disabled one that repeats an ID is only disabled.
        (
            with(&[local(2, 1), local(0, 0)]),
            0,
            &[0, 2],
            left(1, 1, 0),
            &["entry 2: the enabled CPU with APIC ID 0x2 is listed again"],
        ),
        (
            with(&[mailbox]),
            0,
            &[0, 2],
            left(0, 0, 0),
            &["entry 2: APs are woken by mailbox: not supported"],
        ),
        (
            with(&[vec![0, 9, 1, 4, 1, 0, 0, 0, 0], local(6, 1)]),
            0,
            &[0, 2, 6],
            left(0, 0, 0),
            &["entry 2: the entry of type 0x00 has length 9 instead of 8, and is passed over"],
        ),
        (
            with(&[vec![0x7f, 2], vec![0x80, 2], local(6, 1)]),
            0,
            &[0, 2, 6],
            left(0, 0, 0),
            &[
                "entry 2: type 0x7f is reserved, and is passed over",
                "entry 3: type 0x80 is the machine's maker's, and is passed over",
            ],
        ),
        // Without a length that goes on, nothing more is read.
        (
            with(&[vec![0, 0], local(6, 1)]),
            0,
            &[0, 2],
            left(0, 0, 0),
            &[
                "entry 2: the entry of type 0x00 and length 0 has no room for itself: nothing after it is read",
            ],
        ),
        (
            with(&[vec![9, 200, 1, 4]]),
            0,
            &[0, 2],
            left(0, 0, 0),
            &[
                "entry 2: the entry of type 0x09 and length 200 has no room for itself: nothing after it is read",
            ],
        ),
        (with(&[]), 2, &[2, 0], left(0, 0, 0), &["the BSP is not listed first"]),
        (with(&[]), 9, &[9, 0, 2], left(0, 0, 0), &["the BSP is not listed"]),
        (bad, 0, &[0, 2], left(0, 0, 0), &["the table's bytes do not add up to 0"]),
        (longer, 0, &[0, 2], left(0, 0, 0), &["the table states 60 bytes and has 61"]),
    ];
    for (table, bsp, cpus, left, said) in cases {
        let (ids, found, _) = read(&table, bsp);
        assert_eq!((ids.as_slice(), found), (cpus, left), "{said:?}");
        assert_eq!(lines(&table, bsp), said);
    }
    assert_eq!(read(&[], 7).0, [7]);
}

#[test]
fn the_first_cpu_is_one_that_takes_part() {
    let first_of = |entries: &[Vec<u8>]| first(&table(entries)).map(|cpu| cpu.apic_id.0);
    assert_eq!(first_of(&[local(0xff, 1), x2apic(5, 1)]), Some(5));
    assert_eq!(first_of(&[x2apic(7, 1), local(2, 0), local(4, 1)]), Some(4));
    assert_eq!(first_of(&[local(2, 0)]), None);
}

/// What may happen to a table: bytes changed, taken out, put in.
#[derive(Clone, Debug)]
enum Damage {
    Change(usize, u8),
    Cut(usize, usize),
    Insert(usize, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0_usize..4096;
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Damage::Change(at, byte)),
        (at.clone(), 1_usize..40).prop_map(|(at, count)| Damage::Cut(at, count)),
        (at, any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
    ]
}

fn damaged(mut table: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let length = table.len().max(1);
        match *damage {
            Damage::Change(at, byte) => {
                if let Some(place) = table.get_mut(at % length) {
                    *place = byte;
                }
            }
            Damage::Cut(at, count) => {
                let at = at % length;
                table.drain(at.min(table.len())..(at + count).min(table.len()));
            }
            Damage::Insert(at, byte) => table.insert((at % length).min(table.len()), byte),
        }
    }
    table
}

/// A table with every kind of entry.
fn every_kind() -> Vec<u8> {
    table(&[
        local(0, 1),
        local(2, 1),
        x2apic(0x100, 1),
        local(0xff, 0),
        x2apic(u32::MAX, 0),
        vec![0x7f, 6, 0, 0, 0, 0],
        vec![1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![0x10, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        local(4, 1),
    ])
}

proptest! {
    /// Each case reads ten tables, each more damaged than the one before: 2560 in the tests of a change, a million in the
    /// stage `properties` of `--long`.
    #[test]
    fn damaged_tables_are_read_to_an_end(damages in proptest::collection::vec(damage(), 10), bsp in 0_u32..6) {
        for count in 1..=damages.len() {
            let table = damaged(every_kind(), &damages[..count]);
            let (ids, left, _) = read(&table, bsp);
            prop_assert!(ids[0] == bsp);
            let entries = ids.len() - 1 + left.disabled + left.repeated + left.without_id;
            prop_assert!(entries <= table.len() / 8);
        }
    }

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
