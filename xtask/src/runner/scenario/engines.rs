//! What a scenario says of engines: which run, and those that it defines itself.

use super::check::Check;
use super::{ENGINE, ENGINES, suggestion_for};
use crate::runner::engine::{
    self, BUILT_IN, Command, Emulator, Engine, PLACEHOLDERS, Qemu, placeholders,
};
use bringup::contract::MAX_COMMAND_LINE;
use bringup::options::Options;
use host_analyzer::ground::document::{shown, suggestion, whole};
use host_analyzer::ground::manifest;
use host_analyzer::run::UNKNOWN_ENGINE;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The keys of an engine with a `base`.
const BASE_KEYS: [&str; 8] =
    ["base", "qemu", "machine", "cpu", "topology", "pin", "extra-args", "own-words"];

/// The keys of an engine with a `command`.
const COMMAND_KEYS: [&str; 7] = [
    "command",
    "version-command",
    "success-status",
    "endless",
    "exact",
    "own-words",
    "longest-command-line",
];

/// The arguments of QEMU that `extra-args` can't hold, without their dash, and what there is instead: of
/// two QEMU takes the last, or both, and `run.json` would tell of another boot.
const ROLLCALLS: [(&[&str], &str); 8] = [
    (
        &["kernel"],
        "what boots is Rollcall's kernel; an engine with a `command` starts anything else",
    ),
    (&["initrd"], "take it out: Rollcall's kernel reads none"),
    (
        &["append"],
        "the table `[options]` says what the kernel is told, and `own-words` what it is told of this engine alone",
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

/// The longest name: it becomes a part of a file's.
const LONGEST_NAME: usize = 64;

/// TOML's own message where `engine` names what runs and is a table as well is about dotted keys;
/// this is about engines.
pub fn explain(at: &str, message: &str) -> Option<(&'static str, &'static str)> {
    (at == ENGINE && message.contains("cannot extend")).then_some((
        "`engine` names what runs, so it can't hold a definition as well",
        "a file with tables `[engine.NAME]` names what runs by `engines`, as in \
         `engines = [\"tcg\", \"NAME\"]`",
    ))
}

/// An engine that the scenario defines; none where its definition has mistakes.
struct Own {
    name: String,
    engine: Option<Arc<dyn Engine>>,
}

impl Check<'_, '_> {
    /// The engines that run, in the order in which the file names them.
    pub fn engines(&mut self, table: &DeTable<'_>) -> Vec<Arc<dyn Engine>> {
        let (own, chosen) = match table.get_key_value(ENGINE) {
            Some((key, value)) => match value.get_ref().as_table() {
                Some(tables) => (self.own_engines(tables), None),
                None => (Vec::new(), Some((ENGINE, key, value))),
            },
            None => (Vec::new(), None),
        };
        let listed = table.get_key_value(ENGINES).map(|(key, value)| (ENGINES, key, value));
        match (chosen, listed) {
            (Some(_), Some((_, key, _))) => {
                let message = "`engine` already names what runs";
                self.mistake(key.span(), ENGINES, message, Some("take one of the two out"));
                Vec::new()
            }
            (Some((name, _, value)), None) | (None, Some((name, _, value))) => {
                self.chosen_engines(name, value, &own)
            }
            (None, None) => {
                let (key, example) = match own.first() {
                    None => (ENGINE, "engine = \"icount\"".to_owned()),
                    Some(own) => (ENGINES, format!("engines = [\"tcg\", \"{}\"]", own.name)),
                };
                let help = format!("it names what runs, for example `{example}`");
                self.mistake(0..0, key, "this key is missing", Some(&help));
                Vec::new()
            }
        }
    }

    fn chosen_engines(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        own: &[Own],
    ) -> Vec<Arc<dyn Engine>> {
        let names: Vec<&str> =
            BUILT_IN.into_iter().chain(own.iter().map(|own| own.name.as_str())).collect();
        let mut chosen: Vec<&str> = Vec::new();
        let mut engines = Vec::new();
        for element in self.elements(key, value) {
            let given = element.get_ref().as_str().unwrap_or_default();
            let Some(name) = names.iter().find(|name| **name == given) else {
                let near = suggestion(given, names.iter().copied());
                let near = near.map(|name| format!("did you mean `{name}`?"));
                let message = format!(
                    "there is no engine {}: expected one of {}",
                    shown(element.get_ref()),
                    names.join(", ")
                );
                self.mistake(element.span(), key, &message, near.as_deref());
                continue;
            };
            if chosen.contains(name) {
                self.duplicate(key, element.span(), name);
                continue;
            }
            chosen.push(name);
            engines.extend(engine::named(name).or_else(|| {
                own.iter().find(|own| own.name == *name).and_then(|own| own.engine.clone())
            }));
        }
        engines
    }

    /// The tables `[engine.NAME]`, in the order of the file.
    fn own_engines(&mut self, tables: &DeTable<'_>) -> Vec<Own> {
        let mut tables: Vec<_> = tables.iter().collect();
        tables.sort_by_key(|(key, _)| key.span().start);
        let mut all: Vec<Own> = Vec::new();
        for (key, value) in tables {
            let name: &str = key.get_ref();
            let path = format!("{ENGINE}.{name}");
            let same = all.iter().find(|own| own.name.eq_ignore_ascii_case(name));
            if let Some(message) = no_name(name)
                .or_else(|| same.map(|own| format!("`{}` becomes the same file's name", own.name)))
            {
                let help = "it becomes a part of the captures' names: take another one";
                self.mistake(key.span(), &path, &message, Some(help));
            }
            let table = self.table(&path, value);
            let engine = table.and_then(|table| self.own_engine(name, key.span(), table));
            all.push(Own { name: name.to_owned(), engine });
        }
        all
    }

    fn own_engine(
        &mut self,
        name: &str,
        at: Range<usize>,
        table: &DeTable<'_>,
    ) -> Option<Arc<dyn Engine>> {
        let path = format!("{ENGINE}.{name}");
        let keys: &[&str] = match (table.contains_key("base"), table.get_key_value("command")) {
            (true, None) => &BASE_KEYS,
            (false, Some(_)) => &COMMAND_KEYS,
            (true, Some((command, _))) => {
                let message = "an engine with a `base` is a QEMU, which Rollcall starts";
                let help = "take out `base` to start this command, or `command` to start QEMU";
                self.mistake(command.span(), &format!("{path}.command"), message, Some(help));
                return None;
            }
            (false, None) => {
                let help = "`base = \"tcg\"`, \"kvm\" or \"icount\" makes it a QEMU with other \
                            arguments; `command = [\"./boot.sh\", \"{kernel}\", \"{cmdline}\", \
                            \"{smp}\", \"{capture}\"]` starts anything else";
                self.mistake(at, &path, "it has neither `base` nor `command`", Some(help));
                return None;
            }
        };
        let mut base = None;
        let mut own = manifest::Engine { name: name.to_owned(), ..Default::default() };
        for (key, value) in table {
            let given: &str = key.get_ref();
            let path = format!("{path}.{given}");
            match given {
                _ if !keys.contains(&given) => self.no_engine_key(key.span(), &path, given, keys),
                "base" => {
                    let word = self.word(&path, value, &Qemu::ALL.map(Qemu::name));
                    base = word.and_then(Qemu::named);
                    own.base = word.map(str::to_owned);
                }
                "qemu" => own.qemu = Some(self.text(&path, value)),
                "machine" => own.machine = Some(self.text(&path, value)),
                "cpu" => own.cpu = Some(self.text(&path, value)),
                "topology" => {
                    let text = self.text(&path, value);
                    if let Err(why) = engine::topology(&text) {
                        self.mistake(value.span(), &path, &why, None);
                    }
                    own.topology = Some(text);
                }
                "pin" => own.pin = Some(self.yes(&path, value)),
                "extra-args" => own.extra_args = self.extra_args(&path, value),
                "command" => own.command = self.command(&path, value),
                "version-command" => own.version_command = self.version_command(&path, value),
                "success-status" => own.success_status = self.statuses(&path, value),
                "exact" => own.exact = self.yes(&path, value),
                "endless" => own.endless = self.yes(&path, value),
                "own-words" => own.own_words = Some(self.own_words(&path, value)),
                _ => own.longest_command_line = Some(self.longest(&path, value)),
            }
        }
        if let (Some(Qemu::Icount), Some((key, _))) = (base, table.get_key_value("pin")) {
            let message = "icount runs all CPUs on one thread of the host: there is nothing to pin";
            self.mistake(key.span(), &format!("{path}.pin"), message, Some("take it out"));
        }
        let folder = self.folder;
        match base {
            Some(base) => Some(Arc::new(Emulator::defined(base, own, folder))),
            None if own.command.is_empty() => None,
            None => Some(Arc::new(Command::new(own, folder))),
        }
    }

    fn no_engine_key(&mut self, at: Range<usize>, path: &str, given: &str, keys: &[&str]) {
        let (mine, others) =
            if keys[0] == "base" { ("base", "command") } else { ("command", "base") };
        let help = match suggestion(given, keys.iter().copied()) {
            _ if given == "exact" => {
                Some("with a `base` it is exact where `icount` is the base".to_owned())
            }
            _ if BASE_KEYS.contains(&given) || COMMAND_KEYS.contains(&given) => {
                Some(format!("it belongs to an engine with a `{others}`, this one has a `{mine}`"))
            }
            near => near.map(|near| format!("did you mean `{near}`?")),
        };
        let message = format!("there is no such key: expected one of {}", keys.join(" "));
        self.mistake(at, path, &message, help.as_deref());
    }

    /// An array of words for a program; none may hold a zero byte, which ends a word.
    fn words(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let Some(array) = value.get_ref().as_array() else {
            self.unexpected(path, value, "an array of words, as in [\"-m\", \"512\"]");
            return Vec::new();
        };
        let mut words = Vec::new();
        for element in array {
            match element.get_ref().as_str().filter(|word| !word.contains('\0')) {
                Some(word) => words.push(word.to_owned()),
                None => self.unexpected(path, element, "a word: a text without a zero byte"),
            }
        }
        words
    }

    /// The words of a command, with what it can't do without.
    fn command(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let words = self.words(path, value);
        if value.get_ref().as_array().is_none() {
            return words;
        }
        let known = || PLACEHOLDERS.map(|name| format!("{{{name}}}"));
        for element in value.get_ref().as_array().into_iter().flatten() {
            let word = element.get_ref().as_str().unwrap_or_default();
            for name in placeholders(word).filter(|name| !PLACEHOLDERS.contains(name)) {
                let near = suggestion(name, PLACEHOLDERS);
                let near = near.map(|near| format!("did you mean `{{{near}}}`?"));
                let message = format!(
                    "there is no placeholder `{{{name}}}`: expected one of {}",
                    known().join(" ")
                );
                self.mistake(element.span(), path, &message, near.as_deref());
            }
        }
        let holds = |name: &str| words.iter().any(|word| placeholders(word).any(|it| it == name));
        if !begins_with_program(&words) {
            self.no_program(path, value);
        } else if !holds("capture") {
            let help = "`{capture}` is the file that the bytes of the serial port must go to";
            self.mistake(value.span(), path, "no word holds `{capture}`", Some(help));
        } else if holds("kernel") && !holds("cmdline") {
            let help = "without `{cmdline}` the kernel does not learn what it shall measure";
            self.mistake(value.span(), path, "no word holds `{cmdline}`", Some(help));
        }
        words
    }

    /// Further arguments of a QEMU; none may change what `run.json` says of the boot.
    fn extra_args(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        for element in value.get_ref().as_array().into_iter().flatten() {
            let word = element.get_ref().as_str().unwrap_or_default();
            let Some(rest) = word.strip_prefix('-') else { continue };
            // QEMU takes an option with one dash or two.
            let name = rest.strip_prefix('-').unwrap_or(rest);
            let name = name.split_once('=').map_or(name, |(name, _)| name);
            if let Some((_, help)) = ROLLCALLS.iter().find(|(names, _)| names.contains(&name)) {
                let message = format!("`{word}` is an argument that Rollcall gives by itself");
                self.mistake(element.span(), path, &message, Some(help));
            }
        }
        self.words(path, value)
    }

    fn version_command(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let words = self.words(path, value);
        if value.get_ref().as_array().is_some() && !begins_with_program(&words) {
            self.no_program(path, value);
        }
        words
    }

    fn no_program(&mut self, path: &str, value: &Spanned<DeValue<'_>>) {
        let help = "the program comes first: a name on the PATH, or a path from this file on";
        self.mistake(value.span(), path, "its first word is no program", Some(help));
    }

    /// How many bytes of a command line arrive.
    fn longest(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> usize {
        let longest = whole(value.get_ref()).and_then(|longest| usize::try_from(longest).ok());
        longest.filter(|longest| (1..=MAX_COMMAND_LINE).contains(longest)).unwrap_or_else(|| {
            let expected = format!("a number of bytes from 1 to {MAX_COMMAND_LINE}");
            self.unexpected(path, value, &expected);
            MAX_COMMAND_LINE
        })
    }

    fn yes(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> bool {
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.unexpected(path, value, "true or false");
            false
        })
    }

    /// Options as the words of a command line.
    fn own_words(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> String {
        let text = self.text(path, value);
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        for word in &words {
            if let Err(error) = Options::default().set_word(word) {
                let near = suggestion_for(&error);
                self.mistake(value.span(), path, &format!("{error}{near}"), None);
            }
        }
        words.join(" ")
    }

    /// One exit status or several.
    fn statuses(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Vec<u8> {
        let mut statuses = Vec::new();
        for element in self.elements(path, value) {
            let status = whole(element.get_ref());
            match status.and_then(|status| u8::try_from(status).ok()) {
                Some(status) => statuses.push(status),
                None => self.unexpected(path, element, "an exit status from 0 to 255"),
            }
        }
        statuses
    }
}

/// True where the first word names a program, and not one that is only known at a boot.
fn begins_with_program(words: &[String]) -> bool {
    words
        .first()
        .is_some_and(|first| !first.trim().is_empty() && placeholders(first).next().is_none())
}

/// Why an engine can't have this name, if it can't.
fn no_name(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if BUILT_IN.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        Some(format!("`{name}` is built in"))
    } else if name == UNKNOWN_ENGINE {
        Some(format!("`{name}` stands for the engine of a capture without a run"))
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(allowed) {
        Some(format!(
            "`{}` is no name: expected letters, digits, `-`, `_` and `.`, the first a letter or a \
             digit",
            name.escape_debug()
        ))
    } else if name.len() > LONGEST_NAME {
        Some(format!("it is longer than {LONGEST_NAME} characters"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_told, read};

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

    #[test]
    fn every_mistake_about_engines_is_told_with_line_column_and_key() {
        let base =
            |more: &str| format!("engines = \"e\"\ncpus = 4\n[engine.e]\nbase = \"tcg\"\n{more}");
        let command =
            |words: &str| format!("engines = \"e\"\ncpus = 4\n[engine.e]\ncommand = {words}");
        let whole = command("[\"vmm\", \"{capture}\"]\n");
        let named =
            |name: &str| format!("engines = \"tcg\"\ncpus = 4\n[engine.{name}]\nbase = \"tcg\"");
        let long = named(&"e".repeat(65));
        assert_told(&[
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
                "s.toml:1:12: engines: there is no engine `mime`: expected one of icount, tcg, kvm, sim, mine",
            ),
            (
                "engines = [\"mime\"]\ncpus = 4\n[engine.mine]\nbase = \"tcg\"",
                "did you mean `mine`?",
            ),
            (
                "engines = [\"e\", \"e\"]\ncpus = 4\n[engine.e]\nbase = \"tcg\"",
                "s.toml:1:17: engines: `e` is there twice",
            ),
            ("engine.e = 1\nengines = \"e\"\ncpus = 4", "s.toml:1:12: engine.e: expected a table"),
            (&named("kvm"), "s.toml:3:9: engine.kvm: `kvm` is built in"),
            (&named("TCG"), "`TCG` is built in"),
            (&named("unknown"), "a capture without a run"),
            (&named("\"../e\""), "s.toml:3:9: engine.../e: `../e` is no name: expected letters"),
            (&named("\"\""), "is no name"),
            (&named("\"a b\""), "is no name"),
            (&named("\".e\""), "is no name"),
            (&long, "longer than 64"),
            (
                &format!("{}\n[engine.E]\nbase = \"tcg\"", named("e")),
                "s.toml:5:9: engine.E: `e` becomes the same file's name",
            ),
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
            (
                &base("extra-args = [\"-m\", 1]"),
                "s.toml:5:21: engine.e.extra-args: expected a word",
            ),
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
                "engines = \"e\"\ncpus = 4\n[engine.e]\nbase = \"sim\"",
                "s.toml:4:8: engine.e.base: expected one of icount tcg kvm",
            ),
            (
                &command("\"vmm {capture}\""),
                "s.toml:4:11: engine.e.command: expected an array of words",
            ),
            (&command("[]"), "s.toml:4:11: engine.e.command: its first word is no program"),
            (&command("[\"{kernel}\", \"{capture}\"]"), "its first word is no program"),
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
            (
                &format!("{whole}machine = \"pc\""),
                "s.toml:5:1: engine.e.machine: there is no such key",
            ),
            (&format!("{whole}machine = \"pc\""), "belongs to an engine with a `base`"),
            (
                &format!("{whole}success-status = [0, 256]"),
                "s.toml:5:22: engine.e.success-status: expected an exit status from 0 to 255",
            ),
            (&format!("{whole}exact = 1"), "s.toml:5:9: engine.e.exact: expected true or false"),
            (
                &format!("{whole}version-command = []"),
                "s.toml:5:19: engine.e.version-command: its first word is no program",
            ),
            (
                &format!("{whole}longest-command-line = 0"),
                "s.toml:5:24: engine.e.longest-command-line: expected a number of bytes from 1 to 4095",
            ),
        ]);
    }

    #[test]
    fn extra_args_do_not_boot_something_else_than_run_json_tells() {
        let with = |words: &str| {
            format!("engines = \"e\"\ncpus = 4\n[engine.e]\nbase = \"tcg\"\nextra-args = {words}")
        };
        let at = |column: u32| format!("s.toml:5:{column}: engine.e.extra-args: ");
        for word in
            ["-kernel", "--kernel", "-append=x", "-smp", "-serial", "-initrd", "-M", "-machine"]
        {
            let text = with(&format!("[\"-S\", \"{word}\", \"x\"]"));
            let told = format!("{}`{word}` is an argument that Rollcall gives by itself", at(21));
            assert_told(&[(&text, &told)]);
        }
        for (word, help) in [
            ("-kernel", "an engine with a `command`"),
            ("-append", "`own-words`"),
            ("-smp", "`cpus` is the CPU count, `topology`"),
            ("-serial", "the capture"),
            ("-cpu", "the key `cpu`"),
            ("-icount", "the key `base`"),
        ] {
            assert_told(&[(&with(&format!("[\"{word}\"]")), help)]);
        }
        for words in
            ["[\"-m\", \"1G\"]", "[\"-device\", \"kernel=-kernel\"]", "[\"-smbios\", \"type=0\"]"]
        {
            read(&with(words)).unwrap();
        }
    }

    #[test]
    fn a_wrong_definition_is_told_alone_and_once() {
        let error = read("engines = \"e\"\ncpus = 4\n[engine.e]\ncpu = \"max\"").unwrap_err();
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
