//! What a comparison comes to, in sentences.

use super::figures::Row;
use crate::ground::text::{list, printable};
use crate::judge::compare::{Comparison, MetricVerdict};
use crate::run::{Cell, Run};

/// What the comparison comes to, in a sentence or two.
pub fn headline(comparison: &Comparison<'_>) -> String {
    let all = comparison.figures().count();
    let [slower, faster, same] =
        [MetricVerdict::Slower, MetricVerdict::Faster, MetricVerdict::Same]
            .map(|wanted| comparison.count(|verdict| verdict == wanted));
    let unknown = all - slower - faster - same;
    let mut text = match (slower, faster) {
        (0, 0) if unknown == 0 => format!("Nothing moved: all {all} figures are the same."),
        (0, 0) => format!("No change found in {all} figures."),
        (slower, 0) => format!("{slower} of {all} figures {} slower.", are(slower)),
        (0, faster) => format!("{faster} of {all} figures {} faster.", are(faster)),
        (slower, faster) => {
            format!("{slower} of {all} figures {} slower, {faster} faster.", are(slower))
        }
    };
    if let Some((cell, figure)) = comparison.greatest() {
        let row = Row::of(cell, figure, 1.0);
        text += &format!(
            " The largest change is {} of {}: {} → {}, {}.",
            row.figure(),
            row.cell,
            row.base,
            row.new,
            row.change
        );
    }
    if unknown > 0 {
        text += &format!(" {unknown} can't be decided");
        let needs: Option<Vec<u32>> = comparison
            .figures()
            .filter_map(|(_, figure)| match figure.verdict {
                MetricVerdict::CantTell { more_boots } => Some(more_boots),
                _ => None,
            })
            .collect();
        text += &match needs.and_then(|needs| needs.into_iter().max()) {
            Some(more) => format!(": {more} more boots of each run would be enough."),
            None => ", some not even with 200 boots.".to_owned(),
        };
    }
    text
}

pub fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// How it was compared, in a sentence.
pub fn method(comparison: &Comparison<'_>) -> String {
    let mut text = Vec::new();
    if comparison.cells.iter().any(|cell| cell.exact) {
        text.push("Exact engines: medians over the trials, a cycle is a difference.".to_owned());
    }
    if comparison.cells.iter().any(|cell| !cell.exact) {
        text.push(format!(
            "Noisy engines: the medians of the boots are ranked (Mann-Whitney, two-sided); the {} figures are one \
             family (Holm, 5 %); intervals resample boots, 95 % each; less than {} % of the base does not matter; \
             effect is Cliff's delta.",
            comparison.family,
            comparison.settings.margin * 100.0,
        ));
    }
    text.join(" ")
}

/// Where a run is from, in a few words.
pub fn origin(run: &Run) -> String {
    let path = run.path.display();
    let text = match &run.manifest {
        None => format!("{path} (a capture)"),
        Some(manifest) => {
            let revision =
                manifest.kernel.as_ref().and_then(|kernel| kernel.git_revision.as_deref());
            let revision =
                revision.map_or(String::new(), |revision| format!(", {}", short(revision)));
            format!("{path} ({}, {}{revision})", manifest.scenario, manifest.started)
        }
    };
    printable(&text)
}

/// A revision as git shortens it, with its `-dirty`.
fn short(revision: &str) -> String {
    let (hash, rest) = revision.split_once('-').unwrap_or((revision, ""));
    let hash: String = hash.chars().take(12).collect();
    if rest.is_empty() { hash } else { format!("{hash}-{rest}") }
}

/// The cells that only one of the runs has, a sentence for each run.
fn alone(comparison: &Comparison<'_>) -> Vec<String> {
    let sides = [
        ("the base", comparison.base, &comparison.base_alone),
        ("the new run", comparison.new, &comparison.new_alone),
    ];
    let sentence = |(which, run, cells): &(&str, &Run, &Vec<&Cell>)| {
        let varying = run.varying_options();
        let labels: Vec<String> = cells.iter().map(|cell| cell.label(&varying)).collect();
        (!labels.is_empty()).then(|| format!("only {which} has {}", labels.join("; ")))
    };
    sides.iter().filter_map(sentence).collect()
}

/// What the reader must know: which run is not whole, the notes, and the cells without a partner.
pub fn remarks(comparison: &Comparison<'_>) -> Vec<String> {
    let notes = comparison.notes.iter().cloned();
    not_whole(comparison).into_iter().chain(notes).chain(alone(comparison)).collect()
}

/// A sentence for each run that lacks something.
fn not_whole(comparison: &Comparison<'_>) -> Vec<String> {
    let sides = [("the base", comparison.base), ("the new run", comparison.new)];
    let sentence = |(which, run): (&str, &Run)| {
        let varying = run.varying_options();
        let gaps = run.gaps.iter().map(|gap| run.sentence(gap.part, &varying, &gap.what));
        (!run.gaps.is_empty()).then(|| format!("{which} is not whole: {}", list(gaps)))
    };
    sides.into_iter().filter_map(sentence).collect()
}

/// The runs' own warnings, each with whose it is.
pub fn warnings(comparison: &Comparison<'_>) -> Vec<String> {
    let runs = [("base", comparison.base), ("new", comparison.new)].into_iter();
    let of = |(which, run): (&str, &Run)| {
        let warnings = run.warnings().into_iter().map(move |warning| format!("{which}: {warning}"));
        warnings.collect::<Vec<_>>()
    };
    runs.flat_map(of).collect()
}
