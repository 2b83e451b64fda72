//! AP classes: what a CPU is to its package and its core.

use crate::words::words;

words! {
    /// What an AP is to its package and its core, the rarest first. Some steps of a bring-up cost more for the first
    /// thread that comes up in one: microcode is loaded for a core, some registers are a package's.
    Class {
        /// The first thread of its package.
        Package = "package",
        /// The first thread of its core, in a package that has one before it.
        Core = "core",
        /// Another thread of a core that has one before it.
        Sibling = "sibling",
    }
}

impl Class {
    /// The class of the CPU at `place`, a package and a core in it, given the places of the CPUs
    /// before it in the order of their indices, the BSP's first.
    pub fn of(place: (u32, u32), before: impl IntoIterator<Item = (u32, u32)>) -> Class {
        let (package, _) = place;
        let class = |other: (u32, u32)| match other {
            same if same == place => Class::Sibling,
            (same, _) if same == package => Class::Core,
            _ => Class::Package,
        };
        before.into_iter().map(class).max().unwrap_or(Class::Package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_thread_of_a_package_and_of_a_core_are_told_from_siblings() {
        let places = [(0, 0), (0, 0), (0, 1), (0, 1), (1, 0), (1, 0), (1, 1)];
        let classes: Vec<Class> =
            (0..places.len()).map(|cpu| Class::of(places[cpu], places[..cpu].to_vec())).collect();
        use Class::{Core, Package, Sibling};
        assert_eq!(classes, [Package, Sibling, Core, Sibling, Package, Sibling, Core]);
    }
}
