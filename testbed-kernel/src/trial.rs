//! Trials: the BSP's verbs on the real machine, and what goes on around them.
//!
//! The order of things is in `bringup::strategy`; how each verb is done is here, kicks, their IPIs and the TSC
//! sync each on a page of its own, and so are the frames about an AP.

mod ipis;
mod kick;
mod sequence;
mod timeline;
mod times;
mod tsc_sync;
mod x2apic;

use crate::apic::{self, NotDelivered, To};
use crate::callin;
use crate::clock;
use crate::failure::fail_for_options;
use crate::frequency::Clock;
use crate::machine::Machine;
use crate::orders::{self, TrialOrders};
use crate::queue;
use crate::slot::{Slot, Slots};
use crate::stream::{self, send};
use crate::tsc::tsc;
use bringup::class::Class;
use bringup::frame::{Body, CellBegin, TrialBegin, TrialEnd};
use bringup::handshake::{Allowed, Epoch, Reached, answer};
use bringup::kick::check as kick_check;
use bringup::options::{Kick, MAX_OPTIONS, Options, Part, Refusal, StampSet, Step, TscSync, Wait};
use bringup::plan::Plan;
use bringup::stamp::Stamp;
use bringup::strategy::{Aps, Bsp, bring_up};
use bringup::{ApicId, CpuIndex, Cycles};
use core::cell::Cell;
use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;
use times::Times;

pub use x2apic::is_switching;

/// Runs all trials of all cells; the APs begin at `trampoline`. The boot's first trial is the cold one, and extra.
pub fn run_all(plan: &Plan<'_>, machine: &Machine, clock: &Clock, trampoline: u64) {
    let slots = Slots::take().expect("nobody else runs trials");
    if plan.cells().any(|options| options.kick == Kick::Broadcast) {
        may_broadcast(machine);
    }
    ipis::check(plan);
    if machine.census.needs_x2apic() {
        x2apic::switch(machine.census.cpus, slots, trampoline);
    }
    let mut epoch = 0;
    for (cell, options) in (0..).zip(plan.cells()) {
        let mut text = heapless::String::<MAX_OPTIONS>::new();
        if write!(text, "{options}").is_err() {
            fail_for_options(&"the options of a cell are too long");
        }
        send(Body::CellBegin(CellBegin { cell, options: &text }));
        send(Body::WakeIpis(ipis::of(cell, &options, trampoline)));
        callin::set_up(CpuIndex::BSP, callin::fault_bits(&options.faults, CpuIndex::BSP));
        for number in u32::from(cell > 0)..=options.repetitions {
            epoch += 1;
            let mut trial =
                Trial::prepare(Epoch(epoch), &options, machine, slots, clock, trampoline);
            if number == 0 {
                trial.park_first();
            }
            let end = trial.run();
            trial.park();
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
            trial.report_differences();
            trial.report_late_starts();
            trial.report_not_delivered();
        }
    }
}

/// Ends the boot where a broadcast would reset the machine, and reports whom else it reaches.
fn may_broadcast(machine: &Machine) {
    if machine.census.real_bsp.is_some() {
        fail_for_options(&Refusal::Senseless {
            what: Part::Word("kick", Kick::Broadcast.name()),
            with: None,
            why: "this kernel was started on a CPU that is not the BSP, and INIT to the BSP resets the machine",
        });
    }
    machine.census.report_broadcast();
}

fn bit(stamp: Stamp) -> u16 {
    1 << stamp as u16
}

/// One trial, as the BSP sees it.
struct Trial<'a> {
    options: &'a Options,
    cpus: &'static [ApicId],
    classes: &'static [Class],
    slots: Slots,
    times: Times,
    orders: TrialOrders,
    /// The last AP that had its turn; the next is looked for behind it.
    last_served: CpuIndex,
    /// When every INIT and SIPI that was sent should have been taken, under the guard.
    taken_at: Cell<u64>,
    /// The first AP that is not known to have started.
    first_not_started: Cell<u16>,
    /// Every AP that was sent INIT is below this index.
    kicked: u16,
    /// Whether `cost-prepare` costs anything.
    prepares: bool,
    /// The first INIT or SIPI that the BSP's APIC could not deliver, with the AP that was kicked.
    not_delivered: Cell<Option<(CpuIndex, NotDelivered)>>,
    /// The page where APs begin.
    trampoline: u64,
}

impl Trial<'_> {
    /// Gets everything ready that need not be done inside the trial.
    fn prepare<'a>(
        epoch: Epoch,
        options: &'a Options,
        machine: &'a Machine,
        slots: Slots,
        clock: &Clock,
        trampoline: u64,
    ) -> Trial<'a> {
        let trial = Trial {
            options,
            cpus: machine.census.cpus,
            classes: machine.classes,
            slots,
            times: Times::new(options, clock.tsc_khz),
            orders: TrialOrders::new(epoch, machine.census.cpus[0], options),
            last_served: CpuIndex::BSP,
            taken_at: Cell::new(0),
            first_not_started: Cell::new(1),
            kicked: 1,
            prepares: !options.cost(Step::Prepare).is_free(),
            not_delivered: Cell::new(None),
            trampoline,
        };
        queue::clear();
        let exclusive = Step::ALL.iter().filter(|step| options.cost(**step).is_exclusive());
        let exclusive = exclusive.map(|step| 1 << *step as u8).sum();
        let khz = options.clock(clock.tsc_khz);
        for ap in trial.aps() {
            let slot = trial.slot(ap);
            slot.begin(epoch, options.skews.of(ap));
            for step in Step::ALL {
                let cost = options.cost(step).of(ap, machine.classes[ap.at()]);
                let cycles = cost.map_or(0, |cost| cost.cycles(khz).0);
                slot.to_ap.costs.set(step as usize, cycles);
            }
            slot.to_ap.exclusive.store(exclusive, Relaxed);
            slot.to_ap.faults.store(callin::fault_bits(&options.faults, ap), Relaxed);
            slot.to_ap.job.store(u64::from(epoch.0) << 32 | u64::from(ap.0), Relaxed);
        }
        trial
    }

    /// From zero until the BSP knows the last AP online or lost.
    fn run(&mut self) -> TrialEnd {
        self.orders.zero = tsc();
        orders::post(&self.orders);
        self.send_strays();
        bring_up(self.options.strategy, self.options.order, self.classes, self);
        let total = tsc() - self.orders.zero;
        apic::stop_timer();
        orders::withdraw();
        let kick_ends = self.aps().into_iter().map(|ap| self.stamp_of(ap, Stamp::KickEnd));
        let kick_loop = kick_ends.max().unwrap_or(0).saturating_sub(self.orders.zero);
        let failed = |ap: &CpuIndex| self.is_lost(*ap) || self.slot(*ap).notes.wrong.get();
        let lost = self.aps().into_iter().filter(failed).count();
        TrialEnd { total: Cycles(total), kick_loop: Cycles(kick_loop), lost: lost as u16 }
    }

    /// Every AP.
    fn aps(&self) -> Aps<'static> {
        Aps::all(self.cpus.len())
    }

    #[inline(always)]
    fn slot(&self, cpu: CpuIndex) -> Slot {
        self.slots.of(cpu)
    }

    fn apic_id(&self, cpu: CpuIndex) -> ApicId {
        self.cpus[cpu.at()]
    }

    fn stamp(&self, ap: CpuIndex, stamp: Stamp, at: u64) {
        self.slot(ap).notes.stamps.set(stamp as usize, at);
    }

    /// What the BSP does not need for itself.
    fn stamp_seen(&self, ap: CpuIndex, seen: Stamp) {
        if self.options.stamps == StampSet::All {
            self.stamp(ap, seen, tsc());
        }
    }

    fn stamp_of(&self, ap: CpuIndex, stamp: Stamp) -> u64 {
        self.slot(ap).notes.stamps.get(stamp as usize)
    }

    fn is_kicked(&self, ap: CpuIndex) -> bool {
        self.stamp_of(ap, Stamp::KickEnd) != 0
    }

    fn is_lost(&self, ap: CpuIndex) -> bool {
        self.slot(ap).notes.lost.get()
    }

    /// Gives an AP up. What it does from now on is no part of the trial: the stamps that it has taken are noted, since,
    /// if the clocks differ, a later reading of its clock may look earlier; and if it has not
    /// started yet, it starts late.
    fn lose(&self, ap: CpuIndex) {
        let Slot { from_ap, to_ap, notes } = self.slot(ap);
        to_ap.token.withdraw();
        // What an AP that has not started has recorded is of an earlier trial.
        if from_ap.starts.of(self.orders.epoch) > 0 {
            let taken =
                Stamp::ALL.iter().filter(|stamp| from_ap.record.stamps.get(**stamp as usize) != 0);
            notes.taken.set(taken.map(|stamp| bit(*stamp)).sum());
        }
        notes.lost.set(true);
    }

    fn has_reached(&self, ap: CpuIndex, level: Reached) -> bool {
        self.slot(ap).from_ap.word.reached(self.orders.epoch) >= level
    }

    /// Restarts the AP's limit at this moment: the BSP has done something for it.
    fn restart_limit(&self, ap: CpuIndex, from: u64) {
        self.slot(ap).notes.deadline.set(from + self.times.limit);
    }

    /// Opens a gate.
    #[inline(always)]
    fn allow(&self, ap: CpuIndex, gate: Allowed) {
        self.slot(ap).to_ap.word.allow(self.orders.epoch, gate);
        self.wake(ap);
    }

    #[inline(always)]
    fn wake(&self, ap: CpuIndex) {
        // An AP that was not kicked yet can't be halted at a gate.
        if self.options.wait == Wait::Halt && self.is_kicked(ap) {
            apic::send_wake(To::One(self.apic_id(ap)));
        }
    }

    /// Until an AP may have news, but no longer than to the deadline.
    #[inline(always)]
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
        let Slot { from_ap, notes, .. } = self.slot(ap);
        while !notes.lost.get() {
            if from_ap.word.reached(self.orders.epoch) >= level {
                if self.options.stamps == StampSet::All {
                    notes.stamps.set(seen as usize, tsc());
                }
                return;
            }
            let (now, deadline) = (tsc(), notes.deadline.get());
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
    fn tsc_sync(&self) -> TscSync {
        self.options.tsc_sync
    }

    fn kick(&mut self, set: Aps<'_>) {
        let Some(first) = set.into_iter().next() else { return };
        if let Err(refused) = kick_check(self.options, set, self.aps()) {
            fail_for_options(&refused);
        }
        if self.prepares {
            self.prepare_each(set);
        }
        self.first_not_started.set(first.0);
        self.kicked = set.end();
        match self.options.kick {
            Kick::Unicast => self.kick_one_by_one(set),
            Kick::Broadcast => self.kick_all_at_once(set),
        }
        self.repeat_late(set);
    }

    fn await_alive(&mut self, ap: CpuIndex) {
        self.await_reached(ap, Reached::Alive, Stamp::SeenAlive);
    }

    fn release(&mut self, set: Aps<'_>) {
        for ap in set.into_iter().filter(|ap| !self.is_lost(*ap)) {
            if self.is_kicked(ap) {
                self.restart_limit(ap, tsc());
            }
            self.allow(ap, Allowed::Callin);
        }
    }

    fn await_callin(&mut self, ap: CpuIndex) {
        self.await_reached(ap, Reached::Callin, Stamp::SeenCallin);
    }

    fn await_any_callin(&mut self, set: Aps<'_>) -> Option<CpuIndex> {
        loop {
            let now = tsc();
            let mut first_deadline = None;
            let behind = set.into_iter().filter(|ap| *ap > self.last_served);
            let before = set.into_iter().filter(|ap| *ap <= self.last_served);
            for ap in behind.chain(before) {
                let notes = self.slot(ap).notes;
                if notes.lost.get() || notes.synced.get() {
                    continue;
                }
                if self.has_reached(ap, Reached::Callin) {
                    self.last_served = ap;
                    self.stamp_seen(ap, Stamp::SeenCallin);
                    return Some(ap);
                }
                let deadline = notes.deadline.get();
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

    fn sync_many(&mut self, set: Aps<'_>) {
        self.sync_all(set);
    }

    fn unsettled(&self, set: Aps<'_>) -> Option<CpuIndex> {
        let settled = |ap: &CpuIndex| self.slot(*ap).notes.settled.get();
        set.into_iter().find(|ap| !self.is_lost(*ap) && !settled(ap))
    }

    fn await_online(&mut self, ap: CpuIndex) {
        self.await_reached(ap, Reached::Online, Stamp::SeenOnline);
        let Slot { from_ap, to_ap, notes } = self.slot(ap);
        let right = from_ap.answer.load(Relaxed) == answer(to_ap.job.load(Relaxed));
        notes.wrong.set(!right && !self.is_lost(ap));
    }
}
