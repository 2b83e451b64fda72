//! The script of a monitor that is not QEMU, with a program that stands in for it.

use super::{ends_with, names_in, program};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use xtask::root;

/// Calls the script of `firecracker.toml`, with a `firecracker` that writes its configuration as the machine's output.
fn boot_firecracker(folder: &Path, kernel: &str) -> Output {
    program(
        folder,
        "firecracker",
        "while [ $# -gt 0 ]; do\n[ $1 != --config-file ] || exec cat $2\nshift\ndone\nexit 1",
    );
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut script = Command::new(root().join("scenarios/boot-firecracker.sh"));
    script.args([kernel, "apic=x2apic strategy=serial", "4"]).arg(folder.join("capture"));
    script.env("PATH", path).output().unwrap()
}

#[test]
fn firecracker_gets_a_configuration_and_its_output_is_the_capture() {
    let folder = tempfile::tempdir().unwrap();
    let (said, _) = ends_with(&boot_firecracker(folder.path(), "/a kernel"), 0);
    assert_eq!(said, "");
    let capture = fs::read(folder.path().join("capture")).unwrap();
    let configuration: Value = serde_json::from_slice(&capture).unwrap();
    let source =
        json!({"kernel_image_path": "/a kernel", "boot_args": "apic=x2apic strategy=serial"});
    assert_eq!(configuration["boot-source"], source);
    assert_eq!(configuration["machine-config"]["vcpu_count"], 4);
}

#[test]
fn firecracker_gets_no_configuration_that_says_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let (_, told) = ends_with(&boot_firecracker(folder.path(), "/a\",\"b"), 2);
    assert!(told.contains("a quote or a backslash"), "{told}");
    assert_eq!(names_in(folder.path()), ["firecracker"]);
}
