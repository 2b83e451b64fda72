//! The result of the experiment: the raw summary, and a table for people.

use super::pair::{Change, Pair, Round};
use super::plan::{BASE_US, Extent, PLANTED, PLANTED_PERCENT, PLANTED_US};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::{make_folder, write_whole};
use host_analyzer::ground::manifest::Manifest;
use host_analyzer::judge::statistics::{Interval, share_interval};
use miette::miette;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// False changes are allowed in so many of a hundred comparisons.
const MOST_FALSE: usize = 5;

/// Planted slow-downs must be found in so many of a hundred pairs.
const LEAST_FOUND: usize = 95;

/// Everything that was compared, and on what.
#[derive(Clone, Debug)]
pub struct Summary<'e> {
    /// The size of the experiment.
    pub extent: Extent<'e>,
    /// The comparisons of each pair.
    pub pairs: Vec<Pair>,
    /// Kernel, engine and host, as the first run states them.
    pub about: Manifest,
    /// How long it all took.
    pub seconds: f64,
}

impl Summary<'_> {
    /// Comparisons of the base with itself that reported a change.
    pub fn false_comparisons(&self) -> usize {
        self.pairs.iter().filter(|pair| !pair.false_changes.is_empty()).count()
    }

    /// Pairs whose planted slow-down was found.
    pub fn found(&self) -> usize {
        self.pairs.iter().filter(|pair| pair.found()).count()
    }

    /// Fails with [`Failure::Verdict`] where more than 5 % of the comparisons reported a false change,
    /// or fewer than 95 % of the planted slow-downs were found.
    pub fn verdict(&self) -> Result<(), Failure> {
        let of = self.pairs.len();
        let (wrong, found) = (self.false_comparisons(), self.found());
        if wrong * 100 > MOST_FALSE * of {
            return Err(Failure::Verdict(miette!(
                "{wrong} of {of} comparisons of equal things reported a change, more than {MOST_FALSE} %"
            )));
        }
        if found * 100 < LEAST_FOUND * of {
            return Err(Failure::Verdict(miette!(
                "{found} of {of} planted slow-downs were found, less than {LEAST_FOUND} %"
            )));
        }
        Ok(())
    }

    /// Writes `summary.json` and `summary.md` into a folder, which is made where it is missing.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        make_folder(folder)?;
        let json = format!("{:#}\n", self.json());
        write_whole(&folder.join("summary.json"), json.as_bytes())?;
        write_whole(&folder.join("summary.md"), self.markdown().as_bytes())
    }

    /// Everything, as `summary.json` has it.
    pub fn json(&self) -> Value {
        let boot = self.about.boots.first();
        let pairs = self.pairs.iter().map(|pair| {
            json!({
                "false_changes": pair.false_changes.iter().map(change).collect::<Vec<_>>(),
                "found": pair.found(),
                "rounds": pair.rounds.iter().map(round).collect::<Vec<_>>(),
            })
        });
        json!({
            "schema": 1,
            "started": self.about.started,
            "seconds": self.seconds,
            "host": self.about.host,
            "kernel": self.about.kernel,
            "engine": boot.map(|boot| &boot.engine),
            "engine_version": boot.map(|boot| &boot.engine_version),
            "scenario": self.about.scenario_text,
            "boots": self.extent.boots,
            "planted": { "phase": PLANTED.name(), "percent": PLANTED_PERCENT },
            "false_comparisons": self.false_comparisons(),
            "false_interval": ends(self.false_comparisons(), self.pairs.len()),
            "found": self.found(),
            "found_interval": ends(self.found(), self.pairs.len()),
            "pairs": pairs.collect::<Vec<_>>(),
        })
    }

    /// The table, with what stands behind it.
    pub fn markdown(&self) -> String {
        let of = self.pairs.len();
        let (wrong, found) = (self.false_comparisons(), self.found());
        let percent = |part: usize| 100.0 * part as f64 / of.max(1) as f64;
        let mut text = format!(
            "# Can `compare` be trusted on a noisy engine?\n\n\
             | | comparisons | | 95 % interval | allowed |\n|---|---:|---:|---:|---:|\n\
             | equal things, reported as different | {of} | {wrong} ({:.1} %) | {} | at most {MOST_FALSE} % |\n\
             | {PLANTED_PERCENT} % planted in `{}`, found | {of} | {found} ({:.1} %) | {} | at least {LEAST_FOUND} % |\n",
            percent(wrong),
            interval(wrong, of),
            PLANTED.name(),
            percent(found),
            interval(found, of),
        );
        text += &format!(
            "\nThe intervals are exact (Clopper and Pearson). Each run has {} boots of each cell, those of a pair in turn. All figures \
             take part, also those of the cold trials and of the host's clock. The planted slow-down makes {} µs into {}, and \
             counts as found when `{}` is reported as slower in every cell, with the boots that the comparison \
             asks for: {}.\n",
            self.extent.boots,
            BASE_US,
            PLANTED_US,
            PLANTED.name(),
            self.boots_needed(),
        );
        for (number, pair) in
            (1..).zip(&self.pairs).filter(|(_, pair)| !pair.false_changes.is_empty())
        {
            // Writing to a string does not fail.
            let _ = write!(text, "\nPair {number} reported a change where there is none: ");
            let changes: Vec<String> = pair.false_changes.iter().map(in_words).collect();
            text += &format!("{}.\n", changes.join("; "));
        }
        let boot = self.about.boots.first();
        text += &format!(
            "\n{}; {} on {} CPUs of {}; kernel {}; {:.0} minutes. `cargo xtask experiment` regenerates it; every \
             figure is in [summary.json](summary.json).\n\n```toml\n{}```\n",
            self.about.started,
            boot.map_or("", |boot| &boot.engine_version),
            self.about.host.cpus,
            self.about.host.cpu,
            self.about.kernel.as_ref().map_or("none", |kernel| &kernel.sha256[..12]),
            self.seconds / 60.0,
            self.about.scenario_text,
        );
        text
    }

    /// How many boots it took to find the planted slow-downs, as `10 boots 38 times, 14 boots 2 times`.
    fn boots_needed(&self) -> String {
        let mut needed: BTreeMap<u32, usize> = BTreeMap::new();
        for round in
            self.pairs.iter().filter(|pair| pair.found()).filter_map(|pair| pair.rounds.last())
        {
            *needed.entry(round.boots).or_default() += 1;
        }
        let needed: Vec<String> =
            needed.iter().map(|(boots, times)| format!("{boots} boots {times} times")).collect();
        if needed.is_empty() { "never".to_owned() } else { needed.join(", ") }
    }
}

/// Where the true share lies with 95 %, given so many of all.
fn ends(part: usize, of: usize) -> [f64; 2] {
    let Interval { low, high } = share_interval(part as u64, of as u64);
    [low, high]
}

/// The same as text: `0.0 to 8.8 %`.
fn interval(part: usize, of: usize) -> String {
    let [low, high] = ends(part, of);
    format!("{:.1} to {:.1} %", 100.0 * low, 100.0 * high)
}

fn round(round: &Round) -> Value {
    json!({
        "boots": round.boots,
        "planted": round.planted.iter().map(change).collect::<Vec<_>>(),
        "other_changes": round.others.iter().map(change).collect::<Vec<_>>(),
    })
}

fn change(change: &Change) -> Value {
    let figure = &change.figure;
    json!({
        "cell": change.cell,
        "figure": figure.measure.name(),
        "base": figure.base,
        "new": figure.new,
        "difference": figure.difference,
        "low": figure.interval.map(|interval| interval.low),
        "high": figure.interval.map(|interval| interval.high),
        "p": figure.p,
        "verdict": figure.verdict.name(),
    })
}

fn in_words(change: &Change) -> String {
    let Change { cell, figure } = change;
    let share =
        figure.share().map_or(String::new(), |share| format!(" by {:.1} %", 100.0 * share.abs()));
    format!("{cell}: `{}` {}{share}", figure.measure.name(), figure.verdict.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_analyzer::judge::compare::{MetricPair, MetricVerdict};

    /// So many pairs, some of which report a false change, and some miss what was planted.
    fn summary(of: usize, wrong: usize, missed: usize) -> Summary<'static> {
        let change = |verdict| Change {
            cell: "tcg, 4 CPUs, serial".to_owned(),
            figure: MetricPair {
                measure: PLANTED,
                base: 100.0,
                new: 150.0,
                difference: 50.0,
                interval: None,
                effect: None,
                p: Some(0.01),
                verdict,
                moved: Vec::new(),
            },
        };
        let pair = |number| {
            let found = if number < missed { MetricVerdict::Same } else { MetricVerdict::Slower };
            let round = Round { boots: 10, planted: vec![change(found)], others: Vec::new() };
            let false_changes = (number < wrong).then(|| change(MetricVerdict::Slower));
            Pair { false_changes: false_changes.into_iter().collect(), rounds: vec![round] }
        };
        let about = serde_json::json!({
            "schema": 1, "scenario": "experiment-base", "scenario_text": "engine = \"tcg\"\n",
            "started": "2026-11-25T16:18:49Z", "boots": [],
            "host": { "cpu": "some", "cpus": 2, "os": "any" },
        });
        Summary {
            extent: Extent { engine: "tcg", pairs: of as u32, boots: 10 },
            pairs: (0..of).map(pair).collect(),
            about: serde_json::from_value(about).unwrap(),
            seconds: 90.0,
        }
    }

    #[test]
    fn five_false_in_a_hundred_are_allowed_and_five_missed() {
        assert!(summary(40, 2, 2).verdict().is_ok());
        for (wrong, missed) in [(3, 0), (0, 3)] {
            let failure = summary(40, wrong, missed).verdict().unwrap_err();
            assert!(matches!(failure, Failure::Verdict(_)), "{failure:?}");
        }
        assert!(summary(1, 1, 0).verdict().is_err() && summary(1, 0, 1).verdict().is_err());
    }

    #[test]
    fn the_table_counts_and_names_what_was_false() {
        let text = summary(40, 2, 1).markdown();
        for part in [
            "| equal things, reported as different | 40 | 2 (5.0 %) | 0.6 to 16.9 % | at most 5 % |",
            "| 20 % planted in `callin`, found | 40 | 39 (97.5 %) | 86.8 to 99.9 % | at least 95 % |",
            "10 boots 39 times",
            "Pair 2 reported a change where there is none: tcg, 4 CPUs, serial: `callin` slower by 50.0 %.",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
