//! The simulator: the BSP's verbs on arithmetic clocks, for the same strategies that the kernel
//! runs.
//!
//! Every step takes exactly its cost and everything else takes no time, so a total is a closed
//! form that fits on paper; the tests below write some down.

use crate::class::Class;
use crate::frame::{
    ApEnd, ApTimeline, ApicMode, Body, CellBegin, Cpu, Error, Frame, Goodbye, Hello, MAGIC,
    OVERRUNS, PROTOCOL, TrialBegin, TrialEnd, TscSource,
};
use crate::kick::{self, PartKicked};
use crate::options::{Fault, Kick, OptionError, Options, SIPI_GAP, Step, TscSync};
use crate::plan::Plan;
use crate::stamp::{Clock, Stamp, Stamps};
use crate::strategy::{Aps, Bsp, bring_up};
use crate::{ApicId, CpuIndex, Cycles, Duration};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

/// A trial's result, and its APs.
pub type Trial = (TrialEnd, Vec<ApTimeline>);

/// Why a trial can't be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTrial {
    /// It takes longer than the clock can count.
    TooLong,
    /// The strategy kicks fewer APs than its kick reaches.
    PartKicked(PartKicked),
}

impl fmt::Display for NoTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoTrial::TooLong => f.write_str(
                "a trial would take 2^63 cycles or more, which the simulator's clock can't count; \
                 take shorter costs, fewer CPUs, or a lower clock-khz",
            ),
            NoTrial::PartKicked(part) => part.fmt(f),
        }
    }
}

impl std::error::Error for NoTrial {}

/// Runs one trial on a machine of `cpus` CPUs, each a core of one package, whose clocks tick at
/// `tsc_khz` kHz where the options name no other.
///
/// Fails where it can't be simulated.
pub fn trial(options: &Options, cpus: usize, tsc_khz: u64) -> Result<Trial, NoTrial> {
    trial_on(options, &vec![Class::Core; cpus], tsc_khz)
}

/// The same on a machine whose CPUs are of these classes, the BSP's first.
pub fn trial_on(options: &Options, classes: &[Class], tsc_khz: u64) -> Result<Trial, NoTrial> {
    trial_by(|bsp| bring_up(options.strategy, bsp), options, classes, tsc_khz)
}

fn trial_by(
    strategy: impl FnOnce(&mut Simulated<'_>),
    options: &Options,
    classes: &[Class],
    tsc_khz: u64,
) -> Result<Trial, NoTrial> {
    let mut bsp = Simulated {
        options,
        classes,
        tsc_khz: options.clock(tsc_khz),
        now: 0,
        served: CpuIndex::BSP,
        aps: vec![Ap::default(); classes.len()],
        arrivals: BinaryHeap::new(),
        free_at: [0; Step::COUNT],
        refused: None,
    };
    strategy(&mut bsp);
    if let Some(refused) = bsp.refused {
        return Err(NoTrial::PartKicked(refused));
    }
    bsp.settle();
    let kick_loop = bsp.aps.iter().filter_map(|ap| ap.stamps.get(Stamp::KickEnd)).max();
    let end = TrialEnd {
        total: Cycles(bsp.now as u64),
        kick_loop: Cycles(kick_loop.unwrap_or(0) as u64),
        lost: bsp.aps.iter().filter(|ap| ap.is_lost()).count() as u16,
    };
    let aps: Vec<ApTimeline> =
        bsp.aps().into_iter().map(|cpu| bsp.aps[cpu.at()].timeline(cpu)).collect();
    // A clock that has come to its end stays there.
    let mut stamps = aps.iter().flat_map(|ap| Stamp::ALL.map(|stamp| ap.stamps.get(stamp)));
    match bsp.now == i64::MAX || stamps.any(|at| at == Some(i64::MAX)) {
        true => Err(NoTrial::TooLong),
        false => Ok((end, aps)),
    }
}

/// Runs a whole command line and hands out the frames that a kernel would send; an error frame where a
/// trial can't be simulated.
pub fn boot<'a>(
    command_line: &'a str,
    cpus: usize,
    tsc_khz: u64,
    mut send: impl FnMut(&Frame<'_>),
) -> Result<(), OptionError<'a>> {
    let plan = Plan::parse(command_line, cpus)?;
    let mut number = 0;
    let mut send = |body: Body<'_>| {
        send(&Frame { number, body });
        number += 1;
        number
    };
    send(Body::Hello(Hello {
        magic: MAGIC,
        protocol: PROTOCOL,
        kernel: env!("CARGO_PKG_VERSION"),
        build: "simulator",
        tsc_khz,
        tsc_source: TscSource::Cpuid,
        tsc_spread_khz: 0,
        tsc_invariant: true,
        vendor: "Rollcall",
        model: "arithmetic clocks",
        hypervisor: "sim",
        apic_mode: ApicMode::Xapic,
        cpus: cpus as u16,
    }));
    for cpu in 0..cpus as u16 {
        let place = u32::from(cpu);
        send(Body::Cpu(Cpu {
            cpu: CpuIndex(cpu),
            apic_id: ApicId(place),
            package: 0,
            core: place,
            thread: 0,
            node: None,
        }));
    }
    let mut frames = 0;
    for (cell, options) in (0..).zip(plan.cells()) {
        frames = send(Body::CellBegin(CellBegin { cell, options: &options.to_string() }));
        let (end, aps) = match trial(&options, cpus, tsc_khz) {
            Ok(trial) => trial,
            Err(error) => {
                send(Body::Error(Error::Options { message: &error.to_string() }));
                return Ok(());
            }
        };
        // The boot's first trial is the cold one; a simulated trial is like any other.
        for number in u32::from(cell > 0)..=options.repetitions {
            let cold = number == 0;
            send(Body::TrialBegin(TrialBegin { cell, trial: number, cold, zero: 0 }));
            aps.iter().for_each(|ap| _ = send(Body::ApTimeline(*ap)));
            frames = send(Body::TrialEnd(end));
        }
    }
    send(Body::Goodbye(Goodbye { frames, stamps_dropped: 0 }));
    Ok(())
}

#[derive(Clone, Default)]
struct Ap {
    stamps: Stamps,
    /// When the gate to the callin opened.
    released: Option<i64>,
    /// When its limit ends, in cycles.
    deadline: i64,
    /// When the BSP gave it up: at its deadline, or later where the BSP was busy with another AP then.
    given_up: Option<i64>,
}

impl Ap {
    fn is_lost(&self) -> bool {
        self.given_up.is_some()
    }

    fn timeline(&self, cpu: CpuIndex) -> ApTimeline {
        let mut stamps = Stamps::default();
        for stamp in Stamp::ALL {
            let at = self.stamps.get(stamp);
            // What an AP does after it was given up is no part of the trial.
            let too_late = |at: i64| self.given_up.is_some_and(|given_up| at > given_up);
            if let Some(at) = at.filter(|at| stamp.clock() == Clock::Bsp || !too_late(*at)) {
                stamps.set(stamp, at);
            }
        }
        ApTimeline {
            cpu,
            end: if self.is_lost() { ApEnd::Lost(stamps.last()) } else { ApEnd::Online },
            starts: u32::from(stamps.get(Stamp::Entry).is_some()),
            stamps,
            entry_raw: None,
            offset: None,
            sync: None,
            tsc_adjust: None,
            overruns: [0; OVERRUNS.len()],
        }
    }
}

/// An AP comes to a step of its path: when, who, and which.
type Arrival = Reverse<(i64, CpuIndex, u8)>;

struct Simulated<'a> {
    options: &'a Options,
    /// By CPU.
    classes: &'a [Class],
    tsc_khz: u64,
    now: i64,
    /// The last AP that had its turn; the next is looked for behind it.
    served: CpuIndex,
    aps: Vec<Ap>,
    /// What the APs do on their own, in the order of time: where one CPU at a time may be in a
    /// step, who comes first is served first.
    arrivals: BinaryHeap<Arrival>,
    /// When the last CPU that asked for an exclusive step will be through it.
    free_at: [i64; Step::COUNT],
    /// The first kick that was refused.
    refused: Option<PartKicked>,
}

impl Simulated<'_> {
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

    /// The AP's limit starts anew: the BSP has done something for it.
    fn grant(&mut self, cpu: CpuIndex) {
        let deadline = self.now.saturating_add(self.cycles(self.options.limit));
        self.aps[cpu.at()].deadline = deadline;
    }

    fn arrive(&mut self, step: Step, cpu: CpuIndex, at: i64) {
        self.arrivals.push(Reverse((at, cpu, step as u8)));
    }

    /// Lets every AP run as far as the gates allow.
    fn settle(&mut self) {
        while let Some(Reverse((at, cpu, step))) = self.arrivals.pop() {
            let step = Step::ALL[usize::from(step)];
            let end = self.through(step, cpu, at);
            match step {
                Step::Kick | Step::Wake => {}
                Step::Trampoline => {
                    self.stamp(cpu, Stamp::Alive, end);
                    if let Some(released) = self.aps[cpu.at()].released {
                        self.arrive(Step::Callin, cpu, end.max(released));
                    }
                }
                Step::Callin => {
                    self.stamp(cpu, Stamp::CallinBegin, at);
                    self.stamp(cpu, Stamp::CallinEnd, end);
                    if self.options.tsc_sync == TscSync::Trusted {
                        self.leave_sync(cpu, end, end);
                    }
                }
                Step::Online => self.stamp(cpu, Stamp::Online, end),
            }
        }
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

impl Bsp for Simulated<'_> {
    fn aps(&self) -> Aps {
        Aps::all(self.aps.len())
    }

    fn tsc_sync(&self) -> TscSync {
        self.options.tsc_sync
    }

    fn kick(&mut self, set: Aps) {
        if set.is_empty() {
            return;
        }
        if let Err(refused) = kick::check(self.options, set, self.aps()) {
            // A verb has no word on failure: the APs that were not kicked are lost, and the trial fails.
            self.refused.get_or_insert(refused);
            return;
        }
        let gap = self.cycles(SIPI_GAP) * i64::from(self.options.sipi_count - 1);
        set.into_iter().for_each(|cpu| self.stamp(cpu, Stamp::Init, self.now));
        self.pass(self.cycles(self.options.init_delay));
        if self.options.kick == Kick::Broadcast {
            self.pass(self.options.cost(Step::Kick).usual().map_or(0, |cost| self.cycles(cost)));
        }
        let broadcast_sipi = self.now;
        for cpu in set {
            if self.options.kick == Kick::Unicast {
                self.pass(self.cost(Step::Kick, cpu));
            }
            let sipi = if self.options.kick == Kick::Unicast { self.now } else { broadcast_sipi };
            let withheld = self.options.faults.hit(Fault::Never, cpu);
            self.now = if withheld { sipi } else { sipi.saturating_add(gap) };
            self.stamp(cpu, Stamp::Sipi, sipi);
            self.stamp(cpu, Stamp::KickEnd, self.now);
            self.grant(cpu);
            if !withheld {
                let entry = sipi.saturating_add(self.cost(Step::Wake, cpu));
                self.stamp(cpu, Stamp::Entry, entry);
                self.arrive(Step::Trampoline, cpu, entry);
            }
        }
    }

    fn await_alive(&mut self, ap: CpuIndex) {
        self.await_stamp(ap, Stamp::Alive, Stamp::SeenAlive);
    }

    fn release(&mut self, set: Aps) {
        for cpu in set {
            if self.aps[cpu.at()].is_lost() {
                continue;
            }
            self.aps[cpu.at()].released = Some(self.now);
            self.grant(cpu);
            // One that is not alive yet goes through the open gate when it is.
            if let Some(alive) = self.get(cpu, Stamp::Alive) {
                self.arrive(Step::Callin, cpu, alive.max(self.now));
            }
        }
    }

    fn await_callin(&mut self, ap: CpuIndex) {
        self.await_stamp(ap, Stamp::CallinEnd, Stamp::SeenCallin);
    }

    fn await_any_callin(&mut self, set: Aps) -> Option<CpuIndex> {
        self.settle();
        loop {
            self.now = set.into_iter().filter_map(|cpu| self.news_of(cpu)).min()?.max(self.now);
            let ready = |cpu: &CpuIndex| self.news_of(*cpu).is_some_and(|at| at <= self.now);
            let behind = set.into_iter().filter(|cpu| *cpu > self.served).find(ready);
            let cpu = behind.or_else(|| set.into_iter().find(ready))?;
            self.served = cpu;
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
        self.pass(self.cycles(self.options.tsc_window).saturating_mul(windows));
        self.grant(ap);
        self.leave_sync(ap, begin, self.now);
    }

    fn sync_many(&mut self, set: Aps) {
        let ready = |cpu: &CpuIndex| !self.aps[cpu.at()].is_lost();
        let ready: Vec<CpuIndex> = set.into_iter().filter(ready).collect();
        let begin = self.now;
        if !ready.is_empty() {
            self.pass(self.cycles(self.options.tsc_window));
        }
        for cpu in ready {
            self.grant(cpu);
            self.stamp(cpu, Stamp::SyncBegin, begin);
            if self.options.skews.of(cpu) == 0 {
                self.leave_sync(cpu, begin, self.now);
            }
        }
    }

    fn unsettled(&self, set: Aps) -> Option<CpuIndex> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Strategy as How;
    use crate::phase::Phase;
    use proptest::prelude::*;

    const KHZ: u64 = 1_000_000;
    /// The default scenario's costs, in cycles: kick, wake, callin, window, online.
    const COSTS: &str = "cost-kick=100000 cost-wake=1200000 cost-callin=800000 tsc-window=500000 \
                         cost-online=100000";

    fn options(words: &str) -> Options {
        let mut options = Options::default();
        words.split_whitespace().for_each(|word| options.set_word(word).unwrap());
        options
    }

    fn total(words: &str, cpus: usize) -> u64 {
        trial(&options(&format!("{COSTS} {words}")), cpus, KHZ).unwrap().0.total.0
    }

    #[test]
    fn serial_costs_every_step_of_every_ap() {
        let one = 100_000 + 1_200_000 + 800_000 + 500_000 + 100_000;
        for cpus in [1, 2, 28, 255] {
            assert_eq!(total("strategy=serial", cpus), one * (cpus as u64 - 1));
        }
    }

    #[test]
    fn parallel_sipi_costs_one_kick_loop_and_every_ap_from_its_gate_on() {
        // By the end of the kick loop all but the last APs that a wake takes are alive: the first
        // AP's callin begins at the loop's end or at its own alive, and no later AP is waited for.
        let each = 800_000 + 500_000 + 100_000;
        for aps in [1, 2, 12, 27] {
            let begin = (aps * 100_000).max(100_000 + 1_200_000);
            assert_eq!(total("strategy=parallel-sipi", aps as usize + 1), begin + each * aps);
        }
    }

    #[test]
    fn full_parallel_costs_one_kick_loop_one_ap_and_the_turns() {
        for aps in [1, 2, 27] {
            // The first turn comes when the kick loop is over and the first AP has called in.
            let first = (aps * 100_000).max(100_000 + 1_200_000 + 800_000);
            assert_eq!(
                total("strategy=full-parallel", aps as usize + 1),
                first + 500_000 * aps + 100_000
            );
        }
    }

    #[test]
    fn trusted_full_parallel_costs_one_kick_loop_and_one_ap() {
        let words = "strategy=full-parallel tsc-sync=trusted";
        assert_eq!(total(words, 28), 27 * 100_000 + 1_200_000 + 800_000 + 100_000);
        let broadcast = format!("{words} kick=broadcast");
        assert_eq!(total(&broadcast, 28), 100_000 + 1_200_000 + 800_000 + 100_000);
    }

    #[test]
    fn one_to_many_costs_one_window_for_all_and_one_more_for_each_skewed_clock() {
        let words = "strategy=full-parallel tsc-sync=one-to-many";
        let called_in = 27 * 100_000 + 1_200_000 + 800_000;
        assert_eq!(total(words, 28), called_in + 500_000 + 100_000);
        let skewed = format!("{words} skew=3:200,9:-200,20:200");
        assert_eq!(total(&skewed, 28), called_in + 4 * 500_000 + 100_000);
        // One at a time, it is a pairwise sync.
        let each = 100_000 + 1_200_000 + 800_000 + 500_000 + 100_000;
        assert_eq!(total("strategy=serial tsc-sync=one-to-many", 28), 27 * each);
        assert_eq!(total("strategy=serial skew=3:200", 28), 27 * each + 500_000);
    }

    #[test]
    fn one_slow_ap_among_many_delays_exactly_what_it_should() {
        let slow = "cost-callin=800000,5:8000000";
        for how in ["serial", "parallel-sipi"] {
            let words = format!("strategy={how}");
            assert_eq!(
                total(&format!("{words} {slow}"), 28),
                total(&words, 28) + 7_200_000,
                "{how}"
            );
        }
        // Nobody waits for it but its own turn: CPU 5 calls in at 0.5 + 1.2 + 8 ms, in the middle
        // of the others' turns, which fill the time until 2.7 + 27 · 0.5 ms all the same.
        let words = "strategy=full-parallel";
        assert_eq!(total(&format!("{words} {slow}"), 28), total(words, 28));
        // Slower than all the others' turns together, it is waited for alone.
        let slower = "cost-callin=800000,5:80000000";
        assert_eq!(
            total(&format!("{words} {slower}"), 28),
            500_000 + 1_200_000 + 80_000_000 + 500_000 + 100_000
        );
    }

    #[test]
    fn an_exclusive_step_is_spent_by_one_ap_after_the_other() {
        let words = "strategy=full-parallel tsc-sync=trusted";
        // Kicked every 0.1 ms, they queue for a callin of 0.8 ms; only the last comes online after.
        let exclusive = format!("{words} cost-callin=800000,exclusive");
        assert_eq!(total(&exclusive, 28), 100_000 + 1_200_000 + 27 * 800_000 + 100_000);
        // In the order of arrival: CPU 1 wakes late and is served last.
        let late = format!("{exclusive} cost-wake=1200000,1:9000000");
        let (_, aps) = trial(&options(&format!("{COSTS} {late}")), 5, KHZ).unwrap();
        let ends = aps.iter().map(|ap| ap.stamps.get(Stamp::CallinEnd).unwrap());
        assert_eq!(ends.collect::<Vec<_>>(), [9_900_000, 2_200_000, 3_000_000, 3_800_000]);
        // Serial, nobody else is there.
        assert_eq!(
            total("strategy=serial cost-callin=800000,exclusive", 28),
            total("strategy=serial", 28)
        );
    }

    #[test]
    fn a_class_that_costs_more_delays_its_own() {
        use Class::{Core, Package, Sibling};
        let words = format!("{COSTS} strategy=serial cost-callin=800000,package:8000000,sibling:0");
        let classes = [Package, Sibling, Core, Sibling, Package, Sibling];
        let (end, aps) = trial_on(&options(&words), &classes, KHZ).unwrap();
        let callins = aps.iter().map(|ap| Phase::Callin.of(&ap.stamps).unwrap().0);
        assert_eq!(callins.collect::<Vec<_>>(), [0, 800_000, 0, 8_000_000, 0]);
        assert_eq!(end.total.0, 5 * 1_900_000 + 800_000 + 8_000_000);
    }

    #[test]
    fn a_withheld_sipi_costs_one_limit_however_many_aps_are_lost() {
        let words = "strategy=parallel-sipi limit=50ms fault=never:3,never:4";
        let (end, aps) = trial(&options(&format!("{COSTS} {words}")), 6, KHZ).unwrap();
        assert_eq!(end.lost, 2);
        assert_eq!(aps[2].end, ApEnd::Lost(Some(Stamp::Sipi)));
        assert_eq!(aps[4].end, ApEnd::Online);
        // CPU 4's own limit ends one kick after CPU 3's.
        assert_eq!(end.total.0, 50_000_000 + 4 * 100_000 + 1_400_000);
    }

    /// CPU 2 has called in late, at 30 ms; `trusted`, it goes on to be online without the BSP.
    #[test]
    fn what_an_ap_does_after_it_was_given_up_is_no_part_of_the_trial() {
        let words =
            "strategy=full-parallel tsc-sync=trusted limit=10ms cost-callin=0,2:30ms,3:100ms";
        let (end, aps) = trial(&options(words), 4, KHZ).unwrap();
        assert_eq!((end.lost, end.total.0), (2, 10_000_000));
        for ap in &aps[1..] {
            assert_eq!(ap.end, ApEnd::Lost(Some(Stamp::CallinBegin)), "{}", ap.cpu);
            assert_eq!(ap.stamps.get(Stamp::CallinEnd), None);
        }
        // The BSP waits for CPU 1 until 18 ms, and only then looks at CPU 2.
        let words = "strategy=parallel-sipi tsc-sync=trusted limit=10ms cost-wake=9ms,2:15ms \
                     cost-trampoline=0,2:20ms cost-callin=9ms";
        let (end, aps) = trial(&options(words), 3, KHZ).unwrap();
        assert_eq!((end.lost, end.total.0), (1, 18_000_000));
        assert_eq!(aps[1].end, ApEnd::Lost(Some(Stamp::Entry)));
    }

    #[test]
    fn a_lost_ap_takes_no_turn_in_an_exclusive_step() {
        let words = "strategy=serial tsc-sync=trusted limit=10ms cost-wake=0,1:11ms \
                     cost-callin=5ms,exclusive";
        let (end, aps) = trial(&options(words), 3, KHZ).unwrap();
        assert_eq!(aps[0].end, ApEnd::Lost(Some(Stamp::Sipi)));
        // CPU 1 is alive at 11 ms, when CPU 2 calls in; nobody releases it any more.
        assert_eq!((end.lost, end.total.0), (1, 15_000_000));
    }

    /// A strategy that kicks one AP after the other, and waits for none of them in between.
    fn one_by_one(bsp: &mut Simulated<'_>) {
        for ap in bsp.aps() {
            bsp.release(Aps::only(ap));
            bsp.kick(Aps::only(ap));
        }
        while let Some(ap) = bsp.await_any_callin(bsp.aps()) {
            bsp.sync_pair(ap);
        }
        for ap in bsp.aps() {
            bsp.await_online(ap);
        }
    }

    #[test]
    fn a_strategy_that_kicks_a_part_of_the_aps_by_broadcast_is_refused() {
        let run = |words: &str| {
            let options = options(&format!("strategy=full-parallel {words}"));
            trial_by(one_by_one, &options, &[Class::Core; 4], KHZ)
        };
        assert_eq!(run("kick=unicast").unwrap().0.lost, 0);
        let NoTrial::PartKicked(refused) = run("kick=broadcast").unwrap_err() else {
            panic!("it is refused for its set");
        };
        assert_eq!((refused.kicked, refused.all), (Aps::only(CpuIndex(1)), Aps::all(4)));
    }

    /// `kick` sends all INITs, waits once, and sends all SIPIs; an INIT, a delay and a SIPI for each AP in turn, as
    /// Linux does it, would take n delays.
    #[test]
    fn a_kick_of_n_aps_waits_the_init_delay_once() {
        let words =
            "init-delay=10000 cost-kick=0 cost-wake=0 cost-callin=0 cost-online=0 tsc-window=0";
        for (strategy, delays) in [("serial", 3), ("parallel-sipi", 1), ("full-parallel", 1)] {
            let words = format!("{words} strategy={strategy}");
            assert_eq!(total(&words, 4), delays * 10_000_000, "{strategy}");
        }
        let words = format!("{words} strategy=parallel-sipi");
        for ap in trial(&options(&words), 4, KHZ).unwrap().1 {
            assert_eq!(ap.stamps.get(Stamp::Init), Some(0));
            assert_eq!(ap.stamps.get(Stamp::Sipi), Some(10_000_000));
        }
    }

    #[test]
    fn the_classic_protocol_costs_its_delays() {
        let words = "strategy=serial init-delay=10000 sipi-count=2 cost-kick=0 cost-wake=0 \
                     cost-callin=0 cost-online=0 tsc-window=0";
        assert_eq!(total(words, 3), 2 * (10_000_000 + 200_000));
    }

    #[test]
    fn times_are_of_the_clock_of_the_machine_that_is_named() {
        let words = "strategy=serial init-delay=10000";
        let (own, named) = (total(words, 2), total(&format!("{words} clock-khz=2000000"), 2));
        // 10 ms are twice as many cycles; what is given in cycles stays.
        assert_eq!(named - own, 10_000_000);
    }

    #[test]
    fn a_trial_that_the_clock_cannot_count_is_an_error() {
        let hour = "clock-khz=4294967295 limit=3600s";
        for words in [
            "tsc-window=3600s cost-wake=3600s",
            "cost-kick=3600s cost-callin=3600s,exclusive cost-online=3600s,exclusive \
             strategy=full-parallel",
            "strategy=full-parallel tsc-sync=one-to-many init-delay=3600s cost-kick=3600s",
            "strategy=parallel-sipi fault=never:1 skew=2:1 tsc-window=3600s",
        ] {
            let options = options(&format!("{hour} {words}"));
            assert_eq!(trial(&options, 700, KHZ).err(), Some(NoTrial::TooLong), "{words}");
            assert_eq!(trial(&options, 4, KHZ).err(), None, "{words}");
        }
        // A capture may tell any frequency.
        let serial = options("tsc-window=3600s init-delay=3600s sipi-count=2 skew=1:1");
        assert_eq!(trial(&serial, 3, u64::MAX).err(), Some(NoTrial::TooLong));
    }

    #[test]
    fn a_boot_with_a_trial_that_is_too_long_ends_with_an_error_frame() {
        let words = "clock-khz=4294967295 limit=3600s tsc-window=3600s cost-wake=3600s";
        let mut last = String::new();
        boot(words, 700, KHZ, |frame| last = format!("{:?}", frame.body)).unwrap();
        assert!(last.starts_with("Error(Options { message: \"a trial would take 2^63"), "{last}");
    }

    fn any_options() -> impl Strategy<Value = Options> {
        let word = |key: &'static str, cost: u64| format!("{key}={cost}");
        (
            0..How::ALL.len(),
            0..TscSync::ALL.len(),
            any::<bool>(),
            proptest::collection::vec(0u64..3_000_000, 6),
            (1u16..12, 0usize..Step::COUNT, 0u64..40_000_000),
            proptest::option::of(Step::Trampoline as usize..Step::COUNT),
        )
            .prop_map(
                move |(how, sync, broadcast, costs, (slow, step, cost), exclusive)| {
                    let how = How::ALL[how];
                    let kick =
                        if broadcast && how != How::Serial { "broadcast" } else { "unicast" };
                    let mut words: Vec<String> = Step::ALL
                        .iter()
                        .zip(&costs)
                        .map(|(step, cost)| format!("cost-{step}={cost}"))
                        .collect();
                    if !(kick == "broadcast" && Step::ALL[step] == Step::Kick) {
                        words[step] += &format!(",{slow}:{cost}");
                    }
                    if let Some(exclusive) = exclusive {
                        words[exclusive] += ",exclusive";
                    }
                    words.push(word("tsc-window", costs[5]));
                    words.push(format!("strategy={how} kick={kick}"));
                    words.push(format!("tsc-sync={}", TscSync::ALL[sync]));
                    options(&words.join(" "))
                },
            )
    }

    proptest! {
        #[test]
        fn every_ap_comes_online_once_and_in_order(options in any_options(), cpus in 1usize..14) {
            let (end, aps) = trial(&options, cpus, KHZ).unwrap();
            prop_assert_eq!(end.lost, 0);
            prop_assert_eq!(aps.len(), cpus - 1);
            let mut last = 0;
            for ap in &aps {
                prop_assert_eq!((ap.end, ap.starts), (ApEnd::Online, 1));
                let path: Vec<i64> = Stamp::PATH.iter().map(|stamp| ap.stamps.get(*stamp).unwrap()).collect();
                prop_assert!(path.is_sorted(), "{:?}", path);
                let sum: u64 = Phase::ALL.iter().map(|phase| phase.of(&ap.stamps).unwrap().0).sum();
                prop_assert_eq!(sum as i64, path[8] - path[0]);
                last = last.max(path[8]);
            }
            prop_assert_eq!(end.total.0 as i64, last);
        }

        #[test]
        fn a_dearer_step_never_makes_a_bring_up_cheaper(
            options in any_options(), step in 0usize..Step::COUNT, more in 0u64..1_000_000,
        ) {
            let mut dearer = options.clone();
            let Some(Duration::Cycles(usual)) = options.cost(Step::ALL[step]).usual() else { return Ok(()) };
            let cost = (usual + more).to_string();
            let key = format!("cost-{}", Step::ALL[step]);
            dearer.set(&key, &cost).unwrap();
            let mut plain = options;
            let usual = usual.to_string();
            plain.set(&key, &usual).unwrap();
            let total = |options| trial(options, 9, KHZ).unwrap().0.total;
            prop_assert!(total(&dearer) >= total(&plain));
        }
    }

    #[test]
    fn a_simulated_boot_sends_what_a_kernel_sends() {
        let mut names = Vec::new();
        let words = "repetitions=2 cell strategy=serial cell strategy=full-parallel";
        boot(words, 3, KHZ, |frame| {
            assert_eq!(frame.number as usize, names.len());
            names.push(match frame.body {
                Body::Hello(_) => 'H',
                Body::Cpu(_) => 'c',
                Body::CellBegin(_) => 'C',
                Body::TrialBegin(begin) if begin.cold => '0',
                Body::TrialBegin(_) => '(',
                Body::ApTimeline(_) => 'a',
                Body::TrialEnd(_) => ')',
                Body::Goodbye(_) => 'G',
                _ => '?',
            });
        })
        .unwrap();
        assert_eq!(names.iter().collect::<String>(), "HcccC0aa)(aa)(aa)C(aa)(aa)G");
    }
}
