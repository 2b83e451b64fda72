//! The kernel, started by a real Linux: kexec.

use crate::engines::failed;
use crate::harness::{kernel, skipped};
use host_analyzer::run::Run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use xtask::debian::{Apt, Wanted};
use xtask::linux::{distribution, initramfs};
use xtask::newer_qemu::{lacking, newer_qemu};
use xtask::root;
use xtask::runner::process::{Output, finish};

/// kexec-tools and the libraries that it loads; the C library is this machine's.
const PACKAGES: [&str; 9] = [
    "kexec-tools",
    "libxenmisc4.17",
    "libxencall1",
    "libxendevicemodel1",
    "libxenevtchn1",
    "libxenforeignmemory1",
    "libxengnttab1",
    "libxentoolcore1",
    "libxentoollog1",
];

const WANTED: Wanted = Wanted {
    what: "kexec-tools are unpacked",
    instead: "run this test there",
    release: Some("bookworm"),
};

/// A boot of the Linux and of the kernel takes some ten seconds.
const LIMIT: Duration = Duration::from_secs(180);

/// What a Linux needs for a kexec.
struct Linux {
    qemu: PathBuf,
    kernel: PathBuf,
    busybox: Vec<u8>,
    /// Programs and libraries, by their paths in the initramfs.
    files: Vec<(String, Vec<u8>)>,
}

impl Linux {
    /// `None` where the host has not what it takes, which a line says even though the test passes.
    fn find() -> Option<&'static Linux> {
        static LINUX: OnceLock<Option<Linux>> = OnceLock::new();
        LINUX.get_or_init(Linux::prepared).as_ref()
    }

    fn prepared() -> Option<Linux> {
        let found = || -> Result<Linux, String> {
            // QEMU 7.2 breaks one of four Linux boots on threads of the host.
            let qemu = newer_qemu().ok_or_else(lacking)?;
            if distribution::kernels().is_empty() {
                distribution::fetch().map_err(failed)?;
            }
            let kernel = distribution::kernels().pop().ok_or("there is no kernel")?;
            let busybox = distribution::busybox().map_err(failed)?;
            let busybox = fs::read(busybox).map_err(|error| error.to_string())?;
            Ok(Linux { qemu, kernel, busybox, files: files()? })
        };
        match found() {
            Ok(linux) => Some(linux),
            Err(why) => {
                skipped(&why);
                None
            }
        }
    }

    /// Boots the Linux with 4 CPUs; it starts the kernel by kexec. Gives QEMU's exit status and what came on the serial port.
    fn boot(&self, how: &str, words: &str, before: &str) -> (Option<i32>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let init = format!(
            "#!/bin/busybox sh\nbusybox mount -t proc proc /proc\nbusybox mount -t sysfs sysfs /sys\n{before}\n\
             kexec -l /bin/rollcall {how} --command-line='tsc-trust=engine tsc-sync=trusted {words}'\n\
             kexec -e\nbusybox poweroff -f\n"
        );
        let mut files = self.files.clone();
        files.push(("bin/rollcall".to_owned(), fs::read(&kernel().path).unwrap()));
        let archive = initramfs::archive(&self.busybox, &init, &files).unwrap();
        fs::write(folder.path().join("initrd"), archive).unwrap();
        let mut command = Command::new(&self.qemu);
        command.current_dir(folder.path());
        command.args(["-nodefaults", "-display", "none", "-no-reboot", "-machine", "q35"]);
        command.args([
            "-cpu",
            "SandyBridge-v1,x2apic=off,tsc-deadline=off",
            "-smp",
            "4",
            "-m",
            "512",
        ]);
        command.args(["-accel", "tcg,thread=multi", "-initrd", "initrd", "-kernel"]);
        command.arg(&self.kernel).args(["-append", "console=ttyS0 quiet"]);
        command.args([
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=4",
            "-serial",
            "file:capture.bin",
        ]);
        let finished =
            finish(&mut command, Output::Kept, Some(LIMIT), |_| ()).map_err(failed).unwrap();
        (finished.status.code(), folder)
    }
}

/// The programs and libraries of a kexec.
fn files() -> Result<Vec<(String, Vec<u8>)>, String> {
    let folder = root().join("target/kexec");
    let (kexec, done) = (folder.join("unpacked/sbin/kexec"), folder.join("done"));
    if !done.is_file() {
        let apt = Apt::beside(&folder, WANTED).map_err(failed)?;
        PACKAGES.into_iter().try_for_each(|package| apt.unpack(package)).map_err(failed)?;
        fs::write(&done, "").map_err(|error| error.to_string())?;
    }
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut files = vec![
        ("bin/kexec".to_owned(), read(&kexec)?),
        ("lib64/ld-linux-x86-64.so.2".to_owned(), read(Path::new("/lib64/ld-linux-x86-64.so.2"))?),
        ("lib/libc.so.6".to_owned(), read(Path::new("/lib/x86_64-linux-gnu/libc.so.6"))?),
    ];
    let libraries = fs::read_dir(folder.join("unpacked/usr/lib/x86_64-linux-gnu"));
    for library in libraries.map_err(|error| error.to_string())?.flatten() {
        // By the name that programs load them by: of major version and, for one of them, minor version.
        let name = library.file_name().to_string_lossy().into_owned();
        if name.contains(".so.") {
            files.push((format!("lib/{name}"), read(&library.path())?));
        }
    }
    Ok(files)
}

/// All APs came online in every trial.
fn assert_online(linux: &Linux, how: &str, words: &str, before: &str, cpus: usize) -> Run {
    let (status, folder) = linux.boot(how, words, before);
    let capture = folder.path().join("capture.bin");
    let text = || String::from_utf8_lossy(&fs::read(&capture).unwrap()).into_owned();
    assert_eq!(status, Some(33), "{how}: {}", text());
    let run = Run::open(&capture).map_err(failed).unwrap();
    assert_eq!(run.boots[0].machine.as_ref().unwrap().cpus.len(), cpus);
    assert!(run.cells.iter().flat_map(|cell| &cell.trials).all(|trial| trial.lost == 0));
    run
}

const MULTIBOOT2: &str = "--type=multiboot2-x86";

#[test]
#[ignore = "long: `cargo xtask test kernel-long`"]
fn a_linux_starts_the_kernel_by_kexec_and_all_aps_come_online() {
    let Some(linux) = Linux::find() else { return };
    for strategy in ["serial", "parallel-sipi", "full-parallel"] {
        assert_online(linux, MULTIBOOT2, &format!("strategy={strategy}"), "", 4);
    }
    // As Linux starts another Linux, by its 64-bit protocol.
    assert_online(linux, "--type=elf-x86_64 --args-linux", "strategy=full-parallel", "", 4);
}

#[test]
#[ignore = "long: `cargo xtask test kernel-long`"]
fn a_kernel_that_another_cpu_was_started_on_leaves_the_bsp_alone() {
    let Some(linux) = Linux::find() else { return };
    let on_cpu_1 = "echo 1 > /sys/kernel/reboot/cpu";
    let run = assert_online(linux, MULTIBOOT2, "strategy=full-parallel", on_cpu_1, 3);
    let ids: Vec<u32> =
        run.boots[0].machine.as_ref().unwrap().cpus.iter().map(|cpu| cpu.apic_id.0).collect();
    assert_eq!(ids, [1, 2, 3]);
    let (status, folder) =
        linux.boot(MULTIBOOT2, "kick=broadcast strategy=full-parallel", on_cpu_1);
    let bytes = fs::read(folder.path().join("capture.bin")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(status == Some(35) && text.contains("INIT to the BSP resets the machine"), "{text}");
}
