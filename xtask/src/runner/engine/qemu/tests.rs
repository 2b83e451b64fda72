//! What QEMU is started with, and what its engines refuse.

use super::*;

fn arguments(engine: &Emulator) -> String {
    let start = Start {
        kernel: Some(Path::new("/k,1")),
        initrd: None,
        smp: 28,
        command_line: "strategy=serial cell",
        folder: Path::new("/run"),
        capture: "captures/icount-28-1.bin",
    };
    engine.arguments(&start).join(" ")
}

fn own(base: Qemu) -> Emulator {
    let definition = manifest::Engine {
        name: "mine".to_owned(),
        base: Some(base.name().to_owned()),
        qemu: Some("./qemu".to_owned()),
        machine: Some("pc".to_owned()),
        cpu: Some("max".to_owned()),
        topology: Some("sockets=2,threads=2".to_owned()),
        extra_args: ["-device", "edu"].map(str::to_owned).into(),
        own_words: Some("wait=spin".to_owned()),
        ..Default::default()
    };
    Emulator::defined(base, definition, Path::new("/scenarios"))
}

#[test]
fn icount_is_virtual_time_without_the_hosts_clock() {
    let text = arguments(&Qemu::Icount.engine());
    for part in [
        "-accel tcg,thread=single -icount shift=0,sleep=off -rtc base=2000-01-01,clock=vm",
        "-smp 28 -m 256",
        "-no-reboot",
        "-serial file:captures/icount-28-1.bin",
        "-kernel /k,1 -append strategy=serial cell",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn tcg_runs_a_thread_per_cpu() {
    let text = arguments(&Qemu::Tcg.engine());
    assert!(text.contains("-accel tcg,thread=multi") && !text.contains("icount "), "{text}");
}

#[test]
fn the_cpu_model_is_pinned_where_it_is_emulated() {
    assert!(arguments(&Qemu::Tcg.engine()).contains("-cpu SandyBridge-v1,"));
    assert!(arguments(&Qemu::Kvm.engine()).contains("-cpu host,"));
}

#[test]
fn an_engine_of_the_scenarios_own_differs_by_its_definition_alone() {
    let engine = own(Qemu::Icount);
    let text = arguments(&engine);
    for part in [
        "-machine pc -cpu max -smp 28,sockets=2,threads=2 -m 256",
        "-icount shift=0,sleep=off",
        "-serial file:/run/captures/icount-28-1.bin",
        "-append strategy=serial cell -device edu",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(engine.program(), "/scenarios/qemu");
    assert_eq!((engine.name(), engine.exact()), ("mine", true));
    assert_eq!(engine.own_words(), format!("{} wait=spin", Qemu::Icount.own_words()));
    assert!(!own(Qemu::Tcg).exact() && own(Qemu::Kvm).needs_probe());
    assert!(!engine.needs_qemu() && Qemu::Tcg.engine().needs_qemu());
}

#[test]
fn a_topology_takes_the_cpu_counts_that_it_can_make() {
    let mut engine = own(Qemu::Tcg);
    assert!(engine.takes(28).is_ok() && engine.takes(4).is_ok());
    let why = engine.takes(6).unwrap_err();
    assert!(why.ends_with("`sockets=2,threads=2`, which makes a multiple of 4"), "{why}");
    engine.definition.topology = Some("sockets=2,cores=7,threads=2".to_owned());
    assert!(engine.takes(28).is_ok());
    assert!(engine.takes(56).unwrap_err().ends_with("makes 28"));
    assert!(engine.takes(256).unwrap_err().contains("takes 1 to 255; more take QEMU 9"));
    // Sockets of three cores: four IDs each.
    engine.definition.topology = Some("cores=3".to_owned());
    assert!(engine.takes(192).is_ok());
    let why = engine.takes(195).unwrap_err();
    assert!(why.contains("the APIC ID 258"), "{why}");
}

#[test]
fn more_cpus_than_xapic_mode_has_ids_for_take_a_model_with_x2apic() {
    for base in Qemu::ALL {
        let (mut with, without) = (own(base), base.engine());
        with.definition.topology = None;
        for (model, has) in
            [("max,x2apic=on", true), ("max,+x2apic", true), ("max,x2apic=off", false)]
        {
            with.definition.cpu = Some(model.to_owned());
            assert_eq!(with.takes(288).is_ok(), has, "{model}");
            assert_eq!(arguments(&with).contains("one-insn"), has && base == Qemu::Icount);
        }
        let why = without.takes(288).unwrap_err();
        assert!(why.starts_with("288 CPUs: the engine ") && why.contains(MORE), "{why}");
        assert!(!without.takes(0).unwrap_err().contains(MORE));
        assert!(!arguments(&without).contains("one-insn"));
    }
    assert_eq!([255, 256, 2047, 2048, 4096].map(memory), [256, 512, 512, 512, 768]);
}
