//! The critical path of a trial: the chain of steps and waits that adds up to its total.
//!
//! The path is followed back from the trial's end. Where the BSP waited for an AP, it continues with the AP's
//! steps; where an AP waited at a gate, with what the BSP did before it opened the gate. The segments are
//! contiguous, from the trial's zero to its total. What an AP did while nobody waited for it is not on the
//! path: making it faster would gain nothing.

use bringup::frame::{ApEnd, ApTimeline};
use bringup::options::{Options, Step, TscSync};
use bringup::phase::Phase;
use bringup::stamp::Stamp;
use bringup::{CpuIndex, Cycles};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// What a segment of the path is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What the BSP does before an AP's INIT.
    Prepare,
    /// The BSP sends INIT and SIPI.
    Kick,
    /// The AP, from its SIPI to its first instruction.
    Wake,
    /// The AP, from real mode to 64-bit Rust.
    Trampoline,
    /// The BSP has seen the AP alive and opens its gate.
    Hold,
    /// The AP's own set-up.
    Callin,
    /// The BSP has seen the AP's callin and begins its TSC sync.
    Turn,
    /// The AP and the BSP compare clocks.
    TscSync,
    /// The AP's last steps.
    Online,
    /// The BSP notices what an AP has done and goes on to the next.
    Await,
}

impl Part {
    /// All, in the order of an AP's path.
    pub const ALL: [Part; 10] = [
        Part::Prepare,
        Part::Kick,
        Part::Wake,
        Part::Trampoline,
        Part::Hold,
        Part::Callin,
        Part::Turn,
        Part::TscSync,
        Part::Online,
        Part::Await,
    ];

    /// The word for it, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Prepare => "prepare",
            Part::Kick => "kick",
            Part::Wake => "wake",
            Part::Trampoline => "trampoline",
            Part::Hold => "hold",
            Part::Callin => "callin",
            Part::Turn => "turn",
            Part::TscSync => "tsc-sync",
            Part::Online => "online",
            Part::Await => "await",
        }
    }

    /// True where the BSP spends it alone.
    pub const fn is_of_bsp(self) -> bool {
        matches!(self, Part::Prepare | Part::Kick | Part::Await)
    }
}

/// One piece of the path, in cycles after the trial's zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What it is spent on.
    pub part: Part,
    /// The AP that it is about.
    pub cpu: CpuIndex,
    /// Where it begins.
    pub from: u64,
    /// Where it ends, and the next begins.
    pub to: u64,
    /// Who waited for its end.
    pub held: Option<Held>,
}

impl Segment {
    /// How long it is.
    pub fn cycles(&self) -> u64 {
        self.to - self.from
    }
}

/// A wait that ended with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who waited: the BSP, or an AP at a gate.
    pub cpu: CpuIndex,
    /// In which phase an AP waited; `None` for the BSP.
    pub phase: Option<Phase>,
    /// For how long.
    pub cycles: u64,
}

/// All of one part on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Which part.
    pub part: Part,
    /// Its length in cycles.
    pub cycles: u64,
    /// How many APs it is about.
    pub aps: usize,
}

/// The critical path of a trial with these options and timelines, all stamps on the BSP's clock; in the order
/// of time, without empty segments. Its lengths add up to `total`.
pub fn path(options: &Options, total: Cycles, aps: &[ApTimeline]) -> Vec<Segment> {
    // Where clocks are trusted, the BSP has no part in an AP's sync, and the AP does not wait for it.
    let trusted = options.tsc_sync == TscSync::Trusted;
    let events = events(total.0, aps, trusted);
    let (total, now) = (total.0, total.0);
    // Before the INIT of the next AP, the BSP may have waited for one that it lost.
    let prepares = !options.cost(Step::Prepare).is_free();
    let none_lost = aps.iter().all(|ap| ap.end == ApEnd::Online);
    let before_kick = if prepares && none_lost { Part::Prepare } else { Part::Await };
    let (path, held) = (vec![], None);
    let mut walk = Walk { events: &events, total, now, trusted, before_kick, path, held };
    walk.back_to_zero();
    walk.path.reverse();
    walk.path
}

/// The parts of a path, the largest first.
pub fn sums(path: &[Segment]) -> Vec<Sum> {
    let of = |part| {
        let segments = || path.iter().filter(move |segment| segment.part == part);
        let aps: BTreeSet<CpuIndex> = segments().map(|segment| segment.cpu).collect();
        Sum { part, cycles: segments().map(Segment::cycles).sum(), aps: aps.len() }
    };
    let mut sums: Vec<Sum> = Part::ALL.map(of).into_iter().filter(|sum| sum.cycles > 0).collect();
    sums.sort_by_key(|sum| Reverse(sum.cycles));
    sums
}

/// The least time in which these APs could come online without any waiting: the BSP kicks one after the
/// other without a pause, and the last AP takes as long as the fastest one. `None` where an AP did not come
/// online.
pub fn lower_bound(aps: &[ApTimeline]) -> Option<Cycles> {
    let mut kicks = Vec::new();
    let mut fastest = None;
    for ap in aps {
        let phase = |phase: Phase| phase.of(&ap.stamps).map(|cycles| cycles.0);
        let kick_end = ap.stamps.get(Stamp::KickEnd)?;
        kicks.push((kick_end, ap.stamps.get(Stamp::Init)?));
        // An AP may be alive before its kick ends.
        let woken = ap.stamps.get(Stamp::Alive)?.saturating_sub(kick_end).max(0) as u64;
        let work = [phase(Phase::Callin)?, phase(Phase::TscSync)?, phase(Phase::Online)?];
        let own = work.into_iter().fold(woken, u64::saturating_add);
        fastest = Some(fastest.map_or(own, |fastest: u64| fastest.min(own)));
    }
    kicks.sort_unstable();
    let mut free = 0;
    let mut kicking = 0u64;
    for (end, init) in kicks {
        kicking = kicking.saturating_add(end.saturating_sub(init.max(free)).max(0) as u64);
        free = free.max(end);
    }
    Some(Cycles(kicking.saturating_add(fastest?)))
}

/// An action of the BSP that a stamp records.
struct Event<'a> {
    ap: &'a ApTimeline,
    what: What,
    begin: u64,
    end: u64,
    /// The latest end of this and all events before.
    busy_until: u64,
}

impl Event<'_> {
    /// Its order among the others. Of several at one moment the first is the one that explains the time: a
    /// kick that ended then, or an AP that the BSP waited for until then.
    fn place(&self, total: u64) -> (u64, bool, Reverse<Option<u64>>, What, CpuIndex) {
        let explains = match self.what {
            What::Kicked => within(total, self.ap, Stamp::Init)
                .filter(|init| *init < self.end)
                .map(|_| self.end),
            What::SawAlive => within(total, self.ap, Stamp::Alive),
            What::SawCallin => within(total, self.ap, Stamp::CallinEnd),
            What::SawOnline => within(total, self.ap, Stamp::Online),
            What::Synced => None,
        };
        (self.begin, self.what == What::Synced, Reverse(explains), self.what, self.ap.cpu)
    }
}

/// In the order in which the BSP does them for one AP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Kicked,
    SawAlive,
    SawCallin,
    Synced,
    SawOnline,
}

/// What the BSP did, in order.
fn events(total: u64, aps: &[ApTimeline], trusted: bool) -> Vec<Event<'_>> {
    let mut events = Vec::new();
    for ap in aps {
        for (stamp, what) in [
            (Stamp::KickEnd, What::Kicked),
            (Stamp::SeenAlive, What::SawAlive),
            (Stamp::SeenCallin, What::SawCallin),
            (Stamp::SeenOnline, What::SawOnline),
        ] {
            if let Some(at) = within(total, ap, stamp) {
                events.push(Event { ap, what, begin: at, end: at, busy_until: 0 });
            }
        }
        let sync = (within(total, ap, Stamp::SyncBegin), within(total, ap, Stamp::SyncEnd));
        if let (Some(begin), Some(end)) = sync
            && begin < end
            && !trusted
        {
            events.push(Event { ap, what: What::Synced, begin, end, busy_until: 0 });
        }
    }
    events.sort_by_key(|event| event.place(total));
    // The AP reads the end of its sync, and may read it late: the BSP's next stamp is the limit.
    let mut limit = total;
    for event in events.iter_mut().rev() {
        match event.what {
            What::Synced => event.end = event.end.min(limit),
            _ => limit = event.begin,
        }
    }
    let mut busy_until = 0;
    for event in &mut events {
        busy_until = busy_until.max(event.end);
        event.busy_until = busy_until;
    }
    events
}

/// A stamp, limited to the trial, since a capture may hold any number.
fn within(total: u64, ap: &ApTimeline, stamp: Stamp) -> Option<u64> {
    Some((ap.stamps.get(stamp)?.max(0) as u64).min(total))
}

/// The state of the way back along the path.
struct Walk<'a> {
    events: &'a [Event<'a>],
    total: u64,
    /// Where the path found so far begins.
    now: u64,
    trusted: bool,
    /// What the BSP does between its last event and an AP's INIT.
    before_kick: Part,
    /// The last segment first.
    path: Vec<Segment>,
    /// Who waited for the end of the next segment.
    held: Option<Held>,
}

impl Walk<'_> {
    fn back_to_zero(&mut self) {
        // Events from this index on lie behind.
        let mut index = self.events.len();
        while let Some(event) = index.checked_sub(1).map(|index| &self.events[index]) {
            index -= 1;
            let free = index.checked_sub(1).map_or(0, |index| self.events[index].busy_until);
            self.back(event.end, event.ap, Part::Await);
            index = match event.what {
                What::Kicked => {
                    let init = self.stamp(event.ap, Stamp::Init);
                    self.back(init.max(free), event.ap, Part::Kick);
                    self.back(free, event.ap, self.before_kick);
                    index
                }
                What::SawAlive => self.awaited(event.ap, Stamp::Alive, free, index),
                What::SawCallin => self.awaited(event.ap, Stamp::CallinEnd, free, index),
                What::SawOnline => self.awaited(event.ap, Stamp::Online, free, index),
                What::Synced => self.along(event.ap, Stamp::SyncEnd, index),
            };
        }
        if let Some(event) = self.events.first() {
            self.back(0, event.ap, Part::Await);
        }
    }

    /// Before the BSP saw this stamp, it waited for it or was busy with another AP.
    fn awaited(&mut self, ap: &ApTimeline, stamp: Stamp, free: u64, index: usize) -> usize {
        let reached = self.stamp(ap, stamp);
        self.back(reached.max(free), ap, Part::Await);
        if reached <= free {
            return index;
        }
        let cycles = reached - free;
        self.held = Some(Held { cpu: CpuIndex::BSP, phase: None, cycles });
        self.along(ap, stamp, index)
    }

    /// Along the AP's own steps, back to where the BSP opened a gate for it. The BSP opens a gate after it has
    /// seen the AP; where it never looked, the gate was open before.
    fn along(&mut self, ap: &ApTimeline, stamp: Stamp, index: usize) -> usize {
        let mut at = stamp;
        loop {
            at = match at {
                Stamp::Online => self.step(ap, Stamp::SyncEnd, Part::Online),
                Stamp::SyncEnd => self.step(ap, Stamp::SyncBegin, Part::TscSync),
                Stamp::SyncBegin if !self.trusted && ap.stamps.get(Stamp::SeenCallin).is_some() => {
                    return self.gate(ap, Phase::Turn, Part::Turn, index);
                }
                Stamp::SyncBegin => self.step(ap, Stamp::CallinEnd, Part::Turn),
                Stamp::CallinEnd => self.step(ap, Stamp::CallinBegin, Part::Callin),
                Stamp::CallinBegin if ap.stamps.get(Stamp::SeenAlive).is_some() => {
                    return self.gate(ap, Phase::Hold, Part::Hold, index);
                }
                Stamp::CallinBegin => self.step(ap, Stamp::Alive, Part::Hold),
                Stamp::Alive => self.step(ap, Stamp::Entry, Part::Trampoline),
                Stamp::Entry => self.step(ap, Stamp::Sipi, Part::Wake),
                _ => return self.kicked(ap, index),
            };
        }
    }

    fn step(&mut self, ap: &ApTimeline, to: Stamp, part: Part) -> Stamp {
        let at = self.stamp(ap, to);
        self.back(at, ap, part);
        to
    }

    /// The AP waited until now: the path continues with what the BSP did before it opened the gate.
    fn gate(&mut self, ap: &ApTimeline, phase: Phase, part: Part, index: usize) -> usize {
        let (index, end) = self.event_before(index);
        self.back(end, ap, part);
        let waited = phase.of(&ap.stamps).filter(|waited| *waited > Cycles(0));
        self.held = waited.map(|waited| Held { cpu: ap.cpu, phase: Some(phase), cycles: waited.0 });
        index
    }

    /// The AP was sent its SIPI: the path continues with what the BSP did before this kick.
    fn kicked(&mut self, ap: &ApTimeline, index: usize) -> usize {
        let own = |event: &Event<'_>| event.what == What::Kicked && event.ap.cpu == ap.cpu;
        let kick = self.events[..index].iter().rposition(own);
        let (index, end) = self.event_before(kick.unwrap_or(index));
        let init = self.stamp(ap, Stamp::Init);
        self.back(init.max(end), ap, Part::Kick);
        self.back(end, ap, self.before_kick);
        index
    }

    /// The BSP's last event before an index that was over by now: the index behind it, and its end.
    fn event_before(&self, index: usize) -> (usize, u64) {
        let over = self.events[..index].iter().rposition(|event| event.end <= self.now);
        over.map_or((0, 0), |at| (at + 1, self.events[at].end))
    }

    fn stamp(&self, ap: &ApTimeline, stamp: Stamp) -> u64 {
        within(self.total, ap, stamp).unwrap_or(self.now)
    }

    /// Adds the segment from `from` to now, unless it is empty.
    fn back(&mut self, from: u64, ap: &ApTimeline, part: Part) {
        if from < self.now {
            let held = self.held.take();
            self.path.push(Segment { part, cpu: ap.cpu, from, to: self.now, held });
            self.now = from;
        }
    }
}

#[cfg(test)]
mod tests;
