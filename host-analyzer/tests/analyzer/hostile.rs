//! Captures and run folders that nobody means well with: the largest numbers, text that steers terminals.

use crate::runs::changed;
use crate::simulated::{boot, encoded, folder, manifest, run_folder, write_manifest};
use bringup::exchange::{OffsetInterval, SyncVerdict};
use bringup::frame::{
    ApEnd, ApTimeline, Body, CellBegin, Cpu, Error, Frame, Goodbye, Log, Sync, TrialBegin, TrialEnd,
};
use bringup::stamp::{Stamp, Stamps};
use bringup::{ApicId, CpuIndex, Cycles};
use fastrand::Rng;
use host_analyzer::ground::unit::Unit;
use host_analyzer::judge::check::budgets::Budgets;
use host_analyzer::judge::check::check;
use host_analyzer::judge::compare::{Settings, compare};
use host_analyzer::judge::fit::{WakeShare, fit};
use host_analyzer::judge::predict::{Wanted, predictions};
use host_analyzer::judge::{published, simulated};
use host_analyzer::present::export::{self, Format, Shown};
use host_analyzer::present::profile::profile;
use host_analyzer::present::show;
use host_analyzer::present::{self, decode, report};
use host_analyzer::run::Run;
use host_analyzer::source::capture;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

/// A number at an end of its range, or a small one.
fn signed(random: &mut Rng) -> i64 {
    let ends = [i64::MIN, i64::MIN + 1, -1, 0, 1, 1000, i64::MAX / 2, i64::MAX - 1, i64::MAX];
    random.choice(ends).unwrap()
}

fn unsigned(random: &mut Rng) -> u64 {
    random.choice([0, 1, 1000, u64::MAX / 2, u64::MAX - 1, u64::MAX]).unwrap()
}

fn interval(random: &mut Rng) -> OffsetInterval {
    let (lo, hi) = (signed(random), signed(random));
    let samples = |random: &mut Rng| random.choice([0, 1, u32::MAX]).unwrap();
    OffsetInterval { lo, hi, lo_samples: samples(random), hi_samples: samples(random) }
}

/// An AP whose stamps are in order or not, but far apart.
fn timeline(random: &mut Rng, cpu: u16) -> ApTimeline {
    let mut at: Vec<i64> = Stamp::ALL.iter().map(|_| signed(random)).collect();
    if random.bool() {
        at.sort_unstable();
    }
    let mut stamps = Stamps::default();
    for (stamp, at) in Stamp::ALL.into_iter().zip(at) {
        if random.u8(..) > 8 {
            stamps.set(stamp, at);
        }
    }
    let sync = Sync {
        verdict: random.choice(SyncVerdict::ALL).unwrap(),
        windows: u8::MAX,
        first: random.bool().then(|| interval(random)),
        correction: signed(random),
        in_hardware: random.bool(),
    };
    ApTimeline {
        cpu: CpuIndex(cpu),
        end: random.choice([ApEnd::Online, ApEnd::Online, ApEnd::Lost(None)]).unwrap(),
        starts: random.choice([0, 1, u32::MAX]).unwrap(),
        stamps,
        entry_raw: random.bool().then(|| signed(random)),
        offset: random.bool().then(|| interval(random)),
        sync: random.bool().then_some(sync),
        tsc_adjust: random.bool().then(|| signed(random)),
        overruns: [(); 6].map(|()| unsigned(random)),
    }
}

/// A boot of three CPUs with two cells.
fn extreme(random: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut number = 0;
    let mut send = |body: Body<'_>| {
        bytes.extend(encoded(&Frame { number, body }));
        number += 1;
    };
    bringup::sim::boot("", 3, 1, |frame| {
        if let Body::Hello(hello) = &frame.body {
            let mut hello = hello.clone();
            hello.tsc_khz = unsigned(random);
            hello.tsc_spread_khz = unsigned(random);
            send(Body::Hello(hello));
        }
    })
    .unwrap();
    for cpu in 0..3 {
        let [package, core, thread] = [u32::MAX; 3];
        let (cpu, apic_id) = (CpuIndex(cpu), ApicId(u32::MAX));
        send(Body::Cpu(Cpu { cpu, apic_id, package, core, thread, node: Some(u32::MAX) }));
    }
    for cell in 0..2 {
        let options = ["strategy=serial repetitions=2", "strategy=full-parallel repetitions=2"];
        send(Body::CellBegin(CellBegin { cell, options: options[usize::from(cell)] }));
        for trial in u32::from(cell)..=2 {
            let (cold, zero) = (cell == 0 && trial == 0, unsigned(random));
            send(Body::TrialBegin(TrialBegin { cell, trial, cold, zero }));
            (1..3).for_each(|cpu| send(Body::ApTimeline(timeline(random, cpu))));
            let (total, kick_loop) = (Cycles(unsigned(random)), Cycles(unsigned(random)));
            send(Body::TrialEnd(TrialEnd { total, kick_loop, lost: u16::MAX }));
        }
    }
    send(Body::Log(Log { cpu: CpuIndex(u16::MAX), text: "" }));
    if random.bool() {
        let (error_code, rip, cr2) = (u64::MAX, u64::MAX, u64::MAX);
        let cpu = CpuIndex(u16::MAX);
        send(Body::Error(Error::Exception { cpu, vector: u8::MAX, error_code, rip, cr2 }));
    }
    send(Body::Goodbye(Goodbye { frames: u32::MAX, stamps_dropped: u32::MAX }));
    bytes
}

/// Everything that the commands do with a run, but for the report.
fn every_command(run: &Run, budgets: &Budgets) {
    for unit in [Unit::Auto, Unit::Cycles, Unit::Us, Unit::Ms] {
        show::table(run, unit);
        show::tsc_sync_table(run, unit);
    }
    let _ = (show::json(run), show::tsc_sync_json(run), show::cpu_lines(run));
    for shown in [Shown::Median, Shown::All] {
        for format in [Format::Csv, Format::Jsonl, Format::Perfetto] {
            let _ = export::write(run, format, shown, &mut Vec::new());
        }
    }
    if let Ok(rows) = simulated::rows(run) {
        show::simulated_table(run, &rows);
        show::simulated_json(run, &rows);
    }
    for cell in &run.cells {
        let _ = fit(run, cell).and_then(|fitted| profile(&fitted, WakeShare::HALF, &[]));
    }
    let made = predictions(run, &Wanted { smp: vec![3, 9], ..Wanted::default() });
    show::predicted_table(run, &made);
    show::predicted_json(run, &made);
    if let Ok(comparison) = compare(run, run, Settings::default()) {
        present::compare::table(&comparison, true);
        present::compare::markdown(&comparison);
        present::compare::json(&comparison);
        present::compare::html(&comparison).unwrap();
    }
    // Without a clock's frequency there is no µs to judge.
    if let Ok(verdict) = check(run, budgets) {
        present::check::table(&verdict, true);
        present::check::markdown(&verdict);
        present::check::json(&verdict);
        present::check::junit(&verdict).unwrap();
        present::check::annotations(&verdict);
    }
    let _ = published::verdict::PublishedVerdict::of(run, &published::read(None).unwrap());
}

/// Tests are built with overflow checks.
#[test]
fn the_largest_numbers_in_every_frame_make_no_command_panic() {
    let (_keep, folder) = folder();
    fs::create_dir(folder.join("captures")).unwrap();
    fs::write(
        folder.join("budgets.toml"),
        "[[budget]]\nfigure = [\"total\", \"kick-loop\", \"callin\", \"wake\"]\nmax-cycles = 5\n\
         [[budget]]\nfigure = \"total\"\nmax-us = 5\n\
         [[budget]]\nfigure = [\"lost\", \"overruns\"]\nmax-count = 5\n\
         [[budget]]\ncells = { strategy = \"full-parallel\" }\nfigure = \"total\"\n\
         max-ratio-to = { strategy = \"serial\", ratio = 0.5 }\n",
    )
    .unwrap();
    let budgets = Budgets::read(&folder.join("budgets.toml")).unwrap();
    let mut random = Rng::with_seed(11);
    for round in 0..6 {
        let boots = (0..[1, 2, 6][round % 3]).map(|number| {
            let name = format!("captures/{number}.bin");
            let path = folder.join(&name);
            fs::write(&path, extreme(&mut random)).unwrap();
            capture::read(&path, |frame| {
                decode::json(frame);
                ControlFlow::Continue(())
            })
            .unwrap();
            let mut boot = boot(&name, "repetitions=2 cell cell strategy=full-parallel", 3);
            boot.exact = round % 2 == 0;
            boot
        });
        let boots = boots.collect();
        write_manifest(&folder, &manifest(boots));
        let run = Run::open(&folder).unwrap();
        every_command(&run, &budgets);
        if round == 2 {
            report::write(&run, &folder.join("report")).unwrap();
        }
    }
}

/// A command line that asks for CPUs is held against it.
#[test]
fn a_kernel_that_found_no_cpu_makes_no_command_panic() {
    let (_keep, folder) = folder();
    let budget = "[[budget]]\nfigure = \"total\"\nmax-cycles = 5\n";
    fs::write(folder.join("budgets.toml"), budget).unwrap();
    let budgets = Budgets::read(&folder.join("budgets.toml")).unwrap();
    for line in ["fault=never:1", "strategy=full-parallel cost-callin=1us,exclusive", ""] {
        let bytes = changed(line, 3, |body| {
            if let Body::Hello(hello) = body {
                hello.cpus = 0;
            }
        });
        fs::write(folder.join("0.bin"), bytes).unwrap();
        write_manifest(&folder, &manifest(vec![boot("0.bin", line, 3)]));
        every_command(&Run::open(&folder).unwrap(), &budgets);
    }
}

/// What a terminal would obey, in every text of a run; nothing of it is printed as it is.
#[test]
fn no_text_of_a_run_steers_a_terminal() {
    const EVIL: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{202e}";
    let (_keep, folder) = folder();
    let mut told = run_folder(&folder, "repetitions=1 cell wait=spin", &[2, 3]);
    let mut number = 0;
    let mut bytes = Vec::new();
    bringup::sim::boot("repetitions=1 cell wait=spin", 2, 1_000_000, |frame| {
        let mut frame = frame.clone();
        if let Body::Hello(hello) = &mut frame.body {
            (hello.kernel, hello.vendor, hello.model, hello.hypervisor) = (EVIL, EVIL, EVIL, EVIL);
        }
        frame.number = number;
        if !matches!(frame.body, Body::Goodbye(_)) {
            bytes.extend(encoded(&frame));
            number += 1;
        }
    })
    .unwrap();
    let panic = Error::Panic { cpu: CpuIndex(0), message: EVIL };
    for body in [Body::Log(Log { cpu: CpuIndex(0), text: EVIL }), Body::Error(panic)] {
        bytes.extend(encoded(&Frame { number, body }));
        number += 1;
    }
    fs::write(folder.join(&told.boots[0].capture), bytes).unwrap();
    told.scenario = EVIL.to_owned();
    told.started = EVIL.to_owned();
    for boot in &mut told.boots {
        boot.engine = EVIL.to_owned();
        boot.engine_version = EVIL.to_owned();
        boot.profiles = vec![Some(EVIL.to_owned()), None];
    }
    told.boots[1].command_line = format!("x={EVIL}");
    write_manifest(&folder, &told);
    fs::create_dir(folder.join("gone")).unwrap();
    let gone = boot(&format!("captures/{EVIL}.bin"), "", 2);
    write_manifest(&folder.join("gone"), &manifest(vec![gone]));
    let newer = CellBegin { cell: 0, options: &format!("kick={EVIL}") };
    let mut bytes = crate::simulated::frames("", 2)[..3].concat();
    bytes.extend(encoded(&Frame { number: 3, body: Body::CellBegin(newer) }));
    fs::write(folder.join("newer.bin"), bytes).unwrap();
    fs::write(folder.join("budgets.toml"), "[[budget]]\nfigure = \"total\"\nmax-us = 1\n").unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let (run, gone, newer) = (path(""), path("gone"), path("newer.bin"));
    for arguments in [
        &["show", &run][..],
        &["show", "--cpu-lines", &run],
        &["show", "--format=json", &run],
        &["tsc-sync", &run],
        &["simulated", &run],
        &["published", &run],
        &["check", "--budgets", &path("budgets.toml"), &run],
        &["check", "--budgets", &path("budgets.toml"), "--format=markdown", "--github", &run],
        &["compare", &run, &run],
        &["compare", "--format=markdown", &run, &run],
        &["compare", &run, &newer],
        &["decode", &path("captures/icount-2-1.bin")],
        &["report", &run],
        &["export", "--format=csv", "-o", &path("out.csv"), &run],
        &["show", &gone],
        &["show", &newer],
    ] {
        let output = analyzer(&folder, arguments);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(steers), "{arguments:?}: {text:?}");
        assert!(!text.is_empty());
    }
}

fn analyzer(folder: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
    command.current_dir(folder).args(arguments).env_remove("GITHUB_STEP_SUMMARY");
    command.output().unwrap()
}

#[test]
fn a_manifest_that_is_no_text_and_a_folder_of_budgets_are_requests_gone_wrong() {
    let (_keep, folder) = folder();
    run_folder(&folder, "repetitions=1", &[2]);
    let said = |arguments: &[&str]| {
        let output = analyzer(&folder, arguments);
        let text = String::from_utf8(output.stderr).unwrap().replace("\n  │ ", " ");
        assert_eq!(output.status.code(), Some(2), "{text}");
        text
    };
    let text = said(&["check", "--budgets", ".", "."]);
    assert!(text.contains("is a folder, expected a file of budgets"), "{text}");
    fs::write(folder.join("run.json"), b"{\"schema\": 1, \"scenario\": \"\xff\"}").unwrap();
    let text = said(&["show", "."]);
    assert!(text.contains("run.json can't be used: it is not UTF-8"), "{text}");
    fs::remove_file(folder.join("run.json")).unwrap();
    fs::create_dir(folder.join("run.json")).unwrap();
    let text = said(&["show", "."]);
    assert!(text.contains("run.json can't be used: it is no regular file"), "{text}");
    fs::remove_dir(folder.join("run.json")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("run.json")).status().unwrap().success());
    let text = said(&["show", "."]);
    assert!(text.contains("run.json can't be used: it is no regular file"), "{text}");
}
