//! Engines of a scenario's own, and `kvm`, with the real kernel.

use crate::harness::kernel;
use host_analyzer::ground::failure::Failure;
use host_analyzer::run::Run;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use xtask::root;
use xtask::runner::engine::Engine as _;
use xtask::runner::engine::Qemu;
use xtask::runner::probe;
use xtask::runner::profile::Profiles;
use xtask::runner::progress::Lines;
use xtask::runner::run::execute;
use xtask::runner::scenario::Scenario;

pub fn failed(failure: Failure) -> String {
    format!("{:?}", failure.report())
}

/// The text of a scenario of the repository.
pub fn text(name: &str) -> String {
    fs::read_to_string(root().join("scenarios").join(name)).unwrap()
}

/// Runs it.
#[track_caller]
pub fn ran(scenario: &Scenario, results: &Path) -> Run {
    let run = execute(scenario, Some(kernel()), results, Lines::Boots, 1).map_err(failed).unwrap();
    run.verdict().map_err(failed).unwrap();
    run
}

/// A scenario beside those of the repository.
pub fn scenario(text: &str) -> Scenario {
    let path = root().join("scenarios/s.toml");
    let profiles = Profiles::beside(&path, &root().join("scenarios"));
    Scenario::parse("s", &path, text, &profiles).unwrap()
}

#[test]
fn a_second_qemu_runs_with_its_own_arguments_and_is_as_exact_as_its_base() {
    let twice = text("own-qemu.toml").replace("cpus = [4, 8]", "cpus = 4\nboots = 2");
    let folder = tempfile::tempdir().unwrap();
    let run = ran(&scenario(&twice), folder.path());
    assert_eq!(run.boots.len(), 4);
    for boot in &run.boots {
        let machine = boot.machine.as_ref().unwrap();
        let packages: BTreeSet<u32> = machine.cpus.iter().map(|cpu| cpu.package).collect();
        let expected = if boot.engine == "two-sockets" { 2 } else { 1 };
        assert_eq!((packages.len(), boot.exact), (expected, Some(true)), "{}", boot.engine);
    }
    let bytes = |boot: usize| fs::read(&run.boots[boot].capture).unwrap();
    assert!(bytes(0) == bytes(2) && bytes(1) == bytes(3), "two boots of an engine differ");
    let manifest = run.manifest.unwrap();
    assert_eq!(manifest.engines[0].machine.as_deref(), Some("pc"));
    assert!(manifest.boots.iter().all(|boot| boot.engine_version.starts_with("QEMU emulator")));
}

#[test]
fn an_engine_that_does_not_pin_says_so() {
    let text = text("tsc-sync-threads.toml")
        .replace("boots = 6", "boots = 1")
        .replace("repetitions = 35", "repetitions = 3");
    let folder = tempfile::tempdir().unwrap();
    let run = ran(&scenario(&text), folder.path());
    let pinned = |boot: &host_analyzer::ground::manifest::Boot| (boot.engine.clone(), boot.pinned);
    let boots: Vec<_> = run.manifest.unwrap().boots.iter().map(pinned).collect();
    // On a host with one core there is nothing to pin to.
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(boots, [("tcg".to_owned(), cores > 1), ("tcg-unpinned".to_owned(), false)]);
}

#[test]
fn a_shell_script_boots_the_kernel_in_turn_with_a_built_in_engine() {
    let folder = tempfile::tempdir().unwrap();
    let run = ran(&scenario(&text("own-command.toml")), folder.path());
    let engines: Vec<&str> = run.boots.iter().map(|boot| boot.engine.as_str()).collect();
    assert_eq!(engines, ["tcg", "script", "tcg", "script"]);
    let (built_in, own) = run.cells.split_at(run.cells.len() / 2);
    for (built_in, own) in built_in.iter().zip(own) {
        assert_eq!((built_in.engine.as_str(), own.engine.as_str()), ("tcg", "script"));
        assert_eq!(built_in.options, own.options);
        assert_eq!((built_in.trials.len(), own.trials.len()), (20, 20));
    }
    let boots = run.manifest.unwrap().boots;
    assert_eq!(boots[1].engine_version, boots[0].engine_version);
    assert!(boots[1].command[0].ends_with("scenarios/boot-qemu.sh"));
}

#[test]
fn kvm_boots_the_kernel_or_the_environment_failed() {
    let scenario = scenario("engine = \"kvm\"\ncpus = 2\n");
    assert!(Qemu::Kvm.engine().needs_probe());
    match probe::engines(&scenario, Some(kernel())) {
        Ok(()) => {
            let folder = tempfile::tempdir().unwrap();
            let run = ran(&scenario, folder.path());
            assert_eq!((run.cells.len(), run.boots[0].exact), (1, Some(false)));
        }
        Err(Failure::Environment(report)) => {
            let text = report.to_string();
            assert!(text.contains("does not run the kernel under the engine kvm"), "{text}");
        }
        Err(other) => panic!("{}", failed(other)),
    }
}

#[test]
fn a_kvm_that_cannot_start_is_refused_on_any_host_before_a_run_begins() {
    let scenario = scenario(
        "engines = \"mine\"\ncpus = [4, 2]\n[engine.mine]\nbase = \"kvm\"\ncpu = \"no-such-model\"\n",
    );
    let results = tempfile::tempdir().unwrap();
    let failure = execute(&scenario, Some(kernel()), results.path(), Lines::Boots, 1).unwrap_err();
    let Failure::Environment(report) = &failure else { panic!("{}", failed(failure)) };
    let text = report.to_string();
    for part in ["under the engine mine", "boot 1 of mine with 2 CPUs", "standard error"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("capture: "), "{text}");
    assert_eq!(fs::read_dir(results.path()).unwrap().count(), 0);
}
