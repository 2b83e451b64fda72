//! Kernels of a distribution, and its static busybox: fetched by the package manager, unpacked beside the build, installed
//! nowhere.

use crate::kernel::target_folder;
use crate::runner::process::{Output, answer, finish};
use crate::runner::progress::write_line;
use crate::workspace::root;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::{make_folder, write_whole};
use miette::miette;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The package that depends on the current kernel, of few drivers.
const KERNEL: &str = "linux-image-cloud-amd64";

/// The package with a busybox that needs no library.
const BUSYBOX: &str = "busybox-static";

/// How long one command may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);

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
    let apt = Apt::beside(&folder)?;
    apt.update()?;
    let mut versions = apt.versions(KERNEL)?;
    versions.dedup();
    for version in &versions {
        apt.unpack(&apt.depends(KERNEL, version)?)?;
    }
    apt.unpack(BUSYBOX)?;
    let unpacked = folder.join("unpacked");
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

/// apt with lists of its own: the machine's stay as they are, and root is not needed.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// With the sources of this machine's own archive, and of its backports.
    fn beside(folder: &Path) -> Result<Apt, Failure> {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let field = |key: &str| {
            let value =
                release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
            Some(value.trim_matches('"').to_owned())
        };
        let (Some("debian"), Some(suite)) = (field("ID").as_deref(), field("VERSION_CODENAME"))
        else {
            return Err(Failure::Environment(miette!(
                help = "name a kernel and an initramfs: `cargo xtask linux --kernel /boot/vmlinuz --initrd FILE`",
                "kernels are fetched on Debian alone, and this is {}",
                field("PRETTY_NAME").unwrap_or_else(|| "another system".to_owned())
            )));
        };
        let mut targets = Command::new("apt-get");
        targets.args(["indextargets", "--format", "$(REPO_URI) $(RELEASE)"]);
        let targets = answer(&mut targets)?;
        let of_suite = targets.lines().find_map(|line| line.strip_suffix(&format!(" {suite}")));
        let Some(uri) = of_suite else {
            return Err(Failure::Environment(miette!(
                help = "run `apt-get update` once",
                "apt has no source of the suite {suite} on this machine"
            )));
        };
        for part in ["lists/partial", "cache/archives/partial", "unpacked"] {
            make_folder(&folder.join(part))?;
        }
        let list = format!("deb {uri} {suite} main\ndeb {uri} {suite}-backports main\n");
        write_whole(&folder.join("sources.list"), list.as_bytes())?;
        Ok(Apt { folder: folder.to_owned() })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let at = |name: &str| self.folder.join(name).display().to_string();
        for option in [
            format!("Dir::Etc::SourceList={}", at("sources.list")),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", at("lists")),
            format!("Dir::Cache={}", at("cache")),
            // The files are this user's own.
            "APT::Sandbox::User=".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command
    }

    fn update(&self) -> Result<(), Failure> {
        let mut command = self.command("apt-get");
        command.args(["-q", "update"]);
        run(&mut command)
    }

    /// The versions of a package.
    fn versions(&self, package: &str) -> Result<Vec<String>, Failure> {
        let table = answer(self.command("apt-cache").args(["madison", package]))?;
        let version = |line: &str| Some(line.split('|').nth(1)?.trim().to_owned());
        Ok(table.lines().filter_map(version).collect())
    }

    /// The package that a version of another depends on first.
    fn depends(&self, package: &str, version: &str) -> Result<String, Failure> {
        let about =
            answer(self.command("apt-cache").args(["show", &format!("{package}={version}")]))?;
        let depends = about.lines().find_map(|line| line.strip_prefix("Depends: "));
        let first = depends.and_then(|depends| depends.split([' ', ',']).next());
        first.map(str::to_owned).ok_or_else(|| {
            Failure::Environment(miette!(
                "the package {package} of version {version} depends on no kernel"
            ))
        })
    }

    /// Downloads a package and unpacks its files.
    fn unpack(&self, package: &str) -> Result<(), Failure> {
        write_line(&format!("{package} …"));
        let downloads = self.folder.join("cache");
        let mut download = self.command("apt-get");
        run(download.args(["-q", "download", package]).current_dir(&downloads))?;
        let files =
            fs::read_dir(&downloads).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_it = |path: &PathBuf| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&format!("{package}_")))
        };
        for file in files.filter(is_it) {
            run(Command::new("dpkg-deb").arg("-x").arg(file).arg(self.folder.join("unpacked")))?;
        }
        Ok(())
    }
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Result<(), Failure> {
    let finished = finish(command, Output::Kept, Some(LIMIT), |_| ())?;
    match finished.status.success() {
        true => Ok(()),
        false => Err(Failure::Environment(miette!(
            help = "it needs the distribution's archive: look at the network, then try again",
            "{command:?} failed ({}):\n{}",
            finished.status,
            finished.output.trim_end()
        ))),
    }
}
