//! What the run folder tells of the machine, the toolchain and the sources.

use crate::process::said;
use host_analyzer::manifest::{Host, Load};
use jiff::Timestamp;
use std::path::Path;
use std::{fs, thread};

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

/// The load average over the last minute; `None` where the system does not tell.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Git revision of the sources under `root`, with `-dirty` where they were changed; `None`
/// outside git.
pub fn git_revision(root: &Path) -> Option<String> {
    let root = root.to_str()?;
    let revision = said("git", &["-C", root, "rev-parse", "HEAD"]).ok()?;
    let changes = said("git", &["-C", root, "status", "--porcelain"]).ok()?;
    Some(if changes.is_empty() { revision } else { revision + "-dirty" })
}

/// Now, as the name of a run folder: `2026-11-23T06-12-20Z`.
pub fn folder_name(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H-%M-%SZ").to_string()
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
    }

    #[test]
    fn the_host_is_described() {
        let host = host();
        assert!(host.cpus >= 1 && !host.cpu.is_empty() && !host.os.is_empty(), "{host:?}");
    }
}
