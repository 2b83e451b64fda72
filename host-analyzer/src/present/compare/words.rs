//! What a comparison comes to, in sentences.

use super::figures::{Row, Whose};
use crate::ground::text::{counted, list, printable};
use crate::judge::compare::{Boots, CellPair, Comparison, MetricPair, MetricVerdict};
use crate::judge::origins::VIRTUAL_TIME;
use crate::judge::statistics::fewest_boots;
use crate::run::measure::Measure;
use crate::run::{Cell, Run};

/// One of the two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The older.
    Base,
    /// The newer.
    New,
}

/// What the comparison comes to: what is compared, which totals changed and why, and what the boots can't tell.
pub fn headline(comparison: &Comparison<'_>) -> String {
    let blind = comparison.boots.filter(|boots| !boots.can_find);
    let mut sentences: Vec<String> = subject(comparison).into_iter().collect();
    let exact = comparison.cells.iter().any(|cell| cell.exact);
    if comparison.figures().next().is_some() && (blind.is_none() || exact) {
        sentences.push(changes(comparison));
    }
    sentences.extend(on_host(comparison));
    sentences.extend(match blind {
        Some(boots) => Some(nothing_yet(comparison, boots)),
        None => undecided(comparison),
    });
    sentences.join(" ")
}

/// What is compared, where it is more than two runs of one program.
fn subject(comparison: &Comparison<'_>) -> Option<String> {
    match (&comparison.settings.engines, &comparison.programs) {
        (Some((base, new)), _) => {
            Some(format!("Two engines are compared, {} and {}.", printable(base), printable(new)))
        }
        (None, Some(what)) => Some(format!("Two programs are compared: the {what} differ.")),
        (None, None) => None,
    }
}

/// Which totals changed, and the greatest of these changes; other figures where no total did.
fn changes(comparison: &Comparison<'_>) -> String {
    let all = comparison.figures().count();
    if comparison.count(|verdict| verdict == MetricVerdict::Same) == all {
        return format!("Nothing moved{}: all {all} figures are the same.", beyond(comparison));
    }
    if comparison.count(MetricVerdict::is_change) == 0 {
        return format!("No change found in {}.", counted(all as u64, "figure"));
    }
    let is_total = |(_, figure): &(&CellPair<'_>, &MetricPair)| figure.measure == Measure::Total;
    let totals: Vec<_> = comparison.figures().filter(is_total).collect();
    let others: Vec<_> = comparison.figures().filter(|figure| !is_total(figure)).collect();
    let is_change = |figures: &[(&CellPair<'_>, &MetricPair)]| {
        figures.iter().any(|(_, figure)| figure.verdict.is_change())
    };
    let (mut text, figures, noun) = match (totals.is_empty(), is_change(&totals)) {
        (_, true) => (String::new(), totals, "total"),
        (true, _) => (String::new(), others, "figure"),
        (false, _) => {
            let but = format!("No total changed{}, but other figures did: ", beyond(comparison));
            (but, others, "figure")
        }
    };
    text += &count(&figures, noun);
    let changed = figures.iter().filter(|(_, figure)| figure.verdict.is_change());
    // The cells are in the order of their totals.
    let greatest = match noun {
        "total" => changed.take(1).next(),
        _ => changed
            .max_by(|(_, one), (_, other)| one.difference.abs().total_cmp(&other.difference.abs())),
    };
    if let Some((cell, figure)) = greatest {
        let whose = Whose::cell(cell);
        let row = Row::of(&whose, figure.measure.name(), figure, 1.0);
        let Row { figure: name, cell: label, base, new, change, .. } = row;
        text += &format!(" The largest change is {name} of {label}: {base} → {new}, {change}");
        if let Some(cause) = cell.causes.first().filter(|_| noun == "total") {
            let difference = whose.signed(cause.difference());
            text += &format!("; on the critical path {} {difference}", cause.part.name());
        }
        text += ".";
    }
    text
}

/// The greatest change of an engine's own start or end, which are in no total. Without a change nothing is said, unless
/// nothing else is compared.
fn on_host(comparison: &Comparison<'_>) -> Option<String> {
    let figures: Vec<_> = comparison.host_figures().collect();
    let changed = figures.iter().filter(|(_, figure)| figure.verdict.is_change());
    let greatest = changed
        .max_by(|(_, one), (_, other)| one.difference.abs().total_cmp(&other.difference.abs()));
    if let Some((host, figure)) = greatest {
        let row = Row::of(&Whose::host(host), figure.measure.name(), figure, 1.0);
        let Row { figure, cell, base, new, change, .. } = row;
        return Some(format!(
            "On the host's clock {figure} of {cell} changed: {base} → {new}, {change}."
        ));
    }
    // What can't be found yet is said elsewhere.
    let blind = comparison.boots.is_some_and(|boots| !boots.can_find);
    if blind || comparison.figures().next().is_some() {
        return None;
    }
    let all = counted(figures.len() as u64, "figure");
    let are = are(figures.len());
    Some(match figures.iter().all(|(_, figure)| figure.verdict == MetricVerdict::Same) {
        true => format!("Nothing moved{}: {all} {are} the same.", beyond(comparison)),
        false => format!("No change found in {all}."),
    })
}

/// The margin that was asked for.
fn beyond(comparison: &Comparison<'_>) -> String {
    let margin = comparison.settings.margin;
    margin.map_or(String::new(), |margin| format!(" by more than {} %", percent(margin)))
}

/// A margin in percent, to a millionth: a share of 0.0099 is not quite 0.99 %.
fn percent(margin: f64) -> f64 {
    (margin * 1e8).round() / 1e6
}

/// How many of the figures are slower and faster.
fn count(figures: &[(&CellPair<'_>, &MetricPair)], noun: &str) -> String {
    let of = |wanted| figures.iter().filter(|(_, figure)| figure.verdict == wanted).count();
    let all = counted(figures.len() as u64, noun);
    match (of(MetricVerdict::Slower), of(MetricVerdict::Faster)) {
        (slower, 0) => format!("{slower} of {all} {} slower.", are(slower)),
        (0, faster) => format!("{faster} of {all} {} faster.", are(faster)),
        (slower, faster) => format!("{slower} of {all} {} slower, {faster} faster.", are(slower)),
    }
}

/// So few boots find nothing, however great it is.
fn nothing_yet(comparison: &Comparison<'_>, boots: Boots) -> String {
    let Boots { have, enough, .. } = boots;
    let noisy = comparison.cells.iter().filter(|cell| !cell.exact).count();
    let fewer = match fewest_boots(noisy) <= have && noisy < comparison.family {
        true => "; or compare fewer figures, as `--figures total`",
        false => "",
    };
    format!(
        "No change can be found {}: {} of each run can't tell {} apart, {enough} can (`boots = {enough}`{}){fewer}.",
        if noisy == comparison.cells.len() { "yet" } else { "on noisy engines yet" },
        counted(have as u64, "boot"),
        counted(comparison.family as u64, "figure"),
        time(boots, enough).map_or(String::new(), |time| format!(", {time} for each run")),
    )
}

/// How many figures can't be decided, and how many more boots would do.
fn undecided(comparison: &Comparison<'_>) -> Option<String> {
    let need = |verdict, p: Option<f64>| match verdict {
        MetricVerdict::CantTell { more_boots } => p.map(|_| more_boots),
        _ => None,
    };
    let of_cells = comparison.figures().filter_map(|(_, figure)| need(figure.verdict, figure.p));
    let of_hosts = comparison.host_figures();
    let of_hosts = of_hosts.filter_map(|(_, figure)| need(figure.verdict, figure.p));
    let needs: Vec<Option<u32>> = of_cells.chain(of_hosts).collect();
    let most = needs.iter().copied().collect::<Option<Vec<u32>>>();
    let enough = match most {
        Some(needs) => {
            let more = *needs.iter().max()?;
            let time = comparison.boots.and_then(|boots| time(boots, more as usize));
            let time = time.map_or(String::new(), |time| format!(", {time} for each,"));
            format!("{more} more boots of each run{time} would be enough")
        }
        None => "some not even with 200 boots".to_owned(),
    };
    Some(format!("{} can't be decided: {enough}.", counted(needs.len() as u64, "figure")))
}

/// How long so many boots take: `about 2 minutes`.
fn time(boots: Boots, count: usize) -> Option<String> {
    let seconds = boots.seconds? * count as f64;
    Some(match seconds / 60.0 {
        minutes @ 1.0.. => format!("about {}", counted(minutes.round() as u64, "minute")),
        _ => "less than a minute".to_owned(),
    })
}

pub fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// How it was compared, in a few sentences.
pub fn method(comparison: &Comparison<'_>) -> String {
    let settings = &comparison.settings;
    let percent = |exact| percent(settings.margin_of(exact));
    let mut text = Vec::new();
    if comparison.cells.iter().any(|cell| cell.exact) {
        text.push(match percent(true) {
            0.0 => "Exact engines: medians over the trials, a cycle is a difference.".to_owned(),
            percent => format!(
                "Exact engines: medians over the trials; up to {percent} % of the base does not matter, nor what \
                 moves the total by no more than that, even if it comes once for each AP."
            ),
        });
        text.push(VIRTUAL_TIME.to_owned());
    }
    if comparison.cells.iter().any(|cell| !cell.exact) {
        text.push(format!(
            "Noisy engines: every boot counts once, by its median; change is the median of the differences \
             of all pairs of boots (Hodges-Lehmann), with its 95 % interval; effect is Cliff's delta. A change \
             needs an interval without 0, and a rank test (Mann-Whitney, two-sided) that finds it at 5 % with \
             {} as one family (Holm). Same: the interval lies within {} % of the base.",
            counted(comparison.family as u64, "figure"),
            percent(false),
        ));
    }
    if comparison.cells.iter().any(|cell| !cell.causes.is_empty()) {
        text.push(
            "Path: the parts of the critical path, whose differences add up to that of the total; of noisy \
             engines means over the median trial of each boot."
                .to_owned(),
        );
    }
    text.join(" ")
}

/// Where a run is from, in a few words.
pub fn origin(comparison: &Comparison<'_>, side: Side) -> String {
    let engines = comparison.settings.engines.as_ref();
    let (run, engine) = match side {
        Side::Base => (comparison.base, engines.map(|(base, _)| base)),
        Side::New => (comparison.new, engines.map(|(_, new)| new)),
    };
    let path = run.path.display();
    let engine = engine.map_or(String::new(), |engine| format!(", engine {engine}"));
    let text = match &run.manifest {
        None => format!("{path} (a capture){engine}"),
        Some(manifest) => {
            let revision =
                manifest.kernel.as_ref().and_then(|kernel| kernel.git_revision.as_deref());
            let revision =
                revision.map_or(String::new(), |revision| format!(", {}", short(revision)));
            format!("{path} ({}, {}{revision}){engine}", manifest.scenario, manifest.started)
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

/// The runs' own warnings, of what takes part in the comparison: whose they are, and each once.
pub fn warnings_by_run<'a>(
    comparison: &Comparison<'a>,
) -> Vec<(&'static str, &'a Run, Vec<String>)> {
    let takes_part = |cell: &Cell, of: fn(&CellPair<'a>) -> &'a Cell| {
        comparison.cells.iter().any(|pair| std::ptr::eq(of(pair), cell))
    };
    let bases = |cell: &Cell| takes_part(cell, |pair| pair.base);
    let news = |cell: &Cell| takes_part(cell, |pair| pair.new);
    let (base, new) = (comparison.base, comparison.new);
    let sides = if base.path == new.path {
        vec![("the run", new, new.warnings_of(&|cell| bases(cell) || news(cell)))]
    } else {
        vec![
            ("the base", base, base.warnings_of(&bases)),
            ("the new run", new, new.warnings_of(&news)),
        ]
    };
    sides.into_iter().filter(|(_, _, warnings)| !warnings.is_empty()).collect()
}

/// The same as one list: what both runs warn of is given once.
pub fn warnings(comparison: &Comparison<'_>) -> Vec<String> {
    let by_run = warnings_by_run(comparison);
    let mut all: Vec<(String, Vec<&str>)> = Vec::new();
    for (which, _, warnings) in &by_run {
        for warning in warnings {
            match all.iter_mut().find(|(known, _)| known == warning) {
                Some((_, runs)) => runs.push(which),
                None => all.push((warning.clone(), vec![which])),
            }
        }
    }
    let sentence = |(warning, runs): (String, Vec<&str>)| match runs[..] {
        [one] => format!("{one}: {warning}"),
        _ => format!("both runs: {warning}"),
    };
    all.into_iter().map(sentence).collect()
}
