//! Runs of a noisy engine: simulated boots that differ, as the host deals it.

use crate::simulated::{KHZ, boot, encoded, manifest, write_manifest};
use bringup::frame::Body;
use bringup::options::Options;
use fastrand::Rng;
use host_analyzer::run::Run;
use std::fs;
use std::path::Path;

/// One cell, quick to simulate.
const LINE: &str = "cost-kick=100us cost-wake=1200us cost-callin=800us tsc-window=500us \
                    cost-online=100us strategy=full-parallel repetitions=2";

/// What its steps take, in cycles.
const COSTS: [(&str, f64); 5] = [
    ("cost-kick", 100e3),
    ("cost-wake", 1200e3),
    ("cost-callin", 800e3),
    ("tsc-window", 500e3),
    ("cost-online", 100e3),
];

/// A run of four CPUs on `tcg`: in each boot every step takes up to 3 % more or less, and callin
/// takes `callin` times what it did.
pub fn noisy_run(folder: &Path, boots: u32, seed: u64, callin: f64) -> Run {
    let mut random = Rng::with_seed(seed);
    fs::create_dir_all(folder.join("captures")).unwrap();
    let told = (1..=boots).map(|number| {
        let name = format!("captures/tcg-4-{number}.bin");
        fs::write(folder.join(&name), capture(&mut random, callin)).unwrap();
        let mut told = boot(&name, LINE, 4);
        (told.engine, told.exact, told.boot) = ("tcg".to_owned(), false, number);
        told
    });
    let mut manifest = manifest(told.collect());
    manifest.host.cpus = 8;
    write_manifest(folder, &manifest);
    Run::open(folder).unwrap()
}

/// One boot. Its frames tell the costs that were asked for, as a real boot's do.
fn capture(random: &mut Rng, callin: f64) -> Vec<u8> {
    let mut line = LINE.to_owned();
    for (key, cycles) in COSTS {
        let factor = if key == "cost-callin" { callin } else { 1.0 };
        let cycles = cycles * factor * (0.97 + 0.06 * random.f64());
        let given = line.split(' ').find(|word| word.starts_with(key)).unwrap().to_owned();
        line = line.replace(&given, &format!("{key}={cycles:.0}"));
    }
    let mut asked = Options::default();
    LINE.split(' ').for_each(|word| asked.set_word(word).unwrap());
    let asked = asked.to_string();
    let mut bytes = Vec::new();
    bringup::sim::boot(&line, 4, KHZ, |frame| {
        let mut frame = frame.clone();
        if let Body::CellBegin(begin) = &mut frame.body {
            begin.options = &asked;
        }
        bytes.extend(encoded(&frame));
    })
    .unwrap();
    bytes
}
