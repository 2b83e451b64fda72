//! `docs/wire-format.md` tells the truth.

use crate::simulated::encoded;
use bringup::exchange::OffsetInterval;
use bringup::frame::{ApEnd, ApTimeline, Body, Frame, TrialBegin};
use bringup::stamp::{Stamp, Stamps};
use bringup::{CpuIndex, wire};

const PAGE: &str = include_str!("../../../docs/wire-format.md");

/// The bytes of the hexadecimal lines behind a marker, comments cut off.
fn hex(marker: &str) -> Vec<u8> {
    let (_, behind) = PAGE.split_once(marker).expect(marker);
    let (_, block) = behind.split_once("```text\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let words = block.lines().flat_map(|line| {
        let bytes = line.split_once('|').map_or(line, |(bytes, _)| bytes);
        bytes.split_whitespace().collect::<Vec<_>>()
    });
    words.map(|word| u8::from_str_radix(word, 16).unwrap()).collect()
}

fn trial_begin() -> Frame<'static> {
    let body = TrialBegin { cell: 1, trial: 300, cold: false, zero: 1_000_000 };
    Frame { number: 130, body: Body::TrialBegin(body) }
}

fn timeline() -> Frame<'static> {
    let mut stamps = Stamps::default();
    stamps.set(Stamp::Init, 0);
    stamps.set(Stamp::Sipi, 100);
    stamps.set(Stamp::Entry, -3);
    let offset = OffsetInterval { lo: -40, hi: 60, lo_samples: 5, hi_samples: 6 };
    Frame {
        number: 131,
        body: Body::ApTimeline(ApTimeline {
            cpu: CpuIndex(2),
            end: ApEnd::Lost(Some(Stamp::Entry)),
            starts: 1,
            stamps,
            entry_raw: None,
            offset: Some(offset),
            sync: None,
            tsc_adjust: None,
            overruns: [0, 0, 200, 0, 0, 0],
        }),
    }
}

fn checks(marker: &str, frame: &Frame<'_>) {
    let mut message = postcard::to_allocvec(frame).unwrap();
    message.extend(wire::CRC.checksum(&message).to_le_bytes());
    let told = |what: &str| hex(&format!("<!-- {marker}: {what} -->"));
    assert_eq!(told("message"), message, "message should be {message:02x?}");
    assert_eq!(told("wire"), encoded(frame), "wire should be {:02x?}", encoded(frame));
}

#[test]
fn the_worked_examples_are_what_the_encoder_sends() {
    checks("example 1", &trial_begin());
    checks("example 2", &timeline());
}
