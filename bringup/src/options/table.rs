//! The table of options: one entry declares one option.
//!
//! From it follow the fields of [`Options`] and their defaults, what is read, written and refused as text, and the table in
//! the README.

use super::cost::Cost;
use super::form::{Form, Kilohertz, Positive, Span, Time, Times};
use super::lists::{Faults, Skews};
use super::wake::{IcrLevel, InitOrder, ParkedBy, WakeSequence};
use super::window::Window;
use super::words::{Order, Step, Strategy};
use crate::words::words;
use crate::{CpuIndex, Duration};
use core::fmt;

words! {
    /// How a set of APs is woken.
    Kick {
        /// INIT and SIPI one AP at a time.
        Unicast = "unicast",
        /// One all-but-self IPI for all.
        Broadcast = "broadcast",
    }
}

words! {
    /// How the APs' clocks are compared with the BSP's.
    TscSync {
        /// One AP at a time exchanges clock readings with the BSP.
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
    /// Whether clocks that are not compared are trusted.
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
    /// When an AP loads its microcode.
    MicrocodeAt {
        /// In its callin, as Linux did until 6.4.
        Callin = "callin",
        /// Before it is alive, as Linux does since 6.5.
        Alive = "alive",
    }
}

words! {
    /// Which stamps are taken.
    StampSet {
        /// All of them.
        All = "all",
        /// An AP's first and its last alone: the difference is the overhead of the others.
        Ends = "ends",
    }
}

/// What an option is for. Whoever treats some options unlike the others asks for this, and names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Who waits for whom.
    Strategy,
    /// By which protocol the APs are woken, and how their clocks are compared.
    Protocol,
    /// How closely clocks are compared.
    Precision,
    /// How a CPU waits.
    Wait,
    /// What a step costs on the machine that the cell stands for.
    Cost(Step),
    /// What else that machine determines. A profile sets these and the costs.
    Machine,
    /// What an engine sets as it needs it; a user may set it otherwise.
    Engine,
    /// What an engine alone sets.
    EngineOnly,
    /// What goes wrong on purpose.
    Planted,
    /// What the instrument records.
    Instrument,
    /// When an AP is lost.
    Limit,
    /// How many times a trial is repeated.
    Repetition,
}

impl Kind {
    /// True for the options by which a profile describes a machine.
    pub const fn is_of_machine(self) -> bool {
        matches!(self, Kind::Cost(_) | Kind::Machine)
    }

    /// True for the options that engines set.
    pub const fn is_of_engine(self) -> bool {
        matches!(self, Kind::Engine | Kind::EngineOnly)
    }
}

/// An option: its name and kind, and how its value is read and written.
pub struct Key {
    name: &'static str,
    kind: Kind,
    expected: &'static str,
    /// Sets it; it stays as it is where the text is no value of it.
    pub(super) set: fn(&mut Options, &str) -> Option<()>,
    /// The first CPU that its value names twice.
    pub(super) twice: fn(&Options) -> Option<CpuIndex>,
    write: fn(&Options, &mut fmt::Formatter<'_>) -> fmt::Result,
    count: fn(&Options) -> Option<u32>,
}

impl Key {
    /// The option of that name.
    pub fn named(name: &str) -> Option<&'static Key> {
        Options::KEYS.iter().find(|key| key.name == name)
    }

    /// The option's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it is for.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its value as text.
    pub fn value<'a>(&'a self, options: &'a Options) -> impl fmt::Display {
        Text { key: Some(self), options }
    }

    /// What it means, in one line.
    pub fn meaning(&self) -> &'static str {
        HELP.iter().find(|(name, ..)| *name == self.name).map_or("", |(.., meaning)| meaning.trim())
    }

    /// Every text that it takes, where they are few; else none.
    pub fn texts(&self) -> &'static [&'static str] {
        HELP.iter().find(|(name, ..)| *name == self.name).map_or(&[], |(_, texts, _)| texts)
    }

    /// What it takes, for messages.
    pub const fn expected(&self) -> &'static str {
        self.expected
    }

    /// Its value as a number, where it counts something.
    pub fn count(&self, options: &Options) -> Option<u32> {
        (self.count)(options)
    }
}

/// An option's value as text.
struct Text<'a> {
    key: Option<&'a Key>,
    options: &'a Options,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.map_or(Ok(()), |key| (key.write)(self.options, f))
    }
}

/// The kind of the option of that name; `None` for a name that is none.
pub fn kind_of(name: &str) -> Option<Kind> {
    Key::named(name).map(Key::kind)
}

/// The longest that [`Options`] render to, in bytes.
pub const MAX_OPTIONS: usize = 3328;

/// The form of an entry: what stands behind `as`, or the type itself.
macro_rules! form {
    ($type:ty) => {
        $type
    };
    ($type:ty as $form:ty) => {
        $form
    };
}

macro_rules! key {
    ($name:literal, $kind:expr, $form:ty, $($place:tt)+) => {
        Key {
            name: $name,
            kind: $kind,
            expected: <$form as Form>::EXPECTED,
            set: |options, text| {
                options.$($place)+ = <$form as Form>::parse(text)?;
                Some(())
            },
            twice: |options| <$form as Form>::twice(&options.$($place)+),
            write: |options, f| <$form as Form>::write(&options.$($place)+, f),
            count: |options| <$form as Form>::count(&options.$($place)+),
        }
    };
}

/// An entry is its meaning, name and kind; the field of [`Options`] with its type and [`Form`], where the type is not its
/// own; and the default. The costs of the steps share one field.
macro_rules! options {
    (
        $(
            $(#[doc = $meaning:literal])+
            $name:literal ($kind:expr) $field:ident: $type:ty $(as $form:ty)? = $default:expr;
        )+
        costs {
            $($(#[doc = $cost_meaning:literal])+ $cost_name:literal $step:ident;)+
        }
        $(
            $(#[doc = $meaning_behind:literal])+
            $name_behind:literal ($kind_behind:expr)
            $field_behind:ident: $type_behind:ty $(as $form_behind:ty)? = $default_behind:expr;
        )+
    ) => {
        /// Everything that a cell can vary, but for engine and CPU count.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Options {
            $(
                #[doc = concat!("`", $name, "`:")] $(#[doc = $meaning])+
                pub $field: $type,
            )+
            /// `cost-*`, indexed by [`Step`].
            pub costs: [Cost; Step::COUNT],
            $(
                #[doc = concat!("`", $name_behind, "`:")] $(#[doc = $meaning_behind])+
                pub $field_behind: $type_behind,
            )+
        }

        impl Default for Options {
            fn default() -> Options {
                Options {
                    $($field: $default,)+
                    costs: [Cost::FREE; Step::COUNT],
                    $($field_behind: $default_behind,)+
                }
            }
        }

        impl Step {
            /// The option that sets what it costs.
            pub const fn option(self) -> &'static str {
                match self { $(Step::$step => $cost_name),+ }
            }
        }

        /// What each option means, and the texts that it takes where they are few. Apart from [`TABLE`], so that the
        /// kernel does not carry it.
        const HELP: &[(&str, &[&str], &str)] = &[
            $(($name, <form!($type $(as $form)?) as Form>::TEXTS, concat!($($meaning),+)),)+
            $(($cost_name, <Cost as Form>::TEXTS, concat!($($cost_meaning),+)),)+
            $((
                $name_behind,
                <form!($type_behind $(as $form_behind)?) as Form>::TEXTS,
                concat!($($meaning_behind),+)
            ),)+
        ];

        static TABLE: &[Key] = &[
            $(key!($name, $kind, form!($type $(as $form)?), $field),)+
            $(key!($cost_name, Kind::Cost(Step::$step), Cost, costs[Step::$step as usize]),)+
            $(key!($name_behind, $kind_behind, form!($type_behind $(as $form_behind)?), $field_behind),)+
        ];
    };
}

options! {
    /// who waits for whom
    "strategy" (Kind::Strategy) strategy: Strategy = Strategy::Serial;

    /// the APs by their indices, or the first threads of all cores until they are online, then their siblings
    "order" (Kind::Protocol) order: Order = Order::Listed;

    /// one INIT and SIPI for each AP, or one for all: `broadcast` only if no other program uses CPUs of the machine
    "kick" (Kind::Protocol) kick: Kick = Kick::Unicast;

    /// one AP at a time exchanges clock readings with the BSP; all in one window, with `full-parallel`, and with the other
    /// strategies as `pairwise`; none
    "tsc-sync" (Kind::Protocol) tsc_sync: TscSync = TscSync::Pairwise;

    /// how a CPU waits for another: HLT until an IPI or its timer, or PAUSE
    "wait" (Kind::Wait) wait: Wait = Wait::Halt;

    /// how a CPU waits for the end of a cost
    "spend" (Kind::Wait) spend: Spend = Spend::Halt;

    /// the IPIs that wake an AP: INIT and SIPI; a second SIPI; a SIPI alone, to an AP that waits for it; INIT, its
    /// de-assertion and SIPI; a second SIPI only to those that are late
    "wake-sequence" (Kind::Protocol) wake_sequence: WakeSequence = WakeSequence::InitSipi;

    /// all INITs, one delay, all SIPIs; or INIT, delay and SIPI for each AP, as Linux does
    "init-order" (Kind::Protocol) init_order: InitOrder = InitOrder::First;

    /// from INIT to SIPI, from the last INIT with `init-order=first`; the classic protocol has `10ms`
    "init-delay" (Kind::Protocol) init_delay: Duration as Time = Duration::Nanos(0);

    /// from one SIPI to the second of the same AP, where there is one
    "sipi-gap" (Kind::Protocol) sipi_gap: Duration as Time = Duration::Nanos(200_000);

    /// what has put the APs into wait-for-SIPI before the first trial of a boot: an INIT that is not timed, or the firmware
    "parked-by" (Kind::Protocol) parked_by: ParkedBy = ParkedBy::Init;

    /// the level bit of INIT and SIPI: 1, as the manuals demand, or 0
    "icr-level" (Kind::Protocol) icr_level: IcrLevel = IcrLevel::Assert;

    /// how long a clock is watched; by class as a cost: `2ms,package:20ms`
    "tsc-window" (Kind::Machine) tsc_window: Window = Window::DEFAULT;

    /// how long a clock is watched at most, where too little is known of it at the end of `tsc-window`
    "tsc-limit" (Kind::Precision) tsc_limit: Duration as Span = Duration::ZERO;

    /// how closely a clock must be known to be clean
    "tsc-resolution" (Kind::Precision) tsc_resolution: Duration as Positive = Duration::Cycles(200);

    /// `yes` accepts clocks that are not compared if CPUID reports an invariant TSC; an engine with a single clock sets
    /// `engine`, which nobody else can
    "tsc-trust" (Kind::Engine) tsc_trust: TscTrust = TscTrust::No;

    /// how a CPU looks for the other's clock reading; `icount` sets `pause`
    "tsc-poll" (Kind::Engine) tsc_poll: TscPoll = TscPoll::Busy;

    /// injected clock offsets, visible only to the sync: `3:200,7:-200` cycles
    "skew" (Kind::Planted) skews: Skews = Skews::default();

    costs {
        /// BSP: from the end of `init-delay`, or of the kick before, to `sipi`
        "cost-kick" Kick;
        /// from `sipi` to `entry`
        "cost-wake" Wake;
        /// from `entry` to `alive`
        "cost-trampoline" Trampoline;
        /// from `callin_begin` to `callin_end`
        "cost-callin" Callin;
        /// from `sync_end` to `online`
        "cost-online" Online;
        /// BSP: what a kernel allocates and registers for an AP, before its INIT
        "cost-prepare" Prepare;
        /// where `microcode-at` says
        "cost-microcode" Microcode;
        /// from `sync_begin` to `sync_end` with `tsc-sync=trusted`: a rendezvous
        "cost-sync" Sync;
    }

    /// an AP loads its microcode in its callin, or before it is alive
    "microcode-at" (Kind::Machine) microcode_at: MicrocodeAt = MicrocodeAt::Callin;

    /// frequency used to convert between time and cycles; set by a profile; `0` is the engine's TSC
    "clock-khz" (Kind::Machine) clock_khz: u32 as Kilohertz = 0;

    /// an AP that takes longer, from its kick or from a gate that opens for it, is lost; costs that exceed it are
    /// refused
    "limit" (Kind::Limit) limit: Duration as Positive = Duration::from_millis(10_000);

    /// the longest time slice while an INIT or SIPI is in flight; an engine on virtual time sets it, which nobody else can
    "guard" (Kind::EngineOnly) guard: Duration as Span = Duration::ZERO;

    /// all stamps, or an AP's first and last alone, to measure the overhead of the others
    "stamp-set" (Kind::Instrument) stamps: StampSet = StampSet::All;

    /// on purpose, one for each CPU: `never:CPU` (no SIPI), `stray:CPU` (a SIPI before its kick, as if delayed since an
    /// earlier trial), `trap:CPU`, `panic:CPU`, `differ:CPU`, `adjust:CPU` (its `IA32_TSC_ADJUST` is 10 000),
    /// `init-after-sipi:CPU`, `drop-sipi:CPU:K` (the K-th of the boot), `drop-sipi:all:1/N:SEED` (one of N at random)
    "fault" (Kind::Planted) faults: Faults = Faults::default();

    /// trials of a cell in one boot, the cold one not counted
    "repetitions" (Kind::Repetition) repetitions: u32 as Times = 1;
}

impl Options {
    /// Every option, in the order in which [`Options`] render them.
    pub const KEYS: &'static [Key] = TABLE;

    /// Their names, in the same order.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        Options::KEYS.iter().map(Key::name)
    }

    /// The value of an option as text; nothing for a name that is none.
    pub fn value(&self, name: &str) -> impl fmt::Display {
        Text { key: Key::named(name), options: self }
    }

    /// The frequency, in kHz, by which times become cycles on an engine whose TSC has that of `own`.
    pub fn clock(&self, own: u64) -> u64 {
        if self.clock_khz == 0 { own } else { self.clock_khz.into() }
    }

    /// What a step costs.
    pub fn cost(&self, step: Step) -> &Cost {
        &self.costs[step as usize]
    }
}

impl fmt::Display for Options {
    /// Every option as a word `key=value`, in the order of [`Options::KEYS`], blanks between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in Options::KEYS.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            write!(f, "{blank}{}={}", key.name, key.value(self))?;
        }
        Ok(())
    }
}
