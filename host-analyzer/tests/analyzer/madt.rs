//! `madt`: tables of the field by the lists of their entries, raw and as `acpidump` prints them.

use crate::simulated::folder;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn madt(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_host-analyzer")).arg("madt").args(arguments).output().unwrap()
}

/// A table with these entries, its length and checksum right.
fn table(entries: &[&[u8]]) -> Vec<u8> {
    let mut table = [b"APIC".to_vec(), vec![0; 40], entries.concat()].concat();
    let length = table.len() as u32;
    table[4..8].copy_from_slice(&length.to_le_bytes());
    table[9] = table.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    table
}

/// The same as the text of `acpidump`, behind another table.
fn dump(table: &[u8]) -> String {
    let mut text =
        "FACP @ 0x0000000000000000\n    0000: 46 41 43 50  FACP\n\nAPIC @ 0x00000000BFEFE000\n"
            .to_owned();
    for (line, bytes) in table.chunks(16).enumerate() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02X} ")).collect();
        let _ = writeln!(text, "    {:04X}: {hex:<48} ................", line * 16);
    }
    text
}

fn read(path: &Path, more: &[&str]) -> Value {
    let output = madt(&[&[path.to_str().unwrap(), "--format", "json"], more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_raw_table_and_its_dump_list_the_same_cpus_and_oddities() {
    let (_keep, folder) = folder();
    let local = |id: u8, flags: u8| [0, 8, 1, id, flags, 0, 0, 0];
    let bytes = table(&[
        &local(0x10, 1),
        &local(0x11, 1),
        &local(0, 1),
        &[0x7f, 4, 0, 0],
        &local(0, 0),
        &local(0x11, 1),
        &[9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0],
    ]);
    let (raw, text) = (folder.join("APIC"), folder.join("acpidump.txt"));
    fs::write(&raw, &bytes).unwrap();
    fs::write(&text, dump(&bytes)).unwrap();
    let json = read(&raw, &[]);
    assert_eq!(json, read(&text, &[]));
    let ids: Vec<u64> = json["cpus"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cpu| cpu["apic_id"].as_u64().unwrap())
        .collect();
    assert_eq!(
        (ids, &json["bsp"], &json["disabled"]),
        (vec![0x10, 0x11, 0, 0x100], &0x10.into(), &1.into())
    );
    let lints: Vec<(&str, u64)> = json["lints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lint| (lint["name"].as_str().unwrap(), lint["entry"].as_u64().unwrap()))
        .collect();
    assert_eq!(lints, [("unknown-type", 3), ("again", 5)]);
    let other = read(&raw, &["--bsp", "0x0"]);
    assert_eq!(
        (&other["cpus"][0]["apic_id"], &other["lints"][1]["name"]),
        (&0.into(), &"bsp-later".into())
    );
    let shown = madt(&[raw.to_str().unwrap()]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for part in [
        "0x100",
        "4 CPUs; left out: 1 not enabled, 1 listed a second time",
        "entry 3: type 0x7f is reserved",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn what_holds_no_madt_is_refused() {
    let (_keep, folder) = folder();
    let file = folder.join("no");
    for bytes in [&b""[..], b"hello", b"FACP", b"APIC @ 0x0\n    0000: 46 41 43 50\n"] {
        fs::write(&file, bytes).unwrap();
        let output = madt(&[file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("holds no MADT"));
    }
    assert_eq!(madt(&["/nowhere"]).status.code(), Some(2));
    assert_eq!(madt(&[file.to_str().unwrap(), "--bsp", "x"]).status.code(), Some(2));
}
