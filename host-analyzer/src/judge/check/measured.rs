//! A number of a cell and the most that it may be.

use super::verdict::{BudgetRow, Outcome};
use crate::ground::unit::{Unit, readable};
use crate::judge::statistics::{BOOTS_FOR_INTERVAL, Interval, resampled};
use crate::run::measure::Measure;
use crate::run::{Cell, HOST_KHZ, HostBoots, HostMeasure};

/// A number and its limit.
pub(super) struct Measured {
    value: f64,
    interval: Option<Interval>,
    most: f64,
    /// True where the number has no noise.
    exact: bool,
    /// Boots that have a value of it.
    boots: usize,
    /// The number in words.
    text: String,
    /// The limit in words.
    allowed: String,
}

impl Measured {
    /// A count, which has no noise.
    pub fn count(value: u64, most: u64) -> Measured {
        Measured {
            value: value as f64,
            interval: None,
            most: most as f64,
            exact: true,
            boots: 0,
            text: value.to_string(),
            allowed: most.to_string(),
        }
    }

    /// The APs lost in all trials: an AP that only the cold trial loses is lost too.
    pub fn lost(cell: &Cell, most: u64) -> Measured {
        let all = cell.lost_in_all_trials();
        let measured = Measured::count(all, most);
        match all - cell.lost() {
            0 => measured,
            apart => Measured {
                text: format!("{all}, {apart} of them in cold or incomplete trials"),
                ..measured
            },
        }
    }

    /// A time with a limit in cycles; `None` without a trial that has it.
    pub fn time(cell: &Cell, measure: Measure, most: f64) -> Option<Measured> {
        let sample = cell.sample(measure);
        let value = sample.median()?;
        Some(Measured {
            value,
            interval: cell.interval(measure),
            most,
            exact: cell.exact == Some(true),
            boots: sample.boots(),
            text: shown(cell, value),
            allowed: shown(cell, most),
        })
    }

    /// A time of boots on the host's clock, with a limit in µs; `None` without a boot.
    pub fn host(boots: &HostBoots<'_>, measure: HostMeasure, most: f64) -> Option<Measured> {
        let sample = boots.sample(measure);
        let value = sample.median()?;
        let text = |micros: f64| readable(Unit::Auto, micros.round() as u64, HOST_KHZ);
        Some(Measured {
            value,
            interval: sample.interval(),
            most,
            exact: false,
            boots: sample.boots(),
            text: text(value),
            allowed: text(most),
        })
    }

    /// A time as a multiple of another cell's, which is called `label`; `None` where one of the two has
    /// no trial that has it.
    pub fn ratio(
        cell: &Cell,
        other: &Cell,
        measure: Measure,
        most: f64,
        label: &str,
    ) -> Option<Measured> {
        let (one, base) = (cell.sample(measure), other.sample(measure));
        let times = |one: f64, base: f64| {
            if base > 0.0 {
                one / base
            } else if one > 0.0 {
                f64::INFINITY
            } else {
                1.0
            }
        };
        let value = times(one.median()?, base.median()?);
        let exact = cell.exact == Some(true) && other.exact == Some(true);
        let interval = || resampled([&one, &base], |[one, base]| times(one, base));
        Some(Measured {
            value,
            interval: if exact { None } else { interval() },
            most,
            exact,
            boots: one.boots().min(base.boots()),
            text: format!("{value:.4} of {label}"),
            allowed: format!("{most} of it"),
        })
    }

    /// A time in cycles, limited by the baseline's time and `tolerance`, a share of it; `None` where
    /// one of the two cells has no trial that has it.
    pub fn from_baseline(
        cell: &Cell,
        base: &Cell,
        measure: Measure,
        tolerance: f64,
    ) -> Option<Measured> {
        let (one, other) = (cell.sample(measure), base.sample(measure));
        let (value, was) = (one.median()?, other.median()?);
        let exact = cell.exact == Some(true) && base.exact == Some(true);
        // The baseline scatters too: the interval is that of the value if the baseline's median were exact.
        let interval = || resampled([&one, &other], |[one, other]| one - other + was);
        let more = match tolerance {
            0.0 => String::new(),
            tolerance => format!(" + {} %", tolerance * 100.0),
        };
        Some(Measured {
            value,
            interval: if exact { None } else { interval() },
            most: was * (1.0 + tolerance),
            exact,
            boots: one.boots().min(other.boots()),
            text: shown(cell, value),
            allowed: format!("{}{more}", shown(base, was)),
        })
    }

    fn outcome(&self) -> Outcome {
        match self.interval {
            _ if self.exact && self.value <= self.most => Outcome::Met,
            _ if self.exact => Outcome::Broken,
            Some(Interval { low, .. }) if low > self.most => Outcome::Broken,
            Some(Interval { high, .. }) if high <= self.most => Outcome::Met,
            _ => Outcome::InDoubt,
        }
    }

    /// Why the limit is not met; empty where it is.
    fn why(&self, outcome: Outcome) -> String {
        let Measured { value, interval, most, text, allowed, .. } = self;
        let reason = match (outcome, interval) {
            (Outcome::Met, _) => return String::new(),
            (Outcome::Broken, Some(_)) => ": the whole 95 % interval is above the limit".to_owned(),
            (Outcome::Broken, None) if *most > 0.0 => {
                format!(", {:.2} % above the limit", (value / most - 1.0) * 100.0)
            }
            (Outcome::Broken, None) => String::new(),
            (Outcome::InDoubt, Some(_)) => {
                ": the limit lies inside the 95 % interval, which more boots make narrower"
                    .to_owned()
            }
            (Outcome::InDoubt, None) => format!(
                ": a noisy engine needs at least {BOOTS_FOR_INTERVAL} boots for an interval, and {} {} this figure",
                self.boots,
                if self.boots == 1 { "has" } else { "have" }
            ),
        };
        format!("measured {text}, allowed {allowed}{reason}")
    }

    /// The row of the verdict; `label` is the cell's.
    pub fn row(self, line: Option<usize>, label: String, figure: &'static str) -> BudgetRow {
        let outcome = self.outcome();
        let why = self.why(outcome);
        let Measured { value, interval, most, text, allowed, .. } = self;
        BudgetRow {
            line,
            cell: label,
            figure,
            measured: text,
            allowed,
            used: (most > 0.0).then(|| value / most),
            numbers: Some((value, interval, most)),
            outcome,
            why,
        }
    }
}

/// A time in words: of an exact engine to the cycle.
fn shown(cell: &Cell, cycles: f64) -> String {
    let rounded = cycles.round() as u64;
    let time = readable(Unit::Auto, rounded, cell.tsc_khz());
    match cell.exact {
        Some(true) => format!("{rounded} cycles (about {time})"),
        _ => time,
    }
}
