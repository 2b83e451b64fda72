//! Storms: a lost SIPI is found with its rate, CPU and step, and boots that hang or die are counted and kept.

use super::engines::recorded;
use super::{command, ends_with, program, scenario, xtask};
use host_analyzer::judge::statistics::share_test;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

fn storm(folder: &Path, words: &str, code: i32) -> Value {
    let output =
        xtask(folder, &format!("storm @/small.toml --results @/results --format json {words}"));
    let (said, _) = ends_with(&output, code);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn a_sipi_that_is_lost_once_in_a_thousand_is_found_and_none_is_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let options = "engine = \"sim\"\ncpus = 8\n[options]\nstrategy = \"full-parallel\"\n";
    scenario(&folder, options);
    let clean = storm(folder.path(), "--trials 5000", 0);
    let all = &clean["rates"][0];
    // The cold trial counts.
    assert_eq!((all["lost"].as_u64(), all["of"].as_u64()), (Some(0), Some(7 * 5001)));
    assert!((all["high"].as_f64().unwrap() - 3.689 / (7.0 * 5001.0)).abs() < 1e-6, "{all}");
    assert_eq!(clean["kept"].as_array().unwrap().len(), 0);

    scenario(&folder, &format!("{options}fault = \"drop-sipi:all:1/1000:7\"\n"));
    let found = storm(folder.path(), "--trials 5000", 1);
    let rates = found["rates"].as_array().unwrap();
    let number = |rate: &Value, key: &str| rate[key].as_f64().unwrap();
    let lost = rates[0]["lost"].as_u64().unwrap();
    assert!(number(&rates[0], "low") < 0.001 && 0.001 < number(&rates[0], "high"), "{}", rates[0]);
    assert!(share_test([lost, 7 * 5001], [0, 7 * 5001]) < 0.01);
    // Each is attributed to its AP, and to the step that it did not finish.
    assert_eq!(rates[1..].iter().map(|rate| rate["lost"].as_u64().unwrap()).sum::<u64>(), lost);
    assert!(rates[1..].iter().all(|rate| rate["step"] == "wake" && rate["of"] == 5001), "{found}");
    let kept = Path::new(found["kept"][0].as_str().unwrap()).to_owned();
    assert!(kept.join("run.json").is_file());
}

#[test]
fn boots_that_hang_or_die_are_counted_apart_and_end_no_storm() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[4], "1ms");
    let script = "n=$(cat count 2>/dev/null || echo 0); echo $((n + 1)) > count\n\
                  case $n in 2) sleep 60;; 4) exit 3;; *) cp $1 \"$2\";; esac";
    program(folder.path(), "replay", script);
    let text = "engines = \"replay\"\ncpus = 4\nboot-limit = \"1s\"\n[engine.replay]\n\
                command = [\"./replay\", \"{smp}.bin\", \"{capture}\"]\n[options]\nstrategy = \"serial\"\n\
                limit = \"10s\"\nrepetitions = 3\ncost-callin = \"1ms\"\n";
    scenario(&folder, text);
    let found = storm(folder.path(), "--boots 7", 1);
    let how: Vec<&str> =
        found["ended"].as_array().unwrap().iter().map(|it| it["how"].as_str().unwrap()).collect();
    assert_eq!(how, ["hung", "ended"], "{found:#}");
    assert_eq!(fs::read_to_string(folder.path().join("count")).unwrap().trim(), "7");
    for run in found["kept"].as_array().unwrap() {
        assert!(Path::new(run.as_str().unwrap()).is_dir(), "{run}");
    }
}

#[test]
fn exact_engines_take_trials_and_a_limit_below_a_cost_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    scenario(
        &folder,
        "engine = \"sim\"\ncpus = 8\n[options]\nstrategy = \"serial\"\ncost-wake = \"300ms\"\n",
    );
    let refused = |words: &str| {
        let output =
            xtask(folder.path(), &format!("storm @/small.toml --results @/results {words}"));
        ends_with(&output, 2).1
    };
    assert!(refused("--boots 3").contains("say `--trials N`"));
    let late = refused("--trials 3");
    assert!(late.contains("`cost-wake` of 300ms is longer than `limit=200ms`"), "{late}");
}

#[test]
fn an_interrupted_storm_says_what_it_has_counted() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path(), &[4], "1ms");
    program(folder.path(), "replay", "cp $1 \"$2\"; echo >> count");
    let text = "engines = \"replay\"\ncpus = 4\n[engine.replay]\n\
                command = [\"./replay\", \"{smp}.bin\", \"{capture}\"]\n[options]\nstrategy = \"serial\"\n\
                limit = \"10s\"\nrepetitions = 3\ncost-callin = \"1ms\"\n";
    scenario(&folder, text);
    let words = "storm @/small.toml --results @/results --format json --for 10m";
    let mut command = command(folder.path(), words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let count = || fs::read_to_string(folder.path().join("count")).map_or(0, |text| text.len());
    let began = Instant::now();
    while count() < 5 {
        assert!(began.elapsed() < Duration::from_secs(60), "no storm");
        thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    let (said, told) = ends_with(&child.wait_with_output().unwrap(), 3);
    let found: Value =
        serde_json::from_str(&said).unwrap_or_else(|no| panic!("{no}: {said} {told}"));
    assert!(found["boots"][0]["of"].as_u64().unwrap() >= 1, "{found}");
    assert!(told.contains("interrupted"), "{told}");
}
