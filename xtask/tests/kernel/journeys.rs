//! What a newcomer finds out with the commands of the documents, as they stand there: which VMM is slower and in
//! which phase, what a figure is made of, which AP is broken. `bisect` has the fourth: which commit it was.

use crate::bisect::{done, programs};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use xtask::root;

/// A document's text behind these words.
fn behind(document: &str, words: &str) -> String {
    let text = fs::read_to_string(root().join(document)).unwrap();
    text.split_once(words).unwrap_or_else(|| panic!("{document} has no {words}")).1.to_owned()
}

/// The next code block of that kind.
fn block(text: &str, kind: &str) -> String {
    let (_, begin) = text.split_once(&format!("```{kind}\n")).unwrap();
    begin.split_once("```").unwrap().0.to_owned()
}

/// A command of the documents with the programs that were built, in a folder of its own.
fn command(folder: &Path, line: &str) -> Output {
    let [xtask, analyzer] = programs();
    let line = line
        .replace("cargo xtask", &xtask.display().to_string())
        .replace("cargo analyze", &analyzer.display().to_string());
    let results = folder.join("results").display().to_string();
    let line = match line.contains(" matrix ") || line.contains(" run ") {
        true => format!("{line} --results {results}"),
        false => line,
    };
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(folder).env("CARGO_MANIFEST_DIR", root().join("xtask"));
    shell.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The callin of one of two VMMs takes a fifth longer.
#[test]
fn the_slower_vmm_is_found_with_its_phase_by_the_boots_that_are_recommended() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = behind("docs/ci.md", "**Which of two VMMs boots slower, and in which phase?**");
    let scenario = folder.path().join("two-vmms.toml");
    let planted = block(&recipe, "toml")
        .replace("[engine.stock]\n", "[engine.stock]\nown-words = \"cost-callin=2000us\"\n")
        .replace(
            "qemu = \"/usr/local/bin/qemu-system-x86_64\"",
            "own-words = \"cost-callin=2400us\"",
        );
    assert_eq!(planted.matches("cost-callin").count(), 2, "{planted}");
    fs::write(&scenario, planted).unwrap();
    let (_, behind_scenario) = recipe.split_once("```toml").unwrap();
    let commands = block(behind_scenario.split_once("```").unwrap().1, "");
    let commands = commands.replace("/tmp/two-vmms.toml", &scenario.display().to_string());
    let mut commands = commands.lines();
    let measured = command(folder.path(), commands.next().unwrap());
    assert!(measured.status.success(), "{}", text(&measured.stderr));
    let compare = commands.next().unwrap();
    let told = text(&command(folder.path(), compare).stdout);
    let headline = told.lines().next().unwrap();
    assert!(headline.contains(" slower. The largest change is "), "{told}");
    // Beside other tests the totals scatter more than the boots can tell; where they can, they tell why.
    if headline.contains("The largest change is total of ") {
        assert!(headline.contains("on the critical path callin +"), "{told}");
    }
    let json = command(folder.path(), &format!("{compare} --format json"));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["boots"]["can_find"], true);
    let cells = json["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2);
    for cell in cells {
        let figures = cell["figures"].as_array().unwrap();
        let figure = |name: &str| figures.iter().find(|figure| figure["figure"] == name).unwrap();
        assert_eq!(figure("callin")["verdict"], "slower", "{told}");
        assert!(figure("cold")["base"].as_f64().unwrap() > 2e6, "{told}");
    }
}

/// The points of a figure of totals as their tips name them: series and CPU count, and the time in ms.
fn points(svg: &str) -> BTreeMap<(String, u16), String> {
    let tips = svg.split("<title>").skip(1).filter_map(|tip| tip.split_once("</title>"));
    let points = tips.filter_map(|(tip, _)| {
        let (series, point) = tip.split_once(": ")?;
        let (cpus, time) = point.split_once(" CPUs, ")?;
        Some(((series.to_owned(), cpus.parse().ok()?), time.strip_suffix(" ms")?.to_owned()))
    });
    points.collect()
}

#[test]
fn a_figures_data_are_those_of_the_table_and_of_the_export() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("results/latest").display().to_string();
    let small = root().join("scenarios/small.toml").display().to_string();
    let measured = command(folder.path(), &format!("cargo xtask matrix {small}"));
    assert!(measured.status.success(), "{}", text(&measured.stderr));
    let json = command(folder.path(), &format!("cargo analyze show --format json {run}"));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let table = text(&measured.stdout);
    let csv =
        text(&command(folder.path(), &format!("cargo analyze export --format csv {run}")).stdout);
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let [strategy, smp, cold, total] = ["strategy", "smp", "cold", "total"].map(column);
    let points = points(&fs::read_to_string(format!("{run}/figures/totals.svg")).unwrap());
    assert_eq!(points.len(), 6, "{points:?}");
    for cell in json["cells"].as_array().unwrap() {
        let name = cell["strategy"].as_str().unwrap();
        let cpus = cell["smp"].as_u64().unwrap();
        let median = cell["total"]["median"].as_u64().unwrap();
        // The scenario has one trial a cell beside the cold one.
        let exported = rows.iter().find(|row| {
            row[strategy] == name && row[smp] == cpus.to_string() && row[cold] == "false"
        });
        assert_eq!(exported.unwrap()[total], median.to_string());
        let ms = median as f64 / cell["tsc_khz"].as_f64().unwrap();
        let drawn = &points[&(name.to_owned(), cpus as u16)];
        let decimals = drawn.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        assert_eq!(*drawn, format!("{ms:.decimals$}"), "{name}, {cpus} CPUs");
        let row = table.lines().find(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.len() > 4 && words[1] == cpus.to_string() && words[2] == name
        });
        let shown: f64 = row.unwrap().split_whitespace().nth(4).unwrap().parse().unwrap();
        assert!((shown - ms).abs() <= 0.005, "{table}");
    }
}

#[test]
fn the_broken_ap_is_named_in_table_report_and_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let line = readme.lines().find(|line| line.contains("fault=never:2")).unwrap();
    let line = line.split_once('#').unwrap().0.trim();
    let output = command(folder.path(), line);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("lost CPU 2 after `sipi`"), "{table}");
    assert!(!table.contains("1.00×"), "no speed-up of a cell that lost an AP: {table}");
    let run = folder.path().join("results/latest-run");
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    for part in
        ["No cell with 4 CPUs brought all of them online", "lost CPU 2 after <code>sipi</code>"]
    {
        assert!(report.contains(part), "{part}");
    }
    let figure = fs::read_to_string(run.join("figures/timeline-serial.svg")).unwrap();
    assert!(figure.contains("CPU 2 (lost): lost after sipi, at "), "the mark of the lost AP");
    done(folder.path(), "test ! -e results/latest");
}
