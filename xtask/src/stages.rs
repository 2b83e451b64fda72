//! `cargo xtask test`: every check of the project, in order, until one fails.

use crate::kernel::{Toolchain, cargo_program, target_folder};
use crate::root;
use crate::runner::process::{Output, finish};
use crate::setup::{self, Needs};
use host_analyzer::ground::failure::Failure;
use miette::miette;
use std::process::Command;
use std::time::{Duration, Instant};

/// A check: its name, and the command that does it.
type Stage = (&'static str, fn() -> Result<Command, Failure>);

/// From the quickest to the slowest.
const STAGES: [Stage; 8] = [
    ("fmt", || Ok(cargo(&["fmt", "--all", "--check"]))),
    ("clippy", || {
        Ok(cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--features",
            "xtask/kernel-tests,host-analyzer/browser-tests",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    ("clippy-kernel", || {
        let mut command = Toolchain::find()?.cargo("clippy", root(), &target_folder(root()));
        command.args(["--", "-D", "warnings"]);
        Ok(command)
    }),
    ("doc", || {
        let mut command = cargo(&["doc", "--no-deps", "--workspace"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        Ok(command)
    }),
    ("unit", || Ok(cargo(&["test", "--workspace"]))),
    ("page", || {
        // As one workspace, so that what `unit` has built is used.
        Ok(cargo(&[
            "test",
            "--workspace",
            "--features",
            "host-analyzer/browser-tests",
            "--test",
            "page",
        ]))
    }),
    ("loom", || {
        let mut command = cargo(&[
            "test",
            "-p",
            "bringup",
            "--release",
            "--target-dir",
            "target/loom",
            "--lib",
            "models",
        ]);
        command.env("RUSTFLAGS", "--cfg loom");
        Ok(command)
    }),
    ("kernel", || {
        // As one workspace, too.
        Ok(cargo(&["test", "--workspace", "--features", "xtask/kernel-tests", "--test", "kernel"]))
    }),
];

/// How single tests are run.
const SINGLE_TEST: &str = "a single test is run by `cargo test -p CRATE NAME`; one in QEMU by \
    `cargo test -p xtask --features kernel-tests --test kernel NAME`, one of the report's page by \
    `cargo test -p host-analyzer --features browser-tests --test page NAME`";

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(cargo_program());
    command.current_dir(root()).args(arguments);
    command
}

/// Runs the stages whose names are given, or all, and shows their output.
///
/// Fails with [`Failure::Request`] where a name is that of no stage, with [`Failure::Verdict`] at
/// the first stage that fails.
pub fn test(names: &[String], yes: bool) -> Result<(), Failure> {
    let known = STAGES.map(|(name, _)| name);
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::Request(miette!(
            help = SINGLE_TEST,
            "there is no stage `{unknown}`: expected {}",
            known.join(", ")
        )));
    }
    let chosen = |name: &str| names.is_empty() || names.iter().any(|given| given == name);
    setup::ensure(
        Needs {
            kernel: ["clippy-kernel", "kernel"].into_iter().any(chosen),
            qemu: chosen("kernel"),
            checks: ["fmt", "clippy", "clippy-kernel"].into_iter().any(chosen),
            browser: chosen("page"),
        },
        yes,
    )?;
    let mut lines = Vec::new();
    let mut failed = None;
    for (name, command) in STAGES.into_iter().filter(|(name, _)| chosen(name)) {
        println!("== {name}");
        let began = Instant::now();
        let finished = finish(&mut command()?, Output::Shown, None, |_| ())?;
        let verdict = if finished.status.success() { "ok" } else { "FAILED" };
        lines.push(format!("{name:<14} {verdict:<6} {:>7.1} s", seconds(began.elapsed())));
        if !finished.status.success() {
            failed = Some(name);
            break;
        }
    }
    println!("== summary\n{}", lines.join("\n"));
    match failed {
        None => Ok(()),
        Some(name) => Err(Failure::Verdict(miette!(
            help = format!("`cargo xtask test {name}` runs this stage alone"),
            "the stage `{name}` failed; the later ones did not run"
        ))),
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
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
