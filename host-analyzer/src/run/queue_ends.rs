//! When the BSP was free to send each AP's SIPI: what comes before is `queue`, what comes then is `kick`.

use crate::run::model::Cell;
use bringup::frame::ApTimeline;
use bringup::options::Kick;
use bringup::stamp::Stamp;

/// Of each AP of a trial of this cell, in the order of the timelines, all on the BSP's clock: the later of the end of
/// the INIT delay and the `kick_end` of the AP that was kicked before. `None` where APs are kicked one by one or by
/// one broadcast, and where an AP got no INIT or SIPI: then nothing stands between.
pub fn queue_ends(cell: &Cell, aps: &[ApTimeline]) -> Vec<Option<i64>> {
    let options = &cell.options;
    let mut queue_ends = vec![None; aps.len()];
    if !options.strategy.kicks_all_at_once() || options.kick == Kick::Broadcast {
        return queue_ends;
    }
    let delay = match options.init_delay.is_zero() {
        true => 0,
        false => options.init_delay.cycles(cell.tsc_khz().unwrap_or(0)).0,
    };
    let delay = i64::try_from(delay).unwrap_or(i64::MAX);
    let mut kicked: Vec<(i64, i64, usize)> = Vec::with_capacity(aps.len());
    for (index, ap) in aps.iter().enumerate() {
        if let (Some(init), Some(sipi)) = (ap.stamps.get(Stamp::Init), ap.stamps.get(Stamp::Sipi)) {
            kicked.push((sipi, init, index));
        }
    }
    kicked.sort_unstable();
    let mut free = i64::MIN;
    for (_, init, index) in kicked {
        queue_ends[index] = Some(init.saturating_add(delay).max(free));
        free = aps[index].stamps.get(Stamp::KickEnd).unwrap_or(free);
    }
    queue_ends
}

#[cfg(test)]
mod tests {
    use crate::run::Run;
    use bringup::Cycles;
    use bringup::frame::Frame;
    use bringup::phase::{Phase, SubPhase};
    use bringup::wire::{MAX_FRAME, encode};
    use std::fs;
    use std::ops::ControlFlow;

    /// The parts of each AP's `sipi`, in µs, in the last trial of a simulated boot with four CPUs.
    fn parts(words: &str) -> Vec<[u64; 4]> {
        let (mut bytes, mut buffer) = (Vec::new(), [0; MAX_FRAME]);
        bringup::sim::boot(words, 4, 1_000_000, &mut |frame: &Frame<'_>| {
            bytes.extend_from_slice(encode(frame, &mut buffer).unwrap());
        })
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("capture.bin");
        fs::write(&path, bytes).unwrap();
        let mut all = Vec::new();
        let run = Run::open(&path).unwrap();
        run.each_trial(|trial| {
            let aps = trial.timelines.iter().zip(trial.queue_ends());
            let of = |(ap, turn): (&bringup::frame::ApTimeline, Option<i64>)| {
                let parts = SubPhase::ALL.map(|part| part.of(&ap.stamps, turn).unwrap());
                assert_eq!(
                    Some(Cycles(parts.iter().map(|part| part.0).sum())),
                    Phase::Sipi.of(&ap.stamps)
                );
                parts.map(|part| part.0 / 1000)
            };
            all = aps.map(of).collect();
            ControlFlow::Continue(())
        })
        .unwrap();
        all
    }

    const COSTS: &str =
        "cost-kick=100us cost-wake=50us cost-trampoline=20us tsc-sync=trusted tsc-trust=yes";

    #[test]
    fn the_queue_grows_with_an_aps_place_and_the_kick_does_not() {
        let expected = [[0, 100, 50, 20], [100, 100, 50, 20], [200, 100, 50, 20]];
        assert_eq!(parts(&format!("{COSTS} strategy=full-parallel")), expected);
        let delayed =
            expected.map(|[queue, kick, wake, trampoline]| [queue + 300, kick, wake, trampoline]);
        assert_eq!(parts(&format!("{COSTS} strategy=full-parallel init-delay=300us")), delayed);
    }

    #[test]
    fn who_is_kicked_alone_or_with_all_by_one_broadcast_is_in_no_queue() {
        assert_eq!(parts(&format!("{COSTS} strategy=serial")), [[0, 100, 50, 20]; 3]);
        let broadcast = format!("{COSTS} strategy=full-parallel kick=broadcast init-delay=300us");
        assert_eq!(parts(&broadcast), [[0, 400, 50, 20]; 3]);
    }
}
