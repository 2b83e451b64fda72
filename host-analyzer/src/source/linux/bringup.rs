//! One bring-up, put together from the texts of a log.

use super::event::{self, Event};
use super::line::{Clock, Stamp, Text, texts, trace_head};
use super::order::{Evidence, Ordered};
use super::track::{Ap, Track};
use crate::ground::text::printable;
use std::collections::{BTreeMap, BTreeSet};

/// More CPUs than a Linux kernel can have (CONFIG_NR_CPUS): higher numbers are damage.
const MAX_CPUS: u32 = 8192;

/// How many messages of a kind are kept.
const MESSAGES_KEPT: usize = 8;

/// An AP's stages as the debug patch of 2021 printed them, in cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The BSP's waits: for the first sign, for callin, for the TSC sync, for online.
    pub stages: [u64; 4],
    /// Their sum, as printed.
    pub total: u64,
    /// When the line was printed, in nanoseconds of printk's clock.
    pub printed: Option<u64>,
}

/// What a log says about one bring-up.
#[derive(Clone, Debug, Default)]
pub struct Bringup {
    /// The kernel's version.
    pub version: Option<String>,
    /// The kernel's command line.
    pub command_line: Option<String>,
    /// The CPUs' model.
    pub model: Option<String>,
    /// Each AP's stages, where the log has such lines.
    pub rows: BTreeMap<u32, Row>,
    /// The kick loop, in cycles, where a line gives it.
    pub kick_loop: Option<u64>,
    /// The loop that waits until all are alive, likewise.
    pub wait_init: Option<u64>,
    /// The loop that brings all online, likewise.
    pub online_loop: Option<u64>,
    /// APs that did not come up, each with the message.
    pub failures: BTreeMap<u32, String>,
    /// Messages about TSCs that do not agree.
    pub warps: Vec<String>,
    /// Why the kernel stopped.
    pub(super) panics: Vec<String>,
    tsc_khz: Option<u64>,
    bogomips_khz: Option<u64>,
    pub(super) listed: Vec<u32>,
    pub(super) brought_up: Option<u32>,
    pub(super) tracks: BTreeMap<Option<Clock>, Track>,
    /// The CPU of the last hotplug event.
    pub(super) last_cpu: Option<u32>,
    /// The printk stamps of the first `Bringing up` and of `Brought up`.
    messages: (Option<u64>, Option<u64>),
    begun: bool,
    /// Another boot or bring-up follows: what comes after is not taken.
    pub(super) over: bool,
    pub(super) stable: Option<(i64, i64)>,
    pub(super) lost_events: u64,
    pub(super) torn: u64,
    /// A torn event, or a trace stamp without its event, which the next text may complete.
    pending: Option<Pending>,
}

/// A text that the next one may complete.
#[derive(Clone, Debug)]
struct Pending {
    stamp: Option<Stamp>,
    by: Option<u32>,
    /// Empty where only the head of a trace event was there.
    begin: String,
}

impl Bringup {
    /// Takes a line; true where it says something about the bring-up or its machine.
    pub fn take(&mut self, line: &str) -> bool {
        let mut used = false;
        for text in texts(line) {
            used |= self.take_text(&text);
        }
        used
    }

    /// At the end of the log.
    pub fn end(&mut self) {
        self.give_up_pending();
    }

    fn take_text(&mut self, text: &Text<'_>) -> bool {
        if text.stamp.is_none()
            && let Some(pending) = self.pending.take()
        {
            let whole = format!("{} {}", pending.begin, text.what);
            match event::read(&whole) {
                Some(Event::Torn | Event::Rest) | None => self.pending = Some(pending),
                Some(event) => {
                    self.take_event(&event, pending.stamp, pending.by);
                    return true;
                }
            }
        }
        let begin = |text: &Text<'_>| Pending {
            stamp: text.stamp,
            by: text.by,
            begin: text.what.to_owned(),
        };
        match event::read(text.what) {
            Some(Event::Torn) => {
                self.give_up_pending();
                self.pending = Some(begin(text));
                true
            }
            Some(Event::Rest) => false,
            Some(event) => {
                let mut text = *text;
                // Its head stood on the line before.
                if let (None, Some(head)) = (text.stamp, &self.pending)
                    && head.begin.is_empty()
                {
                    (text.stamp, text.by) = (head.stamp, head.by);
                    self.pending = None;
                }
                self.give_up_pending();
                if matches!(event, Event::Enter { name: "", .. }) {
                    // The next line may begin with its function.
                    self.pending = Some(begin(&text));
                } else {
                    self.take_event(&event, text.stamp, text.by);
                }
                true
            }
            None => self.take_head(text),
        }
    }

    /// The head of a trace event, which a mail has wrapped before its name.
    fn take_head(&mut self, text: &Text<'_>) -> bool {
        let (by, time) = if text.stamp.is_none() { trace_head(text.what) } else { (None, None) };
        let Some(time) = time else { return false };
        self.give_up_pending();
        let stamp = Some((Clock::Trace, time));
        self.pending = Some(Pending { stamp, by, begin: String::new() });
        true
    }

    /// A torn text stays torn, but for a step that lacks its function alone.
    fn give_up_pending(&mut self) {
        let Some(Pending { stamp, by, begin }) = self.pending.take() else { return };
        match event::read(&begin) {
            Some(event @ Event::Enter { .. }) => self.take_event(&event, stamp, by),
            Some(_) => self.torn += 1,
            None => {}
        }
    }

    fn take_event(&mut self, event: &Event<'_>, stamp: Option<Stamp>, by: Option<u32>) {
        if self.over {
            return;
        }
        let printed = stamp.filter(|(clock, _)| *clock == Clock::Printk).map(|(_, time)| time);
        match *event {
            Event::Version(version) => {
                // A boot log may be quoted twice; after a bring-up it is another boot.
                self.over = self.begun || !self.tracks.is_empty();
                if !self.over {
                    self.version.get_or_insert_with(|| printable(version));
                }
            }
            Event::Begin if self.brought_up.is_some() => self.over = true,
            Event::Begin => {
                self.begun = true;
                self.messages.0 = self.messages.0.or(printed);
            }
            Event::Listed(ref cpus) if self.brought_up.is_none() => {
                self.begun = true;
                for cpu in cpus.iter().filter(|cpu| (1..MAX_CPUS).contains(*cpu)) {
                    if !self.listed.contains(cpu) {
                        self.listed.push(*cpu);
                    }
                }
            }
            Event::BroughtUp(cpus) if cpus <= MAX_CPUS => {
                self.begun = true;
                self.brought_up = self.brought_up.or(Some(cpus));
                self.messages.1 = self.messages.1.or(printed);
            }
            Event::Enter { cpu, target, step, name } if (1..MAX_CPUS).contains(&cpu) => {
                self.track(stamp, cpu).enter(
                    (cpu, by),
                    target,
                    (step, name),
                    stamp.map(|(_, time)| time),
                );
            }
            Event::Exit { cpu, state, step, ret } if (1..MAX_CPUS).contains(&cpu) => {
                self.track(stamp, cpu).exit(cpu, state, step, ret, stamp.map(|(_, time)| time));
            }
            Event::Row { cpu, stages, total } if (1..MAX_CPUS).contains(&cpu) => {
                self.begun = true;
                self.rows.entry(cpu).or_insert(Row { stages, total, printed });
            }
            Event::KickLoop(cycles) => self.kick_loop = self.kick_loop.or(Some(cycles)),
            Event::WaitInit(cycles) => self.wait_init = self.wait_init.or(Some(cycles)),
            Event::OnlineLoop(cycles) => self.online_loop = self.online_loop.or(Some(cycles)),
            Event::Failed { cpu, what } if (1..MAX_CPUS).contains(&cpu) => {
                self.failures.entry(cpu).or_insert_with(|| printable(what));
            }
            Event::Warp(what) => keep(&mut self.warps, what),
            Event::Panic(what) if self.begun => keep(&mut self.panics, what),
            _ => self.take_machine(event),
        }
    }

    /// Takes what describes the machine, its clocks and the log itself.
    fn take_machine(&mut self, event: &Event<'_>) {
        match *event {
            Event::CommandLine(words) => {
                self.command_line.get_or_insert_with(|| printable(words));
            }
            Event::Model(model) => {
                self.model.get_or_insert_with(|| printable(model));
            }
            Event::Tsc(khz) => self.tsc_khz = self.tsc_khz.or(Some(khz)),
            Event::Bogomips(khz) => self.bogomips_khz = self.bogomips_khz.or(Some(khz)),
            Event::Stable { at, offset } => self.stable = self.stable.or(Some((at, offset))),
            Event::Buffer { kept, written } => self.lost_events += written.saturating_sub(kept),
            _ => {}
        }
    }

    fn track(&mut self, stamp: Option<Stamp>, cpu: u32) -> &mut Track {
        self.last_cpu = Some(cpu);
        self.tracks.entry(stamp.map(|(clock, _)| clock)).or_default()
    }

    /// True where it says anything about a bring-up.
    pub fn is_one(&self) -> bool {
        let loops = [self.kick_loop, self.wait_init, self.online_loop];
        self.begun || !self.tracks.is_empty() || loops.iter().any(Option::is_some)
    }

    /// The clock of its durations: the trace's where the log has trace text, else printk's.
    pub fn clock(&self) -> Option<Clock> {
        let of_events = [Clock::Trace, Clock::Printk]
            .into_iter()
            .find(|clock| self.tracks.contains_key(&Some(*clock)));
        of_events.or(self.messages.0.is_some().then_some(Clock::Printk))
    }

    /// The hotplug steps on that clock; without one those without stamps.
    pub(super) fn followed(&self) -> Option<&Track> {
        self.tracks.get(&self.clock()).or_else(|| self.tracks.get(&None))
    }

    /// Each AP's hotplug steps, where the log has them.
    pub fn aps(&self) -> impl Iterator<Item = (u32, &Ap)> {
        self.followed().into_iter().flat_map(|track| track.aps.iter().map(|(cpu, ap)| (*cpu, ap)))
    }

    /// What each hotplug step took, the costliest first.
    pub fn steps(&self) -> Vec<(u32, &str, &super::StepTime)> {
        let steps = self.followed().into_iter().flat_map(|track| &track.steps);
        let mut steps: Vec<_> =
            steps.map(|((step, name), time)| (*step, name.as_str(), time)).collect();
        steps.sort_by_key(|(_, _, time)| std::cmp::Reverse(time.sum));
        steps
    }

    /// About how long the tracing itself took, in nanoseconds: for each step as long as the median pause between two.
    pub fn tracing(&self) -> Option<u64> {
        self.clock()?;
        self.followed()?.tracing()
    }

    /// The numbers of all APs that it names.
    pub fn cpus(&self) -> BTreeSet<u32> {
        let stepped = self.aps().map(|(cpu, _)| cpu);
        stepped
            .chain(self.listed.iter().copied())
            .chain(self.rows.keys().copied())
            .chain(self.failures.keys().copied())
            .collect()
    }

    /// CPUs, the BSP counted. Lines of some APs alone are of a machine of no more CPUs.
    pub fn smp(&self) -> u32 {
        let cpus = self.cpus();
        if self.brought_up.is_none() && self.listed.is_empty() && cpus.len() == self.rows.len() {
            return cpus.len() as u32 + 1;
        }
        let highest = cpus.last().map_or(1, |cpu| cpu + 1);
        highest.max(self.brought_up.unwrap_or(1))
    }

    /// The APs in the order in which they were started.
    pub fn sequence(&self) -> Vec<u32> {
        let kicks = self.followed().map_or(&[][..], |track| &track.kicks);
        if self.has_list() {
            self.listed.clone()
        } else if kicks.is_empty() {
            self.rows.keys().copied().collect()
        } else {
            kicks.to_vec()
        }
    }

    /// True where the list that the kernel printed is the best that is known of the order.
    fn has_list(&self) -> bool {
        let kicks = self.followed().map_or(0, |track| track.kicks.len());
        !self.listed.is_empty() && self.listed.len() > kicks
    }

    /// The strategy and the order.
    pub fn ordered(&self) -> Ordered {
        let track = self.followed();
        let evidence = Evidence {
            sequence: &self.sequence(),
            listed: self.has_list(),
            overlap: track.is_some_and(|track| track.overlap),
            late_kick: track.is_some_and(|track| track.late_kick),
            loops: (self.kick_loop.is_some(), self.wait_init.is_some()),
            version: self.version.as_deref(),
            command_line: self.command_line.as_deref(),
            aps: self.cpus().len(),
        };
        evidence.judge()
    }

    /// True where its durations are cycles of a TSC: it has lines of the debug patch.
    pub fn has_cycles(&self) -> bool {
        !self.rows.is_empty() || self.online_loop.is_some()
    }

    /// Frequency in kHz of the clock of its durations: 1 000 000, since they are nanoseconds, where it gives time alone.
    pub fn khz(&self) -> Option<u64> {
        if self.has_cycles() {
            self.bogomips_khz.or(self.tsc_khz)
        } else {
            self.clock().map(|_| 1_000_000)
        }
    }

    /// The whole bring-up, in cycles of that clock.
    pub fn total(&self) -> Option<u64> {
        if self.has_cycles() {
            let loops = [self.kick_loop, self.wait_init, self.online_loop].into_iter().flatten();
            let rows = self.rows.values().map(|row| row.total);
            return Some(if self.online_loop.is_some() {
                loops.fold(0, u64::saturating_add)
            } else {
                rows.fold(0, u64::saturating_add)
            });
        }
        match self.tracks.get(&self.clock()) {
            Some(track) => self.is_whole().then(|| track.total()).flatten(),
            None => self.message_total(),
        }
    }

    /// The kick loop, in cycles of that clock, where the APs were kicked in a loop of their own.
    pub fn kick_loop(&self) -> Option<u64> {
        let track = self.followed().filter(|track| track.overlap && !self.has_cycles());
        self.kick_loop.or_else(|| track?.kick_loop())
    }

    /// The whole bring-up by printk's clock, in nanoseconds.
    pub fn console_total(&self) -> Option<u64> {
        let printed = self.tracks.get(&Some(Clock::Printk)).filter(|_| self.is_whole());
        printed.and_then(Track::total).or_else(|| self.message_total())
    }

    pub(super) fn message_total(&self) -> Option<u64> {
        let (begin, end) = self.messages;
        end?.checked_sub(begin?)
    }

    /// False where the log stops before every AP is online.
    pub(super) fn is_whole(&self) -> bool {
        self.brought_up.is_some()
            || self.aps().all(|(cpu, ap)| ap.is_online() || self.failures.contains_key(&cpu))
    }
}

fn keep(messages: &mut Vec<String>, what: &str) {
    if messages.len() < MESSAGES_KEPT {
        messages.push(printable(what));
    }
}
