//! What the boots of noisy engines took on the host's clock: a table for people, JSON for programs.

use crate::ground::unit::{Scale, Unit};
use crate::judge::statistics::Interval;
use crate::present::table::{NONE, Table};
use crate::run::{HOST_KHZ, HostBoots, HostMeasure, Run};
use serde_json::{Map, Value, json};

/// The table, a row for each engine and CPU count, with its caption; `None` where no boot has such times.
pub(crate) fn host_boots(run: &Run) -> Option<(String, Table)> {
    let groups = run.host_boots();
    if groups.is_empty() {
        return None;
    }
    let median = |group: &HostBoots<'_>, measure| {
        group.sample(measure).median().map(|micros| (micros as u64, HOST_KHZ))
    };
    let wholes = groups.iter().filter_map(|group| median(group, HostMeasure::Whole));
    let unit = Scale::of(Unit::Auto, wholes);
    let mut table = Table::of(groups.len());
    table.words("engine", groups.iter().map(|group| group.engine.to_owned()));
    table.numbers("CPUs", groups.iter().map(|group| group.smp.to_string()));
    table.columns_name_rows();
    table.numbers("boots", groups.iter().map(|group| group.count().to_string()));
    for measure in HostMeasure::ALL {
        let times: Vec<_> = groups.iter().map(|group| median(group, measure)).collect();
        let scale = Scale::of(unit.unit(), times.iter().copied().flatten());
        let text = |time: &Option<(u64, Option<u64>)>| {
            time.map_or(NONE.to_owned(), |(micros, khz)| scale.text(micros, khz))
        };
        table.numbers(measure.name(), times.iter().map(text));
        if measure != HostMeasure::Whole {
            let shares = groups.iter().map(|group| group.share(measure));
            let text = |share: Option<f64>| share.map_or(NONE.to_owned(), percent);
            table.numbers("share", shares.map(text));
        }
    }
    let caption = format!(
        "Boots on the host's clock in {}, medians: no part of it is in a total. `engine-start` ends with the \
         first byte, `engine-end` begins with the last frame.",
        unit.name()
    );
    Some((caption, table))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// The same for a terminal. Empty where no boot has such times.
pub fn text(run: &Run) -> String {
    host_boots(run)
        .map_or(String::new(), |(caption, table)| format!("\n{caption}\n\n{}", table.terminal()))
}

/// The same for programs, in µs.
pub fn json(run: &Run) -> Vec<Value> {
    let object = |group: &HostBoots<'_>| {
        let mut object = Map::new();
        object.insert("engine".to_owned(), json!(group.engine));
        object.insert("smp".to_owned(), json!(group.smp));
        object.insert("boots".to_owned(), json!(group.count()));
        for measure in HostMeasure::ALL {
            let sample = group.sample(measure);
            let value = json!({
                "median_us": sample.median(),
                "interval_us": sample.interval().map(|Interval { low, high }| [low, high]),
                "share": group.share(measure),
            });
            object.insert(measure.name().replace('-', "_"), value);
        }
        Value::Object(object)
    };
    run.host_boots().iter().map(object).collect()
}
