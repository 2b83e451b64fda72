//! The command `linux`.

use super::common::{Place, given, paths, print};
use crate::linux::{self, LinuxBoots};
use crate::runner::engine::Qemu;
use crate::runner::scenario::LONGEST_BOOT;
use crate::setup::{Needs, ensure};
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::unit::Unit;
use host_analyzer::ground::width::wrapped;
use host_analyzer::present::show;
use std::path::PathBuf;
use std::time::Duration;

/// Boot a real Linux, in serial and in parallel, and import what it traced
///
/// The run also has our strategies with the costs of the serial boots, in the simulator; the report shows all of them,
/// and what is predicted of parallel from serial. docs/linux.md explains it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask setup --linux && cargo xtask linux --smp 4
  cargo xtask linux --kernel /boot/vmlinuz-6.12.95-amd64 --smp 8 --boots 6 --append 'nosmt'")]
pub struct Linux {
    /// A bzImage, or the begin of the version of one that `setup --linux` has fetched [default: the newest of those]
    #[arg(long, value_name = "FILE|VERSION")]
    kernel: Option<String>,
    /// CPU count, the BSP included
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..))]
    smp: u16,
    /// More words for the kernel's command line
    #[arg(long, value_name = "WORDS", default_value = "", allow_hyphen_values = true)]
    append: String,
    /// An initramfs whose init prints /sys/kernel/tracing/trace and powers off [default: one of busybox]
    #[arg(long, value_name = "FILE")]
    initrd: Option<PathBuf>,
    /// What executes it: tcg or kvm
    #[arg(long, value_name = "ENGINE", default_value = "tcg", value_parser = ["tcg", "kvm"])]
    engine: String,
    /// Boots in each mode
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    boots: u32,
    /// How long a boot may take
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=LONGEST_BOOT))]
    limit_seconds: u64,
    #[command(flatten)]
    place: Place,
}

impl Linux {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        ensure(Needs { qemu: true, ..Needs::NONE }, false)?;
        let base = Qemu::named(&self.engine).unwrap_or(Qemu::Tcg);
        let boots = LinuxBoots {
            engine: base.engine(),
            kernel: linux::kernel(self.kernel.as_deref())?,
            initrd: self.initrd,
            smp: self.smp,
            append: self.append,
            boots: self.boots,
            limit: Duration::from_secs(self.limit_seconds),
        };
        let run = linux::execute(&boots, given(), &self.place.folder())?;
        print(&wrapped(&show::table(&run, Unit::Auto)))?;
        print(&wrapped(&show::predicted_of_logs(&run)))?;
        print(&paths(&run.path))?;
        run.verdict()
    }
}
