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
    run_of_lines(&vec![LINE.to_owned(); boots as usize], folder, seed, callin)
}

/// The same with three cells, one for each strategy, which take turns at being first.
pub fn noisy_run_of_three_cells(folder: &Path, boots: u32, seed: u64, callin: f64) -> Run {
    let cells = ["serial", "parallel-sipi", "full-parallel"];
    let mut cells = cells.map(|strategy| format!(" cell strategy={strategy}"));
    let lines = (0..boots).map(|_| {
        let line = format!("{LINE}{}", cells.concat());
        cells.rotate_left(1);
        line
    });
    run_of_lines(&lines.collect::<Vec<String>>(), folder, seed, callin)
}

/// A boot for each command line.
fn run_of_lines(lines: &[String], folder: &Path, seed: u64, callin: f64) -> Run {
    let mut random = Rng::with_seed(seed);
    fs::create_dir_all(folder.join("captures")).unwrap();
    let told = (1..).zip(lines).map(|(number, line)| {
        let name = format!("captures/tcg-4-{number}.bin");
        fs::write(folder.join(&name), capture(line, &mut random, callin)).unwrap();
        let mut told = boot(&name, line, 4);
        (told.engine, told.exact, told.boot) = ("tcg".to_owned(), false, number);
        told
    });
    let mut manifest = manifest(told.collect());
    manifest.host.cpus = 8;
    write_manifest(folder, &manifest);
    Run::open(folder).unwrap()
}

/// One boot. Its frames tell the costs that were asked for, as a real boot's do.
fn capture(asked: &str, random: &mut Rng, callin: f64) -> Vec<u8> {
    let mut line = asked.to_owned();
    for (key, cycles) in COSTS {
        let factor = if key == "cost-callin" { callin } else { 1.0 };
        let cycles = cycles * factor * (0.97 + 0.06 * random.f64());
        let given = line.split(' ').find(|word| word.starts_with(key)).unwrap().to_owned();
        line = line.replace(&given, &format!("{key}={cycles:.0}"));
    }
    let asked_costs =
        LINE.split(' ').filter(|word| COSTS.iter().any(|(key, _)| word.starts_with(key)));
    let asked_costs: Vec<&str> = asked_costs.collect();
    let mut bytes = Vec::new();
    bringup::sim::boot(&line, 4, KHZ, |frame| {
        let mut frame = frame.clone();
        let mut options = Options::default();
        let text;
        if let Body::CellBegin(begin) = &mut frame.body {
            let words = begin.options.split(' ').chain(asked_costs.iter().copied());
            words.for_each(|word| options.set_word(word).unwrap());
            text = options.to_string();
            begin.options = &text;
        }
        bytes.extend(encoded(&frame));
    })
    .unwrap();
    bytes
}
