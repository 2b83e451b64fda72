//! Perfetto's trace format: a process for each cell, in it a track for each CPU.
//!
//! An AP's track holds its phases, and in `sipi` the sub-phases; the BSP's holds its verbs. Arrows
//! lead from an AP's SIPI to its `entry`, and from its release to its callin.

mod aps;
mod bsp;
mod message;
mod pen;
mod writer;

use super::exporter::{Exporter, Shown};
use crate::ground::failure::Failure;
use crate::ground::text::{counted, times};
use crate::run::{Run, WholeTrial};
use miette::miette;
use pen::{Clock, Pen, Tracks};
use std::io::{self, Write};
use writer::Packets;

/// Each cell has so many track numbers: the process, its trials, and its CPUs.
const TRACKS: u64 = 1 << 17;

/// Writes a trace.
pub struct Perfetto<'a> {
    packets: Packets<'a>,
    shown: Shown,
    /// Of each cell what it takes to draw its trials; `None` where its clock's rate is unknown.
    cells: Vec<Option<Drawn>>,
    arrows: u64,
    notes: Vec<String>,
    /// APs that are not drawn whole.
    cut: u64,
    /// Trials that lie beyond the end of time.
    beyond: u64,
}

/// What is known of a cell between its trials.
struct Drawn {
    label: String,
    khz: u64,
    /// The median trial: its boot, its cell's index there, its number.
    median: Option<(u32, u16, u32)>,
    begun: bool,
    /// Where the next trial's zero is put, in ns.
    next: u64,
}

impl<'a> Perfetto<'a> {
    /// Begins a trace.
    ///
    /// Fails with [`Failure::Request`] where no cell's clock is known.
    pub fn begin(
        run: &Run,
        shown: Shown,
        output: &'a mut dyn Write,
    ) -> Result<Perfetto<'a>, Failure> {
        let varying = run.varying_options();
        let mut notes = Vec::new();
        let mut cells = Vec::new();
        for cell in &run.cells {
            let label = cell.label(&varying);
            let khz = cell.tsc_khz().filter(|khz| *khz > 0);
            if khz.is_none() {
                notes.push(format!("{label}: left out, its TSC's frequency is unknown"));
            }
            let median = cell.median_trial();
            let median = median.map(|trial| (trial.boot, trial.cell, trial.number));
            cells.push(khz.map(|khz| Drawn { label, khz, median, begun: false, next: 0 }));
        }
        if cells.iter().all(Option::is_none) {
            return Err(Failure::Request(miette!(
                help = "`--format csv` and `--format jsonl` have times in cycles",
                "{} can't become a trace: the TSC's frequency is unknown, so cycles are no ns",
                run.path.display()
            )));
        }
        let packets = Packets::begin(output);
        Ok(Perfetto { packets, shown, cells, arrows: 0, notes, cut: 0, beyond: 0 })
    }
}

impl Exporter for Perfetto<'_> {
    fn trial(&mut self, trial: &WholeTrial<'_>) -> io::Result<()> {
        let Some(cell) = &mut self.cells[trial.cell_index] else { return Ok(()) };
        let this = (trial.boot_index as u32, trial.begin.cell, trial.begin.trial);
        if self.shown == Shown::Median && (trial.begin.cold || cell.median != Some(this)) {
            return Ok(());
        }
        let clock = Clock { khz: cell.khz, zero: cell.next };
        let Some(end) = clock.end_of(trial) else {
            self.beyond += 1;
            return Ok(());
        };
        cell.next = end;
        let tracks = Tracks { base: (trial.cell_index as u64 + 1) * TRACKS };
        if !cell.begun {
            cell.begun = true;
            let pid = i32::try_from(trial.cell_index + 1).unwrap_or(i32::MAX);
            tracks.announce(&mut self.packets, pid, &cell.label, trial.cell.smp)?;
        }
        let mut pen =
            Pen { packets: &mut self.packets, clock, tracks, first_arrow: self.arrows + 1 };
        // Of each AP one from its SIPI, one from its release.
        self.arrows += 2 * trial.timelines.len() as u64;
        pen.trial(trial)?;
        bsp::draw(&mut pen, trial)?;
        self.cut += aps::draw(&mut pen, trial)?;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<Vec<String>> {
        self.packets.finish()?;
        if self.cut > 0 {
            self.notes.push(format!(
                "an AP's stamps are out of order {}; it is drawn as far as they are in order",
                times(self.cut)
            ));
        }
        if self.beyond > 0 {
            self.notes.push(format!(
                "{} left out: stamps before the trial's zero or after 292 years",
                counted(self.beyond, "trial")
            ));
        }
        Ok(self.notes)
    }
}
