//! Each tree builds and measures itself, whatever tree the program was built in.

use super::engines::{manifest, recorded};
use super::{ends_with, names_in, path_of, program, scenario};
use sha2::{Digest, Sha256};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder that is a tree of Rollcall, with the program that a copy of a built tree has.
fn tree() -> (TempDir, PathBuf) {
    // On the file system of the program, which is linked: a copy could still be open for writing in
    // a process that another test starts, and then can't be executed.
    let (keep, folder) = temporary(Path::new(env!("CARGO_TARGET_TMPDIR")));
    fs::create_dir_all(folder.join("testbed-kernel")).unwrap();
    fs::write(folder.join("testbed-kernel/kernel.ld"), "").unwrap();
    fs::create_dir_all(folder.join("target/debug")).unwrap();
    fs::hard_link(env!("CARGO_BIN_EXE_xtask"), folder.join("target/debug/xtask")).unwrap();
    (keep, folder)
}

/// The program of a tree, started in a folder; `arguments` are split at blanks.
fn xtask_of(tree: &Path, folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(tree.join("target/debug/xtask"));
    command.args(arguments.split_whitespace()).current_dir(folder);
    command.stdin(Stdio::null()).env_remove("CI").env_remove("CARGO_MANIFEST_DIR");
    command
}

/// A `cargo` whose kernels are a text: the folder that it works in.
fn cargo_in(folder: &Path) -> PathBuf {
    program(
        folder,
        "cargo",
        "while [ $# -gt 0 ]; do\n\
         case $1 in --target) target=$2;; --target-dir) place=$2;; esac\nshift\ndone\n\
         mkdir -p \"$place/$target/kernel\"\n\
         pwd > \"$place/$target/kernel/testbed-kernel\"",
    );
    folder.join("cargo")
}

fn temporary(place: &Path) -> (TempDir, PathBuf) {
    let folder = tempfile::Builder::new().prefix("a tree").tempdir_in(place).unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

#[test]
fn a_copied_tree_measures_into_itself() {
    // By cargo, by the working directory, by the place of the program.
    for way in ["cargo", "folder", "program"] {
        let ((_copy, copy), (_other, other)) = (tree(), temporary(&env::temp_dir()));
        let folder = if way == "folder" { copy.join("target") } else { other.clone() };
        let mut run = xtask_of(&copy, &folder, "run --engine sim --smp 2");
        if way == "cargo" {
            run.env("CARGO_MANIFEST_DIR", copy.join("xtask"));
        }
        ends_with(&run.output().unwrap(), 0);
        assert_eq!(names_in(&copy.join("results")), ["latest-run", "run"], "{way}");
        assert!(names_in(&other).is_empty(), "{way}");
    }
}

#[test]
fn a_copied_tree_builds_its_own_kernel() {
    let ((_copy, copy), (_folder, folder)) = (tree(), temporary(&env::temp_dir()));
    let mut build = xtask_of(&copy, &copy, "build");
    build.env("CARGO", cargo_in(&folder.join("tools")));
    // It is said to be there, and is not looked at.
    program(&folder.join("tools"), "qemu-system-x86_64", "exit 0");
    let path = env::var("PATH").unwrap_or_default();
    build.env("PATH", format!("{}:{path}", folder.join("tools").display()));
    let (said, _) = ends_with(&build.output().unwrap(), 0);
    let kernel = Path::new(said.lines().next().unwrap());
    assert!(kernel.starts_with(copy.join("target/kernel")), "{said}");
    assert_eq!(fs::read_to_string(kernel).unwrap(), format!("{}\n", copy.display()));
}

#[test]
fn a_kernel_that_is_built_during_a_run_does_not_get_into_it() {
    let ((_copy, copy), (keep, folder)) = (tree(), temporary(&env::temp_dir()));
    let kernels = copy.join("target/kernel");
    recorded(&folder, &[2], "1ms");
    program(
        &folder,
        "replay",
        "sha256sum < \"$3\" >> booted\n\
         for built in \"$4\"/*/kernel/testbed-kernel; do echo new > \"$built\"; done\n\
         cp $1 \"$2\"",
    );
    let text = format!(
        "engines = \"replay\"\ncpus = 2\nboots = 3\n[engine.replay]\n\
         command = [\"./replay\", \"2.bin\", \"{{capture}}\", \"{{kernel}}\", {kernels:?}, \"{{cmdline}}\"]\n\
         [options]\nstrategy = \"serial\"\nrepetitions = 3\ncost-callin = \"1ms\"\n"
    );
    let file = scenario(&keep, &text);
    let mut matrix = xtask_of(&copy, &copy, "matrix");
    matrix.arg(file);
    matrix.env("CARGO", cargo_in(&folder.join("tools")));
    ends_with(&matrix.output().unwrap(), 0);
    let manifest = manifest(&copy.join("results/latest"));
    let built = manifest.kernel.unwrap().sha256;
    let booted = fs::read_to_string(folder.join("booted")).unwrap();
    let booted: Vec<&str> = booted.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(booted, [&built, &built, &built]);
    // The commands can be repeated, with the very kernel.
    let bytes = fs::read(&manifest.boots[2].command[3]).unwrap();
    let hash =
        Sha256::digest(bytes).iter().fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
    assert_eq!(hash, built);
}

#[test]
fn trees_with_one_target_folder_run_what_is_built_from_their_own_sources() {
    let (_keep, folder) = temporary(&env::temp_dir());
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let config = fs::read_to_string(sources.join(".cargo/config.toml")).unwrap();
    let line = "const _: Option<&str> = option_env!(\"ROLLCALL_ROOT\");\n";
    for library in ["bringup", "host-analyzer", "xtask"] {
        let text = fs::read_to_string(sources.join(library).join("src/lib.rs")).unwrap();
        assert!(text.contains(line), "{library}");
    }
    let trees = ["one", "two"].map(|name| (name, folder.join(name)));
    for (name, tree) in &trees {
        let main = format!("{line}fn main() {{ println!(\"{name}\"); }}\n");
        let files = [
            (".cargo/config.toml", &*config),
            ("Cargo.toml", "[package]\nname = \"tree\"\nedition = \"2024\"\n[workspace]\n"),
            ("src/main.rs", &main),
        ];
        for (file, text) in files {
            let path = tree.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            // Older than all that is built.
            fs::File::open(path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        }
    }
    // And back to the first.
    for (name, tree) in trees.iter().chain(&trees[..1]) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--quiet", "--offline"]).current_dir(tree);
        cargo.env("CARGO_TARGET_DIR", folder.join("target"));
        let (said, _) = ends_with(&cargo.output().unwrap(), 0);
        assert_eq!(said, format!("{name}\n"));
    }
}

#[test]
fn a_newer_qemu_is_set_up_beside_the_installed_one_or_the_environment_failed() {
    let (_keep, tree) = tree();
    let made_up = tree.join("made-up");
    let qemu = |version: &str| {
        let script = format!("echo QEMU emulator version {version}; echo started with $*");
        program(&made_up, "qemu-system-x86_64", &script);
    };
    for needed in ["chromedriver", "grub-mkrescue", "xorriso", "bochs"] {
        program(&made_up, needed, "exit 0");
    }
    program(
        &made_up,
        "apt-get",
        "case $1 in\nindextargets) echo /no/list:1 http://one/debian/ bookworm;;\n\
         *) echo E: no network; exit 100;;\nesac",
    );
    let path = path_of(&tree);
    let setup = || {
        let mut setup = xtask_of(&tree, &tree, "setup --newer-qemu");
        setup.env("PATH", &path).output().unwrap()
    };
    let script = tree.join("target/qemu-newer/qemu-system-x86_64");

    qemu("7.2.22");
    let (_, told) = ends_with(&setup(), 3);
    let reasons = ["`apt-get update` failed", "E: no network"];
    assert!(
        reasons.iter().all(|reason| told.contains(reason))
            || told.contains("is unpacked on Debian bookworm alone"),
        "{told}"
    );
    assert!(!script.exists());

    qemu("10.0.2");
    let (said, _) = ends_with(&setup(), 0);
    assert!(said.contains(script.to_str().unwrap()), "{said}");
    let output = Command::new(&script).arg("-S").env("PATH", &path).output().unwrap();
    assert!(ends_with(&output, 0).0.contains("started with -S"));
}
