//! How fast captures are read: `cargo bench -p host-analyzer --bench decode`.
//!
//! Reading a run (decode its capture and gather its cells) is held against the least that any
//! reader has to do: the same libraries' COBS and CRC alone, on the same bytes in memory. Captures
//! of one, two, four and eight times the length show that time is linear and what memory depends on.

use bringup::exchange::{OffsetInterval, SyncVerdict};
use bringup::frame::{ApTimeline, Body, Frame};
use bringup::stamp::Stamp;
use bringup::wire::{CRC, MAX_FRAME, encode};
use host_analyzer::run::{KEPT, Run};
use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Runs of each measurement; the median counts.
const RUNS: usize = 5;

/// A machine, and the trials of each strategy in its shortest capture.
const MACHINES: [(usize, u32); 2] = [
    (28, 500),
    // From the first length on there are more trials than a cell keeps.
    (2, KEPT as u32),
];

fn main() {
    let folder = tempfile::tempdir().expect("a folder for captures");
    let path = folder.path().join("capture.bin");
    for (cpus, trials) in MACHINES {
        println!(
            "{cpus} CPUs, 3 strategies; medians of {RUNS} runs\n\n\
             {:>8} {:>11} {:>12} {:>12} {:>7} {:>12}",
            "trials", "capture", "COBS + CRC", "whole run", "ratio", "peak memory"
        );
        for times in [1, 2, 4, 8] {
            write_capture(&path, cpus, trials * times);
            let bytes = fs::read(&path).expect("the capture");
            let speeds = speeds(&bytes, &path);
            let speed = |seconds: f64| bytes.len() as f64 / seconds / 1e6;
            println!(
                "{:>8} {:>8.1} MB {:>7.0} MB/s {:>7.0} MB/s {:>7.2} {:>9.2} MB",
                3 * trials * times,
                bytes.len() as f64 / 1e6,
                speed(speeds.least),
                speed(speeds.whole),
                speeds.ratio,
                peak_bytes(&path) as f64 / 1e6,
            );
        }
        println!();
    }
    println!(
        "The ratio is the whole run's speed by that of COBS + CRC; it should be 0.33 at least.\n\
         Of each cell {KEPT} trials are kept: until there are so many, memory grows."
    );
}

/// What any reader has to do: frames found whose checksum fits.
fn cobs_and_crc(bytes: &[u8]) -> usize {
    let mut scratch = [0; MAX_FRAME];
    let whole = |segment: &&[u8]| {
        let length = cobs::decode(segment, &mut scratch).ok();
        let body = length.and_then(|length| scratch[..length].split_last_chunk());
        body.is_some_and(|(body, sum)| CRC.checksum(body) == u32::from_le_bytes(*sum))
    };
    bytes.split(|byte| *byte == 0).filter(whole).count()
}

/// Medians, in seconds of CPU time.
struct Speeds {
    least: f64,
    whole: f64,
    /// Of pairs, one right after the other: a slower clock slows both.
    ratio: f64,
}

fn speeds(bytes: &[u8], path: &Path) -> Speeds {
    let pairs: Vec<(f64, f64)> = (0..RUNS)
        .map(|_| {
            let least = seconds(|| cobs_and_crc(black_box(bytes)));
            (least, seconds(|| Run::open(black_box(path)).expect("a run")))
        })
        .collect();
    Speeds {
        least: median(pairs.iter().map(|(least, _)| *least)),
        whole: median(pairs.iter().map(|(_, whole)| *whole)),
        ratio: median(pairs.iter().map(|(least, whole)| least / whole)),
    }
}

/// CPU seconds of this thread: a busy host does not count.
fn seconds<T>(of: impl FnOnce() -> T) -> f64 {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
    };
    let begin = now();
    black_box(of());
    now() - begin
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The most memory that reading the run takes at once.
fn peak_bytes(path: &Path) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    black_box(Run::open(path).expect("a run"));
    ALLOCATOR.peak_usage() - before
}

/// A simulated boot, its timelines as full as a kernel's.
fn write_capture(path: &Path, cpus: usize, trials: u32) {
    let line = format!(
        "cost-kick=100us cost-wake=1200us cost-callin=800us tsc-window=500us cost-online=100us \
         repetitions={trials} cell strategy=serial cell strategy=parallel-sipi cell strategy=full-parallel"
    );
    let mut file = BufWriter::new(File::create(path).expect("a capture"));
    bringup::sim::boot(&line, cpus, 2_400_000, |frame| {
        let mut frame: Frame<'_> = frame.clone();
        if let Body::ApTimeline(timeline) = &mut frame.body {
            fill(timeline);
        }
        let mut buffer = [0; MAX_FRAME];
        let bytes = encode(&frame, &mut buffer).expect("a frame that fits");
        file.write_all(bytes).expect("room for the capture");
    })
    .expect("options that are accepted");
    file.flush().expect("room for the capture");
}

/// Adds what the simulator leaves out: a raw `entry`, and how the clocks were compared.
fn fill(timeline: &mut ApTimeline) {
    let offset = OffsetInterval { lo: -40, hi: 40, lo_samples: 20, hi_samples: 19 };
    timeline.entry_raw = timeline.stamps.get(Stamp::Sipi).map(|sipi| sipi + 5_043);
    timeline.offset = Some(offset);
    timeline.sync = Some(bringup::frame::Sync {
        verdict: SyncVerdict::Clean,
        windows: 1,
        first: Some(offset),
        correction: 0,
        in_hardware: false,
    });
}
