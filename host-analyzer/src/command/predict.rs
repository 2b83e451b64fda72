//! `predict`: totals that were not measured.

use super::finding::Finding;
use crate::ground::failure::Failure;
use crate::judge::predict::{Wanted, predictions};
use crate::present::show;
use bringup::options::{Order, Strategy};
use bringup::words::Word;
use clap::builder::PossibleValuesParser;
use miette::miette;

/// Predicts totals: fits costs to one cell of a run and simulates others with them.
///
/// A cell is predicted from the same options at another CPU count, the largest that the run has, else from serial; never from
/// itself. Where the run has it measured, that stands beside the prediction.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo analyze predict --from 2,4,8 --smp 16,28
  cargo analyze predict results/linux/2026-11-26T18-00-00Z --strategy parallel-sipi,full-parallel
  cargo analyze predict --format json | jq '.cells[].predicted.total'")]
pub struct Predict {
    #[command(flatten)]
    finding: Finding,
    /// CPU counts whose cells costs are fitted to [default: all of the run]
    #[arg(long, value_name = "CPUS", value_delimiter = ',', value_parser = cpu_count)]
    from: Vec<u16>,
    /// CPU counts to predict [default: those of the run]
    #[arg(long, value_name = "CPUS", value_delimiter = ',', value_parser = cpu_count)]
    smp: Vec<u16>,
    /// Strategies to predict [default: those of the run]
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(Strategy::NAMES))]
    strategy: Vec<String>,
    /// Orders to predict [default: those of the run]
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(Order::NAMES))]
    order: Vec<String>,
}

/// A CPU count that can be simulated.
pub(super) fn cpu_count(text: &str) -> Result<u16, String> {
    let count = text.parse().ok().filter(|count| (2..=4096).contains(count));
    count.ok_or_else(|| "expected CPU counts from 2 to 4096, as `16,28`".to_owned())
}

impl Predict {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let run = self.finding.open()?;
        let wanted = Wanted {
            from: self.from,
            smp: self.smp,
            strategies: self.strategy.iter().filter_map(|word| Strategy::named(word)).collect(),
            orders: self.order.iter().filter_map(|word| Order::named(word)).collect(),
        };
        let made = predictions(&run, &wanted);
        if made.is_empty() {
            return Err(Failure::Request(miette!(
                help = "give `--strategy` or `--smp` that the run does not have; `cargo analyze show` lists what it has. A log needs \
                        its hotplug events or stage lines (docs/linux.md)",
                "{} has no cell to predict these from: a cell is never predicted from itself",
                run.path.display()
            )));
        }
        self.finding
            .print(|| show::predicted_table(&run, &made), || show::predicted_json(&run, &made))?;
        run.verdict()
    }
}
