//! Fitted costs as the file of a profile.

use crate::ground::text::printable;
use crate::judge::fit::{Fitted, WakeShare};
use crate::run::{Cell, Spread};
use bringup::class::Class;
use bringup::options::{Options, Step, TscSync};
use bringup::phase::Phase;

/// The profile's file: its costs with their spread, what they come from, and how well they meet the totals that they were
/// fitted to. `None` where the costs make no bring-up.
pub fn profile(fitted: &Fitted<'_>, share: WakeShare, others: &[(&Cell, u64)]) -> Option<String> {
    let total = fitted.cell.total()?.median;
    let options = fitted.options(&fitted.aps, share, total)?;
    let cell = fitted.cell;
    let name = printable(&fitted.source);
    let mut text = format!(
        "# Costs fitted to {} of {} at {} CPUs.\nsource = {}\nmachine = {}\ntsc-khz = {}{}\n",
        cell.options.strategy,
        quoted(&cell.engine).trim_matches('"'),
        cell.smp,
        quoted(&format!("`cargo analyze fit` of {name}")),
        quoted(&format!("{} with {} CPUs", cell.engine, cell.smp)),
        fitted.simulated_khz(),
        if fitted.khz.is_none() { " # assumption: the source does not say it" } else { "" },
    );
    text += "derivation = \"\"\"\n";
    text += "Each cost is the mean over the APs of a class.";
    for note in &fitted.notes {
        text += &format!(" {}.", escaped(&sentence(note)));
    }
    text += &residuals(others);
    text += "\"\"\"\n";
    for step in Step::ALL {
        let is_needed = (step as usize) < Step::WITH_WORK;
        if is_needed || !options.cost(step).is_free() {
            text += &cost(fitted, &options, step, share);
        }
    }
    text += &window(fitted, &options);
    Some(text)
}

/// How far the totals of other cells are from what these costs give.
fn residuals(others: &[(&Cell, u64)]) -> String {
    let residual = |(cell, simulated): &(&Cell, u64)| {
        let measured = cell.total()?.median as f64;
        let off = 100.0 * (*simulated as f64 / measured - 1.0);
        Some(format!("{} at {} CPUs {off:+.2} %", cell.options.strategy, cell.smp))
    };
    let residuals: Vec<String> = others.iter().filter_map(residual).collect();
    match residuals.is_empty() {
        true => String::new(),
        false => format!(" Residuals, simulated against measured: {}.", residuals.join(", ")),
    }
}

fn cost(fitted: &Fitted<'_>, options: &Options, step: Step, share: WakeShare) -> String {
    let cost = options.cost(step).to_string();
    let mut parts = cost.split(',');
    let usual = parts.next().unwrap_or("0");
    let classes: Vec<String> = parts
        .filter_map(|part| part.split_once(':'))
        .map(|(class, cycles)| format!("{class} = {cycles}"))
        .collect();
    let mut text = format!(
        "\n[costs.{}]\nof = \"{}\"\ncycles = {usual}\n",
        step.name(),
        if step.is_of_bsp() { "bsp" } else { "ap" }
    );
    if !classes.is_empty() {
        text += &format!("by-class = {{ {} }}\n", classes.join(", "));
    }
    text + &ancestry(fitted, step, share)
}

/// What a cost comes from, and how it differs among the APs.
fn ancestry(fitted: &Fitted<'_>, step: Step, share: WakeShare) -> String {
    let is_shared = fitted.is_inseparable() && matches!(step, Step::Wake | Step::Callin);
    let own = fitted.aps.iter().any(|ap| ap.cycles[step as usize] > 0.0);
    if !is_shared && !own && fitted.rest != Some(step) {
        return format!("assumption = {}\n", quoted("not measured: it is part of another step"));
    }
    let mut words = match step {
        Step::Wake if is_shared => format!("{:.0} % of `bringup`, an assumption", 100.0 * share.0),
        Step::Callin if is_shared => {
            format!("{:.0} % of `bringup`, an assumption", 100.0 * (1.0 - share.0))
        }
        _ => "the mean over the APs".to_owned(),
    };
    for class in Class::ALL {
        let of_class = fitted.aps.iter().filter(|ap| ap.class == class);
        let value = |ap: &crate::judge::fit::ApCosts| {
            if is_shared { ap.bringup } else { ap.cycles[step as usize] }
        };
        if let Some(spread) = Spread::of(of_class.map(|ap| value(ap).round() as u64)) {
            let of = if is_shared { "`bringup` " } else { "" };
            words += &format!(
                "; {of}{class}: {} to {} over {} APs",
                spread.min, spread.max, spread.count
            );
        }
    }
    if fitted.rest == Some(step) {
        words += "; and what no step explains of the total";
    }
    format!("from = [{}]\nderived = {}\n", quoted(&from(fitted, step)), quoted(&words))
}

/// What a cost comes from, by its name.
fn from(fitted: &Fitted<'_>, step: Step) -> String {
    let column = match step {
        Step::Wake => Phase::Sipi.name(),
        Step::Sync => Phase::TscSync.name(),
        Step::Prepare => "printed-us",
        other => other.name(),
    };
    if fitted.columns { format!("{}.{column}", fitted.source) } else { fitted.source.clone() }
}

/// The TSC window, where the source has one.
fn window(fitted: &Fitted<'_>, options: &Options) -> String {
    let window = options.tsc_window.of(Class::Core).cycles(fitted.simulated_khz()).0;
    if window == 0 || options.tsc_sync == TscSync::Trusted {
        return String::new();
    }
    let from = if fitted.columns {
        format!("{}.{}", fitted.source, Phase::TscSync.name())
    } else {
        fitted.source.clone()
    };
    format!("\n[costs.tsc-window]\nof = \"bsp\"\ncycles = {window}\nfrom = [{}]\n", quoted(&from))
}

fn sentence(note: &str) -> String {
    let mut letters = note.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

fn escaped(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('"', "\\\"")
}
