//! Builds the kernel.

use crate::runner::host::git_revision;
use crate::runner::kernel::Kernel;
use crate::runner::process::{self, Output, finish};
use crate::runner::progress::write_line;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::unwritable;
use host_analyzer::ground::manifest;
use indicatif::ProgressBar;
use miette::miette;
use sha2::{Digest, Sha256};
use std::env;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The bare-metal target, used where the toolchain has it.
const BARE: &str = "x86_64-unknown-none";

/// The host's own target, used free-standing where the bare-metal one is missing.
const HOSTED: &str = "x86_64-unknown-linux-gnu";

/// Without a terminal, a build that takes longer than this says so once.
const PATIENCE: Duration = Duration::from_secs(10);

/// The installed toolchain, and the target that it builds the kernel for.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// Its folder.
    pub sysroot: PathBuf,
    /// `rustc --version`.
    pub rustc: String,
    /// The target that its programs run on.
    host: String,
    /// The target that the kernel is built for.
    target: &'static str,
}

impl Toolchain {
    /// Asks `rustc`. Fails where it is missing, or where it can't build a kernel for x86-64.
    pub fn find() -> Result<Toolchain, Failure> {
        let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        let ask = |arguments: &[&str]| {
            process::said(&rustc, arguments).map_err(|failure| {
                Failure::Environment(miette!(
                    help = "install a stable Rust toolchain, best with rustup, and try again",
                    "`{rustc} {}` does not work: {}",
                    arguments.join(" "),
                    failure.report()
                ))
            })
        };
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
        let version = ask(&["--version", "--verbose"])?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let has_bare = sysroot.join("lib/rustlib").join(BARE).is_dir();
        let target = match host {
            _ if has_bare => BARE,
            HOSTED => HOSTED,
            other => {
                return Err(Failure::Environment(miette!(
                    help = format!("`rustup target add {BARE}` adds the one that works everywhere"),
                    "this toolchain, for {other}, can't build the kernel: it needs the target \
                     {BARE}, or to be for {HOSTED}"
                )));
            }
        };
        let first = version.lines().next().unwrap_or_default().to_owned();
        Ok(Toolchain { host: host.to_owned(), rustc: first, target, sysroot })
    }

    /// The target, and whether it is the host's, free-standing.
    pub fn target_text(&self) -> String {
        if self.target == BARE {
            BARE.to_owned()
        } else {
            format!("{}, free-standing", self.target)
        }
    }

    /// The linker that ships with the toolchain.
    pub fn linker(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(&self.host).join("bin/rust-lld")
    }

    /// `cargo VERB` for the kernel of the workspace at `root`, with everything that its target
    /// needs.
    pub fn cargo(&self, verb: &str, root: &Path, target_folder: &Path) -> Command {
        let mut flags: Vec<String> = [
            "-Crelocation-model=static",
            "-Ccode-model=small",
            "-Cno-redzone=yes",
            "-Cpanic=abort",
            "-Clinker=rust-lld",
            "-Clinker-flavor=ld.lld",
            // Relative to the workspace, where cargo starts the compiler: the kernel's bytes must
            // not depend on where the sources lie.
            "-Clink-arg=-Ttestbed-kernel/kernel.ld",
            "-Clink-arg=-n",
        ]
        .map(str::to_owned)
        .into();
        let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo_home = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")));
        for (folder, name) in [(Some(root), "rollcall"), (cargo_home.as_deref(), "cargo")] {
            if let Some(folder) = folder {
                flags.push(format!("--remap-path-prefix={}=/{name}", folder.display()));
            }
        }
        let mut command = Command::new(cargo_program());
        command
            .current_dir(root)
            .arg(verb)
            .args(["-p", "testbed-kernel", "--features", "freestanding", "--profile", "kernel"])
            .args(["--target", self.target, "--target-dir"])
            .arg(target_folder)
            // Unlike RUSTFLAGS, which it takes precedence over, it allows blanks in paths.
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
            .env("ROLLCALL_TARGET", self.target_text());
        command
    }
}

/// The cargo that started this program, or the one on the PATH.
pub fn cargo_program() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// The usual folder for kernels.
pub fn target_folder(root: &Path) -> PathBuf {
    root.join("target/kernel")
}

/// Builds the kernel of the workspace at `root` into `target_folder`.
///
/// The result is a copy, since somebody may build another kernel while a run lasts. The copies stay
/// until the target folder is cleaned, so that the commands in a `run.json` can be repeated with the
/// very kernel. The compiler's output is shown only where it fails.
pub fn build(root: &Path, target_folder: &Path) -> Result<Kernel, Failure> {
    let toolchain = Toolchain::find()?;
    let target = toolchain.target_text();
    let spinner =
        ProgressBar::new_spinner().with_message(format!("building the kernel for {target}"));
    spinner.enable_steady_tick(Duration::from_millis(120));
    let mut said = false;
    let finished =
        finish(&mut toolchain.cargo("build", root, target_folder), Output::Kept, None, |passed| {
            if spinner.is_hidden() && !said && passed > PATIENCE {
                said = true;
                write_line(&format!("building the kernel for {target} …"));
            }
        });
    spinner.finish_and_clear();
    let finished = finished?;
    if !finished.status.success() {
        return Err(Failure::Environment(miette!(
            help = "what the compiler says is above; `cargo xtask build` tries again",
            "the kernel does not build for {target}:\n{}",
            finished.output.trim_end()
        )));
    }
    let path = target_folder.join(toolchain.target).join("kernel/testbed-kernel");
    let bytes = fs::read(&path).map_err(|error| {
        Failure::Environment(miette!("can't read the kernel {}: {error}", path.display()))
    })?;
    let sha256 = hexadecimal(&Sha256::digest(&bytes));
    let path = target_folder.join("by-sha256").join(&sha256);
    copy(&bytes, &path).map_err(|error| unwritable(&path, &error))?;
    let git_revision = git_revision(root);
    let described = manifest::Kernel { sha256, target, rustc: toolchain.rustc, git_revision };
    Ok(Kernel { path, described })
}

/// Puts a kernel there, unless it is there.
fn copy(kernel: &[u8], path: &Path) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == kernel) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    // An engine may run as another user, and nobody writes to it.
    let readable = Permissions::from_mode(0o444);
    // Whoever boots what was there goes on with that.
    let mut file = tempfile::Builder::new().permissions(readable).tempfile_in(folder)?;
    file.write_all(kernel)?;
    file.persist(path)?;
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
