//! The frames that a capture is made of; `docs/wire-format.md` describes them byte by byte.

use crate::exchange::{OffsetInterval, SyncVerdict};
use crate::options::Step;
use crate::stamp::{Stamp, Stamps};
use crate::words::words;
use crate::{ApicId, CpuIndex, Cycles};
use serde::{Deserialize, Serialize};

/// Version of the wire format; a decoder refuses others.
pub const PROTOCOL: u16 = 2;

/// The first field of every `Hello`: "RCAL" in ASCII, as a little-endian number.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RCAL");

/// One frame: its place in the stream, and what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame<'a> {
    /// 0 for the first frame of a boot, then one more each: a gap is a lost frame.
    pub number: u32,
    /// What the frame says.
    #[serde(borrow)]
    pub body: Body<'a>,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "most frames are timelines, the largest variant")]
pub enum Body<'a> {
    /// The first frame of a boot.
    #[serde(borrow)]
    Hello(Hello<'a>),
    /// One per CPU of the machine, the BSP first.
    Cpu(Cpu),
    /// Opens a cell; its trials follow.
    #[serde(borrow)]
    CellBegin(CellBegin<'a>),
    /// Opens a trial; its timelines follow.
    TrialBegin(TrialBegin),
    /// One AP in one trial.
    ApTimeline(ApTimeline),
    /// Closes a trial.
    TrialEnd(TrialEnd),
    /// The last frame of a boot that ended well.
    Goodbye(Goodbye),
    /// Something worth knowing, at any time.
    #[serde(borrow)]
    Log(Log<'a>),
    /// The reason why the boot ends here, at any time.
    #[serde(borrow)]
    Error(Error<'a>),
    /// Which IPIs wake the APs of a cell; it follows the cell's `CellBegin`. A simulator sends none.
    WakeIpis(WakeIpis),
}

/// Who sends, on what machine, with what clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// Always [`MAGIC`].
    pub magic: u32,
    /// Always [`PROTOCOL`].
    pub protocol: u16,
    /// Version of the kernel.
    pub kernel: &'a str,
    /// The target that the kernel was built for.
    pub build: &'a str,
    /// Frequency of the BSP's TSC, in kHz.
    pub tsc_khz: u64,
    /// How the frequency was found.
    pub tsc_source: TscSource,
    /// Largest less smallest of the measured frequencies, in kHz; 0 where CPUID or the hypervisor states it.
    pub tsc_spread_khz: u64,
    /// True where CPUID says that the TSC runs at one rate in all states (leaf 0x8000_0007).
    pub tsc_invariant: bool,
    /// CPUID leaf 0.
    pub vendor: &'a str,
    /// CPUID leaves 0x8000_0002 to 4.
    pub model: &'a str,
    /// The vendor in CPUID leaf 0x4000_0000; empty on bare metal.
    pub hypervisor: &'a str,
    /// How the local APICs are addressed.
    pub apic_mode: ApicMode,
    /// CPUs that take part, the BSP counted.
    pub cpus: u16,
}

words! {
    /// How the TSC's frequency was found.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    TscSource {
        /// CPUID leaf 0x15, with leaf 0x16 where it lacks the crystal's frequency.
        Cpuid = "cpuid",
        /// The hypervisor's CPUID leaf 0x4000_0010.
        Hypervisor = "hypervisor",
        /// Gates of the ACPI PM timer; the median.
        PmTimer = "pm-timer",
        /// `HV_X64_MSR_TSC_FREQUENCY` of Hyper-V's interface.
        Hyperv = "hyperv",
        /// The time parameters of KVM's paravirtual clock.
        Kvmclock = "kvmclock",
        /// Gates of the HPET's main counter; the median.
        Hpet = "hpet",
        /// Gates of channel 0 of the PIT (8254); the median.
        Pit = "pit",
    }
}

/// How the local APICs are addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApicMode {
    /// Memory-mapped, 8-bit IDs.
    Xapic,
    /// MSRs, 32-bit IDs.
    X2apic,
}

/// A CPU and its place in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// Its index: 0 is the BSP.
    pub cpu: CpuIndex,
    /// Its local APIC's ID.
    pub apic_id: ApicId,
    /// Which package it is in, from its APIC ID and the BSP's CPUID topology leaves.
    pub package: u32,
    /// Which core of the package.
    pub core: u32,
    /// Which thread of the core.
    pub thread: u32,
    /// Its proximity domain, where the SRAT lists the CPU.
    pub node: Option<u32>,
}

/// A cell and its options, as the kernel understood them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellBegin<'a> {
    /// 0 for the first cell of the boot.
    pub cell: u16,
    /// Every option as `key=value`, blanks between; [`crate::options::Options`] reads it.
    pub options: &'a str,
}

/// The IPIs that the kernel sends an AP, or all with one shorthand, to wake it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeIpis {
    /// The cell.
    pub cell: u16,
    /// What is written to the low doubleword of the ICR (Intel SDM volume 3, "Interrupt Command Register (ICR)"), in
    /// this order: INIT, INIT level de-assert, SIPI, second SIPI. `None` for those that the sequence has not.
    pub icr: [Option<u32>; 4],
}

/// A trial begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialBegin {
    /// The cell it belongs to.
    pub cell: u16,
    /// Its number in the cell: 0 is the cold one, then 1, 2, …
    pub trial: u32,
    /// True for the boot's first trial.
    pub cold: bool,
    /// The BSP's TSC at the trial's zero, which all stamps are relative to.
    pub zero: u64,
}

/// One AP in one trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApTimeline {
    /// Which AP.
    pub cpu: CpuIndex,
    /// How it ended.
    pub end: ApEnd,
    /// How often it started in this trial: more than once is a double start. A start by a SIPI of another trial counts in
    /// none; a log frame reports it.
    pub starts: u32,
    /// Its stamps, relative to the trial's zero, each on the clock that it was read from.
    pub stamps: Stamps,
    /// The raw `entry`, where a cost of `wake` has put the stamp to its deadline.
    pub entry_raw: Option<i64>,
    /// Its clock, as the stamps read it, against the BSP's; where it was compared.
    pub offset: Option<OffsetInterval>,
    /// How the comparison went, where there was one.
    pub sync: Option<Sync>,
    /// `IA32_TSC_ADJUST` as the AP found it in its callin, where it has one.
    pub tsc_adjust: Option<i64>,
    /// By how many cycles each step went beyond its cost, in the order of [`OVERRUNS`].
    pub overruns: [u64; OVERRUNS.len()],
}

/// What the TSC window is called among [`OVERRUNS`].
pub const WINDOW: &str = "tsc-window";

/// What can take longer than it should: the first [`Step::WITH_WORK`] steps of [`Step::ALL`], and the AP's last
/// TSC window, which the BSP ended late.
pub const OVERRUNS: [&str; Step::WITH_WORK + 1] = {
    let mut names = [WINDOW; Step::WITH_WORK + 1];
    let mut at = 0;
    while at < Step::WITH_WORK {
        names[at] = Step::ALL[at].name();
        at += 1;
    }
    names
};

/// How an AP's clock was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sync {
    /// The verdict on the clock.
    pub verdict: SyncVerdict,
    /// Windows that watched this AP.
    pub windows: u8,
    /// What the first of them saw: here a warp shows its size.
    pub first: Option<OffsetInterval>,
    /// What was taken off the AP's clock after that, in cycles.
    pub correction: i64,
    /// True where it was taken off the counter itself, by `IA32_TSC_ADJUST`, and the stamps are
    /// of the corrected counter; else only the sync's readings are corrected.
    pub in_hardware: bool,
}

/// How an AP ended in a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApEnd {
    /// It did its job.
    Online,
    /// It did not get further than this stamp within its limit; `None`: it was not even kicked.
    Lost(Option<Stamp>),
    /// It answered the job, wrongly.
    WrongAnswer,
}

/// A trial is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialEnd {
    /// From zero until the BSP knew the last AP online, or lost.
    pub total: Cycles,
    /// From zero until the last `kick_end`.
    pub kick_loop: Cycles,
    /// APs that did not come online, or did their job wrongly.
    pub lost: u16,
}

/// The boot ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goodbye {
    /// Frames sent before this one.
    pub frames: u32,
    /// Stamps that were taken but could not be kept: those of double starts.
    pub stamps_dropped: u32,
}

/// Something worth knowing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Log<'a> {
    /// The CPU that the line is about.
    pub cpu: CpuIndex,
    /// One line.
    pub text: &'a str,
}

/// The reason why the boot ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Error<'a> {
    /// The command line is not accepted; the message names the word.
    Options {
        /// What was wrong and what was expected.
        message: &'a str,
    },
    /// The machine lacks something that the kernel needs.
    Machine {
        /// What it lacks.
        message: &'a str,
    },
    /// The kernel panicked.
    Panic {
        /// Where.
        cpu: CpuIndex,
        /// Message and source line.
        message: &'a str,
    },
    /// A CPU exception.
    Exception {
        /// Where.
        cpu: CpuIndex,
        /// Vector (Intel SDM volume 3, "Exception and Interrupt Reference").
        vector: u8,
        /// The error code, 0 for vectors without one.
        error_code: u64,
        /// Address of the instruction.
        rip: u64,
        /// The faulting address of a page fault.
        cr2: u64,
    },
}
