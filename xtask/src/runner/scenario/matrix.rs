//! The matrix: every combination of a scenario's axes, put into as few boots as hold it.

use super::axis::{MOST_CELLS, Placed};
use super::{CommandLine, Group, OPTIONS, Skipped};
use crate::runner::engine::Engine;
use crate::runner::profile::Profile;
use crate::runner::words::{join, word};
use bringup::options::{Options, Refusal};
use host_analyzer::ground;
use host_analyzer::ground::document::Mistakes;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// One key of `[options]` with all its values.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The option.
    pub key: &'static str,
    /// Its values, as the kernel writes them.
    pub values: Vec<Placed<String>>,
    /// Where the key stands.
    pub at: Range<usize>,
}

/// What the file says, each part good by itself.
pub struct Draft {
    /// What executes the kernel.
    pub engines: Vec<Arc<dyn Engine>>,
    /// CPU counts, the BSP counted.
    pub cpus: Vec<Placed<u16>>,
    /// An axis like the options; without a profile it has one value, none.
    pub profiles: Vec<Placed<Option<Profile>>>,
    /// Boots of the whole.
    pub boots: u32,
    /// True where each cell has boots of its own, and so a cold trial.
    pub cold_each: bool,
    /// How long one boot may take.
    pub boot_limit: Duration,
    /// True where cells that make no sense are left out.
    pub skip_refused: bool,
    /// The options, in the order of the file.
    pub axes: Vec<Axis>,
    /// Where the table of options stands.
    pub options_at: Range<usize>,
}

/// The matrix while it is spanned.
#[derive(Default)]
struct Matrix {
    groups: Vec<Group>,
    skipped: Vec<Skipped>,
    refused: Vec<Refused>,
}

/// A refusal that is a mistake, with the values that it is about.
struct Refused {
    refusal: Refusal,
    spans: Vec<Range<usize>>,
    /// The CPU counts with which it is refused.
    cpus: BTreeSet<u16>,
}

impl Draft {
    /// Spans the matrix.
    pub fn span(&self, mistakes: &Mistakes<'_>) -> (Vec<Group>, Vec<Skipped>) {
        let mistake = |message: &str, help: Option<&str>| {
            mistakes.add(self.options_at.clone(), OPTIONS, message, help);
        };
        let (common, axes): (Vec<&Axis>, Vec<&Axis>) =
            self.axes.iter().partition(|axis| axis.values.len() == 1);
        let sizes = axes.iter().map(|axis| axis.values.len());
        let cells = sizes
            .chain([self.engines.len(), self.cpus.len(), self.profiles.len()])
            .try_fold(1, usize::checked_mul);
        if cells.is_none_or(|cells| cells > MOST_CELLS) {
            let message = format!("the axes span more than {MOST_CELLS} cells");
            mistake(&message, Some("take values out, or make several scenarios of it"));
            return Default::default();
        }
        let combinations = combinations(&axes);
        let mut matrix = Matrix::default();
        for engine in &self.engines {
            for Placed { value: smp, .. } in &self.cpus {
                let words = self.common_words(&**engine, &common);
                let cells = self.cells(engine, *smp, &common, &words, &combinations, &mut matrix);
                if cells.is_empty() {
                    continue;
                }
                let longest = engine.longest_command_line();
                match command_lines(&words, &cells, longest, self.cold_each) {
                    Ok(command_lines) => {
                        let engine = Arc::clone(engine);
                        matrix.groups.push(Group { engine, smp: *smp, command_lines });
                    }
                    Err(bytes) => {
                        let name = engine.name();
                        let message = format!(
                            "a single cell has {bytes} bytes of options, {name} passes on at most \
                             {longest}"
                        );
                        mistake(&message, None);
                    }
                }
            }
        }
        let Matrix { groups, skipped, refused } = matrix;
        refused.into_iter().for_each(|refused| refused.report(self.cpus.len(), mistakes));
        if groups.is_empty() && !skipped.is_empty() {
            let message = "every cell is refused, nothing is left to boot";
            mistake(message, Some("without `skip-refused` the reasons are reported"));
        }
        (groups, skipped)
    }

    /// The words that all cells of an engine have in common.
    fn common_words(&self, engine: &dyn Engine, common: &[&Axis]) -> String {
        let mut words = engine.own_words().to_owned();
        if let [Placed { value: Some(profile), .. }] = &self.profiles[..] {
            words = join(&words, &profile.words());
        }
        for axis in common {
            words = join(&words, &word(axis.key, &axis.values[0].value));
        }
        words
    }

    /// The cells of an engine and CPU count, but those that are refused.
    fn cells(
        &self,
        engine: &Arc<dyn Engine>,
        smp: u16,
        common: &[&Axis],
        common_words: &str,
        combinations: &[Combination<'_>],
        matrix: &mut Matrix,
    ) -> Vec<CellWords> {
        let mut cells = Vec::new();
        let named = self.profiles.iter();
        for (named, combination) in
            named.flat_map(|profile| combinations.iter().map(move |cell| (profile, cell)))
        {
            let profile = named.value.as_ref();
            let mut all: Combination<'_> =
                common.iter().map(|axis| (*axis, &axis.values[0])).collect();
            all.extend(combination);
            let costs = profile
                .filter(|_| self.profiles.len() > 1)
                .map_or_else(String::new, Profile::words);
            let words = combination
                .iter()
                .fold(costs, |words, (axis, value)| join(&words, &word(axis.key, &value.value)));
            match options(&**engine, profile, &all).check_on(usize::from(smp)) {
                Ok(()) => cells.push((words, profile.map(|profile| profile.name.clone()))),
                Err(refusal) if self.skip_refused => matrix.skipped.push(Skipped {
                    cell: join(
                        &format!("{} with {smp} CPUs:", engine.name()),
                        &join(common_words, &words),
                    ),
                    refusal: refusal.to_string(),
                }),
                Err(refusal) => {
                    let mut spans = concerned(&refusal, &all);
                    if profile.is_some_and(|profile| profile.is_concerned(&refusal)) {
                        spans.push(named.at.clone());
                    }
                    matrix.refuse(refusal, spans, smp);
                }
            }
        }
        cells
    }
}

impl Matrix {
    /// Notes a refusal, once for all CPU counts.
    fn refuse(&mut self, refusal: Refusal, spans: Vec<Range<usize>>, smp: u16) {
        let known = self.refused.iter_mut();
        match known.into_iter().find(|one| (&one.refusal, &one.spans) == (&refusal, &spans)) {
            Some(known) => drop(known.cpus.insert(smp)),
            None => self.refused.push(Refused { refusal, spans, cpus: [smp].into() }),
        }
    }
}

impl Refused {
    /// Reports the combination where it stands, with the CPU counts where others are accepted.
    fn report(self, all_cpus: usize, mistakes: &Mistakes<'_>) {
        let with = if self.cpus.len() < all_cpus {
            let cpus: Vec<String> = self.cpus.iter().map(u16::to_string).collect();
            format!(" (with {} CPUs)", cpus.join(", "))
        } else {
            String::new()
        };
        let help =
            "take one of the values out, or set `skip-refused = true` to leave such cells out";
        let spans = self.spans.into_iter().map(|at| (at, "this")).collect();
        mistakes.add_at(spans, OPTIONS, &format!("{}{with}", self.refusal), Some(help));
    }
}

/// One combination of the axes' values, in the order of the axes.
type Combination<'a> = Vec<(&'a Axis, &'a Placed<String>)>;

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
    // An engine's own words are good.
    let mut options = ground::options::options(engine.own_words()).unwrap_or_default();
    profile.inspect(|profile| profile.apply(&mut options));
    for (axis, value) in combination {
        // Each value was accepted when its key was read.
        let _ = options.set(axis.key, &value.value);
    }
    options
}

/// Where the values stand that a refusal is about.
fn concerned(refusal: &Refusal, combination: &Combination<'_>) -> Vec<Range<usize>> {
    let values = combination.iter().filter(|(axis, _)| refusal.concerns(axis.key));
    values.map(|(_, value)| value.at.clone()).collect()
}

/// A cell's own words, and the profile that it was expanded from.
type CellWords = (String, Option<String>);

/// Puts the cells into as few command lines as hold them in order, or each into one of its own, none longer
/// than `longest`; the length of a cell that fits into none is the error.
fn command_lines(
    common: &str,
    cells: &[CellWords],
    longest: usize,
    each: bool,
) -> Result<Vec<CommandLine>, usize> {
    let mut lines: Vec<CommandLine> = Vec::new();
    for (cell, profile) in cells {
        let cell = if cells.len() == 1 { cell.clone() } else { join("cell", cell) };
        match lines.last_mut() {
            Some(line) if !each && line.words.len() + 1 + cell.len() <= longest => {
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
