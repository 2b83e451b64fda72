//! Two runs are compared: what `compare` says, and how often it errs.

use crate::noisy::{noisy_run, noisy_run_of_three_cells};
use crate::simulated::{
    KHZ, STRATEGIES, boot, capture, encoded, folder, manifest, run_folder, write_manifest,
};
use bringup::frame::Body;
use bringup::options::Strategy;
use bringup::phase::Phase;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest::Engine;
use host_analyzer::judge::check::budgets::Budgets;
use host_analyzer::judge::check::check;
use host_analyzer::judge::compare::{Cause, Comparison, MetricVerdict, Settings, compare};
use host_analyzer::judge::critical::Part;
use host_analyzer::judge::statistics::{Interval, enough_boots, holm, rank_test};
use host_analyzer::present;
use host_analyzer::run::measure::Measure;
use host_analyzer::run::{Cell, Run};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, prop_oneof, proptest};
use std::fs;
use std::path::Path;

fn opened(path: &Path) -> Run {
    Run::open(path).unwrap_or_else(|failure| panic!("{:?}", failure.report()))
}

fn compared<'a>(base: &'a Run, new: &'a Run) -> Comparison<'a> {
    compare(base, new, Settings::default()).unwrap_or_else(|no| panic!("{:?}", no.report()))
}

/// The names of the figures with a verdict, each with its cell's strategy.
fn those(comparison: &Comparison<'_>, wanted: MetricVerdict) -> Vec<(Strategy, &'static str)> {
    comparison
        .figures()
        .filter(|(_, figure)| figure.verdict == wanted)
        .map(|(cell, figure)| (cell.new.options.strategy, figure.measure.name()))
        .collect()
}

#[test]
fn equal_exact_runs_are_the_same_in_every_figure() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[4, 8]);
    let run = opened(&folder);
    let comparison = compared(&run, &run);
    assert_eq!(comparison.cells.len(), 6);
    // The first cell of each of the two boots has a cold trial, too.
    assert_eq!(comparison.count(|verdict| verdict == MetricVerdict::Same), 6 * 13 + 2);
    assert_eq!((comparison.notes.len(), comparison.family), (0, 0));
    let text = present::compare::table(&comparison, false);
    assert!(text.starts_with("Nothing moved: all 80 figures are the same."), "{text}");
}

#[test]
fn one_cycle_of_an_exact_engine_is_a_difference() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("base"), "repetitions=2 cost-online=100us", &[4]);
    run_folder(&folder.join("new"), "repetitions=2 cost-online=100us,2:100001", &[4]);
    let (base, new) = (opened(&folder.join("base")), opened(&folder.join("new")));
    let comparison = compared(&base, &new);
    let slower = those(&comparison, MetricVerdict::Slower);
    // Serially, the last AP is kicked when the others are online.
    let all = ["total", "cold", "kick-loop", "online"].map(|name| (Strategy::Serial, name));
    assert_eq!(slower, all);
    let figure = |wanted| {
        let mut figures = comparison.figures().map(|(_, figure)| figure);
        figures.find(|figure| figure.measure == wanted).unwrap()
    };
    assert_eq!(figure(Measure::Total).difference, 1.0);
    // The mean over three APs moved by a third of a cycle, which no median shows.
    let online = figure(Measure::Phase(Phase::Online));
    assert_eq!((online.base, online.new), (100_000.0, 100_000.0));
    assert!((online.difference - 1.0 / 3.0).abs() < 1e-6);
    assert_eq!(online.moved.len(), 1);
    assert_eq!((online.moved[0].cpu.0, online.moved[0].new), (2, 100_001.0));
}

#[test]
fn a_warm_trial_that_took_longer_makes_no_cold_one_slower() {
    let (_keep, folder) = folder();
    let line = "repetitions=3 cost-online=100us";
    run_folder(&folder.join("base"), line, &[4]);
    run_folder(&folder.join("new"), line, &[4]);
    let (mut bytes, mut trial) = (Vec::new(), 0);
    bringup::sim::boot(line, 4, KHZ, |frame| {
        let mut frame = frame.clone();
        match &mut frame.body {
            Body::TrialBegin(begin) => trial = begin.trial,
            Body::TrialEnd(end) if trial == 3 => end.total.0 += 900,
            _ => {}
        }
        bytes.extend(encoded(&frame));
    })
    .unwrap();
    fs::write(folder.join("new/captures/icount-4-1.bin"), bytes).unwrap();
    let (base, new) = (opened(&folder.join("base")), opened(&folder.join("new")));
    let comparison = compared(&base, &new);
    // Of three equal totals one is longer: the mean tells.
    let slower = ["total", "online-loop"].map(|name| (Strategy::Serial, name));
    assert_eq!(those(&comparison, MetricVerdict::Slower), slower);
}

#[test]
fn a_dearer_step_is_found_in_its_phase_with_its_cause_named() {
    let (_keep, folder) = folder();
    let dearer =
        STRATEGIES.replace("strategy=full-parallel", "strategy=full-parallel cost-callin=808us");
    run_folder(&folder.join("base"), STRATEGIES, &[8]);
    run_folder(&folder.join("new"), &dearer, &[8]);
    let (base, new) = (opened(&folder.join("base")), opened(&folder.join("new")));
    let comparison = compared(&base, &new);
    assert_eq!(
        those(&comparison, MetricVerdict::Slower),
        ["total", "online-loop", "callin"].map(|name| (Strategy::FullParallel, name))
    );
    assert_eq!(those(&comparison, MetricVerdict::Faster), []);
    let note = "icount, 8 CPUs, full-parallel, cost-callin=808us: cost-callin 800us → 808us";
    assert_eq!(comparison.notes, [note]);
}

#[test]
fn unequal_kernels_and_engines_of_exact_runs_are_named() {
    let (_keep, folder) = folder();
    let mut told = run_folder(&folder.join("base"), STRATEGIES, &[4]);
    run_folder(&folder.join("new"), STRATEGIES, &[4]);
    let kernel = told.kernel.as_mut().unwrap();
    kernel.sha256 = "fedcba9876543210".repeat(4);
    kernel.rustc = "rustc 1.80.0".to_owned();
    told.boots[0].engine_version = "QEMU emulator version 7.2.0".to_owned();
    write_manifest(&folder.join("base"), &told);
    let (base, new) = (opened(&folder.join("base")), opened(&folder.join("new")));
    let comparison = compared(&base, &new);
    let note = &comparison.notes[0];
    let what = "the kernels, compilers and engine versions differ";
    assert!(note.starts_with(&format!("{what}: the numbers are exact")), "{note}");
    let told = format!("Two programs are compared: {what}. Nothing moved");
    assert!(headline(&comparison).starts_with(&told), "{}", headline(&comparison));
}

#[test]
fn cells_without_a_partner_are_listed_and_repetitions_do_not_part_them() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("base"), STRATEGIES, &[4, 8]);
    run_folder(
        &folder.join("new"),
        &STRATEGIES.replace("repetitions=5", "repetitions=3"),
        &[4, 16],
    );
    let (base, new) = (opened(&folder.join("base")), opened(&folder.join("new")));
    let comparison = compared(&base, &new);
    assert_eq!(comparison.cells.len(), 3);
    assert_eq!((comparison.base_alone.len(), comparison.new_alone.len()), (3, 3));
    let text = present::compare::table(&comparison, false);
    assert!(text.contains("only the new run has icount, 16 CPUs, serial; icount, 16"), "{text}");
}

#[test]
fn runs_with_nothing_in_common_are_refused() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("base"), STRATEGIES, &[4]);
    run_folder(&folder.join("new"), "strategy=serial wait=spin", &[4]);
    let (base, new) = (opened(&folder.join("base")), opened(&folder.join("new")));
    let Err(Failure::Request(report)) = compare(&base, &new, Settings::default()) else {
        panic!("it was compared")
    };
    assert!(report.to_string().contains("have no cell with APs in common"), "{report}");
    assert!(report.to_string().contains("; the most alike of them differ in "), "{report}");
    assert!(report.to_string().contains("wait halt → spin"), "{report}");
}

#[test]
fn two_engines_of_one_run_can_be_taken_for_the_same() {
    let (_keep, folder) = folder();
    let mut told = run_folder(&folder, STRATEGIES, &[4]);
    let mut other = told.boots[0].clone();
    other.engine = "patched".to_owned();
    other.capture = "captures/patched-4-1.bin".to_owned();
    fs::write(folder.join(&other.capture), capture(STRATEGIES, 4)).unwrap();
    told.boots.push(other);
    write_manifest(&folder, &told);
    let run = opened(&folder);
    let engines = Some(("icount".to_owned(), "patched".to_owned()));
    let settings = Settings { engines, ..Settings::default() };
    let comparison = compare(&run, &run, settings).unwrap();
    assert_eq!(comparison.cells.len(), 3);
    assert!(comparison.cells.iter().all(|cell| cell.new.engine == "patched"));
    assert!(comparison.base_alone.is_empty() && comparison.new_alone.is_empty());
    assert!(comparison.cells.iter().all(|cell| cell.label.starts_with("icount → patched, 4 CPUs")));
    for text in [
        present::compare::table(&comparison, true),
        present::compare::markdown(&comparison),
        present::compare::html(&comparison).unwrap(),
    ] {
        assert!(text.contains("Two engines are compared, icount and patched."), "{text}");
        assert!(text.contains(", engine icount") && text.contains(", engine patched"), "{text}");
    }
    assert_eq!(present::compare::json(&comparison)["cells"][0]["base_engine"], "icount");
}

#[test]
fn an_engine_that_a_run_does_not_have_is_refused_with_those_that_it_has() {
    let (_keep, folder) = folder();
    run_folder(&folder, STRATEGIES, &[4]);
    let run = opened(&folder);
    let engines = Some(("icount".to_owned(), "icuont".to_owned()));
    let result = compare(&run, &run, Settings { engines, ..Settings::default() });
    let Err(Failure::Request(report)) = result else { panic!("it was compared") };
    let told = "has no engine `icuont`; its engines are icount; did you mean `icount`?";
    assert!(report.to_string().ends_with(told), "{report}");
}

#[test]
fn warnings_are_given_once_and_only_of_what_is_compared() {
    let (_keep, folder) = folder();
    let line = "repetitions=1 strategy=full-parallel";
    let names = ["stock", "patched", "other"];
    let mut boots = Vec::new();
    for name in names {
        let mut told = boot(&format!("{name}.bin"), line, 4);
        (told.engine, told.exact) = (name.to_owned(), false);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(&told.capture), capture(line, 4)).unwrap();
        boots.push(told);
    }
    let mut told = manifest(boots);
    told.host.cpus = 2;
    write_manifest(&folder, &told);
    let run = opened(&folder);
    let shared = "4 vCPUs share 2 host CPUs, so times include the host's scheduling";
    let warned = run.warnings();
    assert!(warned.contains(&format!("stock, patched, other: {shared}")), "{warned:?}");

    let engines = Some(("stock".to_owned(), "patched".to_owned()));
    let comparison = compare(&run, &run, Settings { engines, ..Settings::default() }).unwrap();
    let text = present::compare::markdown(&comparison);
    assert_eq!(text.matches("vCPUs share").count(), 1, "{text}");
    assert!(text.contains(&format!("- the run: stock, patched: {shared}")), "{text}");
    assert!(!text.contains("other"), "{text}");
}

#[test]
fn engines_that_need_words_of_their_own_are_told_apart_by_name_and_compared_all_the_same() {
    let (_keep, folder) = folder();
    let words = format!("guard=5us tsc-poll=pause tsc-trust=engine {STRATEGIES}");
    let mut told = run_folder(&folder, &words, &[4]);
    let mut other = boot("captures/vmm-4-1.bin", STRATEGIES, 4);
    other.engine = "vmm".to_owned();
    fs::write(folder.join(&other.capture), capture(STRATEGIES, 4)).unwrap();
    told.boots.push(other);
    told.engines = vec![Engine { name: "vmm".to_owned(), ..Default::default() }];
    write_manifest(&folder, &told);
    let run = opened(&folder);
    assert_eq!(run.varying_options(), ["strategy"]);
    let engines = Some(("icount".to_owned(), "vmm".to_owned()));
    let comparison = compare(&run, &run, Settings { engines, ..Settings::default() }).unwrap();
    assert_eq!(comparison.cells.len(), 3);
    assert!(
        comparison.notes[0].starts_with("the engines' definitions differ"),
        "{:?}",
        comparison.notes
    );
    assert!(comparison.notes[1].ends_with("guard 5us → 0"), "{:?}", comparison.notes);
}

#[test]
fn one_boot_of_a_noisy_engine_tells_nothing_but_how_many_it_needs() {
    let (_keep, folder) = folder();
    let base = noisy_run(&folder.join("base"), 1, 1, 1.0);
    let new = noisy_run(&folder.join("new"), 1, 2, 2.0);
    let comparison = compared(&base, &new);
    let callin = comparison.figures().find(|(_, figure)| figure.measure.name() == "callin");
    let (_, figure) = callin.unwrap();
    assert_eq!(figure.interval, None);
    let MetricVerdict::CantTell { more_boots: Some(more) } = figure.verdict else {
        panic!("{figure:?}")
    };
    // Nine boots each are the fewest whose ranks can be this far apart by chance less than once in
    // 20 × 8 times, and two are spare.
    assert!((7..=11).contains(&more), "{more}");
    assert_eq!(comparison.count(|verdict| verdict.is_change()), 0);
}

fn headline(comparison: &Comparison<'_>) -> String {
    present::compare::json(comparison)["headline"].as_str().unwrap().to_owned()
}

#[test]
fn too_few_boots_are_the_headline_with_the_number_that_suffices() {
    let (_keep, folder) = folder();
    let base = noisy_run_of_three_cells(&folder.join("base"), 6, 1, 1.0);
    let new = noisy_run_of_three_cells(&folder.join("new"), 6, 2, 2.0);
    let comparison = compared(&base, &new);
    let family = comparison.family;
    assert!(family >= 24, "{family} figures");
    assert_eq!(comparison.count(MetricVerdict::is_change), 0);
    let enough = enough_boots(family);
    let told = format!(
        "No change can be found yet: 6 boots of each run can't tell {family} figures apart, {enough} can (`boots = \
         {enough}`, less than a minute for each run); or compare fewer figures, as `--figures total`."
    );
    assert_eq!(headline(&comparison), told);
    let boots = comparison.boots.unwrap();
    assert_eq!((boots.have, boots.enough), (6, enough));
    // Each boot took half a second; that the cells take turns makes no other machine of it.
    assert_eq!(boots.seconds, Some(0.5));
    // The warning counts the same figures and recommends the same boots.
    let warned = format!(
        "tcg: 6 boots are too few to compare {family} figures: a noisy engine needs {enough} (`boots = {enough}`)"
    );
    assert!(base.warnings().contains(&warned), "{warned}: {:?}", base.warnings());

    // Six boots suffice for three figures, and the callin takes twice the time.
    let figures = vec![Measure::Phase(Phase::Callin)];
    let narrow = compare(&base, &new, Settings { figures, ..Settings::default() }).unwrap();
    assert_eq!((narrow.family, narrow.figures().count()), (3, 3));
    assert_eq!(narrow.count(|verdict| verdict == MetricVerdict::Slower), 3);
    assert!(headline(&narrow).starts_with("3 of 3 figures are slower."), "{}", headline(&narrow));
}

#[test]
fn one_number_of_boots_is_recommended_by_warnings_help_and_documents() {
    let scenario = include_str!("../../../scenarios/default.toml");
    assert!(scenario.contains("cpus = [2, 4, 8, 16, 28]"));
    // Five cells of fourteen figures, and two on the host's clock.
    let boots = format!("`boots = {}`", enough_boots(5 * 16));
    assert_eq!(enough_boots(5 * 16), enough_boots(2 * 16));
    for (name, text) in [
        ("ci.md", include_str!("../../../docs/ci.md")),
        ("method.md", include_str!("../../../docs/method.md")),
        ("compare --help", include_str!("../../src/command/compare.rs")),
    ] {
        let told = text.split("`boots = ").skip(1).map(|rest| rest.split('`').next().unwrap());
        let told: Vec<String> = told.map(|number| format!("`boots = {number}`")).collect();
        assert!(!told.is_empty() && told.iter().all(|told| *told == boots), "{name}: {told:?}");
    }
    let (_keep, folder) = folder();
    let few = noisy_run(&folder, 5, 1, 1.0);
    let figures = compared(&few, &few).family;
    let told = format!(
        "tcg: 5 boots are too few for an interval and to compare {figures} figures: a noisy engine needs {} (`boots = {0}`)",
        enough_boots(figures)
    );
    assert_eq!(few.warnings(), [told]);
}

#[test]
fn the_parts_of_a_path_add_up_to_the_difference_of_the_total() {
    let (_keep, folder) = folder();
    let dearer = STRATEGIES.replace("800us", "900us");
    run_folder(&folder.join("base"), STRATEGIES, &[4, 8]);
    run_folder(&folder.join("new"), &dearer, &[4, 8]);
    let (base, new) = (opened(&folder.join("base")), opened(&folder.join("new")));
    let exact = compared(&base, &new);
    for cell in &exact.cells {
        let sum: f64 = cell.causes.iter().map(Cause::difference).sum();
        assert_eq!(sum, cell.total().unwrap().difference, "{}", cell.label);
        assert_eq!(cell.causes[0].part, Part::Callin);
    }
    // Serially every AP's callin is on the path: 7 × 100 µs, the greatest change.
    assert_eq!(exact.cells[0].label, "icount, 8 CPUs, serial");
    let told = "6 of 6 totals are slower. The largest change is total of icount, 8 CPUs, serial: 18900000 cycles → \
                19600000 cycles, +700000 cycles (+3.70 %); on the critical path callin +700000 cycles.";
    assert_eq!(headline(&exact), told);
    let text = present::compare::table(&exact, false);
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("8 CPUs, serial")).collect();
    assert!(rows[1].contains(" total ") && rows[2].contains(" path: callin "), "{text}");

    let base = noisy_run(&folder.join("noisy-base"), 10, 1, 1.0);
    let new = noisy_run(&folder.join("noisy-new"), 10, 2, 1.4);
    let noisy = compared(&base, &new);
    let cell = &noisy.cells[0];
    assert_eq!(cell.total().unwrap().verdict, MetricVerdict::Slower);
    let mean = |cell: &Cell| {
        let boots = (0..10).map(|boot| {
            let totals = cell.trials.iter().filter(|trial| trial.boot == boot);
            // Of two trials the lower one.
            totals.map(|trial| trial.total).min().unwrap()
        });
        boots.sum::<u64>() as f64 / 10.0
    };
    let sum: f64 = cell.causes.iter().map(Cause::difference).sum();
    assert!((sum - (mean(cell.new) - mean(cell.base))).abs() < 1e-3, "{sum}");
    assert_eq!(cell.causes[0].part, Part::Callin);
}

#[test]
fn a_margin_is_for_exact_engines_too() {
    let (_keep, folder) = folder();
    let line = |callin: &str, trampoline: &str| {
        format!(
            "strategy=full-parallel repetitions=1 cost-callin={callin} cost-trampoline={trampoline}"
        )
    };
    run_folder(&folder.join("base"), &line("800us", "100"), &[4]);
    // The callin takes one percent more. The trampoline takes half as much more, of nearly nothing.
    run_folder(&folder.join("new"), &line("808us", "150"), &[4]);
    let (base, new) = (opened(&folder.join("base")), opened(&folder.join("new")));
    let changes = |margin| {
        let comparison = compare(&base, &new, Settings { margin, ..Settings::default() }).unwrap();
        let changed = comparison.figures().filter(|(_, figure)| figure.verdict.is_change());
        let changed = changed.map(|(_, figure)| figure.measure.name()).collect::<Vec<_>>();
        (changed, headline(&comparison))
    };
    let (changed, _) = changes(None);
    assert!(changed.contains(&"trampoline") && changed.contains(&"callin"), "{changed:?}");
    // 24 000 cycles for three APs of a total of 61 million: 0.039 %.
    let (changed, told) = changes(Some(0.00038));
    assert_eq!(changed, ["callin"]);
    assert!(told.starts_with("No total changed by more than 0.038 %, but other"), "{told}");
    let (changed, told) = changes(Some(0.0004));
    assert_eq!(changed, [""; 0]);
    assert!(told.starts_with("Nothing moved by more than 0.04 %: all 14 figures"), "{told}");
}

/// A bare capture is one boot, of who knows what.
#[test]
fn a_bare_capture_is_compared_with_a_run_of_any_engine() {
    let (_keep, folder) = folder();
    run_folder(&folder.join("run"), STRATEGIES, &[4]);
    fs::write(folder.join("bare.bin"), capture(STRATEGIES, 4)).unwrap();
    let (bare, run) = (opened(&folder.join("bare.bin")), opened(&folder.join("run")));
    let comparison = compared(&bare, &run);
    assert_eq!(comparison.cells.len(), 3);
    assert!(
        comparison
            .notes
            .iter()
            .any(|note| note.contains("a bare capture does not name its engine"))
    );
}

/// A run of a noisy engine: of each boot the total of its trials, and how many of them arrived.
fn run_of(folder: &Path, boots: &[(u64, usize)]) -> Run {
    const TRIALS: usize = 9;
    let line = format!("repetitions={TRIALS}");
    fs::create_dir_all(folder).unwrap();
    let boots = boots.iter().enumerate().map(|(index, (total, arrived))| {
        let name = format!("{index}.bin");
        let mut trial = 0;
        let mut bytes = Vec::new();
        bringup::sim::boot(&line, 2, KHZ, |frame| {
            let mut frame = frame.clone();
            match &mut frame.body {
                Body::TrialBegin(begin) => trial = begin.trial as usize,
                Body::TrialEnd(end) => end.total.0 = *total,
                _ => {}
            }
            let of_trial =
                matches!(frame.body, Body::TrialBegin(_) | Body::ApTimeline(_) | Body::TrialEnd(_));
            if !of_trial || trial <= *arrived {
                bytes.extend(encoded(&frame));
            }
        })
        .unwrap();
        fs::write(folder.join(&name), bytes).unwrap();
        let mut told = boot(&name, &line, 2);
        (told.engine, told.exact) = ("tcg".to_owned(), false);
        told
    });
    write_manifest(folder, &manifest(boots.collect()));
    opened(folder)
}

/// Every change points to one side: by its verdict, its effect, the difference that is shown, and its interval.
fn changes_point_to_one_side(comparison: &Comparison<'_>) {
    for (_, figure) in comparison.figures() {
        let side = match figure.verdict {
            MetricVerdict::Slower => 1.0,
            MetricVerdict::Faster => -1.0,
            MetricVerdict::Same | MetricVerdict::CantTell { .. } => continue,
        };
        let effect = figure.effect.unwrap();
        let Interval { low, high } = figure.interval.unwrap();
        for one in [figure.difference, effect, low, high] {
            assert!(one * side > 0.0, "{figure:?}");
        }
        assert!(figure.p.unwrap() <= 0.05, "{figure:?}");
    }
}

#[test]
fn the_p_values_of_a_comparison_are_corrected_as_one_family() {
    let (_keep, folder) = folder();
    let base = noisy_run(&folder.join("base"), 8, 1, 1.0);
    let new = noisy_run(&folder.join("new"), 8, 2, 1.02);
    let comparison = compared(&base, &new);
    let (mut alone, mut reported) = (Vec::new(), Vec::new());
    for (cell, figure) in comparison.figures() {
        let boots = [cell.base, cell.new].map(|cell| cell.sample(figure.measure).boot_medians());
        let first = boots[0][0];
        if boots.iter().flatten().any(|boot| *boot != first) {
            alone.push(rank_test(&boots[0], &boots[1]));
            reported.push(figure.p.unwrap());
        }
    }
    assert_eq!(reported.len(), comparison.family);
    assert_eq!(reported, holm(&alone));
    assert_ne!(reported, alone);
}

#[test]
fn a_boot_counts_once_however_many_trials_it_has() {
    let (_keep, folder) = folder();
    // Seven of eight boots are faster than all of the new run's; but of all trials more than half
    // are those of the eighth.
    let mut base = [(30_000_000, 1); 8];
    base[7] = (90_000_000, 9);
    let base = run_of(&folder.join("base"), &base);
    let new = run_of(&folder.join("new"), &[(60_000_000, 1); 8]);
    let comparison = compared(&base, &new);
    let total = comparison.cells[0].total().unwrap();
    assert_eq!((total.base, total.new, total.difference), (3e7, 6e7, 3e7));
    assert_eq!((total.verdict, total.effect), (MetricVerdict::Slower, Some(0.75)), "{total:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_change_points_to_one_side_however_many_trials_each_boot_has(
        // Few trials of fast boots and many of slow ones: there the two can disagree.
        base in vec(prop_oneof![6 => (3u64..5, 1usize..=2), 1 => (8u64..10, 9usize..=9)], 6..10),
        new in vec((4u64..8, 1usize..=2), 6..10),
    ) {
        let (_keep, folder) = folder();
        let run = |name: &str, boots: &[(u64, usize)]| {
            let boots: Vec<(u64, usize)> =
                boots.iter().map(|(total, trials)| (total * 10_000_000, *trials)).collect();
            run_of(&folder.join(name), &boots)
        };
        let (base, new) = (run("base", &base), run("new", &new));
        changes_point_to_one_side(&compared(&base, &new));
    }
}

/// A comparison of a run with itself made again errs at most once in 20 times, over all of its
/// figures together.
#[test]
fn comparisons_of_the_same_seldom_find_a_change() {
    let (_keep, folder) = folder();
    let rounds: u64 = 12;
    let false_ones = (0..rounds).filter(|round| {
        let base = noisy_run(&folder.join(format!("base-{round}")), 10, 2 * round, 1.0);
        let new = noisy_run(&folder.join(format!("new-{round}")), 10, 2 * round + 1, 1.0);
        compared(&base, &new).count(MetricVerdict::is_change) > 0
    });
    // More than 2 of 12 would come of a chance of 5 % once in 50 times.
    let count = false_ones.count();
    assert!(count <= 2, "{count} of {rounds}");
}

/// With the boots that a first look asks for, a phase that takes 20 % more is found, and only where
/// it is.
#[test]
fn a_phase_that_takes_a_fifth_more_is_found_with_the_boots_asked_for() {
    let (_keep, folder) = folder();
    let rounds: u64 = 4;
    for round in 0..rounds {
        let run = |name: &str, boots, seed, callin| {
            noisy_run(&folder.join(format!("{name}-{round}")), boots, 1000 * round + seed, callin)
        };
        let (base, new) = (run("few-base", 3, 0, 1.0), run("few-new", 3, 1, 1.2));
        let first = compared(&base, &new);
        let asked = first.figures().filter(|(_, figure)| figure.measure.name() == "callin");
        let more = asked.filter_map(|(_, figure)| match figure.verdict {
            MetricVerdict::CantTell { more_boots } => more_boots,
            _ => None,
        });
        let boots = 3 + more.max().expect("three boots can't tell");
        assert!(boots <= 20, "{boots}");
        let (base, new) = (run("base", boots, 2, 1.0), run("new", boots, 3, 1.2));
        let comparison = compared(&base, &new);
        let slower = those(&comparison, MetricVerdict::Slower);
        assert!(slower.contains(&(Strategy::FullParallel, "callin")), "{round}: {slower:?}");
        for phase in ["sipi", "wake", "tsc-sync", "online"] {
            assert!(!slower.iter().any(|(_, name)| *name == phase), "{round}: {slower:?}");
        }
    }
}

#[test]
fn markdown_and_page_say_the_same_and_take_no_markup_from_a_run() {
    let (_keep, folder) = folder();
    let evil = "<img src=x onerror=alert(1)>|`[x](javascript:1)";
    for (name, line) in
        [("base", STRATEGIES.to_owned()), ("new", STRATEGIES.replace("800us", "900us"))]
    {
        let mut told = run_folder(&folder.join(name), &line, &[4]);
        told.boots[0].engine = evil.to_owned();
        told.scenario = evil.to_owned();
        write_manifest(&folder.join(name), &told);
    }
    let (base, new) = (opened(&folder.join("base")), opened(&folder.join("new")));
    let comparison = compared(&base, &new);
    let markdown = present::compare::markdown(&comparison);
    let page = present::compare::html(&comparison).unwrap();
    for text in [&markdown, &page] {
        assert!(text.contains("3 of 3 totals are slower"), "{text}");
        assert!(!text.contains("<img"), "{text}");
        assert!(text.contains("callin"));
    }
    assert!(!markdown.replace("\\]", "").contains("](javascript"), "{markdown}");
    assert!(markdown.starts_with("**") && markdown.len() < 65_536);
    let mut columns = 0;
    for row in markdown.lines().filter(|line| line.starts_with("| ")) {
        let bars = row.replace("\\|", "").matches('|').count();
        if row.contains("| figure |") {
            columns = bars;
        }
        assert!(bars == columns && bars >= 7, "{bars} and {columns}: {row}");
    }
    let json = present::compare::json(&comparison);
    assert_eq!(json["schema"], 2);
    assert_eq!(json["cells"][0]["figures"][0]["verdict"], "slower");
}

/// Every `|` row of a Markdown table, but headers and rules.
fn table_rows(markdown: &str) -> usize {
    let rows =
        markdown.lines().filter(|line| line.starts_with("| ") && !line.contains("| figure |"));
    rows.count()
}

/// GitHub refuses what is longer, in exactly the case that most needs a look.
#[test]
fn a_large_comparison_and_its_check_fit_a_comment_and_say_what_they_left_out() {
    let (_keep, folder) = folder();
    let line = |cost: &str| {
        let mut line = format!("repetitions=1 {cost} limit=50ms");
        // 60 cells, and every one of them with a note and warnings.
        for delay in 1..=60 {
            line += &format!(" cell init-delay={delay}us fault=never:2");
        }
        line
    };
    for (name, cost) in [("base", "cost-wake=1000us"), ("new", "cost-wake=2000us")] {
        let mut told = run_folder(&folder.join(name), &line(cost), &[4]);
        told.boots[0].engine = format!("<{}>", "engine & ".repeat(20));
        write_manifest(&folder.join(name), &told);
    }
    let (base, new) = (opened(&folder.join("base")), opened(&folder.join("new")));
    let comparison = compared(&base, &new);
    let text = present::compare::markdown(&comparison);
    let figures = comparison.figures().count();
    assert!(figures >= 600 && text.len() <= 65_536, "{figures}, {}", text.len());
    let left_out: usize = text
        .lines()
        .filter_map(|line| line.strip_prefix("… and ")?.split_once(" more row"))
        .map(|(count, _)| count.parse::<usize>().unwrap())
        .sum();
    let causes: usize = comparison.cells.iter().map(|cell| cell.causes.len()).sum();
    assert_eq!(table_rows(&text) + left_out, figures + causes, "{text}");
    assert!(left_out > 0 && text.contains("--all` shows them"));
    assert!(text.contains("more warnings: `cargo analyze show RUN` shows them"), "{text}");
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());

    let budgets = "[[budget]]\nfigure = [\"total\", \"wake\", \"sipi\", \"kick\", \"callin\", \
                   \"online\"]\nmax-cycles = 1\nmax-lost = 1\n";
    fs::write(folder.join("budgets.toml"), budgets).unwrap();
    let budgets = Budgets::read(&folder.join("budgets.toml")).unwrap();
    let verdict = check(&new, &budgets).unwrap();
    let text = present::check::markdown(&verdict);
    assert!(verdict.rows.len() >= 360 && text.len() <= 65_536, "{}", text.len());
    let left_out: usize = text
        .lines()
        .filter_map(|line| line.strip_prefix("… and ")?.split_once(" more budget"))
        .map(|(count, _)| count.parse::<usize>().unwrap())
        .sum();
    assert_eq!(table_rows(&text) + left_out, verdict.rows.len(), "{text}");
    assert!(left_out > 0);
}
