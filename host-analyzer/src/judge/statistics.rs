//! What is inferred from the numbers of boots: intervals, a test of ranks, its correction, an effect.
//!
//! On a noisy engine the trials of one boot share what that boot was dealt (where its threads ran,
//! what else the host did), so the boot is the unit: intervals resample boots, and the test ranks
//! their medians. `docs/method.md` has the reasons.
//!
//! The code is our own: `statrs` computes exact p-values only where no values are tied, and we found no crate
//! whose bootstrap resamples clusters. Boots are few and their medians often tie, so both matter here. Holm's
//! correction and Cliff's delta are a few lines each.

mod bootstrap;
mod effect;
mod holm;
mod ranks;

pub use bootstrap::{BOOTS_FOR_INTERVAL, CONFIDENCE, Interval, resampled};
pub use effect::dominance;
pub use holm::holm;
pub use ranks::{RankSums, rank_test};
