//! Which strategy and order a log shows.

use bringup::options::{Order, Strategy};

/// In what order the APs were started, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The strategy.
    pub strategy: Strategy,
    /// The order.
    pub order: Order,
    /// What of it is taken, not seen.
    pub doubts: Vec<String>,
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
        let mut doubts = Vec::new();
        let order = self.order(&mut doubts);
        let strategy = self.strategy(order, &mut doubts);
        Ordered { strategy, order, doubts }
    }

    fn order(&self, doubts: &mut Vec<String>) -> Order {
        let turns: Vec<usize> = (1..self.sequence.len())
            .filter(|at| self.sequence[*at] < self.sequence[at - 1])
            .collect();
        match turns[..] {
            [] => {
                let last = self.sequence.last().copied().unwrap_or(0);
                let skipped = (1..last).find(|cpu| !self.sequence.contains(cpu));
                let Some(skipped) = skipped.filter(|_| self.listed) else { return Order::Listed };
                doubts.push(format!(
                    "it starts CPUs beyond CPU {skipped} and not that one, as if first threads came first: the order is \
                     taken as primaries-first"
                ));
                Order::PrimariesFirst
            }
            [_] => Order::PrimariesFirst,
            _ => {
                doubts.push(
                    "the CPUs were started in an order that is neither ascending nor first threads first: it is taken as \
                     listed"
                        .to_owned(),
                );
                Order::Listed
            }
        }
    }

    fn strategy(&self, order: Order, doubts: &mut Vec<String>) -> Strategy {
        match self.loops {
            (_, true) => return Strategy::ParallelCallin,
            (true, false) => return Strategy::ParallelSipi,
            (false, false) => {}
        }
        if self.overlap {
            return Strategy::ParallelSipi;
        }
        if self.late_kick || self.aps < 2 {
            return Strategy::Serial;
        }
        if order == Order::PrimariesFirst {
            return Strategy::ParallelSipi;
        }
        if self
            .command_line
            .is_some_and(|words| words.split(' ').any(|word| word == "cpuhp.parallel=0"))
        {
            return Strategy::Serial;
        }
        match self.version.and_then(version) {
            Some(version) if version < (6, 5) => Strategy::Serial,
            Some(_) => {
                doubts.push(
                    "it does not show whether APs were kicked one by one; Linux kicks all at once since 6.5: the strategy \
                     is taken as parallel-sipi"
                        .to_owned(),
                );
                Strategy::ParallelSipi
            }
            None => {
                doubts.push(
                    "it shows neither whether APs were kicked one by one nor the kernel's version: the strategy is taken \
                     as serial"
                        .to_owned(),
                );
                Strategy::Serial
            }
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
        let Ordered { strategy, order, doubts } = evidence.judge();
        (strategy, order, doubts.len())
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
