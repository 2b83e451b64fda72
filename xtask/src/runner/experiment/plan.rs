//! What the experiment boots.

use crate::runner::profile::Profiles;
use crate::runner::scenario::Scenario;
use bringup::phase::Phase;
use host_analyzer::ground::failure::Failure;
use host_analyzer::run::measure::Measure;
use std::path::Path;

/// The scenario. `CALLIN` is the cost that the planted slow-down raises.
const SCENARIO: &str = r#"engine = "ENGINE"
cpus = 4
boots = BOOTS
cold = "each"

[options]
strategy = ["serial", "full-parallel"]
repetitions = 10
tsc-sync = "trusted"
cost-callin = "CALLIN"
"#;

/// The cost of the base, in µs.
pub const BASE_US: u32 = 2000;

/// What is planted, in percent of the base's cost.
pub const PLANTED_PERCENT: u32 = 20;

/// The cost with it, in µs.
pub const PLANTED_US: u32 = BASE_US * (100 + PLANTED_PERCENT) / 100;

/// The phase that gets it.
pub const PLANTED: Measure = Measure::Phase(Phase::Callin);

/// What is booted, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent<'e> {
    /// The name of a built-in engine.
    pub engine: &'e str,
    /// Pairs of the base and itself, and of the base and the planted slow-down.
    pub pairs: u32,
    /// Boots of each run of a pair, at first.
    pub boots: u32,
}

/// One of the runs of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What the others are compared with.
    Base,
    /// The same again.
    Again,
    /// The same with one cost raised.
    Planted,
}

impl Part {
    /// Its scenario, with so many boots.
    pub fn scenario(self, engine: &str, boots: u32) -> Result<Scenario, Failure> {
        let (name, callin_us) = match self {
            Part::Base => ("experiment-base", BASE_US),
            Part::Again => ("experiment-again", BASE_US),
            Part::Planted => ("experiment-planted", PLANTED_US),
        };
        let text = SCENARIO
            .replace("ENGINE", engine)
            .replace("BOOTS", &boots.to_string())
            .replace("CALLIN", &format!("{callin_us}us"));
        let path = Path::new("experiment.toml");
        Scenario::parse(name, path, &text, &Profiles::default()).map_err(Failure::Request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planted_is_one_cost_and_nothing_else() {
        let base = Part::Base.scenario("tcg", 10).unwrap();
        let planted = Part::Planted.scenario("tcg", 10).unwrap();
        assert_eq!(base.text.replace("\"2000us\"", "\"2400us\""), planted.text);
        assert_eq!((base.boots, planted.boots), (10, 10));
    }
}
