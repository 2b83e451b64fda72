//! What a step costs.

use super::form::{Form, MAX_EXCEPTIONS, parse_cpu};
use crate::class::Class;
use crate::units::{duration, time};
use crate::words::Word;
use crate::{CpuIndex, Duration};
use core::fmt;

/// The word that makes a cost one CPU's at a time.
const EXCLUSIVE: &str = "exclusive";

/// What a step costs: the same for all APs, but for the exceptions by class and by CPU.
///
/// As a word: `800us`, or `800us,package:8ms,5:9ms,16-31:900us,exclusive`. A CPU's own exception goes
/// before its class's; it has one at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    pub(super) usual: Duration,
    /// By [`Class`].
    pub(super) classes: [Option<Duration>; Class::ALL.len()],
    pub(super) exceptions: heapless::Vec<(CpuIndex, CpuIndex, Duration), MAX_EXCEPTIONS>,
    pub(super) exclusive: bool,
}

impl Cost {
    /// No cost at all.
    pub(super) const FREE: Cost = Cost {
        usual: Duration::ZERO,
        classes: [None; Class::ALL.len()],
        exceptions: heapless::Vec::new(),
        exclusive: false,
    };

    /// The cost for one AP, if it has one.
    pub fn of(&self, cpu: CpuIndex, class: Class) -> Option<Duration> {
        let by_class = self.classes[class as usize].unwrap_or(self.usual);
        Some(self.exception(cpu).unwrap_or(by_class)).filter(|cost| !cost.is_zero())
    }

    /// A CPU's own cost, if it has one.
    pub(super) fn exception(&self, cpu: CpuIndex) -> Option<Duration> {
        let mut exceptions = self.exceptions.iter();
        let own = exceptions.find(|(first, last, _)| (*first..=*last).contains(&cpu));
        own.map(|(_, _, cost)| *cost)
    }

    /// The cost for every AP that is no exception, if there is one.
    pub fn usual(&self) -> Option<Duration> {
        Some(self.usual).filter(|cost| !cost.is_zero())
    }

    /// True where it costs no AP anything.
    pub fn is_free(&self) -> bool {
        *self == Cost::FREE
    }

    /// True where it is spent by one CPU at a time, in the order of arrival.
    pub fn is_exclusive(&self) -> bool {
        self.exclusive
    }
}

impl Form for Cost {
    type Of = Cost;
    const EXPECTED: &'static str = concat!(
        "a duration (",
        duration!(),
        "), and after commas up to four of CPU:DURATION or FIRST-LAST:DURATION for APs, one each of \
         package:, core: and sibling:DURATION, and exclusive, as `800us,5:8ms`"
    );

    fn parse(text: &str) -> Option<Cost> {
        let mut parts = text.split(',');
        let mut cost = Cost { usual: Duration::parse(parts.next()?)?, ..Cost::FREE };
        for part in parts {
            if part == EXCLUSIVE && !cost.exclusive {
                cost.exclusive = true;
                continue;
            }
            let (whose, duration) = part.split_once(':')?;
            let duration = Duration::parse(duration)?;
            if let Some(class) = Class::named(whose) {
                match cost.classes[class as usize].replace(duration) {
                    None => continue,
                    Some(_) => return None,
                }
            }
            let (first, last) = whose.split_once('-').unwrap_or((whose, whose));
            let (first, last) = (parse_cpu(first)?, parse_cpu(last)?);
            if first > last || first == CpuIndex::BSP {
                return None;
            }
            cost.exceptions.push((first, last, duration)).ok()?;
        }
        Some(cost)
    }

    fn twice(cost: &Cost) -> Option<CpuIndex> {
        let exceptions = cost.exceptions.iter().enumerate();
        let twice = exceptions.flat_map(|(index, (first, last, _))| {
            let before = cost.exceptions[..index].iter();
            before.filter_map(move |(other, end, _)| {
                // Two ranges that overlap do so from the later of their beginnings on.
                Some(*first.max(other)).filter(|cpu| cpu <= last && cpu <= end)
            })
        });
        twice.min()
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.usual)?;
        for (class, cost) in Class::ALL.iter().zip(&self.classes) {
            if let Some(cost) = cost {
                write!(f, ",{}:{cost}", class.name())?;
            }
        }
        for (first, last, cost) in &self.exceptions {
            if first == last {
                write!(f, ",{}:{cost}", first.0)?;
            } else {
                write!(f, ",{}-{}:{cost}", first.0, last.0)?;
            }
        }
        if self.exclusive { write!(f, ",{EXCLUSIVE}") } else { Ok(()) }
    }
}
