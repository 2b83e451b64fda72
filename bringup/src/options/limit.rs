//! Costs that can't be spent within `limit`.
//!
//! An AP's limit starts when it has been kicked, and anew when the BSP opens a gate for it or has
//! compared its clock. What the AP spends by itself from one such moment to the next must be shorter.
//! The BSP's own costs and the TSC windows end at these moments, so they don't count.

use super::{Fault, Kick, MAX_EXCEPTIONS, Options, Refusal, SIPI_GAP, Step, Strategy, TscSync};
use crate::class::Class;
use crate::{CpuIndex, Duration};

/// The most steps that one limit holds.
pub(super) const TOGETHER: usize = 4;

/// Refuses costs that are longer than the limit that they fall under.
///
/// An AP with such a cost is not lost for certain: a BSP that is busy with others looks at it late, and may find it
/// there. Nobody should count on that.
///
/// Nothing is refused that only a clock can tell: cycles against a time, where `clock-khz` names no clock.
pub(super) fn check(options: &Options, cpus: usize) -> Result<(), Refusal> {
    let all = alike(options, cpus);
    let started = || all.iter().filter(|aps| !options.faults.hit(Fault::Never, aps.first));
    let stretches = stretches(options);
    for Alike { first, .. } in started() {
        for (index, steps) in stretches.iter().enumerate() {
            let spent: u128 = steps.iter().map(|step| options.least(*step, *first).1).sum();
            let gaps = if index == 0 { 1 } else { 0 };
            if options.limit_and_gaps(gaps).is_some_and(|limit| spent > limit) {
                return Err(late(options, steps, *first));
            }
        }
    }
    // Where APs run side by side, those that meet at an exclusive cost queue for it.
    let side_by_side = if options.strategy == Strategy::Serial { &[] } else { stretches[0] };
    for step in side_by_side.iter().filter(|step| options.cost(**step).exclusive) {
        let spent: u128 = started().map(|aps| aps.count * options.least(*step, aps.first).1).sum();
        // The later they are kicked, the later their limits end.
        let (kicks, gaps) = match options.kick {
            Kick::Broadcast => (Some(0), 1),
            Kick::Unicast => {
                let kicks = all.iter().map(|aps| {
                    let behind_the_first = aps.count - u128::from(aps.first.0 == 1);
                    Some(behind_the_first * options.most(Step::Kick, aps.first)?)
                });
                (kicks.sum(), all.iter().map(|aps| aps.count).sum())
            }
        };
        let limit = options.limit_and_gaps(gaps);
        if kicks.zip(limit).is_some_and(|(kicks, limit): (u128, u128)| spent > kicks + limit) {
            let aps = started().map(|aps| aps.count as usize).sum();
            return Err(Refusal::Queue { step: *step, aps, limit: options.limit });
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
    let faults = options.faults.0.iter().map(|(_, cpu)| (*cpu, *cpu));
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
    use Step::{Callin, Online, Trampoline, Wake};
    let trusted = options.tsc_sync == TscSync::Trusted;
    match (options.strategy, trusted) {
        (Strategy::Serial | Strategy::ParallelSipi, false) => {
            &[&[Wake, Trampoline], &[Callin], &[Online]]
        }
        (Strategy::Serial | Strategy::ParallelSipi, true) => {
            &[&[Wake, Trampoline], &[Callin, Online]]
        }
        (Strategy::FullParallel, false) => &[&[Wake, Trampoline, Callin], &[Online]],
        (Strategy::FullParallel, true) => &[&[Wake, Trampoline, Callin, Online]],
    }
}

fn late(options: &Options, steps: &'static [Step], cpu: CpuIndex) -> Refusal {
    let mut costs = [Duration::ZERO; TOGETHER];
    for (cost, step) in costs.iter_mut().zip(steps) {
        *cost = options.least(*step, cpu).0;
    }
    let own = steps.iter().any(|step| options.cost(*step).exception(cpu).is_some());
    Refusal::Late { steps, costs, cpu: own.then_some(cpu), limit: options.limit }
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

    /// An AP's limit, and so many times the time from one SIPI to the next if there are two.
    fn limit_and_gaps(&self, gaps: u128) -> Option<u128> {
        let limit = self.measured(self.limit)?;
        match self.sipi_count {
            1 => Some(limit),
            _ => Some(limit + gaps * self.measured(SIPI_GAP)?),
        }
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
                        assert_eq!(options.least(*step, cpu), options.least(*step, first));
                    }
                    let never = |cpu| options.faults.hit(Fault::Never, cpu);
                    assert_eq!(never(cpu), never(first));
                }
            }
            assert_eq!(next, cpus.clamp(1, 65_536), "{cpus}");
        }
    }
}
