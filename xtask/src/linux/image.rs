//! A kernel's image: which version it is.

use host_analyzer::ground::failure::Failure;
use miette::miette;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Where the header of a bzImage has its signature, and the place of the version (Linux' boot protocol, "The Real-Mode
/// Kernel Header": `header` and `kernel_version`).
const SIGNATURE: (u64, &[u8; 4]) = (0x202, b"HdrS");
const VERSION: u64 = 0x20e;

/// The version that a bzImage states of itself, up to the first space.
///
/// Fails with [`Failure::Request`] where the file is none.
pub fn version(kernel: &Path) -> Result<String, Failure> {
    let none = |why: &dyn std::fmt::Display| {
        Failure::Request(miette!(
            help = "expected is a bzImage, as /boot has them: `--kernel /boot/vmlinuz-6.12.95-amd64`; `cargo xtask setup --linux` \
                    gets some",
            "{} is no kernel that can be booted: {why}",
            kernel.display()
        ))
    };
    let mut file = File::open(kernel).map_err(|error| none(&error))?;
    let mut read = |at: u64, bytes: &mut [u8]| {
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(bytes))
    };
    let mut signature = [0; 4];
    read(SIGNATURE.0, &mut signature).map_err(|error| none(&error))?;
    if signature != *SIGNATURE.1 {
        return Err(none(&"its header lacks the signature `HdrS`"));
    }
    let mut place = [0; 2];
    read(VERSION, &mut place).map_err(|error| none(&error))?;
    let mut text = [0; 64];
    read(u64::from(u16::from_le_bytes(place)) + 0x200, &mut text).map_err(|error| none(&error))?;
    let text = String::from_utf8_lossy(&text);
    let version = text.split([' ', '\0']).next().unwrap_or_default();
    match version.starts_with(|first: char| first.is_ascii_digit()) {
        true => Ok(version.to_owned()),
        false => Err(none(&"its header names no version")),
    }
}

/// True for a kernel that can bring up its CPUs in parallel: 6.5 and later.
pub fn is_parallel(version: &str) -> bool {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_version_is_read_from_the_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bzImage");
        let mut image = vec![0; 0x400];
        assert!(version(&path).is_err());
        fs::write(&path, &image).unwrap();
        assert!(version(&path).unwrap_err().report().to_string().contains("`HdrS`"));
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x100u16.to_le_bytes());
        image[0x300..0x30e].copy_from_slice(b"6.12.95+deb12 ");
        fs::write(&path, &image).unwrap();
        assert_eq!(version(&path).unwrap(), "6.12.95+deb12");
    }

    #[test]
    fn parallel_bring_up_came_with_6_5() {
        assert!(
            is_parallel("6.12.95+deb12-cloud-amd64") && is_parallel("6.5.0") && is_parallel("7.0")
        );
        assert!(!is_parallel("6.1.0-56-cloud-amd64") && !is_parallel("5.10"));
    }
}
