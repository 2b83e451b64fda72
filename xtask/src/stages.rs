//! `cargo xtask test`: every check of the project, in order, until one fails.

use crate::kernel::{Toolchain, cargo_program, target_folder};
use crate::newer_qemu;
use crate::runner::host::{git_revision, host, rfc3339};
use crate::runner::process::{Output, finish};
use crate::setup::{self, Needs};
use crate::workspace::root;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::write_whole;
use jiff::Timestamp;
use miette::miette;
use std::process::Command;
use std::time::{Duration, Instant};

/// A check: its name, and the command that does it.
type Stage = (&'static str, fn() -> Result<Command, Failure>);

/// What every change passes, from the quickest to the slowest.
const STAGES: [Stage; 8] = [
    ("fmt", || Ok(cargo("fmt --all --check"))),
    ("clippy", || {
        Ok(cargo(
            "clippy --workspace --all-targets \
             --features xtask/kernel-tests,host-analyzer/browser-tests -- -D warnings",
        ))
    }),
    ("clippy-kernel", || {
        let mut command = Toolchain::find()?.cargo("clippy", root(), &target_folder(root()));
        command.args(["--", "-D", "warnings"]);
        Ok(command)
    }),
    ("doc", || {
        let mut command = cargo("doc --no-deps --workspace");
        command.env("RUSTDOCFLAGS", "-D warnings");
        Ok(command)
    }),
    ("unit", || Ok(cargo("test --workspace"))),
    // As one workspace, so that what `unit` has built is used.
    ("page", || Ok(cargo("test --workspace --features host-analyzer/browser-tests --test page"))),
    ("loom", || {
        let mut command = cargo("test -p bringup --release --target-dir target/loom --lib models");
        command.env("RUSTFLAGS", "--cfg loom");
        Ok(command)
    }),
    ("kernel", || Ok(cargo(KERNEL))),
];

/// The tests in QEMU; as one workspace, so that what `unit` has built is used.
const KERNEL: &str = "test --workspace --features xtask/kernel-tests --test kernel";

/// What `--long` adds: checks that are worth more time than a change can wait.
const LONG_STAGES: [Stage; 3] = [
    ("properties", || {
        let mut command =
            cargo("test -p bringup -p host-analyzer --release --features bringup/sim --lib");
        command.env("PROPTEST_CASES", PROPERTY_CASES);
        Ok(command)
    }),
    ("kernel-long", || Ok(cargo(&format!("{KERNEL} -- --ignored")))),
    ("bench", || Ok(cargo("bench --workspace --bench decode --bench stamp"))),
];

/// Cases of each property in the stage `properties`; elsewhere there are 256.
const PROPERTY_CASES: &str = "100000";

/// Where `--long` writes its summary; the file is committed.
const LONG_SUMMARY: &str = "results/reference/test-long.txt";

/// How single tests are run.
const SINGLE_TEST: &str = "a single test is run by `cargo test -p CRATE NAME`; one in QEMU by \
    `cargo test -p xtask --features kernel-tests --test kernel NAME`, one of the report's page by \
    `cargo test -p host-analyzer --features browser-tests --test page NAME`";

/// A command of cargo; the words are separated by spaces.
fn cargo(words: &str) -> Command {
    let mut command = Command::new(cargo_program());
    command.current_dir(root()).args(words.split_whitespace());
    command
}

/// The stages' names, in the order in which they run; those of `--long` last.
pub fn names() -> impl Iterator<Item = &'static str> {
    STAGES.into_iter().chain(LONG_STAGES).map(|(name, _)| name)
}

/// Runs the stages whose names are given, or every stage of a change; with `long` also those that are
/// worth more time, and then writes their summary to `results/reference`. Shows their output.
///
/// Fails with [`Failure::Request`] where a name is that of no stage, with [`Failure::Verdict`] at
/// the first stage that fails.
pub fn test(names: &[String], long: bool, yes: bool) -> Result<(), Failure> {
    let all = || STAGES.into_iter().chain(LONG_STAGES);
    if let Some(unknown) = names.iter().find(|given| all().all(|(name, _)| name != *given)) {
        return Err(Failure::Request(miette!(
            help = SINGLE_TEST,
            "there is no stage `{unknown}`: expected {}",
            self::names().collect::<Vec<_>>().join(", ")
        )));
    }
    let stages = if names.is_empty() {
        all().take(if long { usize::MAX } else { STAGES.len() }).collect::<Vec<_>>()
    } else {
        all().filter(|(name, _)| names.iter().any(|given| given == name)).collect()
    };
    let chosen = |one_of: &[&str]| stages.iter().any(|(name, _)| one_of.contains(name));
    setup::ensure(
        Needs {
            kernel: chosen(&["clippy-kernel", "kernel", "kernel-long"]),
            qemu: chosen(&["kernel", "kernel-long"]),
            checks: chosen(&["fmt", "clippy", "clippy-kernel"]),
            browser: chosen(&["page"]),
            image: chosen(&["kernel", "kernel-long"]),
            bochs: chosen(&["kernel", "kernel-long"]),
        },
        yes,
    )?;
    if chosen(&["kernel", "kernel-long"]) {
        newer_qemu::try_set_up()?;
    }
    let began = Instant::now();
    let (lines, failed) = run(&stages)?;
    let total = line("all", failed.is_none(), began.elapsed());
    println!("== summary\n{}\n{total}", lines.join("\n"));
    if let Some(name) = failed {
        return Err(Failure::Verdict(miette!(
            help = format!("`cargo xtask test {name}` runs this stage alone"),
            "the stage `{name}` failed; the later ones did not run"
        )));
    }
    if long && names.is_empty() { keep_summary(&lines.join("\n"), &total) } else { Ok(()) }
}

/// Runs stages until one fails: a line on each, and the name of the one that failed.
fn run(stages: &[Stage]) -> Result<(Vec<String>, Option<&'static str>), Failure> {
    let mut lines = Vec::new();
    for (name, command) in stages {
        println!("== {name}");
        let began = Instant::now();
        let finished = finish(&mut command()?, Output::Shown, None, |_| ())?;
        lines.push(line(name, finished.status.success(), began.elapsed()));
        if !finished.status.success() {
            return Ok((lines, Some(*name)));
        }
    }
    Ok((lines, None))
}

/// A line of the summary.
fn line(name: &str, passed: bool, time: Duration) -> String {
    let verdict = if passed { "ok" } else { "FAILED" };
    format!("{name:<14} {verdict:<6} {:>7.1} s", time.as_secs_f64())
}

/// Writes the summary of all stages, with what it was made of and on.
fn keep_summary(lines: &str, total: &str) -> Result<(), Failure> {
    let host = host();
    let text = format!(
        "cargo xtask test --long, {}, revision {}\n{} CPUs, {}; {}\n\n{lines}\n{total}\n",
        rfc3339(Timestamp::now()),
        git_revision(root()).as_deref().unwrap_or("unknown"),
        host.cpus,
        host.cpu,
        host.os,
    );
    write_whole(&root().join(LONG_SUMMARY), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use toml::de::DeTable;

    #[test]
    fn the_tip_names_every_test_that_needs_a_feature() {
        let mut found = 0;
        for package in ["bringup", "testbed-kernel", "host-analyzer", "xtask"] {
            let text = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
            let manifest = DeTable::parse(&text).unwrap().into_inner();
            let tests = manifest.get("test").and_then(|tests| tests.get_ref().as_array());
            for test in tests.into_iter().flatten().filter_map(|test| test.get_ref().as_table()) {
                let Some(features) = test.get("required-features") else { continue };
                let feature = features.get_ref().as_array().unwrap()[0].get_ref().as_str().unwrap();
                let name = test["name"].get_ref().as_str().unwrap();
                let command =
                    format!("`cargo test -p {package} --features {feature} --test {name} NAME`");
                assert!(SINGLE_TEST.contains(&command), "{command}");
                found += 1;
            }
        }
        assert_eq!(found, 2);
    }
}
