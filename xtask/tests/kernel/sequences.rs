//! Wake sequences on the machine: which IPIs are sent, whom they wake, and how long they take.

use crate::agreement::{agreeing, measured};
use crate::engines::scenario;
use crate::harness::{boot, boot_kernel, kernel};
use bringup::frame::{ApEnd, ApTimeline};
use bringup::options::WakeSequence;
use xtask::runner::engine::{Engine, Qemu, Sim};

/// A quarter of a second for an AP that is not expected.
const QUICK: &str = "tsc-sync=trusted repetitions=3 limit=250ms";

/// Every sequence with every kick, order, strategy and delay that it can have.
#[test]
fn every_sequence_takes_what_the_simulator_says_and_loses_no_ap() {
    let run = measured(&scenario(
        r#"
        engine = "icount"
        cpus = [4, 8]
        skip-refused = true
        [options]
        strategy = ["serial", "parallel-sipi", "full-parallel"]
        wake-sequence = ["init-sipi", "init-sipi-sipi", "sipi", "init-deassert-sipi", "sipi-late"]
        kick = ["unicast", "broadcast"]
        init-order = ["first", "each"]
        init-delay = ["0", "400us"]
        tsc-sync = "trusted"
        cost-kick = "100us"
        cost-wake = ["150us,3:900us"]
        cost-callin = "200us"
        cost-online = "80us"
        repetitions = 2
        "#,
    ));
    assert_eq!(run.lost_aps(), 0);
    let rows = agreeing(&run);
    // Of `sipi` a quarter, since without an INIT it has neither delay nor order; broadcasts have one order, and serial has none.
    let unicast = 3 * (4 * 2 * 2 + 1);
    let broadcast = 2 * (4 * 2 + 1);
    assert_eq!(rows.len(), 2 * (unicast + broadcast));
}

#[test]
fn the_ipis_are_those_of_the_manual() {
    let ipis = |words: &str| {
        let booted =
            boot(Qemu::Icount, 3, &format!("{QUICK} strategy=full-parallel {words}")).well();
        assert_eq!(booted.trials().map(|(_, trial)| trial.end.lost).sum::<u16>(), 0, "{words}");
        // The vector is that of a page that the kernel chooses.
        booted.cells[0].ipis.map(|low| low.map(|low| low & !0xff))
    };
    let (init, deassert, sipi) = (Some(0x4500), Some(0x8500), Some(0x4600));
    let (init_all, sipi_all) = (Some(0xc_4500), Some(0xc_4600));
    for (words, expected) in [
        ("", [init, None, sipi, None]),
        ("wake-sequence=init-sipi-sipi", [init, None, sipi, sipi]),
        ("wake-sequence=sipi", [None, None, sipi, None]),
        ("wake-sequence=init-deassert-sipi", [init, deassert, sipi, None]),
        ("wake-sequence=sipi-late kick=broadcast", [init_all, None, sipi_all, sipi]),
        ("icr-level=none", [Some(0x0500), None, Some(0x0600), None]),
    ] {
        assert_eq!(ipis(words), expected, "{words}");
    }
}

/// SeaBIOS leaves the APs in HLT, where no SIPI wakes them.
#[test]
fn a_sipi_alone_wakes_aps_that_wait_for_it_and_no_others() {
    for (parked_by, cold) in [("init", 0), ("firmware", 2)] {
        let words = format!("{QUICK} wake-sequence=sipi parked-by={parked_by}");
        let booted = boot(Qemu::Icount, 3, &words).well();
        let lost = booted.trials().map(|(_, trial)| trial.end.lost).collect::<Vec<u16>>();
        assert_eq!(lost, [cold, 0, 0, 0], "{parked_by}");
    }
}

/// A SIPI to an AP that runs is ignored.
#[test]
fn no_sequence_starts_an_ap_twice() {
    for sequence in WakeSequence::ALL {
        let words = format!(
            "{QUICK} strategy=full-parallel sipi-gap=20us cost-trampoline=100us wake-sequence={sequence}"
        );
        let booted = boot(Qemu::Icount, 4, &words).well();
        for (_, trial) in booted.trials() {
            let starts: Vec<u32> = trial.aps.iter().map(|ap| ap.starts).collect();
            assert_eq!(starts, [1, 1, 1], "{sequence}");
            assert!(trial.aps.iter().all(|ap| ap.end == ApEnd::Online), "{sequence}");
        }
        let late = booted.logs.iter().filter(|(_, text)| text.contains("started late"));
        assert_eq!(late.count(), 0, "{sequence}: {:?}", booted.logs);
    }
}

/// Of each trial, the APs that did not come online.
fn lost_on(engine: &dyn Engine, words: &str) -> Vec<Vec<u16>> {
    let booted =
        boot_kernel(&kernel().path, engine, 4, &format!("{words} tsc-sync=trusted")).well();
    let lost = |aps: &[ApTimeline]| {
        let lost = aps.iter().filter(|ap| ap.end != ApEnd::Online);
        lost.map(|ap| ap.cpu.0).collect::<Vec<u16>>()
    };
    booted.trials().map(|(_, trial)| lost(&trial.aps)).collect()
}

#[test]
fn kernel_and_simulator_drop_the_same_sipis() {
    let words = "strategy=parallel-sipi limit=40ms repetitions=150";
    for (fault, losses) in
        [("drop-sipi:all:1/20:7", 5..50), ("drop-sipi:2:9,drop-sipi:3:1/15:3", 3..30)]
    {
        for sequence in ["init-sipi", "init-sipi-sipi"] {
            let words = format!("{words} wake-sequence={sequence} fault={fault}");
            let lost = lost_on(&Qemu::Icount.engine(), &words);
            assert_eq!(lost, lost_on(&Sim::default(), &words), "{words}");
            let count = lost.iter().flatten().count();
            // Two SIPIs in a row are seldom dropped.
            assert!(losses.contains(&count) || sequence != "init-sipi", "{words}: {count}");
        }
    }
}
