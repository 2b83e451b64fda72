//! What the CPUs of a machine make up: packages, cores and threads, in QEMU's words.

use std::fmt;

/// The levels of a CPU topology, as QEMU's `-smp` names them.
const LEVELS: [&str; 5] = ["sockets", "dies", "modules", "cores", "threads"];

/// The most of one level; an engine may take fewer CPUs.
const MOST: u32 = 4096;

/// A CPU topology, as in `sockets=2,cores=7,threads=2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    levels: Vec<(&'static str, u32)>,
}

impl Topology {
    /// The topology of a text.
    ///
    /// Fails, with what was expected, where the text is none.
    pub fn read(text: &str) -> Result<Topology, String> {
        let mut levels: Vec<(&'static str, u32)> = Vec::new();
        for part in text.split(',') {
            let (name, number) = part.split_once('=').unwrap_or((part, ""));
            let level = LEVELS.into_iter().find(|level| *level == name);
            let number = number.parse().ok().filter(|number| (1..=MOST).contains(number));
            match (level, number) {
                (Some(level), _) if levels.iter().any(|(known, _)| *known == level) => {
                    return Err(format!("`{level}` is there twice"));
                }
                (Some(level), Some(number)) => levels.push((level, number)),
                _ => {
                    return Err(format!(
                        "`{part}` is no level of a topology: expected {} with a number, as in \
                         \"sockets=2,cores=7,threads=2\"",
                        LEVELS.join(", ")
                    ));
                }
            }
        }
        Ok(Topology { levels })
    }

    fn number(&self, level: &str) -> Option<u32> {
        self.levels.iter().find(|(known, _)| *known == level).map(|(_, number)| *number)
    }

    /// Fails where it can't make that many CPUs, with what it makes.
    pub fn makes(&self, smp: u16) -> Result<(), String> {
        let given: u64 = self.levels.iter().map(|(_, number)| u64::from(*number)).product();
        // What is left open of these three follows from the CPU count.
        let open = ["sockets", "cores", "threads"].iter().any(|level| self.number(level).is_none());
        match u64::from(smp) {
            smp if smp == given || (open && smp.is_multiple_of(given)) => Ok(()),
            _ => Err(format!("makes {}{given}", if open { "a multiple of " } else { "" })),
        }
    }

    /// The package and the core of a CPU in a machine of `smp` CPUs, numbered as QEMU does it: thread by thread, core by
    /// core. Open cores follow from the CPU count, as in QEMU since 6.2.
    pub fn place(&self, smp: u16, cpu: u16) -> (u32, u32) {
        let number = |level| self.number(level).unwrap_or(1);
        let threads = number("threads");
        let inside = number("dies") * number("modules");
        let packages = number("sockets");
        let open = || u32::from(smp) / (threads * inside * packages).max(1);
        let cores = (self.number("cores").unwrap_or_else(open) * inside).max(1);
        let core = u32::from(cpu) / threads;
        (core / cores, core % cores)
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels = self.levels.iter().map(|(level, number)| format!("{level}={number}"));
        f.write_str(&levels.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_topology_is_refused() {
        let topology = Topology::read("cores=2,threads=1").unwrap();
        assert_eq!(topology.to_string(), "cores=2,threads=1");
        for text in ["", "cores", "cores=0", "cores=x", "core=2", "cores=2,", "cores=2,cores=2"] {
            assert!(Topology::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cpus_are_numbered_thread_by_thread() {
        let places = |text: &str, smp: u16| -> Vec<(u32, u32)> {
            let topology = Topology::read(text).unwrap();
            (0..smp).map(|cpu| topology.place(smp, cpu)).collect()
        };
        let two = [(0, 0), (0, 0), (0, 1), (0, 1), (1, 0), (1, 0), (1, 1), (1, 1)];
        assert_eq!(places("sockets=2,threads=2", 8), two);
        assert_eq!(places("sockets=2,cores=2,threads=2", 8), two);
        assert_eq!(places("threads=2", 4), [(0, 0), (0, 0), (0, 1), (0, 1)]);
    }
}
