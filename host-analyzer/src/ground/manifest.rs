//! `run.json`: the description of a run folder.

use serde::{Deserialize, Serialize};

/// Version of `run.json`.
pub const SCHEMA: u32 = 1;

/// The contents of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// Name of the scenario: its file's stem, or `run` for a single boot.
    pub scenario: String,
    /// The scenario file as read; empty for a single boot.
    pub scenario_text: String,
    /// The command that measured, `cargo xtask …`, a word each; empty where it is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// When the run began, UTC, RFC 3339.
    pub started: String,
    /// How it ended; older runs lack this, and were complete.
    #[serde(default)]
    pub ended: Ended,
    /// True where `check --accept` has put it there to compare with, and may replace it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub baseline: bool,
    /// The kernel that was booted; absent when only the simulator ran.
    pub kernel: Option<Kernel>,
    /// Where the engines ran.
    pub host: Host,
    /// The profiles that its cells were expanded from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<Profile>,
    /// The engines that the scenario defines, those that were started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engines: Vec<Engine>,
    /// How many boots were planned; absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_boots: Option<usize>,
    /// The name of the run whose boots stand first here, as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// Every boot, in the order in which they are due: all of a complete run, and those that had ended
    /// when another one did.
    pub boots: Vec<Boot>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Every boot of the scenario was made.
    #[default]
    Complete,
    /// By the user, before that.
    Interrupted,
    /// By something that went wrong.
    Failed,
}

/// The kernel that was booted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// SHA-256 of the ELF file, in hexadecimal.
    pub sha256: String,
    /// The Rust target, and whether it is the host's, free-standing.
    pub target: String,
    /// `rustc --version`.
    pub rustc: String,
    /// Git revision of the sources, with `-dirty` where they were changed; `None` outside git.
    pub git_revision: Option<String>,
}

/// The machine that the engines ran on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its CPU's model name.
    pub cpu: String,
    /// How many CPUs it offers.
    pub cpus: usize,
    /// Operating system and its version.
    pub os: String,
    /// How busy it was; absent where the system does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
}

/// Load averages over a minute: how many threads ran or wanted to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Before the first boot.
    pub begin: f64,
    /// After the last, the engines' own threads in it.
    pub end: f64,
}

/// What each step costs on some machine, as the host expanded it into options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name: its file's stem.
    pub name: String,
    /// Frequency of that machine's TSC, in kHz: a cycle of the cells stands for one of its cycles.
    pub tsc_khz: u64,
    /// The profile's file as read.
    pub text: String,
}

/// An engine as a scenario defines it: a QEMU by `base`, anything else by `command`. An empty
/// field was not given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Engine {
    /// Its name.
    pub name: String,
    /// The built-in engine that it is a variant of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// QEMU's program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qemu: Option<String>,
    /// QEMU's `-machine`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// QEMU's `-cpu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// What follows the CPU count in QEMU's `-smp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<String>,
    /// False where QEMU's vCPU threads are left to the host's scheduler, even if clocks are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<bool>,
    /// Options that it needs, as words in front of all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_words: Option<String>,
    /// Arguments of QEMU after all others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// Program and arguments, with placeholders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Program and arguments that print its version.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub version_command: Vec<String>,
    /// The exit statuses of a command that are due after a goodbye.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub success_status: Vec<u8>,
    /// True where a command keeps running when its machine has ended, and is then killed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub endless: bool,
    /// True where a command is declared to give equal captures for equal kernels and options.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exact: bool,
    /// The longest command line that a command passes on, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_command_line: Option<usize>,
}

/// One start of an engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// The capture's path inside the run folder, with `/`.
    pub capture: String,
    /// Name of the engine.
    pub engine: String,
    /// True where equal kernels and options give equal captures (`icount`, `sim`, and what a
    /// scenario bases on the one or calls exact).
    pub exact: bool,
    /// CPU count, the BSP counted.
    pub smp: u16,
    /// Which boot of the same engine and CPU count: 1, 2, …
    pub boot: u32,
    /// The engine's version, in its own words.
    pub engine_version: String,
    /// The pinned CPU model.
    pub cpu_model: String,
    /// The engine's program and arguments; where they name the run's folder, as it is called now.
    pub command: Vec<String>,
    /// The kernel's command line.
    pub command_line: String,
    /// Of each cell of the command line the profile that it was expanded from; empty where none
    /// was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<Option<String>>,
    /// True where the BSP's thread had a core of the host to itself and the APs' the rest.
    #[serde(default)]
    pub pinned: bool,
    /// Set where a Linux was booted: `capture` is its log then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linux: Option<LinuxLog>,
    /// What the engine wrote to its standard error.
    pub stderr: String,
    /// Wall-clock seconds from start to end.
    pub seconds: f64,
    /// Moments between; absent in older runs, and where the kernel did not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_stamps: Option<HostStamps>,
}

/// Moments of a boot on the host's clock, in seconds after the engine's start. What the host takes to schedule a
/// thread makes them late.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostStamps {
    /// The first byte of the serial port came.
    pub first_byte: f64,
    /// The kernel's last frame came; up to 1 ms early, since what comes together is read at once.
    pub goodbye: f64,
    /// True where the engine stays after that and was killed, so that it has no end of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub killed: bool,
}

/// What of a Linux' bring-up its log does not show, as the user gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinuxLog {
    /// The strategy, by its word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// CPUs that are no first thread of a core.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<u16>,
    /// The published rows that the lines were made of, by their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<String>,
    /// Frequency of the TSC in kHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsc_khz: Option<u64>,
}
