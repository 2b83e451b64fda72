//! What the CPUs of a machine make up: packages, cores and threads, in QEMU's words.

use std::fmt;

/// The levels of a CPU topology, as QEMU's `-smp` names them.
const LEVELS: [&str; 5] = ["sockets", "dies", "modules", "cores", "threads"];

/// The most of one level; an engine may take fewer CPUs.
const MOST: u32 = 4096;

/// Words for a whole topology, and what they stand for.
const PRESETS: [(&str, &str); 3] =
    // Three cores take four IDs, so every fourth ID is free.
    [("two-sockets", "sockets=2"), ("threads", "threads=2"), ("sparse", "cores=3")];

/// A CPU topology, as in `sockets=2,cores=7,threads=2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    levels: Vec<(&'static str, u32)>,
}

impl Topology {
    /// The topology of a text: levels, or a word for some of them.
    ///
    /// Fails, with what was expected, where the text is none.
    pub fn read(text: &str) -> Result<Topology, String> {
        let preset = PRESETS.into_iter().find(|(word, _)| *word == text);
        let text = preset.map_or(text, |(_, levels)| levels);
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
                         \"sockets=2,cores=7,threads=2\", or one of {}",
                        LEVELS.join(", "),
                        PRESETS.map(|(word, _)| word).join(", ")
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

    /// The threads of a core and the cores of a module in a machine of `smp` CPUs. Open ones follow from the CPU count, as
    /// in QEMU since 6.2: cores before sockets, threads only where both of these are given.
    fn inside(&self, smp: u16) -> (u32, u32) {
        let given: u32 = self.levels.iter().map(|(_, number)| *number).product();
        let open = (u32::from(smp) / given.max(1)).max(1);
        match (self.number("sockets"), self.number("cores"), self.number("threads")) {
            (_, None, threads) => (threads.unwrap_or(1), open),
            (Some(_), Some(cores), None) => (open, cores),
            (_, Some(cores), threads) => (threads.unwrap_or(1), cores),
        }
    }

    /// The package and the core of a CPU in a machine of `smp` CPUs, numbered as QEMU does it: thread by thread, core by
    /// core.
    pub fn place(&self, smp: u16, cpu: u16) -> (u32, u32) {
        let (threads, cores) = self.inside(smp);
        let number = |level| self.number(level).unwrap_or(1);
        let cores = cores * number("dies") * number("modules");
        let core = u32::from(cpu) / threads;
        (core / cores, core % cores)
    }

    /// The APIC ID that QEMU gives the CPU: each level has as many bits as its numbers take.
    pub fn apic_id(&self, smp: u16, cpu: u16) -> u32 {
        let (threads, cores) = self.inside(smp);
        let number = |level| self.number(level).unwrap_or(1);
        let levels = [threads, cores, number("modules"), number("dies")];
        let (mut rest, mut id, mut bits) = (u32::from(cpu), 0, 0);
        for level in levels {
            id |= (rest % level) << bits;
            rest /= level;
            bits += level.next_power_of_two().trailing_zeros();
        }
        id | rest << bits
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
        // Threads follow where the other two are given, sockets where cores are.
        assert_eq!(places("sockets=2,cores=2", 8), two);
        assert_eq!(places("cores=1,threads=2", 4), [(0, 0), (0, 0), (1, 0), (1, 0)]);
    }

    #[test]
    fn a_word_stands_for_levels() {
        for (word, levels) in
            [("two-sockets", "sockets=2"), ("threads", "threads=2"), ("sparse", "cores=3")]
        {
            assert_eq!(Topology::read(word).unwrap().to_string(), levels);
        }
        for text in ["sparse,threads=2", "sparse=2", "Sparse"] {
            assert!(Topology::read(text).unwrap_err().contains("or one of two-sockets"), "{text}");
        }
        let sparse = Topology::read("sparse").unwrap();
        assert!(sparse.makes(6).is_ok() && sparse.makes(96).is_ok());
        assert_eq!(sparse.makes(28).unwrap_err(), "makes a multiple of 3");
    }

    #[test]
    fn apic_ids_have_holes_where_a_level_is_no_power_of_two() {
        let ids = |text: &str, smp: u16| -> Vec<u32> {
            let topology = Topology::read(text).unwrap();
            (0..smp).map(|cpu| topology.apic_id(smp, cpu)).collect()
        };
        assert_eq!(ids("sparse", 9), [0, 1, 2, 4, 5, 6, 8, 9, 10]);
        assert_eq!(ids("two-sockets", 6), [0, 1, 2, 4, 5, 6]);
        assert_eq!(ids("threads", 6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(ids("dies=3,cores=1,threads=1", 6), [0, 1, 2, 4, 5, 6]);
        assert_eq!(
            ids("sockets=2,cores=3,threads=2", 12),
            [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]
        );
    }
}
