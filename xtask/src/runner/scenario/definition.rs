//! An engine that a scenario defines, in a table `[engine.NAME]`: a QEMU with a `base`, or a
//! `command`.

use crate::runner::engine::{
    Command, Emulator, Engine, PLACEHOLDERS, Qemu, SIM, Sim, Topology, placeholders,
};
use bringup::contract::MAX_COMMAND_LINE;
use host_analyzer::ground::document::{Keys, Value, suggestion};
use host_analyzer::ground::manifest;
use host_analyzer::ground::options::option_words;
use std::path::Path;
use std::sync::Arc;

/// The arguments of QEMU that `extra-args` can't hold, without their dash, and what there is instead: of
/// two QEMU takes the last, or both, and `run.json` would describe another boot.
const ROLLCALLS: [(&[&str], &str); 8] = [
    (
        &["kernel"],
        "what boots is Rollcall's kernel; an engine with a `command` starts anything else",
    ),
    (&["initrd"], "take it out: Rollcall's kernel reads none"),
    (
        &["append"],
        "the table `[options]` has the kernel's options, and `own-words` those of this engine alone",
    ),
    (
        &["smp"],
        "`cpus` is the CPU count, `topology` what the CPUs make up, and `machine = \"pc,smp.maxcpus=8\"` how many more there may be",
    ),
    (&["serial"], "the serial port is the capture; `-device isa-serial,…` makes another one"),
    (&["machine", "M"], "the key `machine` is for it, as in `machine = \"pc,hpet=off\"`"),
    (&["cpu"], "the key `cpu` is for it, as in `cpu = \"max\"`"),
    (&["accel", "enable-kvm", "icount"], "the key `base` is for it, as in `base = \"kvm\"`"),
];

/// What an array of words is called.
const WORDS: &str = "an array of words, as in [\"-m\", \"512\"]";

/// The engine of a definition in a file of `folder`, an absolute path; `None` where it has mistakes.
pub fn definition(name: &str, value: &Value<'_>, folder: &Path) -> Option<Arc<dyn Engine>> {
    let own = manifest::Engine { name: name.to_owned(), ..Default::default() };
    value.table(|keys| match (keys.has("base"), keys.has("command")) {
        (true, false) if is_simulator(keys) => {
            Some(Arc::new(simulator(keys, own)) as Arc<dyn Engine>)
        }
        (true, false) => {
            let engine = emulator(keys, own, folder)?;
            Some(Arc::new(engine) as Arc<dyn Engine>)
        }
        (false, true) => Some(Arc::new(command(keys, own, folder)?) as Arc<dyn Engine>),
        (true, true) => {
            let help = "take out `base` to start this command, or `command` to start QEMU";
            let message = "an engine with a `base` is a QEMU, which Rollcall starts";
            keys.get("command")?.wrong_key(message, Some(help));
            keys.all();
            None
        }
        (false, false) => {
            let help = "`base = \"tcg\"`, \"kvm\" or \"icount\" makes it a QEMU with other \
                        arguments; `command = [\"./boot.sh\", \"{kernel}\", \"{cmdline}\", \
                        \"{smp}\", \"{capture}\"]` starts anything else";
            value.wrong_key("it has neither `base` nor `command`", Some(help));
            keys.all();
            None
        }
    })?
}

fn is_simulator(keys: &mut Keys<'_>) -> bool {
    keys.get("base").is_some_and(|base| base.scalar().as_deref() == Some(SIM))
}

/// The simulator with other CPUs.
fn simulator(keys: &mut Keys<'_>, engine: manifest::Engine) -> Sim {
    keys.hint(|key| match key {
        "qemu" | "machine" | "cpu" | "pin" | "extra-args" | "own-words" => Some(
            "it belongs to an engine that boots the kernel; the simulator has a `topology` alone"
                .to_owned(),
        ),
        _ => None,
    });
    let topology = keys.may("topology", levels);
    Sim::defined(manifest::Engine { base: Some(SIM.to_owned()), topology, ..engine })
}

/// A QEMU with a `base`.
fn emulator(keys: &mut Keys<'_>, engine: manifest::Engine, folder: &Path) -> Option<Emulator> {
    keys.hint(|key| match key {
        "exact" => Some("with a `base` it is exact where `icount` is the base".to_owned()),
        "version-command" | "success-status" | "endless" | "longest-command-line" => {
            Some("it belongs to an engine with a `command`, this one has a `base`".to_owned())
        }
        _ => None,
    });
    let base = keys.need("base", |base| {
        let names = Qemu::ALL.map(Qemu::name).into_iter().chain([SIM]);
        // The simulator was taken before.
        base.choice(names, |name| name).and_then(Qemu::named)
    });
    let engine = manifest::Engine {
        base: base.map(|base| base.name().to_owned()),
        qemu: keys.may("qemu", Value::text),
        machine: keys.may("machine", Value::text),
        cpu: keys.may("cpu", Value::text),
        topology: keys.may("topology", levels),
        pin: keys.may("pin", Value::flag),
        extra_args: keys.may("extra-args", extra_args).unwrap_or_default(),
        own_words: keys.may("own-words", own_words),
        ..engine
    };
    if let (Some(Qemu::Icount), Some(pin)) = (base, keys.get("pin")) {
        let message = "icount runs all CPUs on one thread of the host: there is nothing to pin";
        pin.wrong_key(message, Some("take it out"));
    }
    Some(Emulator::defined(base?, engine, folder))
}

/// An engine with a `command`.
fn command(keys: &mut Keys<'_>, engine: manifest::Engine, folder: &Path) -> Option<Command> {
    keys.hint(|key| match key {
        "qemu" | "machine" | "cpu" | "topology" | "pin" | "extra-args" => {
            Some("it belongs to an engine with a `base`, this one has a `command`".to_owned())
        }
        _ => None,
    });
    let command = keys.need("command", command_words);
    let engine = manifest::Engine {
        version_command: keys.may("version-command", version_command).unwrap_or_default(),
        success_status: keys.may("success-status", statuses).unwrap_or_default(),
        endless: keys.may("endless", Value::flag).unwrap_or(false),
        exact: keys.may("exact", Value::flag).unwrap_or(false),
        own_words: keys.may("own-words", own_words),
        longest_command_line: keys.may("longest-command-line", |longest| {
            longest.number(1..=MAX_COMMAND_LINE, "a number of bytes")
        }),
        ..engine
    };
    Some(Command::new(manifest::Engine { command: command?, ..engine }, folder))
}

/// The words of a command, with what it can't do without.
fn command_words(value: &Value<'_>) -> Option<Vec<String>> {
    let words = words(value, unknown_placeholders)?;
    let holds = |name: &str| words.iter().any(|word| placeholders(word).any(|it| it == name));
    if begins_with_program(value, &words) {
        if !holds("capture") {
            let help = "`{capture}` is the file that the bytes of the serial port must go to";
            value.wrong("no word holds `{capture}`", Some(help));
        } else if holds("kernel") && !holds("cmdline") {
            let help = "without `{cmdline}` the kernel gets no command line";
            value.wrong("no word holds `{cmdline}`", Some(help));
        }
    }
    Some(words)
}

fn version_command(value: &Value<'_>) -> Option<Vec<String>> {
    let words = words(value, |_, _| ())?;
    begins_with_program(value, &words);
    Some(words)
}

/// Further arguments of a QEMU; none may change what `run.json` states of the boot.
fn extra_args(value: &Value<'_>) -> Option<Vec<String>> {
    words(value, |element, word| {
        let Some(rest) = word.strip_prefix('-') else { return };
        // QEMU takes an option with one dash or two.
        let name = rest.strip_prefix('-').unwrap_or(rest);
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        if let Some((_, help)) = ROLLCALLS.iter().find(|(names, _)| names.contains(&name)) {
            let message = format!("`{word}` is an argument that Rollcall gives by itself");
            element.wrong(&message, Some(help));
        }
    })
}

/// An array of words for a program, each checked.
fn words(value: &Value<'_>, check: impl Fn(&Value<'_>, &str)) -> Option<Vec<String>> {
    let elements = value.array(WORDS)?;
    let words = elements.iter().filter_map(|element| {
        let word = element.word()?;
        check(element, &word);
        Some(word)
    });
    Some(words.collect())
}

/// Reports the placeholders of a word that there are not.
fn unknown_placeholders(element: &Value<'_>, word: &str) {
    for name in placeholders(word).filter(|name| !PLACEHOLDERS.contains(name)) {
        let near = suggestion(name, PLACEHOLDERS);
        let near = near.map(|near| format!("did you mean `{{{near}}}`?"));
        let known = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(" ");
        let message = format!("there is no placeholder `{{{name}}}`: expected one of {known}");
        element.wrong(&message, near.as_deref());
    }
}

/// True where the first word names a program, and not one that is only known at a boot; reported
/// where not.
fn begins_with_program(value: &Value<'_>, words: &[String]) -> bool {
    let is_program =
        |first: &String| !first.trim().is_empty() && placeholders(first).next().is_none();
    let begins = words.first().is_some_and(is_program);
    if !begins {
        let help = "the program comes first: a name on the PATH, or a path relative to this file";
        value.wrong("its first word is not a program", Some(help));
    }
    begins
}

/// A topology, with a word for one replaced by its levels.
fn levels(value: &Value<'_>) -> Option<String> {
    match Topology::read(&value.text()?) {
        Ok(topology) => Some(topology.to_string()),
        Err(why) => {
            value.wrong(&why, None);
            None
        }
    }
}

/// Options as the words of a command line.
fn own_words(value: &Value<'_>) -> Option<String> {
    let (text, _) = option_words(value)?;
    Some(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
}

/// One exit status or several.
fn statuses(value: &Value<'_>) -> Option<Vec<u8>> {
    let statuses = value.list();
    let statuses = statuses.iter();
    Some(statuses.filter_map(|status| status.number(0..=u8::MAX, "an exit status")).collect())
}
