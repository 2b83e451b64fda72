//! The TSC sync in QEMU: what it certifies, what it finds, what it costs.

use crate::harness::{Booted, boot, skipped};
use bringup::exchange::SyncVerdict;
use bringup::frame::{ApTimeline, Sync};
use bringup::phase::Phase;
use bringup::stamp::Stamp;
use xtask::runner::engine::Qemu;

/// 64 CPUs, a window of 1 ms at 1 GHz, and costs that have all APs call in before it opens.
pub const MANY: &str = "strategy=full-parallel tsc-sync=one-to-many tsc-window=1ms tsc-resolution=100 \
                    cost-kick=20us cost-wake=1ms cost-callin=800us";
const WINDOW: i64 = 1_000_000;

fn sync_of(ap: &ApTimeline) -> Sync {
    ap.sync.unwrap_or_else(|| panic!("{} was not compared", ap.cpu))
}

/// From the first AP's begin of the sync to the last one's end, in cycles.
fn span(aps: &[ApTimeline]) -> i64 {
    let stamps = |stamp: Stamp| aps.iter().map(move |ap| ap.stamps.get(stamp).unwrap());
    stamps(Stamp::SyncEnd).max().unwrap() - stamps(Stamp::SyncBegin).min().unwrap()
}

/// Clean, known to 100 cycles, by 16 readings each way.
fn is_certified(ap: &ApTimeline) -> bool {
    let known = ap.offset.is_some_and(|offset| {
        let samples = offset.lo_samples.min(offset.hi_samples);
        offset.contains_zero() && offset.width() <= 100 && samples >= 16
    });
    known && sync_of(ap).verdict == SyncVerdict::Clean
}

#[track_caller]
fn assert_certified(ap: &ApTimeline) {
    assert!(is_certified(ap), "{}: {:?}, {:?}", ap.cpu, ap.offset, ap.sync);
}

/// True if all APs are certified, and all together in little more than one window.
pub fn is_one_window(aps: &[ApTimeline]) -> bool {
    aps.iter().all(is_certified) && (WINDOW..WINDOW + WINDOW / 10).contains(&span(aps))
}

#[test]
fn one_window_certifies_63_aps() {
    let booted = boot(Qemu::Icount, 64, MANY).well();
    for (_, trial) in booted.trials() {
        assert_eq!((trial.aps.len(), trial.end.lost), (63, 0));
        trial.aps.iter().for_each(assert_certified);
        assert!(is_one_window(&trial.aps), "the sync took {} cycles", span(&trial.aps));
    }
}

#[test]
fn pairwise_takes_a_window_for_each_ap() {
    let words = MANY.replace("one-to-many", "pairwise");
    let booted = boot(Qemu::Icount, 64, &words).well();
    for (_, trial) in booted.trials() {
        trial.aps.iter().for_each(assert_certified);
        let span = span(&trial.aps);
        assert!((63 * WINDOW..64 * WINDOW).contains(&span), "the sync took {span} cycles");
    }
}

#[test]
fn three_skewed_clocks_are_found_attributed_and_corrected_in_three_windows_more() {
    for skews in [[(3, 200), (17, -200), (63, 200)], [(1, -200), (2, -200), (40, 200)]] {
        let list = skews.map(|(cpu, cycles)| format!("{cpu}:{cycles}")).join(",");
        let booted = boot(Qemu::Icount, 64, &format!("{MANY} skew={list}")).well();
        for (_, trial) in booted.trials() {
            for ap in &trial.aps {
                let skew = skews.iter().find(|(cpu, _)| *cpu == ap.cpu.0).map_or(0, |skew| skew.1);
                let sync = sync_of(ap);
                assert_certified(ap);
                assert_eq!(sync.windows, if skew == 0 { 1 } else { 2 }, "{}", ap.cpu);
                let first = sync.first.unwrap();
                assert_eq!(first.contains_zero(), skew == 0, "{}: {first:?}", ap.cpu);
                assert!(first.lo <= skew && skew <= first.hi, "{}: {first:?}", ap.cpu);
                let off = (sync.correction - skew).abs();
                assert!(off <= first.width() / 2, "{}: {sync:?}", ap.cpu);
            }
            let span = span(&trial.aps);
            assert!(span < 4 * WINDOW + WINDOW / 10, "the sync took {span} cycles");
        }
    }
}

#[test]
fn a_pairwise_sync_finds_and_corrects_a_skew_too() {
    let words = "tsc-window=1ms tsc-resolution=100 skew=2:-200";
    let booted = boot(Qemu::Icount, 4, words).well();
    for (_, trial) in booted.trials() {
        trial.aps.iter().for_each(assert_certified);
        let windows: Vec<u8> = trial.aps.iter().map(|ap| sync_of(ap).windows).collect();
        assert_eq!(windows, [1, 2, 1]);
        let sync = sync_of(&trial.aps[1]);
        let off = (sync.correction + 200).abs();
        assert!(off <= sync.first.unwrap().width() / 2, "{sync:?}");
    }
}

#[test]
fn what_cannot_be_known_closely_enough_is_unresolved_and_never_clean() {
    let words = "tsc-window=1ms tsc-resolution=10 cell tsc-sync=one-to-many \
                 strategy=full-parallel cell tsc-sync=pairwise";
    let booted = boot(Qemu::Icount, 4, words).well();
    for (cell, trial) in booted.trials() {
        for ap in &trial.aps {
            assert_eq!(
                sync_of(ap).verdict,
                SyncVerdict::Unresolved,
                "{}: {}",
                ap.cpu,
                cell.options
            );
        }
    }
}

/// Between visits an AP sleeps: a window costs the host next to nothing, and APs that spun through
/// it would all show up as instructions.
#[test]
fn an_ap_sleeps_through_most_of_the_window() {
    let short = boot(Qemu::Icount, 16, &MANY.replace("window=1ms", "window=2ms")).well();
    let long = boot(Qemu::Icount, 16, &MANY.replace("window=1ms", "window=2s")).well();
    for (booted, window) in [(&short, 2 * WINDOW), (&long, 2000 * WINDOW)] {
        for (_, trial) in booted.trials() {
            let sync = Phase::TscSync.of(&trial.aps[0].stamps).unwrap().0 as i64;
            // The window is the BSP's; the APs come to it and leave it one after the other.
            assert!((sync - window).abs() < WINDOW / 100, "{sync} cycles");
            trial.aps.iter().for_each(assert_certified);
        }
    }
    // As many readings in two seconds as in two milliseconds: nobody spun in between.
    let readings = |booted: &Booted| -> u32 {
        let offsets =
            booted.trials().flat_map(|(_, trial)| &trial.aps).map(|ap| ap.offset.unwrap());
        offsets.map(|offset| offset.lo_samples + offset.hi_samples).sum()
    };
    assert_eq!(readings(&short), readings(&long));
}

/// Trials on 8 vCPU threads of the host, the BSP's on a core of its own; two clocks are off.
const THREADS: &str = "strategy=full-parallel tsc-sync=one-to-many tsc-window=2ms tsc-limit=200ms \
                       tsc-resolution=199 skew=2:200,5:-200 repetitions=199";

/// Asserts that what a boot of [`THREADS`] tells of the clocks is true; gives the certified APs and all.
fn assert_true(booted: &Booted) -> (usize, usize) {
    let (mut certified, mut all) = (0, 0);
    for ap in booted.trials().flat_map(|(_, trial)| &trial.aps) {
        all += 1;
        let skew = match ap.cpu.0 {
            2 => 200,
            5 => -200,
            _ => 0,
        };
        let sync = sync_of(ap);
        let Some(first) = sync.first else { continue };
        assert!(first.lo <= skew && skew <= first.hi, "{}: {sync:?}", ap.cpu);
        assert!(skew != 0 || sync.correction == 0, "{}: a false alarm: {sync:?}", ap.cpu);
        if sync.verdict == SyncVerdict::Clean {
            certified += 1;
            // Half a width, rounded; of a skew that was not found it would be all.
            let off = (sync.correction - skew).abs();
            assert!(off <= (first.width() + 1) / 2, "{}: {sync:?}", ap.cpu);
        }
    }
    (certified, all)
}

/// How close two threads come is up to the host: it has three boots to show that it can be done. On a host that
/// certifies less than four fifths of the APs of a short boot the demand is skipped, and said to be; what is reported must
/// be true there, too.
#[test]
fn on_real_threads_95_of_100_aps_are_certified_and_no_skew_of_theirs_is_missed() {
    let short = THREADS.replace("repetitions=199", "repetitions=9");
    let (certified, all) = assert_true(&boot(Qemu::Tcg, 8, &short).well());
    if certified * 5 < all * 4 {
        skipped(&format!(
            "95 of 100 certified, since this host does not run two vCPUs side by side: in a short boot {certified} of \
             {all} APs were certified; what was reported is true"
        ));
        return;
    }
    let mut shares = Vec::new();
    for _ in 0..3 {
        let (certified, all) = assert_true(&boot(Qemu::Tcg, 8, THREADS).well());
        assert_eq!(all, 200 * 7);
        println!("{certified} of {all} APs are certified");
        shares.push(certified as f64 / all as f64);
        if certified * 100 >= all * 95 {
            return;
        }
    }
    panic!("certified are {shares:?} of the APs");
}
