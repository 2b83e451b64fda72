//! Words that stand in values of options and elsewhere. The words of one option alone are in the table.

use crate::words::words;

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

impl Step {
    /// True where the BSP takes it; an AP takes the others.
    pub const fn is_of_bsp(self) -> bool {
        matches!(self, Step::Kick)
    }

    /// True where it can be one CPU's at a time: where an AP could wait for a lock before it.
    pub const fn can_be_exclusive(self) -> bool {
        matches!(self, Step::Trampoline | Step::Callin | Step::Online)
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
