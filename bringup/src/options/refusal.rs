//! Why good words make no sense together, or on some machine.

use super::drops::Drops;
use super::table::{Kind, kind_of};
use super::words::{Fault, Step};
use crate::class::Class;
use crate::{CpuIndex, Duration};
use core::fmt;

/// How many of the steps that one limit holds are named: the dearest.
pub(super) const NAMED: usize = 4;

/// Why a combination of options makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A value that makes no sense, by itself or with another.
    Senseless {
        /// The value.
        what: Part,
        /// The other.
        with: Option<Part>,
        /// The reason.
        why: &'static str,
    },
    /// A value names a CPU that the machine does not have.
    NoCpu {
        /// The part of the value that names it.
        part: Part,
        /// The CPU.
        cpu: CpuIndex,
        /// CPU count, the BSP counted.
        cpus: usize,
    },
    /// What an AP has to spend within `limit` is longer.
    Late {
        /// The steps that one limit holds, in the order of the AP's path.
        steps: [Step; NAMED],
        /// What each of them costs the AP; zero where there are fewer.
        costs: [Duration; NAMED],
        /// There are cheaper ones besides.
        more: bool,
        /// The AP, where it has a cost of its own.
        cpu: Option<CpuIndex>,
        /// The limit.
        limit: Duration,
    },
}

/// What a limit is, and what to do about it.
const GIVEN_UP: &str = ", after which an AP is lost; raise `limit`";

/// An option's value, or the part of it that a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A value that is a word.
    Word(&'static str, &'static str),
    /// A value that is a time.
    Time(&'static str, Duration),
    /// Of `fault`.
    Fault(Fault, CpuIndex),
    /// Of `fault`: SIPIs that are dropped.
    Drops(Drops),
    /// Of `skew`, in cycles.
    Skew(CpuIndex, i32),
    /// A step's cost for most APs.
    Usual(Step, Duration),
    /// Of a step's cost: what it is for the APs of a class.
    Class(Step, Class, Duration),
    /// Of a step's cost: the first and the last CPU, and what it costs them.
    Cost(Step, CpuIndex, CpuIndex, Duration),
    /// Of a step's cost: it is one CPU's at a time.
    Exclusive(Step),
}

impl Part {
    /// The option's name.
    pub fn key(self) -> &'static str {
        match self {
            Part::Word(key, _) | Part::Time(key, _) => key,
            Part::Fault(..) | Part::Drops(..) => "fault",
            Part::Skew(..) => "skew",
            Part::Usual(step, ..)
            | Part::Class(step, ..)
            | Part::Cost(step, ..)
            | Part::Exclusive(step) => step.option(),
        }
    }

    /// The last CPU that it names.
    pub(super) fn last(self) -> Option<CpuIndex> {
        match self {
            Part::Fault(_, cpu) | Part::Skew(cpu, _) | Part::Cost(_, _, cpu, _) => Some(cpu),
            Part::Drops(drops) => drops.cpu,
            Part::Word(..)
            | Part::Time(..)
            | Part::Usual(..)
            | Part::Class(..)
            | Part::Exclusive(..) => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.key())?;
        match self {
            Part::Word(_, word) => f.write_str(word),
            Part::Time(_, time) => time.fmt(f),
            Part::Fault(fault, cpu) => write!(f, "{fault}:{}", cpu.0),
            Part::Drops(drops) => drops.fmt(f),
            Part::Skew(cpu, cycles) => write!(f, "{}:{cycles}", cpu.0),
            Part::Usual(_, cost) => cost.fmt(f),
            Part::Class(_, class, cost) => write!(f, "…,{class}:{cost}"),
            Part::Cost(_, first, last, cost) if first == last => {
                write!(f, "…,{}:{cost}", first.0)
            }
            Part::Cost(_, first, last, cost) => write!(f, "…,{}-{}:{cost}", first.0, last.0),
            Part::Exclusive(_) => f.write_str("…,exclusive"),
        }
    }
}

/// The steps that cost something, each with its cost.
fn spent<'a>(
    steps: &'a [Step],
    costs: &'a [Duration],
) -> impl Iterator<Item = (&'a Step, &'a Duration)> + Clone {
    steps.iter().zip(costs).filter(|(_, cost)| !cost.is_zero())
}

impl Refusal {
    /// True where it is about this option.
    pub fn concerns(&self, key: &str) -> bool {
        match self {
            Refusal::Senseless { what, with, .. } => {
                what.key() == key || with.is_some_and(|with| with.key() == key)
            }
            Refusal::NoCpu { part, .. } => part.key() == key,
            Refusal::Late { steps, costs, .. } => match kind_of(key) {
                Some(Kind::Limit) => true,
                Some(Kind::Cost(step)) => spent(steps, costs).any(|(spent, _)| *spent == step),
                _ => false,
            },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Senseless { what, with: None, why } => {
                write!(f, "`{what}` is refused: {why}")
            }
            Refusal::Senseless { what, with: Some(with), why } => {
                write!(f, "`{what}` with `{with}` is refused: {why}")
            }
            Refusal::NoCpu { part, cpu, cpus } => {
                write!(f, "`{part}`: there is no {cpu} on a machine of ")?;
                match cpus {
                    // Only a capture says so.
                    0 => f.write_str("no CPU"),
                    1 => f.write_str("1 CPU, which is CPU 0"),
                    cpus => write!(f, "{cpus} CPUs (0 to {})", cpus - 1),
                }
            }
            Refusal::Late { steps, costs, more, cpu, limit } => {
                let mut costs = spent(steps, costs);
                let several = costs.clone().count() > 1;
                if let Some((step, cost)) = costs.next() {
                    write!(f, "`{}` of {cost}", step.option())?;
                }
                costs
                    .try_for_each(|(step, cost)| write!(f, " and `{}` of {cost}", step.option()))?;
                if *more {
                    f.write_str(" and cheaper steps")?;
                }
                if let Some(cpu) = cpu {
                    write!(f, " for {cpu}")?;
                }
                let are = if several { "are together" } else { "is" };
                write!(f, " {are} longer than `limit={limit}`{GIVEN_UP}")
            }
        }
    }
}
