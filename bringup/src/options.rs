//! Options: the axes of the matrix, as words `key=value`.
//!
//! Parsing, rendering and refusing live here alone, so that a scenario file, a command line and
//! the kernel can't disagree. The meaning of each option is in the README's table.

use crate::{CpuIndex, Duration};
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
            /// What is expected in its place, for messages.
            pub const EXPECTED: &'static str = concat!("one of" $(, " ", $word)+);

            /// The value as a word.
            pub const fn name(self) -> &'static str {
                match self { $($name::$value => $word),+ }
            }

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
        /// It executes an invalid opcode in its callin (the BSP: before the first trial).
        Trap = "trap",
        /// It panics in its callin (the BSP: before the first trial).
        Panic = "panic",
        /// Its PAT differs from the BSP's during its callin.
        Differ = "differ",
    }
}

/// From one SIPI to the next of the same AP (Intel SDM volume 3, "Typical AP Initialization
/// Sequence").
pub const SIPI_GAP: Duration = Duration::Nanos(200_000);

impl Step {
    /// How many steps there are.
    pub const COUNT: usize = Step::ALL.len();
}

/// How many exceptions a cost can have, and how many faults can be planted.
pub const MAX_EXCEPTIONS: usize = 4;

/// What a step costs: the same for all APs, but for the exceptions.
///
/// As a word: `800us`, or `800us,5:8ms,16-31:900us`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    usual: Duration,
    exceptions: heapless::Vec<(CpuIndex, CpuIndex, Duration), MAX_EXCEPTIONS>,
}

impl Cost {
    const FREE: Cost = Cost { usual: Duration::ZERO, exceptions: heapless::Vec::new() };
    const EXPECTED: &str =
        "a duration, and after a comma up to four of CPU:DURATION or FIRST-LAST:DURATION";

    /// The cost for one AP, if it has one.
    pub fn of(&self, cpu: CpuIndex) -> Option<Duration> {
        let exception =
            self.exceptions.iter().find(|(first, last, _)| (*first..=*last).contains(&cpu));
        Some(exception.map_or(self.usual, |(_, _, cost)| *cost)).filter(|cost| !cost.is_zero())
    }

    /// The cost for every AP that is no exception, if there is one.
    pub fn usual(&self) -> Option<Duration> {
        Some(self.usual).filter(|cost| !cost.is_zero())
    }

    fn parse(text: &str) -> Option<Cost> {
        let mut parts = text.split(',');
        let mut cost = Cost { usual: Duration::parse(parts.next()?)?, ..Cost::FREE };
        for part in parts {
            let (cpus, duration) = part.split_once(':')?;
            let (first, last) = cpus.split_once('-').unwrap_or((cpus, cpus));
            let (first, last) = (parse_cpu(first)?, parse_cpu(last)?);
            if first > last || first == CpuIndex::BSP {
                return None;
            }
            cost.exceptions.push((first, last, Duration::parse(duration)?)).ok()?;
        }
        Some(cost)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.usual)?;
        for (first, last, cost) in &self.exceptions {
            if first == last {
                write!(f, ",{}:{cost}", first.0)?;
            } else {
                write!(f, ",{}-{}:{cost}", first.0, last.0)?;
            }
        }
        Ok(())
    }
}

/// The faults that a test plants, as a word: `none`, or `never:3,trap:5`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(heapless::Vec<(Fault, CpuIndex), MAX_EXCEPTIONS>);

impl Faults {
    const EXPECTED: &str = "none, or up to four of never:CPU, trap:CPU, panic:CPU or differ:CPU";

    /// True if this CPU is to suffer this fault.
    pub fn hit(&self, fault: Fault, cpu: CpuIndex) -> bool {
        self.0.contains(&(fault, cpu))
    }

    fn parse(text: &str) -> Option<Faults> {
        parse_list(text, |fault, cpu| Some((Fault::parse(fault)?, parse_cpu(cpu)?))).map(Faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0, |f, (fault, cpu)| write!(f, "{fault}:{}", cpu.0))
    }
}

/// Skewed clocks, as a word: `none`, or `3:200,5:-200` in cycles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skews(heapless::Vec<(CpuIndex, i32), MAX_EXCEPTIONS>);

impl Skews {
    const EXPECTED: &str =
        "none, or up to four of CPU:CYCLES for APs, cycles from -2147483648 to 2147483647";

    /// By how many cycles this CPU's clock is ahead on purpose.
    pub fn of(&self, cpu: CpuIndex) -> i64 {
        let skew = self.0.iter().find(|(skewed, _)| *skewed == cpu);
        skew.map_or(0, |(_, cycles)| (*cycles).into())
    }

    fn parse(text: &str) -> Option<Skews> {
        let ap = |cpu: &str| parse_cpu(cpu).filter(|cpu| *cpu != CpuIndex::BSP);
        parse_list(text, |cpu, cycles| Some((ap(cpu)?, cycles.parse().ok()?))).map(Skews)
    }
}

impl fmt::Display for Skews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0, |f, (cpu, cycles)| write!(f, "{}:{cycles}", cpu.0))
    }
}

/// A list of pairs as a word: `none`, or `A:B,A:B`, up to [`MAX_EXCEPTIONS`] of them.
fn parse_list<T>(
    text: &str,
    pair: impl Fn(&str, &str) -> Option<T>,
) -> Option<heapless::Vec<T, MAX_EXCEPTIONS>> {
    let mut list = heapless::Vec::new();
    if text != "none" {
        for part in text.split(',') {
            let (one, other) = part.split_once(':')?;
            list.push(pair(one, other)?).ok()?;
        }
    }
    Some(list)
}

/// Writes what [`parse_list`] reads.
fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    list: &[T],
    pair: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if list.is_empty() {
        return f.write_str("none");
    }
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        pair(f, item)?;
    }
    Ok(())
}

fn parse_cpu(text: &str) -> Option<CpuIndex> {
    text.parse().ok().map(CpuIndex)
}

/// The longest that [`Options`] render to, in bytes.
pub const MAX_OPTIONS: usize = 1536;

/// Everything that a cell can vary, but for engine and CPU count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `strategy`: who waits for whom.
    pub strategy: Strategy,
    /// `kick`: how a set is woken.
    pub kick: Kick,
    /// `tsc-sync`: how clocks are compared.
    pub tsc_sync: TscSync,
    /// `wait`: how a CPU waits for another.
    pub wait: Wait,
    /// `spend`: how a CPU waits for the end of a cost.
    pub spend: Spend,
    /// `init-delay`: from the last INIT of a kick to its first SIPI; a bare number is µs.
    pub init_delay: Duration,
    /// `sipi-count`: SIPIs sent to each AP.
    pub sipi_count: u8,
    /// `tsc-window`: how long a clock is watched.
    pub tsc_window: Duration,
    /// `tsc-resolution`: how closely a clock must be known to be called clean.
    pub tsc_resolution: Duration,
    /// `skew`: by how much a CPU's clock is ahead on purpose, inside the TSC sync alone.
    pub skews: Skews,
    /// `cost-*`, indexed by [`Step`].
    pub costs: [Cost; Step::COUNT],
    /// `limit`: how long an AP may take from its kick, and anew from each gate that the BSP opens
    /// for it, before it is lost.
    pub limit: Duration,
    /// `guard`: the longest time slice while INIT or SIPI is in flight, for `icount`; 0 is none.
    pub guard: Duration,
    /// `fault`: what goes wrong on purpose.
    pub faults: Faults,
    /// `repetitions`: trials of the cell in one boot, the cold one not counted.
    pub repetitions: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            strategy: Strategy::Serial,
            kick: Kick::Unicast,
            tsc_sync: TscSync::Pairwise,
            wait: Wait::Halt,
            spend: Spend::Halt,
            init_delay: Duration::Nanos(0),
            sipi_count: 1,
            tsc_window: Duration::from_millis(20),
            tsc_resolution: Duration::Cycles(200),
            skews: Skews::default(),
            costs: [Cost::FREE; Step::COUNT],
            limit: Duration::from_millis(10_000),
            guard: Duration::ZERO,
            faults: Faults::default(),
            repetitions: 1,
        }
    }
}

/// Why a word, or a combination of words, is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionError<'a> {
    /// Not of the form `key=value`.
    NoValue {
        /// The word as given.
        word: &'a str,
    },
    /// No option has that name.
    UnknownKey {
        /// The name as given.
        key: &'a str,
    },
    /// The option does not take that value.
    BadValue {
        /// The option.
        key: &'a str,
        /// The value as given.
        value: &'a str,
        /// What it takes.
        expected: &'static str,
    },
    /// Each word is good, but together they make no sense.
    Refused(Refusal),
}

/// Why a combination of options makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The two things that don't go together, by name.
    pub what: &'static str,
    /// The reason.
    pub why: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is refused: {}", self.what, self.why)
    }
}

impl fmt::Display for OptionError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionError::NoValue { word } => {
                write!(f, "`{word}` is not an option: expected key=value, or the word `cell`")
            }
            OptionError::UnknownKey { key } => {
                write!(f, "there is no option `{key}`: expected one of")?;
                Options::KEYS.iter().try_for_each(|known| write!(f, " {known}"))
            }
            OptionError::BadValue { key, value, expected } => {
                write!(f, "`{key}={value}` has a bad value: expected {expected}")
            }
            OptionError::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl core::error::Error for OptionError<'_> {}

impl Options {
    /// Every option's name, in the order in which [`Options`] renders them.
    pub const KEYS: [&'static str; 19] = [
        "strategy",
        "kick",
        "tsc-sync",
        "wait",
        "spend",
        "init-delay",
        "sipi-count",
        "tsc-window",
        "tsc-resolution",
        "skew",
        "cost-kick",
        "cost-wake",
        "cost-trampoline",
        "cost-callin",
        "cost-online",
        "limit",
        "guard",
        "fault",
        "repetitions",
    ];

    /// What a step costs.
    pub fn cost(&self, step: Step) -> &Cost {
        &self.costs[step as usize]
    }

    /// Takes one word `key=value`.
    pub fn set_word<'a>(&mut self, word: &'a str) -> Result<(), OptionError<'a>> {
        let (key, value) = word.split_once('=').ok_or(OptionError::NoValue { word })?;
        self.set(key, value)
    }

    /// Sets one option.
    pub fn set<'a>(&mut self, key: &'a str, value: &'a str) -> Result<(), OptionError<'a>> {
        fn put<T>(
            field: &mut T,
            value: Option<T>,
            expected: &'static str,
        ) -> Result<(), &'static str> {
            *field = value.ok_or(expected)?;
            Ok(())
        }
        let positive = Duration::parse(value).filter(|duration| !duration.is_zero());
        let put = match key {
            "strategy" => put(&mut self.strategy, Strategy::parse(value), Strategy::EXPECTED),
            "kick" => put(&mut self.kick, Kick::parse(value), Kick::EXPECTED),
            "tsc-sync" => put(&mut self.tsc_sync, TscSync::parse(value), TscSync::EXPECTED),
            "wait" => put(&mut self.wait, Wait::parse(value), Wait::EXPECTED),
            "spend" => put(&mut self.spend, Spend::parse(value), Spend::EXPECTED),
            "init-delay" => {
                let micros = match Duration::parse(value) {
                    Some(Duration::Cycles(n)) => {
                        Some(n * 1000).filter(|ns| *ns <= Duration::MAX_NANOS).map(Duration::Nanos)
                    }
                    other => other,
                };
                put(
                    &mut self.init_delay,
                    micros,
                    "whole µs, or a whole number with ns, us, ms or s, up to an hour",
                )
            }
            "sipi-count" => {
                let count = value.parse().ok().filter(|count| (1..=2).contains(count));
                put(&mut self.sipi_count, count, "1 or 2")
            }
            "tsc-window" => put(&mut self.tsc_window, Duration::parse(value), Duration::EXPECTED),
            "tsc-resolution" => put(
                &mut self.tsc_resolution,
                positive,
                "a duration above zero, up to an hour or 2^44 cycles",
            ),
            "skew" => put(&mut self.skews, Skews::parse(value), Skews::EXPECTED),
            "limit" => put(
                &mut self.limit,
                positive,
                "a duration above zero, up to an hour or 2^44 cycles",
            ),
            "guard" => put(&mut self.guard, Duration::parse(value), Duration::EXPECTED),
            "fault" => put(&mut self.faults, Faults::parse(value), Faults::EXPECTED),
            "repetitions" => {
                let count = value.parse().ok().filter(|count| *count > 0);
                put(&mut self.repetitions, count, "a whole number from 1")
            }
            _ => {
                let step = key.strip_prefix("cost-").and_then(Step::parse);
                let step = step.ok_or(OptionError::UnknownKey { key })?;
                put(&mut self.costs[step as usize], Cost::parse(value), Cost::EXPECTED)
            }
        };
        put.map_err(|expected| OptionError::BadValue { key, value, expected })
    }

    /// Writes one option's value; nothing for a name that is none.
    pub fn write_value(&self, key: &str, f: &mut impl fmt::Write) -> fmt::Result {
        match key {
            "strategy" => write!(f, "{}", self.strategy),
            "kick" => write!(f, "{}", self.kick),
            "tsc-sync" => write!(f, "{}", self.tsc_sync),
            "wait" => write!(f, "{}", self.wait),
            "spend" => write!(f, "{}", self.spend),
            "init-delay" => match self.init_delay {
                Duration::Nanos(ns) if ns.is_multiple_of(1000) => write!(f, "{}", ns / 1000),
                other => write!(f, "{other}"),
            },
            "sipi-count" => write!(f, "{}", self.sipi_count),
            "tsc-window" => write!(f, "{}", self.tsc_window),
            "tsc-resolution" => write!(f, "{}", self.tsc_resolution),
            "skew" => write!(f, "{}", self.skews),
            "limit" => write!(f, "{}", self.limit),
            "guard" => write!(f, "{}", self.guard),
            "fault" => write!(f, "{}", self.faults),
            "repetitions" => write!(f, "{}", self.repetitions),
            _ => match key.strip_prefix("cost-").and_then(Step::parse) {
                Some(step) => write!(f, "{}", self.cost(step)),
                None => Ok(()),
            },
        }
    }

    /// Refuses what makes no sense at any CPU count.
    pub fn check(&self) -> Result<(), Refusal> {
        let broadcast = self.kick == Kick::Broadcast;
        let planted = |fault| self.faults.0.iter().any(|(planted, _)| *planted == fault);
        let refusals = [
            (
                broadcast && self.strategy == Strategy::Serial,
                "strategy=serial with kick=broadcast",
                "a broadcast wakes all APs at once, serial wakes one at a time",
            ),
            (
                broadcast && planted(Fault::Never),
                "fault=never with kick=broadcast",
                "a broadcast reaches every AP, so no AP's SIPI can be withheld",
            ),
            (
                broadcast && !self.cost(Step::Kick).exceptions.is_empty(),
                "cost-kick by CPU with kick=broadcast",
                "one message for all has one cost",
            ),
            (
                self.tsc_sync == TscSync::Trusted && !self.skews.0.is_empty(),
                "skew with tsc-sync=trusted",
                "clocks that are not compared can't be found skewed",
            ),
            (
                self.faults.hit(Fault::Never, CpuIndex::BSP),
                "fault=never:0",
                "CPU 0 is the BSP, which runs already",
            ),
            (
                self.faults.hit(Fault::Differ, CpuIndex::BSP),
                "fault=differ:0",
                "CPU 0 is the BSP, which the others are compared with",
            ),
        ];
        match refusals.into_iter().find(|(refused, ..)| *refused) {
            Some((_, what, why)) => Err(Refusal { what, why }),
            None => Ok(()),
        }
    }

    /// Refuses what makes no sense on a machine of `cpus` CPUs, the BSP counted.
    pub fn check_on(&self, cpus: usize) -> Result<(), Refusal> {
        self.check()?;
        let beyond = |cpu: &CpuIndex| cpu.at() >= cpus;
        if self.faults.0.iter().any(|(_, cpu)| beyond(cpu)) {
            return Err(Refusal {
                what: "fault",
                why: "it names a CPU that the machine does not have",
            });
        }
        if self.skews.0.iter().any(|(cpu, _)| beyond(cpu)) {
            return Err(Refusal {
                what: "skew",
                why: "it names a CPU that the machine does not have",
            });
        }
        if self.costs.iter().any(|cost| cost.exceptions.iter().any(|(_, last, _)| beyond(last))) {
            return Err(Refusal {
                what: "cost-*",
                why: "it names a CPU that the machine does not have",
            });
        }
        Ok(())
    }
}

impl fmt::Display for Options {
    /// Every option as a word `key=value`, in the order of [`Options::KEYS`], blanks between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in Options::KEYS.iter().enumerate() {
            write!(f, "{}{key}=", if index == 0 { "" } else { " " })?;
            self.write_value(key, f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Strategy;
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Options, OptionError<'_>> {
        let mut options = Options::default();
        text.split_whitespace().try_for_each(|word| options.set_word(word))?;
        options.check().map_err(OptionError::Refused)?;
        Ok(options)
    }

    fn cycles() -> impl Strategy_<Value = u64> {
        0..=Duration::MAX_CYCLES
    }

    fn nanos() -> impl Strategy_<Value = u64> {
        0..=Duration::MAX_NANOS
    }

    fn duration() -> impl Strategy_<Value = Duration> {
        prop_oneof![cycles().prop_map(Duration::Cycles), nanos().prop_map(Duration::Nanos)]
    }
    use proptest::strategy::Strategy as Strategy_;

    fn cost() -> impl Strategy_<Value = Cost> {
        let exception = (1u16..300, 0u16..50, duration())
            .prop_map(|(first, more, cost)| (CpuIndex(first), CpuIndex(first + more), cost));
        (duration(), proptest::collection::vec(exception, 0..=MAX_EXCEPTIONS)).prop_map(
            |(usual, exceptions)| Cost { usual, exceptions: exceptions.into_iter().collect() },
        )
    }

    fn options() -> impl Strategy_<Value = Options> {
        let one_of = |n: usize| 0..n;
        let words = (
            one_of(Strategy::ALL.len()),
            one_of(Kick::ALL.len()),
            one_of(TscSync::ALL.len()),
            one_of(Wait::ALL.len()),
            one_of(Spend::ALL.len()),
        );
        let faults = proptest::collection::vec((one_of(Fault::ALL.len()), any::<u16>()), 0..=4);
        let durations = (nanos(), duration(), nanos(), duration(), nanos());
        let skews = proptest::collection::vec((1u16.., any::<i32>()), 0..=4);
        (
            words,
            durations,
            [cost(), cost(), cost(), cost(), cost()],
            (faults, skews),
            1u8..=2,
            1u32..,
        )
            .prop_map(
                |(words, durations, costs, (faults, skews), sipi_count, repetitions)| Options {
                    strategy: Strategy::ALL[words.0],
                    kick: Kick::ALL[words.1],
                    tsc_sync: TscSync::ALL[words.2],
                    wait: Wait::ALL[words.3],
                    spend: Spend::ALL[words.4],
                    init_delay: Duration::Nanos(durations.0),
                    tsc_window: durations.1,
                    limit: Duration::Nanos(durations.2.max(1)),
                    guard: durations.3,
                    tsc_resolution: Duration::Nanos(durations.4.max(1)),
                    skews: Skews(
                        skews.into_iter().map(|(cpu, cycles)| (CpuIndex(cpu), cycles)).collect(),
                    ),
                    costs,
                    faults: Faults(
                        faults
                            .into_iter()
                            .map(|(fault, cpu)| (Fault::ALL[fault], CpuIndex(cpu)))
                            .collect(),
                    ),
                    sipi_count,
                    repetitions,
                },
            )
    }

    proptest! {
        #[test]
        fn options_read_what_they_write(options in options()) {
            let text = options.to_string();
            let mut read = Options::default();
            for word in text.split(' ') {
                prop_assert_eq!(read.set_word(word), Ok(()));
            }
            prop_assert!(text.len() <= MAX_OPTIONS);
            prop_assert_eq!(&read, &options);
            prop_assert_eq!(read.to_string(), text);
        }

        #[test]
        fn no_word_makes_the_parser_panic(key in "\\PC{0,20}", value in "\\PC{0,40}") {
            let _ = Options::default().set(&key, &value);
            for known in Options::KEYS {
                let _ = Options::default().set(known, &value);
            }
        }
    }

    #[test]
    fn an_error_names_the_word_and_what_was_expected() {
        for (text, message) in [
            ("strategy", "`strategy` is not an option: expected key=value"),
            ("stratgy=serial", "there is no option `stratgy`: expected one of strategy kick"),
            ("cost-sync=1", "there is no option `cost-sync`"),
            ("wait=sleep", "`wait=sleep` has a bad value: expected one of halt spin"),
            ("sipi-count=3", "expected 1 or 2"),
            ("repetitions=0", "expected a whole number from 1"),
            ("limit=0ms", "expected a duration above zero"),
            ("cost-callin=1ms,0:2ms", "expected a duration, and after a comma"),
            ("cost-callin=1ms,9-3:2ms", "expected a duration, and after a comma"),
            ("fault=never", "expected none, or up to four of never:CPU"),
            ("kick=broadcast", "strategy=serial with kick=broadcast is refused"),
            ("skew=0:200", "expected none, or up to four of CPU:CYCLES for APs"),
            ("skew=3", "expected none, or up to four of CPU:CYCLES for APs"),
            ("skew=3:200 tsc-sync=trusted", "skew with tsc-sync=trusted is refused"),
            ("fault=never:0", "fault=never:0 is refused"),
            (
                "strategy=full-parallel kick=broadcast fault=never:2",
                "fault=never with kick=broadcast is refused",
            ),
            (
                "strategy=full-parallel kick=broadcast cost-kick=1us,2:2us",
                "cost-kick by CPU with kick=broadcast is refused",
            ),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_cost_may_have_exceptions() {
        let options = parse("cost-callin=800us,5:8ms,16-31:0").unwrap();
        let callin = options.cost(Step::Callin);
        assert_eq!(callin.of(CpuIndex(1)), Duration::parse("800us"));
        assert_eq!(callin.of(CpuIndex(5)), Duration::parse("8ms"));
        assert_eq!(callin.of(CpuIndex(20)), None);
        assert_eq!(options.cost(Step::Wake).of(CpuIndex(1)), None);
    }

    #[test]
    fn the_defaults_read_what_they_write() {
        assert_eq!(parse(&Options::default().to_string()).unwrap(), Options::default());
    }

    #[test]
    fn no_duration_is_longer_than_an_hour() {
        let keys = Options::KEYS.into_iter().filter(|key| {
            key.starts_with("cost-")
                || ["init-delay", "tsc-window", "tsc-resolution", "limit", "guard"].contains(key)
        });
        for key in keys {
            for (value, taken) in
                [("3600s", true), ("3601s", false), ("18446744073709551615", false)]
            {
                assert_eq!(Options::default().set(key, value).is_ok(), taken, "{key}={value}");
            }
        }
    }

    #[test]
    fn a_bare_init_delay_is_microseconds() {
        assert_eq!(parse("init-delay=10000").unwrap(), parse("init-delay=10ms").unwrap());
    }

    #[test]
    fn a_cpu_that_the_machine_lacks_is_refused() {
        let options = parse("fault=never:4").unwrap();
        assert!(options.check_on(5).is_ok());
        assert!(options.check_on(4).is_err());
        assert!(parse("cost-wake=0,3-9:1us").unwrap().check_on(9).is_err());
    }
}
