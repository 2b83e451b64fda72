//! The matrix: every combination of a scenario's axes, put into as few boots as hold it.

use super::{CommandLine, Group, OPTIONS, Skipped};
use crate::runner::engine::Engine;
use crate::runner::profile::Profile;
use bringup::options::{Options, Refusal};
use host_analyzer::ground::document::Document;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// More cells than this are a mistake, not a measurement.
pub const MOST_CELLS: usize = 10_000;

/// A value in the file, and where it stands.
#[derive(Clone, Debug)]
pub struct Value<T> {
    /// What it says.
    pub value: T,
    /// Its bytes in the file.
    pub at: Range<usize>,
}

/// One key of `[options]` with all its values.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The option.
    pub key: &'static str,
    /// Its values, as the kernel writes them.
    pub values: Vec<Value<String>>,
    /// Where the key stands.
    pub at: Range<usize>,
}

/// What the file says, each part good by itself.
pub struct Draft {
    /// What executes the kernel.
    pub engines: Vec<Arc<dyn Engine>>,
    /// CPU counts, the BSP counted.
    pub cpus: Vec<Value<u16>>,
    /// An axis like the options; without a profile it has one value, none.
    pub profiles: Vec<Value<Option<Profile>>>,
    /// Boots of the whole.
    pub boots: u32,
    /// How long one boot may take.
    pub boot_limit: Duration,
    /// True where cells that make no sense are left out.
    pub skip_refused: bool,
    /// The options, in the order of the file.
    pub axes: Vec<Axis>,
    /// Where the table of options stands.
    pub options_at: Range<usize>,
}

/// One combination of the axes' values, in the order of the axes.
type Combination<'a> = Vec<(&'a Axis, &'a Value<String>)>;

impl Draft {
    /// Spans the matrix.
    pub fn span(&self, document: &mut Document<'_>) -> (Vec<Group>, Vec<Skipped>) {
        let (common, axes): (Vec<&Axis>, Vec<&Axis>) =
            self.axes.iter().partition(|axis| axis.values.len() == 1);
        let sizes = axes.iter().map(|axis| axis.values.len());
        let cells = sizes
            .clone()
            .chain([self.engines.len(), self.cpus.len(), self.profiles.len()])
            .try_fold(1, usize::checked_mul);
        if cells.is_none_or(|cells| cells > MOST_CELLS) {
            let message = format!("the axes span more than {MOST_CELLS} cells");
            document.mistake(
                self.options_at.clone(),
                OPTIONS,
                &message,
                Some("take values out, or make several scenarios of it"),
            );
            return Default::default();
        }
        let combinations: Vec<Combination<'_>> = combinations(&axes);
        let (mut groups, mut skipped) = (Vec::new(), Vec::new());
        let mut refusals: Vec<(Refusal, Vec<Range<usize>>, BTreeSet<u16>)> = Vec::new();
        for engine in &self.engines {
            for Value { value: smp, .. } in &self.cpus {
                let mut common_words = engine.own_words().to_owned();
                if let [Value { value: Some(profile), .. }] = &self.profiles[..] {
                    common_words = join(&common_words, &profile.words());
                }
                for axis in &common {
                    common_words = join(&common_words, &word(axis.key, &axis.values[0].value));
                }
                let mut cells = Vec::new();
                for (named, combination) in self
                    .profiles
                    .iter()
                    .flat_map(|profile| combinations.iter().map(move |cell| (profile, cell)))
                {
                    let profile = named.value.as_ref();
                    let mut all: Combination<'_> =
                        common.iter().map(|axis| (*axis, &axis.values[0])).collect();
                    all.extend(combination);
                    let costs = profile
                        .filter(|_| self.profiles.len() > 1)
                        .map_or_else(String::new, Profile::words);
                    let words = combination.iter().fold(costs, |words, (axis, value)| {
                        join(&words, &word(axis.key, &value.value))
                    });
                    match options(&**engine, profile, &all).check_on(usize::from(*smp)) {
                        Ok(()) => cells.push((words, profile.map(|profile| profile.name.clone()))),
                        Err(refusal) if self.skip_refused => skipped.push(Skipped {
                            cell: join(
                                &format!("{} with {smp} CPUs:", engine.name()),
                                &join(&common_words, &words),
                            ),
                            refusal: refusal.to_string(),
                        }),
                        Err(refusal) => {
                            let mut spans = concerned(&refusal, &all);
                            if profile.is_some_and(|profile| profile.is_concerned(&refusal)) {
                                spans.push(named.at.clone());
                            }
                            match refusals
                                .iter_mut()
                                .find(|known| (&known.0, &known.1) == (&refusal, &spans))
                            {
                                Some((.., cpus)) => drop(cpus.insert(*smp)),
                                None => refusals.push((refusal, spans, [*smp].into())),
                            }
                        }
                    }
                }
                if cells.is_empty() {
                    continue;
                }
                match command_lines(&common_words, &cells, engine.longest_command_line()) {
                    Ok(command_lines) => {
                        groups.push(Group { engine: Arc::clone(engine), smp: *smp, command_lines })
                    }
                    Err(bytes) => {
                        let message = format!(
                            "a single cell has {bytes} bytes of options, {} passes on at most {}",
                            engine.name(),
                            engine.longest_command_line()
                        );
                        document.mistake(self.options_at.clone(), OPTIONS, &message, None);
                    }
                }
            }
        }
        for (refusal, spans, cpus) in refusals {
            refused(document, &refusal, spans, (cpus.len() < self.cpus.len()).then_some(&cpus));
        }
        if groups.is_empty() && !skipped.is_empty() {
            let message = "every cell is refused, nothing is left to boot";
            document.mistake(
                self.options_at.clone(),
                OPTIONS,
                message,
                Some("without `skip-refused` the reasons are told"),
            );
        }
        (groups, skipped)
    }
}

/// Every combination of the axes' values, the last axis changing fastest; one empty combination
/// without axes.
fn combinations<'a>(axes: &[&'a Axis]) -> Vec<Combination<'a>> {
    axes.iter().fold(vec![Vec::new()], |combinations, axis| {
        combinations
            .iter()
            .flat_map(|combination| {
                axis.values.iter().map(|value| [&combination[..], &[(*axis, value)]].concat())
            })
            .collect()
    })
}

/// The options of a combination whose values are all good.
fn options(
    engine: &dyn Engine,
    profile: Option<&Profile>,
    combination: &Combination<'_>,
) -> Options {
    let mut options = Options::default();
    for word in engine.own_words().split_ascii_whitespace() {
        // An engine's own words are good.
        let _ = options.set_word(word);
    }
    profile.inspect(|profile| profile.apply(&mut options));
    for (axis, value) in combination {
        // Each value was accepted when its key was read.
        let _ = options.set(axis.key, &value.value);
    }
    options
}

/// Where the values stand that a refusal speaks of.
fn concerned(refusal: &Refusal, combination: &Combination<'_>) -> Vec<Range<usize>> {
    let values = combination.iter().filter(|(axis, _)| refusal.concerns(axis.key));
    values.map(|(_, value)| value.at.clone()).collect()
}

/// A cell's own words, and the profile that it was expanded from.
type CellWords = (String, Option<String>);

/// Puts the cells into as few command lines as hold them in order, none longer than `longest`;
/// the length of a cell that fits into none is the error.
fn command_lines(
    common: &str,
    cells: &[CellWords],
    longest: usize,
) -> Result<Vec<CommandLine>, usize> {
    let mut lines: Vec<CommandLine> = Vec::new();
    for (cell, profile) in cells {
        let cell = if cells.len() == 1 { cell.clone() } else { join("cell", cell) };
        match lines.last_mut() {
            Some(line) if line.words.len() + 1 + cell.len() <= longest => {
                line.words = join(&line.words, &cell);
                line.profiles.push(profile.clone());
            }
            _ => {
                let words = join(common, &cell);
                if words.len() > longest {
                    return Err(words.len());
                }
                lines.push(CommandLine { words, profiles: vec![profile.clone()] });
            }
        }
    }
    Ok(lines)
}

/// Tells a combination that is refused, where it stands and with which CPU counts.
fn refused(
    document: &mut Document<'_>,
    refusal: &Refusal,
    spans: Vec<Range<usize>>,
    cpus: Option<&BTreeSet<u16>>,
) {
    let with = cpus.map_or_else(String::new, |cpus| {
        let cpus: Vec<String> = cpus.iter().map(u16::to_string).collect();
        format!(" (with {} CPUs)", cpus.join(", "))
    });
    let help = "take one of the values out, or set `skip-refused = true` to leave such cells out";
    let spans = spans.into_iter().map(|at| (at, "this")).collect();
    document.labelled(OPTIONS, &format!("{refusal}{with}"), Some(help), spans);
}

/// Words and more words, a blank between.
pub fn join(words: &str, more: &str) -> String {
    match (words, more) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{words} {more}"),
    }
}

/// An option as a word of a command line.
pub fn word(key: &str, value: &str) -> String {
    format!("{key}={value}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{HEAD, read};
    use super::*;
    use bringup::Duration as Span;
    use bringup::contract::MAX_COMMAND_LINE;
    use bringup::plan::Plan;

    /// The engines' own words.
    const ICOUNT: &str = "guard=5us tsc-poll=pause tsc-trust=engine";
    const SIM: &str = "tsc-trust=engine";

    fn words(group: &Group) -> Vec<String> {
        group.command_lines.iter().map(|line| line.words.clone()).collect()
    }

    #[test]
    fn a_scenario_spans_the_cross_product_in_the_order_of_the_file() {
        let text = "engine = [\"sim\", \"icount\"]\ncpus = [2, 4]\nboots = 3\nboot-limit = \"90s\"\n[options]\n\
                    wait = [\"spin\", \"halt\"]\nrepetitions = 5\nstrategy = [\"serial\", \"full-parallel\"]\n";
        let scenario = read(text).unwrap();
        assert_eq!((scenario.boots, scenario.boot_limit), (3, Duration::from_secs(90)));
        let groups: Vec<(&str, u16)> =
            scenario.groups.iter().map(|group| (group.engine.name(), group.smp)).collect();
        assert_eq!(groups, [("sim", 2), ("sim", 4), ("icount", 2), ("icount", 4)]);
        let cells = "cell wait=spin strategy=serial cell wait=spin strategy=full-parallel \
                     cell wait=halt strategy=serial cell wait=halt strategy=full-parallel";
        assert_eq!(words(&scenario.groups[0]), [format!("{SIM} repetitions=5 {cells}")]);
        assert_eq!(words(&scenario.groups[3]), [format!("{ICOUNT} repetitions=5 {cells}")]);
    }

    #[test]
    fn without_an_axis_there_is_one_cell() {
        assert_eq!(words(&read(HEAD).unwrap().groups[0]), [SIM]);
        let one =
            read(&format!("{HEAD}[options]\nwait = [\"spin\"]\ninit-delay = 10_000")).unwrap();
        assert_eq!(words(&one.groups[0]), [format!("{SIM} wait=spin init-delay=10000")]);
    }

    #[test]
    fn refused_cells_are_skipped_on_request_and_listed() {
        let text = "engine = \"sim\"\ncpus = [2, 4]\nskip-refused = true\n[options]\n\
                    strategy = [\"serial\", \"full-parallel\"]\nkick = [\"unicast\", \"broadcast\"]\n";
        let scenario = read(text).unwrap();
        assert_eq!(scenario.skipped.len(), 2);
        assert_eq!(
            scenario.skipped[0].cell,
            "sim with 2 CPUs: tsc-trust=engine strategy=serial kick=broadcast"
        );
        assert!(scenario.skipped[0].refusal.contains("a broadcast wakes all APs at once"));
        for group in &scenario.groups {
            assert_eq!(Plan::parse(&group.command_lines[0].words, 4).unwrap().cells().count(), 3);
        }
        let nothing = text
            .replace("[\"serial\", \"full-parallel\"]", "\"serial\"")
            .replace("[\"unicast\", \"broadcast\"]", "\"broadcast\"");
        assert!(read(&nothing).unwrap_err().contains("nothing is left to boot"));
    }

    #[test]
    fn long_matrices_are_shared_out_to_boots_without_losing_a_cell() {
        let windows: Vec<String> = (1..=300).map(|n| format!("\"{n}us\"")).collect();
        let text = format!(
            "engine = \"icount\"\ncpus = 2\n[options]\nwait = \"spin\"\ntsc-window = [{}]\n",
            windows.join(", ")
        );
        let lines = words(&read(&text).unwrap().groups[0]);
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| line.len() <= MAX_COMMAND_LINE
            && line.starts_with(&format!("{ICOUNT} wait=spin cell "))));
        let windows: Vec<Span> = lines
            .iter()
            .flat_map(|line| Plan::parse(line, 2).unwrap().cells().collect::<Vec<_>>())
            .map(|cell| cell.tsc_window)
            .collect();
        assert_eq!(windows, (1..=300).map(|n| Span::Nanos(n * 1000)).collect::<Vec<_>>());
        assert_eq!(words(&read(&text).unwrap().groups[0]), lines);
    }

    #[test]
    fn a_cell_that_fits_into_no_boot_is_refused() {
        let cells = ["b=2", "c=3"].map(|cell| (cell.to_owned(), None));
        let lines = command_lines("a=1", &cells, 12).unwrap();
        assert_eq!(
            lines.iter().map(|line| &line.words).collect::<Vec<_>>(),
            ["a=1 cell b=2", "a=1 cell c=3"]
        );
        assert_eq!(command_lines("a=1", &cells, 11), Err(12));
    }

    #[test]
    fn as_many_cells_as_there_may_be_are_read_at_once() {
        let values = |from: usize, to: usize| {
            let values: Vec<String> = (from..=to).map(|n| n.to_string()).collect();
            values.join(",")
        };
        let good = format!("{HEAD}[options]\ntsc-window = [{}]\n", values(1, 10_000));
        // On the largest machine too: to look at each AP for each cell would take minutes.
        let good = good.replace("[4]", "[4096]");
        let lines = &read(&good).unwrap().groups[0].command_lines;
        assert_eq!(lines.iter().map(|line| line.profiles.len()).sum::<usize>(), 10_000);
        // Each refused for a reason of its own.
        let refused: Vec<String> = (4..1000).map(|cpu| format!("\"never:{cpu}\"")).collect();
        let refused = format!("{HEAD}[options]\nfault = [{}]\n", refused.join(","));
        assert!(read(&refused).unwrap_err().contains("996 mistakes; the first 20"));
        let more = format!("{HEAD}[options]\ncost-kick = [{}]\n", values(0, 10_000));
        let error = read(&more).unwrap_err();
        assert!(
            error.contains("options.cost-kick: this axis has more than 10000 values"),
            "{error}"
        );
    }

    #[test]
    fn a_refusal_of_what_a_profile_sets_is_told_where_the_profile_is_named() {
        let text = format!(
            "{HEAD}profile = [\"none\", \"skylake-96\"]\n[options]\nlimit = \"1ms\"\n\
             tsc-sync = \"trusted\"\n"
        );
        let error = read(&text).unwrap_err();
        assert!(error.starts_with("s.toml:5:9: options: `cost-wake` of 12581579"), "{error}");
        let error = read(&text.replace("limit = \"1ms\"", "stamp-set = \"ends\"")).unwrap_err();
        assert!(error.starts_with("s.toml:5:13: options: stamp-set=ends with cost-*"), "{error}");
        let alone = text.replace("limit = \"1ms\"", "kick = \"broadcast\"");
        assert!(read(&alone).unwrap_err().starts_with("s.toml:5:8: "));
    }

    #[test]
    fn too_many_cells_are_a_mistake() {
        let many: Vec<String> = (1..=200).map(|n| n.to_string()).collect();
        let many = many.join(",");
        let text = format!(
            "{HEAD}[options]\ncost-kick = [{many}]\ncost-wake = [{many}]\ncost-callin = [{many}]\n"
        );
        assert!(read(&text).unwrap_err().contains("more than 10000 cells"));
    }
}
