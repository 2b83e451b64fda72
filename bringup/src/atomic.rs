//! Atomics, which `loom` replaces by its own under `cfg(loom)` so that it can explore every interleaving.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering, fence};

/// Makes `new` a `const fn`, except under `loom`, whose atomics are made at run time; and `Default` of it.
macro_rules! made_of_atomics {
    ($of:ident, $about:literal, $value:expr) => {
        impl $of {
            #[doc = $about]
            #[cfg(not(loom))]
            pub const fn new() -> $of {
                $value
            }

            #[doc = $about]
            #[cfg(loom)]
            pub fn new() -> $of {
                $value
            }
        }

        impl Default for $of {
            fn default() -> $of {
                $of::new()
            }
        }
    };
}

pub(crate) use made_of_atomics;
