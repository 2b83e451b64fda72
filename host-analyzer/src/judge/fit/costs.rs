//! Costs as they were fitted: what the steps of each AP cost, and the options that they make.

use crate::run::Cell;
use bringup::class::Class;
use bringup::options::{Options, Step};
use bringup::sim;

/// What the steps of one AP cost, in cycles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ApCosts {
    /// Its class.
    pub class: Class,
    /// In the order of [`Step::ALL`].
    pub cycles: [f64; Step::COUNT],
    /// What lies between the kick and the AP's first own event in a Linux' log: its wake, its callin and its TSC sync in
    /// one.
    pub bringup: f64,
}

impl ApCosts {
    /// The same of an AP that wakes in no time.
    pub fn without_wake(mut self) -> ApCosts {
        self.cycles[Step::Wake as usize] = 0.0;
        self
    }
}

/// Costs fitted to a cell.
#[derive(Debug)]
pub struct Fitted<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// Its options without costs.
    pub base: Options,
    /// The class of each CPU, the BSP's first.
    pub classes: Vec<Class>,
    /// Frequency in kHz of the clock of the cycles; `None` where it is unknown.
    pub khz: Option<u64>,
    /// Each AP.
    pub aps: Vec<ApCosts>,
    /// Where the part of the total goes that no step explains; `None` where the steps are all that was measured.
    pub rest: Option<Step>,
    /// What the costs come from: the file of the boot, or published rows.
    pub source: String,
    /// True where each cost comes from a column of published rows.
    pub columns: bool,
    /// What can't be separated, and what is taken for granted; a sentence each.
    pub notes: Vec<String>,
}

/// How much of an AP's `bringup` is its wake, which parallel SIPIs overlap; the rest is its callin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WakeShare(pub f64);

impl WakeShare {
    /// None of it.
    pub const NONE: WakeShare = WakeShare(0.0);
    /// Half of it.
    pub const HALF: WakeShare = WakeShare(0.5);
    /// All of it.
    pub const ALL: WakeShare = WakeShare(1.0);
}

impl Fitted<'_> {
    /// True where the log does not separate wake, callin and TSC sync.
    pub fn is_inseparable(&self) -> bool {
        self.aps.iter().any(|ap| ap.bringup > 0.0)
    }

    /// The frequency that a simulation runs at; any will do where all costs are cycles.
    pub fn simulated_khz(&self) -> u64 {
        self.khz.unwrap_or(1_000_000)
    }

    /// The options with the means over these APs as costs, so that the simulator meets `total`.
    pub fn options(&self, aps: &[ApCosts], share: WakeShare, total: u64) -> Option<Options> {
        let options = self.costs(aps, share, 0.0)?;
        if self.rest.is_none() {
            return Some(options);
        }
        let (end, _) = sim::trial_on(&options, &self.classes, self.simulated_khz()).ok()?;
        let unexplained = total as f64 - end.total.0 as f64;
        // Where APs call in side by side, only one callin is on the way to the total.
        let side_by_side =
            self.rest == Some(Step::Callin) && self.base.strategy.calls_in_side_by_side();
        let on_the_way = if side_by_side { 1.0 } else { (self.classes.len() - 1) as f64 };
        self.costs(aps, share, unexplained / on_the_way)
    }

    /// The options with the means over these APs as costs, and `rest` more in the step that takes what none explains.
    pub fn costs(&self, aps: &[ApCosts], share: WakeShare, rest: f64) -> Option<Options> {
        let of = |ap: &ApCosts, step: Step| {
            let own = ap.cycles[step as usize];
            let shared = match step {
                Step::Wake => ap.bringup * share.0,
                Step::Callin => ap.bringup * (1.0 - share.0),
                _ => 0.0,
            };
            own + shared + if self.rest == Some(step) { rest } else { 0.0 }
        };
        let mut options = self.base.clone();
        for step in Step::ALL {
            options.set(step.option(), &by_class(aps, |ap| of(ap, step))?).ok()?;
        }
        Some(options)
    }
}

/// The mean over the APs of each class, as the value of a cost's option.
fn by_class(aps: &[ApCosts], cost: impl Fn(&ApCosts) -> f64) -> Option<String> {
    let mut means = Vec::new();
    for class in Class::ALL {
        let of_class: Vec<f64> = aps.iter().filter(|ap| ap.class == class).map(&cost).collect();
        if !of_class.is_empty() {
            let mean = of_class.iter().sum::<f64>() / of_class.len() as f64;
            means.push((class, of_class.len(), mean.max(0.0).round() as u64));
        }
    }
    let (_, _, usual) =
        means.iter().copied().max_by_key(|(class, count, _)| (*count, *class == Class::Core))?;
    let mut value = usual.to_string();
    for (class, _, cycles) in means.into_iter().filter(|(_, _, cycles)| *cycles != usual) {
        value += &format!(",{class}:{cycles}");
    }
    Some(value)
}

/// The classes of a machine of `smp` CPUs like one of `known` CPUs: the pattern of its classes repeats, in one package.
pub fn classes(known: &[Class], smp: u16) -> Vec<Class> {
    let at = |cpu: usize| match known.get(cpu) {
        Some(class) => *class,
        None => known[cpu % known.len().max(1)].max(Class::Core),
    };
    if known.is_empty() {
        vec![Class::Core; smp.into()]
    } else {
        (0..usize::from(smp)).map(at).collect()
    }
}
