//! The machine, the toolchain and the sources, as `run.json` describes them.

use crate::runner::process::{answer, said};
use host_analyzer::ground::manifest::{Host, Load};
use jiff::Timestamp;
use jiff::civil::DateTime;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::{env, fs, thread};

/// The machine that this process runs on.
pub fn host() -> Host {
    let field = |file: &str, key: &str, between: char| {
        let text = fs::read_to_string(file).ok()?;
        let (_, value) = text
            .lines()
            .filter_map(|line| line.split_once(between))
            .find(|(name, _)| name.trim() == key)?;
        Some(value.trim().trim_matches('"').to_owned())
    };
    let unknown = || "unknown".to_owned();
    let system = field("/etc/os-release", "PRETTY_NAME", '=');
    let release = said("uname", &["-sr"]).ok();
    Host {
        cpu: field("/proc/cpuinfo", "model name", ':').unwrap_or_else(unknown),
        cpus: thread::available_parallelism().map_or(1, usize::from),
        os: [system, release]
            .into_iter()
            .flatten()
            .reduce(|all, part| format!("{all}, {part}"))
            .unwrap_or_else(unknown),
        load: load().map(|load| Load { begin: load, end: load }),
    }
}

/// The load average over the last minute; `None` where the system does not report it.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Git revision of the sources under `root`, with `-dirty` where they were changed; `None`
/// outside git.
pub fn git_revision(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let variables = env::vars_os().map(|(name, _)| name);
        answer(git(root, variables).args(arguments)).ok()
    };
    let revision = git(&["rev-parse", "HEAD"])?;
    let changes = git(&["status", "--porcelain"])?;
    Some(if changes.is_empty() { revision } else { revision + "-dirty" })
}

/// Git in a folder, without those of the environment's `variables` that lead it to another repository
/// or index, as a hook's environment does.
fn git(folder: &Path, variables: impl Iterator<Item = OsString>) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder);
    for name in variables.filter(|name| name.as_encoded_bytes().starts_with(b"GIT_")) {
        git.env_remove(name);
    }
    git
}

/// The format of the time in the name of a run folder.
const FOLDER_NAME: &str = "%Y-%m-%dT%H-%M-%SZ";

/// Now, as the name of a run folder: `2026-11-23T06-12-20Z`.
pub fn folder_name(now: Timestamp) -> String {
    now.strftime(FOLDER_NAME).to_string()
}

/// True for what [`folder_name`] gives.
pub fn is_folder_name(name: &str) -> bool {
    // Reading is more generous than writing: a digit less will do.
    DateTime::strptime(FOLDER_NAME, name)
        .is_ok_and(|time| time.strftime(FOLDER_NAME).to_string() == name)
}

/// Now, as RFC 3339 to the second.
pub fn rfc3339(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_second() {
        let now: Timestamp = "2026-11-23T08:12:20.75+02:00".parse().unwrap();
        assert_eq!(folder_name(now), "2026-11-23T06-12-20Z");
        assert_eq!(rfc3339(now), "2026-11-23T06:12:20Z");
        assert!(is_folder_name("2026-11-23T06-12-20Z"));
        for name in [
            "",
            "mine",
            "2026",
            "2026-11-23T06-12-20Z-2",
            "2026-13-23T06-12-20Z",
            "2026-11-23T6-12-20Z",
        ] {
            assert!(!is_folder_name(name), "{name}");
        }
    }

    #[test]
    fn the_revision_is_that_of_the_folder_whatever_the_environment_says() {
        let folder = tempfile::tempdir().unwrap();
        let variables = ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "PATH"].map(OsString::from);
        let mut git = git(folder.path(), variables.into_iter());
        let removed: Vec<_> = git.get_envs().map(|(name, value)| (name.to_str(), value)).collect();
        let expected =
            ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"].map(|name| (Some(name), None));
        assert_eq!(removed, expected);
        assert!(answer(git.args(["rev-parse", "HEAD"])).is_err());
    }

    #[test]
    fn the_host_is_described() {
        let host = host();
        assert!(host.cpus >= 1 && !host.cpu.is_empty() && !host.os.is_empty(), "{host:?}");
    }
}
