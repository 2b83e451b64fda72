//! What every exporter does.

use crate::run::WholeTrial;
use std::io;

/// A format, on its way to some output.
pub trait Exporter {
    /// Writes a trial.
    fn trial(&mut self, trial: &WholeTrial<'_>) -> io::Result<()>;

    /// Writes what is left; returns what this format can't hold, a sentence each.
    fn finish(self: Box<Self>) -> io::Result<Vec<String>>;
}

/// Which trials a trace shows. Tables hold all of them anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// Of each cell the trial whose total is the median.
    #[default]
    Median,
    /// All, cold ones too, one after the other.
    All,
}
