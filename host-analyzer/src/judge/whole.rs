//! Whether a run is whole: every AP came online, and nothing that it planned is missing.

use crate::ground::failure::Failure;
use crate::ground::text::times;
use crate::run::{Losses, Run};
use miette::miette;

impl Run {
    /// How often an AP did not come online, and in which trials.
    fn lost_text(&self) -> String {
        let [mut counted, mut cold, mut incomplete] = [0; 3];
        for Losses { counted: one, cold: two, incomplete: three } in
            self.cells.iter().map(|cell| &cell.losses)
        {
            counted += one.values().sum::<u64>();
            cold += two.values().sum::<u64>();
            incomplete += three.values().sum::<u64>();
        }
        let all =
            [(counted, "the trials"), (cold, "cold trials"), (incomplete, "incomplete trials")];
        let some = all.iter().filter(|(number, _)| *number > 0);
        let some = some.map(|(number, which)| format!("{} in {which}", times(*number)));
        format!("an AP did not come online {}", some.collect::<Vec<_>>().join(", "))
    }

    /// `Ok` if every AP came online and the run has no gap, else the [`Failure::Verdict`] that a command ends
    /// with.
    pub fn verdict(&self) -> Result<(), Failure> {
        let lost = (self.lost_aps() > 0).then(|| self.lost_text());
        let gaps = match &self.gaps[..] {
            [] => None,
            [gap] => Some(gap.what.clone()),
            [first, more @ ..] => Some(format!("{}; and {} more", first.what, more.len())),
        };
        let what: Vec<String> = lost.into_iter().chain(gaps).collect();
        if what.is_empty() {
            return Ok(());
        }
        Err(Failure::Verdict(miette!(
            help = "the warnings say which and how far they came",
            "{} in {}",
            what.join("; "),
            self.path.display()
        )))
    }
}
