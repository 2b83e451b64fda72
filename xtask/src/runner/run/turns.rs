//! The order of all boots.

use crate::runner::boot::{Order, Outcome, boot};
use crate::runner::interrupt;
use crate::runner::kernel::Kernel;
use crate::runner::progress::Progress;
use crate::runner::scenario::{CommandLine, Group, Scenario};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::text::counted;
use std::path::Path;

/// One boot among those of all scenarios.
pub struct Turn<'s> {
    /// Whose it is: an index of the scenarios.
    pub run: usize,
    /// The scenario.
    pub scenario: &'s Scenario,
    /// Engine and CPU count.
    pub group: &'s Group,
    /// Which boot of its group: 1, 2, …
    pub number: u32,
    /// Which repetition of the scenario's boots: 0, 1, …
    pub repetition: u32,
    /// What it measures, in the order of the scenario.
    pub line: &'s CommandLine,
}

impl Turn<'_> {
    /// Boots once, into that folder of a run.
    pub fn boot(
        &self,
        folder: &Path,
        kernel: Option<&Kernel>,
        progress: &Progress,
    ) -> Result<Outcome, Failure> {
        interrupt::check()?;
        let Turn { scenario, group, number, .. } = *self;
        let line = self.ordered();
        let order = Order {
            engine: &*group.engine,
            kernel: kernel.map(|kernel| kernel.path.as_path()),
            smp: group.smp,
            number,
            command_line: &line.words,
            profiles: &line.profiles,
            folder,
            limit: scenario.boot_limit,
        };
        let all =
            scenario.boots_of(group) + scenario.boots_before() as usize * group.command_lines.len();
        let of = if all == 1 { String::new() } else { format!(", boot {number} of {all}") };
        let cpus = counted(group.smp.into(), "CPU");
        let mut shown = progress.boot(format!("{} with {cpus}{of}", group.engine.name()));
        let outcome = boot(&order, |frame| shown.frame(frame))?;
        shown.over(outcome.record.seconds);
        Ok(outcome)
    }

    /// What it measures, in its own order. On a noisy engine each cell is the first in its turn, and has the
    /// cold trial then; an exact one would give the same again.
    pub fn ordered(&self) -> CommandLine {
        match self.group.engine.exact() {
            true => self.line.clone(),
            false => self.line.beginning_with(self.repetition as usize),
        }
    }
}

/// Every boot, in the order in which they run: those of exact engines first, which may run side by side. Then
/// all of a repetition before the next one, and in it one CPU count after the other, whose engines take turns: so
/// what the host does in the meantime hits all engines alike.
pub fn turns<'s>(scenarios: &[&'s Scenario]) -> Vec<Turn<'s>> {
    let groups = || {
        let of = |(run, scenario): (usize, &&'s Scenario)| {
            let scenario: &'s Scenario = scenario;
            scenario.groups.iter().map(move |group| (run, scenario, group))
        };
        scenarios.iter().enumerate().flat_map(of)
    };
    let mut counts: Vec<u16> = Vec::new();
    for (.., group) in groups() {
        if !counts.contains(&group.smp) {
            counts.push(group.smp);
        }
    }
    let most = scenarios.iter().map(|scenario| scenario.boots).max().unwrap_or(0);
    let lines = groups().map(|(.., group)| group.command_lines.len()).max().unwrap_or(0);
    let mut turns = Vec::new();
    for repetition in 0..most {
        for smp in &counts {
            for line in 0..lines {
                let due = groups().filter(|(_, scenario, group)| {
                    group.smp == *smp && repetition < scenario.boots
                });
                turns.extend(due.filter_map(|(run, scenario, group)| {
                    let repetition = scenario.boots_before() + repetition;
                    let number = repetition * group.command_lines.len() as u32 + line as u32 + 1;
                    let line = group.command_lines.get(line)?;
                    Some(Turn { run, scenario, group, number, repetition, line })
                }));
            }
        }
    }
    turns.sort_by_key(|turn| !turn.group.engine.exact());
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::profile::Profiles;
    use std::path::Path;

    fn scenario(text: &str) -> Scenario {
        Scenario::parse("s", Path::new("s.toml"), text, &Profiles::default()).unwrap()
    }

    /// Each boot as scenario, engine, CPU count and number.
    fn order(scenarios: &[&Scenario]) -> Vec<String> {
        let name = |turn: Turn<'_>| {
            let Turn { run, group, number, .. } = turn;
            format!("{run} {}-{}-{number}", group.engine.name(), group.smp)
        };
        turns(scenarios).into_iter().map(name).collect()
    }

    #[test]
    fn exact_engines_come_first_and_noisy_ones_take_turns_within_a_cpu_count_and_that_within_a_repetition()
     {
        let two = scenario("engine = [\"tcg\", \"sim\", \"kvm\"]\ncpus = [4, 2]\nboots = 2\n");
        let exact = ["0 sim-4-1", "0 sim-2-1", "0 sim-4-2", "0 sim-2-2"];
        let once = ["0 tcg-4-1", "0 kvm-4-1", "0 tcg-2-1", "0 kvm-2-1"];
        let again = ["0 tcg-4-2", "0 kvm-4-2", "0 tcg-2-2", "0 kvm-2-2"];
        assert_eq!(order(&[&two]), [exact, once, again].concat());
    }

    #[test]
    fn on_noisy_engines_alone_each_cell_is_the_first_in_its_turn() {
        let text = "engine = [\"icount\", \"tcg\"]\ncpus = 2\nboots = 3\n[options]\nkick = [\"unicast\", \"broadcast\"]\n\
                    strategy = \"full-parallel\"";
        let scenario = scenario(text);
        let first = |turn: Turn<'_>| {
            let words = turn.ordered().words;
            let unicast =
                words.find("kick=unicast").unwrap() < words.find("kick=broadcast").unwrap();
            (turn.group.engine.exact(), unicast)
        };
        let firsts: Vec<(bool, bool)> = turns(&[&scenario]).into_iter().map(first).collect();
        let noisy = [true, false, true].map(|unicast| (false, unicast));
        assert_eq!(firsts, [[(true, true); 3], noisy].concat());
    }

    #[test]
    fn scenarios_take_turns_until_each_has_its_boots() {
        let (more, fewer) = ("engine = \"sim\"\ncpus = 2\nboots = 3", "engine = \"sim\"\ncpus = 2");
        assert_eq!(
            order(&[&scenario(more), &scenario(fewer)]),
            ["0 sim-2-1", "1 sim-2-1", "0 sim-2-2", "0 sim-2-3"]
        );
    }

    #[test]
    fn a_matrix_of_several_command_lines_is_booted_whole_before_it_is_repeated() {
        let windows: Vec<String> = (1..=300).map(|n| format!("\"{n}us\"")).collect();
        let text = format!(
            "engine = [\"icount\", \"sim\"]\ncpus = 2\nboots = 2\n[options]\ntsc-window = [{}]\n",
            windows.join(", ")
        );
        let scenario = scenario(&text);
        let lines: Vec<usize> =
            scenario.groups.iter().map(|group| group.command_lines.len()).collect();
        assert!(lines[0] > 1 && lines[1] == 1, "{lines:?}");
        let mut expected = Vec::new();
        for repetition in 0..2 {
            for line in 1..=lines[0] {
                expected.push(format!("0 icount-2-{}", repetition * lines[0] + line));
                if line == 1 {
                    expected.push(format!("0 sim-2-{}", repetition + 1));
                }
            }
        }
        assert_eq!(order(&[&scenario]), expected);
    }
}
