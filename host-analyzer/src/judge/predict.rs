//! Totals that were not measured, or were not used: fitted costs through the simulator.

use crate::judge::fit::{ApCosts, Fitted, WakeShare, classes, fit};
use crate::run::{Cell, Run};
use bringup::class::Class;
use bringup::options::{Kick, Options, Order, Strategy};
use bringup::sim;

/// How many resamples an interval is of.
const RESAMPLES: usize = 200;

/// Of so many resamples, one in forty lies below the interval and one above: 95 % are in it.
const BEYOND: usize = RESAMPLES / 40;

/// The costs and the total of a simulation with the means over these APs, so much of `bringup` as wake, and this total to
/// meet in the cell that was fitted.
type Simulate<'f> = &'f dyn Fn(&[ApCosts], WakeShare, u64) -> Option<(Options, u64)>;

/// What to predict.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// CPU counts that costs may be fitted from; empty for all.
    pub from: Vec<u16>,
    /// CPU counts to predict; empty for those of the run.
    pub smp: Vec<u16>,
    /// Strategies; empty for those of the run.
    pub strategies: Vec<Strategy>,
    /// Orders; empty for those of the run.
    pub orders: Vec<Order>,
}

/// A total that was predicted, in cycles of the source's clock.
#[derive(Debug)]
pub struct Prediction<'a> {
    /// What it was fitted from.
    pub fitted: Fitted<'a>,
    /// CPUs.
    pub smp: u16,
    /// The options of such a cell.
    pub options: Options,
    /// The same with the fitted costs.
    pub costs: Options,
    /// The total with the mean costs; where the source does not separate an AP's wake from its callin, with half of it as
    /// the one and half as the other.
    pub median: u64,
    /// 95 % of the resamples lie above; where the source does not separate wake and callin, of the cheapest division.
    pub low: u64,
    /// 95 % of the resamples lie below, likewise.
    pub high: u64,
    /// The cell of the run that has it measured. No cost comes from it.
    pub measured: Option<&'a Cell>,
    /// CPUs of the host, where the engine is noisy and has more.
    pub beyond_host: Option<usize>,
}

impl Prediction<'_> {
    /// The measured total.
    pub fn measured_total(&self) -> Option<u64> {
        Some(self.measured?.total()?.median)
    }

    /// By what share the prediction is off.
    pub fn error(&self) -> Option<f64> {
        let measured = self.measured_total().filter(|total| *total > 0)?;
        Some(self.median as f64 / measured as f64 - 1.0)
    }

    /// Whether the measured total lies in the interval; `None` where an exact engine has APs that are alike, and so no
    /// interval.
    pub fn holds(&self) -> Option<bool> {
        let measured = self.measured_total()?;
        (self.fitted.cell.exact != Some(true)).then(|| (self.low..=self.high).contains(&measured))
    }
}

/// Every prediction that can be made, in the order of the run's cells.
pub fn predictions<'a>(run: &'a Run, wanted: &Wanted) -> Vec<Prediction<'a>> {
    let mut made: Vec<Prediction<'a>> = Vec::new();
    for cell in &run.cells {
        let smps = if wanted.smp.is_empty() { vec![cell.smp] } else { wanted.smp.clone() };
        for options in variants(&cell.options, wanted) {
            for &smp in &smps {
                let is_there = |known: &Prediction<'_>| {
                    same_place(known.fitted.cell, cell)
                        && known.smp == smp
                        && known.options == options
                };
                if !made.iter().any(is_there) {
                    made.extend(predict(run, cell, &options, smp, &wanted.from));
                }
            }
        }
    }
    made
}

/// What is predicted of the cells of a run that come from logs; nothing of a run without one.
pub fn of_logs(run: &Run) -> Vec<Prediction<'_>> {
    let has_log = |cell: &Cell| {
        run.boots.iter().any(|boot| boot.linux.is_some() && boot.engine == cell.engine)
    };
    let mut made = if run.boots.iter().any(|boot| boot.linux.is_some()) {
        predictions(run, &Wanted::default())
    } else {
        Vec::new()
    };
    made.retain(|one| has_log(one.fitted.cell));
    made
}

/// The options of a cell in the strategies and orders that are wanted.
fn variants(options: &Options, wanted: &Wanted) -> Vec<Options> {
    let or = |own: Strategy| {
        if wanted.strategies.is_empty() { vec![own] } else { wanted.strategies.clone() }
    };
    let orders = if wanted.orders.is_empty() { vec![options.order] } else { wanted.orders.clone() };
    let pairs = or(options.strategy)
        .into_iter()
        .flat_map(|strategy| orders.iter().map(move |order| (strategy, *order)));
    pairs.map(|(strategy, order)| Options { strategy, order, ..options.clone() }).collect()
}

fn same_place(one: &Cell, other: &Cell) -> bool {
    (&one.engine, &one.profile) == (&other.engine, &other.profile)
}

fn predict<'a>(
    run: &'a Run,
    like: &Cell,
    options: &Options,
    smp: u16,
    from: &[u16],
) -> Option<Prediction<'a>> {
    let cell = source(run, like, options, smp, from)?;
    let fitted = fit(run, cell)?;
    let machine = machine(run, &fitted, smp);
    let asked = |mut costs: Options| {
        costs.strategy = options.strategy;
        costs.order = options.order;
        if options.strategy == Strategy::Serial || options.order == Order::PrimariesFirst {
            costs.kick = Kick::Unicast;
        }
        let (end, _) = sim::trial_on(&costs, &machine, fitted.simulated_khz()).ok()?;
        Some((costs, end.total.0))
    };
    let total = cell.total()?.median;
    let simulate = |aps: &[ApCosts], share, total| asked(fitted.options(aps, share, total)?);
    let inseparable = fitted.is_inseparable();
    let usual = if inseparable { WakeShare::HALF } else { WakeShare::NONE };
    let (costs, median) = simulate(&fitted.aps, usual, total)?;
    if let Some((costs, total)) = trend(run, &fitted, options, &machine, from) {
        let (options, measured) = (options.clone(), measured(run, cell, options, smp));
        let (median, low, high, beyond_host) = (total, total, total, None);
        return Some(Prediction {
            fitted,
            smp,
            options,
            costs,
            median,
            low,
            high,
            measured,
            beyond_host,
        });
    }
    let shares: &[WakeShare] =
        if inseparable { &[WakeShare::NONE, WakeShare::ALL] } else { &[usual] };
    let (low, high) = interval(&fitted, shares, median, &simulate)?;
    let measured = measured(run, cell, options, smp);
    let cpus = run.manifest.as_ref().map_or(0, |manifest| manifest.host.cpus);
    let is_beyond = cell.exact == Some(false) && cpus > 0 && usize::from(smp) > cpus;
    let beyond_host = is_beyond.then_some(cpus);
    let options = options.clone();
    Some(Prediction { fitted, smp, options, costs, median, low, high, measured, beyond_host })
}

/// The cell that costs come from: one with the same options at another CPU count, the largest, else serial. Never the
/// one that has what is predicted.
fn source<'a>(
    run: &'a Run,
    like: &Cell,
    options: &Options,
    smp: u16,
    from: &[u16],
) -> Option<&'a Cell> {
    let allowed = |cell: &&Cell| {
        same_place(cell, like)
            && cell.total().is_some()
            && cell.smp > 1
            && (from.is_empty() || from.contains(&cell.smp))
    };
    let cells = || run.cells.iter().filter(allowed);
    let own = cells().filter(|cell| cell.smp != smp && cell.options == *options);
    let of_serial = |cell: &&Cell| {
        let serial = Options {
            strategy: Strategy::Serial,
            order: cell.options.order,
            kick: cell.options.kick,
            ..options.clone()
        };
        options.strategy != Strategy::Serial && cell.options == serial
    };
    let serial = || cells().filter(of_serial);
    own.max_by_key(|cell| cell.smp)
        .or_else(|| serial().find(|cell| cell.smp == smp))
        .or_else(|| serial().max_by_key(|cell| cell.smp))
}

/// Where 95 % of the resamples of a cell's APs and trials lie, over the divisions of what is not separated.
fn interval(
    fitted: &Fitted<'_>,
    shares: &[WakeShare],
    median: u64,
    simulate: Simulate<'_>,
) -> Option<(u64, u64)> {
    let (mut low, mut high) = (median, median);
    // The same draws each time: equal runs give equal intervals.
    let mut random = fastrand::Rng::with_seed(0);
    let trials = &fitted.cell.trials;
    for share in shares {
        let mut totals = Vec::with_capacity(RESAMPLES);
        for _ in 0..RESAMPLES {
            let aps = resampled(&fitted.aps, &mut random);
            let total = trials.get(random.usize(0..trials.len().max(1)))?.total;
            totals.extend(simulate(&aps, *share, total).map(|(_, total)| total));
        }
        totals.sort_unstable();
        low = low.min(*totals.get(BEYOND).or(totals.first())?);
        high = high.max(*totals.get(totals.len().saturating_sub(BEYOND + 1))?);
    }
    Some((low, high))
}

/// The cell of the run that has measured what is predicted.
fn measured<'a>(run: &'a Run, like: &Cell, options: &Options, smp: u16) -> Option<&'a Cell> {
    let is_it =
        |cell: &&Cell| same_place(cell, like) && cell.smp == smp && cell.options == *options;
    run.cells.iter().filter(is_it).find(|cell| cell.total().is_some())
}

/// The costs and the total on an exact engine that has the options at a second CPU count: what no cost explains of a total
/// goes on as between the two. Noise would be multiplied, so noisy engines are fitted to one count alone.
fn trend(
    run: &Run,
    fitted: &Fitted<'_>,
    options: &Options,
    machine: &[Class],
    from: &[u16],
) -> Option<(Options, u64)> {
    let base = fitted.cell;
    if base.exact != Some(true) || base.options != *options {
        return None;
    }
    // With two CPUs no AP waits for another; and what is predicted must not be used.
    let allowed = |smp: u16| {
        (3..base.smp).contains(&smp)
            && usize::from(smp) != machine.len()
            && (from.is_empty() || from.contains(&smp))
    };
    let like =
        |cell: &&Cell| same_place(cell, base) && cell.options == base.options && allowed(cell.smp);
    let smaller = run.cells.iter().filter(like).max_by_key(|cell| cell.smp)?;
    let total = |cell: &Cell| Some(cell.total()?.median as f64);
    let small = self::machine(run, fitted, smaller.smp);
    let further = f64::from(base.smp - smaller.smp);
    let continued = |aps: &[ApCosts]| {
        let costs = fitted.costs(aps, WakeShare::NONE, 0.0)?;
        let simulated = |machine: &[Class]| {
            let (end, _) = sim::trial_on(&costs, machine, fitted.simulated_khz()).ok()?;
            Some(end.total.0 as f64)
        };
        let unexplained = total(base)? - simulated(&fitted.classes)?;
        let each = (unexplained - (total(smaller)? - simulated(&small)?)) / further;
        let beyond = machine.len() as f64 - f64::from(base.smp);
        let total = simulated(machine)? + unexplained + each * beyond;
        Some((each.abs(), costs, total.max(0.0).round() as u64))
    };
    // Where APs wake while the BSP is busy with others, their wakes are not on the way to the total. The growth from one
    // count to the other shows it.
    let awake: Vec<ApCosts> = fitted.aps.iter().copied().map(ApCosts::without_wake).collect();
    let (as_measured, hidden) = (continued(&fitted.aps)?, continued(&awake)?);
    let (_, costs, total) = if hidden.0 < as_measured.0 { hidden } else { as_measured };
    Some((costs, total))
}

/// The classes of a machine of that many CPUs: those of a boot, where the run has one, else the source's go on.
fn machine(run: &Run, fitted: &Fitted<'_>, smp: u16) -> Vec<Class> {
    let of_engine =
        run.boots.iter().filter(|boot| boot.engine == fitted.cell.engine && boot.smp == smp);
    let known = of_engine.filter_map(|boot| boot.machine.as_ref()).map(|machine| machine.classes());
    let mut known = known.filter(|classes| classes.len() == usize::from(smp));
    known.next().unwrap_or_else(|| classes(&fitted.classes, smp))
}

/// As many APs of each class, drawn with replacement.
fn resampled(aps: &[ApCosts], random: &mut fastrand::Rng) -> Vec<ApCosts> {
    let of_class = |class: Class| aps.iter().filter(move |ap| ap.class == class);
    let mut drawn = Vec::with_capacity(aps.len());
    for class in Class::ALL {
        let count = of_class(class).count();
        drawn.extend(
            (0..count).filter_map(|_| of_class(class).nth(random.usize(0..count)).copied()),
        );
    }
    drawn
}
