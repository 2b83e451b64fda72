//! Options: the axes of the matrix, as words `key=value`.
//!
//! Parsing, rendering and refusing live here alone, so that a scenario file, a command line and
//! the kernel can't disagree. The meaning of each option is in the README's table.

mod cost;
mod limit;
mod lists;
mod refusal;
mod words;

use crate::{CpuIndex, Duration};
use core::fmt;

pub use cost::Cost;
pub use lists::{Faults, Skews};
pub use refusal::{Part, Refusal};
pub use words::{Fault, Kick, Spend, StampSet, Step, Strategy, TscPoll, TscSync, TscTrust, Wait};

/// What an option can be set to.
trait Value: Sized + fmt::Display {
    /// What is expected in its place, for messages.
    const EXPECTED: &str;

    /// Reads what `Display` writes.
    fn parse(text: &str) -> Option<Self>;

    /// The first CPU of which it says two things.
    fn twice(&self) -> Option<CpuIndex> {
        None
    }
}

impl Value for Duration {
    const EXPECTED: &str = Duration::EXPECTED;

    fn parse(text: &str) -> Option<Duration> {
        Duration::parse(text)
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

fn parse_cpu(text: &str) -> Option<CpuIndex> {
    text.parse().ok().map(CpuIndex)
}

/// The longest that [`Options`] render to, in bytes.
pub const MAX_OPTIONS: usize = 2304;

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
    /// `tsc-limit`: how long a window may go on for APs of which too little is known yet.
    pub tsc_limit: Duration,
    /// `tsc-trust`: who vouches for clocks that are not compared.
    pub tsc_trust: TscTrust,
    /// `tsc-poll`: how a CPU looks for the other's clock reading.
    pub tsc_poll: TscPoll,
    /// `skew`: by how much a CPU's clock is ahead on purpose, inside the TSC sync alone.
    pub skews: Skews,
    /// `cost-*`, indexed by [`Step`].
    pub costs: [Cost; Step::COUNT],
    /// `clock-khz`: frequency of the machine whose cycles these are, in kHz; 0 is the engine's own TSC.
    pub clock_khz: u32,
    /// `limit`: how long an AP may take from its kick, and anew from each gate that the BSP opens
    /// for it, before it is lost. Costs that are longer are refused.
    pub limit: Duration,
    /// `guard`: the longest time slice while INIT or SIPI is in flight, for `icount`; 0 is none.
    pub guard: Duration,
    /// `stamp-set`: which stamps are taken.
    pub stamps: StampSet,
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
            tsc_limit: Duration::ZERO,
            tsc_trust: TscTrust::No,
            tsc_poll: TscPoll::Busy,
            skews: Skews::default(),
            costs: [Cost::FREE; Step::COUNT],
            clock_khz: 0,
            limit: Duration::from_millis(10_000),
            guard: Duration::ZERO,
            stamps: StampSet::All,
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
    /// The value says two things of one CPU.
    Twice {
        /// The option.
        key: &'a str,
        /// The value as given.
        value: &'a str,
        /// The CPU.
        cpu: CpuIndex,
    },
    /// Each word is good, but together they make no sense.
    Refused(Refusal),
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
            OptionError::Twice { key, value, cpu } => write!(
                f,
                "`{key}={value}` names {cpu} twice: expected each CPU once, in a range or alone"
            ),
            OptionError::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl core::error::Error for OptionError<'_> {}

/// An option: its name, and how it is read and written.
struct Key {
    name: &'static str,
    expected: &'static str,
    /// Sets it; it stays as it is where the text is no value of it.
    set: fn(&mut Options, &str) -> Option<()>,
    /// The first CPU of which its value says two things.
    twice: fn(&Options) -> Option<CpuIndex>,
    write: fn(&Options, &mut dyn fmt::Write) -> fmt::Result,
}

/// A key whose value is one field.
macro_rules! key {
    ($name:literal, $value:ty, $field:ident $([$step:expr])?) => {
        key!(
            @ $name,
            <$value as Value>::parse => <$value as Value>::EXPECTED,
            |options| <$value as Value>::twice(&options.$field $([$step])?),
            $field $([$step])?
        )
    };
    ($name:literal, $parse:expr => $expected:expr, $field:ident) => {
        key!(@ $name, $parse => $expected, |_| None, $field)
    };
    (@ $name:literal, $parse:expr => $expected:expr, $twice:expr, $field:ident $([$step:expr])?) => {
        Key {
            name: $name,
            expected: $expected,
            set: |options, text| {
                options.$field $([$step])? = $parse(text)?;
                Some(())
            },
            twice: $twice,
            write: |options, f| write!(f, "{}", options.$field $([$step])?),
        }
    };
}

/// Every option, in the order in which [`Options`] renders them.
static TABLE: [Key; 24] = [
    key!("strategy", Strategy, strategy),
    key!("kick", Kick, kick),
    key!("tsc-sync", TscSync, tsc_sync),
    key!("wait", Wait, wait),
    key!("spend", Spend, spend),
    Key {
        name: "init-delay",
        expected: "whole µs, or a whole number with ns, us, ms or s, up to an hour, as `10ms`",
        set: |options, text| {
            options.init_delay = micros(text)?;
            Some(())
        },
        twice: |_| None,
        write: |options, f| match options.init_delay {
            Duration::Nanos(ns) if ns.is_multiple_of(1000) => write!(f, "{}", ns / 1000),
            other => write!(f, "{other}"),
        },
    },
    key!("sipi-count", sipis => "1 or 2", sipi_count),
    key!("tsc-window", Duration, tsc_window),
    key!("tsc-limit", Duration, tsc_limit),
    key!("tsc-resolution", positive => POSITIVE, tsc_resolution),
    key!("tsc-trust", TscTrust, tsc_trust),
    key!("tsc-poll", TscPoll, tsc_poll),
    key!("skew", Skews, skews),
    key!("cost-kick", Cost, costs[Step::Kick as usize]),
    key!("cost-wake", Cost, costs[Step::Wake as usize]),
    key!("cost-trampoline", Cost, costs[Step::Trampoline as usize]),
    key!("cost-callin", Cost, costs[Step::Callin as usize]),
    key!("cost-online", Cost, costs[Step::Online as usize]),
    key!("clock-khz", khz => "whole kHz, up to 4294967295", clock_khz),
    key!("limit", positive => POSITIVE, limit),
    key!("guard", Duration, guard),
    key!("stamp-set", StampSet, stamps),
    key!("fault", Faults, faults),
    key!("repetitions", repetitions => "a whole number from 1", repetitions),
];

const POSITIVE: &str = "a duration above zero: cycles, up to 2^44, or a whole number with ns, us, \
                        ms or s, up to an hour, as `10us`";

fn positive(text: &str) -> Option<Duration> {
    Duration::parse(text).filter(|duration| !duration.is_zero())
}

/// A bare number is µs here, as in Linux's `cpu_init_udelay`.
fn micros(text: &str) -> Option<Duration> {
    match Duration::parse(text)? {
        Duration::Cycles(n) => {
            Some(n * 1000).filter(|ns| *ns <= Duration::MAX_NANOS).map(Duration::Nanos)
        }
        nanos => Some(nanos),
    }
}

fn sipis(text: &str) -> Option<u8> {
    text.parse().ok().filter(|count| (1..=2).contains(count))
}

fn khz(text: &str) -> Option<u32> {
    text.parse().ok()
}

fn repetitions(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count| *count > 0)
}

fn split(word: &str) -> Result<(&str, &str), OptionError<'_>> {
    word.split_once('=').ok_or(OptionError::NoValue { word })
}

impl Options {
    /// Every option's name, in the order in which [`Options`] renders them.
    pub const KEYS: [&'static str; TABLE.len()] = {
        let mut names = [""; TABLE.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = TABLE[at].name;
            at += 1;
        }
        names
    };

    /// The frequency, in kHz, by which times become cycles on an engine whose TSC has that of `own`.
    pub fn clock(&self, own: u64) -> u64 {
        if self.clock_khz == 0 { own } else { self.clock_khz.into() }
    }

    /// What a step costs.
    pub fn cost(&self, step: Step) -> &Cost {
        &self.costs[step as usize]
    }

    /// Takes one word `key=value` of a user's.
    pub fn set_word<'a>(&mut self, word: &'a str) -> Result<(), OptionError<'a>> {
        let (key, value) = split(word)?;
        self.set(key, value)
    }

    /// Sets one option to a user's value; where that is refused, nothing changes.
    pub fn set<'a>(&mut self, key: &'a str, value: &'a str) -> Result<(), OptionError<'a>> {
        let mut options = self.clone();
        let known = options.read(key, value)?;
        if let Some(cpu) = (known.twice)(&options) {
            return Err(OptionError::Twice { key, value, cpu });
        }
        *self = options;
        Ok(())
    }

    /// Takes one word `key=value` of what was measured already: a value that names a CPU twice is
    /// kept as it is, since an earlier version took it.
    pub fn read_word<'a>(&mut self, word: &'a str) -> Result<(), OptionError<'a>> {
        let (key, value) = split(word)?;
        self.read(key, value).map(drop)
    }

    fn read<'a>(&mut self, key: &'a str, value: &'a str) -> Result<&'static Key, OptionError<'a>> {
        let known = TABLE.iter().find(|known| known.name == key);
        let known = known.ok_or(OptionError::UnknownKey { key })?;
        let expected = known.expected;
        (known.set)(self, value).ok_or(OptionError::BadValue { key, value, expected })?;
        Ok(known)
    }

    /// Writes one option's value; nothing for a name that is none.
    pub fn write_value(&self, key: &str, f: &mut dyn fmt::Write) -> fmt::Result {
        TABLE.iter().find(|known| known.name == key).map_or(Ok(()), |key| (key.write)(self, f))
    }

    /// Refuses what makes no sense at any CPU count.
    pub fn check(&self) -> Result<(), Refusal> {
        let broadcast = self.kick == Kick::Broadcast;
        let trusted = self.tsc_sync == TscSync::Trusted;
        let costs = self.costs.iter().any(|cost| *cost != Cost::FREE);
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
                broadcast && self.cost(Step::Kick).has_exceptions(),
                "cost-kick by CPU with kick=broadcast",
                "one message for all has one cost",
            ),
            (
                trusted && self.tsc_trust == TscTrust::No,
                "tsc-sync=trusted with tsc-trust=no",
                "nobody vouches for the clocks; where you know that they agree, say tsc-trust=yes",
            ),
            (
                trusted && !self.skews.0.is_empty(),
                "skew with tsc-sync=trusted",
                "clocks that are not compared can't be found skewed",
            ),
            (
                self.cost(Step::Kick).exclusive,
                "cost-kick exclusive",
                "kicks are the BSP's, one at a time by themselves",
            ),
            (
                self.cost(Step::Wake).exclusive,
                "cost-wake exclusive",
                "it is counted from the SIPI, before the AP could wait for a lock",
            ),
            (
                self.stamps == StampSet::Ends && costs,
                "stamp-set=ends with cost-*",
                "a cost is counted from a stamp",
            ),
            (
                self.faults.hit(Fault::Never, CpuIndex::BSP),
                "fault=never:0",
                "CPU 0 is the BSP, which runs already",
            ),
            (
                self.faults.hit(Fault::Stray, CpuIndex::BSP),
                "fault=stray:0",
                "CPU 0 is the BSP, which runs already",
            ),
            (
                self.faults.hit(Fault::Differ, CpuIndex::BSP),
                "fault=differ:0",
                "CPU 0 is the BSP, which the others are compared with",
            ),
        ];
        match refusals.into_iter().find(|(refused, ..)| *refused) {
            Some((_, what, why)) => Err(Refusal::Senseless { what, why }),
            None => Ok(()),
        }
    }

    /// Refuses what makes no sense on a machine of `cpus` CPUs, the BSP counted.
    pub fn check_on(&self, cpus: usize) -> Result<(), Refusal> {
        self.check()?;
        if let Some(part) = self.parts().find(|part| part.last().at() >= cpus) {
            return Err(Refusal::NoCpu { part, cpus });
        }
        limit::check(self, cpus)
    }

    /// The parts of its values that name a CPU.
    fn parts(&self) -> impl Iterator<Item = Part> {
        let faults = self.faults.0.iter().map(|(fault, cpu)| Part::Fault(*fault, *cpu));
        let skews = self.skews.0.iter().map(|(cpu, cycles)| Part::Skew(*cpu, *cycles));
        let costs = Step::ALL.iter().flat_map(|step| {
            let exceptions = self.cost(*step).exceptions.iter();
            exceptions.map(|(first, last, cost)| Part::Cost(*step, *first, *last, *cost))
        });
        faults.chain(skews).chain(costs)
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
    use crate::class::Class;
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
        let classes = [
            proptest::option::of(duration()),
            proptest::option::of(duration()),
            proptest::option::of(duration()),
        ];
        (
            duration(),
            classes,
            proptest::collection::vec(exception, 0..=MAX_EXCEPTIONS),
            any::<bool>(),
        )
            .prop_map(|(usual, classes, given, exclusive)| {
                let mut cost = Cost { usual, classes, exclusive, ..Cost::FREE };
                for (first, last, span) in given {
                    let apart = |known: &(CpuIndex, CpuIndex, _)| last < known.0 || known.1 < first;
                    if cost.exceptions.iter().all(apart) {
                        cost.exceptions.push((first, last, span)).unwrap();
                    }
                }
                cost
            })
    }

    fn options() -> impl Strategy_<Value = Options> {
        let one_of = |n: usize| 0..n;
        let words = (
            one_of(Strategy::ALL.len()),
            one_of(Kick::ALL.len()),
            one_of(TscSync::ALL.len()),
            one_of(Wait::ALL.len()),
            one_of(Spend::ALL.len()),
            one_of(TscTrust::ALL.len()),
            one_of(TscPoll::ALL.len()),
            one_of(StampSet::ALL.len()),
        );
        let fault = one_of(Fault::ALL.len());
        let faults = proptest::collection::hash_map(any::<u16>(), fault, 0..=4);
        let durations = (nanos(), duration(), nanos(), duration(), nanos(), duration());
        let skews = proptest::collection::hash_map(1u16.., any::<i32>(), 0..=4);
        (
            words,
            durations,
            [cost(), cost(), cost(), cost(), cost()],
            (faults, skews),
            1u8..=2,
            (1u32.., any::<u32>()),
        )
            .prop_map(
                |(
                    words,
                    durations,
                    costs,
                    (faults, skews),
                    sipi_count,
                    (repetitions, clock_khz),
                )| {
                    Options {
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
                        tsc_limit: durations.5,
                        tsc_trust: TscTrust::ALL[words.5],
                        tsc_poll: TscPoll::ALL[words.6],
                        stamps: StampSet::ALL[words.7],
                        skews: Skews(
                            skews
                                .into_iter()
                                .map(|(cpu, cycles)| (CpuIndex(cpu), cycles))
                                .collect(),
                        ),
                        costs,
                        faults: Faults(
                            faults
                                .into_iter()
                                .map(|(cpu, fault)| (Fault::ALL[fault], CpuIndex(cpu)))
                                .collect(),
                        ),
                        sipi_count,
                        repetitions,
                        clock_khz,
                    }
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
            ("cost-callin=1ms,0:2ms", "expected a duration (cycles, up to 2^44, or a"),
            ("cost-callin=1ms,9-3:2ms", "expected a duration (cycles, up to 2^44, or a"),
            ("fault=never", "expected none, or up to four of never:CPU"),
            ("kick=broadcast", "strategy=serial with kick=broadcast is refused"),
            ("skew=0:200", "expected none, or up to four of CPU:CYCLES for APs"),
            ("skew=3", "expected none, or up to four of CPU:CYCLES for APs"),
            ("tsc-sync=trusted", "tsc-sync=trusted with tsc-trust=no is refused: nobody vouches"),
            ("skew=3:200 tsc-sync=trusted tsc-trust=yes", "skew with tsc-sync=trusted is refused"),
            ("cost-kick=1us,exclusive", "cost-kick exclusive is refused"),
            ("cost-wake=1us,exclusive", "cost-wake exclusive is refused"),
            ("cost-callin=1us,core:1us,core:2us", "expected a duration (cycles, up to 2^44, or a"),
            (
                "cost-callin=1us,exclusive,exclusive",
                "expected a duration (cycles, up to 2^44, or a",
            ),
            ("stamp-set=ends cost-online=1us", "stamp-set=ends with cost-* is refused"),
            ("fault=never:0", "fault=never:0 is refused"),
            ("fault=stray:0", "fault=stray:0 is refused"),
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
    fn a_cpu_that_is_named_twice_is_refused_with_option_value_and_cpu() {
        for (word, cpu) in [
            ("cost-callin=1ms,1-3:5ms,2:6ms", 2),
            ("cost-callin=1ms,2:6ms,1-3:5ms", 2),
            ("cost-wake=0,5:1us,5:2us", 5),
            ("cost-wake=0,9:1us,3-6:1us,6-7:2us,9:1us", 6),
            ("cost-kick=0,2-4:1us,2-4:1us", 2),
            ("skew=1:200,1:300", 1),
            ("fault=never:1,differ:1", 1),
            ("fault=never:2,trap:3,never:2", 2),
        ] {
            let error = Options::default().set_word(word).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "`{word}` names CPU {cpu} twice: expected each CPU once, in a range or alone"
                )
            );
        }
        for word in ["cost-callin=1ms,1-3:5ms,4:6ms", "skew=1:1,2:1", "fault=never:1,never:2"] {
            assert_eq!(Options::default().set_word(word), Ok(()), "{word}");
        }
    }

    /// A kernel of before the refusal sent them.
    #[test]
    fn what_was_measured_is_read_even_if_a_cpu_is_named_twice() {
        for word in ["cost-callin=1ms,1-3:5ms,2:6ms", "skew=1:200,1:300", "fault=never:1,differ:1"]
        {
            let mut read = Options::default();
            assert_eq!(read.read_word(word), Ok(()));
            assert!(read.to_string().contains(word));
            // What a user sets beside it is another option's matter; the value itself is refused.
            assert_eq!(read.set_word("cost-wake=1us"), Ok(()));
            let before = read.clone();
            assert!(matches!(read.set_word(word), Err(OptionError::Twice { .. })));
            assert_eq!(read, before);
        }
        assert!(Options::default().read_word("wait=sleep").is_err());
    }

    #[test]
    fn a_span_that_is_too_long_is_told_the_longest() {
        for (word, longest) in [
            ("cost-wake=99999999s", "up to an hour"),
            ("cost-wake=9223372036854775808", "up to 2^44"),
            ("tsc-window=3601s", "up to an hour, as `10us`"),
            ("guard=17592186044417", "cycles, up to 2^44"),
            ("limit=3601s", "up to an hour, as `10us`"),
            ("init-delay=3601s", "up to an hour, as `10ms`"),
        ] {
            let error = Options::default().set_word(word).unwrap_err().to_string();
            assert!(error.contains(longest), "{error}");
        }
    }

    #[test]
    fn a_cost_may_have_exceptions() {
        let options = parse("cost-callin=800us,5:8ms,16-31:0").unwrap();
        let callin = |cpu| options.cost(Step::Callin).of(CpuIndex(cpu), Class::Core);
        assert_eq!(callin(1), Duration::parse("800us"));
        assert_eq!(callin(5), Duration::parse("8ms"));
        assert_eq!(callin(20), None);
        assert_eq!(options.cost(Step::Wake).of(CpuIndex(1), Class::Core), None);
    }

    #[test]
    fn a_cost_may_differ_by_class_and_a_cpu_of_its_own_goes_before_its_class() {
        let options = parse("cost-callin=800us,package:8ms,sibling:0,5:9ms").unwrap();
        let callin = |cpu, class| options.cost(Step::Callin).of(CpuIndex(cpu), class);
        assert_eq!(callin(1, Class::Core), Duration::parse("800us"));
        assert_eq!(callin(1, Class::Package), Duration::parse("8ms"));
        assert_eq!(callin(1, Class::Sibling), None);
        assert_eq!(callin(5, Class::Sibling), Duration::parse("9ms"));
    }

    #[test]
    fn the_defaults_read_what_they_write() {
        assert_eq!(parse(&Options::default().to_string()).unwrap(), Options::default());
    }

    #[test]
    fn no_duration_is_longer_than_an_hour() {
        let keys = Options::KEYS.into_iter().filter(|key| {
            key.starts_with("cost-")
                || ["init-delay", "tsc-window", "tsc-limit", "tsc-resolution", "limit", "guard"]
                    .contains(key)
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

    /// What a machine of so many CPUs refuses.
    fn refused(words: &str, cpus: usize) -> Option<String> {
        parse(words).unwrap().check_on(cpus).err().map(|refusal| refusal.to_string())
    }

    #[test]
    fn a_cpu_that_the_machine_lacks_is_refused_with_option_value_and_cpu_count() {
        for (words, cpus, told) in [
            (
                "fault=never:4",
                4,
                "`fault=never:4`: there is no CPU 4 on a machine of 4 CPUs (0 to 3)",
            ),
            (
                "fault=never:1,trap:9",
                8,
                "`fault=trap:9`: there is no CPU 9 on a machine of 8 CPUs (0 to 7)",
            ),
            ("skew=1:2,7:-3", 7, "`skew=7:-3`: there is no CPU 7 on a machine of 7 CPUs (0 to 6)"),
            (
                "cost-wake=0,3-9:1us",
                9,
                "`cost-wake=…,3-9:1us`: there is no CPU 9 on a machine of 9 CPUs (0 to 8)",
            ),
            (
                "cost-online=0,1:1us",
                1,
                "`cost-online=…,1:1us`: there is no CPU 1 on a machine of 1 CPU, which is CPU 0",
            ),
        ] {
            assert_eq!(refused(words, cpus).as_deref(), Some(told), "{words}");
            assert_eq!(refused(words, 10), None, "{words}");
        }
    }

    #[test]
    fn a_cost_that_no_limit_holds_is_refused() {
        for (words, told) in [
            (
                "cost-wake=3599s",
                "`cost-wake` of 3599s is longer than `limit=10s`, after which an AP is lost; \
                 raise `limit`",
            ),
            (
                "cost-wake=6s cost-trampoline=5s",
                "`cost-wake` of 6s and `cost-trampoline` of 5s are together longer than `limit=10s`, \
                 after which an AP is lost; raise `limit`",
            ),
            (
                "limit=50ms cost-online=0,3:51ms",
                "`cost-online` of 51ms for CPU 3 is longer than `limit=50ms`, after which an AP is \
                 lost; raise `limit`",
            ),
            ("limit=999 cost-online=1000", "`cost-online` of 1000 is longer than `limit=999`"),
            // 10 s of this clock are 10^7 cycles.
            ("clock-khz=1000 cost-callin=10000001", "`cost-callin` of 10000001 is longer than"),
            ("cost-callin=11s,core:12s", "`cost-callin` of 11s is longer than"),
            // Its gate is open from the start.
            (
                "strategy=full-parallel cost-wake=4s cost-callin=7s",
                "`cost-wake` of 4s and `cost-callin` of 7s are together longer",
            ),
            // Nothing renews its limit where no clock is compared.
            (
                "tsc-sync=trusted tsc-trust=yes cost-callin=4s cost-online=7s",
                "`cost-callin` of 4s and `cost-online` of 7s are together longer",
            ),
            (
                "strategy=parallel-sipi limit=50ms cost-wake=60ms,7:0",
                "`cost-wake` of 60ms is longer",
            ),
            (
                "strategy=parallel-sipi limit=50ms cost-callin=0,7:60ms",
                "`cost-callin` of 60ms for CPU 7",
            ),
        ] {
            let refusal = refused(words, 8).expect(words);
            assert!(refusal.contains(told), "{words}: {refusal}");
        }
    }

    #[test]
    fn a_cost_that_some_ap_can_spend_in_time_is_taken() {
        for words in [
            "",
            "limit=50ms fault=never:2",
            "limit=50ms cost-callin=50ms",
            // Only its own CPU is lost, on purpose already.
            "limit=50ms cost-wake=0,2:60ms fault=never:2",
            // Each has a limit of its own.
            "cost-wake=9s cost-callin=9s cost-online=9s",
            // The BSP's, and before the limits.
            "cost-kick=11s tsc-window=11s init-delay=11s",
            // Not every AP is the first of its package.
            "cost-callin=1s,package:11s",
            // Only the engine's clock can tell.
            "cost-callin=1000000000000",
            // The second SIPI is a part of the kick.
            "limit=1ms sipi-count=2 cost-wake=1100us",
            "strategy=serial limit=50ms cost-callin=9ms,exclusive",
            // The BSP waits for others, and finds these there when it looks.
            "strategy=full-parallel limit=50ms cost-callin=9ms,exclusive",
            "strategy=full-parallel limit=50ms cost-online=0,7:60ms",
            "strategy=parallel-sipi limit=50ms cost-wake=0,7:60ms",
            // It is kicked, and there, before the last one is kicked.
            "strategy=parallel-sipi limit=50ms cost-wake=60ms,7:0 cost-kick=20ms",
        ] {
            assert_eq!(refused(words, 8), None, "{words}");
        }
        assert_eq!(refused("cost-wake=3599s", 1), None);
    }

    #[cfg(feature = "sim")]
    proptest! {
        /// What is refused for its limit would lose an AP; the simulator does lose it.
        #[test]
        fn what_the_limit_refuses_loses_an_ap(
            strategy in 0..Strategy::ALL.len(), kick in 0..Kick::ALL.len(), sync in 0..TscSync::ALL.len(),
            costs in proptest::collection::vec((0u64..12, 1u16..6, 0u64..12, any::<bool>()), 5),
            never in proptest::option::of(1u16..6), sipis in 1u8..=2,
        ) {
            let ms = |ms: u64| Duration::from_millis(ms);
            let mut options = Options {
                strategy: Strategy::ALL[strategy],
                kick: Kick::ALL[kick],
                tsc_sync: TscSync::ALL[sync],
                tsc_trust: TscTrust::Yes,
                sipi_count: sipis,
                limit: ms(10),
                tsc_window: ms(1),
                ..Options::default()
            };
            for (cost, (usual, cpu, own, exclusive)) in options.costs.iter_mut().zip(costs) {
                *cost = Cost { usual: ms(usual), exclusive, ..Cost::FREE };
                cost.exceptions.push((CpuIndex(cpu), CpuIndex(cpu), ms(own))).unwrap();
            }
            if let Some(cpu) = never {
                options.faults.0.push((Fault::Never, CpuIndex(cpu))).unwrap();
            }
            let meant = never.is_some() as u16;
            if options.check().is_ok() && let Err(Refusal::Late { .. }) = options.check_on(6) {
                let (end, _) = crate::sim::trial(&options, 6, 1_000_000).unwrap();
                prop_assert!(end.lost > meant, "{}", options);
            }
        }
    }

    /// A damaged capture may say so, and is held against a command line.
    #[test]
    fn a_machine_without_a_cpu_is_no_overflow() {
        assert_eq!(refused("strategy=full-parallel cost-callin=9s,exclusive", 0), None);
        let told = "`fault=never:1`: there is no CPU 1 on a machine of no CPU";
        assert_eq!(refused("fault=never:1", 0).as_deref(), Some(told));
    }
}
