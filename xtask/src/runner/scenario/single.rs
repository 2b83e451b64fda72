//! A scenario of the words of a command line.

use super::sweep::{key, once, sections, spanned};
use super::{CommandLine, Group, KEYS, Scenario, engines_own};
use crate::runner::engine::Engine;
use crate::runner::run_folder::RUN;
use crate::runner::words::join;
use bringup::options::OptionError;
use bringup::plan::Plan;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::options::suggestion_for;
use miette::{Report, miette};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

impl Scenario {
    /// A boot of each engine with each CPU count, whose cells a command line has; a word with several values is a
    /// sweep.
    ///
    /// `words` are the kernel's, without the engine's own. Fails with [`Failure::Request`] if the
    /// kernel would refuse them, if one is the engine's to say, or if an engine can't carry them.
    pub fn single(
        engines: &[Arc<dyn Engine>],
        cpus: &[u16],
        words: &str,
        boot_limit: Duration,
    ) -> Result<Scenario, Failure> {
        let names: Vec<&str> = engines.iter().map(|engine| engine.name()).collect();
        once(&names, "--engine")?;
        once(cpus, "--smp")?;
        let line = spanned(words)?;
        for word in line.split_ascii_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            if let Some((why, help)) = engines_own(key, value) {
                return Err(Failure::Request(miette!(help = help, "`{word}`: {why}")));
            }
        }
        let groups =
            engines.iter().flat_map(|engine| cpus.iter().map(|smp| group(engine, *smp, &line)));
        Ok(Scenario {
            name: RUN.to_owned(),
            text: String::new(),
            command: Vec::new(),
            boots: 1,
            past: None,
            boot_limit,
            groups: groups.collect::<Result<_, _>>()?,
            skipped: Vec::new(),
            unused: unused(words),
            profiles: Vec::new(),
        })
    }
}

/// The boot of an engine with so many CPUs.
fn group(engine: &Arc<dyn Engine>, smp: u16, words: &str) -> Result<Group, Failure> {
    engine.takes(smp).map_err(|why| Failure::Request(miette!("{why}")))?;
    let words = join(engine.own_words(), words);
    Plan::parse(&words, usize::from(smp)).map_err(|error| Failure::Request(wrong(&error)))?;
    let longest = engine.longest_command_line();
    if words.len() > longest {
        return Err(Failure::Request(miette!(
            help = "share the cells out to several boots; a scenario does that by itself",
            "the command line has {} bytes, {} passes on at most {longest}",
            words.len(),
            engine.name()
        )));
    }
    let command_lines = vec![CommandLine { words, profiles: Vec::new() }];
    Ok(Group { engine: Arc::clone(engine), smp, command_lines })
}

/// What is wrong with a command line, and what to do where the mistake does not say.
fn wrong(error: &OptionError<'_>) -> Report {
    let help = match error {
        OptionError::UnknownKey { key: "engine" | "engines" } => "`--engine` names what runs",
        OptionError::UnknownKey { key: "cpus" } => "`--smp` has the CPU counts",
        OptionError::UnknownKey { key: "boot-limit" } => "`--limit-seconds` is the boot's limit",
        OptionError::UnknownKey { key } if KEYS.contains(key) => {
            "it is a key of scenarios, which are files: `cargo xtask matrix FILE` runs one"
        }
        OptionError::UnknownKey { .. } | OptionError::NoValue { .. } => {
            "options are words key=value; each word `cell` begins a cell that inherits those before \
             the first and may override them"
        }
        _ => return miette!("{error}"),
    };
    miette!(help = help, "{error}{}", suggestion_for(error))
}

/// Each word that no cell uses, and why.
fn unused(words: &str) -> Vec<String> {
    let sections = sections(words);
    // The last word of a key counts.
    let counting: Vec<HashMap<&str, &str>> = sections
        .iter()
        .map(|words| words.iter().map(|word| (key(word), *word)).collect())
        .collect();
    let mut unused = Vec::new();
    for (number, (words, counting_here)) in sections.iter().zip(&counting).enumerate() {
        for word in words {
            let (key, counts) = (key(word), counting_here[key(word)]);
            let cells = if number == 0 { &counting[1..] } else { &[] };
            if counts != *word {
                unused
                    .push(format!("`{word}` is never used: `{counts}` behind it takes its place"));
            } else if !cells.is_empty() && cells.iter().all(|cell| cell.contains_key(key)) {
                unused.push(format!(
                    "`{word}` is never used: every cell sets `{key}`, and the words before the \
                     first `cell` are no cell of their own"
                ));
            }
        }
    }
    unused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::engine::named;

    fn single(engine: &str, words: &str) -> Result<Scenario, String> {
        let (engines, limit) = ([named(engine).unwrap()], Duration::from_secs(1));
        Scenario::single(&engines, &[8], words, limit).map_err(|failure| told(&failure))
    }

    fn told(failure: &Failure) -> String {
        let report = failure.report();
        let help = report.help().map(|help| help.to_string()).unwrap_or_default();
        format!("{report} ({help})")
    }

    #[test]
    fn each_engine_boots_each_cpu_count() {
        let engines = ["sim", "icount"].map(|name| named(name).unwrap());
        let words = "strategy=serial,full-parallel";
        let scenario =
            |cpus: &[u16]| Scenario::single(&engines, cpus, words, Duration::from_secs(1));
        let groups = scenario(&[4, 8]).unwrap().groups;
        let booted: Vec<(&str, u16)> =
            groups.iter().map(|group| (group.engine.name(), group.smp)).collect();
        assert_eq!(booted, [("sim", 4), ("sim", 8), ("icount", 4), ("icount", 8)]);
        let cells = "cell strategy=serial cell strategy=full-parallel";
        assert!(groups.iter().all(|group| group.command_lines[0].words.ends_with(cells)));
        assert!(told(&scenario(&[4, 8, 4]).unwrap_err()).starts_with("`--smp` has `4` twice"));
    }

    #[test]
    fn what_an_engine_sets_is_refused_as_in_a_scenario() {
        for (engine, words, message) in [
            ("icount", "guard=0", "`guard=0`: the engine sets it by itself (take it out"),
            ("sim", "cell wait=spin guard=3600s", "`guard=3600s`: the engine sets it by itself"),
            ("kvm", "tsc-trust=engine", "`tsc-trust=engine`: only an engine may say it"),
            ("kvm", "tsc-trust=no,engine", "`tsc-trust=engine`: only an engine may say it"),
        ] {
            let error = single(engine, words).expect_err(words);
            assert!(error.contains(message), "{words}: {error}");
        }
        assert!(single("kvm", "tsc-sync=trusted tsc-trust=yes tsc-poll=pause").is_ok());
    }

    #[test]
    fn a_key_of_scenarios_is_named_as_such() {
        for (words, message) in [
            ("profile=haswell-28", "there is no option `profile`: expected one of"),
            (
                "profile=haswell-28",
                "a key of scenarios, which are files: `cargo xtask matrix FILE`",
            ),
            ("boots=3", "it is a key of scenarios"),
            ("cpus=3", "`--smp` has the CPU counts"),
            ("engine=tcg", "`--engine` names what runs"),
            ("boot-limit=3s", "`--limit-seconds` is the boot's limit"),
            ("profil=1", "there is no option `profil`: expected one of"),
            ("fault=trap:9", "`fault=trap:9`: there is no CPU 9 on a machine of 8 CPUs (0 to 7)"),
        ] {
            let error = single("sim", words).expect_err(words);
            assert!(error.contains(message), "{words}: {error}");
        }
    }

    #[test]
    fn a_word_that_no_cell_uses_is_reported() {
        let cells = "cell strategy=parallel-sipi cell strategy=full-parallel wait=halt";
        let unused = |words: &str| single("sim", words).unwrap().unused;
        assert_eq!(
            unused(&format!("strategy=serial wait=spin {cells}")),
            ["`strategy=serial` is never used: every cell sets `strategy`, and the words before \
                 the first `cell` are no cell of their own"]
        );
        assert_eq!(
            unused("wait=spin cell repetitions=2 repetitions=3"),
            ["`repetitions=2` is never used: `repetitions=3` behind it takes its place"]
        );
        assert_eq!(
            unused("strategy=serial strategy=full-parallel"),
            ["`strategy=serial` is never used: `strategy=full-parallel` behind it takes its place"]
        );
        for words in ["", "strategy=serial", "wait=spin cell wait=halt cell", "wait=halt wait=halt"]
        {
            assert!(unused(words).is_empty(), "{words}");
        }
    }
}
