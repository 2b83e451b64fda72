//! What a scenario states of engines: its own, and every mistake with its place.

use crate::runner::scenario::tests::{assert_refused, read};

/// An engine of each kind, without a mistake.
const OWN: &str = "engines = [\"mine\", \"sim\", \"v.m-m\"]\ncpus = 4\n\
                   [engine.mine]\nbase = \"icount\"\nqemu = \"./qemu\"\nmachine = \"pc\"\n\
                   cpu = \"max\"\ntopology = \"cores=2,threads=2\"\nextra-args = [\"-m\", \"1G\"]\nown-words = \"wait=spin\"\n\
                   [engine.\"v.m-m\"]\ncommand = [\"vmm\", \"--cpus={smp}\", \"{kernel}\", \
                   \"{cmdline}\", \"{capture}\"]\nversion-command = [\"vmm\", \"-V\"]\n\
                   success-status = [0, 33]\nexact = true\nendless = true\nown-words = \" guard=9us \"\nlongest-command-line = 2048\n";

#[test]
fn engines_of_the_scenarios_own_stand_beside_those_that_are_built_in() {
    let scenario = read(OWN).unwrap();
    let engines: Vec<_> = scenario.groups.iter().map(|group| &group.engine).collect();
    let names: Vec<&str> = engines.iter().map(|engine| engine.name()).collect();
    assert_eq!(names, ["mine", "sim", "v.m-m"]);
    // The base brings its guard and its exactness, its kernel its limits.
    let words = |group: usize| scenario.groups[group].command_lines[0].words.as_str();
    assert_eq!(words(0), "guard=5us tsc-poll=pause tsc-trust=engine wait=spin");
    assert_eq!(words(2), "guard=9us");
    assert!(engines[2].endless() && !engines[0].endless());
    assert!(engines[0].exact() && engines[2].exact());
    assert_eq!(
        (engines[0].longest_command_line(), engines[2].longest_command_line()),
        (4095, 2048)
    );
    let mine = engines[0].definition().unwrap();
    assert_eq!((mine.base.as_deref(), mine.cpu.as_deref()), (Some("icount"), Some("max")));
    let vmm = engines[2].definition().unwrap();
    assert_eq!(vmm.success_status, [0, 33]);
    assert_eq!(vmm.version_command, ["vmm", "-V"]);
    assert!(engines[1].definition().is_none());
    let noisy = OWN.replace("exact = true\n", "").replace("\"icount\"", "\"tcg\"");
    assert!(
        read(&noisy)
            .unwrap()
            .groups
            .iter()
            .all(|group| { group.engine.exact() == (group.engine.name() == "sim") })
    );
}

#[test]
fn a_definition_that_is_not_run_does_no_harm() {
    let scenario = read(&OWN.replace("\"mine\", ", "")).unwrap();
    assert_eq!(scenario.groups.len(), 2);
}

/// A scenario whose one engine has a `base`, and more keys.
fn base(more: &str) -> String {
    format!("engines = \"e\"\ncpus = 4\n[engine.e]\nbase = \"tcg\"\n{more}")
}

/// A scenario whose one engine has this `command`.
fn command(words: &str) -> String {
    format!("engines = \"e\"\ncpus = 4\n[engine.e]\ncommand = {words}")
}

/// A scenario with an engine of this name.
fn named(name: &str) -> String {
    format!("engines = \"tcg\"\ncpus = 4\n[engine.{name}]\nbase = \"tcg\"")
}

#[test]
fn every_mistake_about_the_engines_names_is_reported_with_line_column_and_key() {
    let long = named(&"e".repeat(65));
    assert_refused(&[
        (
            "engine = \"tcg\"\ncpus = 4\n[engine.e]\nbase = \"tcg\"",
            "s.toml:3:2: `engine` names what runs, so it can't hold a definition",
        ),
        (
            "engine = \"tcg\"\nengines = \"tcg\"\ncpus = 4",
            "s.toml:2:1: engines: `engine` already names",
        ),
        ("cpus = 4\n[engine.e]\nbase = \"tcg\"", "s.toml:1:1: engines: this key is missing"),
        ("cpus = 4\n[engine.e]\nbase = \"tcg\"", "`engines = [\"tcg\", \"e\"]`"),
        (
            "engines = [\"mime\"]\ncpus = 4\n[engine.mine]\nbase = \"tcg\"",
            "s.toml:1:12: engines: expected one of icount tcg kvm bochs sim mine, found `mime`",
        ),
        ("engines = [\"mime\"]\ncpus = 4\n[engine.mine]\nbase = \"tcg\"", "did you mean `mine`?"),
        (
            "engines = [\"e\", \"e\"]\ncpus = 4\n[engine.e]\nbase = \"tcg\"",
            "s.toml:1:17: engines: `e` is there twice",
        ),
        ("engine.e = 1\nengines = \"e\"\ncpus = 4", "s.toml:1:12: engine.e: expected a table"),
        (&named("kvm"), "s.toml:3:9: engine.kvm: `kvm` is built in"),
        (&named("TCG"), "`TCG` is built in"),
        (&named("unknown"), "a capture without a run"),
        (
            &named("\"../e\""),
            "s.toml:3:9: engine.../e: `../e` is not a valid engine name: expected letters",
        ),
        (&named("\"\""), "is not a valid engine name"),
        (&named("\"a b\""), "is not a valid engine name"),
        (&named("\".e\""), "is not a valid engine name"),
        (&long, "longer than 64"),
        (
            &format!("{}\n[engine.E]\nbase = \"tcg\"", named("e")),
            "s.toml:5:9: engine.E: `e` becomes the same file's name",
        ),
    ]);
}

#[test]
fn every_mistake_about_an_engine_with_a_base_is_reported_with_line_column_and_key() {
    assert_refused(&[
        (
            "engines = \"e\"\ncpus = 4\n[engine.e]\ncpu = \"max\"",
            "s.toml:3:9: engine.e: it has neither `base` nor `command`",
        ),
        (
            &base("command = [\"vmm\"]"),
            "s.toml:5:1: engine.e.command: an engine with a `base` is a QEMU",
        ),
        (&base("bas = \"tcg\""), "s.toml:5:1: engine.e.bas: there is no such key"),
        (&base("exact = true"), "s.toml:5:1: engine.e.exact: there is no such key"),
        (&base("exact = true"), "exact where `icount` is the base"),
        (&base("success-status = 1"), "belongs to an engine with a `command`"),
        (&base("pin = 1"), "s.toml:5:7: engine.e.pin: expected true or false"),
        (
            &base("pin = true").replace("tcg", "icount"),
            "s.toml:5:1: engine.e.pin: icount runs all CPUs on one thread",
        ),
        (&base("qemu = 7"), "s.toml:5:8: engine.e.qemu: expected a text"),
        (
            &base("extra-args = \"-m 1G\""),
            "s.toml:5:14: engine.e.extra-args: expected an array of words",
        ),
        (&base("extra-args = [\"-m\", 1]"), "s.toml:5:21: engine.e.extra-args: expected a word"),
        (&base("own-words = \"gard=5us\""), "s.toml:5:13: engine.e.own-words: "),
        (&base("own-words = \"gard=5us\""), "did you mean `guard`?"),
        (&base("own-words = \"guard=5 us\""), "s.toml:5:13: engine.e.own-words: "),
        (
            &base("topology = \"sokets=2\""),
            "s.toml:5:12: engine.e.topology: `sokets=2` is no level",
        ),
        (
            &base("topology = \"cores=3\""),
            "s.toml:2:8: cpus: 4 CPUs: the engine e has the topology `cores=3`, which makes a multiple of 3",
        ),
        (
            "engines = \"e\"\ncpus = 4\n[engine.e]\nbase = \"sym\"",
            "s.toml:4:8: engine.e.base: expected one of icount tcg kvm sim",
        ),
        (
            "engines = \"e\"\ncpus = 4\n[engine.e]\nbase = \"sim\"\nqemu = \"q\"",
            "the simulator has a `topology` alone",
        ),
        (
            "engines = \"e\"\ncpus = 3\n[engine.e]\nbase = \"sim\"\ntopology = \"threads=2\"",
            "s.toml:2:8: cpus: 3 CPUs: the engine e has the topology `threads=2`, which makes a multiple of 2",
        ),
    ]);
}

#[test]
fn every_mistake_about_an_engine_with_a_command_is_reported_with_line_column_and_key() {
    let whole = command("[\"vmm\", \"{capture}\"]\n");
    assert_refused(&[
        (
            &command("\"vmm {capture}\""),
            "s.toml:4:11: engine.e.command: expected an array of words",
        ),
        (&command("[]"), "s.toml:4:11: engine.e.command: its first word is not a program"),
        (&command("[\"{kernel}\", \"{capture}\"]"), "its first word is not a program"),
        (
            &command("[\"vmm\", \"{kernel}\", \"{cmdline}\"]"),
            "s.toml:4:11: engine.e.command: no word holds `{capture}`",
        ),
        (&command("[\"vmm\", \"{kernel}\", \"{capture}\"]"), "no word holds `{cmdline}`"),
        (
            &command("[\"vmm\", \"{kernal}\", \"{capture}\"]"),
            "s.toml:4:19: engine.e.command: there is no placeholder `{kernal}`: expected one of {kernel} {cmdline} {smp} {capture}",
        ),
        (&command("[\"vmm\", \"{kernal}\", \"{capture}\"]"), "did you mean `{kernel}`?"),
        (&format!("{whole}machine = \"pc\""), "s.toml:5:1: engine.e.machine: there is no such key"),
        (&format!("{whole}machine = \"pc\""), "belongs to an engine with a `base`"),
        (
            &format!("{whole}success-status = [0, 256]"),
            "s.toml:5:22: engine.e.success-status: expected an exit status from 0 to 255",
        ),
        (&format!("{whole}exact = 1"), "s.toml:5:9: engine.e.exact: expected true or false"),
        (
            &format!("{whole}version-command = []"),
            "s.toml:5:19: engine.e.version-command: its first word is not a program",
        ),
        (
            &format!("{whole}longest-command-line = 0"),
            "s.toml:5:24: engine.e.longest-command-line: expected a number of bytes from 1 to 4095",
        ),
    ]);
}

#[test]
fn extra_args_do_not_boot_something_else_than_run_json_states() {
    let with = |words: &str| {
        format!("engines = \"e\"\ncpus = 4\n[engine.e]\nbase = \"tcg\"\nextra-args = {words}")
    };
    let at = |column: u32| format!("s.toml:5:{column}: engine.e.extra-args: ");
    for word in ["-kernel", "--kernel", "-append=x", "-smp", "-serial", "-initrd", "-M", "-machine"]
    {
        let text = with(&format!("[\"-S\", \"{word}\", \"x\"]"));
        let message = format!("{}`{word}` is an argument that Rollcall gives by itself", at(21));
        assert_refused(&[(&text, &message)]);
    }
    for (word, help) in [
        ("-kernel", "an engine with a `command`"),
        ("-append", "`own-words`"),
        ("-smp", "`cpus` is the CPU count, `topology`"),
        ("-serial", "the capture"),
        ("-cpu", "the key `cpu`"),
        ("-icount", "the key `base`"),
    ] {
        assert_refused(&[(&with(&format!("[\"{word}\"]")), help)]);
    }
    for words in
        ["[\"-m\", \"1G\"]", "[\"-device\", \"kernel=-kernel\"]", "[\"-smbios\", \"type=0\"]"]
    {
        read(&with(words)).unwrap();
    }
}

#[test]
fn a_wrong_definition_is_reported_alone_and_once() {
    let error = read("engines = \"e\"\ncpus = 4\n[engine.e]\ncpu = \"max\"").unwrap_err();
    assert_eq!(error.lines().count(), 1, "{error}");
}
