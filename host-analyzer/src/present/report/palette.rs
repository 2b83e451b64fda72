//! The report's colours and legends, for the still pictures as for the charts of the page.
//!
//! A page may override a colour by its very value, which is how the report follows a dark screen.

use bringup::phase::Phase;

/// Behind everything.
pub const PAPER: &str = "#fefefe";
/// Text and axes.
pub const INK: &str = "#1c1d21";
/// What stands back.
pub const FAINT: &str = "#5b5f69";
/// Lines of the grid.
pub const GRID: &str = "#dcdde1";

/// The colours of lines, in turn; a second round is dashed.
pub const LINES: [&str; 6] = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// The marks of lines, in turn, by their names in Apache ECharts.
pub const MARKS: [&str; 6] = ["circle", "rect", "triangle", "diamond", "roundRect", "pin"];

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
    fn every_phase_without_work_says_what_the_ap_waits_for() {
        for phase in Phase::ALL {
            assert_eq!(wait(phase).is_none(), phase.is_work(), "{}", phase.name());
        }
    }
}
