//! A capture may be cut, damaged and full of other text.

use crate::simulated::{capture, encoded, frames};
use bringup::CpuIndex;
use bringup::frame::{Body, Error, Frame, Goodbye, Hello, Log};
use bringup::wire::{CRC, MAX_FRAME};
use host_analyzer::source::capture::{Decoder, Incompatible, Summary};
use proptest::collection::vec;
use proptest::prelude::*;

const BOOT: &str = "repetitions=2 cost-wake=9us cell strategy=serial cell strategy=full-parallel";

/// The numbers of the frames handed out, and the summary.
fn decode_in(chunks: &[&[u8]]) -> Result<(Vec<u32>, Summary), Incompatible> {
    let mut decoder = Decoder::new();
    let mut numbers = Vec::new();
    for chunk in chunks {
        decoder.push(chunk, |frame| numbers.push(frame.number))?;
    }
    let summary = decoder.finish(|frame| numbers.push(frame.number))?;
    Ok((numbers, summary))
}

fn decode(bytes: &[u8]) -> (Vec<u32>, Summary) {
    decode_in(&[bytes]).unwrap()
}

fn log(number: u32, text: &str) -> Vec<u8> {
    encoded(&Frame { number, body: Body::Log(Log { cpu: CpuIndex(1), text }) })
}

fn goodbye(number: u32) -> Vec<u8> {
    encoded(&Frame { number, body: Body::Goodbye(Goodbye { frames: number, stamps_dropped: 0 }) })
}

#[test]
fn a_whole_capture_gives_every_frame_and_nothing_else() {
    let sent = frames(BOOT, 5).len() as u32;
    let (numbers, summary) = decode(&capture(BOOT, 5));
    assert_eq!(numbers, (0..sent).collect::<Vec<_>>());
    let bytes = capture(BOOT, 5).len() as u64;
    let whole = Summary { bytes, recovered: u64::from(sent), ended: true, ..Summary::default() };
    assert_eq!(summary, whole);
    assert!(summary.is_whole());
}

#[test]
fn firmware_text_before_the_first_frame_is_kept_apart() {
    let text = "SeaBIOS (version 1.16.3)\r\n\x1b[2JBooting from ROM..\n";
    let mut bytes = text.as_bytes().to_vec();
    bytes.extend(capture(BOOT, 3));
    let (numbers, summary) = decode(&bytes);
    assert_eq!(numbers.len(), frames(BOOT, 3).len());
    assert_eq!((summary.console.as_str(), summary.broken, summary.lost), (text, 0, 0));
}

#[test]
fn much_text_is_counted_but_not_kept() {
    let line = "a line of a chatty boot loader\r\n";
    let mut bytes = line.repeat(20_000).into_bytes();
    bytes.extend(capture(BOOT, 3));
    let (numbers, summary) = decode(&bytes);
    assert_eq!(numbers.len(), frames(BOOT, 3).len());
    assert_eq!(summary.console_bytes, 20_000 * line.len() as u64);
    assert_eq!(summary.console.len(), host_analyzer::source::capture::CONSOLE_KEPT);
    assert_eq!(summary.broken, 0);
}

#[test]
fn a_damaged_zero_costs_no_frame() {
    let frames = frames(BOOT, 4);
    for damaged in 0..frames.len() {
        for byte in [1, b'A', 0xff] {
            let mut bytes = frames.concat();
            let zero = frames[..=damaged].iter().map(Vec::len).sum::<usize>() - 1;
            bytes[zero] = byte;
            let (numbers, summary) = decode(&bytes);
            assert_eq!(numbers.len(), frames.len(), "zero {damaged} became {byte}");
            assert_eq!((summary.lost, summary.broken), (0, 1));
        }
    }
}

#[test]
fn a_byte_that_became_zero_costs_its_frame_alone() {
    let frames = frames(BOOT, 3);
    for at in 0..frames.concat().len() {
        let mut bytes = frames.concat();
        if std::mem::replace(&mut bytes[at], 0) == 0 {
            continue;
        }
        let (numbers, summary) = decode(&bytes);
        assert_eq!(numbers.len(), frames.len() - 1, "byte {at}");
        assert_eq!(summary.recovered, frames.len() as u64 - 1);
        // Of a lost last frame nothing tells that it was there, but that the end is missing.
        assert_eq!(summary.lost + u64::from(summary.cut()), 1, "byte {at}");
    }
}

/// A full block at a frame's end is followed by an empty one, which belongs to the frame.
#[test]
fn a_frame_that_ends_with_a_full_block_is_found_behind_text() {
    let whole = (600..900).find(|length| {
        let frame = log(0, &"x".repeat(*length));
        frame.ends_with(&[1, 0])
    });
    let frame = log(0, &"x".repeat(whole.unwrap_or(0)));
    let (numbers, summary) = decode(&[b"text", &frame[..]].concat());
    assert_eq!((numbers.len(), summary.broken), (1, 0));
}

#[test]
fn a_frame_that_comes_twice_counts_once() {
    let frames = frames(BOOT, 3);
    let mut bytes = frames.concat();
    bytes.extend(frames[7..].concat());
    let (numbers, summary) = decode(&bytes);
    assert!(numbers.is_sorted());
    assert_eq!((numbers.len(), summary.recovered), (frames.len(), frames.len() as u64));
    assert_eq!((summary.repeated, summary.lost), (frames.len() as u64 - 7, 0));
}

#[test]
fn a_machine_that_restarts_does_not_mix_two_boots() {
    let mut bytes = frames(BOOT, 3)[..9].concat();
    bytes.extend(b"SeaBIOS again\r\n");
    bytes.extend(capture(BOOT, 3));
    let (numbers, summary) = decode(&bytes);
    assert_eq!(numbers, (0..9).collect::<Vec<_>>());
    assert!(summary.restarted && summary.cut() && summary.lost == 0);
}

#[test]
fn lost_frames_at_the_end_are_counted_by_the_goodbye() {
    let bytes = [log(0, "one"), goodbye(4)].concat();
    let (_, summary) = decode(&bytes);
    assert_eq!((summary.recovered, summary.lost, summary.ended), (2, 3, true));
}

#[test]
fn an_error_frame_ends_a_boot_without_a_goodbye() {
    let error = Error::Panic { cpu: CpuIndex(3), message: "no memory" };
    let (_, summary) = decode(&encoded(&Frame { number: 0, body: Body::Error(error) }));
    assert_eq!(summary.error.as_deref(), Some("the kernel panicked on CPU 3: no memory"));
    assert!(!summary.cut());
}

/// A message with its CRC, as a kernel would send it that knows other frames.
fn other_frame(message: &[u8]) -> Vec<u8> {
    let mut bytes = message.to_vec();
    bytes.extend(CRC.checksum(message).to_le_bytes());
    let mut stuffed = vec![0; bytes.len() + bytes.len() / 254 + 2];
    let length = cobs::encode(&bytes, &mut stuffed);
    stuffed.truncate(length);
    stuffed.push(0);
    stuffed
}

#[test]
fn frames_of_an_unknown_kind_are_counted_and_lose_nothing() {
    let bytes = [log(0, "one"), other_frame(&[1, 30, 7, 7]), goodbye(2)].concat();
    let (numbers, summary) = decode(&bytes);
    assert_eq!(numbers, [0, 2]);
    assert_eq!((summary.recovered, summary.unknown, summary.lost), (3, 1, 0));
}

#[test]
fn another_version_is_refused_by_name_even_if_its_hello_has_other_fields() {
    // Number 0, Hello, the magic as a varint, version 9, then fields that nobody knows.
    let hello = [0, 0, 0xd2, 0x86, 0x85, 0xe2, 0x04, 9, 1, 2, 3];
    let error = decode_in(&[&other_frame(&hello)]).unwrap_err();
    assert_eq!(error, Incompatible::Protocol(9));
    assert!(error.to_string().contains("version 9"), "{error}");
}

#[test]
fn a_hello_of_another_program_is_refused() {
    let mut hello = None;
    bringup::sim::boot("", 1, 1, |frame| {
        if let Body::Hello(body) = &frame.body {
            let body = Hello { magic: 7, ..body.clone() };
            hello = Some(encoded(&Frame { number: 0, body: Body::Hello(body) }));
        }
    })
    .unwrap();
    assert_eq!(decode_in(&[&hello.unwrap()]).unwrap_err(), Incompatible::Magic(7));
}

/// Something that happens to a capture on its way.
#[derive(Clone, Debug)]
enum Damage {
    Change { at: usize, to: u8 },
    Insert { at: usize, bytes: Vec<u8> },
    Remove { at: usize, length: usize },
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![2 => Just(0u8), 1 => Just(1u8), 5 => any::<u8>()];
    prop_oneof![
        4 => (any::<usize>(), byte).prop_map(|(at, to)| Damage::Change { at, to }),
        1 => (any::<usize>(), vec(any::<u8>(), 0..1500))
            .prop_map(|(at, bytes)| Damage::Insert { at, bytes }),
        1 => (any::<usize>(), "[ -~\r\n]{0,300}")
            .prop_map(|(at, text)| Damage::Insert { at, bytes: text.into_bytes() }),
        1 => (any::<usize>(), 1usize..200).prop_map(|(at, length)| Damage::Remove { at, length }),
    ]
}

/// The damaged bytes, and the numbers of the frames whose own bytes all arrived side by side;
/// their zeros need not.
fn damaged(frames: &[Vec<u8>], damages: &[Damage]) -> (Vec<u8>, Vec<u32>) {
    // Each byte with the place it was sent at, if it was.
    let mut bytes: Vec<(u8, Option<usize>)> =
        frames.concat().into_iter().enumerate().map(|(at, byte)| (byte, Some(at))).collect();
    for damage in damages {
        match damage {
            Damage::Change { at, to } => {
                let at = at % bytes.len();
                if bytes[at].0 != *to {
                    bytes[at] = (*to, None);
                }
            }
            Damage::Insert { at, bytes: more } => {
                let at = at % (bytes.len() + 1);
                bytes.splice(at..at, more.iter().map(|byte| (*byte, None)));
            }
            Damage::Remove { at, length } => {
                let at = at % bytes.len();
                let end = bytes.len().min(at + length);
                if at > 0 || end < bytes.len() {
                    bytes.drain(at..end);
                }
            }
        }
    }
    let mut start = 0;
    let mut intact = Vec::new();
    for (number, frame) in (0..).zip(frames) {
        let body = frame.len() - 1;
        let found = bytes.iter().position(|(_, place)| *place == Some(start)).is_some_and(|at| {
            bytes[at..]
                .iter()
                .take(body)
                .map(|(_, place)| *place)
                .eq((start..start + body).map(Some))
        });
        if found {
            intact.push(number);
        }
        start += frame.len();
    }
    (bytes.into_iter().map(|(byte, _)| byte).collect(), intact)
}

/// Each of these bytes may begin a frame, and its chain of blocks is long. To follow every chain to its
/// end takes minutes here.
#[test]
fn noise_without_zeros_does_not_take_a_search_of_every_chain() {
    let mut random = fastrand::Rng::with_seed(4);
    let noises: [Box<dyn FnMut(usize) -> u8>; 4] = [
        Box::new(|at| [2, 1][at % 2]),
        Box::new(|at| [3, 1, 4][at % 3]),
        Box::new(|at| b"hello world\n"[at % 12]),
        Box::new(move |_| random.u8(1..5)),
    ];
    for (kind, mut noise) in noises.into_iter().enumerate() {
        let mut bytes = Vec::new();
        for number in 0..3 {
            bytes.extend((0..50_000).map(&mut noise));
            bytes.extend(log(number, "between"));
            // Nothing is behind it but more noise.
            bytes.pop();
        }
        let (numbers, summary) = decode(&bytes);
        assert_eq!(numbers, [0, 1, 2], "noise {kind}");
        assert_eq!((summary.bytes, summary.lost), (bytes.len() as u64, 0));
    }
}

proptest! {
    #[test]
    fn a_capture_cut_anywhere_gives_what_came_before_the_cut(at in 0usize..10_000) {
        let frames = frames(BOOT, 3);
        let bytes = frames.concat();
        let cut = &bytes[..at % bytes.len()];
        let (numbers, summary) = decode(cut);
        // A frame of which only the zero is missing is whole.
        let mut end = 0;
        let whole = frames.iter().take_while(|frame| {
            end += frame.len();
            end <= cut.len() + 1
        });
        let whole = whole.count() as u32;
        prop_assert_eq!(numbers, (0..whole).collect::<Vec<_>>());
        prop_assert_eq!((summary.recovered, summary.lost), (u64::from(whole), 0));
        prop_assert_eq!(summary.cut(), whole < frames.len() as u32);
    }

    #[test]
    fn every_frame_that_arrived_intact_is_recovered_and_the_rest_is_counted(
        damages in vec(damage(), 1..12),
    ) {
        let frames = frames(BOOT, 4);
        let (bytes, intact) = damaged(&frames, &damages);
        let mut decoder = Decoder::new();
        let mut numbers = Vec::new();
        let mut take = |frame: &Frame<'_>| {
            assert_eq!(encoded(frame), frames[frame.number as usize], "not what was sent");
            numbers.push(frame.number);
        };
        decoder.push(&bytes, &mut take).unwrap();
        let summary = decoder.finish(&mut take).unwrap();
        prop_assert!(intact.iter().all(|number| numbers.contains(number)), "{:?}", numbers);
        prop_assert!(numbers.is_sorted_by(|one, next| one < next), "{:?}", numbers);
        prop_assert_eq!(summary.recovered, numbers.len() as u64);
        let sent = if summary.ended {
            frames.len() as u64
        } else {
            numbers.last().map_or(0, |last| u64::from(*last) + 1)
        };
        prop_assert_eq!(summary.recovered + summary.lost, sent);
    }

    #[test]
    fn chunks_of_any_size_give_the_same(
        damages in vec(damage(), 0..6), cuts in vec(1usize..700, 1..200),
    ) {
        let (bytes, _) = damaged(&frames(BOOT, 4), &damages);
        let (mut rest, mut chunks) = (&bytes[..], Vec::new());
        for cut in cuts {
            let (chunk, behind) = rest.split_at(cut.min(rest.len()));
            chunks.push(chunk);
            rest = behind;
        }
        chunks.push(rest);
        prop_assert_eq!(decode_in(&chunks).unwrap(), decode(&bytes));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in vec(prop_oneof![0u8..3, any::<u8>()], 0..4 * MAX_FRAME)) {
        let _ = decode_in(&[&bytes]);
    }

    #[test]
    fn frames_of_any_length_are_found_behind_text(text in "[ -~]{0,900}", before in "[ -~]{0,1200}") {
        let frame = log(0, &text);
        let mut bytes = before.clone().into_bytes();
        bytes.extend(&frame);
        let (numbers, summary) = decode(&bytes);
        prop_assert_eq!(numbers, [0]);
        prop_assert_eq!((summary.console, summary.broken), (before, 0));
    }
}
