//! Which strategy and order a log shows.

use bringup::options::{Order, Strategy};

/// In what order the APs were started, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The strategy.
    pub strategy: Strategy,
    /// The order.
    pub order: Order,
    /// Why the strategy is taken, not seen; `None` where it is seen.
    pub strategy_doubt: Option<String>,
    /// The same of the order.
    pub order_doubt: Option<String>,
}

/// What a log says of both.
#[derive(Clone, Debug, Default)]
pub struct Evidence<'a> {
    /// The APs in the order in which they were started.
    pub sequence: &'a [u32],
    /// True where that is a list which the kernel printed.
    pub listed: bool,
    /// An AP was kicked before the one before it had run.
    pub overlap: bool,
    /// An AP was kicked after another was online.
    pub late_kick: bool,
    /// The log has the loops of 2021: a kick loop, and a loop that waits for all to be alive.
    pub loops: (bool, bool),
    /// The kernel's version.
    pub version: Option<&'a str>,
    /// Its command line.
    pub command_line: Option<&'a str>,
    /// APs that the log names at all.
    pub aps: usize,
}

impl Evidence<'_> {
    /// The strategy and the order that it shows.
    pub fn judge(&self) -> Ordered {
        let (order, order_doubt) = self.order();
        let (strategy, strategy_doubt) = self.strategy(order);
        let text = |doubt: Option<&str>| doubt.map(str::to_owned);
        Ordered { strategy, order, strategy_doubt: text(strategy_doubt), order_doubt }
    }

    fn order(&self) -> (Order, Option<String>) {
        let pairs = self.sequence.windows(2);
        match pairs.filter(|pair| pair[1] < pair[0]).count() {
            0 => {
                let last = self.sequence.last().copied().unwrap_or(0);
                let skipped = (1..last).find(|cpu| !self.sequence.contains(cpu));
                match skipped.filter(|_| self.listed) {
                    None => (Order::Listed, None),
                    Some(skipped) => (
                        Order::PrimariesFirst,
                        Some(format!(
                            "it starts CPUs beyond CPU {skipped} and not that one, as if first threads came first: the order \
                             is taken as primaries-first"
                        )),
                    ),
                }
            }
            1 => (Order::PrimariesFirst, None),
            _ => {
                let doubt = "the CPUs were started in an order that is neither ascending nor first threads first: it is taken \
                             as listed";
                (Order::Listed, Some(doubt.to_owned()))
            }
        }
    }

    fn strategy(&self, order: Order) -> (Strategy, Option<&'static str>) {
        match self.loops {
            (_, true) => return (Strategy::ParallelCallin, None),
            (true, false) => return (Strategy::ParallelSipi, None),
            (false, false) => {}
        }
        if self.overlap {
            return (Strategy::ParallelSipi, None);
        }
        if self.late_kick || self.aps < 2 {
            return (Strategy::Serial, None);
        }
        if order == Order::PrimariesFirst {
            return (Strategy::ParallelSipi, None);
        }
        let mut words = self.command_line.unwrap_or_default().split(' ');
        if words.any(|word| word == "cpuhp.parallel=0") {
            return (Strategy::Serial, None);
        }
        match self.version.and_then(version) {
            Some(version) if version < (6, 5) => (Strategy::Serial, None),
            Some(_) => (
                Strategy::ParallelSipi,
                Some(
                    "it does not show whether APs were kicked one by one (`--strategy`); Linux kicks all at once since 6.5: \
                     the strategy is taken as parallel-sipi",
                ),
            ),
            None => (
                Strategy::Serial,
                Some(
                    "it shows neither whether APs were kicked one by one (`--strategy`) nor the kernel's version: the \
                     strategy is taken as serial",
                ),
            ),
        }
    }
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(evidence: &Evidence<'_>) -> (Strategy, Order, usize) {
        let Ordered { strategy, order, strategy_doubt, order_doubt } = evidence.judge();
        (strategy, order, [strategy_doubt, order_doubt].iter().flatten().count())
    }

    #[test]
    fn first_threads_first_is_one_turn_and_only_parallel_kernels_do_it() {
        let hybrid = [2, 4, 6, 8, 9, 10, 1, 3, 5, 7];
        let evidence = Evidence { sequence: &hybrid, aps: 10, ..Evidence::default() };
        assert_eq!(judged(&evidence), (Strategy::ParallelSipi, Order::PrimariesFirst, 0));
        // A log that stops among the first threads.
        let evidence =
            Evidence { sequence: &hybrid[..6], listed: true, aps: 6, ..Evidence::default() };
        assert_eq!(judged(&evidence), (Strategy::ParallelSipi, Order::PrimariesFirst, 1));
        let evidence =
            Evidence { sequence: &[3, 1, 2, 0], overlap: true, aps: 4, ..Evidence::default() };
        assert_eq!(judged(&evidence), (Strategy::ParallelSipi, Order::Listed, 1));
    }

    #[test]
    fn what_is_seen_comes_before_what_is_known_of_the_kernel() {
        let listed = Evidence { sequence: &[1, 2, 3], aps: 3, ..Evidence::default() };
        assert_eq!(judged(&listed), (Strategy::Serial, Order::Listed, 1));
        let new = Evidence { version: Some("6.12.0-rc7"), ..listed.clone() };
        assert_eq!(judged(&new), (Strategy::ParallelSipi, Order::Listed, 1));
        let old = Evidence { version: Some("6.1.0-40-amd64"), ..listed.clone() };
        assert_eq!(judged(&old), (Strategy::Serial, Order::Listed, 0));
        let off = Evidence { command_line: Some("quiet cpuhp.parallel=0"), ..new.clone() };
        assert_eq!(judged(&off), (Strategy::Serial, Order::Listed, 0));
        let seen = Evidence { late_kick: true, ..new.clone() };
        assert_eq!(judged(&seen), (Strategy::Serial, Order::Listed, 0));
        let loops = Evidence { loops: (true, true), ..old };
        assert_eq!(judged(&loops), (Strategy::ParallelCallin, Order::Listed, 0));
    }
}
