//! Costs that can't be spent within `limit`.
//!
//! An AP's limit starts when it has been kicked, and again when the BSP opens a gate for it or has
//! compared its clock. What the AP spends by itself from one such moment to the next must be shorter,
//! where the BSP waits for this AP then. A BSP that is busy with others looks at an AP late, and may find
//! it there.

use super::form::MAX_EXCEPTIONS;
use super::refusal::{NAMED, Refusal};
use super::table::{Kick, MicrocodeAt, Options, TscSync};
use super::wake::InitOrder;
use super::words::{Fault, Step};
use crate::class::Class;
use crate::{CpuIndex, Duration};

/// Refuses costs with which an AP is lost for certain.
///
/// Cycles and times are not compared if `clock-khz` is 0: the clock's frequency is not known here.
pub(super) fn check(options: &Options, cpus: usize) -> Result<(), Refusal> {
    let all = alike(options, cpus);
    let mut started: heapless::Vec<CpuIndex, MOST_ALIKE> = heapless::Vec::new();
    for aps in &all {
        if !options.faults.hit(Fault::Never, aps.first) {
            // There is a place for each kind.
            let _ = started.push(aps.first);
        }
    }
    let kicks = options.kicks(&all);
    for (index, steps) in stretches(options).iter().enumerate() {
        let spent =
            |ap: &CpuIndex| -> u128 { steps.iter().map(|step| options.least(*step, *ap).1).sum() };
        let (late_ap, busy) = match (options.strategy, index) {
            // The BSP waits for each AP, or for the first one, before it does anything else.
            (strategy, 0) if !strategy.kicks_all_at_once() => {
                (started.iter().max_by_key(|ap| spent(ap)), options.gaps(1))
            }
            // It waits for some AP.
            (strategy, nth) if strategy.opens_gates_first() => {
                let busy = if nth == 0 { kicks } else { Some(0) };
                (started.iter().min_by_key(|ap| spent(ap)), busy)
            }
            (_, 0) => (started.first(), kicks),
            // It opens the other gates before it waits for this AP.
            (strategy, 1) if strategy.calls_in_side_by_side() => continue,
            (_, _) => (started.iter().max_by_key(|ap| spent(ap)), Some(0)),
        };
        let (Some(ap), Some(busy), Some(limit)) = (late_ap, busy, options.measured(options.limit))
        else {
            continue;
        };
        if spent(ap) > limit + busy {
            return Err(late(options, steps, *ap));
        }
    }
    Ok(())
}

/// APs with consecutive indices that have the same costs, and start or don't.
#[derive(Clone, Copy, Debug)]
struct Alike {
    first: CpuIndex,
    count: u128,
}

/// Each exception and each fault has a begin and an end; the first AP is a begin, too.
const MOST_ALIKE: usize = 1 + 2 * (Step::COUNT + 1) * MAX_EXCEPTIONS;

/// All APs of a machine, in the order of their indices. There are few kinds, however many APs there are.
fn alike(options: &Options, cpus: usize) -> heapless::Vec<Alike, MOST_ALIKE> {
    let exceptions = options.costs.iter().flat_map(|cost| &cost.exceptions);
    let exceptions = exceptions.map(|(first, last, _)| (*first, *last));
    let faults = options.faults.planted.iter().map(|(_, cpu)| (*cpu, *cpu));
    let ends = exceptions.chain(faults).flat_map(|(first, last)| [first.at(), last.at() + 1]);
    let end = cpus.min(usize::from(u16::MAX) + 1);
    let mut begins: heapless::Vec<usize, MOST_ALIKE> =
        [1].into_iter().chain(ends).filter(|at| (1..end).contains(at)).collect();
    begins.sort_unstable();
    let next = begins.iter().skip(1).chain([&end]);
    let alike = begins
        .iter()
        .zip(next)
        .filter(|(at, next)| at < next)
        .map(|(at, next)| Alike { first: CpuIndex(*at as u16), count: (next - at) as u128 });
    alike.collect()
}

/// The steps that an AP takes by itself, from one moment at which its limit starts to the next.
fn stretches(options: &Options) -> &'static [&'static [Step]] {
    use MicrocodeAt::{Alive, Callin as AtCallin};
    use Step::{Callin, Microcode, Online, Sync, Trampoline, Wake};
    let trusted = options.tsc_sync == TscSync::Trusted;
    match (options.strategy.opens_gates_first(), options.microcode_at, trusted) {
        (false, AtCallin, false) => &[&[Wake, Trampoline], &[Microcode, Callin], &[Online]],
        (false, AtCallin, true) => &[&[Wake, Trampoline], &[Microcode, Callin, Sync, Online]],
        (false, Alive, false) => &[&[Wake, Trampoline, Microcode], &[Callin], &[Online]],
        (false, Alive, true) => &[&[Wake, Trampoline, Microcode], &[Callin, Sync, Online]],
        (true, _, false) => &[&[Wake, Trampoline, Microcode, Callin], &[Online]],
        (true, _, true) => &[&[Wake, Trampoline, Microcode, Callin, Sync, Online]],
    }
}

fn late(options: &Options, steps: &'static [Step], cpu: CpuIndex) -> Refusal {
    let own = steps.iter().any(|step| options.cost(*step).exception(cpu).is_some());
    let spent = steps.iter().map(|step| (*step, options.least(*step, cpu)));
    let mut spent: heapless::Vec<(Step, (Duration, u128)), { Step::COUNT }> =
        spent.filter(|(_, (cost, _))| !cost.is_zero()).collect();
    let more = spent.len() > NAMED;
    while spent.len() > NAMED
        && let Some((cheapest, _)) =
            spent.iter().enumerate().min_by_key(|(_, (_, (_, span)))| *span)
    {
        spent.remove(cheapest);
    }
    let mut named = ([Step::Wake; NAMED], [Duration::ZERO; NAMED]);
    for (at, (step, (cost, _))) in spent.into_iter().enumerate() {
        (named.0[at], named.1[at]) = (step, cost);
    }
    let (steps, costs) = named;
    Refusal::Late { steps, costs, more, cpu: own.then_some(cpu), limit: options.limit }
}

impl Options {
    /// A span in the unit of `limit`, or in cycles of the clock that is named; `None` where only
    /// the engine's clock can tell.
    fn measured(&self, span: Duration) -> Option<u128> {
        match (self.clock_khz, span, self.limit) {
            (0, Duration::Cycles(n), Duration::Cycles(_))
            | (0, Duration::Nanos(n), Duration::Nanos(_)) => Some(n.into()),
            (0, span, _) => span.is_zero().then_some(0),
            (khz, span, _) => Some(span.cycles(khz.into()).0.into()),
        }
    }

    /// The longest that the wake sequence takes between the IPIs of so many kicks.
    fn gaps(&self, kicks: u128) -> Option<u128> {
        let each = if self.wake_sequence.has_second_sipi() { kicks } else { 0 };
        // The last AP's gap is the last that the BSP waits for.
        let late = u128::from(self.wake_sequence.repeats_late());
        let gaps = match each + late {
            0 => 0,
            gaps => gaps * self.measured(self.sipi_gap)?,
        };
        let delays = match self.init_order {
            InitOrder::First => 0,
            InitOrder::Each => kicks * self.measured(self.init_delay)?,
        };
        Some(gaps + delays)
    }

    /// The longest that it takes from an AP's SIPI until all APs are kicked.
    fn kicks(&self, all: &[Alike]) -> Option<u128> {
        if self.kick == Kick::Broadcast {
            return self.gaps(1);
        }
        let costs = all.iter().map(|aps| Some(aps.count * self.most(Step::Kick, aps.first)?));
        let costs: Option<u128> = costs.sum();
        Some(costs? + self.gaps(all.iter().map(|aps| aps.count).sum())?)
    }

    /// The least that a step costs an AP, whatever its class, and how long that is at least.
    fn least(&self, step: Step, cpu: CpuIndex) -> (Duration, u128) {
        let costs = Class::ALL.map(|class| self.cost(step).of(cpu, class));
        let costs = costs.map(|cost| cost.unwrap_or(Duration::ZERO));
        let measured = costs.map(|cost| (cost, self.measured(cost).unwrap_or(0)));
        measured.into_iter().min_by_key(|(_, span)| *span).unwrap_or((Duration::ZERO, 0))
    }

    /// The longest that a step costs an AP, whatever its class.
    fn most(&self, step: Step, cpu: CpuIndex) -> Option<u128> {
        let costs = Class::ALL.map(|class| self.cost(step).of(cpu, class));
        let spans = costs.map(|cost| self.measured(cost.unwrap_or(Duration::ZERO)));
        spans.into_iter().try_fold(0, |most, span| Some(span?.max(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aps_that_are_alike_have_the_same_costs_and_each_ap_is_in_one_place() {
        let mut options = Options::default();
        let words =
            "cost-wake=1,2-5:2,7:3,60000-65535:4 cost-callin=1,5-6:2,1:3 fault=never:4,trap:8";
        words.split(' ').for_each(|word| options.set_word(word).unwrap());
        for cpus in [0, 1, 2, 3, 5, 9, 300, 70_000] {
            let mut next = 1;
            for Alike { first, count } in alike(&options, cpus) {
                assert_eq!(first.at(), next, "{cpus}");
                next += count as usize;
                for cpu in (first.at()..next).map(|at| CpuIndex(at as u16)) {
                    for step in Step::ALL {
                        assert_eq!(options.least(step, cpu), options.least(step, first));
                    }
                    let never = |cpu| options.faults.hit(Fault::Never, cpu);
                    assert_eq!(never(cpu), never(first));
                }
            }
            assert_eq!(next, cpus.clamp(1, 65_536), "{cpus}");
        }
    }
}
