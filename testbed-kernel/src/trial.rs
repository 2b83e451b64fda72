//! Trials: the BSP's verbs on the real machine, and what goes on around them.
//!
//! The order of things is in `bringup::strategy`; how each verb is done is here, kicks and the TSC
//! sync each on a page of its own.

mod kick;
mod tsc_sync;

use crate::apic::{self, To};
use crate::callin;
use crate::clock::{self, Clock};
use crate::cpu;
use crate::failure::{fail, fail_for_options};
use crate::machine::{Cpus, Machine};
use crate::queue;
use crate::slot::{Orders, Slot, Slots, post_orders, withdraw_orders};
use crate::stream::{self, send};
use crate::tsc::tsc;
use bringup::frame::{ApEnd, ApTimeline, Body, CellBegin, Error, OVERRUNS, TrialBegin, TrialEnd};
use bringup::kick::check as kick_check;
use bringup::options::{Kick, MAX_OPTIONS, Options, SIPI_GAP, StampSet, Step, TscSync, Wait};
use bringup::plan::Plan;
use bringup::stamp::{Clock as Whose, Stamp, Stamps};
use bringup::strategy::{Aps, Bsp, bring_up};
use bringup::sync::{Allowed, Epoch, Reached, answer};
use bringup::{ApicId, CpuIndex, Cycles, Duration};
use core::cell::Cell;
use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;

/// Runs all trials of all cells. The boot's first trial is the cold one, and extra.
pub fn run_all(plan: &Plan<'_>, machine: &Machine, clock: &Clock) {
    let slots = Slots::take().expect("nobody else runs trials");
    if plan.cells().any(|options| options.kick == Kick::Broadcast) {
        machine.census.report_broadcast();
    }
    let mut epoch = 0;
    for (cell, options) in (0..).zip(plan.cells()) {
        let mut text = heapless::String::<MAX_OPTIONS>::new();
        if write!(text, "{options}").is_err() {
            fail_for_options(&"the options of a cell are too long");
        }
        send(Body::CellBegin(CellBegin { cell, options: &text }));
        callin::set_up(CpuIndex::BSP, callin::fault_bits(&options.faults, CpuIndex::BSP));
        for number in u32::from(cell > 0)..=options.repetitions {
            epoch += 1;
            let mut trial = Trial::prepare(Epoch(epoch), &options, machine, slots, clock);
            let end = trial.run();
            trial.park();
            if let Some((cpu, message)) = cpu::overflowed_stack() {
                fail(Error::Panic { cpu, message });
            }
            send(Body::TrialBegin(TrialBegin {
                cell,
                trial: number,
                cold: number == 0,
                zero: trial.orders.zero,
            }));
            for ap in trial.aps() {
                let timeline = trial.timeline(ap);
                stream::count_dropped_stamps(timeline.starts.saturating_sub(1));
                send(Body::ApTimeline(timeline));
            }
            send(Body::TrialEnd(end));
            callin::report_differences();
            trial.report_late_starts();
            trial.report_delivery_errors();
        }
    }
}

fn bit(stamp: Stamp) -> u16 {
    1 << stamp as u16
}

/// One trial, as the BSP sees it.
struct Trial<'a> {
    options: &'a Options,
    cpus: &'a Cpus,
    slots: Slots,
    times: Times,
    orders: Orders,
    /// The last AP that had its turn; the next is looked for behind it.
    served: CpuIndex,
    /// When every INIT and SIPI that was sent should have been taken, under the guard.
    taken_at: Cell<u64>,
    /// The first AP that is not known to have started.
    unborn: Cell<u16>,
    /// APs below this index were sent INIT.
    kicked: u16,
    /// What the BSP's APIC found wrong while it kicked.
    delivery_errors: Cell<u32>,
}

/// The trial's spans of time, in cycles of the BSP's TSC: those of the machine that it stands for, and those
/// that the engine itself needs.
struct Times {
    limit: u64,
    guard: Option<u64>,
    init_delay: u64,
    sipi_gap: u64,
    window: u64,
    longest_window: u64,
    resolution: u64,
    look: u64,
    rest: u64,
}

impl Times {
    fn new(options: &Options, own_khz: u64) -> Times {
        let own = |duration: Duration| duration.cycles(own_khz).0;
        let cycles = |duration: Duration| duration.cycles(options.clock(own_khz)).0;
        Times {
            limit: cycles(options.limit),
            guard: Some(own(options.guard)).filter(|guard| *guard > 0),
            init_delay: cycles(options.init_delay),
            sipi_gap: cycles(SIPI_GAP),
            window: cycles(options.tsc_window),
            longest_window: cycles(options.tsc_window).max(cycles(options.tsc_limit)),
            resolution: cycles(options.tsc_resolution),
            look: own(tsc_sync::LOOK),
            rest: own(tsc_sync::REST),
        }
    }
}

impl Trial<'_> {
    /// Gets everything ready that need not be done inside the trial.
    fn prepare<'a>(
        epoch: Epoch,
        options: &'a Options,
        machine: &'a Machine,
        slots: Slots,
        clock: &Clock,
    ) -> Trial<'a> {
        let trial = Trial {
            options,
            cpus: &machine.census.cpus,
            slots,
            times: Times::new(options, clock.tsc_khz),
            orders: Orders::new(epoch, machine.census.cpus[0], options),
            served: CpuIndex::BSP,
            taken_at: Cell::new(0),
            unborn: Cell::new(1),
            kicked: 1,
            delivery_errors: Cell::new(0),
        };
        queue::clear();
        let exclusive = Step::ALL.iter().filter(|step| options.cost(**step).is_exclusive());
        let exclusive = exclusive.map(|step| 1 << *step as u8).sum();
        let khz = options.clock(clock.tsc_khz);
        for ap in trial.aps() {
            let slot = trial.slot(ap);
            slot.clear();
            for step in Step::ALL {
                let cost = options.cost(step).of(ap, machine.classes[ap.at()]);
                let cycles = cost.map_or(0, |cost| cost.cycles(khz).0);
                slot.down.costs.set(step as usize, cycles);
            }
            slot.down.exclusive.store(exclusive, Relaxed);
            slot.down.faults.store(callin::fault_bits(&options.faults, ap), Relaxed);
            slot.down.adjustment.store(options.skews.of(ap), Relaxed);
            slot.down.job.store(u64::from(epoch.0) << 32 | u64::from(ap.0), Relaxed);
        }
        trial
    }

    /// From zero until the BSP knows the last AP online or lost.
    fn run(&mut self) -> TrialEnd {
        self.orders.zero = tsc();
        post_orders(&self.orders);
        self.send_strays();
        bring_up(self.options.strategy, self);
        let total = tsc() - self.orders.zero;
        apic::stop_timer();
        withdraw_orders();
        let kick_ends = self.aps().into_iter().map(|ap| self.stamp_of(ap, Stamp::KickEnd));
        let kick_loop = kick_ends.max().unwrap_or(0).saturating_sub(self.orders.zero);
        let failed = |ap: &CpuIndex| self.is_lost(*ap) || self.slot(*ap).book.wrong.get();
        let lost = self.aps().into_iter().filter(failed).count();
        TrialEnd { total: Cycles(total), kick_loop: Cycles(kick_loop), lost: lost as u16 }
    }

    /// What became of an AP. It waits for its next SIPI; one that is still on its way there has been given up, and what
    /// it writes now is no part of the trial.
    fn timeline(&self, ap: CpuIndex) -> ApTimeline {
        let Slot { up, down, book } = self.slot(ap);
        let log = &up.log;
        let relative = |tsc: u64| (tsc != 0).then_some(tsc.wrapping_sub(self.orders.zero) as i64);
        let starts = up.starts.of(self.orders.epoch);
        // What an AP has written that did not start is of an earlier trial.
        let counts =
            |stamp: Stamp| starts > 0 && (!self.is_lost(ap) || book.taken.get() & bit(stamp) != 0);
        let mut stamps = Stamps::default();
        for stamp in Stamp::ALL {
            let reading = match stamp.clock() {
                Whose::Bsp => book.stamps.get(stamp as usize),
                Whose::Ap if counts(stamp) => log.stamps.get(stamp as usize),
                Whose::Ap => 0,
            };
            if let Some(at) = relative(reading) {
                stamps.set(stamp, at);
            }
        }
        let end = if self.is_lost(ap) {
            ApEnd::Lost(stamps.last())
        } else if book.wrong.get() {
            ApEnd::WrongAnswer
        } else {
            ApEnd::Online
        };
        let mut overruns = [0; OVERRUNS.len()];
        for (step, end) in [
            (Step::Wake, Stamp::Entry),
            (Step::Trampoline, Stamp::Alive),
            (Step::Callin, Stamp::CallinEnd),
            (Step::Online, Stamp::Online),
        ] {
            if counts(end) {
                overruns[step as usize] = log.overruns.get(step as usize);
            }
        }
        overruns[Step::Kick as usize] = book.kick_overrun.get();
        overruns[Step::COUNT] = book.window_overrun.get();
        ApTimeline {
            cpu: ap,
            end,
            starts,
            stamps,
            entry_raw: relative(if starts > 0 { log.entry_raw.load(Relaxed) } else { 0 }),
            // The stamps' clock is the sync's, less what was added to it there.
            offset: book.known.get().map(|known| known.shifted(-down.adjustment.load(Relaxed))),
            sync: self.sync_of(ap),
            tsc_adjust: (starts > 0 && log.has_tsc_adjust.load(Relaxed))
                .then(|| log.tsc_adjust.load(Relaxed)),
            overruns,
        }
    }

    fn slot(&self, cpu: CpuIndex) -> Slot {
        self.slots.of(cpu)
    }

    /// Sends a line for each AP that has started late since the last time.
    fn report_late_starts(&self) {
        for ap in self.aps() {
            let Slot { up, book, .. } = self.slot(ap);
            let late = up.late_starts.load(Relaxed);
            let new = late - book.late_starts.replace(late);
            if new > 0 {
                stream::log(
                    ap,
                    format_args!(
                        "started late {new} time{}, by a SIPI of a trial that was over or in which it had been given up; \
                         it went back to HLT, and no stamp or start of a trial counts it",
                        if new == 1 { "" } else { "s" }
                    ),
                );
            }
        }
    }

    fn apic_id(&self, cpu: CpuIndex) -> ApicId {
        self.cpus[cpu.at()]
    }

    fn stamp(&self, ap: CpuIndex, stamp: Stamp, at: u64) {
        self.slot(ap).book.stamps.set(stamp as usize, at);
    }

    /// What the BSP does not need for itself.
    fn stamp_seen(&self, ap: CpuIndex, seen: Stamp) {
        if self.options.stamps == StampSet::All {
            self.stamp(ap, seen, tsc());
        }
    }

    fn stamp_of(&self, ap: CpuIndex, stamp: Stamp) -> u64 {
        self.slot(ap).book.stamps.get(stamp as usize)
    }

    fn is_kicked(&self, ap: CpuIndex) -> bool {
        self.stamp_of(ap, Stamp::KickEnd) != 0
    }

    fn is_lost(&self, ap: CpuIndex) -> bool {
        self.slot(ap).book.lost.get()
    }

    /// Gives an AP up. What it does from now on is no part of the trial: the stamps that it has taken are noted, since a
    /// later reading of *its* clock can't be told from an earlier one where the clocks differ; and if it has not
    /// started yet, it starts late.
    fn lose(&self, ap: CpuIndex) {
        let Slot { up, down, book } = self.slot(ap);
        down.token.withdraw();
        // The log of an AP that has not started is of an earlier trial.
        if up.starts.of(self.orders.epoch) > 0 {
            let taken = Stamp::ALL.iter().filter(|stamp| up.log.stamps.get(**stamp as usize) != 0);
            book.taken.set(taken.map(|stamp| bit(*stamp)).sum());
        }
        book.lost.set(true);
    }

    fn has_reached(&self, ap: CpuIndex, level: Reached) -> bool {
        self.slot(ap).up.word.reached(self.orders.epoch) >= level
    }

    /// The AP's limit starts anew from this moment: the BSP has done something for it.
    fn grant(&self, ap: CpuIndex, from: u64) {
        self.slot(ap).book.deadline.set(from + self.times.limit);
    }

    /// Opens a gate.
    fn allow(&self, ap: CpuIndex, gate: Allowed) {
        self.slot(ap).down.word.allow(self.orders.epoch, gate);
        self.wake(ap);
    }

    fn wake(&self, ap: CpuIndex) {
        // An AP that was not kicked yet can't be halted at a gate.
        if self.options.wait == Wait::Halt && self.is_kicked(ap) {
            apic::send_wake(To::One(self.apic_id(ap)));
        }
    }

    /// Until an AP may have news, but no longer than to the deadline.
    fn await_news(&self, now: u64, deadline: u64) {
        let slice = self.slice(now);
        match self.options.wait {
            Wait::Halt => {
                clock::set_alarm(deadline - now, slice);
                clock::halt();
            }
            Wait::Spin => {
                if slice.is_some() {
                    clock::set_alarm(deadline - now, slice);
                }
                core::hint::spin_loop();
            }
        }
    }

    /// Waits for one AP, and stamps when the BSP learned of it.
    fn await_reached(&mut self, ap: CpuIndex, level: Reached, seen: Stamp) {
        while !self.is_lost(ap) {
            if self.has_reached(ap, level) {
                return self.stamp_seen(ap, seen);
            }
            let (now, deadline) = (tsc(), self.slot(ap).book.deadline.get());
            if now >= deadline {
                self.lose(ap);
            } else {
                self.await_news(now, deadline);
            }
        }
    }

    fn wait_until(&self, moment: u64) {
        let how = self.options.spend;
        clock::wait_until(moment, how, |now| self.slice(now));
    }
}

impl Bsp for Trial<'_> {
    fn aps(&self) -> Aps {
        Aps::all(self.cpus.len())
    }

    fn tsc_sync(&self) -> TscSync {
        self.options.tsc_sync
    }

    fn kick(&mut self, set: Aps) {
        if set.is_empty() {
            return;
        }
        if let Err(refused) = kick_check(self.options, set, self.aps()) {
            fail_for_options(&refused);
        }
        self.kicked = set.into_iter().next_back().map_or(self.kicked, |last| last.0 + 1);
        match self.options.kick {
            Kick::Unicast => self.kick_one_by_one(set),
            Kick::Broadcast => self.kick_all_at_once(set),
        }
    }

    fn await_alive(&mut self, ap: CpuIndex) {
        self.await_reached(ap, Reached::Alive, Stamp::SeenAlive);
    }

    fn release(&mut self, set: Aps) {
        for ap in set.into_iter().filter(|ap| !self.is_lost(*ap)) {
            if self.is_kicked(ap) {
                self.grant(ap, tsc());
            }
            self.allow(ap, Allowed::Callin);
        }
    }

    fn await_callin(&mut self, ap: CpuIndex) {
        self.await_reached(ap, Reached::Callin, Stamp::SeenCallin);
    }

    fn await_any_callin(&mut self, set: Aps) -> Option<CpuIndex> {
        loop {
            let now = tsc();
            let mut first_deadline = None;
            let behind = set.into_iter().filter(|ap| *ap > self.served);
            let before = set.into_iter().filter(|ap| *ap <= self.served);
            for ap in behind.chain(before) {
                let book = self.slot(ap).book;
                if book.lost.get() || book.synced.get() {
                    continue;
                }
                if self.has_reached(ap, Reached::Callin) {
                    self.served = ap;
                    self.stamp_seen(ap, Stamp::SeenCallin);
                    return Some(ap);
                }
                let deadline = book.deadline.get();
                if now >= deadline {
                    self.lose(ap);
                } else {
                    first_deadline =
                        Some(first_deadline.map_or(deadline, |first: u64| first.min(deadline)));
                }
            }
            self.await_news(now, first_deadline?);
        }
    }

    fn sync_pair(&mut self, ap: CpuIndex) {
        self.sync_one(ap);
    }

    fn sync_many(&mut self, set: Aps) {
        self.sync_all(set);
    }

    fn unsettled(&self, set: Aps) -> Option<CpuIndex> {
        let settled = |ap: &CpuIndex| self.slot(*ap).book.settled.get();
        set.into_iter().find(|ap| !self.is_lost(*ap) && !settled(ap))
    }

    fn await_online(&mut self, ap: CpuIndex) {
        self.await_reached(ap, Reached::Online, Stamp::SeenOnline);
        let Slot { up, down, book } = self.slot(ap);
        let right = up.answer.load(Relaxed) == answer(down.job.load(Relaxed));
        book.wrong.set(!right && !self.is_lost(ap));
    }
}
