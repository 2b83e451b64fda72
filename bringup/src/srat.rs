//! The nodes of an SRAT (ACPI, "System Resource Affinity Table"): the proximity domain of each CPU, as Linux reads it
//! (arch/x86/mm/srat.c).
//!
//! The bytes are a firmware's: every length is checked, and the walk ends at the first that is impossible.

use crate::ApicId;

/// The length of the table's header and of the reserved fields before its first entry.
const HEAD: usize = 48;

/// Where the header has the table's length and its revision.
const LENGTH: usize = 4;
const REVISION: usize = 8;

/// "Flags": the entry is used.
const ENABLED: u32 = 1 << 0;

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The entries of a table's bytes, type and length among them, until one has no room for itself.
fn entries(table: &[u8]) -> impl Iterator<Item = &[u8]> {
    let stated = u32_at(table, LENGTH).unwrap_or(0) as usize;
    let mut rest = table.get(HEAD..stated.min(table.len())).unwrap_or_default();
    core::iter::from_fn(move || {
        let length = usize::from(*rest.get(1)?);
        let entry = rest.get(..length).filter(|entry| entry.len() >= 2)?;
        rest = &rest[length..];
        Some(entry)
    })
}

/// The CPU of an enabled entry, and its proximity domain; before revision 2 a domain has eight bits.
fn cpu(entry: &[u8], revision: u8) -> Option<(ApicId, u32)> {
    let (id, domain, flags) = match (entry[0], entry.len()) {
        // "Processor Local APIC/SAPIC Affinity": bits 31:8 of the domain are apart.
        (0, 16) => {
            let high = if revision < 2 { [0; 3] } else { [entry[9], entry[10], entry[11]] };
            let domain = u32::from_le_bytes([entry[2], high[0], high[1], high[2]]);
            (u32::from(entry[3]), domain, u32_at(entry, 4)?)
        }
        // "Processor Local x2APIC Affinity".
        (2, 24) => {
            let domain = u32_at(entry, 4)?;
            (
                u32_at(entry, 8)?,
                if revision < 2 { domain & 0xff } else { domain },
                u32_at(entry, 12)?,
            )
        }
        _ => return None,
    };
    (flags & ENABLED != 0).then_some((ApicId(id), domain))
}

/// The node of a CPU, where a table lists it. An empty table lists none.
pub fn node_of(table: &[u8], apic_id: ApicId) -> Option<u32> {
    let revision = table.get(REVISION).copied().unwrap_or(0);
    let mut cpus = entries(table).filter_map(|entry| cpu(entry, revision));
    cpus.find(|(id, _)| *id == apic_id).map(|(_, node)| node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(revision: u8, entries: &[Vec<u8>]) -> Vec<u8> {
        let mut table = [b"SRAT".to_vec(), vec![0; HEAD - 4], entries.concat()].concat();
        let length = table.len() as u32;
        table[LENGTH..LENGTH + 4].copy_from_slice(&length.to_le_bytes());
        table[REVISION] = revision;
        table
    }

    fn local(id: u8, domain: [u8; 4], flags: u8) -> Vec<u8> {
        let [low, high @ ..] = domain;
        [&[0, 16, low, id, flags, 0, 0, 0, 0][..], &high, &[0; 4]].concat()
    }

    fn x2apic(id: u32, domain: u32, flags: u8) -> Vec<u8> {
        let words = [domain, id, flags.into(), 0, 0].map(u32::to_le_bytes);
        [&[2, 24, 0, 0][..], words.as_flattened()].concat()
    }

    #[test]
    fn enabled_entries_of_both_forms_give_nodes() {
        let memory = vec![1, 4, 9, 9];
        let entries = [
            local(0, [0, 0, 0, 0], 1),
            memory,
            local(2, [1, 2, 0, 0], 1),
            local(4, [3, 0, 0, 0], 0),
            x2apic(0x100, 0x201, 1),
        ];
        let table = table(3, &entries);
        let node = |id| node_of(&table, ApicId(id));
        assert_eq!([0, 2, 4, 0x100, 9].map(node), [Some(0), Some(0x201), None, Some(0x201), None]);
    }

    #[test]
    fn a_domain_of_the_first_revision_has_eight_bits() {
        let entries = [local(2, [1, 2, 0, 0], 1), x2apic(4, 0x203, 1)];
        let table = table(1, &entries);
        assert_eq!([2, 4].map(|id| node_of(&table, ApicId(id))), [Some(1), Some(3)]);
    }

    #[test]
    fn the_walk_ends_at_an_entry_without_room_and_at_the_stated_length() {
        let (first, second) = (local(0, [5, 0, 0, 0], 1), local(1, [6, 0, 0, 0], 1));
        for cut in [vec![0, 0], vec![0, 1], vec![0, 200], vec![0]] {
            let table = table(3, &[first.clone(), cut, second.clone()]);
            assert_eq!([0, 1].map(|id| node_of(&table, ApicId(id))), [Some(5), None]);
        }
        let mut short = table(3, &[first, second]);
        short[LENGTH] -= 16;
        assert_eq!(node_of(&short, ApicId(1)), None);
        assert_eq!(node_of(&[], ApicId(0)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300), id in 0_u32..300) {
            let mut table = bytes;
            if table.len() >= HEAD {
                let length = table.len() as u32;
                table[LENGTH..LENGTH + 4].copy_from_slice(&length.to_le_bytes());
            }
            let _ = node_of(&table, ApicId(id));
        }
    }
}
