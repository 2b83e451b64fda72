//! The BSP's track: its verbs, as far as stamps show them.
//!
//! A verb ends where the BSP, or in a TSC sync the AP, has a stamp of it: a kick at `kick_end`, a
//! wait at `seen_…`, a sync at `sync_end`. The BSP does one thing after the other, so a verb begins
//! where the one before it ended, and a kick or a sync not before its own first stamp. What is between is
//! `prepare` before a kick, where that has a cost.

use super::pen::Pen;
use super::writer::Label;
use crate::run::WholeTrial;
use bringup::CpuIndex;
use bringup::frame::ApTimeline;
use bringup::options::{Step, TscSync};
use bringup::stamp::Stamp;
use std::io;

/// The waits, each with the stamp that ends it.
const WAITS: [(Stamp, &str); 3] = [
    (Stamp::SeenAlive, "await alive"),
    (Stamp::SeenCallin, "await callin"),
    (Stamp::SeenOnline, "await online"),
];

/// INITs and SIPIs.
const KICK: &str = "kick";

/// Draws the BSP's track of a trial.
pub fn draw(pen: &mut Pen<'_, '_>, trial: &WholeTrial<'_>) -> io::Result<()> {
    let track = pen.tracks.cpu(CpuIndex::BSP.0);
    let mut marks = marks(pen, trial);
    marks.sort_by_key(|mark| mark.at);
    let mut marks = marks.into_iter().peekable();
    for verb in verbs(trial) {
        while let Some(mark) = marks.next_if(|mark| mark.at < verb.from) {
            pen.moment(track, mark.at, &mark.label)?;
        }
        let label = verb.of.label(verb.category, verb.name);
        pen.open(track, verb.from, &label.with("cycles", verb.to.abs_diff(verb.from)))?;
        while let Some(mark) = marks.next_if(|mark| mark.at < verb.to) {
            pen.moment(track, mark.at, &mark.label)?;
        }
        pen.close(track, verb.to)?;
    }
    marks.try_for_each(|mark| pen.moment(track, mark.at, &mark.label))
}

/// The APs that a verb or a mark is about: one, or several from the first to the last.
#[derive(Clone, Copy)]
struct Set {
    first: CpuIndex,
    last: CpuIndex,
}

impl Set {
    fn only(cpu: CpuIndex) -> Set {
        Set { first: cpu, last: cpu }
    }

    fn with(self, other: Set) -> Set {
        Set { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    fn label(self, category: &'static str, what: &str) -> Label {
        let Set { first, last } = self;
        if first == last {
            Label::new(category, format!("{what} {first}"))
        } else {
            Label::rare(category, format!("{what} CPUs {}–{}", first.0, last.0))
        }
    }
}

/// Something that the BSP did for a while.
struct Verb {
    name: &'static str,
    category: &'static str,
    of: Set,
    from: i64,
    to: i64,
}

/// The verbs of a trial, one after the other; none is empty.
fn verbs(trial: &WholeTrial<'_>) -> Vec<Verb> {
    let mut verbs = kicks(trial);
    verbs.extend(syncs(trial));
    for (stamp, name) in WAITS {
        // It begins where the verb before it ended.
        verbs.extend(trial.timelines.iter().filter_map(|ap| {
            let to = ap.stamps.get(stamp)?;
            Some(Verb { name, category: "wait", of: Set::only(ap.cpu), from: i64::MIN, to })
        }));
    }
    verbs.sort_by_key(|verb| verb.to);
    let mut before = 0;
    let prepares = !trial.cell.options.cost(Step::Prepare).is_free();
    let mut done = Vec::new();
    for mut verb in verbs {
        if prepares && verb.name == KICK && before < verb.from {
            let (of, from, to) = (verb.of, before, verb.from);
            done.push(Verb { name: "prepare", category: "prepare", of, from, to });
        }
        verb.from = verb.from.max(before);
        before = before.max(verb.to);
        if verb.from < verb.to {
            done.push(verb);
        }
    }
    done
}

/// A kick for each AP; one for all that were woken by the same messages.
fn kicks(trial: &WholeTrial<'_>) -> Vec<Verb> {
    let kick = |ap: &ApTimeline| {
        let (from, to) = (ap.stamps.get(Stamp::Init)?, ap.stamps.get(Stamp::KickEnd)?);
        Some(Verb { name: KICK, category: KICK, of: Set::only(ap.cpu), from, to })
    };
    let mut kicks: Vec<Verb> = trial.timelines.iter().filter_map(kick).collect();
    kicks.sort_by_key(|kick| kick.to);
    kicks.dedup_by(|next, kept| {
        let same = next.to == kept.to;
        if same {
            kept.of = kept.of.with(next.of);
            kept.from = kept.from.min(next.from);
        }
        same
    });
    kicks
}

/// The windows in which clocks are compared: each AP's own, or one that several share, together
/// with what some of them need beyond it.
fn syncs(trial: &WholeTrial<'_>) -> Vec<Verb> {
    let sync = |ap: &ApTimeline| {
        let (from, to) = (ap.stamps.get(Stamp::SyncBegin)?, ap.stamps.get(Stamp::SyncEnd)?);
        let verb = Verb { name: "tsc-sync", category: "tsc-sync", of: Set::only(ap.cpu), from, to };
        (from < to).then_some(verb)
    };
    if trial.cell.options.tsc_sync == TscSync::Trusted {
        return Vec::new();
    }
    let mut syncs: Vec<Verb> = trial.timelines.iter().filter_map(sync).collect();
    if trial.cell.options.tsc_sync != TscSync::OneToMany {
        return syncs;
    }
    syncs.sort_by_key(|sync| sync.from);
    syncs.dedup_by(|next, kept| {
        let shared = next.from < kept.to;
        if shared {
            kept.of = kept.of.with(next.of);
            kept.to = kept.to.max(next.to);
        }
        shared
    });
    syncs
}

/// A moment on the BSP's track.
struct Mark {
    at: i64,
    label: Label,
}

/// INIT, SIPI and release; one mark where a message or a gate is that of several APs.
fn marks(pen: &Pen<'_, '_>, trial: &WholeTrial<'_>) -> Vec<Mark> {
    let gates_first = trial.cell.options.strategy.opens_gates_first();
    let at = |name: &str, ap: &ApTimeline| match name {
        "init" => ap.stamps.get(Stamp::Init),
        "sipi" => ap.stamps.get(Stamp::Sipi),
        // The others release an AP once they have seen it alive.
        _ if gates_first => ap.stamps.get(Stamp::CallinBegin).map(|_| 0),
        _ => ap.stamps.get(Stamp::SeenAlive),
    };
    let mut marks = Vec::new();
    for (name, arrows) in [("init", false), ("sipi", true), ("release", true)] {
        let mut of_kind: Vec<(i64, usize)> =
            (0..).zip(trial.timelines).filter_map(|(nth, ap)| Some((at(name, ap)?, nth))).collect();
        of_kind.sort();
        for same in of_kind.chunk_by(|one, next| one.0 == next.0) {
            let cpus = same.iter().map(|(_, nth)| Set::only(trial.timelines[*nth].cpu));
            let Some(of) = cpus.reduce(Set::with) else { continue };
            let mut label = of.label("moment", name);
            if arrows {
                let arrow = |nth| {
                    if name == "sipi" { pen.kick_arrow(nth) } else { pen.release_arrow(nth) }
                };
                label.leaving = same.iter().map(|(_, nth)| arrow(*nth)).collect();
            }
            marks.push(Mark { at: same[0].0, label });
        }
    }
    marks
}
