//! Which values make no sense together, or on some machine.

use super::cost::Cost;
use super::limit;
use super::refusal::{Part, Refusal};
use super::table::{Kick, Options, StampSet, TscSync, TscTrust};
use super::wake::{InitOrder, ParkedBy};
use super::words::{Fault, Order, Step};
use crate::CpuIndex;
use crate::class::Class;

impl Options {
    /// Refuses what makes no sense at any CPU count.
    pub fn check(&self) -> Result<(), Refusal> {
        self.check_kick()?;
        self.check_sequence()?;
        self.check_clocks()?;
        self.check_costs()?;
        self.check_faults()
    }

    /// Refuses what makes no sense on a machine of `cpus` CPUs, the BSP counted.
    pub fn check_on(&self, cpus: usize) -> Result<(), Refusal> {
        self.check()?;
        let mut named = self.parts().filter_map(|part| Some((part.last()?, part)));
        if let Some((cpu, part)) = named.find(|(cpu, _)| cpu.at() >= cpus) {
            return Err(Refusal::NoCpu { part, cpu, cpus });
        }
        limit::check(self, cpus)
    }

    fn check_kick(&self) -> Result<(), Refusal> {
        if self.kick != Kick::Broadcast {
            return Ok(());
        }
        let broadcast = Part::Word("kick", Kick::Broadcast.name());
        let refuse = |what, why| Err(Refusal::Senseless { what, with: Some(broadcast), why });
        if !self.strategy.kicks_all_at_once() {
            return refuse(
                Part::Word("strategy", self.strategy.name()),
                "a broadcast wakes all APs at once, this strategy wakes one at a time",
            );
        }
        if self.order != Order::Listed {
            return refuse(
                Part::Word("order", self.order.name()),
                "a broadcast wakes all APs at once, this order brings a part of them online first",
            );
        }
        if self.init_order != InitOrder::First {
            return refuse(
                Part::Word("init-order", self.init_order.name()),
                "one INIT reaches all APs",
            );
        }
        let reaches_all = "a broadcast reaches every AP, so no AP's SIPI can be withheld";
        if let Some(cpu) = self.faults.of(Fault::Never).next() {
            return refuse(Part::Fault(Fault::Never, cpu), reaches_all);
        }
        if let Some(drops) = self.faults.drops.first() {
            return refuse(Part::Drops(*drops), reaches_all);
        }
        let mut parts = self.cost_parts(Step::Kick);
        match parts.find(|part| matches!(part, Part::Class(..) | Part::Cost(..))) {
            Some(part) => refuse(part, "one IPI for all has one cost"),
            None => Ok(()),
        }
    }

    fn check_sequence(&self) -> Result<(), Refusal> {
        let sequence = Part::Word("wake-sequence", self.wake_sequence.name());
        let refuse = |what, why| Err(Refusal::Senseless { what, with: Some(sequence), why });
        match self.wake_sequence.has_init() {
            true if self.parked_by == ParkedBy::Firmware => refuse(
                Part::Word("parked-by", self.parked_by.name()),
                "the sequence begins with an INIT, so nothing else need have parked the APs",
            ),
            false if !self.init_delay.is_zero() => refuse(
                Part::Time("init-delay", self.init_delay),
                "there is no INIT that a delay could follow",
            ),
            false if self.init_order != InitOrder::First => {
                refuse(Part::Word("init-order", self.init_order.name()), "there is no INIT")
            }
            _ => Ok(()),
        }
    }

    fn check_clocks(&self) -> Result<(), Refusal> {
        let trusted = Part::Word("tsc-sync", self.tsc_sync.name());
        if self.tsc_sync != TscSync::Trusted {
            return match self.cost_parts(Step::Sync).next() {
                Some(what) => Err(Refusal::Senseless {
                    what,
                    with: Some(trusted),
                    why: "clocks that are compared need no rendezvous besides; the window is `tsc-window`",
                }),
                None => Ok(()),
            };
        }
        if self.tsc_trust == TscTrust::No {
            return Err(Refusal::Senseless {
                what: trusted,
                with: Some(Part::Word("tsc-trust", self.tsc_trust.name())),
                why: "the clocks are neither compared nor trusted; if you know that they agree, set tsc-trust=yes",
            });
        }
        match self.skews.0.first() {
            Some((cpu, cycles)) => Err(Refusal::Senseless {
                what: Part::Skew(*cpu, *cycles),
                with: Some(trusted),
                why: "clocks that are not compared can't be found skewed",
            }),
            None => Ok(()),
        }
    }

    fn check_costs(&self) -> Result<(), Refusal> {
        let refuse = |what, with, why| Err(Refusal::Senseless { what, with, why });
        for step in Step::ALL {
            if self.cost(step).is_exclusive() && !step.can_be_exclusive() {
                let why = match step.is_of_bsp() {
                    true => "the BSP takes it for one AP at a time by itself",
                    false => "it begins before the AP could wait for a lock, or waits for the BSP",
                };
                return refuse(Part::Exclusive(step), None, why);
            }
        }
        let cost = Step::ALL.into_iter().find_map(|step| self.cost_parts(step).next());
        if self.stamps == StampSet::Ends && cost.is_some() {
            let ends = Part::Word("stamp-set", self.stamps.name());
            return refuse(ends, cost, "a cost is counted from a stamp");
        }
        Ok(())
    }

    fn check_faults(&self) -> Result<(), Refusal> {
        for (fault, why) in [
            (Fault::Never, "CPU 0 is the BSP, which runs already"),
            (Fault::Stray, "CPU 0 is the BSP, which runs already"),
            (Fault::InitAfterSipi, "CPU 0 is the BSP, and INIT to it resets the machine"),
            (Fault::Differ, "CPU 0 is the BSP, which the others are compared with"),
            (Fault::Adjust, "CPU 0 is the BSP, whose clock the others are compared with"),
        ] {
            if self.faults.hit(fault, CpuIndex::BSP) {
                let what = Part::Fault(fault, CpuIndex::BSP);
                return Err(Refusal::Senseless { what, with: None, why });
            }
        }
        match self.faults.drops.iter().find(|drops| drops.cpu == Some(CpuIndex::BSP)) {
            Some(drops) => Err(Refusal::Senseless {
                what: Part::Drops(*drops),
                with: None,
                why: "CPU 0 is the BSP, which is sent no SIPI",
            }),
            None => Ok(()),
        }
    }

    /// The parts of the values of `fault`, `skew` and `cost-*`.
    fn parts(&self) -> impl Iterator<Item = Part> {
        let faults = self.faults.planted.iter().map(|(fault, cpu)| Part::Fault(*fault, *cpu));
        let drops = self.faults.drops.iter().map(|drops| Part::Drops(*drops));
        let skews = self.skews.0.iter().map(|(cpu, cycles)| Part::Skew(*cpu, *cycles));
        let costs = Step::ALL.into_iter().flat_map(|step| self.cost_parts(step));
        faults.chain(drops).chain(skews).chain(costs)
    }

    /// The parts of a step's cost; empty if it costs nothing.
    fn cost_parts(&self, step: Step) -> impl Iterator<Item = Part> {
        let cost = self.cost(step);
        let usual = (cost.usual != Cost::FREE.usual).then_some(Part::Usual(step, cost.usual));
        let classes = Class::ALL.into_iter().zip(cost.classes);
        let classes =
            classes.filter_map(move |(class, cost)| Some(Part::Class(step, class, cost?)));
        let exceptions = cost.exceptions.iter();
        let exceptions =
            exceptions.map(move |(first, last, cost)| Part::Cost(step, *first, *last, *cost));
        let exclusive = cost.exclusive.then_some(Part::Exclusive(step));
        usual.into_iter().chain(classes).chain(exceptions).chain(exclusive)
    }
}
