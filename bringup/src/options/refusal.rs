//! Why good words make no sense together, or on some machine.

use super::limit::TOGETHER;
use super::{Fault, Step};
use crate::{CpuIndex, Duration};
use core::fmt;

/// Why a combination of options makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Options that don't go together.
    Senseless {
        /// Which, by name.
        what: &'static str,
        /// The reason.
        why: &'static str,
    },
    /// A value names a CPU that the machine does not have.
    NoCpu {
        /// The part of the value that names it.
        part: Part,
        /// CPU count, the BSP counted.
        cpus: usize,
    },
    /// What an AP has to spend within `limit` is longer.
    Late {
        /// The steps that one limit holds.
        steps: &'static [Step],
        /// What each of them costs the AP.
        costs: [Duration; TOGETHER],
        /// The AP, where it has a cost of its own.
        cpu: Option<CpuIndex>,
        /// The limit.
        limit: Duration,
    },
}

/// What a limit is, and what to do about it.
const GIVEN_UP: &str = ", after which an AP is lost; raise `limit`";

/// The part of an option's value that names a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Of `fault`.
    Fault(Fault, CpuIndex),
    /// Of `skew`, in cycles.
    Skew(CpuIndex, i32),
    /// Of a step's cost: the first and the last CPU, and what it costs them.
    Cost(Step, CpuIndex, CpuIndex, Duration),
}

impl Part {
    /// The last CPU that it names.
    pub(super) fn last(self) -> CpuIndex {
        match self {
            Part::Fault(_, cpu) | Part::Skew(cpu, _) | Part::Cost(_, _, cpu, _) => cpu,
        }
    }

    fn is_of(self, key: &str) -> bool {
        match self {
            Part::Fault(..) => key == "fault",
            Part::Skew(..) => key == "skew",
            Part::Cost(step, ..) => is_cost(key, step),
        }
    }
}

/// True where the option is this step's cost.
fn is_cost(key: &str, step: Step) -> bool {
    key.strip_prefix("cost-") == Some(step.name())
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
            Refusal::Senseless { what, .. } => {
                what.split([' ', '=']).any(|word| match word.strip_suffix('*') {
                    Some(prefix) => key.starts_with(prefix),
                    None => key == word,
                })
            }
            Refusal::NoCpu { part, .. } => part.is_of(key),
            Refusal::Late { steps, costs, .. } => {
                key == "limit" || spent(steps, costs).any(|(step, _)| is_cost(key, *step))
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Fault(fault, cpu) => write!(f, "fault={fault}:{}", cpu.0),
            Part::Skew(cpu, cycles) => write!(f, "skew={}:{cycles}", cpu.0),
            Part::Cost(step, first, last, cost) if first == last => {
                write!(f, "cost-{step}=…,{}:{cost}", first.0)
            }
            Part::Cost(step, first, last, cost) => {
                write!(f, "cost-{step}=…,{}-{}:{cost}", first.0, last.0)
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Senseless { what, why } => write!(f, "{what} is refused: {why}"),
            Refusal::NoCpu { part, cpus } => {
                let cpu = part.last();
                write!(f, "`{part}`: there is no {cpu} on a machine of ")?;
                match cpus {
                    // Only a capture says so.
                    0 => f.write_str("no CPU"),
                    1 => f.write_str("1 CPU, which is CPU 0"),
                    cpus => write!(f, "{cpus} CPUs (0 to {})", cpus - 1),
                }
            }
            Refusal::Late { steps, costs, cpu, limit } => {
                let mut costs = spent(steps, costs);
                let several = costs.clone().count() > 1;
                if let Some((step, cost)) = costs.next() {
                    write!(f, "`cost-{step}` of {cost}")?;
                }
                costs.try_for_each(|(step, cost)| write!(f, " and `cost-{step}` of {cost}"))?;
                if let Some(cpu) = cpu {
                    write!(f, " for {cpu}")?;
                }
                let are = if several { "are together" } else { "is" };
                write!(f, " {are} longer than `limit={limit}`{GIVEN_UP}")
            }
        }
    }
}
