//! One trial, AP by AP, as the page's timeline takes it.

use super::trials::ending;
use crate::ground::unit::{Scale, Unit, readable};
use crate::judge::critical::{self, Segment, Sum};
use crate::run::timeline::{self, Reached};
use crate::run::{Cell, FullTrial, queue_ends};
use bringup::frame::{ApEnd, ApTimeline};
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::Stamp;
use bringup::{CpuIndex, Cycles};
use serde::Serialize;
use std::collections::BTreeMap;

/// One trial.
#[derive(Serialize)]
pub struct TimelineData {
    /// `best`, `median` or `worst`.
    which: &'static str,
    boot: u32,
    /// What the choice of trials says.
    label: String,
    total: u64,
    /// Its unit, and the decimals.
    scale: (&'static str, usize),
    /// Of each AP its index, `init`, the lengths of `queue`, `kick`, `wake`, `trampoline` and of the six
    /// phases; nothing where a stamp is missing. Behind them, of an AP whose phases are not whole,
    /// how long it was in each.
    aps: Vec<Vec<Option<i64>>>,
    /// Of each AP that is not online its index, how it ended, and the moment of its last stamp.
    lost: Vec<(u16, String, Option<u64>)>,
    /// Of each segment of the critical path its part, AP, begin, length and row (0 for the BSP); and
    /// where somebody had waited for it, who, in which phase (-1 for the BSP), and for how long.
    path: Vec<Vec<i64>>,
    /// Of each part on the path, the longest first, its name, its length, its share in words, and how
    /// many APs it is about.
    sums: Vec<(&'static str, u64, String, usize)>,
}

impl TimelineData {
    /// Of a trial of a cell.
    pub fn of(which: &'static str, cell: &Cell, trial: &FullTrial) -> TimelineData {
        let khz = cell.tsc_khz();
        let FullTrial { trial, timelines } = trial;
        let total = trial.total;
        let lost = timelines.iter().filter(|ap| ap.end != ApEnd::Online);
        let path = critical::path(&cell.options, Cycles(total), timelines);
        let rows: BTreeMap<CpuIndex, i64> =
            timelines.iter().zip(1..).map(|(ap, row)| (ap.cpu, row)).collect();
        let unit = match khz {
            Some(1..) => Unit::Auto,
            _ => Unit::Cycles,
        };
        let scale = Scale::of(unit, [(total, khz)]);
        let sum = |Sum { part, cycles, aps }: Sum| {
            let share = format!("{:.1} %", 100.0 * cycles as f64 / total as f64);
            (part.name(), cycles, share, aps)
        };
        TimelineData {
            which,
            boot: trial.boot + 1,
            label: format!(
                "{which}: {} (boot {}, trial {})",
                readable(unit, total, khz),
                trial.boot + 1,
                trial.number
            ),
            total,
            scale: (scale.name(), scale.decimals()),
            aps: timelines.iter().zip(queue_ends(cell, timelines)).map(lengths).collect(),
            lost: lost
                .map(|ap| {
                    let last = Reached::of(&ap.stamps).map(|reached| reached.last());
                    (ap.cpu.0, ending(ap.end), last)
                })
                .collect(),
            path: path.iter().map(|segment| numbers(segment, &rows)).collect(),
            sums: critical::sums(&path).into_iter().map(sum).collect(),
        }
    }

    /// How many numbers it takes.
    pub fn numbers(&self) -> usize {
        let aps: usize = self.aps.iter().map(Vec::len).sum();
        aps + self.path.iter().map(Vec::len).sum::<usize>()
    }

    /// True where an AP did not come online.
    pub fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }
}

fn lengths((ap, queue_end): (&ApTimeline, Option<i64>)) -> Vec<Option<i64>> {
    let signed = |cycles: u64| i64::try_from(cycles).ok();
    let parts = SubPhase::ALL.map(|part| part.of(&ap.stamps, queue_end));
    let phases = Phase::ALL.map(|phase| phase.of(&ap.stamps));
    let mut lengths = vec![Some(i64::from(ap.cpu.0)), ap.stamps.get(Stamp::Init)];
    lengths.extend(parts.iter().chain(&phases).map(|length| signed((*length)?.0)));
    if timeline::phases(&ap.stamps).is_err()
        && let Some(reached) = Reached::of(&ap.stamps)
    {
        lengths.extend(reached.phases.map(signed));
    }
    lengths
}

fn numbers(segment: &Segment, rows: &BTreeMap<CpuIndex, i64>) -> Vec<i64> {
    let signed = |cycles: u64| i64::try_from(cycles).unwrap_or(i64::MAX);
    let Segment { part, cpu, from, held, .. } = segment;
    let row = if part.is_of_bsp() { 0 } else { rows.get(cpu).copied().unwrap_or(0) };
    let mut numbers =
        vec![*part as i64, i64::from(cpu.0), signed(*from), signed(segment.cycles()), row];
    if let Some(held) = held {
        let phase = held.phase.map_or(-1, |phase| phase as i64);
        numbers.extend([i64::from(held.cpu.0), phase, signed(held.cycles)]);
    }
    numbers
}
