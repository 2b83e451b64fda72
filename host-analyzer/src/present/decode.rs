//! `decode`: the frames of a capture as JSON, one object a line.

use bringup::frame::{ApEnd, ApTimeline, Body, Error, Frame, OVERRUNS, WakeIpis};
use bringup::stamp::{Stamp, Stamps};
use serde_json::{Map, Value, json};

/// A frame as JSON: `{"number": 0, "hello": {...}}`. Keys and the names of stamps are in snake_case,
/// other values in kebab-case; stamps and overruns are objects that hold only those present.
pub fn json(frame: &Frame<'_>) -> Value {
    let (kind, body) = match &frame.body {
        Body::Hello(hello) => (
            "hello",
            json!({
                "magic": hello.magic,
                "protocol": hello.protocol,
                "kernel": hello.kernel,
                "build": hello.build,
                "tsc_khz": hello.tsc_khz,
                "tsc_source": hello.tsc_source,
                "tsc_spread_khz": hello.tsc_spread_khz,
                "tsc_invariant": hello.tsc_invariant,
                "vendor": hello.vendor,
                "model": hello.model,
                "hypervisor": hello.hypervisor,
                "apic_mode": hello.apic_mode,
                "cpus": hello.cpus,
            }),
        ),
        Body::Cpu(cpu) => (
            "cpu",
            json!({
                "cpu": cpu.cpu,
                "apic_id": cpu.apic_id,
                "package": cpu.package,
                "core": cpu.core,
                "thread": cpu.thread,
                "node": cpu.node,
            }),
        ),
        Body::CellBegin(begin) => {
            ("cell_begin", json!({ "cell": begin.cell, "options": begin.options }))
        }
        Body::TrialBegin(begin) => (
            "trial_begin",
            json!({
                "cell": begin.cell,
                "trial": begin.trial,
                "cold": begin.cold,
                "zero": begin.zero,
            }),
        ),
        Body::ApTimeline(timeline) => ("ap_timeline", ap_timeline(timeline)),
        Body::TrialEnd(end) => (
            "trial_end",
            json!({ "total": end.total, "kick_loop": end.kick_loop, "lost": end.lost }),
        ),
        Body::Goodbye(goodbye) => (
            "goodbye",
            json!({ "frames": goodbye.frames, "stamps_dropped": goodbye.stamps_dropped }),
        ),
        Body::Log(log) => ("log", json!({ "cpu": log.cpu, "text": log.text })),
        Body::Error(error) => ("error", error_object(error)),
        Body::WakeIpis(ipis) => ("wake_ipis", wake_ipis(ipis)),
    };
    json!({ "number": frame.number, kind: body })
}

fn wake_ipis(WakeIpis { cell, icr }: &WakeIpis) -> Value {
    let hexadecimal = icr.map(|low| low.map(|low| format!("{low:#x}")));
    json!({ "cell": cell, "icr": hexadecimal })
}

fn ap_timeline(timeline: &ApTimeline) -> Value {
    let (end, last) = match timeline.end {
        ApEnd::Online => ("online", None),
        ApEnd::Lost(last) => ("lost", last),
        ApEnd::WrongAnswer => ("wrong-answer", None),
    };
    let overruns: Map<String, Value> = (OVERRUNS.iter().zip(timeline.overruns))
        .filter(|(_, cycles)| *cycles > 0)
        .map(|(step, cycles)| ((*step).to_owned(), json!(cycles)))
        .collect();
    let mut object = Map::new();
    object.insert("cpu".to_owned(), json!(timeline.cpu));
    object.insert("end".to_owned(), json!(end));
    if end == "lost" {
        object.insert("last".to_owned(), json!(last.map(Stamp::name)));
    }
    object.insert("starts".to_owned(), json!(timeline.starts));
    object.insert("stamps".to_owned(), Value::Object(stamps(&timeline.stamps)));
    object.insert("entry_raw".to_owned(), json!(timeline.entry_raw));
    object.insert("offset".to_owned(), json!(timeline.offset));
    object.insert("sync".to_owned(), json!(timeline.sync));
    object.insert("tsc_adjust".to_owned(), json!(timeline.tsc_adjust));
    object.insert("overruns".to_owned(), Value::Object(overruns));
    Value::Object(object)
}

fn stamps(stamps: &Stamps) -> Map<String, Value> {
    let taken = |stamp: Stamp| Some((stamp.name().to_owned(), json!(stamps.get(stamp)?)));
    Stamp::ALL.into_iter().filter_map(taken).collect()
}

fn error_object(error: &Error<'_>) -> Value {
    match error {
        Error::Options { message } => json!({ "kind": "options", "message": message }),
        Error::Machine { message } => json!({ "kind": "machine", "message": message }),
        Error::Panic { cpu, message } => {
            json!({ "kind": "panic", "cpu": cpu, "message": message })
        }
        Error::Exception { cpu, vector, error_code, rip, cr2 } => json!({
            "kind": "exception",
            "cpu": cpu,
            "vector": vector,
            "error_code": error_code,
            "rip": rip,
            "cr2": cr2,
        }),
    }
}
