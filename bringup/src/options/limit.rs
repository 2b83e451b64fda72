//! Costs that can't be spent within `limit`.
//!
//! An AP's limit starts when it has been kicked, and anew when the BSP opens a gate for it or has
//! compared its clock. What the AP spends by itself from one such moment to the next must be shorter.
//! The BSP's own costs and the TSC windows end at these moments, so they don't count.

use super::{Fault, Kick, Options, Refusal, SIPI_GAP, Step, Strategy, TscSync};
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
    let all = || (1..cpus).filter_map(|cpu| u16::try_from(cpu).ok()).map(CpuIndex);
    let started = || all().filter(|cpu| !options.faults.hit(Fault::Never, *cpu));
    let stretches = stretches(options);
    for cpu in started() {
        for (index, steps) in stretches.iter().enumerate() {
            let spent: u128 = steps.iter().map(|step| options.least(*step, cpu).1).sum();
            let gaps = if index == 0 { 1 } else { 0 };
            if options.limit_and_gaps(gaps).is_some_and(|limit| spent > limit) {
                return Err(late(options, steps, cpu));
            }
        }
    }
    // Where APs run side by side, those that meet at an exclusive cost queue for it.
    let side_by_side = if options.strategy == Strategy::Serial { &[] } else { stretches[0] };
    for step in side_by_side.iter().filter(|step| options.cost(**step).exclusive) {
        let spent: u128 = started().map(|cpu| options.least(*step, cpu).1).sum();
        // The later they are kicked, the later their limits end.
        let (kicks, gaps) = match options.kick {
            Kick::Broadcast => (Some(0), 1),
            Kick::Unicast => {
                (all().skip(1).map(|cpu| options.most(Step::Kick, cpu)).sum(), all().count())
            }
        };
        let limit = options.limit_and_gaps(gaps as u128);
        if kicks.zip(limit).is_some_and(|(kicks, limit): (u128, u128)| spent > kicks + limit) {
            let aps = started().count();
            return Err(Refusal::Queue { step: *step, aps, limit: options.limit });
        }
    }
    Ok(())
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
