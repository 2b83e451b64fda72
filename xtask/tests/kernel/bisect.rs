//! The recipe of `docs/ci.md` for `git bisect run` on a noisy engine, as it stands there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::root;

/// How many commits the history has.
const COMMITS: usize = 8;

/// Which of them makes a phase slower by a fifth; the first is 1.
const PLANTED: usize = 5;

/// The command of the recipe that builds a revision.
const BUILD: &str = "ninja -C build qemu-system-x86_64 ";

/// The code block of the recipe that begins so and holds this.
fn block(fence: &str, what: &str) -> String {
    let page = fs::read_to_string(root().join("docs/ci.md")).unwrap();
    let recipe = page.split_once("**A commit of QEMU**").unwrap().1;
    let mut blocks = recipe.split("\n```").map(|block| block.strip_prefix(fence).unwrap_or(""));
    blocks.find(|block| block.contains(what)).unwrap_or_else(|| panic!("no {what}")).to_owned()
}

/// A command in the history; panics where it fails.
#[track_caller]
pub fn done(folder: &Path, script: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(folder).env("ROLLCALL", root());
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@localhost");
    }
    let output = command.output().unwrap();
    let [said, complained] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
    assert!(output.status.success(), "{script}\n{said}\n{complained}");
    said
}

/// The programs that `cargo xtask` and `cargo analyze` call, already built.
pub fn programs() -> [PathBuf; 2] {
    let xtask = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
    done(root(), "cargo build --quiet --package host-analyzer");
    let analyzer = xtask.with_file_name("host-analyzer");
    [xtask, analyzer]
}

/// Eight commits of a scenario, which stands for the program that is bisected; with every boot on
/// host threads each measurement is noisy.
fn history(folder: &Path) {
    done(folder, "git init --quiet");
    for commit in 1..=COMMITS {
        let callin = if commit < PLANTED { "2000us" } else { "2400us" };
        let cost = format!("cost-callin = \"{callin}\"\n# commit {commit}\n");
        fs::write(folder.join("moved.toml"), block("toml\n", "engine = ") + "\n" + &cost).unwrap();
        done(folder, &format!("git add -A && git commit --quiet -m 'commit {commit}'"));
    }
}

/// Follows the recipe with these programs; returns what it says and the commit that it blames.
fn bisected(folder: &Path, [xtask, analyzer]: [PathBuf; 2]) -> (String, String) {
    let repository = folder.join("repository");
    fs::create_dir(&repository).unwrap();
    history(&repository);
    fs::write(folder.join("moved.toml"), block("toml\n", "[[budget]]")).unwrap();
    let recipe = block("\n", "git bisect run");
    assert!(recipe.contains(BUILD), "{recipe}");
    let script = recipe
        .replace("BAD GOOD", &format!("HEAD HEAD~{}", COMMITS - 1))
        .replace(BUILD, "cp moved.toml /tmp/moved-scenario.toml ")
        .replace("/tmp/moved", &folder.join("moved").display().to_string())
        .replace("cargo xtask", &xtask.display().to_string())
        .replace("cargo analyze", &analyzer.display().to_string());
    let said = done(&repository, &script);
    (said, done(&repository, "git show --no-patch --format=%s refs/bisect/bad"))
}

#[test]
fn the_recipe_finds_a_planted_commit_in_a_noisy_history_of_eight() {
    let folder = tempfile::tempdir().unwrap();
    let (said, found) = bisected(folder.path(), programs());
    assert_eq!(found.trim(), format!("commit {PLANTED}"), "{said}");
    assert!(said.contains("is the first bad commit"), "{said}");
}

/// Programs that pretend: with the 9 boots of the scenario every revision is in doubt.
#[test]
fn the_recipe_measures_a_revision_in_doubt_again_with_more_boots() {
    let folder = tempfile::tempdir().unwrap();
    let programs = [
        ("xtask", "mkdir -p \"$4/latest\" && cp \"$2\" \"$4/latest/scenario\""),
        (
            "analyzer",
            "grep -q 'boots = 9$' \"$2/scenario\" && exit 125; ! grep -q 2400us \"$2/scenario\"",
        ),
    ];
    let programs = programs.map(|(name, script)| {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    });
    let (said, found) = bisected(folder.path(), programs);
    assert_eq!(found.trim(), format!("commit {PLANTED}"), "{said}");
    assert!(said.contains("is the first bad commit"), "{said}");
}
