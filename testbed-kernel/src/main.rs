//! The testbed kernel: wakes every CPU of the machine, stamps each step, and sends the stamps over
//! the serial port. This page is its table of contents.
#![cfg_attr(feature = "freestanding", no_std, no_main)]

#[cfg(feature = "freestanding")]
mod entry;

// `boot.s` calls this by name, on CPU 0's stack.
#[cfg(feature = "freestanding")]
#[unsafe(no_mangle)]
extern "C" fn bsp_main(protocol: u32, info: u32) -> ! {
    use bringup::plan;
    use testbed_kernel::*;

    let traps = entry::trap_entries();
    // SAFETY: no AP runs yet, and this is CPU 0.
    unsafe {
        cpu::set_up(bringup::CpuIndex::BSP); //     GDT, TSS with IST stacks
        traps::install(&traps); //                  IDT
    }
    let image = entry::image();
    let boot = boot::read(protocol, info); //       command line, memory map, root of ACPI
    boot.memory.require(image.all.clone()); //      there is memory for the kernel
    let options = plan::boot_options(boot.command_line)
        .unwrap_or_else(|wrong| failure::fail_for_options(&wrong));
    let root = options.rsdp.map(|at| boot::Root::Rsdp(at as usize)).or(boot.root);
    let tables = tables::Tables::find(root); //     ACPI
    serial::open(options.serial.or_else(|| tables.serial_port())); // the serial port
    pic::silence(); //                              no legacy interrupts
    let mut pool = pool::Pool::new(boot.memory.clone(), image.all.clone());
    let machine = machine::find(&tables, options.apic, &mut pool); // CPUs, mode of their APICs
    machine.make_room(&mut pool); //                stacks and slots
    // SAFETY: as above, and interrupts are off.
    unsafe { traps::install(&traps) }; //           now that the mode is known
    let page = trampoline::install(entry::trampoline_code(), &boot.memory); // where APs begin
    paging::set_up(image, page, &mut pool); //      no page both writable and executable
    apic::set_up(); //                              local APIC
    apic::end_interrupts_in_service(); //           of a kernel before this one
    let clock = frequency::measure(&tables, options.tsc_source); // TSC and APIC timer frequency
    let plan = hello::say(&boot, &machine, &clock); //       Hello, one Cpu frame each, the plan
    trial::run_all(&plan, &machine, &clock, page); //        all cells, all trials
    stream::goodbye(); //                           frames sent, stamps dropped
    exit::exit(bringup::contract::Exit::Success) // the engine ends
}

#[cfg(not(feature = "freestanding"))]
fn main() {
    eprintln!("this is a kernel and does not run here: `cargo xtask run` builds and boots it");
    std::process::exit(2);
}
