//! What the table of conformance says of QEMU, and of kernels that wake their APs wrongly.

use crate::harness::kernel;
use crate::mutants::altered_in;
use std::sync::Arc;
use xtask::runner::conformance::{Demand, Line, lines};
use xtask::runner::engine::{Engine, Qemu};
use xtask::runner::kernel::Kernel;

fn on(engine: Qemu, kernel: &Kernel) -> Vec<Line> {
    let engine: Arc<dyn Engine> = Arc::new(engine.engine());
    let results = tempfile::tempdir().unwrap();
    lines(&engine, 3, Some(kernel), results.path(), |_| ())
        .unwrap_or_else(|no| panic!("{:?}", no.report()))
}

/// The lines with a verdict, by their names.
fn those(lines: &[Line], verdict: &str) -> Vec<String> {
    let those = lines.iter().filter(|line| line.verdict() == verdict);
    those.map(|line| line.id.clone()).collect()
}

/// As docs/waking.md has it.
#[test]
fn qemu_starts_every_ap_once_by_every_way_that_begins_with_an_init() {
    let lines = on(Qemu::Icount, kernel());
    assert_eq!(those(&lines, "broken"), [""; 0], "{lines:#?}");
    assert_eq!(
        those(&lines, "reported"),
        ["sipi-without-init/cold", "level-0/cold", "level-0/warm"]
    );
    let cold = lines.iter().find(|line| line.id == "sipi-without-init/cold").unwrap();
    let lost = "CPU 1 after `sipi` lost once, CPU 2 after `sipi` lost once";
    assert!(cold.got.contains(lost), "{cold:?}");
}

#[test]
fn a_kernel_that_forgets_the_init_breaks_the_cold_lines_alone() {
    let mutant = altered_in(
        "testbed-kernel/src/trial/sequence.rs",
        "unsafe { apic::send_init(to, self.options.icr_level) };\n        now + self.times.init_delay",
        "let _ = to;\n        now + self.times.init_delay",
    );
    for line in on(Qemu::Icount, &mutant) {
        let has_init = line.words.split(' ').all(|word| word != "wake-sequence=sipi");
        let broken = has_init && line.id.ends_with("/cold") && line.demand == Demand::StartsOnce;
        assert_eq!(line.verdict() == "broken", broken, "{line:?}");
    }
}
