//! Puts an engine's vCPU threads to the host's cores: the BSP's alone on one, the APs' on the rest.
//!
//! Two vCPUs exchange clock readings within a hundred cycles only while the host runs both. Left to
//! the host's scheduler they often share a core, and then take turns of milliseconds.

use crate::runner::process::Child;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How long the engine may take to start its vCPU threads.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pins the threads of that process; false where it can't be done: a host with one core, an engine
/// that has ended or names no vCPU threads, or a system that does not let us.
pub fn pin(process: &Child, cpus: u16) -> bool {
    let Ok(allowed) = sched_getaffinity(None) else { return false };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let Some((first, rest)) = cores.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return false;
    };
    let began = Instant::now();
    let threads = loop {
        let threads = vcpus(process.id());
        if threads.len() == usize::from(cpus) {
            break threads;
        }
        if process.is_over() || began.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    };
    threads.into_iter().all(|(cpu, thread)| {
        let mut set = CpuSet::new();
        if cpu == 0 {
            set.set(*first);
        } else {
            rest.iter().for_each(|core| set.set(*core));
        }
        sched_setaffinity(Some(thread), &set).is_ok()
    })
}

/// The vCPU threads there are: index and thread, by the names that QEMU gives them, `CPU 3/TCG`.
fn vcpus(process: Pid) -> Vec<(u16, Pid)> {
    let tasks = format!("/proc/{}/task", process.as_raw_nonzero());
    let Ok(tasks) = fs::read_dir(tasks) else { return Vec::new() };
    let vcpu = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let cpu = name.strip_prefix("CPU ")?.split('/').next()?.parse().ok()?;
        let thread = Pid::from_raw(task.file_name().to_str()?.parse().ok()?)?;
        Some((cpu, thread))
    };
    tasks.flatten().filter_map(vcpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn an_engine_that_has_ended_is_not_waited_for() {
        let mut child = Child::spawn(&mut Command::new("true")).unwrap();
        let began = Instant::now();
        while !child.is_over() {
            assert!(began.elapsed() < Duration::from_secs(30), "`true` does not end");
            thread::sleep(Duration::from_millis(1));
        }
        let calls = Instant::now();
        // So often that waiting each time would take long.
        assert!((0..30).all(|_| !pin(&child, 2)));
        assert!(calls.elapsed() < 15 * PATIENCE);
        // It was not reaped meanwhile.
        assert!(child.ended_with_group().unwrap().unwrap().success());
    }
}
