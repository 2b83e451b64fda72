//! `docs/extending.md` tells the truth: the strategy of that page is added to a copy of the sources by what the page
//! says alone, and booted; the long test also builds and simulates it on the host.

use crate::harness::{COSTS, follow};
use crate::mutants::altered;
use bringup::frame::{ApEnd, ApTimeline, Body};
use bringup::stamp::Stamp;
use host_analyzer::run::timeline::on_bsp_clock;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::kernel::cargo_program;
use xtask::root;
use xtask::runner::engine::Qemu;

const PAGE: &str = include_str!("../../../docs/extending.md");

/// The section on strategies.
const STRATEGY: &str = "A strategy: two files";

/// All that is built of the workspace, with the features of the stage `clippy`, whose dependencies serve again.
const CHECK: &str = "check --workspace --all-targets \
                     --features xtask/kernel-tests,host-analyzer/browser-tests";

/// What must hold of every strategy, by its verbs and in the simulator; with the features of the stage `kernel`.
const STRATEGIES: &str = "test --workspace --features xtask/kernel-tests --test strategies";

/// What the page has a reader put into a file.
#[derive(Clone, Copy, Debug)]
struct Addition {
    file: &'static str,
    line: &'static str,
    behind: bool,
    text: &'static str,
}

/// The additions of a section: "In `FILE`, after the line `LINE`:", or before it, and a block of Rust.
fn additions(heading: &str) -> Vec<Addition> {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut additions = Vec::new();
    for (above, rest) in
        section.match_indices("```rust\n").map(|(at, fence)| section.split_at(at + fence.len()))
    {
        let place = above.lines().rev().nth(2).unwrap();
        let quoted: Vec<&str> = place.split('`').collect();
        let ["In ", file, relation, line, ":"] = quoted[..] else { panic!("{place}") };
        let behind = match relation {
            ", after the line " => true,
            ", before the line " => false,
            _ => panic!("{place}"),
        };
        let (text, _) = rest.split_once("```").unwrap();
        additions.push(Addition { file, line, behind, text });
    }
    additions
}

/// Does what the page says to a copy of the workspace.
fn apply(workspace: &Path, addition: Addition) {
    let Addition { file, line, behind, text } = addition;
    let path = workspace.join(file);
    let source = fs::read_to_string(&path).unwrap();
    let is_it = |candidate: &&str| candidate.trim() == line;
    let found = source.lines().filter(is_it).count();
    assert_eq!(found, 1, "{file} has {found} lines `{line}`");
    let changed = source.split_inclusive('\n').flat_map(|candidate| match is_it(&candidate) {
        true if behind => [candidate, text],
        true => [text, candidate],
        false => [candidate, ""],
    });
    fs::write(&path, changed.collect::<String>()).unwrap();
}

/// Runs cargo in the copy. It shares the workspace's target folder, so that no dependency is built again; nothing here
/// puts a program there that is called like one of the workspace's.
#[track_caller]
fn cargo(workspace: &Path, words: &str) -> String {
    let mut command = Command::new(cargo_program());
    command.current_dir(workspace).args(words.split_whitespace());
    command.env("CARGO_TARGET_DIR", root().join("target"));
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    out
}

/// No other file must change: nothing on the host, and no test.
#[test]
#[ignore = "long: `cargo xtask test kernel-long`"]
fn a_strategy_added_from_the_page_builds_everywhere_and_is_simulated() {
    altered(|workspace| {
        additions(STRATEGY).into_iter().for_each(|addition| apply(workspace, addition));
        cargo(workspace, CHECK);
        let held = cargo(workspace, STRATEGIES);
        assert!(held.contains("2 passed"), "{held}");
    });
}

#[test]
fn a_strategy_added_from_the_page_boots() {
    let additions = additions(STRATEGY);
    let files: BTreeSet<&str> = additions.iter().map(|addition| addition.file).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    let kernel = altered(|workspace| {
        additions.iter().for_each(|addition| apply(workspace, *addition));
    });

    let mut trials: Vec<Vec<ApTimeline>> = Vec::new();
    let words = format!("{COSTS} strategy=one-ahead");
    let (_, failure) =
        follow(&kernel.path, &Qemu::Icount.engine(), 4, &words, |frame| match &frame.body {
            Body::CellBegin(begin) => assert!(begin.options.starts_with("strategy=one-ahead ")),
            Body::TrialBegin(_) => trials.push(Vec::new()),
            Body::ApTimeline(ap) => trials.last_mut().unwrap().push(on_bsp_clock(ap)),
            _ => {}
        });
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(trials.len(), 2);
    for aps in trials {
        assert_eq!(aps.len(), 3);
        assert!(aps.iter().all(|ap| (ap.end, ap.starts) == (ApEnd::Online, 1)), "{aps:?}");
        let at = |ap: usize, stamp| aps[ap].stamps.get(stamp).unwrap();
        for ap in 0..2 {
            // The next AP has been kicked before this one is let into its callin …
            assert!(at(ap + 1, Stamp::KickEnd) < at(ap, Stamp::CallinBegin), "{aps:?}");
        }
        // … and is the only one: the last is kicked when the first is online.
        assert!(at(0, Stamp::SeenOnline) < at(2, Stamp::Init), "{aps:?}");
    }
}
