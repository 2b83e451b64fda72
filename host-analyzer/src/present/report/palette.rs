//! The report's colours and legends, for the still pictures as for the charts of the page.
//!
//! A page may override a colour by its very value, which is how the report follows a dark screen.

use bringup::options::Strategy;
use bringup::phase::{Phase, SubPhase};

/// Behind everything.
pub const PAPER: &str = "#fefefe";
/// Text and axes.
pub const INK: &str = "#1c1d21";
/// What stands back.
pub const FAINT: &str = "#5b5f69";
/// Lines of the grid.
pub const GRID: &str = "#dcdde1";

/// The colours of strategies, in the order of [`Strategy::ALL`]; a strategy has the same in every picture.
const STRATEGIES: [&str; 6] = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// What tells the lines of one strategy apart: what else their cells differ in, in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineStyle {
    /// Lengths of dashes and gaps in px; none where the line is solid.
    pub dashes: &'static [u32],
    /// The mark at each point, by its name in Apache ECharts.
    pub mark: &'static str,
}

const LINE_STYLES: [LineStyle; 4] = [
    LineStyle { dashes: &[], mark: "circle" },
    LineStyle { dashes: &[8, 4], mark: "rect" },
    LineStyle { dashes: &[2, 3], mark: "triangle" },
    LineStyle { dashes: &[8, 3, 2, 3], mark: "diamond" },
];

/// The style of what is predicted: dotted, with marks.
pub const PREDICTED: LineStyle = LineStyle { dashes: DOTS, mark: "circle" };

/// What is not measured is dotted, in px of dash and gap.
pub const DOTS: &[u32] = &[2, 4];

/// The style of the lines that come in this place.
pub fn line_style(place: usize) -> LineStyle {
    LINE_STYLES[place % LINE_STYLES.len()]
}

/// The colour of a strategy.
pub fn strategy_colour(strategy: Strategy) -> &'static str {
    let place = Strategy::ALL.iter().position(|known| *known == strategy);
    STRATEGIES[place.unwrap_or_default() % STRATEGIES.len()]
}

/// A piece of an AP's time as pictures show it: `queue`, in which it waits, then the rest of `sipi`, then the other
/// phases.
pub const PIECES: usize = Phase::ALL.len() + 1;

/// The colour of `queue`.
pub const QUEUE: &str = "#e3e5e9";

/// What an AP waits for in `queue`.
pub const QUEUE_WAIT: &str = "waits for the kicks of others";

/// What each piece is called, its colour, and what an AP waits for in it; `None` where it works.
pub fn pieces() -> [(&'static str, &'static str, Option<&'static str>); PIECES] {
    let mut pieces = [(SubPhase::Queue.name(), QUEUE, Some(QUEUE_WAIT)); PIECES];
    for (piece, phase) in pieces.iter_mut().skip(1).zip(Phase::ALL) {
        *piece = (phase.name(), phase_colour(phase), wait(phase));
    }
    pieces
}

/// The lengths of the pieces, of those of `queue` and of the phases.
pub fn pieces_of(queue: u64, phases: [u64; Phase::ALL.len()]) -> [u64; PIECES] {
    let mut pieces = [0; PIECES];
    pieces[1..].copy_from_slice(&phases);
    pieces[0] = queue.min(phases[0]);
    pieces[1] -= pieces[0];
    pieces
}

/// The colour of a phase: work in strong colours that the colour-blind can distinguish (Okabe and
/// Ito's), waiting in greys.
pub const fn phase_colour(phase: Phase) -> &'static str {
    match phase {
        Phase::Sipi => "#e69f00",
        Phase::Hold => "#c9ccd3",
        Phase::Callin => "#0072b2",
        Phase::Turn => "#a3a8b4",
        Phase::TscSync => "#009e73",
        Phase::Online => "#cc79a7",
    }
}

/// What an AP waits for in a phase; `None` where it works.
pub const fn wait(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Hold => Some("waits at the gate"),
        Phase::Turn => Some("waits for the sync"),
        Phase::Sipi | Phase::Callin | Phase::TscSync | Phase::Online => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_the_phases_with_the_queue_taken_out_of_sipi() {
        let phases = [70, 0, 5, 6, 7, 8];
        let pieces = pieces_of(30, phases);
        assert_eq!(pieces, [30, 40, 0, 5, 6, 7, 8]);
        assert_eq!(pieces.iter().sum::<u64>(), phases.iter().sum::<u64>());
        // Means are rounded one by one.
        assert_eq!(pieces_of(71, phases)[..2], [70, 0]);
        assert_eq!(super::pieces().map(|(name, ..)| name)[..3], ["queue", "sipi", "hold"]);
    }

    #[test]
    fn every_strategy_has_a_colour_of_its_own() {
        for (index, strategy) in Strategy::ALL.into_iter().enumerate() {
            let before = &Strategy::ALL[..index];
            assert!(
                before.iter().all(|other| strategy_colour(*other) != strategy_colour(strategy))
            );
        }
    }

    #[test]
    fn every_phase_without_work_says_what_the_ap_waits_for() {
        for phase in Phase::ALL {
            assert_eq!(wait(phase).is_none(), phase.is_work(), "{}", phase.name());
        }
    }
}
