//! `docs/json.md` has every key that is written for programs.

use crate::command_line::{analyzer, stdout};
use crate::noisy::noisy_run_of_three_cells;
use crate::simulated::{STRATEGIES, folder, run_folder, write_manifest};
use bringup::options::Options;
use host_analyzer::ground::manifest::HostStamps;
use host_analyzer::run::read_manifest;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The keys of all objects.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            found.insert(key.clone());
            keys(value, found);
        }),
        Value::Array(array) => array.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

/// A noisy run with times on the host's clock.
fn noisy(folder: &Path, callin: f64) {
    noisy_run_of_three_cells(folder, 9, 1, callin);
    let mut manifest = read_manifest(folder).unwrap();
    for boot in &mut manifest.boots {
        boot.host_stamps = Some(HostStamps { first_byte: 0.1, goodbye: 0.4, killed: false });
    }
    write_manifest(folder, &manifest);
}

#[test]
fn the_page_on_json_names_every_key() {
    let (_keep, folder) = folder();
    let [exact, base, new] = ["exact", "base", "new"].map(|name| folder.join(name));
    run_folder(&exact, &format!("{STRATEGIES} cell strategy=full-parallel skew=3:500"), &[4, 8]);
    noisy(&base, 1.0);
    noisy(&new, 1.5);
    let budgets = folder.join("budgets.toml");
    fs::write(
        &budgets,
        "[[budget]]\nfigure = [\"total\", \"lost\"]\nmax-us = 1\n".replace(", \"lost\"", ""),
    )
    .unwrap();
    let mut found = BTreeSet::new();
    let json = [&"--format", &"json"];
    for arguments in [
        vec![&"show" as &dyn AsRef<std::ffi::OsStr>, &exact],
        vec![&"show", &base],
        vec![&"compare", &base, &new],
        vec![&"check", &"--budgets", &budgets, &exact],
        vec![&"tsc-sync", &exact],
        vec![&"simulated", &exact],
        vec![&"predict", &"--from", &"4", &"--smp", &"8", &exact],
    ] {
        let arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
            arguments.into_iter().chain(json.map(|word| word as _)).collect();
        let text = stdout(&analyzer(&arguments));
        keys(&serde_json::from_str(&text).expect(&text), &mut found);
    }
    let manifest = fs::read(base.join("run.json")).unwrap();
    keys(&serde_json::from_slice(&manifest).unwrap(), &mut found);
    let options: BTreeSet<String> = Options::names().map(|key| key.replace('-', "_")).collect();
    let page = include_str!("../../../docs/json.md");
    let missing: Vec<&String> = found
        .iter()
        .filter(|key| !options.contains(*key) && !page.contains(&format!("`{key}`")))
        .collect();
    assert!(missing.is_empty(), "docs/json.md does not tell of {missing:?}");
    assert!(found.len() > 100, "{}", found.len());
}
