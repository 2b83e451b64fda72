//! Tables of the field by the lists of their entries, and oddities made up.

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
        ("0 4", 0, [0u8, 4, 4].repeat(10).into_iter().map(|id| local(id, 2)).collect(), 30, vec![]),
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
    assert_eq!(read(&with(&[]), 2), (vec![2, 0], LeftOut::default(), vec![(None, "bsp-later")]));
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
