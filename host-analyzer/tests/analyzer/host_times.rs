//! Boots on the host's clock: an engine's start and end are figures beside those of trials.

use crate::command_line::{analyzer, code, stderr, stdout};
use crate::noisy::noisy_run;
use crate::simulated::{STRATEGIES, boot, encoded, folder, manifest, run_folder, write_manifest};
use host_analyzer::ground::manifest::HostStamps;
use host_analyzer::judge::compare::{Settings, compare};
use host_analyzer::run::measure::Measure;
use host_analyzer::run::{HostMeasure, Run, read_manifest};
use std::fs;
use std::path::Path;

/// A run of a noisy engine whose boots take a second; the first byte comes after so many ms, and a few more each time.
fn run_with_start(folder: &Path, start_ms: u32) -> Run {
    noisy_run(folder, 12, 3, 1.0);
    let mut manifest = read_manifest(folder).unwrap();
    for (number, boot) in (0u32..).zip(&mut manifest.boots) {
        let first_byte = f64::from(start_ms + number) / 1e3;
        boot.seconds = 1.0;
        boot.host_stamps = Some(HostStamps { first_byte, goodbye: 0.95, killed: false });
    }
    write_manifest(folder, &manifest);
    Run::open(folder).unwrap()
}

#[test]
fn an_engine_that_starts_later_is_found_on_the_hosts_clock_and_in_no_total() {
    let (_keep, folder) = folder();
    let base = run_with_start(&folder.join("base"), 300);
    let new = run_with_start(&folder.join("new"), 400);
    let comparison = compare(&base, &new, Settings::default()).unwrap();
    assert_eq!(comparison.count(|verdict| verdict.is_change()), 0);
    let [host] = &comparison.hosts[..] else { panic!("{:?}", comparison.hosts) };
    let [start, end] = &host.figures[..] else { panic!("{:?}", host.figures) };
    assert_eq!((start.measure, end.measure), (HostMeasure::EngineStart, HostMeasure::EngineEnd));
    assert_eq!((start.base, start.new, start.difference), (305_500.0, 405_500.0, 100_000.0));
    assert_eq!((start.verdict.name(), end.verdict.name()), ("slower", "same"));
    let output = analyzer(&[&"compare", &folder.join("base"), &folder.join("new")]);
    let text = stdout(&output);
    assert!(
        text.contains(
            "On the host's clock engine-start of tcg, 4 CPUs changed: 305.5 ms → 405.5 ms"
        ),
        "{text}"
    );
    let output =
        analyzer(&[&"compare", &"--figures", &"total", &folder.join("base"), &folder.join("new")]);
    assert!(!stdout(&output).contains("engine-start"), "{}", stdout(&output));
}

#[test]
fn figures_on_the_hosts_clock_alone_have_a_conclusion() {
    let (_keep, folder) = folder();
    let runs = [300, 300, 400].map(|start| run_with_start(&folder.join(start.to_string()), start));
    let settings = Settings {
        figures: Vec::new(),
        host_figures: vec![HostMeasure::EngineStart],
        ..Settings::default()
    };
    let headline = |base: &Run, new: &Run| {
        let comparison = compare(base, new, settings.clone()).unwrap();
        host_analyzer::present::compare::json(&comparison)["headline"].as_str().unwrap().to_owned()
    };
    assert_eq!(headline(&runs[0], &runs[1]), "Nothing moved: 1 figure is the same.");
    let changed = "On the host's clock engine-start of tcg, 4 CPUs changed: 305.5 ms → 405.5 ms";
    assert!(headline(&runs[0], &runs[2]).starts_with(changed));
}

#[test]
fn an_engine_that_was_killed_has_no_end_of_its_own() {
    let (_keep, folder) = folder();
    let run = run_with_start(&folder, 300);
    let mut manifest = run.manifest.clone().unwrap();
    for boot in &mut manifest.boots {
        boot.host_stamps.as_mut().unwrap().killed = true;
    }
    write_manifest(&folder, &manifest);
    let run = Run::open(&folder).unwrap();
    let [boots] = &run.host_boots()[..] else { panic!("{:?}", run.host_boots()) };
    let medians = HostMeasure::ALL.map(|measure| boots.sample(measure).median());
    assert_eq!(medians, [Some(950_000.0), Some(305_500.0), Some(644_500.0), None]);
    let text = stdout(&analyzer(&[&"show", &folder]));
    assert!(text.lines().any(|line| line.trim_end().ends_with('–')), "{text}");
}

#[test]
fn a_table_shows_the_share_of_each_part_in_the_whole() {
    let (_keep, folder) = folder();
    run_with_start(&folder, 300);
    let text = stdout(&analyzer(&[&"show", &folder]));
    let row = text.lines().find(|line| line.contains("31 %")).expect(&text);
    let words: Vec<&str> = row.split_whitespace().collect();
    let expected =
        ["tcg", "4", "12", "1000", "305.5", "31", "%", "644.5", "64", "%", "50.00", "5", "%"];
    assert_eq!(words, expected);
    let json = stdout(&analyzer(&[&"show", &"--format", &"json", &folder]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let start = &json["host_boots"][0]["engine_start"];
    assert_eq!((&start["median_us"], start["interval_us"].is_array()), (&305_500.0.into(), true));
}

#[test]
fn a_budget_limits_an_engines_start_in_time_of_the_host() {
    let (_keep, folder) = folder();
    run_with_start(&folder.join("run"), 300);
    let budgets = folder.join("budgets.toml");
    let check = |text: &str| {
        fs::write(&budgets, text).unwrap();
        analyzer(&[&"check", &folder.join("run"), &"--budgets", &budgets])
    };
    let limit = |us: u32| {
        format!(
            "[[budget]]\ncells = {{ engine = \"tcg\" }}\nfigure = \"engine-start\"\nmax-us = {us}\n"
        )
    };
    assert_eq!(code(&check(&limit(400_000))), 0);
    let broken = check(&limit(200_000));
    assert_eq!(code(&broken), 1);
    let table = stdout(&broken);
    let words: Vec<&str> = table.lines().nth(2).unwrap().split_whitespace().collect();
    let row = ["engine-start", "305.5", "ms", "200.0", "ms", "152.75", "%", "broken"];
    assert_eq!(words[words.len() - row.len()..], row, "{table}");
    for (text, message) in [
        (
            limit(1).replace("max-us", "max-cycles"),
            "`engine-start` is a time of the host's clock: limit it by `max-us`",
        ),
        (
            limit(1).replace("engine = \"tcg\"", "strategy = \"serial\""),
            "`cells` can name `engine` and `smp`, but not `strategy`",
        ),
        (
            limit(1).replace("tcg", "kvm"),
            "no boot of a noisy engine that it is for has times on the host's clock",
        ),
    ] {
        let wrong = check(&text);
        assert_eq!(code(&wrong), 2, "{text}");
        let words: Vec<String> = stderr(&wrong)
            .split_whitespace()
            .filter(|word| *word != "│")
            .map(str::to_owned)
            .collect();
        assert!(words.join(" ").contains(message), "{words:?}");
    }
}

/// A noisy run of nine equal boots on a machine whose clock has this rate.
fn run_on_a_clock(folder: &Path, khz: u64) -> Run {
    const LINE: &str = "repetitions=2 cost-kick=100us cost-callin=800us strategy=full-parallel";
    fs::create_dir_all(folder.join("captures")).unwrap();
    let boots = (1..=9).map(|number| {
        let name = format!("captures/tcg-4-{number}.bin");
        let mut bytes = Vec::new();
        bringup::sim::boot(LINE, 4, khz, |frame| bytes.extend(encoded(frame))).unwrap();
        fs::write(folder.join(&name), bytes).unwrap();
        let mut told = boot(&name, LINE, 4);
        (told.engine, told.exact, told.boot) = ("tcg".to_owned(), false, number);
        told
    });
    write_manifest(folder, &manifest(boots.collect()));
    Run::open(folder).unwrap()
}

#[test]
fn hosts_with_clocks_of_different_rates_are_compared_by_time() {
    let (_keep, folder) = folder();
    let base = run_on_a_clock(&folder.join("base"), 1_000_000);
    let new = run_on_a_clock(&folder.join("new"), 2_500_000);
    assert_eq!(new.cells[0].total().unwrap().median, base.cells[0].total().unwrap().median * 5 / 2);
    let comparison = compare(&base, &new, Settings::default()).unwrap();
    for (_, figure) in comparison.figures() {
        assert_eq!(figure.verdict.name(), "same", "{figure:?}");
        assert_eq!((figure.base, figure.difference), (figure.new, 0.0), "{figure:?}");
    }
    assert!(comparison.notes.iter().all(|note| !note.contains("kHz")), "{:?}", comparison.notes);
}

#[test]
fn figures_that_neither_run_has_are_no_result() {
    let (_keep, folder) = folder();
    let run = run_on_a_clock(&folder, 1_000_000);
    let settings = Settings {
        figures: vec![Measure::WaitInit],
        host_figures: Vec::new(),
        ..Settings::default()
    };
    let failure = compare(&run, &run, settings).unwrap_err();
    let report = failure.report().to_string();
    assert_eq!(report, "no cell of both runs has any of these figures");
}

#[test]
fn a_budget_of_cold_is_for_the_cells_that_have_a_cold_trial() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("run"), STRATEGIES, &[8]);
    let budgets = folder.join("budgets.toml");
    let check = |cells: &str| {
        fs::write(&budgets, format!("[[budget]]\n{cells}figure = \"cold\"\nmax-us = 100_000\n"))
            .unwrap();
        analyzer(&[&"check", &folder.join("run"), &"--budgets", &budgets])
    };
    let met = check("");
    assert_eq!(code(&met), 0, "{}", stdout(&met));
    assert!(!stdout(&met).contains("full-parallel"), "{}", stdout(&met));
    let none = check("cells = { strategy = \"full-parallel\" }\n");
    assert_eq!(code(&none), 2);
    assert!(stderr(&none).contains("cold = \"each\""), "{}", stderr(&none));
}
