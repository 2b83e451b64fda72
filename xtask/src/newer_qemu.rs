//! A QEMU of version 9 or later: its TCG has x2APIC mode, and so more than 255 CPUs. Where the installed one is older, a
//! Debian 12 has a newer one among its backports, which is unpacked beside the installed one.

use crate::debian::{Apt, Wanted};
use crate::runner::engine::QEMU;
use crate::runner::interrupt;
use crate::runner::process::said;
use crate::runner::progress::write_line;
use crate::workspace::root;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::{make_folder, unwritable, write_whole};
use miette::miette;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The first version whose TCG has x2APIC mode.
const LEAST: u32 = 9;

/// The release whose backports have one. Older releases have none, newer ones have it by themselves.
const RELEASE: &str = "bookworm";

/// What is unpacked: QEMU, its modules and firmware. The libraries are those of the installed one.
const PACKAGES: [&str; 4] =
    ["qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios"];

const WANTED: Wanted = Wanted {
    what: "a newer QEMU is unpacked",
    instead: "install QEMU 9 or later by hand; in a scenario `qemu` names it",
    release: Some(RELEASE),
};

/// Starts the QEMU that was unpacked. It would load the modules of the installed one, and stop.
const UNPACKED: &str = "#!/bin/sh
# `cargo xtask setup --newer-qemu` made this file.
usr=\"${0%/*}/unpacked/usr\"
for modules in \"$usr\"/lib/*/qemu; do
    export QEMU_MODULE_DIR=\"$modules\"
done
exec \"$usr/bin/qemu-system-x86_64\" -L \"$usr/share/qemu\" -L \"$usr/share/seabios\" \"$@\"
";

/// Starts the QEMU of the PATH, which is new enough itself.
const INSTALLED: &str = "#!/bin/sh
# `cargo xtask setup --newer-qemu` made this file.
exec qemu-system-x86_64 \"$@\"
";

/// A QEMU of version 9 or later: the one that was set up, else that of the PATH.
pub fn newer_qemu() -> Option<PathBuf> {
    let own = script(root());
    let installed = which::which(QEMU).ok();
    own.is_file().then_some(own).into_iter().chain(installed).find(|program| is_newer(program))
}

/// What a test says that needs [`newer_qemu`] where there is none.
pub fn lacking() -> String {
    let found = version(Path::new(QEMU)).map_or_else(|| "none".to_owned(), |(_, text)| text);
    format!("needs QEMU ≥ {LEAST}, found {found}")
}

/// Sets one up, where there is none, and returns the program that starts it: the `qemu` of `scenarios/x2apic.toml`.
///
/// Fails with [`Failure::Environment`] where neither the PATH nor the distribution has one.
pub fn set_up() -> Result<PathBuf, Failure> {
    let script = script(root());
    if script.is_file() && is_newer(&script) {
        return Ok(script);
    }
    let folder = folder(root());
    make_folder(&folder)?;
    let text = match is_newer(Path::new(QEMU)) {
        true => INSTALLED,
        false => {
            let apt = Apt::beside(&folder, WANTED)?.preferring_backports(RELEASE);
            PACKAGES.into_iter().try_for_each(|package| apt.unpack(package))?;
            UNPACKED
        }
    };
    write_whole(&script, text.as_bytes())?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))
        .map_err(|error| unwritable(&script, &error))?;
    match version(&script) {
        Some((LEAST.., _)) => Ok(script),
        found => Err(Failure::Environment(miette!(
            help =
                "`ldd` on the program that the script names lists the libraries that are missing",
            "{} does not start a QEMU of version {LEAST} or later: {}",
            script.display(),
            found.map_or_else(|| "it reports no version".to_owned(), |(_, text)| text)
        ))),
    }
}

/// Sets one up for the tests; where that can't be, says why, and that the tests that need it are skipped.
///
/// Fails where the user interrupts.
pub fn try_set_up() -> Result<(), Failure> {
    if newer_qemu().is_none()
        && let Err(failure) = set_up()
    {
        interrupt::check()?;
        write_line(&format!("{}; the tests that need QEMU {LEAST} are skipped", failure.report()));
    }
    Ok(())
}

/// Where it is. Scenarios name a path in it, so it is no other where cargo's target folder is.
fn folder(root: &Path) -> PathBuf {
    root.join("target/qemu-newer")
}

fn script(root: &Path) -> PathBuf {
    folder(root).join(QEMU)
}

fn is_newer(program: &Path) -> bool {
    version(program).is_some_and(|(major, _)| major >= LEAST)
}

/// The version that a QEMU reports: its first number, and all of it.
fn version(program: &Path) -> Option<(u32, String)> {
    stated(&said(&program.display().to_string(), &["--version"]).ok()?)
}

fn stated(text: &str) -> Option<(u32, String)> {
    let version = text.strip_prefix("QEMU emulator version ")?.split_whitespace().next()?;
    Some((version.split('.').next()?.parse().ok()?, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_version_is_the_number_that_qemu_reports() {
        let debian = "QEMU emulator version 7.2.22 (Debian 1:7.2)\nCopyright (c) 2003";
        assert_eq!(stated(debian), Some((7, "7.2.22".to_owned())));
        assert_eq!(stated("QEMU emulator version 10.0.2").unwrap().0, 10);
        assert_eq!(stated("qemu 10"), None);
        assert_eq!(stated("QEMU emulator version new"), None);
    }

    #[test]
    fn the_script_starts_what_was_unpacked_beside_it_with_its_firmware_and_modules() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("with blanks");
        let bin = place.join("unpacked/usr/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(place.join("unpacked/usr/lib/x86_64-linux-gnu/qemu")).unwrap();
        for (path, text) in [
            (place.join(QEMU), UNPACKED),
            (bin.join(QEMU), "#!/bin/sh\nprintf '%s\\n' \"$QEMU_MODULE_DIR\" \"$@\""),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        let output = Command::new(place.join(QEMU)).args(["-smp", "a b"]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let usr = place.join("unpacked/usr").display().to_string();
        assert_eq!(
            said.lines().collect::<Vec<_>>(),
            [
                &format!("{usr}/lib/x86_64-linux-gnu/qemu"),
                "-L",
                &format!("{usr}/share/qemu"),
                "-L",
                &format!("{usr}/share/seabios"),
                "-smp",
                "a b"
            ]
        );
    }
}
