//! The hotplug steps of each AP as the stamps of one clock show them.

use std::collections::BTreeMap;

/// More distinct hotplug steps than a kernel has: a damaged log is not followed beyond.
const MAX_STEPS: usize = 1024;

/// How many pauses between steps are kept.
const MAX_BETWEEN: usize = 10_000;

/// How many steps of a CPU are open at once: one of the BSP's and one of its own.
const MAX_OPEN: usize = 4;

/// The steps in which the BSP waits until the AP has brought itself to its target.
const BRINGUP: [&str; 2] = ["cpuhp_bringup_ap", "bringup_cpu"];

/// An AP's time from its first hotplug step until it is at its target, in nanoseconds. They add up to its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// The BSP's steps before the AP runs: memory, threads, timers.
    pub prepare: u64,
    /// INIT and SIPI, where the kernel has a step for them; `None` where they are part of `bringup`.
    pub kick: Option<u64>,
    /// The AP is at its first target and the BSP is with others.
    pub wait: u64,
    /// From the last BSP step before the AP runs to its own first event: SIPI, callin and TSC sync, which a log does not
    /// separate.
    pub bringup: u64,
    /// The AP's own steps, until the BSP knows it at its target.
    pub online: u64,
}

impl Phases {
    /// Each with its name, in the order of time.
    pub fn named(&self) -> [(&'static str, Option<u64>); 5] {
        [
            ("prepare", Some(self.prepare)),
            ("kick", self.kick),
            ("wait", Some(self.wait)),
            ("bringup", Some(self.bringup)),
            ("online", Some(self.online)),
        ]
    }
}

/// What a hotplug step took over all APs, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepTime {
    /// How often it ended.
    pub count: u64,
    /// All of it.
    pub sum: u64,
    /// The longest.
    pub max: u64,
    /// Whose that was.
    pub cpu: u32,
}

/// One AP. Stamps are `None` where the event was not seen, or had no stamp.
#[derive(Clone, Debug, Default)]
pub struct Ap {
    first: Option<u64>,
    kick: Seen,
    kicked: Option<u64>,
    bringup: Seen,
    own: Option<u64>,
    done: Option<u64>,
    /// Where it was at its target, be that seen with a stamp or not.
    reached: Option<u32>,
    /// True once it has run steps of its own.
    ran: bool,
    target: u32,
    last: Option<u64>,
    wait: u64,
    /// Steps that have begun and not ended, each with its function.
    open: Vec<(u32, String, Option<u64>)>,
    /// The last step that began.
    pub last_step: Option<(u32, String)>,
    /// A step that failed, with what it returned.
    pub failed: Option<(u32, i64)>,
}

/// An event that was seen, with its stamp where it had one.
type Seen = Option<Option<u64>>;

impl Ap {
    /// True where it was seen at its final target after steps of its own.
    pub fn is_online(&self) -> bool {
        self.reached == Some(self.target) && (self.ran || self.bringup.is_some())
    }

    /// The step that it is in, if any: its number and function.
    pub fn open_step(&self) -> Option<(u32, &str)> {
        self.open.last().map(|(step, name, _)| (*step, name.as_str()))
    }

    /// From its first step until it is at its target.
    pub fn span(&self) -> Option<(u64, u64)> {
        self.first.zip(self.done.filter(|_| self.is_online()))
    }

    /// When the kick ended, where the kernel has a step for it.
    pub fn kicked(&self) -> Option<u64> {
        self.kicked
    }

    /// Its phases; `None` where a stamp is missing or they are not in the order of time.
    pub fn phases(&self) -> Option<Phases> {
        let (first, done) = self.span()?;
        let (bringup, own) = (self.bringup??, self.own?);
        let kick = match (self.kick, self.kicked) {
            (Some(begin), Some(end)) => Some(end.checked_sub(begin?)?),
            (Some(_), None) => return None,
            (None, _) => None,
        };
        let before = bringup.checked_sub(first)?;
        Some(Phases {
            prepare: before.checked_sub(kick.unwrap_or(0))?.checked_sub(self.wait)?,
            kick,
            wait: self.wait,
            bringup: own.checked_sub(bringup)?,
            online: done.checked_sub(own)?,
        })
    }
}

/// All APs on one clock.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// Each AP by its number.
    pub aps: BTreeMap<u32, Ap>,
    /// The APs in the order in which their kicks began.
    pub kicks: Vec<u32>,
    /// An AP was kicked while another, kicked before it, had not run yet.
    pub overlap: bool,
    /// The first kick that came after an AP was online.
    pub late_kick: bool,
    /// What each step took until its AP was at its target, by number and function.
    pub steps: BTreeMap<(u32, String), StepTime>,
    /// Ends without a begin, and begins without an end.
    pub unmatched: u64,
    /// From the end of a step to the begin of the same AP's next: what two events and a loop take.
    between: Vec<u64>,
    /// Steps that have begun.
    begun: u64,
}

impl Track {
    /// A step of an AP begins; `by` is the CPU that runs it, where the log says so.
    pub fn enter(
        &mut self,
        (cpu, by): (u32, Option<u32>),
        target: u32,
        (step, name): (u32, &str),
        at: Option<u64>,
    ) {
        let ap = self.aps.entry(cpu).or_default();
        if ap.is_online() && target <= ap.target {
            // A callback that was registered after the AP was online.
            return;
        }
        if ap.target < target {
            if let (true, Some(last), Some(now)) = (ap.first.is_some(), ap.last, at) {
                ap.wait = ap.wait.saturating_add(now.saturating_sub(last));
            }
            (ap.target, ap.reached) = (target, None);
        }
        if ap.kick.is_none() && self.between.len() < MAX_BETWEEN {
            let pause = at.zip(ap.last).and_then(|(now, last)| now.checked_sub(last));
            self.between.extend(pause);
        }
        self.begun += 1;
        ap.first = ap.first.or(at);
        let inside = ap.open.iter().any(|(_, name, _)| is_bringup(name));
        let is_own = by == Some(cpu) || inside && by.is_none();
        if is_own {
            ap.own = ap.own.or(at);
            ap.ran = true;
        } else if name.contains("kick") && ap.kick.is_none() {
            ap.kick = Some(at);
            self.kicked(cpu);
        } else if is_bringup(name) && ap.bringup.is_none() {
            ap.bringup = Some(at);
            if ap.kick.is_none() {
                self.kicked(cpu);
            }
        }
        let ap = self.aps.entry(cpu).or_default();
        if ap.open.len() == MAX_OPEN {
            ap.open.remove(0);
            self.unmatched += 1;
        }
        ap.open.push((step, name.to_owned(), at));
        ap.last_step = Some((step, name.to_owned()));
    }

    fn kicked(&mut self, cpu: u32) {
        if let Some(before) = self.kicks.last().and_then(|last| self.aps.get(last)) {
            self.overlap |= !before.ran && !before.is_online();
            self.late_kick |= before.is_online();
        }
        self.kicks.push(cpu);
    }

    /// A step of an AP has ended.
    pub fn exit(&mut self, cpu: u32, state: u32, step: u32, ret: i64, at: Option<u64>) {
        let Some(ap) = self.aps.get_mut(&cpu) else { return };
        if ap.is_online() {
            return;
        }
        let place = ap.open.iter().rposition(|(open, _, _)| *open == step);
        let (_, name, begun) = match place {
            Some(place) => {
                self.unmatched += (ap.open.len() - place - 1) as u64;
                ap.open.drain(place..).next().unwrap_or_default()
            }
            None => {
                self.unmatched += 1;
                (step, String::new(), None)
            }
        };
        if ret != 0 {
            ap.failed.get_or_insert((step, ret));
            return;
        }
        if name.contains("kick") {
            ap.kicked = ap.kicked.or(at);
        }
        ap.last = at;
        // Its own steps leave it below its target: only the BSP's last one ends there.
        if state >= ap.target {
            self.unmatched += ap.open.len() as u64;
            ap.open.clear();
            ap.reached = Some(ap.target);
            ap.done = at;
        }
        if name.is_empty() {
            return;
        }
        if let Some(took) = at.zip(begun).and_then(|(end, begin)| end.checked_sub(begin)) {
            let known = self.steps.len() < MAX_STEPS;
            let key = (step, name);
            if known || self.steps.contains_key(&key) {
                let time = self.steps.entry(key).or_default();
                if took >= time.max {
                    (time.max, time.cpu) = (took, cpu);
                }
                (time.count, time.sum) = (time.count + 1, time.sum.saturating_add(took));
            }
        }
    }

    /// From the first step of an AP to the end of the last that brought one to its target; `None` unless all are there.
    pub fn total(&self) -> Option<u64> {
        let first = self.aps.values().filter_map(|ap| ap.first).min()?;
        let spans: Option<Vec<(u64, u64)>> = self.aps.values().map(Ap::span).collect();
        spans?.into_iter().map(|(_, done)| done).max()?.checked_sub(first)
    }

    /// About how long the tracing itself took, in nanoseconds: for each step as long as the median pause between two steps
    /// of the BSP, in which one event ends, a loop goes on and another event begins.
    pub fn tracing(&self) -> Option<u64> {
        let mut between = self.between.clone();
        between.sort_unstable();
        let median = between.get(between.len() / 2)?;
        Some(median.saturating_mul(self.begun))
    }

    /// From the first step of an AP to the end of the last kick, where the kernel has a step for it.
    pub fn kick_loop(&self) -> Option<u64> {
        let first = self.aps.values().filter_map(|ap| ap.first).min()?;
        let kicked: Option<Vec<u64>> = self.aps.values().map(Ap::kicked).collect();
        kicked?.into_iter().max()?.checked_sub(first)
    }
}

/// The step in which the BSP waits for the AP's own.
fn is_bringup(name: &str) -> bool {
    BRINGUP.contains(&name)
}
