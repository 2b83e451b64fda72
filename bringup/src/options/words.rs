//! Options that are one of a few words.

use super::Value;
use core::fmt;

/// Declares an enum whose values are words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$value_doc])* $value),+ }

        impl $name {
            /// Every value, the default first.
            pub const ALL: &'static [$name] = &[$($name::$value),+];

            /// The value as a word.
            pub const fn name(self) -> &'static str {
                match self { $($name::$value => $word),+ }
            }

        }

        impl Value for $name {
            const EXPECTED: &str = concat!("one of" $(, " ", $word)+);

            fn parse(text: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|value| value.name() == text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

words! {
    /// Who waits for whom; see [`crate::strategy`].
    Strategy {
        /// One AP after the other, from INIT to online.
        Serial = "serial",
        /// All SIPIs first, then one AP after the other.
        ParallelSipi = "parallel-sipi",
        /// Nobody waits but for the TSC sync.
        FullParallel = "full-parallel",
    }
}

/// What follows from the order of a strategy's verbs. `tests/strategies.rs` compares both with the verbs.
impl Strategy {
    /// One kick wakes all APs, so that they start side by side.
    pub const fn kicks_all_at_once(self) -> bool {
        matches!(self, Strategy::ParallelSipi | Strategy::FullParallel)
    }

    /// Every gate is open before the first kick, so that the APs call in side by side. Where this is false, the
    /// BSP opens the gate of one AP at a time, and waits for that AP next.
    pub const fn opens_gates_first(self) -> bool {
        matches!(self, Strategy::FullParallel)
    }
}

words! {
    /// How a set of APs is woken.
    Kick {
        /// INIT and SIPI one AP at a time.
        Unicast = "unicast",
        /// One all-but-self message for all.
        Broadcast = "broadcast",
    }
}

words! {
    /// How the APs' clocks are compared with the BSP's.
    TscSync {
        /// One AP at a time exchanges stamps with the BSP.
        Pairwise = "pairwise",
        /// All APs in one window; those that it does not show clean go pairwise.
        OneToMany = "one-to-many",
        /// Not at all.
        Trusted = "trusted",
    }
}

words! {
    /// How a CPU waits for another.
    Wait {
        /// HLT until an IPI or its own timer.
        Halt = "halt",
        /// A loop around PAUSE.
        Spin = "spin",
    }
}

words! {
    /// How a CPU waits for the end of a cost.
    Spend {
        /// HLT until its own timer.
        Halt = "halt",
        /// A loop around PAUSE.
        Spin = "spin",
    }
}

words! {
    /// A step that may have a cost.
    Step {
        /// BSP: from the last INIT and the delay, or the end of the kick before, to `sipi`.
        Kick = "kick",
        /// From `sipi` to `entry`.
        Wake = "wake",
        /// From `entry` to `alive`.
        Trampoline = "trampoline",
        /// From `callin_begin` to `callin_end`.
        Callin = "callin",
        /// From `sync_end` to `online`.
        Online = "online",
    }
}

words! {
    /// What a planted fault does to a CPU.
    Fault {
        /// Its SIPI is withheld: it never arrives.
        Never = "never",
        /// It is sent a SIPI before its kick, as one that was delayed since an earlier trial.
        Stray = "stray",
        /// It executes an invalid opcode in its callin (the BSP: before the first trial).
        Trap = "trap",
        /// It panics in its callin (the BSP: before the first trial).
        Panic = "panic",
        /// Its PAT differs from the BSP's during its callin.
        Differ = "differ",
    }
}

words! {
    /// Who vouches for clocks that are not compared.
    TscTrust {
        /// Nobody: they must be compared.
        No = "no",
        /// The user does, for a TSC that CPUID calls invariant.
        Yes = "yes",
        /// The engine does: all its CPUs read one clock. Engines say so themselves.
        Engine = "engine",
    }
}

words! {
    /// How a CPU looks for the other's clock reading in the TSC sync.
    TscPoll {
        /// Again at once: what lies between two looks widens the interval.
        Busy = "busy",
        /// With PAUSE in between, for an engine that runs all CPUs on one thread.
        Pause = "pause",
    }
}

words! {
    /// Which stamps are taken.
    StampSet {
        /// All of them.
        All = "all",
        /// An AP's first and its last alone: what the others weigh is the difference.
        Ends = "ends",
    }
}
