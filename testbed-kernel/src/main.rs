//! The testbed kernel: wakes every CPU of the machine, stamps each step, and sends the stamps over
//! the serial port. This page is its table of contents.
#![cfg_attr(feature = "freestanding", no_std, no_main)]

#[cfg(feature = "freestanding")]
mod entry;

// `boot.s` calls this by name, on CPU 0's stack.
#[cfg(feature = "freestanding")]
#[unsafe(no_mangle)]
extern "C" fn bsp_main(start_info: u32) -> ! {
    use testbed_kernel::*;

    serial::open(); //                              the serial port
    // SAFETY: no AP runs yet, and this is CPU 0.
    unsafe {
        cpu::set_up(bringup::CpuIndex::BSP); //     GDT, TSS with IST stacks
        traps::install(entry::trap_entries()); //   IDT
    }
    let boot = boot::read(start_info); //           command line, RSDP, memory map
    boot.require(entry::image()); //                there is memory for the rest
    cpu::guard_stacks(); //                         an overflow is noticed
    pic::silence(); //                              no legacy interrupts
    let machine = machine::find(boot.rsdp); //      CPUs and PM timer, by ACPI
    apic::set_up(); //                              local APIC, xAPIC mode
    let clock = clock::measure(machine.pm_timer.as_ref()); // TSC and APIC timer frequency
    trampoline::install(entry::trampoline_code(), &boot); // where APs begin
    let plan = hello::say(&boot, &machine, &clock); //       Hello, one Cpu frame each, the plan
    trial::run_all(&plan, &machine, &clock); //     all cells, all trials
    stream::goodbye(); //                           frames sent, stamps dropped
    exit::exit(bringup::contract::Exit::Success) // the engine ends
}

#[cfg(not(feature = "freestanding"))]
fn main() {
    eprintln!("this is a kernel and does not run here: `cargo xtask run` builds and boots it");
    std::process::exit(2);
}
