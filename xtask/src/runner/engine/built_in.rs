//! The engines that need no definition.

use super::{Engine, Qemu, Sim, sim};
use std::sync::Arc;

/// The names of the engines that are built in, the default first.
pub const BUILT_IN: [&str; 4] = ["icount", "tcg", "kvm", "sim"];

/// The built-in engine of that name.
pub fn named(name: &str) -> Option<Arc<dyn Engine>> {
    match Qemu::named(name) {
        Some(base) => Some(Arc::new(base.engine())),
        None => (name == sim::NAME).then(|| Arc::new(Sim::default()) as Arc<dyn Engine>),
    }
}
