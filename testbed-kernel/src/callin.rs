//! The callin: what a CPU sets up for itself before the BSP gives it work, and the comparison of its registers with the
//! BSP's.

use crate::apic::{self, IA32_APIC_BASE, mode};
use crate::clock::{self, IA32_TSC_ADJUST};
use crate::stream;
use bringup::CpuIndex;
use bringup::options::{Fault, Faults};
use core::arch::asm;
use core::fmt;
use raw_cpuid::native_cpuid::cpuid_count;
use raw_cpuid::{CpuId, CpuIdResult, FeatureInfo};
use spin::Once;
use x86_64::registers::control::{Cr4, Cr4Flags, Efer};
use x86_64::registers::model_specific::Msr;
use x86_64::registers::mxcsr::{self, MxCsr};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

const IA32_PAT: u32 = 0x277;
const IA32_MTRRCAP: u32 = 0xfe;
const IA32_MTRR_DEF_TYPE: u32 = 0x2ff;
const IA32_MTRR_PHYSBASE0: u32 = 0x200;
/// The eleven fixed-range MTRRs, 64 KiB, 16 KiB and 4 KiB ranges.
const FIXED_MTRRS: [u32; 11] =
    [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
/// `IA32_MTRRCAP`: number of variable ranges.
const MTRRCAP_VARIABLE: u64 = 0xff;
/// `IA32_MTRRCAP`: there are fixed ranges.
const MTRRCAP_FIXED: u64 = 1 << 8;
/// Variable ranges that are compared; no CPU has more.
const MAX_VARIABLE: u64 = 16;

/// Leaf 1, ECX: XSAVE and XCR0.
const XSAVE: u32 = 1 << 26;
/// Leaf 1, ECX: mirrors CR4.OSXSAVE.
const OSXSAVE: u32 = 1 << 27;
/// Leaf 7, ECX: mirrors CR4.PKE.
const OSPKE: u32 = 1 << 4;

/// A register of a CPUID leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gpr {
    Eax,
    Ebx,
    Ecx,
    Edx,
}

/// A register that must be the same on all CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Register {
    /// A register of a CPUID leaf, less the bits that may differ.
    Cpuid(u32, Gpr, u32),
    /// A model-specific register.
    Msr(u32),
    Cr4,
    Efer,
    Xcr0,
}

impl Register {
    fn read(self) -> u64 {
        match self {
            Register::Cpuid(leaf, register, ignored) => {
                let CpuIdResult { eax, ebx, ecx, edx } = cpuid_count(leaf, 0);
                let value = match register {
                    Gpr::Eax => eax,
                    Gpr::Ebx => ebx,
                    Gpr::Ecx => ecx,
                    Gpr::Edx => edx,
                };
                (value & !ignored).into()
            }
            Register::Msr(IA32_APIC_BASE) => read_msr(IA32_APIC_BASE) & !mode::BSP,
            Register::Msr(msr) => read_msr(msr),
            Register::Cr4 => Cr4::read_raw(),
            Register::Efer => Efer::read_raw(),
            Register::Xcr0 => XCr0::read_raw(),
        }
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Register::Cpuid(leaf, register, _) => write!(f, "CPUID leaf {leaf:#x} {register:?}"),
            Register::Msr(IA32_PAT) => f.write_str("IA32_PAT"),
            Register::Msr(IA32_APIC_BASE) => f.write_str("IA32_APIC_BASE"),
            Register::Msr(IA32_TSC_ADJUST) => f.write_str("IA32_TSC_ADJUST"),
            Register::Msr(msr) => write!(f, "MSR {msr:#x} (MTRR)"),
            Register::Cr4 => f.write_str("CR4"),
            Register::Efer => f.write_str("EFER"),
            Register::Xcr0 => f.write_str("XCR0"),
        }
    }
}

/// The values of these registers on one CPU. Room for 8 of CPUID, 48 MSRs and 3 others.
type Features = heapless::Vec<(Register, u64), 64>;

/// How an AP differs from the BSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How many registers differ.
    pub count: u16,
    /// Which of the compared registers is the first.
    pub first: u16,
    /// Its value on the AP.
    pub value: u64,
}

static BSP: Once<Features> = Once::new();

/// Sets this CPU up, and compares an AP with the BSP, which must have called this before.
pub fn set_up(cpu: CpuIndex, faults: u8) -> Option<Difference> {
    raise(faults);
    set_up_fpu();
    apic::set_up_local_interrupts();
    if cpu == CpuIndex::BSP {
        BSP.call_once(enumerate);
        return None;
    }
    let pat = plant_difference(faults);
    let difference = BSP.get().and_then(compare);
    if let Some(pat) = pat {
        write_msr(IA32_PAT, pat);
    }
    difference
}

fn compare(bsp: &Features) -> Option<Difference> {
    let read = (0..).zip(bsp).map(|(at, (register, bsp))| (at, register.read(), *bsp));
    let mut differing = read.filter(|(_, ap, bsp)| ap != bsp);
    let (first, value, _) = differing.next()?;
    Some(Difference { count: 1 + differing.count() as u16, first, value })
}

/// Reports, between trials, how many registers of an AP differ from the BSP's.
pub fn report(cpu: CpuIndex, Difference { count, first, value }: Difference) {
    let Some((register, bsp)) = BSP.get().and_then(|bsp| bsp.get(usize::from(first))) else {
        return;
    };
    stream::log(
        cpu,
        format_args!(
            "{count} registers differ from the BSP's; the first: {register} is {value:#x}, \
             on the BSP {bsp:#x}"
        ),
    );
}

/// The faults planted on a CPU, a bit each, as [`set_up`] takes them.
pub fn fault_bits(faults: &Faults, cpu: CpuIndex) -> u8 {
    Fault::ALL.iter().filter(|fault| faults.hit(**fault, cpu)).map(|fault| bit(*fault)).sum()
}

fn bit(fault: Fault) -> u8 {
    1 << fault as u8
}

/// Raises the planted faults that end the boot.
fn raise(faults: u8) {
    if faults & bit(Fault::Trap) != 0 {
        // SAFETY: raises the invalid-opcode exception, whose handler ends the boot.
        unsafe { asm!("ud2") };
    }
    if faults & bit(Fault::Panic) != 0 {
        panic!("a panic was planted here");
    }
}

/// Moves this CPU's counter, if that fault is planted and it has `IA32_TSC_ADJUST`; gives by how many cycles. In later trials the
/// register has the value already: a sync that moves it puts it back.
pub fn plant_adjustment(faults: u8) -> i64 {
    const PLANTED: i64 = 10_000;
    if faults & bit(Fault::Adjust) == 0 || !clock::has_tsc_adjust() {
        return 0;
    }
    // SAFETY: the register is there; the AP has stamped its entry alone, which moves along.
    unsafe { clock::set_tsc_adjust(PLANTED) }
}

/// Makes this CPU differ from the BSP, if that fault is planted; returns the PAT to restore.
fn plant_difference(faults: u8) -> Option<u64> {
    (faults & bit(Fault::Differ) != 0).then(|| {
        let pat = read_msr(IA32_PAT);
        // Changes entries 6 and 7 of the table; all memory is mapped with entries 0 and 3.
        write_msr(IA32_PAT, pat ^ 0x0101_0000_0000_0000);
        pat
    })
}

/// x87, SSE and, where there is XSAVE, its features: all at their reset values, nothing pending.
fn set_up_fpu() {
    let has_xsave = cpuid_count(1, 0).ecx & XSAVE != 0;
    // SAFETY: FNINIT only resets the x87 state, which no code here keeps anything in.
    unsafe { asm!("fninit", options(nomem, nostack)) };
    mxcsr::write(MxCsr::default());
    if has_xsave {
        // SAFETY: CPUID says that CR4 has the bit and that XCR0 is there; this kernel's code uses only x87 and SSE.
        unsafe {
            Cr4::update(|flags| flags.insert(Cr4Flags::OSXSAVE));
            XCr0::write(XCr0Flags::X87 | XCr0Flags::SSE);
        }
    }
}

/// Reads every register that must be the same on all CPUs and that this CPU has.
fn enumerate() -> Features {
    use Gpr::{Eax, Ebx, Ecx, Edx};
    let cpuid = CpuId::new();
    let info = cpuid.get_feature_info();
    let has = |feature: fn(&FeatureInfo) -> bool| info.as_ref().is_some_and(feature);
    let mut features = Features::new();
    let mut note = |register: Register| {
        // The vector has room for all.
        let _ = features.push((register, register.read()));
    };
    note(Register::Cpuid(1, Eax, 0));
    note(Register::Cpuid(1, Ecx, OSXSAVE));
    note(Register::Cpuid(1, Edx, 0));
    if cpuid.get_extended_feature_info().is_some() {
        note(Register::Cpuid(7, Ebx, 0));
        note(Register::Cpuid(7, Ecx, OSPKE));
        note(Register::Cpuid(7, Edx, 0));
    }
    note(Register::Cpuid(0x8000_0001, Ecx, 0));
    note(Register::Cpuid(0x8000_0001, Edx, 0));
    note(Register::Cr4);
    note(Register::Efer);
    note(Register::Msr(IA32_APIC_BASE));
    if clock::has_tsc_adjust() {
        note(Register::Msr(IA32_TSC_ADJUST));
    }
    if has(FeatureInfo::has_pat) {
        note(Register::Msr(IA32_PAT));
    }
    if has(FeatureInfo::has_mtrr) {
        let capabilities = read_msr(IA32_MTRRCAP);
        note(Register::Msr(IA32_MTRRCAP));
        note(Register::Msr(IA32_MTRR_DEF_TYPE));
        if capabilities & MTRRCAP_FIXED != 0 {
            FIXED_MTRRS.iter().for_each(|msr| note(Register::Msr(*msr)));
        }
        let variable = (capabilities & MTRRCAP_VARIABLE).min(MAX_VARIABLE) as u32;
        (0..2 * variable).for_each(|at| note(Register::Msr(IA32_MTRR_PHYSBASE0 + at)));
    }
    if has(FeatureInfo::has_xsave) {
        note(Register::Xcr0);
    }
    features
}

fn read_msr(msr: u32) -> u64 {
    // SAFETY: the callers read architectural MSRs that CPUID or IA32_MTRRCAP says are there.
    unsafe { Msr::new(msr).read() }
}

fn write_msr(msr: u32, value: u64) {
    // SAFETY: both callers write IA32_PAT: with entries changed that no mapping uses, and back to what was read.
    unsafe { Msr::new(msr).write(value) }
}
