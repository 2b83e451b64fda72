//! Options that are a list of pairs: faults and skews.

use super::drops::{DROP_SIPI, Drops};
use super::form::{Form, MAX_EXCEPTIONS, parse_cpu};
use super::words::Fault;
use crate::CpuIndex;
use crate::words::Word;
use core::fmt;

/// The faults that a test plants, as a word: `none`, or `never:3,trap:5,drop-sipi:all:1/1000:7`.
///
/// A CPU suffers one at most: one that never starts, or that ends the boot, can't show another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub(super) planted: heapless::Vec<(Fault, CpuIndex), MAX_EXCEPTIONS>,
    pub(super) drops: heapless::Vec<Drops, MAX_EXCEPTIONS>,
}

impl Faults {
    /// True if this CPU is to suffer this fault.
    pub fn hit(&self, fault: Fault, cpu: CpuIndex) -> bool {
        self.planted.contains(&(fault, cpu))
    }

    /// The CPUs that are to suffer this fault.
    pub fn of(&self, fault: Fault) -> impl Iterator<Item = CpuIndex> {
        self.planted.iter().filter(move |(planted, _)| *planted == fault).map(|(_, cpu)| *cpu)
    }

    /// True if the SIPI of that number in the boot is not to be sent to this AP; the first is 1.
    pub fn drops(&self, cpu: CpuIndex, number: u32) -> bool {
        self.drops.iter().any(|drops| drops.hit(cpu, number))
    }

    /// True if some SIPIs are to be dropped.
    pub fn drops_any(&self) -> bool {
        !self.drops.is_empty()
    }
}

impl Form for Faults {
    type Of = Faults;
    const EXPECTED: &'static str = "none, or up to four of never:CPU, stray:CPU, trap:CPU, panic:CPU, \
                            differ:CPU, adjust:CPU or init-after-sipi:CPU, as `never:3,trap:5`, and up to four of \
                            drop-sipi:CPU:K or drop-sipi:CPU:1/N:SEED, as `drop-sipi:all:1/1000:7`";

    fn parse(text: &str) -> Option<Faults> {
        let mut faults = Faults::default();
        if text == "none" {
            return Some(faults);
        }
        for part in text.split(',') {
            match part.split_once(':')? {
                (DROP_SIPI, drops) => faults.drops.push(Drops::parse(drops)?).ok()?,
                (fault, cpu) => {
                    faults.planted.push((Fault::named(fault)?, parse_cpu(cpu)?)).ok()?;
                }
            }
        }
        Some(faults)
    }

    fn twice(faults: &Faults) -> Option<CpuIndex> {
        let planted = faults.planted.iter().map(|(_, cpu)| *cpu);
        first_repeated(planted.chain(faults.drops.iter().filter_map(|drops| drops.cpu)))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.planted.is_empty() || self.drops.is_empty() {
            write_list(f, &self.planted, |f, (fault, cpu)| write!(f, "{fault}:{}", cpu.0))?;
        }
        match (self.planted.is_empty(), self.drops.is_empty()) {
            (_, true) => return Ok(()),
            (false, false) => f.write_str(",")?,
            (true, false) => {}
        }
        write_list(f, &self.drops, |f, drops| write!(f, "{drops}"))
    }
}

/// Skewed clocks, as a word: `none`, or `3:200,5:-200` in cycles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skews(pub(super) heapless::Vec<(CpuIndex, i32), MAX_EXCEPTIONS>);

impl Skews {
    /// The injected offset of this CPU's clock, in cycles.
    pub fn of(&self, cpu: CpuIndex) -> i64 {
        let skew = self.0.iter().find(|(skewed, _)| *skewed == cpu);
        skew.map_or(0, |(_, cycles)| (*cycles).into())
    }
}

impl Form for Skews {
    type Of = Skews;
    const EXPECTED: &'static str = "none, or up to four of CPU:CYCLES for APs, cycles from -2147483648 to \
                            2147483647, as `3:200,5:-200`";

    fn parse(text: &str) -> Option<Skews> {
        let ap = |cpu: &str| parse_cpu(cpu).filter(|cpu| *cpu != CpuIndex::BSP);
        let pair = |cpu: &str, cycles: &str| Some((ap(cpu)?, cycles.parse().ok()?));
        parse_list(text, pair).map(Skews)
    }

    fn twice(skews: &Skews) -> Option<CpuIndex> {
        first_repeated(skews.0.iter().map(|(cpu, _)| *cpu))
    }
}

impl fmt::Display for Skews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0, |f, (cpu, cycles)| write!(f, "{}:{cycles}", cpu.0))
    }
}

/// A list of pairs as a word: `none`, or `A:B,A:B`, up to [`MAX_EXCEPTIONS`] of them.
fn parse_list<T>(
    text: &str,
    pair: impl Fn(&str, &str) -> Option<T>,
) -> Option<heapless::Vec<T, MAX_EXCEPTIONS>> {
    let mut list = heapless::Vec::new();
    if text != "none" {
        for part in text.split(',') {
            let (one, other) = part.split_once(':')?;
            list.push(pair(one, other)?).ok()?;
        }
    }
    Some(list)
}

/// The first CPU that an earlier one is equal to.
fn first_repeated(mut cpus: impl Iterator<Item = CpuIndex> + Clone) -> Option<CpuIndex> {
    let all = cpus.clone();
    let mut at = 0;
    cpus.find(|cpu| {
        at += 1;
        all.clone().take(at - 1).any(|before| before == *cpu)
    })
}

/// Writes what [`parse_list`] reads.
fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    list: &[T],
    pair: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if list.is_empty() {
        return f.write_str("none");
    }
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        pair(f, item)?;
    }
    Ok(())
}
