//! What a text of a log says about a bring-up. The spellings are those of Linux 2.6 to 6.12.

use super::line::TRACE_EVENTS;

/// What a text says.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// `cpuhp_enter`, `cpuhp_multi_enter`: a CPU's hotplug step begins. The function may be cut off.
    Enter { cpu: u32, target: u32, step: u32, name: &'a str },
    /// `cpuhp_exit`: a hotplug step has ended.
    Exit { cpu: u32, state: u32, step: u32, ret: i64 },
    /// A trace event or a stage line that is cut off, or whose numbers can't be read.
    Torn,
    /// The end of a torn one: the function of a step, or the rest of a stage line.
    Rest,
    /// The head of tracefs' `trace` file: events in it, and written.
    Buffer { kept: u64, written: u64 },
    /// `Bringing up secondary CPUs`, `Booting SMP configuration`: a bring-up begins.
    Begin,
    /// `node #0, CPUs: #1 #2` and the like: CPUs in the order in which they were started.
    Listed(Vec<u32>),
    /// `Brought up 1 node, 4 CPUs`: CPUs that are online.
    BroughtUp(u32),
    /// An AP did not come up.
    Failed { cpu: u32, what: &'a str },
    /// The TSCs of two CPUs do not agree.
    Warp(&'a str),
    /// The kernel has stopped.
    Panic(&'a str),
    /// `Linux version 6.12.107 …`: a boot begins.
    Version(&'a str),
    /// The kernel's command line.
    CommandLine(&'a str),
    /// `CPU0: Intel(R) … (family: …)`: the model of the CPUs.
    Model(&'a str),
    /// `tsc: Detected 2596.081 MHz processor`, in kHz.
    Tsc(u64),
    /// `Total of 4 processors activated (18552.38 BogoMIPS)`: twice the TSC's MHz for each CPU where the kernel took the
    /// delay loop's value from the TSC; here as kHz of one.
    Bogomips(u64),
    /// `sched_clock: Marking stable`: when, and by how much printk's clock differs from the monotonic one; nanoseconds.
    Stable { at: i64, offset: i64 },
    /// `CPU#10 up in a, b, c, d ( total)`: the four stages of an AP, in cycles; the debug patch of 2021.
    Row { cpu: u32, stages: [u64; 4], total: u64 },
    /// `Brought 27 CPUs to x86/cpu:kick in N cycles`.
    KickLoop(u64),
    /// `Brought 27 CPUs to x86/cpu:wait-init in N cycles`.
    WaitInit(u64),
    /// `Brought CPUs online in N cycles`.
    OnlineLoop(u64),
}

/// What a text says; `None` where it is about something else.
pub fn read(text: &str) -> Option<Event<'_>> {
    hotplug(text)
        .or_else(|| stages(text))
        .or_else(|| listed(text))
        .or_else(|| totals(text))
        .or_else(|| trouble(text))
        .or_else(|| machine(text))
        .or_else(|| rest(text))
}

/// The first whole number in a text: spaces, signs of a list and leading zeros are passed over.
fn number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let text = text.trim_start_matches([' ', '\t', '#']);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse::<u64>().ok()?.try_into().ok()
}

/// The number behind a key.
fn field<T: TryFrom<u64>>(text: &str, key: &str) -> Option<T> {
    number(after(text, key)?)
}

fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.find(key).map(|at| &text[at + key.len()..])
}

/// What is between two texts, or from the first to the end.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    after(text, from).map(|rest| rest.split(to).next().unwrap_or(rest).trim())
}

fn hotplug(text: &str) -> Option<Event<'_>> {
    let name = TRACE_EVENTS.into_iter().find(|name| text.starts_with(name))?;
    let fields = &text[name.len()..];
    let exit = || {
        let ret = after(fields, "ret:")?.split_ascii_whitespace().next()?;
        let (cpu, state, step) =
            (field(fields, "cpu:")?, field(fields, "state:")?, field(fields, "step:")?);
        Some(Event::Exit { cpu, state, step, ret: ret.parse().ok()? })
    };
    let enter = || {
        let (cpu, target, step) =
            (field(fields, "cpu:")?, field(fields, "target:")?, field(fields, "step:")?);
        let name =
            after(fields, "(").and_then(|rest| rest.split_once(')')).map_or("", |(name, _)| name);
        Some(Event::Enter { cpu, target, step, name })
    };
    Some(if name == "cpuhp_exit:" { exit() } else { enter() }.unwrap_or(Event::Torn))
}

fn stages(text: &str) -> Option<Event<'_>> {
    let row = text.strip_prefix("CPU#").filter(|rest| rest.contains(" up in"))?;
    let read = || {
        let (stages, total) = after(row, " up in")?.split_once('(')?;
        let mut stages = stages.split(',').map(number);
        let mut stage = || stages.next().flatten();
        let stages = [stage()?, stage()?, stage()?, stage()?];
        // Without the bracket at its end the number may be cut.
        let total = number(total.split_once(')')?.0)?;
        Some(Event::Row { cpu: number(row)?, stages, total })
    };
    Some(read().unwrap_or(Event::Torn))
}

fn listed(text: &str) -> Option<Event<'_>> {
    let cpus = |list: &str| {
        let numbers = list.split(|c: char| c == '#' || c.is_whitespace());
        let numbers = numbers.filter_map(|word| word.parse().ok());
        Event::Listed(numbers.collect())
    };
    let lower_node = text.contains("node ") && text.contains("CPUs:");
    if lower_node {
        return after(text, "CPUs:").map(cpus);
    }
    if let Some(list) = text.strip_prefix("Booting Node").and_then(|rest| after(rest, "Processors"))
    {
        return Some(cpus(list));
    }
    for one in ["Booting processor ", "installing Xen timer for CPU "] {
        if let Some(cpu) = after(text, one).and_then(number) {
            return Some(Event::Listed(vec![cpu]));
        }
    }
    // A list goes on, with nothing else in the text.
    let word = |word: &str| {
        word.strip_prefix('#').is_some_and(|cpus| {
            !cpus.is_empty() && cpus.split('#').all(|cpu| cpu.parse::<u32>().is_ok())
        })
    };
    text.split_ascii_whitespace().all(word).then(|| cpus(text)).filter(|_| !text.is_empty())
}

fn totals(text: &str) -> Option<Event<'_>> {
    if text.contains("Bringing up secondary CPUs") || text.contains("Booting SMP configuration") {
        return Some(Event::Begin);
    }
    if let Some(rest) = after(text, "Brought CPUs online in ") {
        return Some(number(rest).map_or(Event::Torn, Event::OnlineLoop));
    }
    let loops = after(text, "Brought ").and_then(|rest| rest.split_once(" CPUs to "));
    if let Some((_, rest)) = loops {
        let Some(cycles) = after(rest, " in ").and_then(number) else { return Some(Event::Torn) };
        let step = rest.split(' ').next().unwrap_or_default();
        return match step.rsplit(':').next() {
            Some("kick") => Some(Event::KickLoop(cycles)),
            Some("wait-init") => Some(Event::WaitInit(cycles)),
            _ => None,
        };
    }
    // `Brought up 1 node, 4 CPUs`, `Booted up 1 node, 4 CPUs`, `Brought up 4 CPUs`.
    let up = after(text, "Brought up ").or_else(|| after(text, "Booted up "))?;
    let (cpus, _) = up.split_once(" CPU")?;
    number(cpus.rsplit([',', ' ']).next()?).map(Event::BroughtUp)
}

fn trouble(text: &str) -> Option<Event<'_>> {
    let failed = |cpu: &'static str| Some(Event::Failed { cpu: field(text, cpu)?, what: text });
    if text.contains("failed to report")
        || text.contains(": Not responding")
        || text.contains(": Stuck ")
    {
        return failed("CPU");
    }
    if text.contains("do_boot_cpu failed") {
        return failed("CPU#").or_else(|| failed("CPU"));
    }
    let warp = text.contains(" TSC warp between CPUs")
        || text.contains("TSC warped randomly")
        || text.contains("TSC ADJUST compensate")
        || text.contains("Marking TSC unstable due to check_tsc_sync");
    if warp {
        return Some(Event::Warp(text));
    }
    let panic = ["Kernel panic - not syncing", "BUG: ", "Oops: "];
    panic.into_iter().any(|word| text.starts_with(word)).then_some(Event::Panic(text))
}

fn machine(text: &str) -> Option<Event<'_>> {
    if let Some(rest) = text.strip_prefix("Linux version ") {
        return Some(Event::Version(rest.split(' ').next().unwrap_or(rest)));
    }
    for key in ["Kernel command line: ", "Command line: "] {
        if let Some(rest) = text.strip_prefix(key) {
            return Some(Event::CommandLine(rest));
        }
    }
    if text.contains("CPU0: ") && text.contains("(family: ") {
        return between(text, "CPU0: ", "(family: ").map(Event::Model);
    }
    if let Some(rest) = after(text, "tsc: Detected ") {
        let mhz: f64 = rest.split(' ').next()?.parse().ok()?;
        return frequency(mhz * 1000.0).map(Event::Tsc);
    }
    if let Some((cpus, rest)) =
        after(text, "Total of ").and_then(|rest| rest.split_once(" processors activated ("))
    {
        let (cpus, mips): (u32, f64) = (number(cpus)?, rest.split(' ').next()?.parse().ok()?);
        return frequency(mips * 1000.0 / 2.0 / f64::from(cpus)).map(Event::Bogomips);
    }
    if let Some(rest) = after(text, "sched_clock: Marking stable (") {
        let mut numbers = rest
            .split(|c: char| !c.is_ascii_digit() && c != '-')
            .filter(|word| !word.is_empty() && *word != "-");
        let at = numbers.next()?.parse().ok()?;
        return Some(Event::Stable { at, offset: numbers.nth(2)?.parse().ok()? });
    }
    if let Some(rest) = after(text, "entries-in-buffer/entries-written: ") {
        let (kept, written) = rest.split_once('/')?;
        return Some(Event::Buffer { kept: number(kept)?, written: number(written)? });
    }
    None
}

/// A frequency in kHz that a TSC can have.
fn frequency(khz: f64) -> Option<u64> {
    (1.0..=f64::from(u32::MAX)).contains(&khz).then(|| khz.round() as u64)
}

/// The end of a torn text: `(smpboot_create_threads)`, or numbers up to the bracket of a stage line's total.
fn rest(text: &str) -> Option<Event<'_>> {
    let name = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let is_name = name.is_some_and(|name| !name.is_empty() && !name.contains([' ', '(']));
    let is_numbers = text.ends_with(')')
        && text.bytes().all(|byte| byte.is_ascii_digit() || b" ,()".contains(&byte));
    let keys = ["cpu:", "target:", "step:", "state:", "ret:"];
    let is_fields = keys.iter().any(|key| text.starts_with(key))
        || text.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
            && keys.iter().any(|key| text.contains(key));
    (is_name || is_numbers || is_fields).then_some(Event::Rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hotplug_events_are_read() {
        let enter = read("cpuhp_enter: cpu: 0001 target: 236 step:  86 (cpuhp_bringup_ap)");
        assert_eq!(
            enter,
            Some(Event::Enter { cpu: 1, target: 236, step: 86, name: "cpuhp_bringup_ap" })
        );
        let multi =
            read("cpuhp_multi_enter: cpu: 0031 target:  42 step:  59 (trace_rb_cpu_prepare)");
        assert!(matches!(multi, Some(Event::Enter { cpu: 31, step: 59, .. })));
        let exit = read("cpuhp_exit:  cpu: 0001  state: 236 step:  86 ret: -110");
        assert_eq!(exit, Some(Event::Exit { cpu: 1, state: 236, step: 86, ret: -110 }));
        let unnamed = read("cpuhp_enter: cpu: 0001 target: 236 step:  86");
        assert_eq!(unnamed, Some(Event::Enter { cpu: 1, target: 236, step: 86, name: "" }));
        for torn in [
            "cpuhp_enter:",
            "cpuhp_enter: cpu: 0001 target: 23",
            "cpuhp_exit:  cpu: 0001  state: 236 step:  86",
            "cpuhp_exit: cpu: x state: 1 step: 1 ret: 0",
            "cpuhp_exit: cpu: 99999999999 state: 1 step: 1 ret: 0",
        ] {
            assert_eq!(read(torn), Some(Event::Torn), "{torn}");
        }
    }

    #[test]
    fn cpus_are_listed_in_many_ways() {
        let list = |cpus: &[u32]| Some(Event::Listed(cpus.to_vec()));
        assert_eq!(read(".... node  #0, CPUs:        #2  #4 #16"), list(&[2, 4, 16]));
        assert_eq!(read("#21  #22"), list(&[21, 22]));
        assert_eq!(read("Booting Node   0, Processors  #1 #2 #3 OK"), list(&[1, 2, 3]));
        assert_eq!(read("Booting Node   1, Processors  #1#2"), list(&[1, 2]));
        assert_eq!(read("smpboot: Booting processor 3 APIC 0x6"), list(&[3]));
        assert_eq!(read("installing Xen timer for CPU 8"), list(&[8]));
        assert_eq!(read("Oops: 0002 [#1] SMP PTI"), Some(Event::Panic("Oops: 0002 [#1] SMP PTI")));
        assert_eq!(read("#1 is no list"), None);
    }

    #[test]
    fn the_stage_lines_of_2021_are_read() {
        let row = read("CPU#10 up in 192950, 952898, 60014786, 28 ( 61160662)");
        let stages = [192_950, 952_898, 60_014_786, 28];
        assert_eq!(row, Some(Event::Row { cpu: 10, stages, total: 61_160_662 }));
        assert_eq!(read("CPU#10 up in 192950, 952898, 600"), Some(Event::Torn));
        assert_eq!(read("CPU#10 up in 1, 2, 3, 4 ( 61160"), Some(Event::Torn));
        assert_eq!(read("60014786, 28 ( 61160662)"), Some(Event::Rest));
        let kick = read("Brought 27 CPUs to x86/cpu:kick in 34828752 cycles");
        assert_eq!(kick, Some(Event::KickLoop(34_828_752)));
        let wait = read("Brought 95 CPUs to x86/cpu:wait-init in 5178300 cycles");
        assert_eq!(wait, Some(Event::WaitInit(5_178_300)));
        assert_eq!(
            read("Brought CPUs online in 124913032 cycles"),
            Some(Event::OnlineLoop(124_913_032))
        );
    }

    #[test]
    fn the_end_and_the_machine_are_read() {
        for text in [
            "smp: Brought up 1 node, 4 CPUs",
            "x86: Booted up 2 nodes, 4 CPUs",
            "Brought up 4 CPUs",
        ] {
            assert_eq!(read(text), Some(Event::BroughtUp(4)), "{text}");
        }
        let stable =
            read("sched_clock: Marking stable (1688106686, 29167270)->(1833503672, -116229716)");
        assert_eq!(stable, Some(Event::Stable { at: 1_688_106_686, offset: -116_229_716 }));
        assert_eq!(read("tsc: Detected 2596.081 MHz processor"), Some(Event::Tsc(2_596_081)));
        for none in ["tsc: Detected 0.000 MHz", "tsc: Detected nan MHz", "tsc: Detected 1e300 MHz"]
        {
            assert_eq!(read(none), None, "{none}");
        }
        let total = read("smpboot: Total of 28 processors activated (145259.85 BogoMIPS)");
        assert_eq!(total, Some(Event::Bogomips(2_593_926)));
        assert_eq!(
            read("Linux version 6.12.0-rc4 (x@y) (gcc)"),
            Some(Event::Version("6.12.0-rc4"))
        );
    }

    #[test]
    fn trouble_is_read() {
        let failed = |text| matches!(read(text), Some(Event::Failed { cpu: 3, .. }));
        assert!(failed("CPU3 failed to report alive state"));
        assert!(failed("smpboot: do_boot_cpu failed(-1) to wakeup CPU#3"));
        assert!(failed("CPU3: Not responding."));
        for warp in [
            "Measured 1204 cycles TSC warp between CPUs, turning off TSC clock.",
            "TSC warped randomly between CPUs",
            "TSC ADJUST compensate: CPU2 observed 40 warp. Adjust: 40",
            "tsc: Marking TSC unstable due to check_tsc_sync_source failed",
        ] {
            assert_eq!(read(warp), Some(Event::Warp(warp)));
        }
    }
}
