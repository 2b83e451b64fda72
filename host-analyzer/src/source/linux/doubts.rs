//! What a log lacks, and what casts doubt on its numbers.

use super::bringup::Bringup;
use super::line::Clock;
use crate::ground::manifest::LinuxLog;
use crate::ground::text::printable;

/// printk's clock is off where it differs from the other by more than this share.
const CLOCKS_AGREE: f64 = 0.01;

impl Bringup {
    /// What it lacks; a sentence each.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps: Vec<String> = self.stop().into_iter().collect();
        gaps.extend(self.panics.iter().map(|panic| format!("the kernel stopped: `{panic}`")));
        let failures = self.failures.iter();
        gaps.extend(failures.map(|(cpu, what)| format!("CPU {cpu} did not come up: `{what}`")));
        let failed = self.aps().filter_map(|(cpu, ap)| Some((cpu, ap.failed?)));
        gaps.extend(failed.map(|(cpu, (step, ret))| {
            format!("step {step} of CPU {cpu} failed: it returned {ret}")
        }));
        if self.khz().is_none() && !self.has_cycles() {
            gaps.push(
                "its lines have no stamps in seconds (`[    0.350281]`), so there are no durations"
                    .to_owned(),
            );
        }
        if self.over {
            gaps.push(
                "another boot follows in it, which is not read: import a file for each boot"
                    .to_owned(),
            );
        }
        if self.lost_events > 0 {
            gaps.push(format!(
                "the trace buffer had lost {} events: use a larger one (`trace_buf_size=8M`)",
                self.lost_events
            ));
        }
        if self.torn > 0 {
            gaps.push(format!("{} events are cut off and can't be read", self.torn));
        }
        let unmatched = self.followed().map_or(0, |track| track.unmatched);
        if unmatched > 0 {
            gaps.push(format!("{unmatched} hotplug steps lack their begin or their end"));
        }
        gaps.extend(self.unseen());
        gaps
    }

    /// What of it is taken and not seen, where the user has not said so.
    fn taken(&self, given: &LinuxLog) -> Vec<String> {
        let seen = self.ordered();
        let mut taken = Vec::new();
        if given.strategy.is_none() {
            taken.extend(seen.strategy_doubt);
        }
        taken.extend(seen.order_doubt);
        if self.khz().or(given.tsc_khz).is_none() && self.has_cycles() {
            let what =
                "it does not say how fast the TSC is (`--tsc-khz`): durations are cycles alone";
            taken.push(what.to_owned());
        }
        if self.has_cycles() && self.online_loop.is_none() {
            let cpus: Vec<u32> = self.rows.keys().copied().collect();
            taken.push(format!(
                "no line gives the whole bring-up: the total is the sum of what the lines of CPU {} to CPU {} say, without \
                 the time between them",
                cpus.first().unwrap_or(&0),
                cpus.last().unwrap_or(&0)
            ));
        }
        if !self.has_cycles() && self.clock().is_some() && self.tracks.is_empty() {
            let total = match self.message_total() {
                Some(_) => "; the total is from `Bringing up` to `Brought up`",
                None => "",
            };
            taken.push(format!("it has no hotplug events, so no AP has phases{total}"));
        }
        taken
    }

    /// Where the log stops, if that is before the end of the bring-up.
    fn stop(&self) -> Option<String> {
        if self.brought_up.is_some() || self.has_cycles() {
            return None;
        }
        let last = self.last_cpu.and_then(|cpu| Some((cpu, self.followed()?.aps.get(&cpu)?)));
        let Some((cpu, ap)) = last else {
            let cpu = self.listed.last();
            return Some(match cpu {
                Some(cpu) => format!("the log stops after CPU {cpu} was started"),
                None => "the log stops before an AP was started".to_owned(),
            });
        };
        if self.is_whole() {
            return None;
        }
        let (step, name) = ap
            .open_step()
            .map(|(step, name)| (step, name.to_owned()))
            .or_else(|| ap.last_step.clone())?;
        let place = if ap.open_step().is_some() { "in" } else { "after" };
        Some(format!("the log stops {place} step {step} of CPU {cpu} (`{}`)", printable(&name)))
    }

    /// APs without phases, though others have them; CPUs that are counted and not named.
    fn unseen(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        let stepped: Vec<u32> =
            self.aps().filter(|(_, ap)| ap.phases().is_none()).map(|(cpu, _)| cpu).collect();
        if let (Some(first), false) = (stepped.first(), self.clock().is_none()) {
            gaps.push(format!(
                "{} APs have no phases, CPU {first} first: events of theirs are missing",
                stepped.len()
            ));
        }
        let named = self.cpus().len() as u32 + 1;
        if self.smp() > named {
            gaps.push(format!("it names {} of {} CPUs", named, self.smp()));
        }
        gaps
    }

    /// What casts doubt on its numbers; `given` is what the user has said of it.
    pub fn warnings(&self, given: &LinuxLog) -> Vec<String> {
        let mut warnings = self.taken(given);
        warnings.extend(self.warps.iter().map(|warp| format!("TSCs disagree: `{warp}`")));
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
        if let (Some(total), Some(console), Some(Clock::Trace)) =
            (self.total(), self.console_total(), self.clock())
            && (console as f64 / total.max(1) as f64 - 1.0).abs() > CLOCKS_AGREE
        {
            warnings.push(format!(
                "printk's clock gives {:.6} s for the bring-up and the trace's {:.6} s: early printk loses ticks, and \
                 its durations are not used",
                seconds(console),
                seconds(total)
            ));
        }
        if let Some((at, offset)) = self
            .stable
            .filter(|(at, offset)| offset.unsigned_abs() as f64 > CLOCKS_AGREE * *at as f64)
        {
            warnings.push(format!(
                "printk's clock was off by {:.3} s after {:.3} s (`sched_clock: Marking stable`)",
                offset as f64 / 1e9,
                at as f64 / 1e9
            ));
        }
        warnings
    }
}
