//! The programs that a number depends on, and in which of them two runs are unequal.

use crate::ground::manifest::{self, Kernel, Manifest};
use crate::run::{Cell, Run};
use std::collections::BTreeSet;

/// What everybody who compares numbers of an exact engine must know.
pub const VIRTUAL_TIME: &str = "Exact engines run in virtual time: icount counts the guest's instructions, so its \
                                cycles say nothing about the speed of QEMU; tcg and kvm measure that.";

/// In what two runs are unequal that the numbers of these pairs of cells depend on, as
/// `kernels, targets and CPU models`; `None` where nothing is, or there is no pair.
pub(crate) fn unequal(base: &Run, new: &Run, pairs: &[(&Cell, &Cell)]) -> Option<String> {
    if pairs.is_empty() {
        return None;
    }
    // A bare capture does not say what made it.
    let (one, other) = (base.manifest.as_ref()?, new.manifest.as_ref()?);
    let differs = |of: &dyn Fn(&manifest::Boot) -> &str| {
        let values = |manifest: &'_ Manifest, engine: &str| {
            let boots = manifest.boots.iter().filter(|boot| boot.engine == engine);
            boots.map(|boot| of(boot).to_owned()).collect::<BTreeSet<String>>()
        };
        pairs.iter().any(|(base, new)| values(one, &base.engine) != values(other, &new.engine))
    };
    let kernels_differ =
        |of: &dyn Fn(&Kernel) -> &str| one.kernel.as_ref().map(of) != other.kernel.as_ref().map(of);
    let mut what = Vec::new();
    if kernels_differ(&|kernel| &kernel.sha256) {
        what.push("kernels");
    }
    if kernels_differ(&|kernel| &kernel.rustc) {
        what.push("compilers");
    }
    if kernels_differ(&|kernel| &kernel.target) {
        what.push("targets");
    }
    if differs(&|boot| &boot.engine_version) {
        what.push("engine versions");
    }
    if differs(&|boot| &boot.cpu_model) {
        what.push("CPU models");
    }
    let defined = |manifest: &Manifest, engine: &str| {
        let of_that_name = manifest.engines.iter().find(|own| own.name == engine);
        // An engine that is called otherwise can be the same one.
        of_that_name.map(|own| manifest::Engine { name: String::new(), ..own.clone() })
    };
    if pairs.iter().any(|(base, new)| defined(one, &base.engine) != defined(other, &new.engine)) {
        what.push("engines' definitions");
    }
    match &what[..] {
        [] => None,
        [one] => Some((*one).to_owned()),
        [first @ .., last] => Some(format!("{} and {last}", first.join(", "))),
    }
}
