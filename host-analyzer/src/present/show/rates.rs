//! How often APs are lost: tables for people, JSON for programs.

use crate::judge::rates::{Count, Place, Rates};
use crate::judge::statistics::Interval;
use crate::present::schema;
use crate::present::table::{NONE, Table};
use serde_json::{Value, json};

/// A row for each engine and wake sequence, below it one for each AP and step that was lost; then the boots, with these
/// notes. Ends with a newline.
pub fn rates_table(rates: &Rates, notes: Vec<String>) -> String {
    let rows = rates.rows();
    let mut table = Table::of(rows.len());
    table.words("engine", rows.iter().map(|((engine, _), ..)| engine.clone()));
    table.words("wake-sequence", rows.iter().map(|((_, sequence), ..)| sequence.to_string()));
    table.columns_name_rows();
    let ap = |place: &Option<Place>| place.map_or("all".to_owned(), |(cpu, _)| cpu.0.to_string());
    table.numbers("AP", rows.iter().map(|(_, place, _)| ap(place)));
    let steps = rows.iter().map(|(_, place, _)| place.map_or(NONE, |(_, step)| step).to_owned());
    table.words("step", steps);
    add_counts(&mut table, "kicks", &rows.iter().map(|(.., count)| *count).collect::<Vec<_>>());
    let mut boots = Table::of(rates.boots.len());
    boots.words("engine", rates.boots.keys().cloned());
    boots.columns_name_rows();
    add_counts(&mut boots, "boots", &rates.boots.values().copied().collect::<Vec<_>>());
    boots.notes.extend(notes);
    format!(
        "Lost APs, of the kicks of whole trials: all of an engine and wake sequence, then each AP with the step that it did \
         not finish. Intervals are exact (Clopper and Pearson, 95 %).\n\n{}\nBoots with a lost AP.\n\n{}",
        table.terminal(),
        boots.terminal()
    )
}

fn add_counts(table: &mut Table, of: &'static str, counts: &[Count]) {
    table.numbers("lost", counts.iter().map(|count| count.lost.to_string()));
    table.numbers(of, counts.iter().map(|count| count.of.to_string()));
    let rate = |count: &Count| one_in(count.lost as f64 / count.of.max(1) as f64);
    table.numbers("rate", counts.iter().map(rate));
    let interval = |count: &Count| {
        let Interval { low, high } = count.interval();
        format!("{} to {}", one_in(low), one_in(high))
    };
    table.words("interval", counts.iter().map(interval));
}

/// A rate as people say it: `1 in 1000`, and in percent where it is greater than a tenth.
fn one_in(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        rate if rate > 0.1 => format!("{:.1} %", 100.0 * rate),
        rate => format!("1 in {:.0}", 1.0 / rate),
    }
}

/// The same for programs, without the notes.
pub fn rates_json(rates: &Rates) -> Value {
    let rows = rates.rows().into_iter().map(|((engine, sequence), place, count)| {
        let Interval { low, high } = count.interval();
        json!({
            "engine": engine,
            "sequence": sequence.name(),
            "cpu": place.map(|(cpu, _)| cpu.0),
            "step": place.map(|(_, step)| step),
            "lost": count.lost,
            "of": count.of,
            "low": low,
            "high": high,
        })
    });
    let boots = rates.boots.iter().map(|(engine, count)| {
        let Interval { low, high } = count.interval();
        json!({ "engine": engine, "lost": count.lost, "of": count.of, "low": low, "high": high })
    });
    json!({
        "schema": schema::RATES,
        "rates": rows.collect::<Vec<_>>(),
        "boots": boots.collect::<Vec<_>>(),
    })
}
