//! Kernels built from altered copies of the sources. Does the analyzer notice a strategy that is not
//! what it is called? For each, a kernel is built with a planted mistake, and each of its trials must be warned of.
//!
//! `machine.rs` shows that without them nothing is warned of.

use crate::harness::{COSTS, boot_kernel};
use crate::tsc_sync;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::manifest::Engine;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use xtask::kernel;
use xtask::root;
use xtask::runner::engine::{Emulator, Qemu};
use xtask::runner::kernel::Kernel;

/// The mutants share a folder of sources and one of builds, so that only the workspace's own crates are built anew.
static BUILDING: Mutex<()> = Mutex::new(());

/// Folders of the workspace that are no sources.
const NO_SOURCES: [&str; 3] = ["target", "results", ".git"];

/// Copies the sources over those of an earlier test. Nothing is deleted first: what the workspace no
/// longer has is no part of what is built.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if NO_SOURCES.iter().any(|no| name == *no) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            // Cargo must see that the file is new, so its times are not copied.
            fs::write(to.join(name), fs::read(&path).unwrap()).unwrap();
        }
    }
}

/// Where the strategies are.
const STRATEGIES: &str = "bringup/src/strategy.rs";

/// Builds the kernel of a copy of the workspace, which `change` may change first.
pub fn altered(change: impl Fn(&Path)) -> Kernel {
    let mutants = root().join("target/mutants");
    // Another length and a blank, for the test that the kernel's bytes don't depend on the path.
    let workspace = mutants.join("the sources");
    // A test that failed while it held the lock has not harmed what the lock protects.
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    copy(root(), &workspace);
    change(&workspace);
    kernel::build(&workspace, &mutants.join("target"))
        .unwrap_or_else(|failure| panic!("{:?}", failure.report()))
}

fn mutant(file: &str, text: &str, replacement: &str) -> PathBuf {
    altered_in(file, text, replacement).path
}

/// Builds the kernel of a workspace in which `text`, found exactly once in a file, is replaced.
pub fn altered_in(file: &str, text: &str, replacement: &str) -> Kernel {
    altered(|workspace| {
        let path = workspace.join(file);
        let source = fs::read_to_string(&path).unwrap();
        let found = source.matches(text).count();
        assert_eq!(found, 1, "the text to replace is {found} times in {file}:\n{text}");
        fs::write(&path, source.replace(text, replacement)).unwrap();
    })
}

#[test]
fn the_kernels_bytes_do_not_depend_on_where_its_sources_lie() {
    let elsewhere = altered(|_| ()).described.sha256;
    let here = kernel::build(root(), &kernel::target_folder(root()))
        .unwrap_or_else(|failure| panic!("{:?}", failure.report()));
    assert_eq!(elsewhere, here.described.sha256);
}

/// Boots a mutant by the strategy and demands that all of its trials are reported to break it, by this claim.
#[track_caller]
fn assert_red(kernel: &Path, strategy: &str, claim: &str) {
    let words = format!("{COSTS} strategy={strategy}");
    let booted = boot_kernel(kernel, &Qemu::Icount.engine(), 4, &words).well();
    for (cell, trial) in booted.trials() {
        assert_eq!((cell.options.strategy.name(), trial.end.lost), (strategy, 0));
    }
    let [broken] = &booted.broken_strategies()[..] else { panic!("{strategy} is kept") };
    assert!(broken.contains("2 trials break the strategy") && broken.contains(claim), "{broken}");
}

#[test]
fn a_serial_that_kicks_all_at_once_is_noticed() {
    let kernel = mutant(
        STRATEGIES,
        "    for ap in set {\n        bsp.kick(Aps::only(ap));\n        let_in(bsp, ap);\n",
        "    bsp.kick(set);\n    for ap in set {\n        let_in(bsp, ap);\n",
    );
    assert_red(&kernel, "serial", "an AP is kicked only after the one before it was seen online");
}

#[test]
fn a_parallel_sipi_that_kicks_one_by_one_is_noticed() {
    let kernel = mutant(
        STRATEGIES,
        "    bsp.kick(set);\n    for ap in set {\n        let_in(bsp, ap);\n        finish(bsp, ap);\n",
        "    for ap in set {\n        bsp.kick(Aps::only(ap));\n        let_in(bsp, ap);\n        finish(bsp, ap);\n",
    );
    assert_red(&kernel, "parallel-sipi", "all APs are kicked before one is awaited");
    // One by one, by a broadcast, it would wake all APs each time, and lose them.
    let words = format!("{COSTS} strategy=parallel-sipi kick=broadcast");
    let refused = boot_kernel(&kernel, &Qemu::Icount.engine(), 4, &words);
    assert_eq!(refused.trials().count(), 0);
    let Some(Failure::Request(report)) = refused.failure else { panic!("{:?}", refused.failure) };
    let told = "`strategy=parallel-sipi` with `kick=broadcast` is refused: the strategy kicks CPU 1 of CPUs 1 to 3";
    assert!(report.to_string().contains(told), "{report}");
}

#[test]
fn a_parallel_callin_that_finishes_an_ap_before_it_lets_in_the_next_is_noticed() {
    let kernel = mutant(
        STRATEGIES,
        "        let_in(bsp, ap);\n    }\n    for ap in set {\n        finish(bsp, ap);\n",
        "        let_in(bsp, ap);\n        finish(bsp, ap);\n",
    );
    let claim = "every AP is seen alive before a callin is awaited";
    assert_red(&kernel, "parallel-callin", claim);
}

#[test]
fn an_order_that_brings_all_up_at_once_is_noticed() {
    let kernel = mutant(
        STRATEGIES,
        "            bring_up_set(strategy, bsp, Aps::primaries(&classes));\n            \
         bring_up_set(strategy, bsp, Aps::siblings(&classes));\n",
        "            bring_up_set(strategy, bsp, Aps::all(classes.len()));\n",
    );
    let words = format!("{COSTS} strategy=parallel-sipi order=primaries-first");
    let topology = Some("cores=2,threads=2".to_owned());
    let threads = Engine { name: "threads".to_owned(), topology, ..Engine::default() };
    let threads = Emulator::defined(Qemu::Icount, threads, root());
    let booted = boot_kernel(&kernel, &threads, 4, &words).well();
    let [broken] = &booted.broken_strategies()[..] else { panic!("the order is kept") };
    let claim = "the first threads of all cores are online before a sibling is kicked";
    assert!(broken.contains(claim), "{broken}");
}

#[test]
fn a_full_parallel_that_opens_the_gates_one_by_one_is_noticed() {
    let kernel = mutant(
        STRATEGIES,
        "    bsp.release(set);\n    bsp.kick(set);\n    sync_tsc(bsp, set);\n    \
         for ap in set {\n        bsp.await_online(ap);\n",
        "    bsp.kick(set);\n    for ap in set {\n        let_in(bsp, ap);\n        finish(bsp, ap);\n",
    );
    assert_red(&kernel, "full-parallel", "no AP is held until the BSP has seen it alive");
}

/// True if the TSC sync of 64 CPUs is what `tsc_sync.rs` demands of it.
fn syncs(kernel: &Path) -> bool {
    let booted = boot_kernel(kernel, &Qemu::Icount.engine(), 64, tsc_sync::MANY).well();
    booted.trials().all(|(_, trial)| tsc_sync::is_one_window(&trial.aps))
}

#[test]
fn a_sync_that_sleeps_through_its_window_is_noticed() {
    let visit = "        side.visit(to);\n";
    let none = format!("        if limit > 0 {{\n            return;\n        }}\n{visit}");
    let kernel = mutant("testbed-kernel/src/trial/tsc_sync.rs", visit, &none);
    assert!(!syncs(&kernel));
}

#[test]
fn a_sync_in_which_every_ap_spins_through_the_window_is_noticed() {
    let rest = "                Next::Rest => self.rest(),\n";
    let spin = "                Next::Rest => core::hint::spin_loop(),\n";
    let kernel = mutant("testbed-kernel/src/ap.rs", rest, spin);
    assert!(!syncs(&kernel));
}
