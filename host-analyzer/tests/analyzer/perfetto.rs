//! The Perfetto trace, decoded by another protobuf library than the one that wrote it.

use crate::exports::turn;
use crate::exports::{Sent, sent};
use crate::simulated::{STRATEGIES, encoded, folder};
use bringup::frame::{ApTimeline, Body};
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::Stamp;
use host_analyzer::present::export::{self, Format, Shown};
use host_analyzer::run::Run;
use protobuf::MessageDyn;
use protobuf::descriptor::field_descriptor_proto::{Label, Type};
use protobuf::descriptor::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};
use protobuf::reflect::{FileDescriptor, ReflectValueRef};
use std::collections::{BTreeMap, HashMap};
use std::fs;

/// A field: name, number, type; a star before the type of those that repeat.
type Field = (&'static str, i32, &'static str);

/// What Perfetto publishes of the fields used, by message.
const FIELDS: [(&str, &[Field]); 8] = [
    ("Trace", &[("packet", 1, "*TracePacket")]),
    (
        "TracePacket",
        &[
            ("timestamp", 8, "uint64"),
            ("trusted_packet_sequence_id", 10, "uint32"),
            ("track_event", 11, "TrackEvent"),
            ("interned_data", 12, "InternedData"),
            ("sequence_flags", 13, "uint32"),
            ("track_descriptor", 60, "TrackDescriptor"),
        ],
    ),
    (
        "TrackDescriptor",
        &[
            ("uuid", 1, "uint64"),
            ("name", 2, "string"),
            ("process", 3, "ProcessDescriptor"),
            ("parent_uuid", 5, "uint64"),
            ("child_ordering", 11, "int32"),
            ("sibling_order_rank", 12, "int32"),
        ],
    ),
    ("ProcessDescriptor", &[("pid", 1, "int32"), ("process_name", 6, "string")]),
    (
        "TrackEvent",
        &[
            ("category_iids", 3, "*uint64"),
            ("debug_annotations", 4, "*DebugAnnotation"),
            ("type", 9, "int32"),
            ("name_iid", 10, "uint64"),
            ("track_uuid", 11, "uint64"),
            ("name", 23, "string"),
            ("flow_ids", 47, "*fixed64"),
            ("terminating_flow_ids", 48, "*fixed64"),
        ],
    ),
    ("DebugAnnotation", &[("name_iid", 1, "uint64"), ("uint_value", 3, "uint64")]),
    (
        "InternedData",
        &[
            ("event_categories", 1, "*Name"),
            ("event_names", 2, "*Name"),
            ("debug_annotation_names", 3, "*Name"),
        ],
    ),
    ("Name", &[("iid", 1, "uint64"), ("name", 2, "string")]),
];

fn schema() -> FileDescriptor {
    let mut file = FileDescriptorProto::new();
    file.set_name("trace.proto".to_owned());
    file.set_syntax("proto2".to_owned());
    for (message, fields) in FIELDS {
        let mut descriptor = DescriptorProto::new();
        descriptor.set_name(message.to_owned());
        for (name, number, kind) in fields {
            let mut field = FieldDescriptorProto::new();
            field.set_name((*name).to_owned());
            field.set_number(*number);
            let repeated = kind.starts_with('*');
            field.set_label(if repeated { Label::LABEL_REPEATED } else { Label::LABEL_OPTIONAL });
            let kind = match kind.trim_start_matches('*') {
                "uint64" => Type::TYPE_UINT64,
                "uint32" => Type::TYPE_UINT32,
                "int32" => Type::TYPE_INT32,
                "fixed64" => Type::TYPE_FIXED64,
                "string" => Type::TYPE_STRING,
                message => {
                    field.set_type_name(format!(".{message}"));
                    Type::TYPE_MESSAGE
                }
            };
            field.set_type(kind);
            descriptor.field.push(field);
        }
        file.message_type.push(descriptor);
    }
    FileDescriptor::new_dynamic(file, &[]).unwrap()
}

/// A decoded message: fields by name, each with all its values.
#[derive(Default)]
struct Decoded {
    numbers: HashMap<String, Vec<u64>>,
    texts: HashMap<String, String>,
    messages: HashMap<String, Vec<Decoded>>,
}

impl Decoded {
    fn of(message: &dyn MessageDyn) -> Decoded {
        assert!(message.unknown_fields_dyn().iter().next().is_none(), "an unknown field");
        let mut decoded = Decoded::default();
        for field in message.descriptor_dyn().fields() {
            let name = field.name().to_owned();
            let mut put = |value: ReflectValueRef<'_>| match value {
                ReflectValueRef::U64(n) => decoded.numbers.entry(name.clone()).or_default().push(n),
                ReflectValueRef::U32(n) => {
                    decoded.numbers.entry(name.clone()).or_default().push(n.into());
                }
                ReflectValueRef::I32(n) => {
                    decoded.numbers.entry(name.clone()).or_default().push(n.try_into().unwrap());
                }
                ReflectValueRef::String(text) => {
                    decoded.texts.insert(name.clone(), text.to_owned());
                }
                ReflectValueRef::Message(message) => {
                    decoded.messages.entry(name.clone()).or_default().push(Decoded::of(&*message));
                }
                other => panic!("{name} is {other:?}"),
            };
            if field.is_repeated() {
                field.get_repeated(message).into_iter().for_each(&mut put);
            } else if let Some(value) = field.get_singular(message) {
                put(value);
            }
        }
        decoded
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.all(name).first().copied()
    }

    fn all(&self, name: &str) -> &[u64] {
        self.numbers.get(name).map_or(&[], Vec::as_slice)
    }

    fn each(&self, name: &str) -> &[Decoded] {
        self.messages.get(name).map_or(&[], Vec::as_slice)
    }
}

/// A slice, or a moment: one that ends where it begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slice {
    process: String,
    track: String,
    depth: usize,
    from: u64,
    to: u64,
    name: String,
    category: String,
    moment: bool,
    numbers: BTreeMap<String, u64>,
    leaving: Vec<u64>,
    arriving: Vec<u64>,
}

/// Reads a trace as Perfetto does: events in the order of time, names from what was interned,
/// slices nested by their begins and ends.
fn slices(bytes: &[u8]) -> Vec<Slice> {
    let trace = schema().message_by_full_name(".Trace").unwrap().parse_from_bytes(bytes).unwrap();
    let trace = Decoded::of(&*trace);
    let mut interned: HashMap<(&str, u64), &str> = HashMap::new();
    let mut tracks: HashMap<u64, (Option<u64>, &str)> = HashMap::new();
    let mut events = Vec::new();
    for packet in trace.each("packet") {
        for names in packet.each("interned_data") {
            for kind in ["event_categories", "event_names", "debug_annotation_names"] {
                for name in names.each(kind) {
                    let known =
                        interned.insert((kind, name.number("iid").unwrap()), &name.texts["name"]);
                    assert_eq!(known, None);
                }
            }
        }
        for track in packet.each("track_descriptor") {
            let name = match track.each("process") {
                [process] => &process.texts["process_name"],
                _ => &track.texts["name"],
            };
            tracks.insert(track.number("uuid").unwrap(), (track.number("parent_uuid"), name));
        }
        for event in packet.each("track_event") {
            // Nothing is used before it was sent.
            let name = event.number("name_iid").map(|iid| interned[&("event_names", iid)]);
            events.push((packet.number("timestamp").unwrap(), event, name));
        }
    }
    events.sort_by_key(|(at, ..)| *at);
    let mut open: HashMap<u64, Vec<Slice>> = HashMap::new();
    let mut slices = Vec::new();
    for (at, event, name) in events {
        let uuid = event.number("track_uuid").unwrap();
        let stack = open.entry(uuid).or_default();
        if event.number("type") == Some(2) {
            let slice = stack.pop().expect("a slice ends that did not begin");
            slices.push(Slice { to: at, ..slice });
            continue;
        }
        let (parent, track) = tracks[&uuid];
        let number = |number: &Decoded| {
            let name = interned[&("debug_annotation_names", number.number("name_iid").unwrap())];
            (name.to_owned(), number.number("uint_value").unwrap())
        };
        let slice = Slice {
            process: tracks[&parent.unwrap()].1.to_owned(),
            track: track.to_owned(),
            depth: stack.len(),
            from: at,
            to: at,
            name: name.unwrap_or_else(|| &event.texts["name"]).to_owned(),
            category: interned[&("event_categories", event.number("category_iids").unwrap())]
                .to_owned(),
            moment: event.number("type") == Some(3),
            numbers: event.each("debug_annotations").iter().map(number).collect(),
            leaving: event.all("flow_ids").to_vec(),
            arriving: event.all("terminating_flow_ids").to_vec(),
        };
        if slice.moment { slices.push(slice) } else { stack.push(slice) }
    }
    assert!(open.values().all(Vec::is_empty), "a slice does not end");
    slices
}

/// The trace of a boot.
fn traced(command_line: &str, cpus: usize, khz: u64, shown: Shown) -> Vec<Slice> {
    traced_with(command_line, cpus, khz, shown, |_| ()).0
}

/// The same after a change to its timelines, and what the export had to say.
fn traced_with(
    command_line: &str,
    cpus: usize,
    khz: u64,
    shown: Shown,
    change: impl Fn(&mut ApTimeline),
) -> (Vec<Slice>, Vec<String>) {
    let (_keep, folder) = folder();
    let path = folder.join("capture.bin");
    let mut bytes = Vec::new();
    bringup::sim::boot(command_line, cpus, khz, |frame| {
        let mut frame = frame.clone();
        if let Body::ApTimeline(timeline) = &mut frame.body {
            change(timeline);
        }
        bytes.extend(encoded(&frame));
    })
    .unwrap();
    fs::write(&path, bytes).unwrap();
    let mut trace = Vec::new();
    let run = Run::open(&path).unwrap();
    let notes = export::write(&run, Format::Perfetto, shown, &mut trace).unwrap();
    (slices(&trace), notes)
}

/// The slices of a trial's APs as they should be: track, depth, name, begin, end, cycles.
fn expected(
    trial: &Sent,
    zero: u64,
    khz: u64,
) -> Vec<(String, usize, &'static str, u64, u64, u64)> {
    let ns = |cycles: i64| zero + (i128::from(cycles) * 1_000_000 / i128::from(khz)) as u64;
    let mut slices = Vec::new();
    for ap in &trial.aps {
        let mut put = |depth, name, (from, to): (i64, i64)| {
            if from < to {
                let track = format!("CPU {}", ap.cpu.0);
                slices.push((track, depth, name, ns(from), ns(to), (to - from) as u64));
            }
        };
        let stamps =
            |(from, to): (Stamp, Stamp)| (ap.stamps.get(from).unwrap(), ap.stamps.get(to).unwrap());
        Phase::ALL.into_iter().for_each(|phase| put(0, phase.name(), stamps(phase.ends())));
        let turn = turn(&trial.aps, ap);
        for part in SubPhase::ALL {
            put(1, part.name(), part.ends(&ap.stamps, turn).unwrap());
        }
    }
    slices.sort();
    slices
}

/// The same from the trace.
fn of_aps(trace: &[Slice], process: &str) -> Vec<(String, usize, String, u64, u64, u64)> {
    let on_aps = trace.iter().filter(|slice| {
        slice.process == process && slice.track.starts_with("CPU") && !slice.track.contains("BSP")
    });
    let mut slices: Vec<_> = on_aps
        .map(|slice| {
            let Slice { track, depth, name, from, to, numbers, .. } = slice.clone();
            (track, depth, name, from, to, numbers["cycles"])
        })
        .collect();
    slices.sort();
    slices
}

fn same(
    trace: Vec<(String, usize, String, u64, u64, u64)>,
    expected: Vec<(String, usize, &'static str, u64, u64, u64)>,
) {
    assert_eq!(trace.len(), expected.len());
    for (one, other) in trace.iter().zip(&expected) {
        assert_eq!(
            (&one.0, one.1, one.2.as_str(), one.3, one.4, one.5),
            (&other.0, other.1, other.2, other.3, other.4, other.5)
        );
    }
}

const NAMES: [&str; 3] = ["serial", "parallel-sipi", "full-parallel"];

#[test]
fn a_28_cpu_trace_has_the_runs_slices_to_the_ns() {
    // 3 GHz, and a rate at which no cycle is a whole number of ns.
    for khz in [1_000_000, 3_000_000, 2_399_987] {
        let line = format!("cost-trampoline=50us {STRATEGIES}");
        let trace = traced(&line, 28, khz, Shown::Median);
        let sent = sent(&line, 28, khz);
        for (cell, name) in NAMES.into_iter().enumerate() {
            // All trials of a simulated cell are alike, but for their numbers.
            let trial = sent.iter().rfind(|trial| usize::from(trial.begin.cell) == cell).unwrap();
            let process = format!("unknown, 28 CPUs, {name}");
            same(of_aps(&trace, &process), expected(trial, 0, khz));
            let [of_trial] = &trace
                .iter()
                .filter(|slice| slice.process == process && slice.category == "trial")
                .collect::<Vec<_>>()[..]
            else {
                panic!("one trial of each cell")
            };
            assert_eq!(of_trial.numbers["cycles"], trial.end.total.0);
            assert_eq!(of_trial.name, "trial 3 of boot 1");
        }
    }
}

#[test]
fn waits_are_told_from_work() {
    for slice in traced(STRATEGIES, 28, 1_000_000, Shown::Median) {
        if slice.track.starts_with("CPU") && !slice.track.contains("BSP") {
            let category = match (slice.name.as_str(), slice.depth) {
                ("hold" | "turn", 0) | ("queue", 1) => "wait",
                (_, 0) => "work",
                (_, depth) => {
                    assert_eq!(depth, 1);
                    "sub-phase"
                }
            };
            assert_eq!(slice.category, category, "{slice:?}");
        }
    }
}

#[test]
fn all_trials_follow_each_other_the_cold_one_first() {
    let trace = traced(STRATEGIES, 4, 1_000_000, Shown::All);
    let sent = sent(STRATEGIES, 4, 1_000_000);
    for (cell, name) in NAMES.into_iter().enumerate() {
        let process = format!("unknown, 4 CPUs, {name}");
        let (mut zero, mut all) = (0, Vec::new());
        let trials: Vec<&Sent> =
            sent.iter().filter(|trial| usize::from(trial.begin.cell) == cell).collect();
        for trial in &trials {
            all.extend(expected(trial, zero, 1_000_000));
            zero += trial.end.total.0;
        }
        all.sort();
        same(of_aps(&trace, &process), all);
        let of_trials =
            trace.iter().filter(|slice| slice.process == process && slice.category == "trial");
        let mut names: Vec<(u64, &str)> =
            of_trials.map(|slice| (slice.from, slice.name.as_str())).collect();
        names.sort();
        let cold = if cell == 0 { "cold trial 0 of boot 1" } else { "trial 1 of boot 1" };
        assert_eq!((names.len(), names[0].1), (trials.len(), cold));
    }
}

#[test]
fn the_bsp_does_one_thing_after_the_other_and_every_kick_wait_and_sync_is_there() {
    let trace = traced(STRATEGIES, 28, 1_000_000, Shown::Median);
    let bsp = |process: &str, begin: &str| {
        let process = format!("unknown, 28 CPUs, {process}");
        let mut slices: Vec<&Slice> = trace
            .iter()
            .filter(|slice| slice.process == process && slice.track == "CPU 0 (BSP)")
            .filter(|slice| slice.name.starts_with(begin))
            .collect();
        slices.sort_by_key(|slice| (slice.from, slice.to));
        slices
    };
    for strategy in NAMES {
        assert!(bsp(strategy, "").iter().all(|slice| slice.moment || slice.depth == 0));
        assert_eq!(bsp(strategy, "kick ").len(), 27);
        assert!(bsp(strategy, "kick ").iter().all(|kick| kick.numbers["cycles"] == 100_000));
        assert_eq!(bsp(strategy, "tsc-sync ").len(), 27);
        assert_eq!(bsp(strategy, "sipi ").len(), 27);
    }
    let first: Vec<(&str, u64, u64)> = bsp("serial", "")
        .iter()
        .filter(|slice| !slice.moment)
        .map(|slice| (slice.name.as_str(), slice.from, slice.to))
        .take(6)
        .collect();
    assert_eq!(
        first,
        [
            ("kick CPU 1", 0, 100_000),
            ("await alive CPU 1", 100_000, 1_300_000),
            ("await callin CPU 1", 1_300_000, 2_100_000),
            ("tsc-sync CPU 1", 2_100_000, 2_600_000),
            ("await online CPU 1", 2_600_000, 2_700_000),
            ("kick CPU 2", 2_700_000, 2_800_000),
        ]
    );
}

#[test]
fn what_is_one_for_all_aps_is_one_slice() {
    let words = "cost-kick=100us cost-wake=1ms cost-callin=1ms tsc-window=500us cost-online=1ms \
                 strategy=full-parallel kick=broadcast tsc-sync=one-to-many";
    let trace = traced(words, 28, 1_000_000, Shown::Median);
    let bsp = trace.iter().filter(|slice| slice.track.contains("BSP"));
    let mut names: Vec<(u64, &str)> = bsp.map(|slice| (slice.from, slice.name.as_str())).collect();
    names.sort();
    let expected = [
        (0, "init CPUs 1–27"),
        (0, "kick CPUs 1–27"),
        (0, "release CPUs 1–27"),
        (100_000, "await callin CPU 1"),
        (100_000, "sipi CPUs 1–27"),
        (2_100_000, "tsc-sync CPUs 1–27"),
        (2_600_000, "await online CPU 1"),
    ];
    assert_eq!(names, expected);
}

#[test]
fn arrows_lead_from_a_sipi_to_its_entry_and_from_a_release_to_its_callin() {
    let trace = traced(STRATEGIES, 28, 1_000_000, Shown::All);
    let arriving = |arrow: u64| {
        let mut at = trace.iter().filter(|slice| slice.arriving.contains(&arrow));
        let slice = at.next().unwrap();
        assert!(at.next().is_none());
        slice
    };
    let mut arrows = 0;
    for slice in &trace {
        for arrow in &slice.leaving {
            arrows += 1;
            let to = arriving(*arrow);
            assert_eq!(to.process, slice.process);
            match slice.name.split_once(' ').unwrap() {
                // Simulated trampolines cost nothing: `entry` is where the next phase begins.
                ("sipi", cpu) => {
                    assert_eq!(to.track, cpu);
                    assert_eq!(to.from, slice.from + 1_200_000, "{slice:?} {to:?}");
                }
                ("release", cpu) => {
                    assert_eq!((to.name.as_str(), slice.moment), ("callin", true));
                    assert!(to.from >= slice.from);
                    assert!(cpu == to.track || cpu == "CPUs 1–27");
                    let waits = slice.process.ends_with("full-parallel");
                    assert!(waits || to.from == slice.from, "{slice:?} {to:?}");
                }
                other => panic!("an arrow leaves {other:?}"),
            }
        }
    }
    // 27 APs, three cells of five trials and a cold one.
    assert_eq!(arrows, 2 * 27 * 16);
}

#[test]
fn a_lost_ap_is_drawn_as_far_as_it_came() {
    let words = "repetitions=1 limit=50ms fault=never:2 cost-kick=100us cost-wake=1ms";
    let trace = traced(words, 4, 1_000_000, Shown::Median);
    let mut lost: Vec<&Slice> = trace.iter().filter(|slice| slice.track == "CPU 2").collect();
    lost.sort();
    let names: Vec<(&str, u64)> =
        lost.iter().map(|slice| (slice.name.as_str(), slice.to - slice.from)).collect();
    assert_eq!(names, [("kick", 100_000), ("lost after sipi", 0)]);
}

#[test]
fn stamps_that_make_no_sense_are_told_of_and_never_drawn_backwards() {
    let one_back = |ap: &mut ApTimeline| {
        if ap.cpu.0 == 2 {
            ap.stamps.set(Stamp::CallinBegin, 5);
        }
    };
    let (trace, notes) = traced_with("repetitions=1", 4, 1_000_000, Shown::Median, one_back);
    assert!(trace.iter().all(|slice| slice.from <= slice.to));
    assert!(!trace.iter().any(|slice| slice.track == "CPU 2" && slice.name == "callin"));
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("an AP's stamps are out of order once;"), "{notes:?}");

    for at in [i64::MIN, -1, i64::MAX] {
        let (trace, notes) = traced_with("repetitions=1", 4, 1, Shown::Median, |ap| {
            ap.stamps.set(Stamp::Online, at);
        });
        assert_eq!(trace, []);
        assert!(notes[0].starts_with("1 trial left out: "), "{notes:?}");
    }
}
