//! Words that stand in values of options and elsewhere. The words of one option alone are in the table.

use crate::words::words;

words! {
    /// Who waits for whom; see [`crate::strategy`].
    Strategy {
        /// One AP after the other, from INIT to online.
        Serial = "serial",
        /// All SIPIs first, then one AP after the other.
        ParallelSipi = "parallel-sipi",
        /// All SIPIs first, then all callins, then one AP after the other.
        ParallelCallin = "parallel-callin",
        /// Nobody waits but for the TSC sync.
        FullParallel = "full-parallel",
    }
}

/// What follows from the order of a strategy's verbs. `tests/strategies.rs` compares it with the verbs.
impl Strategy {
    /// One kick wakes all APs, so that they start side by side.
    pub const fn kicks_all_at_once(self) -> bool {
        matches!(self, Strategy::ParallelSipi | Strategy::ParallelCallin | Strategy::FullParallel)
    }

    /// Every gate is open before the first kick. Where this is false, the BSP opens the gate of one AP at a time.
    pub const fn opens_gates_first(self) -> bool {
        matches!(self, Strategy::FullParallel)
    }

    /// The BSP looks at each AP until it is alive, in a loop between the kicks and the callins; Linux called it `wait-init`
    /// in 2021.
    pub const fn has_wait_init(self) -> bool {
        matches!(self, Strategy::ParallelCallin)
    }

    /// The BSP opens every gate before it waits for a callin, so that the APs call in side by side. Where this is false,
    /// it waits next for the AP whose gate it has opened.
    pub const fn calls_in_side_by_side(self) -> bool {
        matches!(self, Strategy::ParallelCallin | Strategy::FullParallel)
    }

    /// One window of `tsc-sync=one-to-many` compares the clocks of all APs. Where this is false, each AP has a window.
    pub const fn syncs_all_at_once(self) -> bool {
        matches!(self, Strategy::FullParallel)
    }
}

words! {
    /// In which order a strategy takes the APs.
    Order {
        /// By their indices.
        Listed = "listed",
        /// The first threads of all cores until they are online, then their siblings: Linux's order in parallel since
        /// 6.5, because a sibling must not run while its core loads microcode.
        PrimariesFirst = "primaries-first",
    }
}

words! {
    /// A step that may have a cost. Those with work of the kernel's own come first; see [`Step::WITH_WORK`].
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
        /// BSP: before the AP's INIT.
        Prepare = "prepare",
        /// At the beginning of the callin, or before `alive`.
        Microcode = "microcode",
        /// From `sync_begin` to `sync_end`, where the clocks are trusted.
        Sync = "sync",
    }
}

impl Step {
    /// The steps in which the kernel does work of its own: these can take longer than their cost.
    pub const WITH_WORK: usize = 5;

    /// True where the BSP takes it; an AP takes the others.
    pub const fn is_of_bsp(self) -> bool {
        matches!(self, Step::Kick | Step::Prepare)
    }

    /// True where it can be one CPU's at a time: where an AP could wait for a lock before it.
    pub const fn can_be_exclusive(self) -> bool {
        matches!(self, Step::Trampoline | Step::Callin | Step::Online | Step::Microcode)
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
        /// Its `IA32_TSC_ADJUST` is 10 000 when it starts, if it has the register: its clock is ahead.
        Adjust = "adjust",
        /// It is sent INIT right after its SIPI: it starts, or not, and does not get far.
        InitAfterSipi = "init-after-sipi",
    }
}
