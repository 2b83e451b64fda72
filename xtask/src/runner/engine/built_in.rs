//! The engines that need no definition.

use super::bochs::{self, Bochs};
use super::{Engine, Qemu, Sim, sim};
use std::sync::Arc;

/// The names of the engines that are built in, the default first.
pub const BUILT_IN: [&str; 5] = ["icount", "tcg", "kvm", "bochs", "sim"];

/// The built-in engine of that name.
pub fn named(name: &str) -> Option<Arc<dyn Engine>> {
    match (name, Qemu::named(name)) {
        (_, Some(base)) => Some(Arc::new(base.engine())),
        (bochs::NAME, None) => Some(Arc::new(Bochs)),
        (sim::NAME, None) => Some(Arc::new(Sim::default())),
        _ => None,
    }
}
