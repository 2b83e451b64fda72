//! Captures and run folders of simulated boots.

use bringup::frame::Frame;
use bringup::wire::{MAX_FRAME, encode};
use host_analyzer::ground::manifest::{Boot, Ended, Host, Kernel, Manifest, SCHEMA};
use std::fs;
use std::path::{Path, PathBuf};

pub const KHZ: u64 = 1_000_000;

/// The three strategies at the costs of the published machine's scale.
pub const STRATEGIES: &str = "cost-kick=100us cost-wake=1200us cost-callin=800us \
                              tsc-window=500us cost-online=100us repetitions=5 \
                              cell strategy=serial cell strategy=parallel-sipi \
                              cell strategy=full-parallel";

/// Every frame of a boot, encoded.
pub fn frames(command_line: &str, cpus: usize) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    bringup::sim::boot(command_line, cpus, KHZ, |frame| frames.push(encoded(frame))).unwrap();
    frames
}

pub fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    encode(frame, &mut [0; MAX_FRAME]).unwrap().to_vec()
}

/// A boot as it comes over the serial port, without firmware text.
pub fn capture(command_line: &str, cpus: usize) -> Vec<u8> {
    frames(command_line, cpus).concat()
}

/// Makes a run folder with a boot for each CPU count.
pub fn run_folder(folder: &Path, command_line: &str, cpus: &[u16]) -> Manifest {
    let boots = cpus.iter().map(|cpus| {
        let name = format!("captures/icount-{cpus}-1.bin");
        let path = folder.join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, capture(command_line, usize::from(*cpus))).unwrap();
        boot(&name, command_line, *cpus)
    });
    let manifest = manifest(boots.collect());
    write_manifest(folder, &manifest);
    manifest
}

pub fn boot(capture: &str, command_line: &str, smp: u16) -> Boot {
    Boot {
        capture: capture.to_owned(),
        engine: "icount".to_owned(),
        exact: true,
        smp,
        boot: 1,
        engine_version: "QEMU emulator version 10.0.2".to_owned(),
        cpu_model: "Haswell-v4".to_owned(),
        command: ["qemu-system-x86_64", "-smp", &smp.to_string()].map(str::to_owned).to_vec(),
        command_line: command_line.to_owned(),
        profiles: Vec::new(),
        linux: None,
        stderr: String::new(),
        pinned: false,
        seconds: 0.5,
        host_stamps: None,
    }
}

pub fn manifest(boots: Vec<Boot>) -> Manifest {
    Manifest {
        schema: SCHEMA,
        scenario: "strategies".to_owned(),
        scenario_text: "strategy = [\"serial\"]\n".to_owned(),
        command: Vec::new(),
        started: "2026-11-23T06:12:00Z".to_owned(),
        ended: Ended::Complete,
        baseline: false,
        kernel: Some(Kernel {
            sha256: "0123456789abcdef".repeat(4),
            target: "x86_64-unknown-none".to_owned(),
            rustc: "rustc 1.95.0".to_owned(),
            git_revision: Some("4cd5cd5-dirty".to_owned()),
        }),
        planned_boots: Some(boots.len()),
        continues: None,
        host: Host {
            cpu: "some <CPU> & more".to_owned(),
            cpus: 2,
            os: "Linux 6.1".to_owned(),
            load: None,
        },
        profiles: Vec::new(),
        engines: Vec::new(),
        boots,
    }
}

pub fn write_manifest(folder: &Path, manifest: &Manifest) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("run.json"), serde_json::to_vec_pretty(manifest).unwrap()).unwrap();
}

/// A folder that goes away with the test.
pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}
