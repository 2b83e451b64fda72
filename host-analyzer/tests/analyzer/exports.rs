//! Tables for other programs: read back by other readers, compared with what the boot sent.

use crate::runs::changed;
use crate::simulated::{
    STRATEGIES, boot, capture, encoded, folder, manifest, run_folder, write_manifest,
};
use bringup::exchange::OffsetInterval;
use bringup::frame::{ApEnd, ApTimeline, Body, OVERRUNS, TrialBegin, TrialEnd};
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::Stamp;
use host_analyzer::present::decode;
use host_analyzer::present::export::{self, Format, Shown};
use host_analyzer::run::Run;
use host_analyzer::source::capture;
use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use tinyjson::JsonValue;

/// What a boot sent of a trial.
pub struct Sent {
    pub begin: TrialBegin,
    pub aps: Vec<ApTimeline>,
    pub end: TrialEnd,
}

/// The trials of a simulated boot, straight from the simulator.
pub fn sent(command_line: &str, cpus: usize, khz: u64) -> Vec<Sent> {
    let (mut trials, mut open, mut aps) = (Vec::new(), None, Vec::new());
    bringup::sim::boot(command_line, cpus, khz, |frame| match &frame.body {
        Body::TrialBegin(begin) => open = Some(*begin),
        Body::ApTimeline(timeline) => aps.push(*timeline),
        Body::TrialEnd(end) => {
            let begin = open.take().unwrap();
            trials.push(Sent { begin, aps: std::mem::take(&mut aps), end: *end });
        }
        _ => {}
    })
    .unwrap();
    trials
}

fn exported(path: &Path, format: Format) -> String {
    let mut output = Vec::new();
    let run = Run::open(path).unwrap();
    assert_eq!(export::write(&run, format, Shown::Median, &mut output).unwrap(), [""; 0]);
    String::from_utf8(output).unwrap()
}

/// A field of a row by the name of its column, empty where it is missing.
type Row = HashMap<String, String>;

/// Rows of a CSV file without quotes, which these fields never need.
fn csv_rows(text: &str) -> Vec<Row> {
    assert!(!text.contains('"'));
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields.len(), names.len(), "{line}");
        names.iter().zip(fields).map(|(name, field)| (name.to_string(), field.to_owned())).collect()
    };
    lines.map(row).collect()
}

/// The same from JSON lines; names of nested values begin with their object's.
fn json_rows(text: &str) -> Vec<Row> {
    fn put(row: &mut Row, name: String, value: &JsonValue) {
        let text = match value {
            JsonValue::Object(object) => {
                let group = name.strip_suffix('s').unwrap_or(&name);
                return object
                    .iter()
                    .for_each(|(key, value)| put(row, format!("{group}_{key}"), value));
            }
            JsonValue::Null => String::new(),
            JsonValue::Number(number) => number.to_string(),
            JsonValue::Boolean(flag) => flag.to_string(),
            JsonValue::String(text) => text.clone(),
            JsonValue::Array(_) => panic!("{name} is an array"),
        };
        assert_eq!(row.insert(name, text), None);
    }
    let row = |line: &str| {
        assert!(line.starts_with(r#"{"schema":1,"#), "{line}");
        let mut row = Row::new();
        let value: JsonValue = line.parse().unwrap();
        let object = value.get::<HashMap<String, JsonValue>>().unwrap();
        object.iter().for_each(|(key, value)| put(&mut row, key.clone(), value));
        assert_eq!(row.remove("schema").as_deref(), Some("1"));
        row
    };
    text.lines().map(row).collect()
}

/// When the BSP was free to send an AP's SIPI: it kicks them by their index, without a delay.
pub fn turn(aps: &[ApTimeline], ap: &ApTimeline) -> Option<i64> {
    let before = aps.iter().filter(|other| other.cpu < ap.cpu);
    before.filter_map(|other| other.stamps.get(Stamp::KickEnd)).max()
}

/// Every number of an AP's row, by column.
fn numbers(trial: &Sent, ap: &ApTimeline) -> Vec<(String, Option<i128>)> {
    let mut all = vec![
        ("trial".to_owned(), Some(trial.begin.trial.into())),
        ("zero".to_owned(), Some(trial.begin.zero.into())),
        ("total".to_owned(), Some(trial.end.total.0.into())),
        ("kick_loop".to_owned(), Some(trial.end.kick_loop.0.into())),
        ("lost".to_owned(), Some(trial.end.lost.into())),
        ("cpu".to_owned(), Some(ap.cpu.0.into())),
        ("apic_id".to_owned(), Some(ap.cpu.0.into())),
        ("starts".to_owned(), Some(ap.starts.into())),
        ("stamp_entry_raw".to_owned(), ap.entry_raw.map(i128::from)),
    ];
    let mut put = |name: String, number: Option<i128>| all.push((name.replace('-', "_"), number));
    for stamp in Stamp::ALL {
        put(format!("stamp_{}", stamp.name()), ap.stamps.get(stamp).map(i128::from));
    }
    for phase in Phase::ALL {
        put(format!("phase_{}", phase.name()), phase.of(&ap.stamps).map(|of| of.0.into()));
    }
    let turn = turn(&trial.aps, ap);
    for part in SubPhase::ALL {
        put(format!("sub_phase_{}", part.name()), part.of(&ap.stamps, turn).map(|of| of.0.into()));
    }
    for (step, by) in OVERRUNS.iter().zip(ap.overruns) {
        put(format!("overrun_{step}"), Some(by.into()));
    }
    let offset = ap.offset;
    put("offset_lo".to_owned(), offset.map(|of| of.lo.into()));
    put("offset_hi".to_owned(), offset.map(|of| of.hi.into()));
    put("offset_lo_samples".to_owned(), offset.map(|of| of.lo_samples.into()));
    put("offset_hi_samples".to_owned(), offset.map(|of| of.hi_samples.into()));
    put("sync_windows".to_owned(), ap.sync.map(|of| of.windows.into()));
    put("sync_correction".to_owned(), ap.sync.map(|of| of.correction.into()));
    all
}

#[test]
fn csv_and_json_lines_hold_every_number_that_the_boot_sent() {
    let (_keep, folder) = folder();
    let line =
        format!("{STRATEGIES} cell strategy=full-parallel skew=3:500 limit=60ms fault=never:5");
    run_folder(&folder, &line, &[28]);
    let expected = sent(&line, 28, crate::simulated::KHZ);
    let csv = csv_rows(&exported(&folder, Format::Csv));
    let json = json_rows(&exported(&folder, Format::Jsonl));
    assert_eq!(csv, json);
    assert_eq!(csv.len(), expected.len() * 27);
    let aps = expected.iter().flat_map(|trial| trial.aps.iter().map(move |ap| (trial, ap)));
    for (row, (trial, ap)) in csv.iter().zip(aps) {
        for (name, number) in numbers(trial, ap) {
            let number = number.map_or(String::new(), |number| number.to_string());
            assert_eq!(row[&name], number, "{name} of {} in {:?}", ap.cpu, trial.begin);
        }
        let end = if ap.end == ApEnd::Online { ("online", "") } else { ("lost", "sipi") };
        assert_eq!((row["end"].as_str(), row["last"].as_str()), end);
        let strategy = ["serial", "parallel-sipi", "full-parallel", "full-parallel"];
        assert_eq!(row["strategy"], strategy[usize::from(trial.begin.cell)]);
        assert_eq!(row["cold"], trial.begin.cold.to_string());
        assert_eq!(row["cell"], (trial.begin.cell + 1).to_string());
        for (name, value) in [("engine", "icount"), ("smp", "28"), ("boot", "1"), ("profile", "")] {
            assert_eq!(row[name], value, "{name}");
        }
        for (name, value) in [("cost_wake", "1200us"), ("tsc_khz", "1000000"), ("repetitions", "5")]
        {
            assert_eq!(row[name], value, "{name}");
        }
    }
    assert!(csv.iter().any(|row| row["end"] == "lost"));
}

/// So that `last` can be looked up among the columns of the stamps.
#[test]
fn a_stamp_is_spelled_the_same_as_a_column_and_as_a_value() {
    let (_keep, folder) = folder();
    let path = folder.join("capture.bin");
    for stamp in Stamp::ALL {
        let bytes = changed("repetitions=1", 2, |body| {
            if let Body::ApTimeline(ap) = body {
                ap.end = ApEnd::Lost(Some(stamp));
            }
        });
        fs::write(&path, &bytes).unwrap();
        let csv = csv_rows(&exported(&path, Format::Csv));
        let json = json_rows(&exported(&path, Format::Jsonl));
        assert!(csv[0].contains_key(&format!("stamp_{}", csv[0]["last"])), "{stamp:?}");
        assert_eq!(csv[0]["last"], stamp.name());
        assert_eq!(csv, json);
        let mut decoded = Vec::new();
        capture::read(&path, |frame| {
            decoded.push(decode::json(frame));
            ControlFlow::Continue(())
        })
        .unwrap();
        let ap = decoded.iter().find_map(|frame| frame.get("ap_timeline")).unwrap();
        assert_eq!(ap["last"], stamp.name());
    }
}

#[test]
fn stamps_of_a_clock_that_is_ahead_are_told_on_the_bsps_clock_and_what_was_taken_off() {
    let (_keep, folder) = folder();
    let path = folder.join("capture.bin");
    let mut bytes = Vec::new();
    bringup::sim::boot("repetitions=1", 2, 1_000_000, |frame| {
        let mut frame = frame.clone();
        if let Body::ApTimeline(ap) = &mut frame.body {
            ap.stamps = ap.stamps.on_bsp_clock(-1000);
            ap.offset = Some(OffsetInterval { lo: 990, hi: 1010, lo_samples: 7, hi_samples: 8 });
        }
        bytes.extend(encoded(&frame));
    })
    .unwrap();
    fs::write(&path, bytes).unwrap();
    let rows = csv_rows(&exported(&path, Format::Csv));
    let ap = &sent("repetitions=1", 2, 1_000_000)[0].aps[0];
    let alive = ap.stamps.get(Stamp::Alive).unwrap();
    assert_eq!(rows[0]["stamp_alive"], alive.to_string());
    assert_eq!(rows[0]["offset_taken_off"], "1000");
    assert_eq!(rows[0]["exact"], "");
}

#[test]
fn a_trial_of_which_a_frame_is_missing_is_left_out() {
    let (_keep, folder) = folder();
    let path = folder.join("capture.bin");
    let mut frames = crate::simulated::frames("repetitions=3", 4);
    // Hello, four CPUs, the cell; each trial is five frames, the cold one first.
    frames.remove(6 + 5 + 2);
    fs::write(&path, frames.concat()).unwrap();
    let rows = csv_rows(&exported(&path, Format::Csv));
    let trials: Vec<&str> = rows.iter().map(|row| row["trial"].as_str()).collect();
    assert_eq!(trials, ["0", "0", "0", "2", "2", "2", "3", "3", "3"]);
}

#[test]
fn text_from_a_manifest_breaks_out_of_no_field_and_is_no_formula() {
    let hostile = "=cmd|'/c calc'!A0,\"\r\n},{\"x\":1";
    let (_keep, folder) = folder();
    let mut boot = boot("capture.bin", "repetitions=1", 2);
    boot.engine = hostile.to_owned();
    boot.profiles = vec![Some("+1\u{202e}".to_owned())];
    write_manifest(&folder, &manifest(vec![boot]));
    fs::write(folder.join("capture.bin"), capture("repetitions=1", 2)).unwrap();

    let text = exported(&folder, Format::Csv);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let field = |name| row.get(names.iter().position(|known| known == name).unwrap());
        assert_eq!(field("engine"), Some(format!("'{hostile}").as_str()));
        assert_eq!(field("profile"), Some("'+1\u{202e}"));
        assert_eq!(field("cpu"), Some("1"));
    }

    let rows = json_rows(&exported(&folder, Format::Jsonl));
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0]["engine"].as_str(), rows[0]["profile"].as_str()), (hostile, "+1\u{202e}"));
}

#[test]
fn the_page_on_exports_names_every_column() {
    let page = include_str!("../../../docs/exports.md");
    let (_keep, folder) = folder();
    run_folder(&folder, "repetitions=1", &[2]);
    let options = bringup::options::Options::names().map(|key| key.replace('-', "_"));
    for name in exported(&folder, Format::Csv).lines().next().unwrap().split(',') {
        let told = page.contains(&format!("`{name}`")) || options.clone().any(|key| key == name);
        assert!(told, "docs/exports.md does not tell of {name}");
    }
}
