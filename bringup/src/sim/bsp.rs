//! The BSP of a simulated machine, and its verbs.

use super::ap::Ap;
use crate::class::Class;
use crate::kick::{self, PartKicked};
use crate::options::{Fault, InitOrder, Kick, MicrocodeAt, Options, Step, TscSync};
use crate::stamp::Stamp;
use crate::strategy::{Aps, Bsp};
use crate::{CpuIndex, Duration};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An AP comes to a step of its path: when, who, and which.
type Arrival = Reverse<(i64, CpuIndex, u8)>;

/// The BSP, and what it knows of the APs.
pub(super) struct Simulated<'a> {
    options: &'a Options,
    /// By CPU.
    classes: &'a [Class],
    tsc_khz: u64,
    /// In cycles; a clock that has come to its end stays there.
    pub(super) now: i64,
    /// The last AP that had its turn; the next is looked for behind it.
    last_served: CpuIndex,
    /// By CPU.
    pub(super) aps: Vec<Ap>,
    /// What the APs do on their own, in the order of time: where one CPU at a time may be in a
    /// step, who comes first is served first.
    arrivals: BinaryHeap<Arrival>,
    /// When the last CPU that asked for an exclusive step will be through it.
    free_at: [i64; Step::COUNT],
    /// How many SIPIs each CPU was to be sent in this boot.
    sipis: &'a mut [u32],
    /// The first kick that was refused.
    pub(super) refused: Option<PartKicked>,
}

impl<'a> Simulated<'a> {
    /// A machine before its kick, whose CPUs are of these classes and whose clocks tick at `tsc_khz` kHz where
    /// the options name no other.
    pub(super) fn new(
        options: &'a Options,
        classes: &'a [Class],
        tsc_khz: u64,
        sipis: &'a mut [u32],
    ) -> Simulated<'a> {
        Simulated {
            options,
            classes,
            tsc_khz: options.clock(tsc_khz),
            now: 0,
            last_served: CpuIndex::BSP,
            aps: vec![Ap::default(); classes.len()],
            arrivals: BinaryHeap::new(),
            free_at: [0; Step::COUNT],
            sipis,
            refused: None,
        }
    }

    fn cycles(&self, duration: Duration) -> i64 {
        i64::try_from(duration.cycles(self.tsc_khz).0).unwrap_or(i64::MAX)
    }

    fn cost(&self, step: Step, cpu: CpuIndex) -> i64 {
        let class = self.classes[cpu.at()];
        self.options.cost(step).of(cpu, class).map_or(0, |cost| self.cycles(cost))
    }

    /// When an AP that comes to a step is through it.
    fn through(&mut self, step: Step, cpu: CpuIndex, at: i64) -> i64 {
        let cost = self.cost(step, cpu);
        if cost == 0 || !self.options.cost(step).is_exclusive() {
            return at.saturating_add(cost);
        }
        let free_at = &mut self.free_at[step as usize];
        *free_at = at.max(*free_at).saturating_add(cost);
        *free_at
    }

    /// The BSP is busy for so long.
    fn pass(&mut self, cycles: i64) {
        self.now = self.now.saturating_add(cycles);
    }

    fn stamp(&mut self, cpu: CpuIndex, stamp: Stamp, at: i64) {
        self.aps[cpu.at()].stamps.set(stamp, at);
    }

    fn get(&self, cpu: CpuIndex, stamp: Stamp) -> Option<i64> {
        self.aps[cpu.at()].stamps.get(stamp)
    }

    /// Restarts the AP's limit, since the BSP has done something for it.
    fn restart_limit(&mut self, cpu: CpuIndex) {
        let deadline = self.now.saturating_add(self.cycles(self.options.limit));
        self.aps[cpu.at()].deadline = deadline;
    }

    fn arrive(&mut self, step: Step, cpu: CpuIndex, at: i64) {
        self.arrivals.push(Reverse((at, cpu, step as u8)));
    }

    /// Lets every AP run as far as the gates allow.
    pub(super) fn settle(&mut self) {
        while let Some(Reverse((at, cpu, step))) = self.arrivals.pop() {
            let step = Step::ALL[usize::from(step)];
            let end = self.through(step, cpu, at);
            match step {
                Step::Kick | Step::Prepare | Step::Wake | Step::Sync => {}
                Step::Trampoline if self.options.microcode_at == MicrocodeAt::Alive => {
                    self.arrive(Step::Microcode, cpu, end);
                }
                Step::Trampoline => self.come_alive(cpu, end),
                Step::Microcode if self.options.microcode_at == MicrocodeAt::Alive => {
                    self.come_alive(cpu, end);
                }
                Step::Microcode => {
                    self.stamp(cpu, Stamp::CallinBegin, at);
                    self.arrive(Step::Callin, cpu, end);
                }
                Step::Callin => {
                    if self.options.microcode_at == MicrocodeAt::Alive {
                        self.stamp(cpu, Stamp::CallinBegin, at);
                    }
                    self.stamp(cpu, Stamp::CallinEnd, end);
                    if self.options.tsc_sync == TscSync::Trusted {
                        self.leave_sync(cpu, end, end.saturating_add(self.cost(Step::Sync, cpu)));
                    }
                }
                Step::Online => self.stamp(cpu, Stamp::Online, end),
            }
        }
    }

    fn come_alive(&mut self, cpu: CpuIndex, at: i64) {
        self.stamp(cpu, Stamp::Alive, at);
        if let Some(released) = self.aps[cpu.at()].released {
            self.pass_gate(cpu, at.max(released));
        }
    }

    /// The AP goes through the gate to its callin.
    fn pass_gate(&mut self, cpu: CpuIndex, at: i64) {
        let first = match self.options.microcode_at {
            MicrocodeAt::Callin => Step::Microcode,
            MicrocodeAt::Alive => Step::Callin,
        };
        self.arrive(first, cpu, at);
    }

    /// How long the clock of an AP is watched, in cycles.
    fn window(&self, cpu: CpuIndex) -> i64 {
        self.cycles(self.options.tsc_window.of(self.classes[cpu.at()]))
    }

    /// The AP is through the TSC sync and goes on by itself.
    fn leave_sync(&mut self, cpu: CpuIndex, begin: i64, end: i64) {
        self.stamp(cpu, Stamp::SyncBegin, begin);
        self.stamp(cpu, Stamp::SyncEnd, end);
        self.arrive(Step::Online, cpu, end);
    }

    /// Waits for a stamp of the AP's, no longer than its limit.
    fn await_stamp(&mut self, cpu: CpuIndex, stamp: Stamp, seen: Stamp) {
        self.settle();
        let at = self.get(cpu, stamp);
        let now = self.now;
        let ap = &mut self.aps[cpu.at()];
        if ap.is_lost() {
            return;
        }
        // The BSP looks at what was reached before it looks at the clock.
        match at.filter(|at| *at <= ap.deadline.max(now)) {
            Some(at) => {
                self.now = self.now.max(at);
                self.stamp(cpu, seen, self.now);
            }
            None => {
                self.now = now.max(ap.deadline);
                ap.given_up = Some(self.now);
            }
        }
    }

    /// When the BSP hears of an AP that has not had its turn: its callin, or that it is lost.
    fn news_of(&self, cpu: CpuIndex) -> Option<i64> {
        let ap = &self.aps[cpu.at()];
        let waits = !ap.is_lost() && ap.stamps.get(Stamp::SyncBegin).is_none();
        waits.then(|| ap.stamps.get(Stamp::CallinEnd).unwrap_or(i64::MAX).min(ap.deadline))
    }
}

/// The parts of a kick.
impl Simulated<'_> {
    /// INIT, and the delay.
    fn begin_kicks(&mut self, set: Aps<'_>) {
        set.into_iter().for_each(|cpu| self.stamp(cpu, Stamp::Init, self.now));
        if self.options.wake_sequence.has_init() {
            self.pass(self.cycles(self.options.init_delay));
        }
    }

    fn kick_one(&mut self, cpu: CpuIndex) {
        self.pass(self.cost(Step::Kick, cpu));
        let sipi = self.now;
        self.stamp(cpu, Stamp::Sipi, sipi);
        if !self.options.faults.hit(Fault::Never, cpu) {
            self.send_sipi(cpu);
            if self.options.wake_sequence.has_second_sipi() {
                self.pass(self.cycles(self.options.sipi_gap));
                self.send_sipi(cpu);
            }
        }
        self.end_kick(cpu);
    }

    fn kick_all_at_once(&mut self, set: Aps<'_>) {
        self.begin_kicks(set);
        self.pass(self.options.cost(Step::Kick).usual().map_or(0, |cost| self.cycles(cost)));
        let sipi = self.now;
        set.into_iter().for_each(|cpu| self.stamp(cpu, Stamp::Sipi, sipi));
        set.into_iter().for_each(|cpu| self.send_sipi(cpu));
        if self.options.wake_sequence.has_second_sipi() {
            self.pass(self.cycles(self.options.sipi_gap));
        }
        set.into_iter().for_each(|cpu| self.end_kick(cpu));
    }

    /// Sends a SIPI, unless a planted fault drops it; the first that arrives starts the AP, no earlier than `cost-wake`
    /// after the first that was to be sent.
    fn send_sipi(&mut self, cpu: CpuIndex) {
        let number = &mut self.sipis[cpu.at()];
        *number += 1;
        let dropped = self.options.faults.drops(cpu, *number)
            || self.options.faults.hit(Fault::InitAfterSipi, cpu);
        if let (false, None, Some(sipi)) =
            (dropped, self.get(cpu, Stamp::Entry), self.get(cpu, Stamp::Sipi))
        {
            let entry = sipi.saturating_add(self.cost(Step::Wake, cpu)).max(self.now);
            self.stamp(cpu, Stamp::Entry, entry);
            self.arrive(Step::Trampoline, cpu, entry);
        }
    }

    fn end_kick(&mut self, cpu: CpuIndex) {
        self.stamp(cpu, Stamp::KickEnd, self.now);
        self.restart_limit(cpu);
    }

    /// The BSP waits for each AP until it is alive, or late.
    fn repeat_late(&mut self, set: Aps<'_>) {
        if !self.options.wake_sequence.repeats_late() {
            return;
        }
        self.settle();
        for cpu in set {
            let Some(sipi) = self.get(cpu, Stamp::Sipi) else { continue };
            let late = sipi.saturating_add(self.cycles(self.options.sipi_gap));
            let alive = self.get(cpu, Stamp::Alive).unwrap_or(i64::MAX);
            if alive > self.now {
                self.now = self.now.max(alive.min(late));
            }
            if alive > self.now && !self.options.faults.hit(Fault::Never, cpu) {
                self.send_sipi(cpu);
                self.settle();
            }
        }
    }
}

impl Bsp for Simulated<'_> {
    fn tsc_sync(&self) -> TscSync {
        self.options.tsc_sync
    }

    fn kick(&mut self, set: Aps<'_>) {
        if set.is_empty() {
            return;
        }
        if let Err(refused) = kick::check(self.options, set, Aps::all(self.aps.len())) {
            // A verb has no word on failure: the APs that were not kicked are lost, and the trial fails.
            self.refused.get_or_insert(refused);
            return;
        }
        set.into_iter().for_each(|cpu| self.pass(self.cost(Step::Prepare, cpu)));
        match (self.options.kick, self.options.init_order) {
            (Kick::Broadcast, _) => self.kick_all_at_once(set),
            (Kick::Unicast, InitOrder::First) => {
                self.begin_kicks(set);
                set.into_iter().for_each(|cpu| self.kick_one(cpu));
            }
            (Kick::Unicast, InitOrder::Each) => {
                for cpu in set {
                    self.begin_kicks(Aps::only(cpu));
                    self.kick_one(cpu);
                }
            }
        }
        self.repeat_late(set);
    }

    fn await_alive(&mut self, ap: CpuIndex) {
        self.await_stamp(ap, Stamp::Alive, Stamp::SeenAlive);
    }

    fn release(&mut self, set: Aps<'_>) {
        for cpu in set {
            if self.aps[cpu.at()].is_lost() {
                continue;
            }
            self.aps[cpu.at()].released = Some(self.now);
            self.restart_limit(cpu);
            // One that is not alive yet goes through the open gate when it is.
            if let Some(alive) = self.get(cpu, Stamp::Alive) {
                self.pass_gate(cpu, alive.max(self.now));
            }
        }
    }

    fn await_callin(&mut self, ap: CpuIndex) {
        self.await_stamp(ap, Stamp::CallinEnd, Stamp::SeenCallin);
    }

    fn await_any_callin(&mut self, set: Aps<'_>) -> Option<CpuIndex> {
        self.settle();
        loop {
            self.now = set.into_iter().filter_map(|cpu| self.news_of(cpu)).min()?.max(self.now);
            let ready = |cpu: &CpuIndex| self.news_of(*cpu).is_some_and(|at| at <= self.now);
            let behind = set.into_iter().filter(|cpu| *cpu > self.last_served).find(ready);
            let cpu = behind.or_else(|| set.into_iter().find(ready))?;
            self.last_served = cpu;
            self.await_stamp(cpu, Stamp::CallinEnd, Stamp::SeenCallin);
            if !self.aps[cpu.at()].is_lost() {
                return Some(cpu);
            }
        }
    }

    /// Clocks are perfectly known here: a first window shows a skew, a second that it is mended.
    fn sync_pair(&mut self, ap: CpuIndex) {
        let seen = self.get(ap, Stamp::SyncBegin);
        let windows = 1 + i64::from(seen.is_none() && self.options.skews.of(ap) != 0);
        let begin = seen.unwrap_or(self.now);
        self.pass(self.window(ap).saturating_mul(windows));
        self.restart_limit(ap);
        self.leave_sync(ap, begin, self.now);
    }

    fn sync_many(&mut self, set: Aps<'_>) {
        let ready = |cpu: &CpuIndex| !self.aps[cpu.at()].is_lost();
        let ready: Vec<CpuIndex> = set.into_iter().filter(ready).collect();
        let begin = self.now;
        self.pass(ready.iter().map(|cpu| self.window(*cpu)).max().unwrap_or(0));
        for cpu in ready {
            self.restart_limit(cpu);
            self.stamp(cpu, Stamp::SyncBegin, begin);
            if self.options.skews.of(cpu) == 0 {
                self.leave_sync(cpu, begin, self.now);
            }
        }
    }

    fn unsettled(&self, set: Aps<'_>) -> Option<CpuIndex> {
        set.into_iter().find(|cpu| {
            !self.aps[cpu.at()].is_lost()
                && self.get(*cpu, Stamp::SyncBegin).is_some()
                && self.get(*cpu, Stamp::SyncEnd).is_none()
        })
    }

    fn await_online(&mut self, ap: CpuIndex) {
        self.await_stamp(ap, Stamp::Online, Stamp::SeenOnline);
    }
}
