//! The disk image that PCs boot: by BIOS and by UEFI, through GRUB.

use crate::engines::failed;
use crate::harness::{LIMIT, kernel, skipped};
use bringup::frame::ApicMode;
use host_analyzer::run::Run;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::runner::engine::QEMU;
use xtask::runner::iso::{Entry, write};
use xtask::runner::process::{Output, finish};

/// UEFI firmware for QEMU, where distributions put it.
const OVMF: [&str; 5] = [
    "/usr/share/ovmf/OVMF.fd",
    "/usr/share/edk2/ovmf/OVMF_CODE.fd",
    "/usr/share/edk2/x64/OVMF.4m.fd",
    "/usr/share/qemu/ovmf-x86_64.bin",
    "/usr/share/OVMF/OVMF.fd",
];

fn image(folder: &Path, words: &str) -> PathBuf {
    let file = folder.join("rollcall.iso");
    let entry = Entry { title: "Rollcall".to_owned(), words: words.to_owned() };
    write(&kernel().path, &[entry], 0, &file).map_err(failed).unwrap();
    file
}

/// Boots the image with so many arguments more; the run that its capture holds.
fn booted(folder: &Path, image: &Path, more: &[&str]) -> Run {
    let capture = folder.join("capture.bin");
    let mut command = Command::new(QEMU);
    command.args(["-nodefaults", "-display", "none", "-no-reboot", "-machine", "q35", "-smp", "4"]);
    command.args(["-accel", "tcg", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-cdrom"]);
    command.arg(image).args(["-serial", &format!("file:{}", capture.display())]).args(more);
    let finished = finish(&mut command, Output::Kept, Some(LIMIT), |_| ()).map_err(failed).unwrap();
    assert_eq!(finished.status.code(), Some(33), "{more:?}: {}", finished.output);
    Run::open(&capture).map_err(failed).unwrap()
}

fn assert_all_online(run: &Run, cells: usize) {
    assert_eq!(run.cells.len(), cells);
    assert!(run.cells.iter().flat_map(|cell| &cell.trials).all(|trial| trial.lost == 0));
}

#[test]
fn the_image_boots_by_bios() {
    let folder = tempfile::tempdir().unwrap();
    let words =
        "tsc-trust=engine tsc-sync=trusted cell strategy=serial cell strategy=full-parallel";
    let image = image(folder.path(), words);
    let run = booted(
        folder.path(),
        &image,
        &["-cpu", "SandyBridge-v1,x2apic=off,tsc-deadline=off", "-m", "64"],
    );
    assert_all_online(&run, 2);
    assert_eq!(run.boots[0].machine.as_ref().unwrap().apic_mode, ApicMode::Xapic);
}

#[test]
fn the_image_boots_by_uefi() {
    let Some(firmware) = OVMF.into_iter().find(|file| Path::new(file).is_file()) else {
        let expected = OVMF.join(", ");
        skipped(&format!("there is no UEFI firmware for QEMU: expected one of {expected}"));
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = image(folder.path(), "tsc-trust=engine tsc-sync=trusted strategy=full-parallel");
    let cpu = "SandyBridge-v1,x2apic=off,tsc-deadline=off";
    let run = booted(folder.path(), &image, &["-cpu", cpu, "-m", "256", "-bios", firmware]);
    assert_all_online(&run, 1);
}
