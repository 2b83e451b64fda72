//! Published figures against runs: what is covered, what is met, what is told beyond.

use crate::simulated::{boot, capture, folder, manifest, write_manifest};
use host_analyzer::ground::manifest::Profile;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const COSTS: &str = "clock-khz=2593926 cost-kick=1289954 cost-wake=3170362 cost-trampoline=50000 cost-callin=3526409 \
                     tsc-window=1000000 cost-online=100000";

/// A run of a profile's cells, each boot with its CPU count.
fn profiled(folder: &Path, words: &str, profile: Option<&str>, cpus: u16) {
    let name = "captures/icount-1.bin";
    fs::create_dir_all(folder.join("captures")).unwrap();
    fs::write(folder.join(name), capture(words, usize::from(cpus))).unwrap();
    let mut boot = boot(name, words, cpus);
    let cells = words.split(' ').filter(|word| *word == "cell").count().max(1);
    boot.profiles = vec![profile.map(str::to_owned); cells];
    let mut manifest = manifest(vec![boot]);
    manifest.profiles = profile
        .map(|name| {
            let text = if name == "mine" { MINE } else { HASWELL };
            Profile { name: name.to_owned(), tsc_khz: 2_593_926, text: text.to_owned() }
        })
        .into_iter()
        .collect();
    write_manifest(folder, &manifest);
}

fn published(arguments: &[&str], run: &Path) -> (i32, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_host-analyzer"))
        .arg("published")
        .args(arguments)
        .arg(run)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Profiles: one whose costs come from three figures and so from the sum of two, and one whose cost comes from the
/// figure `total`.
const HASWELL: &str = "[costs.kick]\nfrom = [\"haswell-28.kick-loop\"]\n\
                       [costs.wake]\nfrom = [\"haswell-28.serial-total\", \"haswell-28.online-loop\"]\n";
const MINE: &str = "[costs.wake]\nfrom = [\"mine.total\"]\n[costs.kick]\nassumption = \"none\"\n";

/// The figures of the first.
const FIGURES: &str = r#"
[haswell-28]
source = "D. Woodhouse, 16 Feb 2021"
machine = "28-thread Haswell, bare metal"
aps = 27
tolerance-percent = 1
figures = [
    { name = "serial-total", options = "strategy=serial", figure = "total", cycles = 246_691_584 },
    { name = "kick-loop", options = "strategy=parallel-sipi", figure = "kick-loop", cycles = 34_828_752 },
    { name = "online-loop", options = "strategy=parallel-sipi", figure = "online-loop", cycles = 124_913_032 },
    { name = "total", sum-of = ["kick-loop", "online-loop"], options = "strategy=parallel-sipi", figure = "total", cycles = 159_741_784 },
]
"#;

/// What is said of a run against these figures.
fn against_figures(arguments: &[&str], run: &Path) -> (i32, String, String) {
    let file = run.join("figures.toml");
    fs::write(&file, FIGURES).unwrap();
    published(&[&["--figures", file.to_str().unwrap()], arguments].concat(), run)
}

const STRATEGIES: &str =
    "cell strategy=serial cell strategy=parallel-sipi cell strategy=full-parallel";

/// A line's words, each run of blanks as one.
fn squeezed(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// A report in one line; it is folded where a terminal would be too narrow.
fn unfolded(text: &str) -> String {
    squeezed(text).join(" ").replace(" │ ", " ")
}

#[test]
fn a_run_that_meets_the_figures_ends_with_0() {
    let (_keep, folder) = folder();
    profiled(&folder, &format!("{COSTS} {STRATEGIES}"), Some("haswell-28"), 28);
    let (code, said, told) = against_figures(&[], &folder);
    assert_eq!((code, told.as_str()), (0, ""), "{said}");
    let lines = squeezed(&said);
    for line in [
        "engine profile CPUs strategy figure published measured ratio tolerance fit verdict",
        "icount haswell-28 28 serial total 246691584 cycles 246691575 cycles 1.0000 1 % calibrated met",
        "icount haswell-28 28 parallel-sipi kick-loop 34828752 cycles 34828758 cycles 1.0000 1 % calibrated met",
        "icount haswell-28 28 parallel-sipi online-loop 124913032 cycles 124913043 cycles 1.0000 1 % calibrated met",
        "icount haswell-28 28 parallel-sipi total 159741784 cycles 159741801 cycles 1.0000 1 % calibrated met",
    ] {
        assert!(lines.iter().any(|known| known == line), "{line}: {said}");
    }
    let beyond = lines.iter().find(|line| line.contains("CPUs, full-parallel: 23.8")).unwrap();
    let costs = "wake 3170362, trampoline 50000, callin 3526409, online 100000";
    assert!(beyond.contains(costs), "{beyond}");
    assert!(said.contains("D. Woodhouse, 16 Feb 2021"), "{said}");
}

#[test]
fn a_figure_that_is_off_ends_with_1() {
    let (_keep, folder) = folder();
    let words = format!("{COSTS} cost-kick=1400000 {STRATEGIES}");
    profiled(&folder, &words, Some("haswell-28"), 28);
    let (code, said, told) = against_figures(&[], &folder);
    assert_eq!(code, 1, "{said}");
    assert!(told.contains("3 of 4 calibrated figures are not met"), "{told}");
    assert_eq!(said.lines().filter(|line| line.trim_end().ends_with(" off")).count(), 3, "{said}");
    let (code, said, _) = against_figures(&["--format", "json"], &folder);
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &json["schema"], &json["met"]), (1, &1.into(), &false.into()));
    let kick_loop = &json["figures"][1];
    assert_eq!(kick_loop["figure"], "kick-loop");
    assert_eq!(kick_loop["verdict"], "off");
    assert_eq!(kick_loop["fit"], "calibrated");
    assert_eq!(kick_loop["measured"], 37_800_000);
    assert_eq!(json["figures"][2]["verdict"], "met");
    let beyond = &json["beyond"][0];
    assert_eq!(
        (&beyond["strategy"], &beyond["parallel"][0]["cost"]),
        (&"full-parallel".into(), &"wake".into())
    );
}

#[test]
fn a_run_that_covers_no_figure_ends_with_2_and_says_what_there_is() {
    let (_keep, folder) = folder();
    let words = format!("{COSTS} {STRATEGIES}");
    for (profile, cpus, has) in [
        (None, 28, "no profile with 28 CPUs"),
        (Some("haswell-28"), 4, "the profile `haswell-28` with 4 CPUs"),
        (Some("mine"), 28, "the profile `mine` with 28 CPUs"),
    ] {
        profiled(&folder, &words, profile, cpus);
        let (code, said, told) = against_figures(&[], &folder);
        assert_eq!((code, said.as_str()), (2, ""), "{told}");
        let told = unfolded(&told);
        for part in [has, "haswell-28 (28 CPUs)", "cargo xtask matrix"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    // The right profile and CPU count, measured in a way that nobody has published.
    profiled(&folder, &format!("{COSTS} strategy=serial init-delay=10us"), Some("haswell-28"), 28);
    assert_eq!(against_figures(&[], &folder).0, 2);
}

#[test]
fn figures_in_ms_are_of_the_profiles_clock() {
    let (_keep, folder) = folder();
    profiled(
        &folder,
        "strategy=serial tsc-sync=trusted tsc-trust=yes clock-khz=2593926 cost-wake=259392600",
        Some("mine"),
        3,
    );
    let figures = folder.join("figures.toml");
    let file = |ms: u64| {
        format!(
            "[mine]\nsource = \"s\"\nmachine = \"m\"\naps = 2\ntolerance-percent = 3\n\
             [[mine.figures]]\nname = \"total\"\noptions = \"tsc-sync=trusted\"\nfigure = \"total\"\n\
             ms = {ms}\n"
        )
    };
    let options = ["--figures", figures.to_str().unwrap()];
    fs::write(&figures, file(205)).unwrap();
    let (code, said, told) = published(&options, &folder);
    assert_eq!(code, 0, "{said}{told}");
    let line = "icount mine 3 serial total 205.0 ms 200.0 ms 0.9756 3 % calibrated met";
    assert!(squeezed(&said).iter().any(|known| known == line), "{said}");
    fs::write(&figures, file(207)).unwrap();
    assert_eq!(published(&options, &folder).0, 1);
    // A figure that no cost comes from can't be off: its error is shown.
    for (ms, verdict) in
        [(207, "– predicted error -3.4 %"), (250, "– predicted contradicted -20.0 %")]
    {
        let other = file(ms).replace("name = \"total\"", "name = \"other\"");
        let columns = other.replace(
            "aps = 2",
            "aps = 2\nstrategy = \"serial\"\ncolumns = [\"total\"]\nlines = [[1]]",
        );
        fs::write(&figures, columns).unwrap();
        let (code, said, told) = published(&options, &folder);
        assert_eq!(code, 0, "{said}{told}");
        assert!(squeezed(&said).iter().any(|line| line.ends_with(verdict)), "{verdict}: {said}");
    }
    // What a cost comes from must be there.
    fs::write(&figures, file(205).replace("name = \"total\"", "name = \"other\"")).unwrap();
    let (code, _, told) = published(&options, &folder);
    assert_eq!(code, 2, "{told}");
    let unknown = "a cost of the profile `mine` is from `mine.total`, which is no published figure";
    assert!(unfolded(&told).contains(unknown), "{told}");
}

#[test]
fn mistakes_in_a_file_of_figures_are_told_with_their_place() {
    let (_keep, folder) = folder();
    profiled(&folder, COSTS, Some("mine"), 3);
    let good = "[mine]\nsource = \"s\"\nmachine = \"m\"\naps = 2\ntolerance-percent = 3\n\
                columns = [\"cpu\", \"sipi\"]\nlines = [[1, 2]]\nstrategy = \"serial\"\n[[mine.figures]]\n\
                options = \"strategy=serial\"\nfigure = \"sipi\"\ncolumn = \"sipi\"\nname = \"sipi\"\n";
    let figures = folder.join("f.toml");
    for (from, to, told) in [
        (
            "figure = \"sipi\"",
            "figure = \"sip\"",
            "f.toml:11:10: mine.figures.figure: expected one of",
        ),
        ("figure = \"sipi\"", "figure = \"sip\"", "did you mean `sipi`?"),
        (
            "strategy=serial",
            "strategy=seriel",
            "f.toml:10:11: mine.figures.options: `strategy=seriel`",
        ),
        (
            "column = \"sipi\"",
            "column = \"sippi\"",
            "f.toml:12:10: mine.figures.column: expected one of cpu sipi",
        ),
        (
            "column = \"sipi\"",
            "cycles = 0",
            "f.toml:12:10: mine.figures.cycles: expected a whole number from 1",
        ),
        ("column = \"sipi\"\n", "", "a figure has one of `cycles`, `ms` and `column`"),
        ("name = \"sipi\"", "", "mine.figures.name: this key is missing"),
        ("[[1, 2]]", "[[1, 2, 3]]", "f.toml:7:10: mine.lines: expected 2 whole numbers"),
        (
            "strategy = \"serial\"",
            "strategy = \"serial\"\nsiblings = \"1-x\"",
            "f.toml:9:12: mine.siblings: expected CPUs, as `14-27` or `1,3,5`",
        ),
        ("aps = 2", "aps = 70000", "f.toml:4:7: mine.aps: expected a count of APs"),
        ("source", "sourc", "f.toml:2:1: mine.sourc: there is no such key"),
        ("[mine]\n", "other = 1\n[mine]\n", "f.toml:1:9: other: expected a table"),
    ] {
        fs::write(&figures, good.replacen(from, to, 1)).unwrap();
        let (code, _, all) = published(&["--figures", figures.to_str().unwrap()], &folder);
        assert_eq!(code, 2, "{told}: {all}");
        assert!(unfolded(&all).contains(told), "{told}: {all}");
    }
    let (code, _, told) = published(&["--figures", "nowhere.toml"], &folder);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("nowhere.toml"), "{told}");
}
