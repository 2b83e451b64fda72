//! Boots a kernel and keeps what it said, for the tests that need QEMU.

use bringup::CpuIndex;
use bringup::frame::{ApTimeline, Body, Frame, TrialBegin, TrialEnd};
use bringup::options::Options;
use host_analyzer::ground::failure::Failure;
use host_analyzer::run::Run;
use host_analyzer::run::timeline::on_bsp_clock;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;
use xtask::kernel;
use xtask::root;
use xtask::runner::boot::{self, Order};
use xtask::runner::engine::{Engine, Qemu};
use xtask::runner::kernel::Kernel;

/// No test's boot takes longer than this.
pub const LIMIT: Duration = Duration::from_secs(300);

/// The same of more CPUs than xAPIC mode has IDs for.
const LIMIT_OF_MANY: Duration = Duration::from_secs(1800);

/// The costs of the default scenario.
pub const COSTS: &str = "cost-kick=100us cost-wake=1200us cost-callin=800us cost-online=100us \
                         tsc-window=500us";

/// Says that a test, or the rest of it, is skipped, and why: past the test harness, which shows nothing of what passes.
pub fn skipped(why: &str) {
    // Nobody is left to report an error to.
    let _ = io::stderr().write_all(format!("skipped: {why}\n").as_bytes());
}

/// What a boot said.
#[derive(Debug, Default)]
pub struct Booted {
    /// Frequency of the TSC, in kHz.
    pub tsc_khz: u64,
    /// How that was found.
    pub tsc_source: &'static str,
    /// The node of each CPU.
    pub nodes: Vec<Option<u32>>,
    /// Every line about a CPU.
    pub logs: Vec<(CpuIndex, String)>,
    /// Every cell that began.
    pub cells: Vec<Cell>,
    /// The bytes of the serial port.
    pub bytes: Vec<u8>,
    /// Why it did not end well.
    pub failure: Option<Failure>,
}

/// A cell of a boot.
#[derive(Debug)]
pub struct Cell {
    /// Its options, as the kernel understood them.
    pub options: Options,
    /// The IPIs that wake its APs, as `WakeIpis` has them.
    pub ipis: [Option<u32>; 4],
    /// Every trial that ended, the cold one first.
    pub trials: Vec<Trial>,
}

/// A trial of a cell.
#[derive(Debug)]
pub struct Trial {
    /// How it began.
    pub begin: TrialBegin,
    /// Its APs, all stamps on the BSP's clock.
    pub aps: Vec<ApTimeline>,
    /// How it ended.
    pub end: TrialEnd,
}

/// The kernel of this workspace, built once.
pub fn kernel() -> &'static Kernel {
    static KERNEL: OnceLock<Kernel> = OnceLock::new();
    KERNEL.get_or_init(|| {
        kernel::build(root(), &kernel::target_folder(root()))
            .unwrap_or_else(|failure| panic!("{:?}", failure.report()))
    })
}

/// Boots this workspace's kernel.
#[track_caller]
pub fn boot(engine: Qemu, smp: u16, words: &str) -> Booted {
    boot_kernel(&kernel().path, &engine.engine(), smp, words)
}

/// Boots once and follows the frames; the words go to the kernel as they are, behind the engine's own. Returns the
/// bytes of the serial port, and why the boot did not end well.
#[track_caller]
pub fn follow(
    kernel: &Path,
    engine: &dyn Engine,
    smp: u16,
    words: &str,
    watch: impl FnMut(&Frame<'_>),
) -> (Vec<u8>, Option<Failure>) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("captures")).unwrap();
    let command_line = format!("{} {words}", engine.own_words());
    let order = Order {
        engine,
        kernel: Some(kernel),
        smp,
        number: 1,
        command_line: command_line.trim(),
        profiles: &[],
        folder: folder.path(),
        limit: if smp > 255 { LIMIT_OF_MANY } else { LIMIT },
    };
    let outcome = boot::boot(&order, watch);
    let outcome = outcome.unwrap_or_else(|failure| panic!("{:?}", failure.report()));
    let bytes = fs::read(folder.path().join(&outcome.record.capture)).unwrap_or_default();
    (bytes, outcome.failure)
}

/// Boots once and keeps what the kernel reported; see [`follow`].
#[track_caller]
pub fn boot_kernel(kernel: &Path, engine: &dyn Engine, smp: u16, words: &str) -> Booted {
    let mut booted = Booted::default();
    let mut open: Option<(TrialBegin, Vec<ApTimeline>)> = None;
    (booted.bytes, booted.failure) =
        follow(kernel, engine, smp, words, |frame| match &frame.body {
            Body::Hello(hello) => {
                booted.tsc_khz = hello.tsc_khz;
                booted.tsc_source = hello.tsc_source.name();
            }
            Body::Cpu(cpu) => booted.nodes.push(cpu.node),
            Body::CellBegin(begin) => {
                let mut options = Options::default();
                begin.options.split(' ').for_each(|word| options.set_word(word).unwrap());
                booted.cells.push(Cell { options, ipis: [None; 4], trials: Vec::new() });
            }
            Body::TrialBegin(begin) => open = Some((*begin, Vec::new())),
            Body::ApTimeline(ap) => open.as_mut().unwrap().1.push(on_bsp_clock(ap)),
            Body::TrialEnd(end) => {
                let (begin, aps) = open.take().unwrap();
                booted.cells.last_mut().unwrap().trials.push(Trial { begin, aps, end: *end });
            }
            Body::WakeIpis(ipis) => booted.cells.last_mut().unwrap().ipis = ipis.icr,
            Body::Log(log) => booted.logs.push((log.cpu, log.text.to_owned())),
            _ => {}
        });
    booted
}

impl Booted {
    /// The boot must have ended well.
    #[track_caller]
    pub fn well(self) -> Booted {
        match &self.failure {
            None => self,
            Some(failure) => panic!("{:?}", failure.report()),
        }
    }

    /// The warnings of the analyzer that a trial breaks its strategy: one for each cell with such a trial.
    pub fn broken_strategies(&self) -> Vec<String> {
        let capture = tempfile::NamedTempFile::new().unwrap();
        fs::write(capture.path(), &self.bytes).unwrap();
        let run = Run::open(capture.path()).unwrap_or_else(|no| panic!("{:?}", no.report()));
        let mut warnings = run.warnings();
        warnings.retain(|warning| warning.contains("the strategy; the first is trial"));
        warnings
    }

    /// Every trial with its cell.
    pub fn trials(&self) -> impl Iterator<Item = (&Cell, &Trial)> {
        self.cells.iter().flat_map(|cell| cell.trials.iter().map(move |trial| (cell, trial)))
    }
}
