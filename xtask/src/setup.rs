//! The programs that Rollcall needs: finds the missing ones and installs them.
//!
//! This file alone names packages that are installed; `linux/distribution.rs` and `newer_qemu.rs` unpack some that are not.

use crate::kernel::{Toolchain, cargo_program};
use crate::runner::engine::{BOCHS, QEMU};
use crate::runner::interrupt;
use crate::runner::iso::PROGRAM as MKRESCUE;
use crate::runner::process::{self, Output, finish};
use host_analyzer::ground::failure::Failure;
use indicatif::ProgressBar;
use miette::miette;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::env;
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::Command;
use std::time::Duration;

/// What [`MKRESCUE`] writes images with.
const XORRISO: &str = "xorriso";

/// The program that drives the browser.
const DRIVER: &str = "chromedriver";

/// How long one command of a package manager may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// A package manager, and what the packages are called there.
#[derive(Debug)]
struct PackageManager {
    program: &'static str,
    /// Updates its list of packages; empty where installing does that.
    refresh: &'static [&'static str],
    install: &'static [&'static str],
    /// The package with [`QEMU`].
    qemu: &'static str,
    /// The packages with Chromium and [`DRIVER`].
    browser: &'static [&'static str],
    /// The packages with [`MKRESCUE`], [`XORRISO`], GRUB for BIOS and UEFI, and a UEFI firmware for QEMU; none where they are not
    /// known.
    image: &'static [&'static str],
    /// The packages with [`BOCHS`] and its BIOS; none where they are not known.
    bochs: &'static [&'static str],
}

/// Debian and Ubuntu; Fedora; Arch; openSUSE; Alpine; Homebrew. The first that is found is used.
const PACKAGE_MANAGERS: [PackageManager; 6] = [
    PackageManager {
        program: "apt-get",
        refresh: &["update"],
        install: &["install", "-y", "--no-install-recommends"],
        qemu: "qemu-system-x86",
        browser: &["chromium", "chromium-driver"],
        image: &["grub-common", "grub-pc-bin", "grub-efi-amd64-bin", "xorriso", "mtools", "ovmf"],
        // Where SeaBIOS is there, `bochs` comes without its VGA BIOS.
        bochs: &["bochs", "bochsbios", "bochs-term", "vgabios"],
    },
    PackageManager {
        program: "dnf",
        refresh: &[],
        install: &["install", "-y", "--setopt=install_weak_deps=False"],
        qemu: "qemu-system-x86-core",
        browser: &["chromium", "chromedriver"],
        image: &[
            "grub2-tools-extra",
            "grub2-pc-modules",
            "grub2-efi-x64-modules",
            "xorriso",
            "mtools",
            "edk2-ovmf",
        ],
        bochs: &["bochs", "bochs-bios"],
    },
    PackageManager {
        program: "pacman",
        refresh: &[],
        // Arch supports no package that is newer than the others of the system, so all are brought
        // up to date with it.
        install: &["-Syu", "--noconfirm", "--needed"],
        qemu: "qemu-system-x86",
        browser: &["chromium"],
        image: &["grub", "libisoburn", "mtools", "edk2-ovmf"],
        bochs: &["bochs"],
    },
    PackageManager {
        program: "zypper",
        refresh: &[],
        install: &["--non-interactive", "install", "--no-recommends"],
        qemu: "qemu-x86",
        browser: &["chromium", "chromedriver"],
        image: &["grub2-i386-pc", "grub2-x86_64-efi", "xorriso", "mtools", "qemu-ovmf-x86_64"],
        bochs: &["bochs"],
    },
    PackageManager {
        program: "apk",
        refresh: &[],
        install: &["add"],
        qemu: "qemu-system-x86_64",
        browser: &["chromium", "chromium-chromedriver"],
        image: &["grub-bios", "grub-efi", "xorriso", "mtools", "ovmf"],
        bochs: &[],
    },
    PackageManager {
        program: "brew",
        refresh: &[],
        install: &["install"],
        qemu: "qemu",
        browser: &["chromium", "chromedriver"],
        image: &[],
        bochs: &["bochs"],
    },
];

/// The programs that a command is going to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The kernel is built: the toolchain's own linker.
    pub kernel: bool,
    /// An engine of QEMU's is started.
    pub qemu: bool,
    /// The sources are checked: rustfmt and clippy.
    pub checks: bool,
    /// The report's page is tested: Chromium and its driver.
    pub browser: bool,
    /// A disk image is made: GRUB and xorriso.
    pub image: bool,
    /// The engine Bochs is started.
    pub bochs: bool,
}

impl Needs {
    /// Everything that any command uses.
    pub const ALL: Needs =
        Needs { kernel: true, qemu: true, checks: true, browser: true, image: true, bochs: true };

    /// Nothing: what a command begins with that uses little.
    pub const NONE: Needs = Needs {
        kernel: false,
        qemu: false,
        checks: false,
        browser: false,
        image: false,
        bochs: false,
    };

    /// The programs that these needs take and that are not here.
    fn missing(self) -> Vec<&'static str> {
        let programs = [
            (self.qemu, QEMU),
            (self.browser, DRIVER),
            (self.image, MKRESCUE),
            (self.image, XORRISO),
            (self.bochs, BOCHS),
        ];
        let programs = programs.into_iter();
        let needed = programs.filter_map(|(needed, program)| needed.then_some(program));
        needed.filter(|program| which::which(program).is_err()).collect()
    }
}

/// Installs what is missing of these needs; returns at once if nothing is.
///
/// With `yes`, or where `CI` is set, it installs without asking; on a terminal it asks. Fails with
/// [`Failure::Environment`], and the command to run, where it may not or can't install.
pub fn ensure(needs: Needs, yes: bool) -> Result<(), Failure> {
    if needs.kernel {
        let linker = Toolchain::find()?.linker();
        if !linker.is_file() {
            return Err(Failure::Environment(miette!(
                help =
                    "toolchains that rustup installs have it; a distribution's own often has not",
                "the kernel's linker is missing from the toolchain: {}",
                linker.display()
            )));
        }
    }
    let mut steps = Vec::new();
    let missing = needs.missing();
    if !missing.is_empty() {
        steps.extend(package_steps(&missing)?);
    }
    if needs.checks {
        steps.extend(component_step()?);
    }
    if steps.is_empty() {
        return Ok(());
    }
    consent(&steps, yes)?;
    steps.iter().try_for_each(Step::take)?;
    match needs.missing().first() {
        Some(program) => Err(Failure::Environment(miette!(
            "`{program}` is not on the PATH even though its package was installed"
        ))),
        None => Ok(()),
    }
}

/// A command that installs something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step(Vec<String>);

impl Step {
    fn new(words: &[&[&str]]) -> Step {
        Step(words.concat().into_iter().map(str::to_owned).collect())
    }

    fn text(&self) -> String {
        self.0.join(" ")
    }

    fn take(&self) -> Result<(), Failure> {
        let [program, arguments @ ..] = &self.0[..] else { return Ok(()) };
        let spinner = ProgressBar::new_spinner().with_message(self.text());
        spinner.enable_steady_tick(Duration::from_millis(120));
        if spinner.is_hidden() {
            eprintln!("{} …", self.text());
        }
        let mut command = Command::new(program);
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        let finished = finish(&mut command, Output::Kept, Some(LIMIT), |_| ());
        spinner.finish_and_clear();
        finished?.succeeded(&self.text(), "what it said is above; run it by hand, then try again")
    }
}

/// How to install these programs here.
fn package_steps(missing: &[&str]) -> Result<Vec<Step>, Failure> {
    let found = PACKAGE_MANAGERS.iter().find(|manager| which::which(manager.program).is_ok());
    let manager = found.ok_or_else(|| {
        let known: Vec<&str> = PACKAGE_MANAGERS.iter().map(|manager| manager.program).collect();
        Failure::Environment(miette!(
            help = "install it by hand; `--engine sim` needs nothing",
            "`{}` is missing, and there is no package manager that is known here ({})",
            missing.join("` and `"),
            known.join(", ")
        ))
    })?;
    // A step each: where a distribution has no Chromium, QEMU is installed all the same.
    let mut packages: Vec<&[&str]> = missing
        .iter()
        .map(|program| match *program {
            QEMU => std::slice::from_ref(&manager.qemu),
            MKRESCUE | XORRISO => manager.image,
            BOCHS => manager.bochs,
            _ => manager.browser,
        })
        .collect();
    packages.dedup();
    packages.retain(|packages| !packages.is_empty());
    let is_root = rustix::process::geteuid().is_root();
    let prefix: &[&str] = match manager.program {
        "brew" => &[],
        _ if is_root => &[],
        _ if which::which("sudo").is_ok() => &["sudo", "--non-interactive"],
        _ => {
            return Err(Failure::Environment(miette!(
                help = format!(
                    "run as root: {} {} {}",
                    manager.program,
                    manager.install.join(" "),
                    packages.concat().join(" ")
                ),
                "`{}` is missing, and installing it takes root, which this user is not",
                missing.join("` and `")
            )));
        }
    };
    let refresh = Step::new(&[prefix, &[manager.program], manager.refresh]);
    let refresh = (!manager.refresh.is_empty()).then_some(refresh);
    let install = packages
        .iter()
        .map(|packages| Step::new(&[prefix, &[manager.program], manager.install, packages]));
    Ok(refresh.into_iter().chain(install).collect())
}

/// How to add the toolchain's missing components.
fn component_step() -> Result<Option<Step>, Failure> {
    let cargo = cargo_program();
    let lacks = |component: &&str| {
        let subcommand = if *component == "rustfmt" { "fmt" } else { *component };
        process::said(&cargo, &[subcommand, "--version"]).is_err()
    };
    let missing: Vec<&str> = ["rustfmt", "clippy"].into_iter().filter(lacks).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    if which::which("rustup").is_err() {
        return Err(Failure::Environment(miette!(
            help = format!(
                "install it the way the toolchain was installed; with rustup: \
                 `rustup component add {}`",
                missing.join(" ")
            ),
            "the toolchain lacks {}",
            missing.join(" and ")
        )));
    }
    Ok(Some(Step::new(&[&["rustup", "component", "add"], &missing])))
}

/// May the steps be taken?
fn consent(steps: &[Step], yes: bool) -> Result<(), Failure> {
    let commands: Vec<String> = steps.iter().map(Step::text).collect();
    let ci = env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    if yes || ci {
        return Ok(());
    }
    let declined = |why: &str| {
        Failure::Environment(miette!(
            help = "`cargo xtask setup --yes` does the same without asking",
            "something is missing, and {why}; run\n  {}",
            commands.join("\n  ")
        ))
    };
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(declined("there is no terminal to ask on"));
    }
    eprint!("Something is missing. Run\n  {}\nnow? [Y/n] ", commands.join("\n  "));
    let _ = io::stderr().flush();
    wait_for_input()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|_| declined("there was no answer"))?;
    // The end of the input is no yes.
    match answer.to_lowercase().trim_end_matches(['\n', '\r']) {
        "" if answer.is_empty() => Err(declined("there was no answer")),
        "" | "y" | "yes" => Ok(()),
        _ => Err(declined("the answer was no")),
    }
}

/// Waits until there is a line to read. Fails where the user interrupts: reading itself does not
/// notice.
fn wait_for_input() -> Result<(), Failure> {
    let stdin = io::stdin();
    let look = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    loop {
        interrupt::check()?;
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&look)) {
            Ok(0) | Err(Errno::INTR) => {}
            // An error of the stream is reported when it is read.
            _ => return Ok(()),
        }
    }
}
