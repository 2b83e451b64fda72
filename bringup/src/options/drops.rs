//! SIPIs that are withheld on purpose: what an engine that loses a SIPI now and then looks like.

use super::form::parse_cpu;
use crate::CpuIndex;
use core::fmt;
use fastrand::Rng;

/// The word for it in `fault`.
pub(super) const DROP_SIPI: &str = "drop-sipi";

/// Some of the SIPIs of an AP, or of every AP, are not sent: `3:2`, `all:1/1000:7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drops {
    /// Whose; `None` for every AP.
    pub cpu: Option<CpuIndex>,
    /// Which of an AP's SIPIs.
    pub which: Which,
}

/// Which of the SIPIs that an AP is sent in a boot; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    Nth(u32),
    /// Each with a probability of 1 in `n`; equal seeds give the same ones.
    OneIn {
        /// One of so many.
        n: u32,
        /// What the choice depends on, besides the CPU and the number of the SIPI.
        seed: u32,
    },
}

impl Drops {
    /// True if the SIPI of that number is not sent to this AP.
    pub fn hit(&self, cpu: CpuIndex, number: u32) -> bool {
        let is_its = self.cpu.is_none_or(|its| its == cpu);
        is_its
            && match self.which {
                Which::Nth(nth) => nth == number,
                Which::OneIn { n, seed } => {
                    let choice = u64::from(seed) << 48 ^ u64::from(cpu.0) << 32 ^ u64::from(number);
                    Rng::with_seed(choice).u32(..n) == 0
                }
            }
    }

    /// Reads what stands behind `drop-sipi:`.
    pub(super) fn parse(text: &str) -> Option<Drops> {
        let (cpu, which) = text.split_once(':')?;
        let cpu = if cpu == "all" { None } else { Some(parse_cpu(cpu)?) };
        let above_zero = |text: &str| text.parse().ok().filter(|number: &u32| *number > 0);
        let which = match which.strip_prefix("1/") {
            None => Which::Nth(above_zero(which)?),
            Some(one_in) => {
                let (n, seed) = one_in.split_once(':')?;
                Which::OneIn { n: above_zero(n)?, seed: seed.parse().ok()? }
            }
        };
        Some(Drops { cpu, which })
    }
}

impl fmt::Display for Drops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DROP_SIPI}:")?;
        match self.cpu {
            None => f.write_str("all:")?,
            Some(cpu) => write!(f, "{}:", cpu.0)?,
        }
        match self.which {
            Which::Nth(nth) => write!(f, "{nth}"),
            Which::OneIn { n, seed } => write!(f, "1/{n}:{seed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_sipi_of_a_cpu_is_dropped_and_no_other() {
        let drops = Drops::parse("3:2").unwrap();
        assert!(drops.hit(CpuIndex(3), 2));
        assert!(!drops.hit(CpuIndex(3), 1) && !drops.hit(CpuIndex(2), 2));
    }

    #[test]
    fn one_in_n_is_dropped_of_each_cpu_and_the_seed_says_which() {
        let dropped = |seed: u32, cpu: u16| {
            let drops = Drops::parse(&format!("all:1/100:{seed}")).unwrap();
            (1..=100_000).filter(|number| drops.hit(CpuIndex(cpu), *number)).collect::<Vec<u32>>()
        };
        for (seed, cpu) in [(1, 1), (1, 2), (2, 1), (7, 254)] {
            let count = dropped(seed, cpu).len();
            // Binomial: 1000, with a standard deviation of 31.5.
            assert!((850..1150).contains(&count), "{seed}, CPU {cpu}: {count}");
        }
        assert_eq!(dropped(1, 1), dropped(1, 1));
        assert!(dropped(1, 1) != dropped(1, 2) && dropped(1, 1) != dropped(2, 1));
    }

    #[test]
    fn it_reads_what_it_writes() {
        for text in ["3:2", "all:1/1000:7", "65535:1/4294967295:0"] {
            assert_eq!(Drops::parse(text).unwrap().to_string(), format!("drop-sipi:{text}"));
        }
        for text in ["3", "all:0", "3:1/0:1", "3:1/10", "x:1", "3:2/10:1"] {
            assert_eq!(Drops::parse(text), None, "{text}");
        }
    }
}
