//! What is inferred from the numbers of boots: intervals, a test of ranks, its correction, an effect.
//!
//! On a noisy engine the trials of one boot share what that boot was dealt (where its threads ran,
//! what else the host did), so the boot is the unit: the interval of a figure resamples boots; a comparison
//! takes the medians of the boots for its test, its difference, the interval of that and its effect.
//! `docs/method.md` has the reasons.
//!
//! The code is our own: `statrs` computes exact p-values only where no values are tied, and we found no crate
//! whose bootstrap resamples clusters. Boots are few and their medians often tie, so both matter here. Holm's
//! correction and Cliff's delta are a few lines each.

mod boots;
mod bootstrap;
mod effect;
mod holm;
mod ranks;
mod share;
mod shift;

pub use boots::{can_find, enough_boots, fewest_boots};
pub use bootstrap::{BOOTS_FOR_INTERVAL, CONFIDENCE, Interval, resampled};
pub use effect::dominance;
pub use holm::holm;
pub use ranks::{RankSums, rank_test};
pub use share::{share_interval, share_test};
pub use shift::{Shift, median};
