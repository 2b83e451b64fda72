//! Kernels of a distribution, and its static busybox: fetched by the package manager, unpacked beside the build, installed
//! nowhere.

use crate::debian::{Apt, Wanted};
use crate::kernel::target_folder;
use crate::workspace::root;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::write_whole;
use miette::miette;
use std::fs;
use std::path::{Path, PathBuf};

/// The package that depends on the current kernel, of few drivers.
const KERNEL: &str = "linux-image-cloud-amd64";

/// The package with a busybox that needs no library.
const BUSYBOX: &str = "busybox-static";

/// What is fetched here.
const WANTED: Wanted = Wanted {
    what: "kernels are fetched",
    instead: "name a kernel and an initramfs: `cargo xtask linux --kernel /boot/vmlinuz --initrd FILE`",
    release: None,
};

/// Where the kernels and the busybox are, under the build's folder.
pub fn folder(root: &Path) -> PathBuf {
    target_folder(root).join("linux")
}

/// The busybox that was fetched.
///
/// Fails with [`Failure::Environment`] where none was.
pub fn busybox() -> Result<PathBuf, Failure> {
    let path = folder(root()).join("busybox");
    match path.is_file() {
        true => Ok(path),
        false => Err(Failure::Environment(miette!(
            help = "`cargo xtask setup --linux` gets it; or give an initramfs of your own, whose init prints \
                    /sys/kernel/tracing/trace: `--initrd FILE`",
            "there is no static busybox at {}",
            path.display()
        ))),
    }
}

/// The kernels that were fetched, each by its file; the newest version last.
pub fn kernels() -> Vec<PathBuf> {
    let files = fs::read_dir(folder(root())).into_iter().flatten().flatten();
    let is_kernel = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
    };
    let mut kernels: Vec<PathBuf> = files.map(|entry| entry.path()).filter(is_kernel).collect();
    let numbers = |path: &PathBuf| -> Vec<u64> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
    };
    kernels.sort_by_key(numbers);
    kernels
}

/// Fetches the kernels of this Debian and of its backports, and a static busybox.
///
/// Fails with [`Failure::Environment`] on another distribution, and where a command fails.
pub fn fetch() -> Result<Vec<PathBuf>, Failure> {
    let folder = folder(root());
    let apt = Apt::beside(&folder, WANTED)?;
    let mut versions = apt.versions(KERNEL)?;
    versions.dedup();
    for version in &versions {
        apt.unpack(&apt.depends(KERNEL, version)?)?;
    }
    apt.unpack(BUSYBOX)?;
    let unpacked = apt.unpacked();
    let boot = fs::read_dir(unpacked.join("boot")).into_iter().flatten().flatten();
    for entry in boot {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("vmlinuz-") {
            copy(&entry.path(), &folder.join(name))?;
        }
    }
    copy(&unpacked.join("bin/busybox"), &folder.join("busybox"))?;
    let kernels = kernels();
    match kernels.is_empty() {
        true => Err(Failure::Environment(miette!("the packages hold no kernel"))),
        false => Ok(kernels),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let bytes = fs::read(from)
        .map_err(|error| Failure::Environment(miette!("can't read {}: {error}", from.display())))?;
    write_whole(to, &bytes)
}
