//! The initramfs of a Linux that prints its trace and powers off.

use super::distribution;
use crate::workspace::root;
use cpio::newc::{Builder, trailer};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::write_whole;
use miette::miette;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

/// The first program: puts the trace between two lines, as docs/linux.md describes.
const INIT: &str = "#!/bin/busybox sh
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t tracefs tracefs /sys/kernel/tracing
# No message of the kernel may cut the trace.
echo 1 > /proc/sys/kernel/printk
echo BEGIN_TRACE
busybox cat /sys/kernel/tracing/trace
echo END_TRACE
busybox poweroff -f
";

/// What an entry is: a folder, a device, or a file to run.
const FOLDER: u32 = 0o040_755;
const CONSOLE: u32 = 0o020_600;
const PROGRAM: u32 = 0o100_755;

/// Makes it beside the distribution's kernels; returns its path.
///
/// Fails with [`Failure::Environment`] where there is no static busybox.
pub fn make() -> Result<PathBuf, Failure> {
    let busybox = distribution::busybox()?;
    let busybox = fs::read(&busybox).map_err(|error| {
        Failure::Environment(miette!("can't read {}: {error}", busybox.display()))
    })?;
    let archive = archive(&busybox, INIT, &[])
        .map_err(|error| Failure::Environment(miette!("can't pack an initramfs: {error}")))?;
    let path = distribution::folder(root()).join("initramfs.cpio");
    write_whole(&path, &archive)?;
    Ok(path)
}

/// An archive of a static busybox, a first program and more programs and libraries by their paths, in the format "newc" that the
/// kernel unpacks (Documentation/driver-api/early-userspace/buffer-format).
pub fn archive(busybox: &[u8], init: &str, more: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    let mut number = 0;
    let mut add = |name: &str, mode: u32, contents: &[u8]| {
        number += 1;
        let entry = Builder::new(name).ino(number).mode(mode).nlink(1);
        // Major 5, minor 1 is the console.
        let entry = if mode == CONSOLE { entry.rdev_major(5).rdev_minor(1) } else { entry };
        let mut writer = entry.write(&mut archive, contents.len() as u32);
        writer.write_all(contents)?;
        writer.finish().map(|_| ())
    };
    for folder in ["bin", "dev", "proc", "sys", "lib", "lib64"] {
        add(folder, FOLDER, &[])?;
    }
    add("dev/console", CONSOLE, &[])?;
    add("bin/busybox", PROGRAM, busybox)?;
    add("init", PROGRAM, init.as_bytes())?;
    for (path, contents) in more {
        add(path, PROGRAM, contents)?;
    }
    trailer(&mut archive)?;
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_has_what_an_init_needs() {
        let archive =
            archive(b"busybox", INIT, &[("bin/kexec".to_owned(), b"kexec".to_vec())]).unwrap();
        let entries = cpio::newc::Reader::new(&archive[..]).unwrap();
        assert_eq!(entries.entry().name(), "bin");
        let text = String::from_utf8_lossy(&archive);
        for name in ["dev/console", "bin/busybox", "init", "bin/kexec", "TRAILER!!!"] {
            assert!(text.contains(name), "{name}");
        }
    }
}
