//! What a run shows: statistics, comparisons, budgets, published figures.

pub mod check;
pub mod compare;
pub mod critical;
mod family;
pub mod fit;
mod oddities;
pub mod origins;
pub mod pairing;
pub mod predict;
pub mod published;
pub mod rates;
pub mod simulated;
pub mod statistics;
pub mod warnings;
mod whole;
