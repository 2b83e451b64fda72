//! A trial that breaks its strategy is warned of, wherever warnings are shown.

use crate::runs::changed;
use crate::simulated::{KHZ, STRATEGIES, capture, folder, run_folder};
use bringup::CpuIndex;
use bringup::frame::Body;
use bringup::plan::Plan;
use bringup::stamp::{Stamp, Stamps};
use host_analyzer::run::Run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One cell at the costs of [`STRATEGIES`]: a cold trial and two more.
fn line(strategy: &str) -> String {
    let (costs, _) = STRATEGIES.split_once(" repetitions").unwrap();
    format!("{costs} repetitions=2 strategy={strategy}")
}

/// A run of four CPUs in whose trials from 1 on one AP's stamps are changed.
fn run_with(folder: &Path, strategy: &str, cpu: u16, change: impl Fn(&mut Stamps)) {
    let line = line(strategy);
    run_folder(folder, &line, &[4]);
    let mut trial = 0;
    let bytes = changed(&line, 4, |body| match body {
        Body::TrialBegin(begin) => trial = begin.trial,
        Body::ApTimeline(ap) if trial > 0 && ap.cpu == CpuIndex(cpu) => change(&mut ap.stamps),
        _ => {}
    });
    fs::write(folder.join("captures/icount-4-1.bin"), bytes).unwrap();
}

fn without(stamps: &Stamps, missing: Stamp) -> Stamps {
    let mut rest = Stamps::default();
    for stamp in Stamp::ALL.into_iter().filter(|stamp| *stamp != missing) {
        if let Some(at) = stamps.get(stamp) {
            rest.set(stamp, at);
        }
    }
    rest
}

#[test]
fn every_claim_that_a_trial_can_break_is_warned_of_with_trial_boot_cell_and_cpus() {
    // On the simulator's clock of 1 GHz: 100 µs for each kick, an AP is alive 1300 µs after the begin of
    // the first and online 1400 µs later.
    let set = |stamp, at| move |stamps: &mut Stamps| stamps.set(stamp, at);
    let take = |stamp| move |stamps: &mut Stamps| *stamps = without(stamps, stamp);
    type Change = Box<dyn Fn(&mut Stamps)>;
    let cases: [(&str, u16, Change, &str); 8] = [
        (
            "serial",
            2,
            Box::new(set(Stamp::Init, 2_699_999)),
            "an AP is kicked only after the one before it was seen online, but CPU 2 has `init` at 2699999, \
             before CPU 1 has `seen_online` at 2700000",
        ),
        (
            "serial",
            3,
            Box::new(take(Stamp::SeenAlive)),
            "each AP is awaited, but CPU 3 is online without `seen_alive`",
        ),
        (
            "serial",
            1,
            Box::new(take(Stamp::SeenOnline)),
            "each AP is awaited, but CPU 1 is online without `seen_online`",
        ),
        (
            "parallel-sipi",
            1,
            Box::new(set(Stamp::SeenAlive, 299_999)),
            "all APs are kicked before one is awaited, but CPU 1 has `seen_alive` at 299999, before \
             CPU 3 has `kick_end` at 300000",
        ),
        (
            "parallel-sipi",
            2,
            Box::new(set(Stamp::SeenAlive, 2_699_999)),
            "an AP is awaited only after the one before it was seen online, but CPU 2 has `seen_alive` at \
             2699999, before CPU 1 has `seen_online` at 2700000",
        ),
        (
            "parallel-sipi",
            1,
            Box::new(take(Stamp::SeenAlive)),
            "each AP is awaited, but CPU 1 is online without `seen_alive`",
        ),
        (
            "full-parallel",
            2,
            Box::new(set(Stamp::SeenAlive, 1_400_000)),
            "no AP is held until the BSP has seen it alive, but CPU 2 has `seen_alive` at 1400000",
        ),
        (
            "full-parallel",
            1,
            Box::new(set(Stamp::SeenCallin, 299_999)),
            "all APs are kicked before one is awaited, but CPU 1 has `seen_callin` at 299999, before \
             CPU 3 has `kick_end` at 300000",
        ),
    ];
    assert_eq!(KHZ, 1_000_000);
    for (strategy, cpu, change, claim) in cases {
        let (_keep, folder) = folder();
        run_with(&folder, strategy, cpu, change);
        let run = Run::open(&folder).unwrap();
        let expected = format!(
            "icount, 4 CPUs, {strategy}: 2 trials break the strategy; the first is trial 1 of cell 0 in \
             captures/icount-4-1.bin: {claim}"
        );
        assert_eq!(run.warnings(), [expected]);
        // It states that the numbers are of another strategy, and judges nobody.
        assert!(run.verdict().is_ok());
    }
}

#[test]
fn a_trial_that_breaks_its_strategy_is_shown_by_every_command_that_shows_warnings() {
    let (_keep, folder) = folder();
    run_with(&folder, "full-parallel", 2, |stamps| stamps.set(Stamp::SeenAlive, 1_400_000));
    let budgets = folder.join("budgets.toml");
    fs::write(&budgets, "[[budget]]\nfigure = \"total\"\nmax-cycles = 1_000_000_000\n").unwrap();
    let page = folder.join("report.html");
    let analyzer = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
        let output = command.args(arguments).output().unwrap();
        let [out, err] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {err}");
        out + &err
    };
    let run = folder.to_str().unwrap();
    let budgets = budgets.to_str().unwrap();
    for arguments in [
        &["show", run][..],
        &["show", "--format", "json", run],
        &["show", "--cpu-lines", run],
        &["export", "--format", "csv", run],
        &["compare", "--format", "markdown", run, run],
        &["compare", "--format", "json", run, run],
        &["check", "--budgets", budgets, run],
        &["check", "--format", "markdown", "--budgets", budgets, run],
        &["check", "--format", "json", "--budgets", budgets, run],
    ] {
        let text = analyzer(arguments);
        assert!(text.contains("2 trials break the strategy"), "{arguments:?}: {text}");
    }
    analyzer(&["report", run]);
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("2 trials break the strategy"));
}

#[test]
fn runs_that_keep_their_strategies_break_no_claim() {
    let (_keep, folder) = folder();
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/reference/small");
    let mut runs: Vec<PathBuf> = vec![reference];
    let words = ["", "cost-kick=9us cost-callin=1us", "fault=never:2 limit=5ms", "skew=1:-900"];
    for sync in ["pairwise", "one-to-many", "trusted tsc-trust=engine"] {
        for (kick, strategies) in [
            ("unicast", &["serial", "parallel-sipi", "full-parallel"][..]),
            ("broadcast", &["parallel-sipi", "full-parallel"]),
        ] {
            let cells = strategies.iter().map(|strategy| format!(" cell strategy={strategy}"));
            let cells: String = cells.collect();
            for words in words {
                let line = format!("{words} repetitions=2 kick={kick} tsc-sync={sync}{cells}");
                // A broadcast withholds no SIPI, and clocks that are not compared are not skewed.
                if Plan::parse(&line, 5).is_ok() {
                    let path = folder.join(format!("{}.bin", runs.len()));
                    fs::write(&path, capture(&line, 5)).unwrap();
                    runs.push(path);
                }
            }
        }
    }
    assert_eq!(runs.len(), 1 + 2 * (4 + 3) + (3 + 2));
    for path in runs {
        let run = Run::open(&path).unwrap_or_else(|no| panic!("{:?}", no.report()));
        assert!(!run.cells.is_empty());
        for cell in &run.cells {
            assert_eq!(cell.breaches, None, "{}: {}", path.display(), cell.options);
        }
    }
}

/// An AP that was lost lacks stamps, and breaks nothing by that.
#[test]
fn a_lost_ap_breaks_no_claim() {
    for strategy in ["serial", "parallel-sipi", "full-parallel"] {
        let (_keep, folder) = folder();
        let path = folder.join("lost.bin");
        let line = format!("{} limit=9ms fault=never:2", line(strategy));
        fs::write(&path, capture(&line, 4)).unwrap();
        let run = Run::open(&path).unwrap();
        assert_eq!((run.lost_aps(), &run.cells[0].breaches), (3, &None), "{strategy}");
    }
}
