//! Trials: the BSP's verbs on the real machine, and what goes on around them.
//!
//! The order of things is in `bringup::strategy`; how each verb is done is here.

use crate::apic::{self, To};
use crate::clock::{self, Clock, spend, tsc};
use crate::machine::{Cpus, Machine};
use crate::slot::{Orders, Slot, post_orders, slot};
use crate::stream::{self, Line, send};
use crate::{callin, trampoline};
use bringup::frame::{ApEnd, ApTimeline, Body, CellBegin, TrialBegin, TrialEnd};
use bringup::offset::{Exchange, Lag, OffsetInterval};
use bringup::options::{Fault, Kick, Options, SIPI_GAP, Spend, Step, TscSync, Wait};
use bringup::plan::Plan;
use bringup::stamp::{Clock as Whose, Stamp, Stamps};
use bringup::strategy::{Aps, Bsp, bring_up};
use bringup::sync::{Allowed, Epoch, Reached, answer};
use bringup::{ApicId, CpuIndex, Cycles, Duration};
use core::cell::Cell;
use core::sync::atomic::Ordering::{Relaxed, Release};

/// Visits to an AP in one TSC window, evenly spread.
const VISITS: u64 = 4;
/// Fresh readings that the BSP wants of an AP in a visit.
const READINGS: u32 = 4;
/// How long the BSP looks for an AP's answer before it rests.
const LOOK: Duration = Duration::Nanos(30_000);
/// How long it rests before it looks again.
const REST: Duration = Duration::Nanos(100_000);
/// From the INIT that ends a trial until the APs have surely taken it, for each CPU.
const PARKING: Duration = Duration::Nanos(20_000);
/// Runs all trials of all cells. The boot's first trial is the cold one, and extra.
pub fn run_all(plan: &Plan<'_>, machine: &Machine, clock: &Clock) {
    callin::set_up(CpuIndex::BSP, 0);
    let mut epoch = 0;
    for (cell, options) in (0..).zip(plan.cells()) {
        let line = Line::of(format_args!("{options}"));
        send(Body::CellBegin(CellBegin { cell, options: line.text() }));
        callin::set_up(CpuIndex::BSP, callin::fault_bits(&options.faults, CpuIndex::BSP));
        for number in u32::from(cell > 0)..=options.repetitions {
            epoch += 1;
            let mut trial = Trial::prepare(Epoch(epoch), &options, machine, clock);
            let end = trial.run();
            trial.park();
            send(Body::TrialBegin(TrialBegin {
                cell,
                trial: number,
                cold: number == 0,
                zero: trial.orders.zero,
            }));
            trial.aps().into_iter().for_each(|ap| send(Body::ApTimeline(trial.timeline(ap))));
            send(Body::TrialEnd(end));
            callin::report_differences();
        }
    }
}

/// One trial, as the BSP sees it.
struct Trial<'a> {
    options: &'a Options,
    cpus: &'a Cpus,
    tsc_khz: u64,
    orders: Orders,
    /// The last AP that had its turn; the next is looked for behind it.
    served: CpuIndex,
    /// When every INIT and SIPI that was sent should have been taken, under the guard.
    taken_at: Cell<u64>,
    /// The first AP that is not known to have started.
    unborn: Cell<u16>,
    /// APs below this index were sent INIT.
    kicked: u16,
}

impl Trial<'_> {
    /// Gets everything ready that need not be done inside the trial.
    fn prepare<'a>(
        epoch: Epoch,
        options: &'a Options,
        machine: &'a Machine,
        clock: &Clock,
    ) -> Trial<'a> {
        let trial = Trial {
            options,
            cpus: &machine.cpus,
            tsc_khz: clock.tsc_khz,
            orders: Orders::new(epoch, machine.cpus[0], options),
            served: CpuIndex::BSP,
            taken_at: Cell::new(0),
            unborn: Cell::new(1),
            kicked: 1,
        };
        for ap in trial.aps() {
            let slot = slot(ap);
            slot.clear();
            for step in Step::ALL {
                slot.down.costs.set(*step as usize, trial.cost(*step, ap).unwrap_or(0));
            }
            slot.down.faults.store(callin::fault_bits(&options.faults, ap), Relaxed);
            slot.down.job.store(u64::from(epoch.0) << 32 | u64::from(ap.0), Relaxed);
        }
        trial
    }

    /// From zero until the BSP knows the last AP online or lost.
    fn run(&mut self) -> TrialEnd {
        self.orders.zero = tsc();
        // SAFETY: before the first kick every AP waits for its SIPI: the firmware leaves them so,
        // or halted without a way to here, and `park` does after each trial.
        unsafe { post_orders(self.orders) };
        bring_up(self.options.strategy, self);
        let total = tsc() - self.orders.zero;
        apic::stop_timer();
        let kick_ends = self.aps().into_iter().map(|ap| self.stamp_of(ap, Stamp::KickEnd));
        let kick_loop = kick_ends.max().unwrap_or(0).saturating_sub(self.orders.zero);
        let lost = self.aps().into_iter().filter(|ap| self.is_lost(*ap)).count();
        TrialEnd { total: Cycles(total), kick_loop: Cycles(kick_loop), lost: lost as u16 }
    }

    /// Puts every AP back to wait-for-SIPI.
    fn park(&self) {
        if self.aps().is_empty() {
            return;
        }
        let now = tsc();
        self.mark_sent(now, self.cpus.len());
        apic::send_init(To::AllButSelf);
        let parked = now + self.cycles(PARKING) * self.cpus.len() as u64;
        clock::wait_until(parked, Spend::Halt, |now| {
            Some(self.guard()?.max(4 * now.saturating_sub(self.taken_at.get())))
        });
        apic::stop_timer();
    }

    /// What became of an AP, read while it waits for its next SIPI.
    fn timeline(&self, ap: CpuIndex) -> ApTimeline {
        let Slot { up, down, book } = slot(ap);
        let relative = |tsc: u64| (tsc != 0).then_some(tsc.wrapping_sub(self.orders.zero) as i64);
        let mut stamps = Stamps::default();
        for stamp in Stamp::ALL {
            let readings = match stamp.clock() {
                Whose::Bsp => &book.stamps,
                Whose::Ap => &up.stamps,
            };
            if let Some(at) = relative(readings.get(stamp as usize)) {
                stamps.set(stamp, at);
            }
        }
        let starts = up.starts.load(Relaxed);
        stream::count_dropped_stamps(starts.saturating_sub(1));
        let end = if self.is_lost(ap) {
            ApEnd::Lost(stamps.last())
        } else if up.answer.load(Relaxed) == answer(down.job.load(Relaxed)) {
            ApEnd::Online
        } else {
            ApEnd::WrongAnswer
        };
        let lag = |least, samples| Lag { least, samples };
        let mut overruns = Step::ALL.iter().map(|step| up.overruns.get(*step as usize));
        let mut overruns: [u64; Step::COUNT] =
            core::array::from_fn(|_| overruns.next().unwrap_or(0));
        overruns[Step::Kick as usize] = book.kick_overrun.load(Relaxed);
        ApTimeline {
            cpu: ap,
            end,
            starts,
            stamps,
            entry_raw: relative(up.entry_raw.load(Relaxed)),
            offset: OffsetInterval::new(
                lag(book.lag_least.load(Relaxed), book.lag_samples.load(Relaxed)),
                lag(up.lag_least.load(Relaxed), up.lag_samples.load(Relaxed)),
            ),
            overruns,
        }
    }

    fn cycles(&self, duration: Duration) -> u64 {
        duration.cycles(self.tsc_khz).0
    }

    fn cost(&self, step: Step, ap: CpuIndex) -> Option<u64> {
        self.options.cost(step).of(ap).map(|cost| self.cycles(cost))
    }

    fn apic_id(&self, cpu: CpuIndex) -> ApicId {
        self.cpus[cpu.at()]
    }

    fn stamp(&self, ap: CpuIndex, stamp: Stamp, at: u64) {
        slot(ap).book.stamps.set(stamp as usize, at);
    }

    fn stamp_of(&self, ap: CpuIndex, stamp: Stamp) -> u64 {
        slot(ap).book.stamps.get(stamp as usize)
    }

    fn is_lost(&self, ap: CpuIndex) -> bool {
        slot(ap).book.lost.load(Relaxed)
    }

    fn lose(&self, ap: CpuIndex) {
        slot(ap).book.lost.store(true, Relaxed);
    }

    fn has_reached(&self, ap: CpuIndex, level: Reached) -> bool {
        slot(ap).up.word.reached(self.orders.epoch) >= level
    }

    /// The AP's limit starts anew from this moment: the BSP has done something for it.
    fn grant(&self, ap: CpuIndex, from: u64) {
        let deadline = from.saturating_add(self.cycles(self.options.limit));
        slot(ap).book.deadline.store(deadline, Relaxed);
    }

    /// Opens a gate.
    fn allow(&self, ap: CpuIndex, gate: Allowed) {
        slot(ap).down.word.allow(self.orders.epoch, gate);
        self.wake(ap);
    }

    fn wake(&self, ap: CpuIndex) {
        // An AP that was not kicked yet can't be halted at a gate.
        if self.options.wait == Wait::Halt && self.stamp_of(ap, Stamp::KickEnd) != 0 {
            apic::send_wake(self.apic_id(ap));
        }
    }

    /// The length of a guarded slice, if there is to be one.
    fn guard(&self) -> Option<u64> {
        Some(self.cycles(self.options.guard)).filter(|slice| *slice > 0)
    }

    /// The longest that the BSP may sleep now: bounded while INIT or SIPI is in flight, because
    /// `icount` charges a CPU that takes one with the rest of the time slice.
    ///
    /// Each slice sees one message taken; when all should have been, the bound grows with time,
    /// so that an AP that takes long, or never comes, does not cost an interrupt every few µs.
    fn slice(&self, now: u64) -> Option<u64> {
        let guard = self.guard()?;
        self.in_flight().then(|| guard.max(4 * now.saturating_sub(self.taken_at.get())))
    }

    /// True while an AP that was sent INIT may not have taken its SIPI yet.
    fn in_flight(&self) -> bool {
        while self.unborn.get() < self.kicked {
            let ap = CpuIndex(self.unborn.get());
            if slot(ap).up.starts.load(Relaxed) == 0 && !self.is_lost(ap) {
                return true;
            }
            self.unborn.set(ap.0 + 1);
        }
        false
    }

    /// About to send INIT or SIPI to that many APs.
    fn mark_sent(&self, now: u64, aps: usize) {
        if let Some(guard) = self.guard() {
            self.taken_at.set(self.taken_at.get().max(now) + guard * aps as u64);
            clock::set_alarm(u64::MAX, Some(guard));
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
            let now = tsc();
            if self.has_reached(ap, level) {
                return self.stamp(ap, seen, now);
            }
            let deadline = slot(ap).book.deadline.load(Relaxed);
            if now >= deadline {
                self.lose(ap);
            } else {
                self.await_news(now, deadline);
            }
        }
    }

    /// Sends one AP, or all, what starts them: `sipi-count` SIPIs.
    fn send_sipis(&self, to: To) {
        apic::send_sipi(to, trampoline::VECTOR);
        for _ in 1..self.options.sipi_count {
            self.wait_until(tsc() + self.cycles(SIPI_GAP));
            apic::send_sipi(to, trampoline::VECTOR);
        }
    }

    fn wait_until(&self, moment: u64) {
        let how = self.options.spend;
        clock::wait_until(moment, how, |now| self.slice(now));
    }

    /// Ends a kick at its cost after `from`; the overrun.
    fn pay_kick(&self, from: u64, cost: Option<u64>) -> u64 {
        cost.map_or(0, |cost| spend(from + cost, self.options.spend, |now| self.slice(now)))
    }

    fn kick_all_at_once(&self, set: Aps) {
        let init = tsc();
        set.into_iter().for_each(|ap| self.stamp(ap, Stamp::Init, init));
        self.mark_sent(init, self.cpus.len());
        apic::send_init(To::AllButSelf);
        let begin = init + self.cycles(self.options.init_delay);
        self.wait_until(begin);
        let cost = self.options.cost(Step::Kick).usual().map(|cost| self.cycles(cost));
        let overrun = self.pay_kick(begin, cost);
        let sipi = tsc();
        for ap in set {
            self.stamp(ap, Stamp::Sipi, sipi);
            slot(ap).down.sipi.store(sipi, Relaxed);
            slot(ap).book.kick_overrun.store(overrun, Relaxed);
        }
        self.mark_sent(sipi, self.cpus.len());
        self.send_sipis(To::AllButSelf);
        let end = tsc();
        for ap in set {
            self.stamp(ap, Stamp::KickEnd, end);
            self.grant(ap, end);
        }
    }

    fn kick_one_by_one(&self, set: Aps) {
        let mut begin = 0;
        for ap in set {
            begin = tsc();
            self.stamp(ap, Stamp::Init, begin);
            self.mark_sent(begin, 1);
            apic::send_init(To::One(self.apic_id(ap)));
        }
        begin += self.cycles(self.options.init_delay);
        self.wait_until(begin);
        for ap in set {
            let overrun = self.pay_kick(begin, self.cost(Step::Kick, ap));
            slot(ap).book.kick_overrun.store(overrun, Relaxed);
            let sipi = tsc();
            self.stamp(ap, Stamp::Sipi, sipi);
            slot(ap).down.sipi.store(sipi, Relaxed);
            self.mark_sent(sipi, 1);
            if !self.options.faults.hit(Fault::Never, ap) {
                self.send_sipis(To::One(self.apic_id(ap)));
            }
            begin = tsc();
            self.stamp(ap, Stamp::KickEnd, begin);
            self.grant(ap, begin);
        }
    }

    /// Looks for the AP's clock, a few readings' worth, and lets it see the BSP's; until the
    /// moment `end` at most, but once at least.
    fn visit(&self, ap: CpuIndex, exchange: &mut Exchange<'_>, end: u64) {
        let down = &slot(ap).down;
        let enough = exchange.lag().samples + READINGS;
        down.visiting.store(true, Release);
        self.wake(ap);
        loop {
            let rest = tsc() + self.cycles(LOOK);
            while exchange.lag().samples < enough && tsc() < rest {
                exchange.step(|| tsc().wrapping_sub(self.orders.zero) as i64);
                core::hint::spin_loop();
            }
            if exchange.lag().samples >= enough || tsc() >= end {
                break;
            }
            // An AP that is slow to answer may need this core of the host to run on.
            self.wait_until(end.min(tsc() + self.cycles(REST)));
        }
        down.visiting.store(false, Release);
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
        for ap in set {
            if !self.is_lost(ap) {
                self.grant(ap, tsc());
                self.allow(ap, Allowed::Callin);
            }
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
                let book = &slot(ap).book;
                if book.lost.load(Relaxed) || book.synced.load(Relaxed) {
                    continue;
                }
                if self.has_reached(ap, Reached::Callin) {
                    self.served = ap;
                    if self.stamp_of(ap, Stamp::SeenCallin) == 0 {
                        self.stamp(ap, Stamp::SeenCallin, now);
                    }
                    return Some(ap);
                }
                let deadline = book.deadline.load(Relaxed);
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
        let Slot { up, down, book } = slot(ap);
        let begin = tsc();
        let window = self.cycles(self.options.tsc_window);
        let mut exchange = Exchange::begin(self.orders.epoch, &down.clock, &up.clock);
        book.synced.store(true, Relaxed);
        down.word.allow(self.orders.epoch, Allowed::Sync);
        for visit in 0..VISITS {
            self.wait_until(begin + window / VISITS * visit);
            self.visit(ap, &mut exchange, begin + window / VISITS * (visit + 1));
            if tsc() >= begin + window {
                break;
            }
        }
        self.wait_until(begin + window);
        let lag = exchange.lag();
        book.lag_least.store(lag.least, Relaxed);
        book.lag_samples.store(lag.samples, Relaxed);
        self.grant(ap, tsc());
        self.allow(ap, Allowed::Finish);
    }

    fn await_online(&mut self, ap: CpuIndex) {
        self.await_reached(ap, Reached::Online, Stamp::SeenOnline);
    }
}
